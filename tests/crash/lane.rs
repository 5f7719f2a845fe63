//! One installation that is killed again and again, and judged at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sequoia_openpgp::Cert;

use crate::changes::{Admin, Change, SIDE};
use crate::cheap::cheapen;
use crate::load::{Load, Sent, Setting, below};
use crate::notices;
use crate::outside::daemon::Daemon;
use crate::outside::openpgp::{armored, person};
use crate::outside::{PATIENCE, until_within};
use crate::verdict::{self, Figures};

/// Everything that was done to it.
pub(crate) struct Lane {
    pub(crate) setting: Setting,
    pub(crate) sent: Vec<Sent>,
    pub(crate) changes: Vec<Change>,
    pub(crate) kills: usize,
    pub(crate) rounds: usize,
    /// Whether a part of the daemon breaks down in this round.
    pub(crate) breaks: bool,
    /// Who is told what goes wrong.
    pub(crate) admin: Cert,
    /// Somebody who has not asked for help yet.
    pub(crate) asker: Option<(String, Cert)>,
}

/// What a lane came to.
pub(crate) struct Total {
    pub(crate) rounds: usize,
    pub(crate) kills: usize,
    pub(crate) released: usize,
    pub(crate) changes: usize,
    pub(crate) answered: usize,
    pub(crate) figures: Figures,
}

impl Lane {
    /// With a store of this kind; a list for an admin to work on, and one mail in `odd` that is not like the others.
    pub(crate) fn set_up(program: PathBuf, store: &str, odd: u64) -> Self {
        let kind = format!("kind = \"{store}\"");
        let side = "name = \"Distributors\"\nindividual = true\npolicy = \"policies/kubeedge.toml\"\n\n\
                    [list.side]\naddress = \"side@lists.example\"\nkind = \"discuss\"\n";
        let changes = [
            ("kind = \"redb\"", kind.as_str()),
            ("name = \"Distributors\"\npolicy = \"policies/kubeedge.toml\"\n", side),
            ("notify = []\n", &notices::settings()),
        ];
        let admin = person(notices::ADMIN);
        let mut setting = Setting::prepared(program, &changes, |install| {
            install.ok(&["key", "new", "side"]);
            std::fs::write(install.root().join("admin.asc"), armored(&admin)).unwrap();
            cheapen(&install.root());
        });
        setting.odd = odd;
        Self {
            setting,
            sent: Vec::new(),
            changes: Vec::new(),
            kills: 0,
            rounds: 0,
            breaks: false,
            admin,
            asker: None,
        }
    }

    /// A daemon that serves.
    pub(crate) fn start(&self) -> Daemon {
        let daemon = Daemon::spawn(&self.setting.install, &[]);
        let round = self.rounds;
        assert!(daemon.wait_for_line("vouchsafe::daemon: ready"), "round {round}: {}", daemon.log());
        daemon
    }

    pub(crate) fn load(&self, daemon: &Daemon) -> (Load, Admin) {
        let name = format!("{}x{}", self.rounds, self.kills);
        (
            Load::start(&self.setting, daemon.smtp(), self.rounds),
            Admin::start(&self.setting.install, name, self.breaks),
        )
    }

    pub(crate) fn ended(&mut self, (load, admin): (Load, Admin)) {
        self.kills += 1;
        self.setting.sink.next_generation();
        self.sent.extend(load.end());
        self.changes.extend(admin.end());
    }

    /// Load, and SIGKILL at some moment of it; now and then while it starts, or while it stops.
    pub(crate) fn random_round(&mut self) {
        if below(10) == 0 {
            let daemon = Daemon::spawn(&self.setting.install, &[]);
            std::thread::sleep(Duration::from_millis(below(150)));
            daemon.kill();
            self.kills += 1;
            self.setting.sink.next_generation();
        }
        let daemon = self.start();
        let work = self.load(&daemon);
        std::thread::sleep(Duration::from_millis(20 + below(330)));
        if below(10) == 0 {
            daemon.signal("TERM");
            std::thread::sleep(Duration::from_millis(below(30)));
        }
        daemon.kill();
        self.ended(work);
        self.rounds += 1;
    }

    /// Lets everything come to its end, and judges it.
    pub(crate) fn judge(mut self) -> Total {
        let released = self.settle();
        let told = self.alerts_by_the_journal();
        let install = &self.setting.install;
        let answered = self.changes.iter().filter(|change| change.answered).count();
        let figures = verdict::judge(&self.setting, &self.sent);
        verdict::letters(&self.setting);
        notices::judge(&self.setting, &self.admin, &told);
        assert_eq!(
            left_in(&install.root().join("data/bodies")),
            Vec::<PathBuf>::new(),
            "bodies that nobody names"
        );
        assert_eq!(left_in(&install.tmp()), Vec::<PathBuf>::new(), "temporary files");
        assert_eq!(drafts(&install.root()), Vec::<PathBuf>::new(), "files that were never finished");
        let (rounds, kills, changes) = (self.rounds, self.kills, self.changes.len());
        Total { rounds, kills, released, changes, answered, figures }
    }

    /// Runs until nothing waits; whatever is held is released. Returns how much that was.
    pub(crate) fn settle(&mut self) -> usize {
        let daemon = Daemon::start(&self.setting.install);
        let install = &self.setting.install;
        for (address, _) in self.setting.people.iter() {
            self.setting.sink.obey(address);
        }
        for list in ["security", "distrib-announce"] {
            install.ok(&["list", "resume", list]);
        }
        // Whoever asked it for something asked while it was paused, perhaps.
        install.ok(&["list", "resume", SIDE]);
        self.changes.push(Change::resumed());
        let mut released = 0;
        // A backlog of kills is work that goes on, not something that hangs.
        until_within(3 * PATIENCE, "spool, hold and queue are empty", || {
            let status = install.json(&["status"]);
            if status["arrivals"] == 0 && status["held"] != 0 {
                for row in install.json(&["hold", "ls"]).as_array().unwrap() {
                    let reason = row["reason"].as_str().unwrap();
                    assert!(
                        matches!(reason, "quarantined" | "unknown-signer"),
                        "nothing else is held: {reason}"
                    );
                    install.ok(&["hold", "release", row["id"].as_str().unwrap(), "--yes"]);
                    released += 1;
                }
            } else if status["deferred"] != 0 || status["failed"] != 0 {
                install.ok(&["queue", "retry", "--all"]);
            }
            let left = ["arrivals", "held", "due", "claimed", "deferred", "failed", "alerts"].iter();
            left.map(|key| &status[*key]).all(|count| *count == 0).then_some(())
        });
        install.ok(&["journal", "verify"]);
        crate::changes::judge(install, &self.changes);
        assert_eq!(daemon.stop().0.code(), Some(0));
        self.setting.sink.next_generation();
        released
    }
}

fn left_in(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Files and folders below that have the name of something unfinished.
pub(crate) fn drafts(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in left_in(dir) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let unfinished = [".new", ".tmp", ".gone"].iter().any(|end| name.ends_with(end));
        if unfinished || name.starts_with(".new") {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(drafts(&path));
        }
    }
    found
}
