//! Letters that are due and not written yet. An errand becomes durable in the batch of the change that causes it, and
//! leaves in the commit that queues the letter: neither a restart nor a kill forgets one or writes it twice.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::id::Fingerprint;
use crate::ledger::record::{decode, encode};
use crate::roster::errand::{Enclosed, Errand};
use crate::store::contract::{Batch, Entry, Expect, Space, Store, StoreError, Version};
use crate::time::Timestamp;

/// In front of the keys of errands. `alert.rs` and `forewarn.rs` have others.
const WAITING: u8 = b'w';

/// So many are read at once.
const PAGE: usize = 500;

/// An errand that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What it is.
    pub errand: Errand,
    key: Vec<u8>,
    version: Version,
}

impl Waiting {
    /// What tells it from the others.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Adds to the batch that it is done with. Of two who do it one is the first.
    pub fn done(&self, batch: &mut Batch) {
        batch.expect(Expect::Version(Space::Alert, self.key.clone(), self.version));
        batch.delete(Space::Alert, self.key.clone());
    }
}

/// The errands of a store.
#[derive(Clone)]
pub struct Outbox(Arc<dyn Store>);

impl Outbox {
    /// Those of this store.
    #[must_use]
    pub fn new(store: &Arc<dyn Store>) -> Self {
        Self(Arc::clone(store))
    }

    /// Adds an errand to the batch of the change that causes it. The same errand at the same moment is one.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put(batch: &mut Batch, errand: &Errand, now: Timestamp) -> Result<(), StoreError> {
        let record = encode(errand)?;
        let mut key = vec![WAITING];
        // Behind the time the digest: a key needs no randomness, and a batch that is tried again writes the same one.
        key.extend(now.millis().max(0).to_be_bytes());
        key.extend(Sha256::digest(&record).iter().take(16));
        batch.put(Space::Alert, key, record);
        Ok(())
    }

    /// Up to `limit` errands behind `after`, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn waiting(&self, after: Option<&Waiting>, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let after = after.map(|waiting| waiting.key.as_slice());
        let page = self.0.scan(Space::Alert, &[WAITING], after, limit)?;
        let waiting = |entry: Entry| {
            Ok(Waiting { errand: decode(&entry.value)?, key: entry.key, version: entry.version })
        };
        page.into_iter().map(waiting).collect()
    }

    /// The spool keys that are needed for what goes along with errands that wait.
    ///
    /// # Errors
    /// When the store fails.
    pub fn spool_keys(&self) -> Result<Vec<Fingerprint>, StoreError> {
        let (mut keys, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.0.scan(Space::Alert, &[WAITING], after.as_deref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(keys) };
            after = Some(last.key.clone());
            for entry in page {
                let errand: Errand = decode(&entry.value)?;
                keys.extend(errand.about.enclosed().map(Enclosed::spool_key));
            }
        }
    }
}
