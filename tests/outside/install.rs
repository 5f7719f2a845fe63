//! An installation of its own, as `init` makes it, and the command line that belongs to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use super::is_root;

/// The domain of the lists.
pub const DOMAIN: &str = "lists.example";
/// The intake list.
pub const SECURITY: &str = "security@lists.example";
/// The announce list.
pub const ANNOUNCE: &str = "distrib-announce@lists.example";
/// The line of `relay.toml` that names admins.
const NOTIFY: &str = "#notify = [{ address = \"ada@admin.example\", certificate = \"admins/ada.asc\" }]";
/// Whom the daemon runs as when the tests run as root.
pub const NOBODY: u32 = 65534;

static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// Sets the program under test, before anything was run.
pub fn use_binary(program: PathBuf) {
    BINARY.set(runnable(program)).expect("set before the first use");
}

/// The program under test: what was set, `VOUCHSAFE_TEST_BINARY`, or the one cargo has just built.
pub fn binary() -> PathBuf {
    let found = BINARY.get_or_init(|| {
        let given = std::env::var_os("VOUCHSAFE_TEST_BINARY").map(PathBuf::from);
        runnable(given.unwrap_or_else(built))
    });
    found.clone()
}

/// The program that cargo has just built: the debug build, which has failpoints.
pub fn built() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_vouchsafe"))
}

/// A program that the daemon's user can run too.
fn runnable(program: PathBuf) -> PathBuf {
    if is_root() && !reachable(&program) { reachable_copy(&program) } else { program }
}

/// Whether another user can run it where it lies.
fn reachable(program: &Path) -> bool {
    program.ancestors().skip(1).all(|folder| {
        folder.as_os_str().is_empty()
            || fs::metadata(folder).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0)
    })
}

/// A copy where everybody can run it. One for all runs of this build, so that nothing piles up.
fn reachable_copy(program: &Path) -> PathBuf {
    let meta = fs::metadata(program).unwrap();
    let age = meta.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let place = std::env::temp_dir().join(format!("vouchsafe-under-test-{}", meta.len()));
    fs::create_dir_all(&place).unwrap();
    let copy = place.join(format!("vouchsafe-{age}"));
    if !copy.exists() {
        let draft = place.join(format!("draft-{}", std::process::id()));
        fs::copy(program, &draft).unwrap();
        fs::set_permissions(&draft, Permissions::from_mode(0o755)).unwrap();
        fs::rename(&draft, &copy).unwrap();
    }
    copy
}

/// The engine that installations use unless a test asks for another: `VOUCHSAFE_STORE`, or redb.
pub fn store_kind() -> String {
    std::env::var("VOUCHSAFE_STORE").unwrap_or_else(|_| "redb".to_owned())
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it said to standard error.
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// An installation in a folder that goes with it, or in one of somebody else's.
pub struct Install {
    dir: PathBuf,
    /// Removes it.
    own: Option<TempDir>,
    program: PathBuf,
}

impl Install {
    /// The KubeEdge preset, listening on free ports, with this next hop (`host:port` or `unix:/path`).
    pub fn new(smarthost: &str) -> Self {
        Self::edited(smarthost, &[])
    }

    /// The same with changes to `relay.toml`: each text must occur in it once.
    pub fn edited(smarthost: &str, changes: &[(&str, &str)]) -> Self {
        Self::of(binary(), smarthost, changes)
    }

    /// The same for another program than the one under test.
    pub fn of(program: PathBuf, smarthost: &str, changes: &[(&str, &str)]) -> Self {
        Self::fresh(program, &store_kind(), smarthost, changes)
    }

    /// The same on this engine (`redb`, `sled`).
    pub fn on(kind: &str, smarthost: &str, changes: &[(&str, &str)]) -> Self {
        Self::fresh(binary(), kind, smarthost, changes)
    }

    /// Another preset than KubeEdge's.
    pub fn of_preset(preset: &str, smarthost: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("vs").permissions(Permissions::from_mode(0o755)).tempdir();
        let dir = dir.unwrap();
        let install = Self { dir: dir.path().to_owned(), own: None, program: binary() };
        install.init_with(DOMAIN, preset);
        install.settle(smarthost, &[]);
        Self { own: Some(dir), ..install }
    }

    /// The usual one for lists of another domain.
    pub fn elsewhere(domain: &str, smarthost: &str) -> Self {
        Self::fresh_for(domain, binary(), &store_kind(), smarthost, &[])
    }

    fn fresh(program: PathBuf, kind: &str, smarthost: &str, changes: &[(&str, &str)]) -> Self {
        Self::fresh_for(DOMAIN, program, kind, smarthost, changes)
    }

    fn fresh_for(
        domain: &str,
        program: PathBuf,
        kind: &str,
        smarthost: &str,
        changes: &[(&str, &str)],
    ) -> Self {
        let dir = tempfile::Builder::new().prefix("vs").permissions(Permissions::from_mode(0o755)).tempdir();
        let dir = dir.unwrap();
        let install = Self { dir: dir.path().to_owned(), own: None, program: runnable(program) };
        install.init(domain);
        install.settle_on(kind, smarthost, changes);
        Self { own: Some(dir), ..install }
    }

    /// The same in a folder that is there, such as where another file system is mounted.
    pub fn made_in(dir: &Path, smarthost: &str, changes: &[(&str, &str)]) -> Self {
        let install = Self::bare_in(dir);
        install.settle(smarthost, changes);
        install
    }

    /// One as `init` leaves it.
    pub fn bare_in(dir: &Path) -> Self {
        let install = Self::found_in(dir);
        install.init(DOMAIN);
        install
    }

    fn init(&self, domain: &str) {
        self.init_with(domain, "kubeedge");
    }

    fn init_with(&self, domain: &str, preset: &str) {
        let made = Command::new(&self.program)
            .args(["init", "--domain", domain, "--preset", preset, "--dir"])
            .arg(self.root())
            .output()
            .unwrap();
        assert!(made.status.success(), "init: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// Lets a bare one serve: its next hop, changes to `relay.toml`, and everything given to the daemon's user.
    pub fn settle(&self, smarthost: &str, changes: &[(&str, &str)]) {
        self.settle_on(&store_kind(), smarthost, changes);
    }

    fn settle_on(&self, kind: &str, smarthost: &str, changes: &[(&str, &str)]) {
        fs::create_dir(self.tmp()).unwrap();
        let smarthost = format!("smarthost = \"{smarthost}\"");
        let kind = format!("kind = \"{kind}\"");
        let base = [
            ("kind = \"redb\"", kind.as_str()),
            ("listen = [\"127.0.0.1:2525\"]", "listen = [\"127.0.0.1:0\"]"),
            ("smarthost = \"127.0.0.1:25\"", &smarthost),
            ("#allow_swap = false", "allow_swap = true"),
            // Who counts mails counts posts; `bounces.rs` has the notices.
            (NOTIFY, "notify = []"),
        ];
        for (from, to) in base.iter().chain(changes) {
            self.edit(from, to);
        }
        self.hand_over();
    }

    /// The one that was made in this folder before.
    pub fn found_in(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), own: None, program: binary() }
    }

    /// Gives everything to the daemon's user; again, after other files were put there.
    pub fn hand_over(&self) {
        if is_root() {
            give_to_nobody(self.whole());
        }
    }

    /// Where the store is.
    pub fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// The program that belongs to it.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The folder of the installation.
    pub fn root(&self) -> PathBuf {
        self.dir.join("relay")
    }

    /// The daemon's own folder for temporary files.
    pub fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// Everything that the daemon can have written to.
    pub fn whole(&self) -> &Path {
        &self.dir
    }

    /// `relay.toml`.
    pub fn config(&self) -> PathBuf {
        self.root().join("relay.toml")
    }

    /// Changes `relay.toml` at one place.
    pub fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} occurs once in relay.toml");
        fs::write(self.config(), text.replacen(from, to, 1)).unwrap();
    }

    /// A file for a command line, readable for everybody.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs a command of the program on this installation.
    pub fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(self.config()).args(args);
        command.output().unwrap().into()
    }

    /// Runs a command that must succeed; returns what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// The answer of a command with `--json`.
    pub fn json(&self, args: &[&str]) -> Value {
        let out = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?}: {e}: {out}"))
    }

    /// Adds a person to the security team.
    pub fn team(&self, address: &str, cert: &[u8]) {
        let name = address.split('@').next().unwrap();
        let cert = self.file(&format!("{name}.asc"), cert);
        self.ok(&["team", "add", "security", address, "--name", name, "--cert", cert.to_str().unwrap()]);
    }

    /// Adds a distributor, with an organisation of its own.
    pub fn distributor(&self, address: &str, cert: &[u8]) {
        let org = address.split('@').next().unwrap();
        let cert = self.file(&format!("{org}.asc"), cert);
        self.ok(&["org", "add", org]);
        let cert = cert.to_str().unwrap();
        self.ok(&["member", "add", "distrib-announce", address, "--org", org, "--cert", cert]);
    }

    /// The journal's events of one kind.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let Value::Array(rows) = self.json(&["journal", "ls", "--all"]) else {
            panic!("the journal is a list")
        };
        rows.into_iter().filter(|row| row["event"]["kind"] == kind).collect()
    }
}

fn give_to_nobody(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_to_nobody(&entry.unwrap().path());
        }
    }
}
