//! Where a store lies: what tells a daemon that it opens the store which it left, and not a copy of former days.
//!
//! Two signs, and each sees what the other one cannot. A file beside the store's directory, which a backup of the
//! directory does not hold, names the store's last start: a store that was put back names another one. And the file
//! system gave the directory's `lock` a number and a time: whatever was copied, that file included, has others.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::disk::Disk;

/// What a start is called.
pub type Mark = [u8; 16];

/// What stands in the file, for whoever finds it.
const WHAT_FOR: &str = "This names the last start of the store beside it. Leave it out of backups, and where it is: by it \
                        the daemon notices that the store was restored.\n";

/// The place of a store.
#[derive(Debug)]
pub struct Place {
    lock: PathBuf,
    file: PathBuf,
    disk: Disk,
}

impl Place {
    /// That of the store in this directory.
    #[must_use]
    pub fn of(dir: &Path, disk: Disk) -> Self {
        let mut file = dir.as_os_str().to_owned();
        file.push(".place");
        Self { lock: dir.join("lock"), file: file.into(), disk }
    }

    /// The file beside the store.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What names the directory for the file system: inode and, where it is known, the time of its making in
    /// milliseconds. `None` where the file system cannot tell.
    #[must_use]
    pub fn number(&self) -> Option<(u64, u64)> {
        let found = self.lock.metadata().ok()?;
        let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Some((found.ino(), born.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX))))
    }

    /// The start that the file names; none if there is no file, or if it names none.
    #[must_use]
    pub fn last(&self) -> Option<Mark> {
        let file = self.disk.open(&self.file).ok()?;
        let mut hex = [0; 32];
        self.disk.read_at(&file, &mut hex, 0).ok()?;
        let mark = data_encoding::HEXLOWER.decode(&hex).ok()?;
        mark.try_into().ok()
    }

    /// The file names this start from now on, also after a power cut.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn name(&self, mark: &Mark) -> io::Result<()> {
        let draft = self.file.with_extension("place.tmp");
        self.disk.remove(&draft)?;
        let file = self.disk.create(&draft)?;
        let text = format!("{}\n{WHAT_FOR}", data_encoding::HEXLOWER.encode(mark));
        self.disk.write_at(&file, text.as_bytes(), 0)?;
        self.disk.sync(&file)?;
        self.disk.rename(&draft, &self.file)?;
        match self.file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => self.disk.sync_dir(dir),
            None => self.disk.sync_dir(Path::new(".")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_knows_the_last_start_and_its_own_directory() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("lock"), b"").unwrap();
        let place = Place::of(&data, Disk::default());
        assert_eq!((place.last(), place.file()), (None, dir.path().join("data.place").as_path()));
        for mark in [[1; 16], [200; 16]] {
            place.name(&mark).unwrap();
            assert_eq!(Place::of(&data, Disk::default()).last(), Some(mark));
        }
        let number = place.number().unwrap();
        assert_eq!(place.number(), Some(number));
        std::fs::copy(data.join("lock"), data.join("other")).unwrap();
        std::fs::rename(data.join("other"), data.join("lock")).unwrap();
        assert_ne!(place.number(), Some(number), "a copy is another file");
        std::fs::write(place.file(), "not a name").unwrap();
        assert_eq!(place.last(), None);
        let nowhere = Place::of(Path::new("/dev/null/data"), Disk::default());
        assert!(nowhere.name(&[1; 16]).is_err() && nowhere.last().is_none() && nowhere.number().is_none());
    }
}
