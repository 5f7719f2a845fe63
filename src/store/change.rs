//! What one change does to the tables of an embedded engine: the same for each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::bodies::Bodies;
use super::contract::{Batch, BodyId, Claim, Expect, Lease, MAX_VALUE, Put, Space, StoreError, Version};
use super::rows::{Head, due_key, entry_key, parse_due_key};

/// The tables of an engine within one transaction. Keys and rows are those of `rows.rs`.
pub(super) trait Tables {
    /// What `read` makes of an entry's row; none where there is no entry.
    fn row<T>(
        &self,
        at: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError>;

    /// Writes an entry's row.
    fn set_row(&mut self, at: &[u8], row: Vec<u8>) -> Result<(), StoreError>;

    /// Removes an entry's row.
    fn remove_row(&mut self, at: &[u8]) -> Result<(), StoreError>;

    /// The first `limit` keys of what can be claimed, from `from` on, as they stood when the transaction began.
    fn due_from(&self, from: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Notes that something can be claimed.
    fn set_due(&mut self, at: &[u8]) -> Result<(), StoreError>;

    /// Takes such a note away.
    fn remove_due(&mut self, at: &[u8]) -> Result<(), StoreError>;

    /// How many names a body has.
    fn names(&self, id: BodyId) -> Result<u64, StoreError>;

    /// Sets how many names a body has; with none it is forgotten.
    fn set_names(&mut self, id: BodyId, count: u64) -> Result<(), StoreError>;
}

/// One change under way.
pub(super) struct Change<T> {
    tables: T,
    last: Version,
    dirty: bool,
}

impl<T: Tables> Change<T> {
    /// A change of these tables, where `last` is the last version that was given out.
    pub(super) const fn new(tables: T, last: Version) -> Self {
        Self { tables, last, dirty: false }
    }

    /// The tables, and if anything was changed the version that marks this change: no other has it, even where only
    /// something was removed.
    pub(super) fn done(mut self) -> (T, Option<Version>) {
        let mark = self.dirty.then(|| self.next_version());
        (self.tables, mark)
    }

    /// Carries out one batch. What is wrong with the batch itself is the inner result: then nothing of it was done, and
    /// others may share the change. Bodies that lose their last name come to those that are `gone`, and cannot be named
    /// any more.
    ///
    /// # Errors
    /// What reading and writing the tables brings; the change is then given up.
    pub(super) fn carry_out(
        &mut self,
        batch: &Batch,
        bodies: &Bodies,
        gone: &mut BTreeSet<BodyId>,
    ) -> Result<Result<(), StoreError>, StoreError> {
        // Everything is looked at before anything is written, since other batches share the transaction.
        let counts = match self.look_at(batch, bodies, gone) {
            Ok(counts) => counts,
            Err(own @ (StoreError::Conflict(_) | StoreError::NoBody(_) | StoreError::TooLarge(_))) => {
                return Ok(Err(own));
            }
            Err(other) => return Err(other),
        };
        for (id, left) in counts {
            self.dirty = true;
            self.tables.set_names(id, left)?;
            if left == 0 {
                gone.insert(id);
            }
        }
        batch.delete.iter().try_for_each(|(space, key)| self.delete(*space, key))?;
        batch.put.iter().try_for_each(|put| self.put(put))?;
        Ok(Ok(()))
    }

    /// How many names each body of the batch will have, if everything that the batch expects is so.
    fn look_at(
        &self,
        batch: &Batch,
        bodies: &Bodies,
        gone: &BTreeSet<BodyId>,
    ) -> Result<BTreeMap<BodyId, u64>, StoreError> {
        if let Some(put) = batch.put.iter().find(|put| put.value.len() > MAX_VALUE) {
            return Err(StoreError::TooLarge(put.value.len()));
        }
        batch.expect.iter().try_for_each(|expect| self.check(expect))?;
        self.count_names(batch, bodies, gone)
    }

    /// Claims up to `limit` entries that are due at `now`, the longest due first. A claim is a change of its own.
    ///
    /// # Errors
    /// What reading and writing the tables brings; the change is then given up.
    pub(super) fn claim(
        &mut self,
        space: Space,
        now: i64,
        lease_ms: i64,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        let until = now.saturating_add(lease_ms);
        let first = self.tables.due_from(&entry_key(space, b""), limit)?;
        let ready = first.iter().map_while(|at| parse_due_key(space, at)).take_while(|(due, _)| *due <= now);
        ready.map(|(due, key)| self.lease(space, due, key, until)).collect()
    }

    fn check(&self, expect: &Expect) -> Result<(), StoreError> {
        let (space, key, wanted) = match expect {
            Expect::Absent(space, key) => (*space, key, None),
            Expect::Version(space, key, version) | Expect::Lease(space, key, Lease(version)) => {
                (*space, key, Some(*version))
            }
        };
        let found = self.head(&entry_key(space, key))?.map(|head| head.version);
        if found == wanted { Ok(()) } else { Err(StoreError::Conflict(space)) }
    }

    fn head(&self, at: &[u8]) -> Result<Option<Head>, StoreError> {
        self.tables.row(at, |row| Ok(Head::parse(row)?.0))
    }

    /// A version that nothing ever had: the counter survives the entries.
    const fn next_version(&mut self) -> Version {
        self.dirty = true;
        self.last.0 += 1;
        self.last
    }

    fn put(&mut self, put: &Put) -> Result<(), StoreError> {
        self.delete(put.space, &put.key)?;
        let head = Head { version: self.next_version(), due: put.due, attempts: 0 };
        self.tables.set_row(&entry_key(put.space, &put.key), head.row(&put.value))?;
        put.due.map_or(Ok(()), |due| self.tables.set_due(&due_key(put.space, due, &put.key)))
    }

    fn delete(&mut self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        let at = entry_key(space, key);
        let Some(head) = self.head(&at)? else { return Ok(()) };
        self.dirty = true;
        self.tables.remove_row(&at)?;
        head.due.map_or(Ok(()), |due| self.tables.remove_due(&due_key(space, due, key)))
    }

    fn lease(&mut self, space: Space, due: i64, key: &[u8], until: i64) -> Result<Claim, StoreError> {
        let version = self.next_version();
        let at = entry_key(space, key);
        let entry = self.tables.row(&at, |row| {
            let (head, value) = Head::parse(row)?;
            let attempts = head.attempts.saturating_add(1);
            Ok(Head { version, due: Some(until), attempts }.entry(key, value))
        })?;
        let entry = entry.ok_or_else(|| StoreError::Damaged("what is due is not there".to_owned()))?;
        let head = Head { version, due: entry.due, attempts: entry.attempts };
        self.tables.set_row(&at, head.row(&entry.value))?;
        self.tables.remove_due(&due_key(space, due, key))?;
        self.tables.set_due(&due_key(space, until, key))?;
        Ok(Claim { entry, lease: Lease(version) })
    }

    /// How many names the bodies of a batch will have: first those given count, then those taken back.
    fn count_names(
        &self,
        batch: &Batch,
        bodies: &Bodies,
        gone: &BTreeSet<BodyId>,
    ) -> Result<BTreeMap<BodyId, u64>, StoreError> {
        let mut changes: BTreeMap<BodyId, (u64, u64)> = BTreeMap::new();
        for id in &batch.name {
            changes.entry(*id).or_default().0 += 1;
        }
        for id in &batch.unname {
            changes.entry(*id).or_default().1 += 1;
        }
        let count = |(id, (given, taken)): (BodyId, (u64, u64))| {
            if given > 0 && (gone.contains(&id) || !bodies.exists(id)?) {
                return Err(StoreError::NoBody(id));
            }
            let before = self.tables.names(id)?;
            let left = before.saturating_add(given).checked_sub(taken).ok_or(StoreError::NoBody(id))?;
            Ok((id, left))
        };
        changes.into_iter().map(count).collect()
    }
}
