//! `serve` as a child without rights, and its log.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::install::{Install, NOBODY, Ran};
use super::{PATIENCE, is_root};

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    log: Arc<Log>,
    root: PathBuf,
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Daemon {
    /// Starts the daemon and waits until it answers.
    pub fn start(install: &Install) -> Self {
        Self::start_with(install, &[])
    }

    /// The same with environment variables.
    pub fn start_with(install: &Install, environment: &[(&str, &str)]) -> Self {
        let daemon = Self::spawn(install, environment);
        assert!(daemon.wait_until_ready(), "the daemon did not start: {}", daemon.log());
        // The socket stands before "ready" is logged: the first question is answered.
        install.ok(&["status"]);
        daemon
    }

    /// Starts a daemon that may have so many files open, and waits until it answers.
    pub fn start_with_files(install: &Install, files: usize) -> Self {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"]);
        let usual = command(install);
        limited.arg(usual.get_program()).args(usual.get_args()).current_dir(usual.get_current_dir().unwrap());
        limited.env("TMPDIR", install.tmp()).env("VOUCHSAFE_LOG", "info");
        let daemon = Self::of(install, &mut limited);
        assert!(
            daemon.wait_for_line("vouchsafe::daemon: ready"),
            "the daemon did not start: {}",
            daemon.log()
        );
        daemon
    }

    /// Starts it without waiting for anything.
    pub fn spawn(install: &Install, environment: &[(&str, &str)]) -> Self {
        Self::of(install, command_with(install, environment).env("VOUCHSAFE_LOG", "info"))
    }

    fn of(install: &Install, command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().unwrap();
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                writer.lines.lock().unwrap().0.push(String::from_utf8_lossy(&line).into_owned());
                writer.more.notify_all();
            }
            writer.lines.lock().unwrap().1 = true;
            writer.more.notify_all();
        });
        Self { child, log, root: install.root() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it takes mail by SMTP.
    pub fn smtp(&self) -> SocketAddr {
        let log = self.log();
        let text = |l: &'_ str| l.split_once("listening address=").map(|(_, a)| a.trim().to_owned());
        let json = |l: &'_ str| {
            let line: serde_json::Value = serde_json::from_str(l).ok()?;
            (line["message"] == "listening").then(|| line["address"].as_str().map(str::to_owned))?
        };
        let address = log.lines().filter_map(|l| text(l).or_else(|| json(l)));
        let found = address.filter_map(|a| a.parse().ok()).next();
        found.unwrap_or_else(|| panic!("no SMTP address in the log: {log}"))
    }

    /// Where it takes mail by LMTP, with `listen = ["unix:lmtp.sock"]`.
    pub fn lmtp(&self) -> PathBuf {
        self.root.join("lmtp.sock")
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap().0.join("\n")
    }

    /// How many lines hold this text.
    pub fn count_lines(&self, text: &str) -> usize {
        self.log.lines.lock().unwrap().0.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until so many lines hold this text.
    pub fn wait_for_lines(&self, text: &str, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().unwrap();
        let (mut seen, mut found) = (0, 0);
        loop {
            found += lines.0[seen..].iter().filter(|line| line.contains(text)).count();
            seen = lines.0.len();
            if found >= count {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !lines.1, "{text:?} was logged {found} times, not {count}");
            lines = self.log.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits until it is ready, in whatever form it logs; false when it ends before.
    fn wait_until_ready(&self) -> bool {
        self.wait_for_any(&["vouchsafe::daemon: ready", "\"message\":\"ready\""])
    }

    /// Waits for a line with this text; false when the daemon ends before.
    pub fn wait_for_line(&self, text: &str) -> bool {
        self.wait_for_any(&[text])
    }

    fn wait_for_any(&self, texts: &[&str]) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            if lines.0.iter().any(|l| texts.iter().any(|text| l.contains(text))) {
                return true;
            }
            if lines.1 {
                return false;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{texts:?} was not logged: {}", lines.0.join("\n"));
            lines = self.log.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for a line with this text, no longer than that; false when it does not come or the daemon ends without it.
    pub fn hears(&self, text: &str, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            if lines.0.iter().any(|l| l.contains(text)) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.1 || left.is_zero() {
                return false;
            }
            lines = self.log.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Whether it is the same process still.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks it to stop (SIGTERM) and waits for that.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        let status = self.wait(PATIENCE).expect("it stops when it is asked to");
        (status, self.whole_log())
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.whole_log()
    }

    /// Waits until it ends by itself; none when it does not within that time.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The log of a daemon that has ended, to its last line.
    pub fn whole_log(&self) -> String {
        let mut lines = self.log.lines.lock().unwrap();
        while !lines.1 {
            lines = self.log.more.wait(lines).unwrap();
        }
        lines.0.join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(6000);
            eprintln!("the daemon's log:\n{}", String::from_utf8_lossy(&log.as_bytes()[tail..]));
        }
    }
}

/// `serve` in the foreground until it ends; for what must not start.
pub fn serve_to_its_end(install: &Install) -> Ran {
    command(install).stdin(Stdio::null()).output().unwrap().into()
}

fn command(install: &Install) -> Command {
    command_with(install, &[])
}

/// The same with environment variables, which what wraps it does not get: a library that is loaded first would do its
/// work there with other rights.
fn command_with(install: &Install, environment: &[(&str, &str)]) -> Command {
    let mut command = without_rights(Path::new("env"));
    command.args(environment.iter().map(|(name, value)| format!("{name}={value}"))).arg(install.program());
    command.arg("--config").arg(install.config()).arg("serve");
    command.env("TMPDIR", install.tmp()).current_dir(existing(&install.tmp()));
    command
}

/// A program as a user without rights, where core files may be written. What wraps it executes it in its own place: the
/// child's id is the program's.
pub fn without_rights(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited 2>/dev/null; exec \"$@\"", "sh"]);
    if is_root() {
        let id = NOBODY.to_string();
        command.args(["setpriv", &format!("--reuid={id}"), &format!("--regid={id}"), "--clear-groups"]);
    }
    command.arg(program);
    command
}

/// A core file, if the limits failed, would lie in the working directory.
fn existing(path: &Path) -> &Path {
    if path.is_dir() { path } else { Path::new("/") }
}
