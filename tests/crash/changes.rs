//! An admin at work while the daemon dies. What was answered holds; what was not holds wholly or not at all; and the
//! journal says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::load::below;
use crate::outside::install::Install;
use crate::outside::openpgp::{armored, person};

/// One command that was given.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    what: What,
    /// Whether the daemon said that it is done.
    pub(crate) answered: bool,
}

impl Change {
    /// The side list was resumed by another way.
    pub(crate) fn resumed() -> Self {
        Self { what: What::Pause(false), answered: true }
    }

    /// Somebody was added by another way, and it was answered.
    pub(crate) fn added(address: &str) -> Self {
        Self { what: What::Add(address.to_owned()), answered: true }
    }
}

#[derive(Clone, Debug)]
enum What {
    Org(String),
    Add(String),
    Suspend(String),
    Probe(String),
    Pause(bool),
    Release(String),
    Reload,
}

/// Where members come and go: no mail is sent there, so that the others' mail is nobody's but theirs.
pub(crate) const SIDE: &str = "side";
/// sysexits.h: the daemon is not there, or went away before it answered.
const UNANSWERED: [i32; 2] = [69, 74];
/// What the daemon says when it broke down over a request: nobody knows how far it came.
const BROKE_DOWN: i32 = 70;

/// An admin until the daemon is gone.
pub(crate) struct Admin {
    stop: Arc<AtomicBool>,
    work: JoinHandle<Vec<Change>>,
}

impl Admin {
    /// Names are made from `name`, which nobody else uses.
    /// Whether the daemon may break down over a request, `breaks` says.
    pub(crate) fn start(install: &Install, name: String, breaks: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let program = install.program().to_owned();
        let desk =
            Desk { program, config: install.config(), whole: install.whole().to_owned(), name, breaks };
        let stopped = Arc::clone(&stop);
        Self { stop, work: std::thread::spawn(move || desk.work(&stopped)) }
    }

    pub(crate) fn end(self) -> Vec<Change> {
        self.stop.store(true, Ordering::Relaxed);
        self.work.join().unwrap()
    }
}

struct Desk {
    program: PathBuf,
    config: PathBuf,
    whole: PathBuf,
    name: String,
    breaks: bool,
}

impl Desk {
    fn work(&self, stop: &AtomicBool) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        for n in 0.. {
            std::thread::sleep(Duration::from_millis(5 + below(60)));
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let what = self.decide(&changes, n);
            let answered = self.give(&what);
            changes.push(Change { what, answered });
            if !answered {
                break;
            }
        }
        changes
    }

    fn decide(&self, so_far: &[Change], n: usize) -> What {
        let org = format!("org-{}", self.name);
        if so_far.is_empty() {
            return What::Org(org);
        }
        let added = |change: &Change| match &change.what {
            What::Add(address) => Some(address.clone()),
            _ => None,
        };
        match below(6) {
            0 => What::Pause(below(2) == 0),
            1 => match so_far.last().and_then(added) {
                Some(address) => What::Suspend(address),
                None => What::Add(format!("m{n}@{org}.example")),
            },
            2 => match self.held() {
                Some(id) => What::Release(id),
                None => What::Pause(below(2) == 0),
            },
            3 => What::Reload,
            4 => match so_far.last().and_then(added) {
                Some(address) => What::Probe(address),
                None => What::Add(format!("m{n}@{org}.example")),
            },
            _ => What::Add(format!("m{n}@{org}.example")),
        }
    }

    /// Whether the daemon said that it is done.
    fn give(&self, what: &What) -> bool {
        let org = format!("org-{}", self.name);
        let cert = self.whole.join(format!("{org}.asc"));
        let cert = cert.to_str().unwrap();
        let args: Vec<&str> = match what {
            What::Org(org) => vec!["org", "add", org],
            What::Add(address) => {
                std::fs::write(cert, armored(&person(address))).unwrap();
                vec!["member", "add", SIDE, address, "--org", &org, "--cert", cert]
            }
            What::Suspend(address) => vec!["member", "suspend", SIDE, address],
            What::Probe(address) => vec!["member", "probe", SIDE, address],
            What::Pause(paused) => vec!["list", if *paused { "pause" } else { "resume" }, SIDE],
            What::Release(id) => vec!["hold", "release", id, "--yes"],
            What::Reload => vec!["reload"],
        };
        let (code, said) = self.run(&args);
        let unknown = UNANSWERED.contains(&code) || (self.breaks && code == BROKE_DOWN);
        assert!(code == 0 || unknown, "{args:?}: {code}: {said}");
        code == 0
    }

    /// A mail that is held for want of a known signer.
    fn held(&self) -> Option<String> {
        let (code, out) = self.run(&["hold", "ls", "--json"]);
        let rows: Value = (code == 0).then(|| serde_json::from_str(&out).unwrap())?;
        let row = rows.as_array().unwrap().iter().find(|row| row["reason"] == "unknown-signer")?;
        Some(row["id"].as_str().unwrap().to_owned())
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let ran = Command::new(&self.program).arg("--config").arg(&self.config).args(args).output().unwrap();
        let text = if ran.status.success() { ran.stdout } else { ran.stderr };
        (ran.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
    }
}

/// Holds what was answered against what is in force and what the journal says.
pub(crate) fn judge(install: &Install, changes: &[Change]) {
    let journal = install.json(&["journal", "ls", "--all"]);
    let events: Vec<&Value> = journal.as_array().unwrap().iter().collect();
    let of_side: Vec<&Value> =
        events.iter().filter(|row| row["list"] == SIDE).map(|row| &row["event"]).collect();
    let counted = |change: &str| of_side.iter().filter(|event| event["change"] == change).count();

    let listed = |args: &[&str], key: &str| -> BTreeMap<String, Value> {
        let rows = install.json(args);
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (row[key].as_str().unwrap().to_owned(), row.clone())).collect()
    };
    let (orgs, members) = (listed(&["org", "ls"], "name"), listed(&["member", "ls", SIDE], "address"));
    let suspended = members.values().filter(|row| row["standing"] == "suspended").count();
    assert_eq!(counted("member-added"), members.len(), "each member was added once, and the journal knows");
    assert_eq!(counted("moved"), suspended, "so was each suspension");
    let asked: BTreeSet<&str> = changes.iter().filter_map(|c| named(&c.what)).collect();
    assert!(members.keys().all(|address| asked.contains(address.as_str())), "nobody else is a member");

    for change in changes.iter().filter(|change| change.answered) {
        let holds = match &change.what {
            What::Org(org) => orgs.contains_key(org),
            What::Add(address) => members.contains_key(address),
            What::Suspend(address) => members[address]["standing"] == "suspended",
            What::Release(id) => {
                events.iter().any(|r| r["event"]["kind"] == "hold-released" && r["event"]["mail"] == **id)
            }
            // All of them together, below; and a reload of what is in force changes nothing.
            What::Pause(_) | What::Probe(_) | What::Reload => continue,
        };
        assert!(holds, "{change:?} was answered and is not in force");
    }
    let told: Vec<bool> = of_side.iter().filter_map(|event| event["paused"].as_bool()).collect();
    let asked = changes.iter().filter_map(|change| match change.what {
        What::Pause(paused) => Some((paused, change.answered)),
        _ => None,
    });
    assert!(
        could_be(&asked.collect::<Vec<_>>(), &told),
        "every pause that was answered is journalled, in order"
    );
    let stands = install.json(&["list", "show", SIDE]);
    assert_eq!(stands["paused"].as_bool().unwrap(), told.last().copied().unwrap_or(false));
}

fn named(what: &What) -> Option<&str> {
    match what {
        What::Add(address) => Some(address),
        _ => None,
    }
}

/// Whether `told` is what was asked, perhaps without some that were not answered.
fn could_be(asked: &[(bool, bool)], told: &[bool]) -> bool {
    let mut reached = BTreeSet::from([0]);
    for (value, answered) in asked {
        let taken = reached.iter().filter(|at| told.get(**at) == Some(value)).map(|at| at + 1);
        let taken: BTreeSet<usize> = taken.collect();
        reached = if *answered { taken } else { reached.union(&taken).copied().collect() };
    }
    reached.contains(&told.len())
}

#[test]
fn a_lost_or_an_invented_change_would_be_found() {
    let asked = [(true, true), (false, false), (false, true)];
    assert!(could_be(&asked, &[true, false]) && could_be(&asked, &[true, false, false]));
    for wrong in [&[true][..], &[false], &[true, false, true], &[false, true], &[]] {
        assert!(!could_be(&asked, wrong), "{wrong:?}");
    }
}
