//! Where it plays: a temporary directory with a new installation, and the relay itself, a child of this process.

use std::fs::{self, DirBuilder};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use super::cast::DOMAIN;
use super::patience::Patience;
use super::trouble::Trouble;
use crate::control::client;
use crate::control::wire::{Answer, Request};
use crate::id::Entropy;
use crate::init::{self, Layout, Made, Preset};
use crate::mail::address::Domain;
use crate::time::Clock;

/// The address of a Unix socket has 108 bytes (unix(7)), and the longest name in the directory needs some of them.
const LONGEST_DIR: usize = 80;

/// A directory that is removed when this is dropped.
pub(super) struct Directory(PathBuf);

impl Directory {
    /// A new one where temporary files belong, open to nobody else.
    pub(super) fn new(entropy: &Entropy) -> Result<Self, Trouble> {
        let name = data_encoding::HEXLOWER.encode(&entropy.bytes::<6>());
        let path = std::env::temp_dir().join(format!("vouchsafe-demo-{name}"));
        if path.as_os_str().len() > LONGEST_DIR {
            let what = "the temporary directory's path is too long for a socket: set TMPDIR to a shorter one";
            return Trouble::broken(what);
        }
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(Trouble::io(format!("create {} (TMPDIR names another place)", path.display())))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it with everything in it, and says if that does not succeed.
    pub(super) fn remove(self) -> Result<(), Trouble> {
        fs::remove_dir_all(&self.0).map_err(Trouble::io(format!("remove {}", self.0.display())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // On the way out of a failure; after `remove` there is nothing left.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the child says, kept in memory.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.locked().clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.locked()).into_owned()
    }

    /// The last lines, for an error.
    pub(super) fn tail(&self) -> String {
        const LINES: usize = 5;
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("TRACE")).collect();
        let last = lines.iter().skip(lines.len().saturating_sub(LINES));
        let tail: String = last.map(|line| format!("\n    {line}")).collect();
        if tail.is_empty() { tail } else { format!("\nthe relay's log ended so:{tail}") }
    }

    /// The address that the relay listens on, once it says that it is ready.
    fn address_when_ready(&self) -> Option<String> {
        let text = self.text();
        let (before, _) = text.split_once(" ready\n")?;
        let (_, rest) = before.split_once(" listening address=")?;
        rest.split_whitespace().next().map(str::to_owned)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self, mut from: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut piece) {
                let _ = log.locked().write_all(piece.get(..read).unwrap_or_default());
            }
        })
    }
}

/// The running relay and its directory. When this is dropped, the relay is killed and the directory removed.
pub(super) struct Stage {
    relay: Relay,
    pub(super) smtp: SocketAddr,
    pub(super) made: Made,
    pub(super) directory: Directory,
    socket: PathBuf,
}

/// The child; killed when dropped.
struct Relay {
    child: Child,
    readers: Vec<JoinHandle<()>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        // No error of either is of use: the child may have ended, and that is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stage {
    /// Makes the installation, whose next hop is `sink`, and starts the relay.
    pub(super) fn build(
        sink: SocketAddr,
        log: &Log,
        patience: &Patience,
        clock: &dyn Clock,
        entropy: &Entropy,
    ) -> Result<Self, Trouble> {
        let directory = Directory::new(entropy)?;
        let home = directory.path().join("relay");
        let domain: Domain = DOMAIN.parse().map_err(|_| Trouble::Broken("bad domain".to_owned()))?;
        let made =
            init::init(&Layout::Folder(home.clone()), &domain, Preset::KubeEdge, None, clock, entropy)?;
        adapt(&made.config, sink)?;
        let mut relay = start(&made.config, log)?;
        let smtp = patience.until("the relay listens", || {
            if let Some(status) = relay.child.try_wait().map_err(Trouble::io("watch the relay"))? {
                return Trouble::broken(format!("the relay ended at once ({status})"));
            }
            Ok(log.address_when_ready())
        })?;
        let smtp = smtp.parse().map_err(|_| Trouble::Broken(format!("\"{smtp}\" is no address")))?;
        Ok(Self { relay, smtp, socket: home.join("control.sock"), made, directory })
    }

    /// The relay's store.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.path().join("relay/data")
    }

    pub(super) fn pid(&self) -> u32 {
        self.relay.child.id()
    }

    /// Asks over the control socket; a refusal is an error.
    pub(super) fn ask(&self, request: &Request) -> Result<Answer, Trouble> {
        match client::ask(&self.socket, request)? {
            Answer::Error { what, why, next, .. } => {
                Trouble::broken(format!("the relay answered: {what}: {why}; {next}"))
            }
            answer => Ok(answer),
        }
    }

    /// Sends SIGTERM and waits for the end. Everything the relay said is in the log then.
    pub(super) fn terminate(self, patience: &Patience) -> Result<(ExitStatus, Directory), Trouble> {
        let Self { mut relay, directory, .. } = self;
        let told = kill_process(Pid::from_child(&relay.child), Signal::TERM);
        told.map_err(|error| Trouble::io("send SIGTERM to the relay")(error.into()))?;
        let ended = || relay.child.try_wait().map_err(Trouble::io("wait for the relay"));
        let status = patience.until("the relay ends after SIGTERM", ended)?;
        for reader in relay.readers.drain(..) {
            // Its pipe is closed, so it ends; one that broke down has been of no use, which the search would show.
            let _ = reader.join();
        }
        Ok((status, directory))
    }
}

/// What the demo's settings differ in from what `init` wrote.
fn adapt(config: &Path, sink: SocketAddr) -> Result<(), Trouble> {
    let mut text = fs::read_to_string(config).map_err(Trouble::io(format!("read {}", config.display())))?;
    for (line, instead) in [
        // Port 0 takes a free one; the log says which.
        ("listen = [\"127.0.0.1:2525\"]", "listen = [\"127.0.0.1:0\"]".to_owned()),
        ("smarthost = \"127.0.0.1:25\"", format!("smarthost = \"{sink}\"")),
        ("#allow_swap = false", "allow_swap = true".to_owned()),
        // The demo counts what leaves; a notice would come at a moment of its own.
        ("#alert_every = \"15m\"", "notify = []".to_owned()),
    ] {
        if text.matches(line).count() != 1 {
            return Trouble::broken(format!("the settings that init wrote have no line {line}"));
        }
        text = text.replace(line, &instead);
    }
    fs::write(config, text).map_err(Trouble::io(format!("write {}", config.display())))
}

/// The same binary, told to serve, as talkative as it can be.
fn start(config: &Path, log: &Log) -> Result<Relay, Trouble> {
    let binary = std::env::current_exe().map_err(Trouble::io("find this program's own file"))?;
    let mut command = Command::new(&binary);
    command.arg("serve").arg("--config").arg(config);
    command.env_clear().env("VOUCHSAFE_LOG", "trace");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Trouble::io(format!("start {}", binary.display())))?;
    let readers = [
        child.stdout.take().map(|pipe| log.collect(pipe)),
        child.stderr.take().map(|pipe| log.collect(pipe)),
    ];
    Ok(Relay { child, readers: readers.into_iter().flatten().collect() })
}
