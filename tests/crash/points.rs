//! A debug build dies at each named place, several times each, and is judged like one that was killed.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use sequoia_openpgp::Cert;
use vouchsafe::failpoint::Point;

use crate::changes::{Change, SIDE};
use crate::lane::Lane;
use crate::load::below;
use crate::outside::daemon::Daemon;
use crate::outside::mail::pgp_mime;
use crate::outside::openpgp::{armored, cert, person, sign_encrypt};
use crate::outside::sink::Rule;
use crate::outside::smtp::Client;

/// What has to go on for a place to be reached. Those of keys are in `keys.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Mail and an admin.
    Load,
    /// Mail for a list that is paused.
    Paused,
    /// A reader whose copies are not taken, for now or for good.
    Refused(&'static str),
    /// Copies that come back after they were taken.
    Bounced,
    /// Somebody asks the relay itself for something.
    Asked,
    /// A stop while copies wait.
    Stop,
    /// A start with nothing to do.
    Idle,
    /// A start after a kill with mail in hand.
    Start,
    /// A key is made, changed or destroyed, the store is made, or a maildir is emptied.
    Keys,
    /// A mailbox: `tests/imap.rs` goes there, and sees that it reaches all of them.
    Mailbox,
}

/// Where a place is reached.
pub(crate) fn stage(point: Point) -> Stage {
    use Point as P;
    match point {
        P::BeforeGiveBack | P::AfterGiveBack => Stage::Paused,
        P::OutcomeDeferred | P::DeferralRecorded => Stage::Refused("451 4.3.0 later"),
        P::OutcomeFailed | P::FailureRecorded => Stage::Refused("550 5.7.1 never"),
        P::AlarmGathered | P::AlarmStored | P::AlarmCommitted => Stage::Refused("550 5.7.1 never"),
        P::BounceRead | P::BounceCommitted => Stage::Bounced,
        P::CommandDecided | P::CommandCommitted => Stage::Asked,
        P::CopiesPutBack => Stage::Stop,
        P::BeforeCompact | P::AfterCompact => Stage::Idle,
        P::ArrivalRecovered | P::CopyRecovered | P::Recovered | P::StartNoted => Stage::Start,
        P::KeyImported | P::KeyDrafted | P::KeyLinked | P::KeyReplaced => Stage::Keys,
        P::ListKeyDrafted | P::ListKeyPlaced => Stage::Keys,
        P::SpoolKeyMade | P::SpoolKeyRotated | P::SpoolKeyNoted => Stage::Keys,
        P::SpoolKeyWithdrawn | P::SpoolKeyOverwritten | P::SpoolKeyDestroyed => Stage::Keys,
        P::InitDrafted | P::InitKeysMade | P::InitLinked => Stage::Keys,
        P::MaildirTaken | P::MaildirRemoved | P::MaildirSynced => Stage::Keys,
        P::ImapFetched | P::ImapTaken | P::ImapCopied => Stage::Mailbox,
        P::ImapFlagged | P::ImapExpunged | P::ImapForgotten => Stage::Mailbox,
        // The index of a store that is there grows too rarely to wait for it.
        P::DiskResize => Stage::Keys,
        _ => Stage::Load,
    }
}

/// Where a part breaks down and the others go on; elsewhere the whole process would end.
fn may_panic(point: Point) -> bool {
    !matches!(stage(point), Stage::Start | Stage::Stop | Stage::Keys) && !point.name().starts_with("disk-")
}

/// Where a panic takes a part of the daemon with it that nobody else can replace: it ends, to be started anew.
fn ends_the_daemon(point: Point) -> bool {
    matches!(point, Point::SpoolClaimed | Point::CopiesClaimed)
}

/// A place, and the time of being there that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    pub(crate) point: Point,
    pub(crate) panics: bool,
    pub(crate) nth: u64,
}

impl Visit {
    /// The `turn`-th visit to a place: the first time of being there at first, later ones then, at last as a panic.
    pub(crate) fn new(point: Point, turn: usize) -> Self {
        let name = point.name();
        let deep = match stage(point) {
            // A commit takes some ten steps on the disk; these walk through several.
            Stage::Load if name.starts_with("disk-") => 60,
            Stage::Load if matches!(point, Point::BetweenBodies | Point::AfterContent) => 5,
            // Few mails are held or dropped.
            Stage::Load if name.ends_with("-hold") || name.ends_with("-drop") => 1,
            Stage::Load => 3,
            _ => 1,
        };
        let panics = turn % 4 == 3 && may_panic(point);
        Self { point, panics, nth: if turn == 0 { 1 } else { 1 + below(deep) } }
    }

    pub(crate) fn text(&self) -> String {
        let how = if self.panics { "panic" } else { "abort" };
        format!("{}:{how}:{}", self.point.name(), self.nth)
    }
}

/// How long a place is waited for before the daemon is killed all the same.
const PATIENCE: Duration = Duration::from_secs(8);
/// SIGABRT.
const ABORTED: i32 = 6;

impl Lane {
    /// Lets the daemon die there; whether it did. When not, it is killed at the end of all patience.
    pub(crate) fn visit(&mut self, visit: Visit) -> bool {
        let stage = stage(visit.point);
        self.prepare(stage, visit.point);
        self.breaks = visit.panics;
        let wanted = visit.text();
        let environment = [("VOUCHSAFE_FAILPOINT", wanted.as_str())];
        let mut daemon = Daemon::spawn(&self.setting.install, &environment);
        let reached = format!("failpoint {} reached", visit.point.name());
        let serves = daemon.wait_for_line("vouchsafe::daemon: ready");
        // Before somebody pauses the list that is asked.
        if let Some((address, key)) = self.asker.take().filter(|_| serves) {
            self.ask(&daemon, &address, &key);
        }
        // It may have died since, with its sockets.
        let work = (serves && stage != Stage::Idle).then(|| self.load(&daemon));
        let returns = (serves && stage == Stage::Bounced).then(|| self.return_copies(&daemon));
        if stage == Stage::Stop && serves {
            self.until_copies_wait(3);
            daemon.signal("TERM");
        }
        let there = daemon.hears(&reached, PATIENCE);
        if visit.panics && there {
            assert!(daemon.hears("a part of the daemon broke down", PATIENCE), "{wanted}");
            std::thread::sleep(Duration::from_millis(below(200)));
            if ends_the_daemon(visit.point) {
                let status = daemon.wait(PATIENCE * 5).expect("it ends by itself");
                assert_eq!(status.code(), Some(70), "{wanted}: {}", daemon.log());
            } else {
                assert!(daemon.is_alive(), "{wanted}: the others go on");
            }
        } else if there {
            let status = daemon.wait(PATIENCE).expect("it dies");
            assert_eq!(status.signal(), Some(ABORTED), "{wanted}: {}", daemon.log());
        }
        daemon.kill();
        returns.into_iter().for_each(|returns| returns.join().unwrap());
        match work {
            Some(work) => self.ended(work),
            None => {
                self.kills += 1;
                self.setting.sink.next_generation();
            }
        }
        self.rounds += 1;
        self.breaks = false;
        self.tidy(stage);
        there
    }

    fn prepare(&mut self, stage: Stage, point: Point) {
        match stage {
            Stage::Paused => self.tell(&["list", "pause", "security"]),
            Stage::Refused(reply) => {
                self.setting.sink.rule("dora@distro.example", Rule::RefuseContent(reply))
            }
            Stage::Stop => self.setting.sink.rule("ada@team.example", Rule::Hang),
            Stage::Idle => {
                self.settle();
            }
            Stage::Start if point == Point::ArrivalRecovered => {
                while !self.visit(Visit { point: Point::BeforeRelay, panics: false, nth: 1 }) {}
            }
            Stage::Start => {
                self.setting.sink.rule("ada@team.example", Rule::Hang);
                let daemon = self.start();
                let work = self.load(&daemon);
                self.until_copies_wait(1);
                daemon.kill();
                self.ended(work);
                self.rounds += 1;
            }
            // Behind a backlog these would wait longer than anybody waits here, and make more of it meanwhile.
            Stage::Asked => {
                self.settle();
                self.gain_somebody();
            }
            Stage::Bounced => {
                self.settle();
            }
            Stage::Load | Stage::Keys | Stage::Mailbox => {}
        }
    }

    /// Somebody new on the side list: help comes once an hour.
    fn gain_somebody(&mut self) {
        let org = format!("asks-{}", self.rounds);
        let address = format!("asker@{org}.example");
        let key = person(&address);
        let cert = self.setting.install.file("asker.asc", &armored(&key));
        let daemon = Daemon::start(&self.setting.install);
        self.setting.install.ok(&["org", "add", &org]);
        self.setting.install.ok(&["list", "resume", SIDE]);
        let cert = cert.to_str().unwrap();
        self.setting.install.ok(&["member", "add", SIDE, &address, "--org", &org, "--cert", cert]);
        daemon.stop();
        self.setting.sink.next_generation();
        self.changes.extend([Change::resumed(), Change::added(&address)]);
        self.asker = Some((address, key));
    }

    /// Asks for help, as a mail program does.
    fn ask(&self, daemon: &Daemon, address: &str, key: &Cert) {
        let list = cert(&self.setting.install.ok(&["key", "export", SIDE]));
        let to = format!("{SIDE}-request@lists.example");
        let entity = b"Content-Type: text/plain\r\n\r\nhelp\r\n";
        let mail = pgp_mime(address, &to, &sign_encrypt(key, &list, entity));
        let Some(mut client) = Client::try_tcp(daemon.smtp()) else { return };
        if client.say(b"EHLO client.example\r\n") && client.hear().is_some() {
            client.try_mail(address, &[&to], &mail);
        }
    }

    fn tidy(&mut self, stage: Stage) {
        match stage {
            Stage::Paused => self.tell(&["list", "resume", "security"]),
            Stage::Refused(_) => self.setting.sink.obey("dora@distro.example"),
            Stage::Stop | Stage::Start => self.setting.sink.obey("ada@team.example"),
            Stage::Bounced | Stage::Asked | Stage::Idle | Stage::Load | Stage::Keys | Stage::Mailbox => {}
        }
    }

    /// Waits until so many copies are claimed and cannot be delivered. Not for ever: the daemon may have died already, and
    /// a place that is not reached is visited again.
    fn until_copies_wait(&self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let status = self.setting.install.run(&["status", "--json"]);
            if status.code != 0 {
                return;
            }
            let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
            if status["claimed"].as_u64() >= Some(count) {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    /// A command to a daemon that runs for it alone.
    fn tell(&self, args: &[&str]) {
        let daemon = Daemon::start(&self.setting.install);
        self.setting.install.ok(args);
        daemon.stop();
        self.setting.sink.next_generation();
    }
}
