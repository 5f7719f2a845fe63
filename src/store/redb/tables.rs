//! One transaction on the index.

use redb::{Database, ReadableTable, Table};

use super::super::change::{Change, Tables};
use super::super::contract::{BodyId, StoreError, Version};
use super::medium::{DUE, ENTRIES, META, META_VERSION, NAMES};

/// The tables of one transaction.
pub(super) struct Opened<'t> {
    entries: Table<'t, &'static [u8], &'static [u8]>,
    due: Table<'t, &'static [u8], ()>,
    names: Table<'t, &'static [u8; 16], u64>,
}

/// What a transaction gives its caller, and the version that marks it: if that is the last one in `meta`, it happened.
pub(super) struct Changed<T> {
    pub(super) done: T,
    pub(super) mark: Version,
}

/// Commits what `act` changed; rolls back when it fails, and has nothing to sync when it changed nothing. What the caller
/// gets is in `changed` before the commit begins, so that it is at hand where only the commit's own end fails.
pub(super) fn transact<T>(
    index: &Database,
    changed: &mut Option<Changed<T>>,
    act: impl FnOnce(&mut Change<Opened<'_>>) -> Result<T, StoreError>,
) -> Result<(), StoreError> {
    let mut transaction = index.begin_write()?; // durable at once is redb's default
    // With two phases redb knows that the last commit was whole: if it is found broken it is damage, and reported.
    // With one, redb would take it for a crash during that commit and silently go back to the one before.
    transaction.set_two_phase_commit(true);
    let mut meta = transaction.open_table(META)?;
    let last = Version(meta.get(META_VERSION)?.map_or(0, |last| last.value()));
    let tables = Opened {
        entries: transaction.open_table(ENTRIES)?,
        due: transaction.open_table(DUE)?,
        names: transaction.open_table(NAMES)?,
    };
    let mut change = Change::new(tables, last);
    let done = act(&mut change)?;
    let (tables, mark) = change.done();
    drop(tables);
    if let Some(mark) = mark {
        meta.insert(META_VERSION, mark.0)?;
    }
    drop(meta);
    *changed = Some(Changed { done, mark: mark.unwrap_or(last) });
    match mark {
        Some(_) => transaction.commit()?,
        None => transaction.abort()?,
    }
    Ok(())
}

impl Tables for Opened<'_> {
    fn row<T>(
        &self,
        at: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let row = self.entries.get(at)?;
        row.map(|row| read(row.value())).transpose()
    }

    fn set_row(&mut self, at: &[u8], row: Vec<u8>) -> Result<(), StoreError> {
        self.entries.insert(at, row.as_slice())?;
        Ok(())
    }

    fn remove_row(&mut self, at: &[u8]) -> Result<(), StoreError> {
        self.entries.remove(at)?;
        Ok(())
    }

    fn due_from(&self, from: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let first = self.due.range::<&[u8]>(from..)?.take(limit);
        first.map(|at| Ok(at?.0.value().to_vec())).collect()
    }

    fn set_due(&mut self, at: &[u8]) -> Result<(), StoreError> {
        self.due.insert(at, ())?;
        Ok(())
    }

    fn remove_due(&mut self, at: &[u8]) -> Result<(), StoreError> {
        self.due.remove(at)?;
        Ok(())
    }

    fn names(&self, id: BodyId) -> Result<u64, StoreError> {
        Ok(self.names.get(&id.0)?.map_or(0, |count| count.value()))
    }

    fn set_names(&mut self, id: BodyId, count: u64) -> Result<(), StoreError> {
        if count > 0 {
            self.names.insert(&id.0, count)?;
        } else {
            self.names.remove(&id.0)?;
        }
        Ok(())
    }
}
