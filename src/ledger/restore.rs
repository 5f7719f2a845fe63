//! Whether the store was restored from a backup. What happened between backup and restore it does not know: which mail
//! was relayed, which copies were delivered, who was removed. So nothing is worked off until somebody has looked.

use serde::{Deserialize, Serialize};

use crate::ledger::record::{decode, encode};
use crate::store::contract::{Batch, Expect, Space, Store, StoreError};
use crate::store::place::{Mark, Number};
use crate::time::Timestamp;

const RESTORED: &[u8] = b"restored";
const STARTED: &[u8] = b"started";

/// The last restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When it was noticed, or told: what was signed before that may have been relayed already.
    pub at: Timestamp,
    /// Whether everything still waits for an admin.
    pub waiting: bool,
}

/// The last start, as the store remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its name.
    pub mark: Mark,
    /// The file beside the store that has this name; none where it could not be written.
    pub file: Option<Number>,
    /// What that file said when this start began: it still does if the start was cut off.
    pub before: Option<(Mark, Option<Number>)>,
    /// Whether the file beside the store names starts at all.
    pub named: bool,
    /// What the file system called the store's `lock`.
    pub number: Option<Number>,
}

/// The last restore, if there was one, and what a batch expects so that there was none since.
///
/// # Errors
/// When the store fails.
pub fn restored(store: &dyn Store) -> Result<(Option<Restored>, Expect), StoreError> {
    match store.get(Space::Registry, RESTORED)? {
        Some(entry) => {
            let expect = Expect::Version(Space::Registry, RESTORED.to_vec(), entry.version);
            Ok((Some(decode(&entry.value)?), expect))
        }
        None => Ok((None, Expect::Absent(Space::Registry, RESTORED.to_vec()))),
    }
}

/// Whether nothing is worked off until an admin has looked.
///
/// # Errors
/// When the store fails.
pub fn waits(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(restored(store)?.0.is_some_and(|restored| restored.waiting))
}

/// Adds to the batch that this is the last restore.
///
/// # Errors
/// When the record cannot be encoded.
pub fn set_restored(batch: &mut Batch, restored: Restored) -> Result<(), StoreError> {
    batch.put(Space::Registry, RESTORED, encode(&restored)?);
    Ok(())
}

/// The last start that the store knows of; none of a store that is new, or was written by a release that noted none.
///
/// # Errors
/// When the store fails.
pub fn started(store: &dyn Store) -> Result<Option<Started>, StoreError> {
    store.get(Space::Registry, STARTED)?.map(|entry| decode(&entry.value)).transpose()
}

/// Adds to the batch that this is the last start.
///
/// # Errors
/// When the record cannot be encoded.
pub fn set_started(batch: &mut Batch, started: &Started) -> Result<(), StoreError> {
    batch.put(Space::Registry, STARTED, encode(started)?);
    Ok(())
}
