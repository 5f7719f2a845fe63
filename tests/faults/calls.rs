//! A store that fails at one of its calls: before it was carried out, or after, so that only the answer is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use vouchsafe::store::contract::{Batch, BodyId, Claim, Entry, Room, Space, Store, StoreError};

use crate::medium::SAID;

/// Which call fails, and how.
#[derive(Clone)]
pub(crate) struct Calls(Arc<State>);

struct State {
    at: u64,
    /// Whether the call is carried out all the same.
    carried_out: bool,
    calls: AtomicU64,
    fired: AtomicU64,
    /// The questions that were asked since something changed.
    asked: Mutex<BTreeSet<String>>,
}

impl Calls {
    fn new(at: u64, carried_out: bool) -> Self {
        Self(Arc::new(State {
            at,
            carried_out,
            calls: AtomicU64::new(0),
            fired: AtomicU64::new(0),
            asked: Mutex::default(),
        }))
    }

    pub(crate) fn over(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Faulty { store, calls: self.clone() })
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.0.fired.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn carries_out(&self) -> bool {
        self.0.carried_out
    }
}

/// A store whose call number `at` fails and changes nothing. A question that is asked again while nothing has changed, as the
/// daemon's clock does all the time, is no further place.
pub(crate) fn failing(at: u64) -> Calls {
    Calls::new(at, false)
}

/// A store whose call number `at` of those that change something is carried out, and then says that it failed. Where a call
/// only asks, a lost answer is no other than a failure.
pub(crate) fn silent(at: u64) -> Calls {
    Calls::new(at, true)
}

/// How many calls the story makes of those among which one fails.
pub(crate) fn count(kind: fn(u64) -> Calls) -> u64 {
    let calls = kind(u64::MAX);
    let told = crate::story::run(calls.clone().into());
    crate::verdict::judge(&told, "sound");
    calls.0.calls.load(Ordering::SeqCst)
}

struct Faulty {
    store: Arc<dyn Store>,
    calls: Calls,
}

impl Faulty {
    fn ask<T>(&self, what: String, act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let is_new = self.calls.0.asked.lock().unwrap().insert(what);
        self.call(is_new && !self.calls.0.carried_out, act)
    }

    fn change<T>(&self, act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.calls.0.asked.lock().unwrap().clear();
        self.call(true, act)
    }

    fn claims<T>(
        &self,
        space: Space,
        act: impl FnOnce() -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let is_new = self.calls.0.asked.lock().unwrap().insert(format!("claim {space:?}"));
        let claimed = self.call(is_new, act)?;
        if !claimed.is_empty() {
            self.calls.0.asked.lock().unwrap().clear();
        }
        Ok(claimed)
    }

    fn call<T>(&self, counts: bool, act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let state = &self.calls.0;
        if !counts || state.calls.fetch_add(1, Ordering::SeqCst) != state.at {
            return act();
        }
        state.fired.fetch_add(1, Ordering::SeqCst);
        if state.carried_out {
            act()?;
            // What the contract has for "whether it happened is not known".
            return Err(StoreError::Poisoned(SAID.to_owned()));
        }
        Err(StoreError::Io { doing: "do it", why: SAID.to_owned() })
    }
}

impl Store for Faulty {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.ask(format!("get {space:?} {key:?}"), || self.store.get(space, key))
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let what = format!("scan {space:?} {prefix:?} {after:?} {limit}");
        self.ask(what, || self.store.scan(space, prefix, after, limit))
    }

    fn claim(&self, space: Space, now: i64, lease_ms: i64, limit: usize) -> Result<Vec<Claim>, StoreError> {
        self.claims(space, || self.store.claim(space, now, lease_ms, limit))
    }

    fn next_due(&self, space: Space) -> Result<Option<i64>, StoreError> {
        self.ask(format!("next {space:?}"), || self.store.next_due(space))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.change(|| self.store.commit(batch))
    }

    fn put_body(&self, id: BodyId, bytes: &[u8]) -> Result<(), StoreError> {
        self.change(|| self.store.put_body(id, bytes))
    }

    fn read_body(&self, id: BodyId, offset: u64, max: usize) -> Result<Vec<u8>, StoreError> {
        self.ask(format!("read {id:?} {offset}"), || self.store.read_body(id, offset, max))
    }

    fn body_len(&self, id: BodyId) -> Result<u64, StoreError> {
        self.ask(format!("length {id:?}"), || self.store.body_len(id))
    }

    fn room(&self) -> Result<Room, StoreError> {
        self.ask("room".to_owned(), || self.store.room())
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.change(|| self.store.compact())
    }
}
