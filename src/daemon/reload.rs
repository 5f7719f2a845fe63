//! Reading the settings again while mail goes on: first everything that can fail, then an exchange that cannot. Nothing
//! that is under way is cut off: sessions and deliveries end with what they began with.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::config::{Change, Config, ConfigError, NoCertificate, Snapshot};
use crate::control::wire::{Answer, ErrorKind};
use crate::daemon::catch_up;
use crate::daemon::rooms::{reception, signers, with_keys};
use crate::daemon::running::{Exchange, Running};
use crate::egress::dkim::UnusableKey;
use crate::egress::route::RouteError;
use crate::failpoint::{self, Point};
use crate::ingress::listener::ListenError;
use crate::ledger::registry::Registry;
use crate::ledger::rests::Rests;
use crate::pgp::keyring::KeyError;
use crate::store::contract::StoreError;

/// What a reload replaces: a table, or a key of it. Everything else needs a restart.
const LIVE: &[(&str, Option<&str>)] = &[
    ("smtp", Some("hostname")),
    ("smtp", Some("tls_cert")),
    ("smtp", Some("tls_key")),
    ("limits", None),
    ("rates", None),
    ("egress", None),
    ("dns", None),
    ("admin", None),
    ("list", None),
    ("log", Some("filter")),
];

/// What came of a reload.
#[derive(Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// What is in force from now on.
    pub changed: Vec<String>,
    /// What will be after a restart.
    pub waiting: Vec<String>,
}

/// Why everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NotReloaded {
    /// The settings themselves.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// TLS for those who come in.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The way out.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The certificate of an admin.
    #[error(transparent)]
    Admin(#[from] NoCertificate),
    /// The key of a new list, or DKIM's.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A key of DKIM that cannot sign.
    #[error(transparent)]
    Dkim(#[from] UnusableKey),
    /// The store does not take the news.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of the program while they were read.
    #[error("reading them broke down")]
    Broken,
    /// A fault of the program: some of them may be in force.
    #[error("the reload broke down on the way")]
    HalfWay,
}

/// Reads the settings again, and lives on when that breaks down: the parts at work are others, each of which is whole.
pub(super) async fn reload(running: &mut Running) -> Result<Reloaded, NotReloaded> {
    let mut work = pin!(running.reload());
    poll_fn(|context| {
        let step = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        step.unwrap_or(Poll::Ready(Err(NotReloaded::HalfWay)))
    })
    .await
}

impl Running {
    /// Reads the settings again. What changed and can change now is in force when this comes back; what cannot is named.
    ///
    /// # Errors
    /// With the first thing that does not serve; then nothing has changed.
    pub async fn reload(&mut self) -> Result<Reloaded, NotReloaded> {
        let (file, room) = (self.known.file.clone(), self.rooms.ask_room());
        let read = tokio::task::spawn_blocking(move || {
            let config = Config::load(&file)?;
            // Read before the files themselves are: whatever changes in between is a change the next time.
            let snapshot = config.snapshot();
            let reception = reception(&config, room)?;
            Ok::<_, NotReloaded>((config, snapshot, reception))
        });
        let (config, snapshot, reception) = read.await.map_err(|_| NotReloaded::Broken)??;
        let (keys, read) = (Arc::clone(&self.rooms.keys), Arc::new(config));
        let config = Arc::clone(&read);
        let unlocked = tokio::task::spawn_blocking(move || {
            let signers = signers::<NotReloaded>(&read, &keys)?;
            Ok::<_, NotReloaded>((keys.unlock(&with_keys(&read))?, signers))
        });
        let (unlocked, signers) = unlocked.await.map_err(|_| NotReloaded::Broken)??;
        let courier = self.rooms.courier(&config)?.signing(signers);
        let alarm = self.rooms.alarm(&config)?;
        failpoint::hit(Point::ReloadRead);
        // From here on the journal knows the new keys; as after a start, that is true whatever comes of the rest.
        let (keys, lists) = (Arc::clone(&self.rooms.keys), with_keys(&config));
        keys.adopt(unlocked);
        let (store, journal, now) =
            (Arc::clone(&self.rooms.store), self.rooms.journal.clone(), self.rooms.clock.now());
        let noted = tokio::task::spawn_blocking(move || {
            catch_up::journal_keys(&keys, &lists, &Registry::new(store), &journal, now)
        });
        noted.await.map_err(|_| NotReloaded::Broken)??;
        // The filter was read with the settings, so this does not fail either.
        let _ = self.known.filter.follow(&config.log);
        let (before, rests) = (self.rests(), courier.rests());
        let other_ways =
            self.known.now.changes(&snapshot).iter().any(|change| is_of(change, &["egress", "dns"]));
        if !other_ways {
            rests.adopt(&before);
        }
        let desk = self.rooms.desk(&config, rests);
        let reception = reception.after(&self.receive.borrow().clone());
        self.exchange(&config, Exchange { reception, desk, courier, alarm });
        if other_ways {
            self.hurry_what_rested(before).await;
        }
        failpoint::hit(Point::ReloadDone);
        Ok(self.learn(snapshot))
    }

    /// Who waited for a destination that could not be had on the old way is tried on the new one.
    async fn hurry_what_rested(&self, rests: Arc<Rests>) {
        let (queue, now) = (self.rooms.queue(), self.rooms.clock.now());
        let hurried = tokio::task::spawn_blocking(move || {
            queue.hurry(now, |wait| {
                let rest = || rests.last(&rests.destination(wait.domain));
                wait.untried || rest().is_some_and(|rest| rest.until == wait.due)
            })
        });
        match hurried.await {
            Ok(Ok(copies)) => tracing::info!(copies, "the ways out are others; copies that waited are due"),
            Ok(Err(why)) => tracing::error!(%why, "copies that waited are not due before their time"),
            Err(_) => tracing::error!("copies that waited are not due before their time"),
        }
        self.rooms.queued.notify_one();
    }

    /// Tells what is different, and remembers it.
    fn learn(&mut self, read: Snapshot) -> Reloaded {
        let told = |changes: Vec<Change>, live| {
            changes.into_iter().filter(|c| is_live(c) == live).map(|c| c.to_string()).collect()
        };
        let reloaded = Reloaded {
            changed: told(self.known.now.changes(&read), true),
            waiting: told(self.known.at_start.changes(&read), false),
        };
        self.known.now = read;
        reloaded
    }
}

fn is_live(change: &Change) -> bool {
    LIVE.iter()
        .any(|(table, key)| is_of(change, &[table]) && (key.is_none() || change.key.as_deref() == *key))
}

/// Whether it is in one of these tables, or in one below.
fn is_of(change: &Change, tables: &[&str]) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with('.');
    tables.iter().any(|table| change.table.strip_prefix(table).is_some_and(below))
}

/// What an admin hears.
pub(super) fn answer(reloaded: Result<Reloaded, NotReloaded>) -> Answer {
    match reloaded {
        Ok(Reloaded { changed, waiting }) => {
            let what = if changed.is_empty() {
                "the settings were read again: nothing that can change while the daemon runs has changed"
                    .to_owned()
            } else {
                format!("the settings were read again; in force: {}", changed.join(", "))
            };
            let remarks = waiting.iter().map(|key| format!("{key} needs a restart")).collect();
            Answer::Done { what, remarks }
        }
        Err(error @ NotReloaded::HalfWay) => Answer::Error {
            code: ErrorKind::Internal,
            what: "some of the settings may be in force, and others not".to_owned(),
            why: error.to_string(),
            next: "reload again, or restart the daemon; and report its log".to_owned(),
        },
        Err(error) => {
            let (code, next) = match &error {
                NotReloaded::Store(_) => (ErrorKind::Io, "see the daemon's log, and try again"),
                NotReloaded::Broken => (ErrorKind::Internal, "report the daemon's log"),
                _ => (ErrorKind::Config, "see `vouchsafe check`, mend it, and reload again"),
            };
            let what = "the settings were not taken, and nothing has changed".to_owned();
            Answer::Error { code, what, why: error.to_string(), next: next.to_owned() }
        }
    }
}
