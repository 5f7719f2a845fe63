//! One transaction on the index.

use std::collections::BTreeMap;

use redb::{Database, ReadableTable, Table};

use super::super::bodies::Bodies;
use super::super::contract::{BodyId, Claim, Expect, Lease, Put, Space, StoreError, Version};
use super::super::rows::{Head, due_key, entry_key, parse_due_key};
use super::medium::{DUE, ENTRIES, META, META_VERSION, NAMES};

/// One transaction under way.
pub(super) struct Change<'t> {
    entries: Table<'t, &'static [u8], &'static [u8]>,
    due: Table<'t, &'static [u8], ()>,
    names: Table<'t, &'static [u8; 16], u64>,
    meta: Table<'t, &'static str, u64>,
    last: Version,
    dirty: bool,
}

/// Commits what `act` changed; rolls back when it fails, and has nothing to sync when it changed nothing.
pub(super) fn transact<T>(
    index: &Database,
    act: impl FnOnce(&mut Change<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut transaction = index.begin_write()?; // durable at once is redb's default
    // With two phases redb knows that the last commit was whole: if it is found broken it is damage, and reported.
    // With one, redb would take it for a crash during that commit and silently go back to the one before.
    transaction.set_two_phase_commit(true);
    let mut change = Change {
        entries: transaction.open_table(ENTRIES)?,
        due: transaction.open_table(DUE)?,
        names: transaction.open_table(NAMES)?,
        meta: transaction.open_table(META)?,
        last: Version(0),
        dirty: false,
    };
    change.last = Version(change.meta.get(META_VERSION)?.map_or(0, |last| last.value()));
    let done = act(&mut change)?;
    let (dirty, last) = (change.dirty, change.last);
    if dirty {
        change.meta.insert(META_VERSION, last.0)?;
    }
    drop(change);
    if dirty {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(done)
}

impl Change<'_> {
    fn head(&self, at: &[u8]) -> Result<Option<Head>, StoreError> {
        let row = self.entries.get(at)?;
        row.map(|row| Ok(Head::parse(row.value())?.0)).transpose()
    }

    pub(super) fn check(&self, expect: &Expect) -> Result<(), StoreError> {
        let (space, key, wanted) = match expect {
            Expect::Absent(space, key) => (*space, key, None),
            Expect::Version(space, key, version) | Expect::Lease(space, key, Lease(version)) => {
                (*space, key, Some(*version))
            }
        };
        let found = self.head(&entry_key(space, key))?.map(|head| head.version);
        if found == wanted { Ok(()) } else { Err(StoreError::Conflict(space)) }
    }

    /// A version that nothing ever had: the counter survives the entries.
    fn next_version(&mut self) -> Version {
        self.dirty = true;
        self.last.0 += 1;
        self.last
    }

    pub(super) fn put(&mut self, put: &Put) -> Result<(), StoreError> {
        self.delete(put.space, &put.key)?;
        let head = Head { version: self.next_version(), due: put.due, attempts: 0 };
        self.entries.insert(entry_key(put.space, &put.key).as_slice(), head.row(&put.value).as_slice())?;
        if let Some(due) = put.due {
            self.due.insert(due_key(put.space, due, &put.key).as_slice(), ())?;
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        let Some(row) = self.entries.remove(entry_key(space, key).as_slice())? else { return Ok(()) };
        self.dirty = true;
        if let Some(due) = Head::parse(row.value())?.0.due {
            self.due.remove(due_key(space, due, key).as_slice())?;
        }
        Ok(())
    }

    pub(super) fn claim(
        &mut self,
        space: Space,
        now: i64,
        lease_ms: i64,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut ready = Vec::new();
        for at in self.due.range::<&[u8]>(entry_key(space, b"").as_slice()..)?.take(limit) {
            let (at, _) = at?;
            match parse_due_key(space, at.value()) {
                Some((due, key)) if due <= now => ready.push((due, key.to_vec())),
                _ => break,
            }
        }
        ready
            .into_iter()
            .map(|(due, key)| self.lease(space, due, &key, now.saturating_add(lease_ms)))
            .collect()
    }

    fn lease(&mut self, space: Space, due: i64, key: &[u8], until: i64) -> Result<Claim, StoreError> {
        let version = self.next_version();
        let at = entry_key(space, key);
        let entry = {
            let row = self.entries.get(at.as_slice())?;
            let row = row.ok_or_else(|| StoreError::Damaged("what is due is not there".to_owned()))?;
            let (head, value) = Head::parse(row.value())?;
            let attempts = head.attempts.saturating_add(1);
            Head { version, due: Some(until), attempts }.entry(key, value)
        };
        let head = Head { version, due: entry.due, attempts: entry.attempts };
        self.entries.insert(at.as_slice(), head.row(&entry.value).as_slice())?;
        self.due.remove(due_key(space, due, key).as_slice())?;
        self.due.insert(due_key(space, until, key).as_slice(), ())?;
        Ok(Claim { entry, lease: Lease(version) })
    }

    /// Counts names, first those given, then those taken back, and returns the bodies that have none left.
    pub(super) fn count_names(
        &mut self,
        name: &[BodyId],
        unname: &[BodyId],
        bodies: &Bodies,
    ) -> Result<Vec<BodyId>, StoreError> {
        let mut counts: BTreeMap<BodyId, (u64, u64)> = BTreeMap::new();
        for id in name {
            counts.entry(*id).or_default().0 += 1;
        }
        for id in unname {
            counts.entry(*id).or_default().1 += 1;
        }
        let mut gone = Vec::new();
        for (id, (given, taken)) in counts {
            if given > 0 && !bodies.exists(id)? {
                return Err(StoreError::NoBody(id));
            }
            let before = self.names.get(&id.0)?.map_or(0, |count| count.value());
            let left = before.saturating_add(given).checked_sub(taken).ok_or(StoreError::NoBody(id))?;
            self.dirty = true;
            if left > 0 {
                self.names.insert(&id.0, left)?;
            } else {
                self.names.remove(&id.0)?;
                gone.push(id);
            }
        }
        Ok(gone)
    }
}
