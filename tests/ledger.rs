//! The ledger on a real store: journal, spool, held mail, queue, digests, registry.
//!
//! `VOUCHSAFE_STORE` sets the engine (redb when not set).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "ledger/alerts.rs"]
mod alerts;
#[path = "ledger/applications.rs"]
mod applications;
#[path = "ledger/ballots.rs"]
mod ballots;
#[path = "ledger/bounced.rs"]
mod bounced;
#[path = "ledger/forewarn.rs"]
mod forewarn;
#[path = "ledger/heads.rs"]
mod heads;
#[path = "ledger/journal.rs"]
mod journal;
#[path = "ledger/queue.rs"]
mod queue;
#[path = "ledger/registry.rs"]
mod registry;
#[path = "ledger/reviews.rs"]
mod reviews;
#[path = "ledger/spool.rs"]
mod spool;
#[path = "ledger/strangers.rs"]
mod strangers;
#[path = "ledger/tamper.rs"]
mod tamper;
#[path = "ledger/tokens.rs"]
mod tokens;
#[path = "ledger/unread.rs"]
mod unread;
#[path = "ledger/withdraw.rs"]
mod withdraw;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use vouchsafe::id::{BodyId, Entropy, Fingerprint, ListName, ParcelId};
use vouchsafe::ledger::hold::Holds;
use vouchsafe::ledger::journal::{Actor, Event, Journal, Link, Note};
use vouchsafe::ledger::queue::Queue;
use vouchsafe::ledger::registry::Registry;
use vouchsafe::ledger::spool::Spool;
use vouchsafe::mail::parcel::{Carries, Head, Parcel};
use vouchsafe::pgp::sealed::{AtRest, Sealed, WrappedKey};
use vouchsafe::store::contract::{self, Batch, Entry, Space, Store, StoreError};
use vouchsafe::store::{self, Kind, Settings};
use vouchsafe::time::Timestamp;

/// When everything starts.
const T0: Timestamp = Timestamp::from_secs(1_790_000_000);
const LEASE: Duration = Duration::from_secs(60);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(seconds: u64) -> Timestamp {
    T0.after(secs(seconds))
}

fn list(name: &str) -> ListName {
    name.parse().unwrap()
}

fn key(n: u8) -> Fingerprint {
    Fingerprint::V4([n; 20])
}

/// A store that can be closed and opened again, and rooms over it.
struct Bench {
    dir: TempDir,
    store: Option<Arc<dyn Store>>,
    entropy: Entropy,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Self { dir, store: None, entropy: Entropy::seeded(1) };
        bench.open();
        bench
    }

    /// As after a crash: whoever held claims is gone.
    fn reopen(&mut self) {
        let store = self.store.take().unwrap();
        assert_eq!(Arc::strong_count(&store), 1, "nobody else holds the store");
        drop(store);
        self.open();
    }

    fn open(&mut self) {
        let kind = match std::env::var("VOUCHSAFE_STORE").as_deref() {
            Ok("sled") => Kind::Sled,
            Ok("redb") | Err(_) => Kind::Redb,
            Ok(other) => panic!("VOUCHSAFE_STORE={other} is no engine"),
        };
        let settings = Settings { kind, path: self.dir.path().to_owned() };
        self.store = Some(store::open(&settings).unwrap());
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().unwrap())
    }

    fn journal(&self) -> Journal {
        Journal::new(self.store())
    }

    fn spool(&self) -> Spool {
        Spool::new(self.store())
    }

    fn holds(&self) -> Holds {
        Holds::new(self.store())
    }

    fn queue(&self) -> Queue {
        Queue::new(self.store(), self.journal())
    }

    fn registry(&self) -> Registry {
        Registry::new(self.store())
    }

    fn commit(&self, fill: impl FnOnce(&mut Batch)) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        fill(&mut batch);
        self.store().commit(batch)
    }

    /// How many bodies lie on the disk.
    fn bodies(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("bodies")).unwrap().count()
    }

    fn entries(&self, space: Space) -> Vec<Entry> {
        self.store().scan(space, b"", None, 10_000).unwrap()
    }

    /// Changes the bytes of an entry behind everybody's back.
    fn overwrite(&self, space: Space, key: &[u8], value: Vec<u8>) {
        let due = self.store().get(space, key).unwrap().and_then(|entry| entry.due);
        self.commit(|b| b.put.push(contract::Put { space, key: key.to_vec(), value, due })).unwrap();
    }

    fn links(&self, name: &str) -> Vec<Link> {
        self.journal().links(Some(&list(name)), 0, 10_000).unwrap()
    }

    fn events(&self, name: &str) -> Vec<Event> {
        self.links(name).into_iter().map(|link| link.event).collect()
    }

    /// Queues one copy of a body for each of these members; returns their ids.
    fn enqueue(&self, name: &str, members: &[&str], now: Timestamp) -> Vec<ParcelId> {
        let body = BodyId::new(now, &self.entropy);
        self.store().put_body(contract::BodyId(*body.as_bytes()), BODY).unwrap();
        let mut batch = Batch::new();
        let mut ids = Vec::new();
        for member in members {
            let parcel = self.parcel(name, member, body, now);
            ids.push(parcel.id);
            Queue::enqueue(&mut batch, parcel, now).unwrap();
        }
        self.store().commit(batch).unwrap();
        ids
    }

    fn parcel(&self, name: &str, member: &str, body: BodyId, now: Timestamp) -> Parcel {
        Parcel {
            id: ParcelId::new(now, &self.entropy),
            list: list(name),
            member: member.parse().unwrap(),
            recipient: format!("{member}@example.org").parse().unwrap(),
            reverse_path: format!("{name}-bounces@lists.example").parse().unwrap(),
            head: Head { fields: "Subject: [...]\r\n".to_owned(), boundary: "b".to_owned() },
            key: wrapped(),
            body,
            body_len: BODY.len() as u64,
            carries: Carries::Post,
        }
    }
}

/// The framing of one SEIPD packet.
const BODY: &[u8] = &[0xD2, 4, 1, 9, 9, 9];

/// A PKESK, by its framing.
fn wrapped() -> WrappedKey {
    let stored = rmp_serde::to_vec(serde_bytes::Bytes::new(&[0xC1, 3, 3, 0, 0])).unwrap();
    rmp_serde::from_slice(&stored).unwrap()
}

/// A sealed mail with `len` bytes of ciphertext, by its framing.
fn sealed(len: u32) -> Sealed<AtRest> {
    let mut bytes = vec![0xC1, 3, 3, 0, 0, 0xD2, 0xFF];
    bytes.extend_from_slice(&(len + 1).to_be_bytes());
    bytes.push(2);
    bytes.extend((0..len).map(|n| (n % 251) as u8));
    Sealed::<AtRest>::from_store(bytes).unwrap()
}

fn note(name: &str, event: Event) -> Note {
    Note { list: Some(list(name)), actor: Actor::Relay, event, reason: None }
}

fn paused(paused: bool) -> Event {
    Event::Paused { paused }
}
