//! The one way from the embedded engines to the file system.
//!
//! Every step that can fail goes through a [`Disk`]. So there is one place that knows when the medium can no longer be
//! trusted, and one place where a test can let any step fail.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::contract::{Room, StoreError};

/// What is about to be done to the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A directory is made.
    MakeDir,
    /// A directory is listed.
    List,
    /// A file is opened or created.
    Open,
    /// Bytes or a length are read.
    Read,
    /// Bytes are written.
    Write,
    /// A file gets another length.
    Resize,
    /// A file is made durable.
    Sync,
    /// A directory is made durable.
    SyncDir,
    /// A file is renamed.
    Rename,
    /// A file is removed.
    Remove,
}

impl Step {
    /// Whether it changes anything on the medium.
    const fn changes(self) -> bool {
        !matches!(self, Self::List | Self::Open | Self::Read)
    }
}

type Fault = dyn Fn(Step) -> io::Result<()> + Send + Sync;

/// A medium. Clones share its state: once a sync has failed, none of them is trusted again.
#[derive(Clone, Default)]
pub struct Disk(Arc<State>);

#[derive(Default)]
struct State {
    fault: Option<Box<Fault>>,
    failed_sync: OnceLock<String>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.0.failed_sync.get()).finish()
    }
}

impl Disk {
    /// A medium that asks `fault` before each step and fails where that fails: for tests of what follows.
    #[must_use]
    pub fn with_faults(fault: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(State { fault: Some(Box::new(fault)), failed_sync: OnceLock::new() }))
    }

    /// Nothing, as long as every sync succeeded.
    ///
    /// # Errors
    /// `Poisoned` after a failed sync: the kernel may have dropped the pages it could not write and marked them clean,
    /// so neither a second sync nor a read tells the truth.
    pub fn trusted(&self) -> Result<(), StoreError> {
        self.0.failed_sync.get().map_or(Ok(()), |why| Err(StoreError::Poisoned(why.clone())))
    }

    /// The failure as the store reports it.
    pub(super) fn explain(&self, doing: &'static str, why: &dyn fmt::Display) -> StoreError {
        self.trusted().err().unwrap_or_else(|| StoreError::Io { doing, why: why.to_string() })
    }

    pub(super) fn step<T>(&self, step: Step, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        // An engine that closes its file writes once more, over what may be lost: what was durable last has to stay.
        if let Some(why) = self.0.failed_sync.get().filter(|_| step.changes()) {
            return Err(io::Error::other(why.clone()));
        }
        let done = match &self.0.fault {
            Some(fault) => fault(step).and_then(|()| act()),
            None => act(),
        };
        if let (Step::Sync | Step::SyncDir, Err(why)) = (step, &done) {
            // Only the first reason counts; what follows are its consequences.
            let _ = self.0.failed_sync.set(why.to_string());
        }
        done
    }

    /// Makes a directory and what it lies in, mode 0700, each durable in its parent.
    pub(super) fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if dir.is_dir() {
            // Whoever made it may have been killed before it was durable. A parent that belongs to others and cannot
            // even be opened was not changed by us.
            return match self.sync_dir(parent) {
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                done => done,
            };
        }
        if !parent.is_dir() {
            self.make_dir(parent)?;
        }
        self.step(Step::MakeDir, || DirBuilder::new().mode(0o700).create(dir))?;
        self.sync_dir(parent)
    }

    /// Takes the directory for this process alone, until the file is dropped.
    pub(super) fn lock(&self, path: &Path) -> Result<File, StoreError> {
        let doing = "lock its directory";
        let file = self
            .step(Step::Open, || new_file().create(true).truncate(false).open(path))
            .map_err(|e| self.explain(doing, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked),
            Err(TryLockError::Error(e)) => Err(self.explain(doing, &e)),
        }
    }

    /// Opens a file to read it.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        self.step(Step::Open, || File::open(path))
    }

    /// Opens a file that must be there, to read and write it.
    pub(super) fn open_rw(&self, path: &Path) -> io::Result<File> {
        let file = self.step(Step::Open, || OpenOptions::new().read(true).write(true).open(path))?;
        // What an earlier process could not sync may still stand in the page cache as if it were on the medium: read the
        // medium. Where the system cannot do that nothing is lost that it promised.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        Ok(file)
    }

    /// Creates a file that must not be there yet, mode 0600.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.step(Step::Open, || new_file().create_new(true).open(path))
    }

    pub(super) fn exists(&self, path: &Path) -> io::Result<bool> {
        self.step(Step::Read, || path.try_exists())
    }

    pub(super) fn len(&self, file: &File) -> io::Result<u64> {
        self.step(Step::Read, || Ok(file.metadata()?.len()))
    }

    pub(super) fn read_at(&self, file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.step(Step::Read, || file.read_exact_at(into, offset))
    }

    pub(super) fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.step(Step::Write, || file.write_all_at(bytes, offset))
    }

    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        self.step(Step::Sync, || file.sync_all())
    }

    pub(super) fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let handle = self.open(dir)?;
        self.step(Step::SyncDir, || handle.sync_all())
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Rename, || fs::rename(from, to))
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        match self.step(Step::Remove, || fs::remove_file(path)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Removes a directory and all that is in it; one that is not there is no error.
    pub(super) fn remove_tree(&self, dir: &Path) -> io::Result<()> {
        match self.step(Step::Remove, || fs::remove_dir_all(dir)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.step(Step::List, || fs::read_dir(dir)?.map(|found| Ok(found?.path())).collect())
    }

    /// How much room the medium under `dir` has for this process.
    pub(super) fn room(dir: &Path) -> io::Result<Room> {
        let now = rustix::fs::statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(now.f_frsize);
        Ok(Room { free: bytes(now.f_bavail), total: bytes(now.f_blocks) })
    }
}

fn new_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
