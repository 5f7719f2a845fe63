//! The engine behind a guard: how its index comes to be, how it is opened, what its failures mean.
//!
//! On a damaged file the engine may panic. That is caught here and is damage like any other. Nothing that the engine
//! says is passed on, since it could quote what is stored.

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound::{self, Included, Unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sled::{Batch, Db, IVec};

use super::super::contract::{BodyId, StoreError, Version};
use super::super::disk::{Disk, Step};
use super::super::rows::{Head, due_key, parse_entry_key};
use super::mark::Mark;

pub(super) const ENTRIES: u8 = b'e';
pub(super) const DUE: u8 = b'd';
pub(super) const NAMES: u8 = b'n';
pub(super) const META: u8 = b'm';

/// In [`META`]: the last version that was given out.
pub(super) const META_VERSION: &[u8] = b"version";
/// In [`META`]: the layout of the tree.
const META_FORMAT: &[u8] = b"format";
/// That layout. A change raises it, and then the store of every former format must still open.
const FORMAT: u64 = 1;

/// In bytes: enough for the upper levels of the tree; the system's page cache has the rest.
const CACHE: u64 = 32 << 20;
/// How long the engine may take to let go of a file that this process closed: its own threads do that.
const LETS_GO: Duration = Duration::from_secs(10);

/// An open index. Every call of the engine is in here.
#[derive(Debug)]
pub(super) struct Index {
    /// `None` only while it is being closed.
    db: Option<Db>,
    mark: Mark,
    /// The engine itself failed, and is not called again.
    failed: AtomicBool,
    disk: Disk,
}

/// Makes an empty index under a temporary name and then gives it its own: so an index is whole or not there.
pub(super) fn create_index(path: &Path, disk: &Disk) -> Result<(), StoreError> {
    let failed = |e: io::Error| disk.explain("create its index", &e);
    let temporary = path.with_extension("sled.new");
    disk.remove_tree(&temporary).map_err(failed)?;
    disk.make_dir(&temporary).map_err(failed)?;
    let db = open_engine(&temporary)?;
    let mark = Mark::open(&temporary, Version(0), disk)?;
    let index = Index { db: Some(db), mark, failed: AtomicBool::new(false), disk: disk.clone() };
    let mut first = Batch::default();
    first.insert(place(META, META_FORMAT), &FORMAT.to_be_bytes());
    index.apply("create its index", first, Version(0))?;
    drop(index);
    for file in disk.list(&temporary).map_err(failed)? {
        disk.open(&file).and_then(|file| disk.sync(&file)).map_err(failed)?;
    }
    disk.rename(&temporary, path).map_err(failed)
}

/// Opens an index that must be there. Its name is made durable too, since whoever created it may not have come that far.
pub(super) fn open_index(path: &Path, disk: &Disk) -> Result<Index, StoreError> {
    let failed = |e: io::Error| disk.explain("open its index", &e);
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir)).map_err(failed)?;
    for name in ["db", "conf"] {
        // The engine would begin a new index where one of its files is gone or empty.
        let len = match disk.open(&path.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            opened => opened.and_then(|file| disk.len(&file)).map_err(failed)?,
        };
        if len == 0 {
            let why = format!("{} is gone or empty; restore it from a backup", path.join(name).display());
            return Err(StoreError::Damaged(why));
        }
    }
    let db = open_engine(path)?;
    let meta = |name| guarded(|| db.get(place(META, name))?.map(|row| number(&row)).transpose());
    match meta(META_FORMAT)? {
        Some(FORMAT) => {
            let last = Version(meta(META_VERSION)?.unwrap_or(0));
            let (mark, failed) = (Mark::open(path, last, disk)?, AtomicBool::new(false));
            Ok(Index { db: Some(db), mark, failed, disk: disk.clone() })
        }
        Some(found) => {
            let [found, known] = [found, FORMAT].map(|format| u32::try_from(format).unwrap_or(u32::MAX));
            Err(StoreError::TooNew { found, known })
        }
        None => Err(StoreError::Damaged("its index says no format; restore it from a backup".to_owned())),
    }
}

fn open_engine(path: &Path) -> Result<Db, StoreError> {
    // No flushes by the clock: each commit is flushed before it is acknowledged.
    let config = sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(None);
    let patience = Instant::now() + LETS_GO;
    loop {
        match guarded(|| Ok(config.open()?)) {
            // The folder's lock is ours, so it is this process that still holds the file.
            Err(StoreError::Locked) if Instant::now() < patience => {
                thread::sleep(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}

impl Index {
    /// What `act` makes of the engine, when the medium can be read.
    fn read<T>(&self, act: impl FnOnce(&Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let failed = |e: io::Error| self.disk.explain("read", &e);
        self.disk.step(Step::Read, || Ok(())).map_err(failed)?;
        guarded(|| act(self.db.as_ref().ok_or_else(broken)?))
    }

    /// What stands at a place of a table.
    pub(super) fn get(&self, table: u8, at: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.read(|db| Ok(db.get(place(table, at))?))
    }

    /// Shows up to `limit` rows of a table in their order, while `each` says so.
    pub(super) fn walk(
        &self,
        table: u8,
        from: Bound<&[u8]>,
        limit: usize,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let from = from.map(|at| place(table, at));
        self.read(|db| {
            for row in db.range((from, Unbounded)).take(limit) {
                let (at, row) = row?;
                match at.split_first() {
                    Some((of, at)) if *of == table && each(at, &row)? => {}
                    _ => break,
                }
            }
            Ok(())
        })
    }

    /// Up to `limit` places of a table from `from` on.
    pub(super) fn keys(&self, table: u8, from: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut keys = Vec::new();
        self.walk(table, Included(from), limit, |at, _| {
            keys.push(at.to_vec());
            Ok(true)
        })?;
        Ok(keys)
    }

    /// A number of [`META`].
    pub(super) fn number(&self, name: &[u8]) -> Result<Option<u64>, StoreError> {
        self.get(META, name)?.map(|row| number(&row)).transpose()
    }

    /// Applies a batch that ends at version `last`, and flushes it.
    ///
    /// # Errors
    /// `Io` when it was not begun; `Poisoned` when it failed, since it may be half done.
    pub(super) fn apply(&self, doing: &'static str, batch: Batch, last: Version) -> Result<(), StoreError> {
        let failed = |e: io::Error| self.disk.explain(doing, &e);
        self.disk.step(Step::Write, || Ok(())).map_err(failed)?;
        let flushed = || {
            let db = self.db.as_ref().ok_or_else(broken)?;
            db.apply_batch(batch)?;
            db.flush()?;
            Ok(())
        };
        let flushed = || {
            guarded(flushed).map_err(|why| {
                self.failed.store(true, Ordering::Release);
                io::Error::other(why.to_string())
            })
        };
        self.disk
            .step(Step::Sync, || flushed().and_then(|()| self.mark.write(last, &self.disk)))
            .map_err(failed)
    }

    /// Makes durable how far it was acknowledged.
    ///
    /// # Errors
    /// `Poisoned` when the medium fails.
    pub(super) fn sync_mark(&self) -> Result<(), StoreError> {
        self.mark.sync(&self.disk).map_err(|e| self.disk.explain("note how far its index went", &e))
    }

    /// Reads all of it and holds its tables against each other; returns the bodies that have a name.
    ///
    /// # Errors
    /// `Damaged` when something is not what was written, as far as that shows; `Io` when the medium fails.
    pub(super) fn check(&self) -> Result<BTreeSet<BodyId>, StoreError> {
        let last = Version(self.number(META_VERSION)?.unwrap_or(0));
        let (mut claimable, mut due) = (BTreeSet::new(), BTreeSet::new());
        self.walk(ENTRIES, Included(b""), usize::MAX, |at, row| {
            let (head, _) = Head::parse(row)?;
            let (space, key) = parse_entry_key(at).ok_or_else(unsound)?;
            if head.version > last {
                return Err(unsound());
            }
            claimable.extend(head.due.map(|due| due_key(space, due, key)));
            Ok(true)
        })?;
        self.walk(DUE, Included(b""), usize::MAX, |at, _| {
            due.insert(at.to_vec());
            Ok(true)
        })?;
        if claimable != due {
            return Err(unsound());
        }
        let mut named = BTreeSet::new();
        self.walk(NAMES, Included(b""), usize::MAX, |id, count| {
            number(count)?;
            named.insert(BodyId(id.try_into().map_err(|_| unsound())?));
            Ok(true)
        })?;
        Ok(named)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let db = self.db.take();
        if self.failed.load(Ordering::Acquire) {
            // Closing it would flush once more, and that was seen to wait for ever on a full disk. It goes with the process.
            std::mem::forget(db);
            return;
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db))); // it flushes once more, and may break down at that
        let _ = self.sync_mark();
    }
}

/// Where a row stands in the tree.
pub(super) fn place(table: u8, at: &[u8]) -> Vec<u8> {
    [&[table], at].concat()
}

pub(super) fn number(row: &[u8]) -> Result<u64, StoreError> {
    row.try_into().map(u64::from_be_bytes).map_err(|_| unsound())
}

fn guarded<T>(act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(broken()))
}

fn broken() -> StoreError {
    StoreError::Damaged("the engine sled broke down on its index; restore it from a backup".to_owned())
}

fn unsound() -> StoreError {
    StoreError::Damaged("its index is not what was written; restore it from a backup".to_owned())
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            // Blobs that are gone or cut short.
            sled::Error::Io(why)
                if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) =>
            {
                unsound()
            }
            sled::Error::Io(why) => match why.raw_os_error() {
                Some(code) => {
                    let why = io::Error::from_raw_os_error(code).to_string();
                    Self::Io { doing: "use its index", why }
                }
                // The engine's own words for a file that is locked.
                None if why.to_string().starts_with("could not acquire lock") => Self::Locked,
                None => Self::Io { doing: "use its index", why: why.kind().to_string() },
            },
            sled::Error::Corruption { .. } => unsound(),
            _ => broken(),
        }
    }
}
