//! Where a store lies: what tells a daemon that it opens the store which it left, and not a copy of former days.
//!
//! Two signs, and each sees what the other one cannot. A file beside the store's directory names the store's last start,
//! and is a new file at each: a store that was put back names another start, and remembers another file even where that
//! file was put back with it. And the file system gave the directory's `lock` a number: a copy elsewhere has another.

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

/// What the file system calls a file: its inode, and when it was made, in milliseconds; 0 where that is not known.
pub type Number = (u64, u64);

/// Whether these can be names of the same file.
#[must_use]
pub fn same(one: Number, other: Number) -> bool {
    one.0 == other.0 && (one.1 == other.1 || one.1 == 0 || other.1 == 0)
}

/// What stands beside a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// There is no file.
    Nothing,
    /// The file names this start, and is called so by the file system.
    Start(Mark, Option<Number>),
    /// It cannot be read, or names nothing: it tells neither this nor that.
    Unknown,
}

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
        // Without a slash at its end, behind which the file would lie within.
        let dir: PathBuf = dir.components().collect();
        let mut file = dir.as_os_str().to_owned();
        file.push(".place");
        Self { lock: dir.join("lock"), file: file.into(), disk }
    }

    /// The file beside the store.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What the file system calls the directory's `lock`. `None` where it cannot tell.
    #[must_use]
    pub fn number(&self) -> Option<Number> {
        number(&self.lock)
    }

    /// What the file says.
    #[must_use]
    pub fn last(&self) -> Beside {
        let file = match self.disk.open(&self.file) {
            Ok(file) => file,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Beside::Nothing,
            Err(_) => return Beside::Unknown,
        };
        let mut hex = [0; 32];
        let read = self.disk.read_at(&file, &mut hex, 0).ok();
        let mark = read.and_then(|()| data_encoding::HEXLOWER.decode(&hex).ok());
        match mark.and_then(|mark| mark.try_into().ok()) {
            Some(mark) => Beside::Start(mark, number(&self.file)),
            None => Beside::Unknown,
        }
    }

    /// Writes a file that names this start, under another name; what the file system calls it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn draft(&self, mark: &Mark) -> io::Result<Option<Number>> {
        let draft = self.drafted();
        self.disk.remove(&draft)?;
        let file = self.disk.create(&draft)?;
        let text = format!("{}\n{WHAT_FOR}", data_encoding::HEXLOWER.encode(mark));
        self.disk.write_at(&file, text.as_bytes(), 0)?;
        self.disk.sync(&file)?;
        Ok(number(&draft))
    }

    /// What was drafted counts from now on, also after a power cut.
    ///
    /// # Errors
    /// When the file cannot be renamed.
    pub fn name(&self) -> io::Result<()> {
        self.disk.rename(&self.drafted(), &self.file)?;
        match self.file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => self.disk.sync_dir(dir),
            None => self.disk.sync_dir(Path::new(".")),
        }
    }

    fn drafted(&self) -> PathBuf {
        self.file.with_extension("place.tmp")
    }
}

fn number(file: &Path) -> Option<Number> {
    let found = file.metadata().ok()?;
    let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Some((found.ino(), born.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX))))
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
        let place = Place::of(&dir.path().join("data/"), Disk::default());
        assert_eq!((place.last(), place.file()), (Beside::Nothing, dir.path().join("data.place").as_path()));
        for mark in [[1; 16], [200; 16]] {
            let number = place.draft(&mark).unwrap();
            assert_ne!(place.last(), Beside::Start(mark, number), "it does not count yet");
            place.name().unwrap();
            assert_eq!(Place::of(&data, Disk::default()).last(), Beside::Start(mark, number));
        }
        let number = place.number().unwrap();
        assert_eq!(place.number(), Some(number));
        std::fs::copy(data.join("lock"), data.join("other")).unwrap();
        std::fs::rename(data.join("other"), data.join("lock")).unwrap();
        assert!(!same(place.number().unwrap(), number), "a copy is another file");
        assert!(same((7, 0), (7, 5)) && !same((7, 1), (7, 5)) && !same((7, 0), (8, 0)));
        std::fs::write(place.file(), "not a name").unwrap();
        assert_eq!(place.last(), Beside::Unknown);
        let nowhere = Place::of(Path::new("/dev/null/data"), Disk::default());
        assert!(nowhere.draft(&[1; 16]).is_err() && nowhere.number().is_none());
    }
}
