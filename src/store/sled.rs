//! The other embedded engine for one node: sled for the entries, files for the bodies.
//!
//! ```text
//! index.sled/  one tree: 'e' (space, key) -> row · 'd' (space, due, key) · 'n' (body) -> count · 'm' name -> number
//! ```
//!
//! The rest of its directory is in `folder.rs`.
//!
//! **What it cannot do.** It survives the death of the process, not a power cut: its flush is `sync_file_range(2)`, which
//! makes neither the file's length nor the disk's own cache durable, and what it had acknowledged was found lost (`mark.rs`
//! sees to it that this is found). What it took from the disk it does not give back. It does its own input and output, so a failing medium can be imitated
//! before a commit is applied and as its flush, not at each step of it; a commit that fails in the engine itself, on a
//! full disk too, may be half done, and counts as a failed sync: nothing is trusted until the store is opened again.

mod engine;
mod mark;
mod tables;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock};

use self::engine::{DUE, ENTRIES, Index, create_index, open_index};
use self::tables::{Overlay, transact};
use super::change::Change;
use super::contract::{Batch, BodyId, Claim, Entry, Room, Space, Store, StoreError};
use super::disk::Disk;
use super::folder::{Folder, SLED};
use super::rows::{Head, Wanted, entry_key, parse_due_key};

/// A store in one directory, for one process. It can lose what it acknowledged when the power is cut.
#[derive(Debug)]
pub struct Sled {
    /// Written by one at a time, to the end of the flush: a reader sees only what is flushed.
    index: RwLock<Index>,
    /// Held from looking for a body to removing it, so that no commit names what another is about to remove.
    naming: Mutex<()>,
    disk: Disk,
    /// The last to go: it holds the lock.
    folder: Folder,
}

impl Sled {
    /// Opens the store in `dir`, which must exist; an empty directory becomes an empty store. The whole index is read
    /// and checked, bodies that no commit named are removed.
    ///
    /// # Errors
    /// `Locked`, `OtherEngine`, `TooNew`, `Damaged`, or `Io` when the medium fails.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_on(dir, Disk::default())
    }

    /// As [`Self::open`], on a medium of the caller's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(dir: &Path, disk: Disk) -> Result<Self, StoreError> {
        let (folder, new) = Folder::take(dir, &SLED, &disk)?;
        let path = dir.join(SLED.index);
        if new {
            create_index(&path, &disk)?;
        }
        let index = open_index(&path, &disk)?;
        let named = index.check()?;
        folder.bodies.sweep(|id| named.contains(&id))?;
        Ok(Self { index: RwLock::new(index), naming: Mutex::new(()), disk, folder })
    }

    fn on_index<T>(&self, act: impl FnOnce(&Index) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        self.disk.trusted()?; // whoever wrote before may have failed
        act(&index)
    }

    /// Runs `act` as one batch, flushed when this returns.
    fn change<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&mut Change<Overlay<'_>>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.disk.trusted()?;
        let index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        self.disk.trusted()?; // whoever wrote before may have failed
        transact(&index, doing, act)
    }
}

impl Store for Sled {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let row = self.on_index(|index| index.get(ENTRIES, &entry_key(space, key)))?;
        let Some(row) = row else { return Ok(None) };
        let (head, value) = Head::parse(&row)?;
        Ok(Some(head.entry(key, value)))
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let wanted = Wanted::new(space, prefix, after);
        let mut found = Vec::new();
        self.on_index(|index| {
            index.walk(ENTRIES, wanted.range().0, limit, |at, row| {
                let Some(key) = wanted.key(at) else { return Ok(false) };
                let (head, value) = Head::parse(row)?;
                found.push(head.entry(key, value));
                Ok(true)
            })
        })?;
        Ok(found)
    }

    fn claim(&self, space: Space, now: i64, lease_ms: i64, limit: usize) -> Result<Vec<Claim>, StoreError> {
        // Asking often must cost no write.
        match self.next_due(space)? {
            Some(due) if due <= now && limit > 0 => {}
            _ => return Ok(Vec::new()),
        }
        self.change("claim", |change| change.claim(space, now, lease_ms, limit))
    }

    fn next_due(&self, space: Space) -> Result<Option<i64>, StoreError> {
        let first = self.on_index(|index| index.keys(DUE, &entry_key(space, b""), 1))?;
        Ok(first.first().and_then(|at| Some(parse_due_key(space, at)?.0)))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let _naming = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = BTreeSet::new();
        self.change("commit", |change| change.carry_out(&batch, &self.folder.bodies, &mut gone)?)?;
        self.folder.forget(gone);
        Ok(())
    }

    fn put_body(&self, id: BodyId, bytes: &[u8]) -> Result<(), StoreError> {
        self.folder.bodies.put(id, bytes)
    }

    fn read_body(&self, id: BodyId, offset: u64, max: usize) -> Result<Vec<u8>, StoreError> {
        self.folder.bodies.read(id, offset, max)
    }

    fn body_len(&self, id: BodyId) -> Result<u64, StoreError> {
        self.folder.bodies.len(id)
    }

    fn room(&self) -> Result<Room, StoreError> {
        self.folder.room(&self.disk)
    }

    /// Gives nothing back: the engine keeps what it took, and uses it again. But there is time now to sync the mark.
    fn compact(&self) -> Result<(), StoreError> {
        self.on_index(Index::sync_mark)
    }
}
