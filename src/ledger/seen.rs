//! What was seen before: a replayed signature is known again, also after a restart. So is mail that no signature tells
//! apart; it is flagged then, and nothing more.

use std::time::Duration;

use crate::id::ListName;
use crate::ledger::record::{decode, encode};
use crate::store::contract::{Batch, Expect, Space, Store, StoreError};
use crate::time::Timestamp;

/// How long a digest is kept, counted from when the mail was relayed: longer than the seven days for which a signature
/// is fresh, and than a second arrival may wait, paused or held.
pub const KEEP: Duration = Duration::from_secs(90 * 24 * 3600);

/// Adds to the batch that this digest (a keyed hash, nothing can be read from it) was not seen before and is now.
///
/// # Errors
/// When the record cannot be encoded.
pub fn mark(batch: &mut Batch, list: &ListName, digest: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
    let key = key(list, digest);
    batch.expect(Expect::Absent(Space::Seen, key.clone()));
    batch.put_due(Space::Seen, key, encode(&now)?, now.after(KEEP).millis());
    Ok(())
}

/// Whether this digest was seen.
///
/// # Errors
/// When the store fails.
pub fn is_known(store: &dyn Store, list: &ListName, digest: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(store.get(Space::Seen, &key(list, digest))?.is_some())
}

/// Adds to the batch that this mail, which no signature tells apart, came now and never before.
///
/// # Errors
/// When the record cannot be encoded.
pub fn note(batch: &mut Batch, list: &ListName, digest: &[u8; 32], now: Timestamp) -> Result<(), StoreError> {
    let key = session_key(list, digest);
    batch.expect(Expect::Absent(Space::Seen, key.clone()));
    batch.put_due(Space::Seen, key, encode(&now)?, now.after(KEEP).millis());
    Ok(())
}

/// When a mail that no signature tells apart first came.
///
/// # Errors
/// When the store fails.
pub fn came(store: &dyn Store, list: &ListName, digest: &[u8; 32]) -> Result<Option<Timestamp>, StoreError> {
    store.get(Space::Seen, &session_key(list, digest))?.map(|entry| decode(&entry.value)).transpose()
}

/// Forgets what is older than [`KEEP`]; returns how many.
///
/// # Errors
/// When the store fails.
pub fn forget_old(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
    let old = store.claim(Space::Seen, now.millis(), 60_000, 1000)?;
    let mut batch = Batch::new();
    for claim in &old {
        batch.delete(Space::Seen, claim.entry.key.clone());
    }
    store.commit(batch)?;
    Ok(old.len())
}

fn key(list: &ListName, digest: &[u8; 32]) -> Vec<u8> {
    let mut key = list.as_str().as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(digest);
    key
}

/// Apart from the signatures' digests: whoever makes one of these up in advance must not stop a signed mail.
fn session_key(list: &ListName, digest: &[u8; 32]) -> Vec<u8> {
    [list.as_str().as_bytes(), b"\0session/", digest].concat()
}
