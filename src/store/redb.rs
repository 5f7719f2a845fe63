//! The embedded engine for one node: redb for the entries, files for the bodies.
//!
//! ```text
//! index.redb  tables: entries (space, key) -> row · due (space, due, key) · names (body) -> count · meta
//! ```
//!
//! The rest of its directory is in `folder.rs`.

mod group;
mod medium;
mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, ReadableDatabase, ReadableTable};

use self::group::Group;
use self::medium::{
    DUE, ENTRIES, META, META_VERSION, NAMES, check_format, create_index, explain, open_index,
};
use self::tables::{Changed, Opened, transact};
use super::change::Change;
use super::contract::{Batch, BodyId, Claim, Entry, Room, Space, Store, StoreError, Version};
use super::disk::Disk;
use super::folder::{Folder, REDB};
use super::rows::{Head, Wanted, entry_key, parse_due_key};

/// An index below this size is not worth compacting.
const SMALL: u64 = 4 << 20;

/// A store in one directory, for one process.
#[derive(Debug)]
pub struct Redb {
    /// `None` only while it is being reopened after a failure.
    index: RwLock<Option<Database>>,
    /// A step on the index failed, so redb refuses to go on; set by [`Medium`].
    failed: Arc<AtomicBool>,
    /// What shares a commit. A turn lasts from looking for a body to removing it, so that no commit names what another is
    /// about to remove, and none comes between a commit and the look whether it happened.
    group: Group<Job, Result<Vec<Claim>, StoreError>>,
    disk: Disk,
    /// The last to go: it holds the lock.
    folder: Folder,
}

/// What changes the index.
#[derive(Debug)]
enum Job {
    Commit(Batch),
    Claim { space: Space, now: i64, lease_ms: i64, limit: usize },
}

impl Redb {
    /// Opens the store in `dir`, which must exist; an empty directory becomes an empty store. The whole index is
    /// checked, what a crash left behind is repaired, bodies that no commit named are removed.
    ///
    /// # Errors
    /// `Locked`, `TooNew`, `Damaged`, or `Io` when the medium fails.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_on(dir, Disk::default())
    }

    /// As [`Self::open`], on a medium of the caller's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(dir: &Path, disk: Disk) -> Result<Self, StoreError> {
        let (folder, new) = Folder::take(dir, &REDB, &disk)?;
        let failed = Arc::new(AtomicBool::new(false));
        let path = dir.join(REDB.index);
        if new {
            create_index(&path, &disk)?;
        }
        let index = open_index(&path, &disk, &failed)?;
        let named =
            check_format(&index).and_then(|()| named(&index)).map_err(|e| explain(&disk, "open", e))?;
        folder.bodies.sweep(|id| named.contains(&id))?;
        let (index, group) = (RwLock::new(Some(index)), Group::default());
        Ok(Self { index, failed, group, disk, folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.dir.join(REDB.index)
    }

    /// Runs `act` on the index, which is first brought back if a step on it failed before.
    fn on_index<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.disk.trusted()?;
        self.reopen_failed()?;
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = index.as_ref() else {
            return Err(StoreError::Io { doing, why: "its index could not be reopened".to_owned() });
        };
        act(index).map_err(|e| explain(&self.disk, doing, e))
    }

    /// A full disk or a failed read is no reason to restart: what was synced is still there, so redb can repair itself
    /// from it. (After a failed sync that is not known, and `trusted` ends it.)
    fn reopen_failed(&self) -> Result<(), StoreError> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        self.disk.trusted()?; // what failed meanwhile may have been a sync
        if self.failed.swap(false, Ordering::AcqRel) {
            *index = None; // closes the file and gives up redb's lock; ours stays
            let reopened = open_index(&self.path(), &self.disk, &self.failed);
            *index = Some(reopened.inspect_err(|_| self.failed.store(true, Ordering::Release))?);
        }
        Ok(())
    }

    /// Runs `act` in one transaction, durable when this returns. The caller has the turn.
    fn change<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&mut Change<Opened<'_>>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut changed = None;
        let ended = self.on_index(doing, |index| transact(index, &mut changed, act));
        match (ended, changed) {
            (Ok(()), Some(Changed { done, .. })) => Ok(done),
            // redb gives room back when a commit is durable already: what fails then has not failed the commit.
            (Err(StoreError::Io { .. }), Some(Changed { done, mark })) if self.is_last(mark) => Ok(done),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(StoreError::Io { doing, why: "it came to no end".to_owned() }),
        }
    }

    /// Whether the change with this mark happened, and is the last that did.
    fn is_last(&self, mark: Version) -> bool {
        let last = self.on_index("read", |index| {
            let meta = index.begin_read()?.open_table(META)?;
            Ok(meta.get(META_VERSION)?.map(|last| last.value()))
        });
        last.is_ok_and(|last| last == Some(mark.0))
    }

    /// Carries out a job, durably, together with those that come at the same time.
    fn carry(&self, job: Job) -> Result<Vec<Claim>, StoreError> {
        let broke_off = || StoreError::Io {
            doing: "commit",
            why: "the thread that did it broke off, and whether it did is not known".to_owned(),
        };
        self.group.carry(job, |jobs| self.together(&jobs)).unwrap_or_else(|| Err(broke_off()))
    }

    /// One transaction for all of these jobs: each is done as if they came one after the other, or nothing of it.
    fn together(&self, jobs: &[Job]) -> Vec<Result<Vec<Claim>, StoreError>> {
        let mut begun = false;
        let done = self.change("commit", |change| {
            let mut gone = BTreeSet::new();
            let one = |job: &Job| match job {
                Job::Commit(batch) => {
                    let done = change.carry_out(batch, &self.folder.bodies, &mut gone)?;
                    Ok(done.map(|()| Vec::new()))
                }
                Job::Claim { space, now, lease_ms, limit } => {
                    change.claim(*space, *now, *lease_ms, *limit).map(Ok)
                }
            };
            let results: Vec<_> = jobs.iter().map(one).collect::<Result<_, StoreError>>()?;
            begun = true;
            Ok((results, gone))
        });
        match done {
            Ok((results, gone)) => {
                self.folder.forget(gone);
                results
            }
            // What only one of them met need not stop the others. Nothing was written yet.
            Err(_) if !begun && jobs.len() > 1 => {
                jobs.chunks(1).flat_map(|alone| self.together(alone)).collect()
            }
            Err(why) => jobs.iter().map(|_| Err(why.clone())).collect(),
        }
    }
}

impl Store for Redb {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.on_index("read", |index| {
            let entries = index.begin_read()?.open_table(ENTRIES)?;
            let Some(row) = entries.get(entry_key(space, key).as_slice())? else { return Ok(None) };
            let (head, value) = Head::parse(row.value())?;
            Ok(Some(head.entry(key, value)))
        })
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let wanted = Wanted::new(space, prefix, after);
        self.on_index("read", |index| {
            let mut found = Vec::new();
            for row in index.begin_read()?.open_table(ENTRIES)?.range::<&[u8]>(wanted.range())?.take(limit) {
                let (at, row) = row?;
                let Some(key) = wanted.key(at.value()) else { break };
                let (head, value) = Head::parse(row.value())?;
                found.push(head.entry(key, value));
            }
            Ok(found)
        })
    }

    fn claim(&self, space: Space, now: i64, lease_ms: i64, limit: usize) -> Result<Vec<Claim>, StoreError> {
        // Asking often must cost no write.
        match self.next_due(space)? {
            Some(due) if due <= now && limit > 0 => {}
            _ => return Ok(Vec::new()),
        }
        self.carry(Job::Claim { space, now, lease_ms, limit })
    }

    fn next_due(&self, space: Space) -> Result<Option<i64>, StoreError> {
        self.on_index("read", |index| {
            let due = index.begin_read()?.open_table(DUE)?;
            let first = due.range::<&[u8]>(entry_key(space, b"").as_slice()..)?.next().transpose()?;
            Ok(first.and_then(|(at, _)| Some(parse_due_key(space, at.value())?.0)))
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.carry(Job::Commit(batch)).map(|_| ())
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

    fn compact(&self) -> Result<(), StoreError> {
        let doing = "compact";
        self.disk.trusted()?;
        let size = self.path().metadata().map_err(|e| self.disk.explain(doing, &e))?.len();
        if size < SMALL {
            return Ok(());
        }
        let used = self.on_index(doing, |index| {
            let stats = index.begin_write()?.stats()?;
            Ok(stats.stored_bytes().saturating_add(stats.metadata_bytes()))
        })?;
        if size / 2 < used {
            return Ok(());
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = index.as_mut() else { return Ok(()) };
        index.compact().map(|_| ()).map_err(|e| explain(&self.disk, doing, e.into()))
    }
}

/// The bodies that have a name.
fn named(index: &Database) -> Result<BTreeSet<BodyId>, StoreError> {
    let names = index.begin_read()?.open_table(NAMES)?;
    names.iter()?.map(|row| Ok(BodyId(*row?.0.value()))).collect()
}

#[cfg(test)]
mod tests;
