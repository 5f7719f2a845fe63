//! The one door: seal at rest, commit, and only then may 250 be said. It can seal and not read: it holds the public half
//! of the spool key alone.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use tokio::sync::Notify;

use crate::failpoint::{self, Point};
use crate::id::{Entropy, ListName};
use crate::ingress::session::NotTaken;
use crate::ledger::mark::{Item, Mark, Marks};
use crate::ledger::spool::Spool;
use crate::mail::arrival::{Arrival, Envelope, Via};
use crate::meter;
use crate::pgp::keyring::SpoolCert;
use crate::pgp::seal::seal_parts_at_rest;
use crate::secret::Plaintext;
use crate::store::contract::Store;
use crate::time::Clock;
use crate::vitals::Last;

/// How much of the disk has to be free where nothing else is set, in percent: 452 is not a lost mail.
const MIN_FREE: u8 = 5;

/// A keyed digest of a mail. The daemon makes it: the front door has no key.
pub type Digest = Arc<dyn Fn(&Plaintext) -> [u8; 32] + Send + Sync>;

/// What came of a mail from a place that still has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is sealed and durable under this id, and marked in the same commit.
    Now(String),
    /// It was taken in before: only its removal is due.
    Before,
}

/// The way from a session to the spool. Cheap to clone.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    spool: Spool,
    marks: Marks,
    cert: Arc<RwLock<SpoolCert>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    arrived: Arc<Notify>,
    min_free: Arc<AtomicU8>,
    last: Arc<Last>,
}

impl Intake {
    /// An intake that seals to whatever spool certificate `cert` holds, and wakes `arrived` after each mail, and notes the time of the
    /// last one.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        cert: Arc<RwLock<SpoolCert>>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
        (arrived, last): (Arc<Notify>, Arc<Last>),
    ) -> Self {
        let spool = Spool::new(Arc::clone(&store));
        let marks = Marks::new(Arc::clone(&store));
        let min_free = Arc::new(MIN_FREE.into());
        Self(Arc::new(Inner { store, spool, marks, cert, clock, entropy, arrived, last, min_free }))
    }

    /// The same, taking nothing more when less than `percent` of the disk would be free; it may change.
    #[must_use]
    pub fn leaving_free(self, percent: Arc<AtomicU8>) -> Self {
        let Inner { store, spool, marks, cert, clock, entropy, arrived, last, .. } = &*self.0;
        Self(Arc::new(Inner {
            store: Arc::clone(store),
            spool: spool.clone(),
            marks: marks.clone(),
            cert: Arc::clone(cert),
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
            arrived: Arc::clone(arrived),
            last: Arc::clone(last),
            min_free: percent,
        }))
    }

    /// Takes a mail in. When this returns an id, the mail is sealed and durable.
    ///
    /// # Errors
    /// When nothing was taken; the client keeps the mail.
    pub async fn take_in(&self, envelope: Envelope, raw: Plaintext) -> Result<String, NotTaken> {
        let inner = Arc::clone(&self.0);
        let taken = tokio::task::spawn_blocking(move || inner.take_in(&envelope, raw, None)).await;
        let id = taken.unwrap_or(Err(NotTaken::Storage))?;
        self.0.arrived.notify_one();
        Ok(id)
    }

    /// Takes a mail in from a place that still has it, once. When this returns, the mail is sealed and durable, and so
    /// is the mark that this item was taken in; only then may it be removed there.
    ///
    /// # Errors
    /// When nothing was taken; the place keeps the mail.
    pub async fn take_in_once(
        &self,
        envelope: Envelope,
        raw: Plaintext,
        item: Item,
        digest: Option<Digest>,
    ) -> Result<Taken, NotTaken> {
        let inner = Arc::clone(&self.0);
        let once = move || {
            let mark = Mark { item, digest: digest.map(|digest| digest(&raw)) };
            inner.take_in_once(&envelope, raw, &mark)
        };
        let taken = tokio::task::spawn_blocking(once).await.unwrap_or(Err(NotTaken::Storage))?;
        if taken != Taken::Before {
            self.0.arrived.notify_one();
        }
        Ok(taken)
    }
}

impl Inner {
    fn take_in_once(&self, envelope: &Envelope, raw: Plaintext, mark: &Mark) -> Result<Taken, NotTaken> {
        if self.marks.is_known(mark).map_err(|error| refused(&error))? {
            return Ok(Taken::Before);
        }
        self.take_in(envelope, raw, Some(mark)).map(Taken::Now)
    }

    fn take_in(&self, envelope: &Envelope, raw: Plaintext, mark: Option<&Mark>) -> Result<String, NotTaken> {
        let (begun, size) = (Instant::now(), raw.len());
        let taken = self.seal_and_store(envelope, raw, mark);
        let outcome = match &taken {
            Ok(_) => "taken",
            Err(NotTaken::DiskFull) => "disk_full",
            Err(NotTaken::Storage) => "storage",
            Err(NotTaken::Busy) => "busy",
            Err(NotTaken::Memory) => "memory",
        };
        meter::arrival(way(envelope.via), outcome, size, begun);
        if taken.is_ok() {
            self.last.happened(self.clock.now());
        }
        taken
    }

    fn seal_and_store(
        &self,
        envelope: &Envelope,
        raw: Plaintext,
        mark: Option<&Mark>,
    ) -> Result<String, NotTaken> {
        let size = u64::try_from(raw.len()).unwrap_or(u64::MAX);
        match self.store.room() {
            Ok(room) if room.is_short(self.min_free.load(Ordering::Relaxed), size) => {
                return Err(NotTaken::DiskFull);
            }
            Ok(_) => {}
            Err(error) => return Err(refused(&error)),
        }
        failpoint::hit(Point::IntakeBegun);
        let mut lists: Vec<ListName> = envelope.recipients.iter().map(|r| r.list.clone()).collect();
        lists.sort();
        lists.dedup();
        let cert = self.cert.read().map_err(|_| NotTaken::Storage)?.clone();
        let sealed = seal_parts_at_rest(&[&Arrival::head(envelope), &raw], &cert).map_err(|error| {
            tracing::error!(%error, "an arriving mail cannot be sealed");
            NotTaken::Storage
        })?;
        drop(raw);
        failpoint::hit(Point::IntakeSealed);
        let (key, now) = (cert.fingerprint(), self.clock.now());
        let put = self.spool.put_marked(&sealed, &lists, key, mark, now, &self.entropy);
        if put.is_ok() {
            failpoint::hit(Point::IntakeCommitted);
        }
        put.map(|id| id.to_string()).map_err(|error| refused(&error))
    }
}

/// What metrics call it.
const fn way(via: Via) -> &'static str {
    match via {
        Via::Smtp => "smtp",
        Via::Lmtp => "lmtp",
        Via::Imap => "imap",
        Via::Maildir => "maildir",
    }
}

fn refused(error: &crate::store::contract::StoreError) -> NotTaken {
    tracing::error!(%error, "an arriving mail cannot be stored");
    NotTaken::Storage
}
