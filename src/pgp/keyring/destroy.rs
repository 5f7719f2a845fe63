//! Spool keys that nobody needs any more: first they lose their name, then their bytes, then their file. Whatever
//! interrupts that, no file that is half a key has a key's name.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::files::{files, io, sync_parent};
use super::{KeyDir, KeyError};
use crate::failpoint::{self, Point};
use crate::id::Fingerprint;

/// What such a file's name ends in.
const GONE: &str = "gone";

impl KeyDir {
    /// Destroys a spool key: [`KeyDir::withdraw_spool`], [`KeyDir::overwrite_spool`], [`KeyDir::forget_spool`].
    ///
    /// # Errors
    /// [`KeyError::Missing`] when there is no such key.
    pub fn destroy_spool(&self, which: Fingerprint) -> Result<(), KeyError> {
        self.withdraw_spool(which)?;
        self.overwrite_spool(which)?;
        self.forget_spool(which)
    }

    /// Takes a key's name from it: from here on it is no spool key.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when there is no such key.
    pub fn withdraw_spool(&self, which: Fingerprint) -> Result<(), KeyError> {
        let mut all = self.spool_files()?.into_iter().map(|(path, _)| path);
        let path = all.find(|path| named(path) == Some(which)).ok_or_else(|| self.no_spool(which))?;
        fs::rename(&path, path.with_extension(GONE)).map_err(io("rename", &path))?;
        sync_parent(&path)?;
        failpoint::hit(Point::SpoolKeyWithdrawn);
        Ok(())
    }

    /// The withdrawn keys whose files are still there.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn withdrawn_spool(&self) -> Result<Vec<Fingerprint>, KeyError> {
        let all = files(&self.spool_dir())?;
        Ok(all
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == GONE))
            .filter_map(|path| named(path))
            .collect())
    }

    /// Overwrites a withdrawn key, durably. On file systems that copy on write the old blocks may live on, locked under
    /// the passphrase.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when there is no such key.
    pub fn overwrite_spool(&self, which: Fingerprint) -> Result<(), KeyError> {
        let path = self.gone(which)?;
        let mut file = OpenOptions::new().write(true).open(&path).map_err(io("open", &path))?;
        let len = file.metadata().map_err(io("read", &path))?.len();
        std::io::copy(&mut std::io::repeat(0).take(len), &mut file)
            .and_then(|_| file.sync_all())
            .map_err(io("destroy", &path))?;
        failpoint::hit(Point::SpoolKeyOverwritten);
        Ok(())
    }

    /// Removes a withdrawn key's file.
    ///
    /// # Errors
    /// [`KeyError::Missing`] when there is no such key.
    pub fn forget_spool(&self, which: Fingerprint) -> Result<(), KeyError> {
        let path = self.gone(which)?;
        fs::remove_file(&path).map_err(io("remove", &path))?;
        sync_parent(&path)
    }

    fn gone(&self, which: Fingerprint) -> Result<PathBuf, KeyError> {
        let is_it =
            |path: &PathBuf| path.extension().is_some_and(|e| e == GONE) && named(path) == Some(which);
        files(&self.spool_dir())?.into_iter().find(is_it).ok_or_else(|| self.no_spool(which))
    }

    fn no_spool(&self, which: Fingerprint) -> KeyError {
        KeyError::Missing(self.spool_dir().join(format!("*-{which}.asc")))
    }
}

/// The key that a file of the spool's folder is named after.
fn named(path: &Path) -> Option<Fingerprint> {
    path.file_stem()?.to_str()?.split_once('-')?.1.parse().ok()
}
