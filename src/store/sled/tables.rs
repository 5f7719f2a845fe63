//! One change of the tree: gathered over it, and then applied as one batch.

use std::collections::BTreeMap;

use sled::Batch;

use super::super::change::{Change, Tables};
use super::super::contract::{BodyId, StoreError, Version};
use super::engine::{DUE, ENTRIES, Index, META, META_VERSION, NAMES, number, place};

/// The tree with what a change has done so far: a row to write, or none for one to remove.
pub(super) struct Overlay<'i> {
    index: &'i Index,
    changed: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Applies what `act` changed; nothing when it fails. The caller lets in one writer at a time.
pub(super) fn transact<T>(
    index: &Index,
    doing: &'static str,
    act: impl FnOnce(&mut Change<Overlay<'_>>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let last = Version(index.number(META_VERSION)?.unwrap_or(0));
    let mut change = Change::new(Overlay { index, changed: BTreeMap::new() }, last);
    let done = act(&mut change)?;
    let (tables, changed) = change.done();
    if let Some(last) = changed {
        let mut batch = Batch::default();
        for (at, row) in tables.changed {
            match row {
                Some(row) => batch.insert(at, row),
                None => batch.remove(at),
            }
        }
        batch.insert(place(META, META_VERSION), &last.0.to_be_bytes());
        index.apply(doing, batch, last)?;
    }
    Ok(done)
}

impl Overlay<'_> {
    fn read<T>(
        &self,
        table: u8,
        at: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.changed.get(&place(table, at)) {
            Some(row) => row.as_deref().map(read).transpose(),
            None => self.index.get(table, at)?.map(|row| read(&row)).transpose(),
        }
    }

    fn write(&mut self, table: u8, at: &[u8], row: Option<Vec<u8>>) {
        self.changed.insert(place(table, at), row);
    }
}

impl Tables for Overlay<'_> {
    fn row<T>(
        &self,
        at: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.read(ENTRIES, at, read)
    }

    fn set_row(&mut self, at: &[u8], row: Vec<u8>) -> Result<(), StoreError> {
        self.write(ENTRIES, at, Some(row));
        Ok(())
    }

    fn remove_row(&mut self, at: &[u8]) -> Result<(), StoreError> {
        self.write(ENTRIES, at, None);
        Ok(())
    }

    fn due_from(&self, from: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.index.keys(DUE, from, limit)
    }

    fn set_due(&mut self, at: &[u8]) -> Result<(), StoreError> {
        self.write(DUE, at, Some(Vec::new()));
        Ok(())
    }

    fn remove_due(&mut self, at: &[u8]) -> Result<(), StoreError> {
        self.write(DUE, at, None);
        Ok(())
    }

    fn names(&self, id: BodyId) -> Result<u64, StoreError> {
        Ok(self.read(NAMES, &id.0, number)?.unwrap_or(0))
    }

    fn set_names(&mut self, id: BodyId, count: u64) -> Result<(), StoreError> {
        self.write(NAMES, &id.0, (count > 0).then(|| count.to_be_bytes().to_vec()));
        Ok(())
    }
}
