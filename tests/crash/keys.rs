//! Deaths while keys are made, taken over, replaced and destroyed: there is a whole key or none, and the journal knows
//! which one is in use.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sequoia_openpgp::serialize::SerializeInto;
use vouchsafe::failpoint::Point;
use vouchsafe::pgp::keyring::{KeyDir, Passphrase};
use vouchsafe::time::{Clock, SystemClock};

use crate::cheap::cheapen;
use crate::lane::drafts;
use crate::outside::daemon::{Daemon, serve_to_its_end};
use crate::outside::install::{ANNOUNCE, DOMAIN, Install, built};
use crate::outside::openpgp::person;
use crate::outside::until;

/// What was reached, and how many times the program died.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) reached: BTreeSet<Point>,
    pub(crate) deaths: usize,
}

const PATIENCE: Duration = Duration::from_secs(8);
/// Longer than housekeeping sleeps, twice.
const TWO_ROUNDS: Duration = Duration::from_secs(75);

impl Tally {
    fn died(&mut self, point: Point) {
        self.reached.insert(point);
        self.deaths += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.reached.extend(other.reached);
        self.deaths += other.deaths;
    }

    /// Runs a command that dies there; false when it comes to its end before.
    fn command(&mut self, command: &mut Command, point: Point, nth: usize) -> bool {
        let wanted = format!("{}:abort:{nth}", point.name());
        let ran = command.env("VOUCHSAFE_FAILPOINT", &wanted).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        if ran.status.success() {
            return false;
        }
        assert!(said.contains(&format!("failpoint {} reached", point.name())), "{wanted}: {said}");
        self.died(point);
        true
    }

    /// `serve`, which dies there while `act` goes on; false when it does not.
    pub(crate) fn daemon(
        &mut self,
        install: &Install,
        point: Point,
        nth: usize,
        patience: Duration,
        act: impl FnOnce(),
    ) -> bool {
        let wanted = format!("{}:abort:{nth}", point.name());
        let mut daemon = Daemon::spawn(install, &[("VOUCHSAFE_FAILPOINT", &wanted)]);
        if daemon.wait_for_line("vouchsafe::daemon: ready") {
            act();
        }
        let there = daemon.hears(&format!("failpoint {} reached", point.name()), patience);
        if there {
            daemon.wait(PATIENCE).expect("it dies");
            self.died(point);
        }
        there
    }
}

fn program(install: &Install, args: &[&str]) -> Command {
    let mut command = Command::new(install.program());
    command.arg("--config").arg(install.config()).args(args);
    command
}

/// `init` at each step: a folder has a whole installation or no settings, and is never written over.
pub(crate) fn init() -> Tally {
    let mut tally = Tally::default();
    let points = [
        Point::InitDrafted,
        Point::KeyDrafted,
        Point::KeyReplaced,
        Point::KeyLinked,
        Point::ListKeyDrafted,
        Point::ListKeyPlaced,
        Point::InitKeysMade,
        Point::InitLinked,
    ];
    let init = |dir: &Path| {
        let mut command = Command::new(built());
        command.args(["init", "--domain", DOMAIN, "--preset", "kubeedge", "--dir"]).arg(dir);
        command
    };
    for point in points {
        for nth in 1.. {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("relay");
            if !tally.command(&mut init(&dir), point, nth) {
                assert!(nth > 1, "{point:?} is reached");
                break;
            }
            let whole = dir.join("relay.toml").exists();
            assert_eq!(whole, point == Point::InitLinked, "{point:?} {nth}");
            let again = init(&dir).output().unwrap();
            assert_eq!(again.status.code(), Some(73), "nothing is written over: {point:?} {nth}");
            if whole {
                let checked =
                    Command::new(built()).arg("--config").arg(dir.join("relay.toml")).arg("check").output();
                let text = String::from_utf8(checked.unwrap().stdout).unwrap();
                assert!(!text.contains("keys/"), "the keys are as they should be: {text}");
            } else {
                fs::remove_dir_all(&dir).unwrap();
                assert!(init(&dir).output().unwrap().status.success());
            }
        }
    }
    tally
}

/// An installation of the debug build, with keys that open at once, and one more list that has no key.
fn installation() -> Install {
    let install = Install::of(built(), "127.0.0.1:9", &[]);
    cheapen(&install.root());
    install.hand_over();
    install
}

/// `key new` at each step: the list has a key or none, and then the same command makes it.
pub(crate) fn key_new() -> Tally {
    let mut tally = Tally::default();
    for point in [Point::KeyDrafted, Point::KeyReplaced, Point::ListKeyDrafted, Point::ListKeyPlaced] {
        let install = installation();
        for nth in 1.. {
            let side = format!("side-{nth}");
            let settings = fs::read_to_string(install.config()).unwrap();
            let list = format!("\n[list.{side}]\naddress = \"{side}@lists.example\"\nkind = \"discuss\"\n");
            fs::write(install.config(), settings + &list).unwrap();
            if !tally.command(&mut program(&install, &["key", "new", &side]), point, nth) {
                assert!(nth > 1, "{point:?} is reached");
                break;
            }
            let has_one = install.root().join("keys").join(&side).exists();
            assert_eq!(has_one, point == Point::ListKeyPlaced, "{point:?} {nth}");
            if !has_one {
                let said = serve_to_its_end(&install).err;
                assert!(said.contains(&format!("key new {side}")), "it says what to do: {said}");
                install.ok(&["key", "new", &side]);
            }
            install.hand_over();
            Daemon::start(&install).stop();
            assert_eq!(drafts(&install.root()), Vec::<PathBuf>::new(), "{point:?} {nth}");
        }
    }
    tally
}

/// `key import` at each step: the list has the former key or the new one, and the journal knows.
pub(crate) fn key_import() -> Tally {
    let mut tally = Tally::default();
    let points = [
        Point::KeyDrafted,
        Point::KeyReplaced,
        Point::KeyLinked,
        Point::KeyImported,
        Point::AdminDecided,
        Point::AdminCommitted,
    ];
    let install = installation();
    Daemon::start(&install).stop();
    for point in points {
        for nth in 1.. {
            let secret = person(ANNOUNCE);
            let (new, before) = (secret.fingerprint().to_hex(), in_use(&install));
            let file = install.file("import.asc", &secret.as_tsk().armored().to_vec().unwrap());
            let import = ["key", "import", "distrib-announce", file.to_str().unwrap(), "--yes"];
            let mut answered = false;
            let died = tally.daemon(&install, point, nth, Duration::from_secs(1), || {
                answered = install.run(&import).code == 0;
            });
            let after = in_use(&install);
            assert!(after == new || (after == before && !answered), "{point:?} {nth}: {after}");
            assert_eq!(drafts(&install.root()), Vec::<PathBuf>::new(), "{point:?} {nth}");
            if !died {
                assert!(nth > 1 && answered, "{point:?} is reached");
                break;
            }
        }
    }
    tally
}

/// The announce list's key after a start; the journal has to know it.
fn in_use(install: &Install) -> String {
    let daemon = Daemon::start(install);
    let rows = install.json(&["key", "ls"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["list"] == "distrib-announce").unwrap();
    let key = row["fingerprint"].as_str().unwrap().to_owned();
    let told = install.events("key-imported");
    if let Some(told) = told.last() {
        assert_eq!(told["event"]["fingerprint"], *key, "the journal knows the key in use");
    }
    let known: BTreeSet<&str> =
        told.iter().map(|row| row["event"]["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(known.len(), told.len(), "each is journalled once");
    install.ok(&["journal", "verify"]);
    daemon.stop();
    key
}

/// A spool key that is due is replaced, whatever comes between, and the journal tells it once.
pub(crate) fn rotation() -> Tally {
    let mut tally = Tally::default();
    let points = [
        Point::KeyDrafted,
        Point::KeyLinked,
        Point::SpoolKeyMade,
        Point::SpoolKeyRotated,
        Point::SpoolKeyNoted,
    ];
    for point in points {
        let install = installation();
        grown_old(&install, &[40 * 24]);
        assert!(tally.daemon(&install, point, 1, PATIENCE, || ()), "{point:?} is reached");
        let daemon = Daemon::start(&install);
        until(&format!("{point:?}: there is one new key"), || {
            (spool_keys(&install).len() == 2).then_some(())
        });
        let told = || install.events("spool-key-rotated").len();
        until(&format!("{point:?}: it is told"), || (told() == 1).then_some(()));
        assert_eq!(daemon.stop().0.code(), Some(0));
        assert_eq!(drafts(&install.root()), Vec::<PathBuf>::new(), "{point:?}");
    }
    tally
}

/// The first start at its first steps: the next one has a whole store, and may begin anew.
pub(crate) fn first_start() -> Tally {
    let mut tally = Tally::default();
    for point in [Point::DiskResize, Point::DiskWrite, Point::DiskSync, Point::DiskSyncDir] {
        for nth in 1..=3 {
            let install = installation();
            let died = tally.daemon(&install, point, nth, Duration::from_secs(1), || ());
            assert!(died || nth > 1, "{point:?} is reached");
            assert_eq!(Daemon::start(&install).stop().0.code(), Some(0), "{point:?} {nth}");
            assert_eq!(drafts(&install.root()), Vec::<PathBuf>::new(), "{point:?} {nth}");
            if !died {
                break;
            }
        }
    }
    tally
}

/// A drained spool key is destroyed, whatever comes between; no start fails over half a key.
pub(crate) fn destruction(point: Point) -> Tally {
    let mut tally = Tally::default();
    let install = installation();
    grown_old(&install, &[3, 2]);
    assert!(tally.daemon(&install, point, 1, TWO_ROUNDS, || ()), "{point:?} is reached");
    let daemon = Daemon::start(&install);
    until(&format!("{point:?}: it is told"), || {
        (install.events("spool-key-destroyed").len() == 1).then_some(())
    });
    until(&format!("{point:?}: it is gone"), || (drafts(&install.root()).is_empty()).then_some(()));
    assert_eq!(spool_keys(&install).len(), 1);
    assert_eq!(daemon.stop().0.code(), Some(0));
    tally
}

fn spool_keys(install: &Install) -> Vec<PathBuf> {
    let all = fs::read_dir(install.root().join("keys/spool")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|e| e == "asc")).collect()
}

/// Spool keys that are so many hours old take the place of those that are there.
fn grown_old(install: &Install, hours: &[u64]) {
    for path in spool_keys(install) {
        fs::remove_file(path).unwrap();
    }
    let passphrase = Passphrase::from_file(&install.root().join("passphrase")).unwrap();
    for hours in hours {
        let made = SystemClock.now().before(Duration::from_secs(hours * 3600));
        KeyDir::new(install.root().join("keys")).create_spool(&passphrase, made).unwrap();
    }
    install.hand_over();
}
