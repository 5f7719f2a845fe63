//! The directory of an embedded store: held by one process, written by one engine.
//!
//! ```text
//! lock     held while the store is open
//! index.*  the entries; each engine has a name of its own for it
//! bodies/  see bodies.rs
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use super::bodies::Bodies;
use super::contract::{BodyId, Room, StoreError};
use super::disk::Disk;

/// An engine as its directory shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Engine {
    /// What `[store] kind` calls it.
    pub(super) kind: &'static str,
    /// Its index within the directory.
    pub(super) index: &'static str,
}

/// The engine redb.
pub(super) const REDB: Engine = Engine { kind: "redb", index: "index.redb" };
/// The engine sled.
pub(super) const SLED: Engine = Engine { kind: "sled", index: "index.sled" };

/// A store's directory, taken for this process.
#[derive(Debug)]
pub(super) struct Folder {
    /// The directory.
    pub(super) dir: PathBuf,
    /// Its bodies.
    pub(super) bodies: Bodies,
    _lock: File,
}

impl Folder {
    /// Takes the directory for this process and this engine. True: there is no index yet, so it is a new store.
    ///
    /// # Errors
    /// `Locked`, `OtherEngine`, `Damaged` when the index is gone and the bodies are not, or `Io`.
    pub(super) fn take(dir: &Path, ours: &Engine, disk: &Disk) -> Result<(Self, bool), StoreError> {
        let lock = disk.lock(&dir.join("lock"))?;
        let has = |engine: &Engine| {
            disk.exists(&dir.join(engine.index)).map_err(|e| disk.explain("look for its index", &e))
        };
        for other in [REDB, SLED].iter().filter(|other| *other != ours) {
            if has(other)? {
                let dir = dir.display().to_string();
                return Err(StoreError::OtherEngine { dir, found: other.kind, asked: ours.kind });
            }
        }
        let bodies = Bodies::open(dir, disk.clone())?;
        let new = !has(ours)?;
        if new && bodies.any()? {
            let why = format!("there are bodies in {} but no {}; restore it", dir.display(), ours.index);
            return Err(StoreError::Damaged(why));
        }
        Ok((Self { dir: dir.to_owned(), bodies, _lock: lock }, new))
    }

    /// Removes bodies that a commit took the last name of. The commit stands whatever comes of this; the sweep of the
    /// next start repeats it.
    pub(super) fn forget(&self, gone: impl IntoIterator<Item = BodyId>) {
        for id in gone {
            if let Err(why) = self.bodies.remove(id) {
                tracing::warn!(body = %id, %why, "a body that nobody needs stays until the next start");
            }
        }
    }

    /// The share of the medium that is free, 0.0 to 1.0.
    ///
    /// # Errors
    /// When the medium cannot tell.
    pub(super) fn room(&self, disk: &Disk) -> Result<Room, StoreError> {
        Disk::room(&self.dir).map_err(|e| disk.explain("tell how much room is left", &e))
    }
}
