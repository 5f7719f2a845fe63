//! What happens in every run: three mails, one of them held and released, and a new member; then a restart on a sound
//! medium, where clients and admin repeat what they were not told to be done.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vouchsafe::control::wire::{Answer, ErrorKind, Request};
use vouchsafe::store::contract::{Store, StoreError};
use vouchsafe::store::redb::Redb;

use crate::calls::Calls;
use crate::medium::{Medium, SAID};
use crate::peers::{Sink, Taken, send};
use crate::stage::{Mail, NEWCOMER, STAGE, ask, data, folder, runtime, smtp};
use crate::verdict::Left;

/// Where it fails.
pub(crate) enum Fault {
    Medium(Medium),
    Calls(Calls),
}

impl From<Medium> for Fault {
    fn from(medium: Medium) -> Self {
        Self::Medium(medium)
    }
}

impl From<Calls> for Fault {
    fn from(calls: Calls) -> Self {
        Self::Calls(calls)
    }
}

impl Fault {
    fn store(&self, run: &Path) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Self::Medium(medium) => Ok(Arc::new(Redb::open_on(&data(run), medium.disk())?)),
            Self::Calls(calls) => Ok(calls.over(Arc::new(Redb::open(&data(run))?))),
        }
    }

    /// Whether a sync failed.
    pub(crate) fn is_poisoned(&self) -> bool {
        matches!(self, Self::Medium(medium) if medium.is_poisoned())
    }

    /// Whether only a restart helps, now that it has failed.
    pub(crate) fn stays(&self) -> bool {
        match self {
            Self::Medium(medium) => medium.has_fired() && (medium.lasts() || medium.is_poisoned()),
            Self::Calls(_) => false,
        }
    }

    /// Whether what was refused may have been carried out all the same.
    fn is_unsure(&self) -> bool {
        match self {
            Self::Medium(_) => self.stays(),
            Self::Calls(calls) => calls.carries_out() && calls.has_fired(),
        }
    }
}

/// One attempt of a client.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Which mail.
    pub(crate) mail: usize,
    pub(crate) code: u16,
    /// Whether the store was poisoned already when it was sent.
    pub(crate) poisoned: bool,
    /// Whether it may be in although it was refused.
    pub(crate) unsure: bool,
    pub(crate) restarted: bool,
    /// Whether the newcomer was a member for certain.
    pub(crate) joined: bool,
}

/// What everybody was told, and what came of it.
pub(crate) struct Told {
    pub(crate) fault: Fault,
    pub(crate) started: bool,
    pub(crate) sent: Vec<Sent>,
    /// Whether the newcomer's joining was confirmed before the restart.
    pub(crate) joined: bool,
    /// Whether it was in force after the restart, before anybody asked again.
    pub(crate) joined_after: bool,
    /// Whether it may be in force although it was refused.
    pub(crate) join_unsure: bool,
    pub(crate) copies: Vec<Taken>,
    pub(crate) left: Left,
}

/// Runs the story.
pub(crate) fn run(fault: Fault) -> Told {
    let folder = folder();
    STAGE.furnish(folder.path());
    runtime().block_on(story(folder.path(), fault))
}

async fn story(run: &Path, fault: Fault) -> Told {
    let sink = Sink::default();
    sink.listen(&run.join("sink.sock"));
    let clock = STAGE.clock();
    let opened = fault.store(run).map_err(|error| error.to_string());
    let mut scene =
        Scene { run, fault, restarted: false, sent: Vec::new(), joined: false, join_unsure: false };
    let first = match opened {
        Ok(store) => STAGE.start(run, store, Arc::clone(&clock)).await,
        Err(error) => Err(error),
    };
    let started = first.is_ok();
    match first {
        Ok(daemon) => {
            scene.act().await;
            daemon.stop().await;
        }
        Err(error) => assert!(error.contains("the store") && error.contains(SAID), "{error}"),
    }

    sink.restarted();
    scene.restarted = true;
    let joined = scene.joined;
    let store = Redb::open(&data(run)).expect("the store opens on a sound medium");
    let daemon = STAGE.start(run, Arc::new(store), clock).await.expect("and the daemon starts");
    let joined_after = is_member(run).await;
    scene.act().await;
    daemon.stop().await;
    let Scene { fault, sent, join_unsure, .. } = scene;
    let left = Left::in_store(run);
    Told { fault, started, sent, joined, joined_after, join_unsure, copies: sink.taken(), left }
}

struct Scene<'a> {
    run: &'a Path,
    fault: Fault,
    restarted: bool,
    sent: Vec<Sent>,
    joined: bool,
    join_unsure: bool,
}

impl Scene<'_> {
    /// Only a restart helps.
    fn is_lost(&self) -> bool {
        !self.restarted && self.fault.stays()
    }

    /// Does everything that is not known to be done.
    async fn act(&mut self) {
        for (n, mail) in STAGE.mails.iter().enumerate() {
            if !self.sent.iter().any(|sent| sent.mail == n && sent.code == 250) {
                self.submit(n, mail).await;
            }
            self.settle().await;
            if n == 0 && !self.joined {
                self.join().await;
            }
            if mail.held {
                // The team is asked within seconds, about what still waits then.
                tokio::time::sleep(Duration::from_secs(20)).await;
                self.settle().await;
                self.release().await;
            }
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        self.settle().await;
    }

    /// A client tries again after a while, as RFC 5321 §4.5.4.1 has it.
    async fn submit(&mut self, n: usize, mail: &Mail) {
        for _ in 0..3 {
            let poisoned = self.fault.is_poisoned();
            let code = send(&smtp(self.run), mail.from, mail.to, &mail.raw).await;
            let unsure = code != 250 && !self.restarted && self.fault.is_unsure();
            let (restarted, joined) = (self.restarted, self.joined);
            self.sent.push(Sent { mail: n, code, poisoned, unsure, restarted, joined });
            if code == 250 || self.is_lost() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        panic!("a mail is refused again and again: {:?}", self.sent);
    }

    async fn join(&mut self) {
        for _ in 0..3 {
            match ask(self.run, STAGE.joins(NEWCOMER)).await {
                Answer::Done { .. } => return self.joined = true,
                Answer::Error { code: ErrorKind::Exists, .. } if self.join_unsure => {
                    return self.joined = true;
                }
                refused => self.is_clear(&refused),
            }
            self.join_unsure |= self.fault.is_unsure();
            if self.is_lost() {
                return;
            }
        }
        panic!("the roster cannot be changed again and again");
    }

    /// Lets everything through that is held.
    async fn release(&mut self) {
        for _ in 0..5 {
            let held = match ask(self.run, Request::HoldLs { list: None, after: None, limit: 100 }).await {
                Answer::Holds(page) => page.rows,
                refused => {
                    self.is_clear(&refused);
                    if self.is_lost() {
                        return;
                    }
                    continue;
                }
            };
            if held.is_empty() {
                return;
            }
            for row in held {
                match ask(self.run, Request::HoldRelease { id: row.id.parse().unwrap() }).await {
                    Answer::Done { .. } => {}
                    refused => self.is_clear(&refused),
                }
            }
            self.settle().await;
        }
        assert!(self.is_lost(), "mail stays held");
    }

    /// Waits until nothing is under way. One failure and a lost lease are no reason for standing still.
    async fn settle(&mut self) {
        for _ in 0..120 {
            match ask(self.run, Request::Status).await {
                Answer::Status(row) => {
                    if row.arrivals + row.due + row.claimed + row.deferred + row.failed == 0 {
                        return;
                    }
                }
                refused => self.is_clear(&refused),
            }
            if self.is_lost() {
                // What is under way meets the broken store, too.
                return tokio::time::sleep(Duration::from_secs(60)).await;
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        panic!("the daemon does not go on");
    }

    /// A refusal says what, why and what next, and nothing of any mail.
    fn is_clear(&self, answer: &Answer) {
        let Answer::Error { code, what, why, next } = answer else { panic!("{answer:?}") };
        assert!(!self.restarted, "on a sound medium nothing is refused: {answer:?}");
        assert_eq!(*code, ErrorKind::Io, "{answer:?}");
        assert!(
            !what.is_empty() && !next.is_empty() && (why.contains(SAID) || why.contains("reopened")),
            "{answer:?}"
        );
        assert!(STAGE.mails.iter().all(|mail| !why.contains(mail.marker)), "{answer:?}");
        if self.fault.is_poisoned() {
            assert!(next.contains("restart the daemon"), "{answer:?}");
        }
    }
}

async fn is_member(run: &Path) -> bool {
    match ask(run, Request::MemberLs { list: None }).await {
        Answer::Members(rows) => rows.iter().any(|row| row.address == NEWCOMER),
        other => panic!("{other:?}"),
    }
}
