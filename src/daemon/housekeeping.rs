//! What must happen from time to time: spool keys turn over, old digests are forgotten, disk space comes back,
//! certificates are looked at before somebody asks, and the admins hear of those that end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::failpoint::{self, Point};
use crate::id::Fingerprint;
use crate::ledger::certs::CertBook;
use crate::ledger::forewarn::forewarn;
use crate::ledger::hold::Holds;
use crate::ledger::journal::{Actor, Event, Journal, Note};
use crate::ledger::outbox::Outbox;
use crate::ledger::registry::Registry;
use crate::ledger::seen;
use crate::ledger::sent;
use crate::ledger::spool::Spool;
use crate::pgp::keychain::Keychain;
use crate::store::contract::{Batch, Space, Store, StoreError};
use crate::time::Clock;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(30);
/// How long a spool key stays after its successor took over: a mail may have been sealed to it in that very moment.
const OVERLAP: Duration = Duration::from_secs(3600);

/// Works in the background of a daemon.
pub(super) struct Housekeeping {
    pub(super) store: Arc<dyn Store>,
    pub(super) keys: Arc<Keychain>,
    pub(super) certs: CertBook,
    pub(super) spool: Spool,
    pub(super) holds: Holds,
    pub(super) journal: Journal,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rotate_after: Duration,
    /// The spool keys that the round before found needed by nobody.
    pub(super) drained: Mutex<Vec<Fingerprint>>,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] crate::pgp::keyring::KeyError),
}

impl Housekeeping {
    /// Keeps house until `stop` says so.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let house = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || house.once()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "housekeeping failed; it is tried again"),
                Err(_) => tracing::error!("housekeeping broke down; it is tried again"),
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.changed() => {}
            }
        }
    }

    fn once(&self) -> Result<(), Trouble> {
        let now = self.clock.now();
        self.turn_spool_key()?;
        while seen::forget_old(&*self.store, now)? > 0 {}
        while sent::forget_old(&*self.store, now)? > 0 {}
        while forewarn(&self.store, &self.certs, now)? > 0 {}
        if self.is_idle()? {
            failpoint::hit(Point::BeforeCompact);
            self.store.compact()?;
            failpoint::hit(Point::AfterCompact);
        }
        // Last: only answers get slower without it.
        Ok(self.certs.prepare(now)?)
    }

    fn turn_spool_key(&self) -> Result<(), Trouble> {
        let now = self.clock.now();
        let newest = self.keys.spool().newest();
        if now.since(newest.made_at()) > self.rotate_after {
            let fingerprint = self.keys.rotate_spool(now)?.fingerprint();
            failpoint::hit(Point::SpoolKeyRotated);
            let mut batch = Batch::new();
            Registry::set_known_key(&mut batch, None, fingerprint)?;
            self.note(Event::SpoolKeyRotated { fingerprint }, &batch)?;
            failpoint::hit(Point::SpoolKeyNoted);
        } else if now.since(newest.made_at()) > OVERLAP && self.keys.spool().fingerprints().len() > 1 {
            self.withdraw_drained()?;
        }
        self.end_withdrawn()
    }

    /// Withdraws the keys that this round and the one before found drained. One look is not enough: a mail that moves
    /// between spool and hold while they are read is seen in neither.
    fn withdraw_drained(&self) -> Result<(), Trouble> {
        let needed = self.needed()?;
        let mut before = self.drained.lock().unwrap_or_else(PoisonError::into_inner);
        let drained: Vec<Fingerprint> =
            self.keys.spool().fingerprints().into_iter().filter(|f| !needed.contains(f)).collect();
        let once_only = drained.iter().filter(|f| !before.contains(f)).copied();
        let keep: Vec<Fingerprint> = needed.into_iter().chain(once_only).collect();
        self.keys.withdraw_drained(&keep)?;
        *before = drained;
        Ok(())
    }

    /// Ends what this round withdrew, and what a round before could not end. The file goes last: as long as it is there
    /// the journal may lack its entry, so it is better written twice.
    fn end_withdrawn(&self) -> Result<(), Trouble> {
        for fingerprint in self.keys.overwrite_withdrawn()? {
            failpoint::hit(Point::SpoolKeyDestroyed);
            self.note(Event::SpoolKeyDestroyed { fingerprint }, &Batch::new())?;
            self.keys.forget_withdrawn(fingerprint)?;
        }
        Ok(())
    }

    /// The spool keys that waiting or held mail is sealed to, and what goes along with letters.
    fn needed(&self) -> Result<Vec<Fingerprint>, StoreError> {
        let (_, mut needed) = self.spool.waiting()?;
        needed.extend(Outbox::new(&self.store).spool_keys()?);
        let mut after = None;
        loop {
            let page = self.holds.ls(after, 500)?;
            let Some(last) = page.last() else { return Ok(needed) };
            after = Some(last.id);
            needed.extend(page.iter().map(|held| held.spool_key));
        }
    }

    fn is_idle(&self) -> Result<bool, StoreError> {
        let soon = self.clock.now().after(Duration::from_secs(1)).millis();
        let quiet = |space| self.store.next_due(space).map(|due| due.is_none_or(|due| due > soon));
        Ok(quiet(Space::Spool)? && quiet(Space::Queue)?)
    }

    fn note(&self, event: Event, batch: &Batch) -> Result<(), StoreError> {
        let note = Note { list: None, actor: Actor::Relay, event, reason: None };
        self.journal.commit(batch, &[note], self.clock.now())
    }
}
