//! A store whose changes are counted and timed.

use std::sync::Arc;
use std::time::Instant;

use crate::meter;
use crate::store::contract::{Batch, BodyId, Claim, Entry, Room, Space, Store, StoreError};

/// Hands everything to the store that it wraps.
pub(super) struct Measured(pub(super) Arc<dyn Store>);

impl Store for Measured {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.0.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.0.scan(space, prefix, after, limit)
    }

    fn claim(&self, space: Space, now: i64, lease_ms: i64, limit: usize) -> Result<Vec<Claim>, StoreError> {
        self.0.claim(space, now, lease_ms, limit)
    }

    fn next_due(&self, space: Space) -> Result<Option<i64>, StoreError> {
        self.0.next_due(space)
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let begun = Instant::now();
        let done = self.0.commit(batch);
        let outcome = match &done {
            Ok(()) => "done",
            Err(StoreError::Conflict(_)) => "conflict",
            Err(_) => "failed",
        };
        meter::commit(outcome, begun.elapsed());
        done
    }

    fn put_body(&self, id: BodyId, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.put_body(id, bytes)
    }

    fn read_body(&self, id: BodyId, offset: u64, max: usize) -> Result<Vec<u8>, StoreError> {
        self.0.read_body(id, offset, max)
    }

    fn body_len(&self, id: BodyId) -> Result<u64, StoreError> {
        self.0.body_len(id)
    }

    fn room(&self) -> Result<Room, StoreError> {
        self.0.room()
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.0.compact()
    }
}
