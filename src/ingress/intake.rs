//! The one door: seal at rest, commit, and only then may 250 be said. It can seal and not read: it holds the public half
//! of the spool key alone.

use std::sync::{Arc, RwLock};

use tokio::sync::Notify;

use crate::failpoint::{self, Point};
use crate::id::{Entropy, ListName};
use crate::ingress::session::NotTaken;
use crate::ledger::spool::Spool;
use crate::mail::arrival::{Arrival, Envelope};
use crate::pgp::keyring::SpoolCert;
use crate::pgp::seal::seal_parts_at_rest;
use crate::secret::Plaintext;
use crate::store::contract::Store;
use crate::time::Clock;

/// Below this share of free disk nothing more is taken: 452 is not a lost mail.
pub const MIN_FREE: f64 = 0.05;

/// The way from a session to the spool. Cheap to clone.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    spool: Spool,
    cert: Arc<RwLock<SpoolCert>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    arrived: Arc<Notify>,
}

impl Intake {
    /// An intake that seals to whatever spool certificate `cert` holds, and wakes `arrived` after each mail.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        cert: Arc<RwLock<SpoolCert>>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
        arrived: Arc<Notify>,
    ) -> Self {
        let spool = Spool::new(Arc::clone(&store));
        Self(Arc::new(Inner { store, spool, cert, clock, entropy, arrived }))
    }

    /// Takes a mail in. When this returns an id, the mail is sealed and durable.
    ///
    /// # Errors
    /// When nothing was taken; the client keeps the mail.
    pub async fn take_in(&self, envelope: Envelope, raw: Plaintext) -> Result<String, NotTaken> {
        let inner = Arc::clone(&self.0);
        let taken = tokio::task::spawn_blocking(move || inner.take_in(&envelope, raw)).await;
        let id = taken.unwrap_or(Err(NotTaken::Storage))?;
        self.0.arrived.notify_one();
        Ok(id)
    }
}

impl Inner {
    fn take_in(&self, envelope: &Envelope, raw: Plaintext) -> Result<String, NotTaken> {
        match self.store.free_share() {
            Ok(free) if free < MIN_FREE => return Err(NotTaken::DiskFull),
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
        let put = self.spool.put(&sealed, &lists, cert.fingerprint(), self.clock.now(), &self.entropy);
        if put.is_ok() {
            failpoint::hit(Point::IntakeCommitted);
        }
        put.map(|id| id.to_string()).map_err(|error| refused(&error))
    }
}

fn refused(error: &crate::store::contract::StoreError) -> NotTaken {
    tracing::error!(%error, "an arriving mail cannot be stored");
    NotTaken::Storage
}
