//! Which strangers were answered: an address gets one answer a day, so that nobody makes the relay write to somebody else
//! again and again. Only a digest of the address is kept, and not for longer.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::ledger::record::encode;
use crate::mail::address::Address;
use crate::store::contract::{Batch, Expect, Space, Store, StoreError};
use crate::time::Timestamp;

/// In front of the keys, among what was sent; forgotten with it ([`crate::ledger::sent::forget_old`]).
const ANSWERED: u8 = b'n';

/// How long one answer is all.
pub const PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Adds to the batch that this address is answered now; says whether it may be.
///
/// # Errors
/// When the store fails.
pub fn answer(
    store: &dyn Store,
    batch: &mut Batch,
    address: &Address,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let name = address.to_string().to_lowercase();
    let key = [&[ANSWERED], Sha256::digest(name.as_bytes()).as_slice()].concat();
    match store.get(Space::Sent, &key)? {
        Some(entry) if entry.due.is_some_and(|due| now.millis() < due) => return Ok(false),
        Some(entry) => batch.expect(Expect::Version(Space::Sent, key.clone(), entry.version)),
        None => batch.expect(Expect::Absent(Space::Sent, key.clone())),
    };
    batch.put_due(Space::Sent, key, encode(&now)?, now.after(PERIOD).millis());
    Ok(true)
}
