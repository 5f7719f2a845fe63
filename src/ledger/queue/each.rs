//! Every copy of a queue, one after the other.

use super::row::Record;
use crate::ledger::record::decode;
use crate::store::contract::{Entry, Space, Store, StoreError};

/// Shows every copy to `visit`, the oldest first, page by page.
pub(super) fn each(
    store: &dyn Store,
    mut visit: impl FnMut(Entry, Record) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = store.scan(Space::Queue, b"", after.as_deref(), 500)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for entry in page {
            let record = decode(&entry.value)?;
            visit(entry, record)?;
        }
    }
}
