//! The index as a file: how it comes to be, how it is opened, what its failures mean.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, Builder, Database, ReadableDatabase, StorageBackend, TableDefinition};

use super::super::contract::StoreError;
use super::super::disk::{Disk, Step};

pub(super) const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
pub(super) const DUE: TableDefinition<'_, &[u8], ()> = TableDefinition::new("due");
pub(super) const NAMES: TableDefinition<'_, &[u8; 16], u64> = TableDefinition::new("names");
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// In `meta`: the last version that was given out.
pub(super) const META_VERSION: &str = "version";
/// In `meta`: the layout of the tables.
pub(super) const META_FORMAT: &str = "format";
/// That layout. A change raises it, and then the store of every former format must still open.
const FORMAT: u32 = 1;

/// Enough for the upper levels of the trees; the system's page cache has the rest.
const CACHE: usize = 32 << 20;

/// Makes an empty index under a temporary name and then gives it its own: so an index is whole or not there.
pub(super) fn create_index(path: &Path, disk: &Disk) -> Result<(), StoreError> {
    let failed = |e: io::Error| disk.explain("create its index", &e);
    let temporary = path.with_extension("new");
    disk.remove(&temporary).map_err(failed)?;
    let file = disk.create(&temporary).map_err(failed)?;
    let made = medium(file, disk, &Arc::default()).and_then(|medium| {
        let index = builder().create_with_backend(medium)?;
        let transaction = index.begin_write()?;
        transaction.open_table(ENTRIES)?;
        transaction.open_table(DUE)?;
        transaction.open_table(NAMES)?;
        transaction.open_table(META)?.insert(META_FORMAT, u64::from(FORMAT))?;
        Ok(transaction.commit()?)
    });
    made.map_err(|e| explain(disk, "create its index", e))?;
    disk.open(&temporary).and_then(|file| disk.sync(&file)).map_err(failed)?;
    disk.rename(&temporary, path).map_err(failed)
}

/// Opens an index that must be there, checks all of it, and repairs what a crash left behind. Its name is made durable
/// too, since whoever created it may not have come that far.
pub(super) fn open_index(path: &Path, disk: &Disk, failed: &Arc<AtomicBool>) -> Result<Database, StoreError> {
    let opened = || {
        let file = disk.open_rw(path)?;
        path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))?;
        Ok((disk.len(&file)?, file))
    };
    let (len, file) = opened().map_err(|e: io::Error| disk.explain("open its index", &e))?;
    if len == 0 {
        // redb would take it for a new one.
        return Err(StoreError::Damaged(format!("{} is empty; restore it from a backup", path.display())));
    }
    let index = medium(file, disk, failed).and_then(|medium| Ok(builder().create_with_backend(medium)?));
    index.map_err(|e| explain(disk, "open its index", e))
}

/// Refuses what a later release wrote, and what is no index of ours.
pub(super) fn check_format(index: &Database) -> Result<(), StoreError> {
    let meta = index.begin_read()?.open_table(META)?;
    let found = meta.get(META_FORMAT)?.map(|found| found.value());
    let found = found.ok_or_else(|| StoreError::Damaged("its index says no format".to_owned()))?;
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    if found > FORMAT { Err(StoreError::TooNew { found, known: FORMAT }) } else { Ok(()) }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    // The index is small: reading all of it once is a low price for damage that is found at the start and not under way.
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// The failure with what was being done, or as what it is once the medium is not trusted.
pub(super) fn explain(disk: &Disk, doing: &'static str, failure: StoreError) -> StoreError {
    match failure {
        StoreError::Io { why, .. } => disk.explain(doing, &why),
        other => other,
    }
}

fn failure(failure: redb::Error) -> StoreError {
    use redb::Error as E;
    match failure {
        E::DatabaseAlreadyOpen | E::LockProtocolMismatch => StoreError::Locked,
        // `doing` is filled in by `explain`.
        E::Io(why) => StoreError::Io { doing: "use its index", why: why.to_string() },
        E::PreviousIo | E::DatabaseClosed | E::TransactionInProgress => {
            StoreError::Io { doing: "use its index", why: failure.to_string() }
        }
        other => StoreError::Damaged(other.to_string()),
    }
}

macro_rules! failures {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                failure(error.into())
            }
        }
    )*};
}
failures!(StorageError, TableError, TransactionError, CommitError, DatabaseError, CompactionError);

/// redb's file, with each step on the store's [`Disk`].
#[derive(Debug)]
struct Medium {
    file: FileBackend,
    disk: Disk,
    failed: Arc<AtomicBool>,
}

fn medium(file: File, disk: &Disk, failed: &Arc<AtomicBool>) -> Result<Medium, StoreError> {
    Ok(Medium { file: FileBackend::new(file)?, disk: disk.clone(), failed: failed.clone() })
}

impl Medium {
    fn step<T>(&self, step: Step, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.disk.step(step, act).inspect_err(|_| self.failed.store(true, Ordering::Release))
    }
}

impl StorageBackend for Medium {
    fn len(&self) -> io::Result<u64> {
        self.step(Step::Read, || self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.step(Step::Read, || self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step(Step::Resize, || self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step(Step::Sync, || self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.step(Step::Write, || self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
