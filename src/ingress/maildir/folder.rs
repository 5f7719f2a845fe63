//! The files of a maildir's `new`, whoever else writes there: nothing is followed, nothing but a mail is opened, and
//! nothing is removed that was not read.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::fs::{CWD, fstat, fsync, openat, renameat_with, statat, unlinkat};
use rustix::process::geteuid;

use crate::secret::Plaintext;

/// A maildir, opened.
pub(super) struct Folder {
    new: OwnedFd,
    cur: OwnedFd,
    /// Whose it is.
    owner: u32,
}

/// A file under one of its names, as it was at one moment: what has another key is another mail, or the same one changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

/// Why a file is no mail that can be taken now. It stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is gone, or changes while it is looked at: the next round sees.
    Moving,
    /// A link, a folder, a pipe or a device.
    NotAFile,
    /// Of another user than the maildir.
    Foreign,
    /// It has other names, too.
    Linked,
    /// It has no bytes: whoever delivers has not written it yet, or never will.
    Empty,
    /// Of more than so many bytes.
    TooLarge(usize),
    /// It cannot be read.
    Unreadable(io::ErrorKind),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moving => f.write_str("it changes while it is read"),
            Self::NotAFile => f.write_str("it is no file (a link, a folder, a pipe)"),
            Self::Foreign => f.write_str("it belongs to another user than the maildir"),
            Self::Linked => f.write_str("it has a second name elsewhere (a hard link)"),
            Self::Empty => f.write_str("it is empty"),
            Self::TooLarge(limit) => write!(f, "it is larger than {limit} bytes ([limits] max_message)"),
            Self::Unreadable(kind) => write!(f, "it cannot be read ({kind})"),
        }
    }
}

impl Folder {
    /// Opens `new` and `cur` below `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base = openat(CWD, path, flags, Mode::empty())?;
        let below = |name: &str| openat(&base, name, flags | OFlags::NOFOLLOW, Mode::empty());
        let (new, cur) = (below("new")?, below("cur")?);
        let owner = fstat(&new)?.st_uid;
        Ok(Self { new, cur, owner })
    }

    /// What lies in `new`, in the order of the names, which begin with the time of delivery.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.new)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            // maildir(5): what begins with a dot is no mail.
            if !name.starts_with(b".") {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads a mail of at most `limit` bytes.
    pub(super) fn read(&self, name: &OsStr, limit: usize) -> Result<(Plaintext, Key), Unusable> {
        // Before it is opened: to open a device can do something.
        self.look(name)?;
        // open(2): nothing is followed, and a pipe without a writer is not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = openat(&self.new, name, flags, Mode::empty()).map_err(unreadable)?;
        let before = fstat(&file).map_err(unreadable)?;
        self.judge(&before)?;
        let size = usize::try_from(before.st_size).unwrap_or(usize::MAX);
        match size {
            0 => return Err(Unusable::Empty),
            size if size > limit => return Err(Unusable::TooLarge(limit)),
            _ => {}
        }
        let mut bytes = Vec::with_capacity(size.saturating_add(1));
        let mut file = File::from(file);
        let most = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1);
        let read = (&mut file).take(most).read_to_end(&mut bytes);
        let text = Plaintext::new(bytes);
        read.map_err(|e| Unusable::Unreadable(e.kind()))?;
        let after = fstat(&file).map_err(unreadable)?;
        let key = Key::of(name, &before);
        if text.len() != size || key != Key::of(name, &after) {
            return Err(Unusable::Moving);
        }
        Ok((text, key))
    }

    /// How many bytes what has this name would have, as far as anybody can tell: 0 where nothing has.
    pub(super) fn size(&self, name: &OsStr) -> usize {
        let stat = statat(&self.new, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.map_or(0, |stat| usize::try_from(stat.st_size).unwrap_or(usize::MAX))
    }

    /// The key of what has this name now; none where nothing has. An error says nothing of either.
    pub(super) fn key(&self, name: &OsStr) -> io::Result<Option<Key>> {
        present(statat(&self.new, name, AtFlags::SYMLINK_NOFOLLOW))
            .map(|stat| stat.map(|stat| Key::of(name, &stat)))
    }

    /// Removes the mail that was read under this key; false when something else has its name now.
    pub(super) fn remove(&self, name: &OsStr, key: &Key) -> io::Result<bool> {
        if self.key(name)?.as_ref() != Some(key) {
            return Ok(false);
        }
        unlinkat(&self.new, name, AtFlags::empty())?;
        Ok(true)
    }

    /// Moves the mail that was read under this key to `cur`, marked as read (maildir(5)); false as above.
    pub(super) fn keep(&self, name: &OsStr, key: &Key) -> io::Result<bool> {
        if self.key(name)?.as_ref() != Some(key) {
            return Ok(false);
        }
        let mut kept = name.to_owned();
        if !name.as_bytes().contains(&b':') {
            kept.push(":2,S");
        }
        renameat_with(&self.new, name, &self.cur, kept.as_os_str(), RenameFlags::NOREPLACE)?;
        Ok(true)
    }

    /// Makes durable what was removed and moved.
    pub(super) fn sync(&self) -> io::Result<()> {
        fsync(&self.cur)?;
        fsync(&self.new)?;
        Ok(())
    }

    fn look(&self, name: &OsStr) -> Result<(), Unusable> {
        let stat = statat(&self.new, name, AtFlags::SYMLINK_NOFOLLOW).map_err(unreadable)?;
        self.judge(&stat)
    }

    fn judge(&self, stat: &Stat) -> Result<(), Unusable> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Unusable::NotAFile);
        }
        // Whoever may write into the folder shall not have us read a file of ours by a second name for it.
        if ![self.owner, geteuid().as_raw(), 0].contains(&stat.st_uid) {
            return Err(Unusable::Foreign);
        }
        if stat.st_nlink > 1 { Err(Unusable::Linked) } else { Ok(()) }
    }
}

impl Key {
    /// Without the device: its number is another one after a restart or a remount (NFS, btrfs, overlayfs), and a mark has
    /// to outlive both.
    fn of(name: &OsStr, stat: &Stat) -> Self {
        let numbers = format!("\0{}:{}:{}.{}", stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
        Self([name.as_bytes(), numbers.as_bytes()].concat())
    }

    /// As the mark of a taken mail has it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What [`Key::bytes`] gave, with the file's name in it.
    pub(super) fn from_bytes(bytes: &[u8]) -> (OsString, Self) {
        let name = bytes.split(|b| *b == 0).next().unwrap_or_default();
        (OsString::from_vec(name.to_vec()), Self(bytes.to_vec()))
    }
}

/// What was looked for, none where nothing has its name: all other errors stay errors, of a disk or a server that fails.
fn present(looked: Result<Stat, rustix::io::Errno>) -> io::Result<Option<Stat>> {
    match looked {
        Ok(stat) => Ok(Some(stat)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// A file's name, as a log can show it.
pub(super) fn shown(name: &OsStr) -> String {
    let text = name.to_string_lossy();
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(120).collect()
}

fn unreadable(why: rustix::io::Errno) -> Unusable {
    match why {
        rustix::io::Errno::NOENT => Unusable::Moving,
        rustix::io::Errno::LOOP => Unusable::NotAFile,
        other => Unusable::Unreadable(io::Error::from(other).kind()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn maildir() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["new", "cur", "tmp"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let folder = Folder::open(dir.path()).unwrap();
        (dir, folder)
    }

    fn why(folder: &Folder, name: &str) -> Unusable {
        folder.read(OsStr::new(name), 100).err().unwrap()
    }

    #[test]
    fn mails_are_found_in_order_and_read_whole() {
        let (dir, folder) = maildir();
        for name in ["2.b", "1.a", ".hidden"] {
            fs::write(dir.path().join("new").join(name), name).unwrap();
        }
        assert_eq!(folder.names().unwrap(), ["1.a", "2.b"]);
        let (text, key) = folder.read(OsStr::new("1.a"), 3).ok().unwrap();
        assert_eq!(text.expose(), b"1.a");
        assert_eq!(Key::from_bytes(key.bytes()), (OsString::from("1.a"), key.clone()));
        assert_eq!(why(&folder, "3.c"), Unusable::Moving, "gone");
        fs::write(dir.path().join("new/4.d"), "").unwrap();
        assert_eq!((why(&folder, "4.d"), folder.size(OsStr::new("4.d"))), (Unusable::Empty, 0));
        assert_eq!((folder.size(OsStr::new("1.a")), folder.size(OsStr::new("3.c"))), (3, 0));
        assert_eq!(folder.read(OsStr::new("1.a"), 2).err(), Some(Unusable::TooLarge(2)));
    }

    #[test]
    fn what_is_no_mail_is_neither_opened_nor_followed() {
        let (dir, folder) = maildir();
        let new = dir.path().join("new");
        fs::write(dir.path().join("secret"), "key").unwrap();
        symlink(dir.path().join("secret"), new.join("link")).unwrap();
        symlink(dir.path().join("nowhere"), new.join("dangling")).unwrap();
        fs::create_dir(new.join("folder")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(new.join("pipe")).status().unwrap().success());
        fs::hard_link(dir.path().join("secret"), new.join("hard")).unwrap();
        for name in ["link", "dangling", "folder", "pipe"] {
            assert_eq!(why(&folder, name), Unusable::NotAFile, "{name}");
        }
        assert_eq!(why(&folder, "hard"), Unusable::Linked);
        if fs::metadata(&new).unwrap().uid() == 0 {
            fs::write(new.join("foreign"), "x").unwrap();
            std::os::unix::fs::chown(new.join("foreign"), Some(12_345), None).unwrap();
            assert_eq!(why(&folder, "foreign"), Unusable::Foreign);
        }
    }

    #[test]
    fn only_what_was_read_is_removed_or_moved() {
        let (dir, folder) = maildir();
        let (new, cur) = (dir.path().join("new"), dir.path().join("cur"));
        fs::write(new.join("1"), "one").unwrap();
        let (_, key) = folder.read(OsStr::new("1"), 100).ok().unwrap();
        fs::remove_file(new.join("1")).unwrap();
        fs::write(new.join("1"), "another").unwrap();
        assert!(!folder.remove(OsStr::new("1"), &key).unwrap() && new.join("1").exists());
        assert!(!folder.keep(OsStr::new("1"), &key).unwrap() && new.join("1").exists());
        let (_, key) = folder.read(OsStr::new("1"), 100).ok().unwrap();
        assert!(folder.keep(OsStr::new("1"), &key).unwrap());
        assert!(!new.join("1").exists() && cur.join("1:2,S").exists());
        fs::write(new.join("1"), "third").unwrap();
        let (_, key) = folder.read(OsStr::new("1"), 100).ok().unwrap();
        assert!(folder.keep(OsStr::new("1"), &key).is_err(), "nothing is overwritten");
        assert!(folder.remove(OsStr::new("1"), &key).unwrap() && !new.join("1").exists());
        folder.sync().unwrap();
    }

    #[test]
    fn a_key_outlives_a_remount_and_an_error_does_not_say_that_a_file_is_gone() {
        let (dir, folder) = maildir();
        fs::write(dir.path().join("new/1"), "one").unwrap();
        let name = OsStr::new("1");
        let mut stat = statat(&folder.new, name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        let before = Key::of(name, &stat);
        stat.st_dev += 1;
        assert_eq!(Key::of(name, &stat), before, "the same file on a device with another number");
        assert_eq!(folder.key(name).unwrap(), Some(before));
        assert_eq!(folder.key(OsStr::new("2")).unwrap(), None);
        for failure in [rustix::io::Errno::IO, rustix::io::Errno::STALE, rustix::io::Errno::ACCESS] {
            assert!(present(Err(failure)).is_err(), "{failure}");
        }
        let long = "x".repeat(300);
        assert!(folder.key(OsStr::new(&long)).is_err(), "a real one, ENAMETOOLONG");
    }

    #[test]
    fn a_maildir_whose_new_is_a_link_is_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        fs::create_dir(dir.path().join("cur")).unwrap();
        symlink("elsewhere", dir.path().join("new")).unwrap();
        assert!(Folder::open(dir.path()).is_err());
    }
}
