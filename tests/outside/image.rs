//! Disks that lose their power: ext4 in a file, mounted for this process alone, and copied as it is at one moment.
//!
//! What a program has written but not synced is in the page cache of the mounted file system and not in the file below
//! it. So a copy of what lies below is the disk as a power cut leaves it. What makes that true, and the test strict:
//!
//! - **A disk has a cache, and loses it.** The file of the disk lies on a file system of its own, the drive, whose page
//!   cache stands for the cache of a disk: what was handed over without a flush is there and no further. It is the drive's
//!   file that is copied. ext4 flushes at the end of each sync, and the loop device passes that on as a sync of the file.
//! - **One moment.** The drives' files lie on XFS, where a copy is a reflink: the kernel holds back every write to the file
//!   while it makes one. A plain copy takes its time, and would be a disk that never was.
//! - **Nothing reaches the disk but what was synced.** `commit=3600`: the journal is not written out by its own timer.
//!   `noauto_da_alloc`: a rename over another file does not write that file out. `data=writeback`: one file's sync does not
//!   write out another's content. `noatime`: reading changes nothing. The kernel's own flusher looks at what is older than
//!   30 s ([`FLUSHED_AFTER`]): a disk under test is cut before that.
//! - **One sync does not do another's work.** A journal is written as a whole, so that any sync may carry a rename along
//!   whose folder was never synced. So there are disks without a journal as well: there a sync writes its own file and
//!   nothing more, and `e2fsck` makes the rest fit.
//!
//! All of it lies in memory and in mount and process namespaces of its own: nothing of the machine changes, and it is gone
//! with the process however that ends.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{in_ci, is_root, random, skip, until};

/// How old an unsynced write becomes before the kernel writes it out unasked (`vm.dirty_expire_centisecs`).
pub const FLUSHED_AFTER: Duration = Duration::from_secs(30);

/// Set where the namespaces are this test's own.
const INSIDE: &str = "VOUCHSAFE_TEST_OWN_NAMESPACE";

/// How large a disk is, in bytes, and the name of its file on the drive.
const SIZE: u64 = 64 << 20;
const DISK: &str = "disk";

/// What the file system on a disk is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ext4 as it is made.
    Journal,
    /// Without a journal.
    NoJournal,
}

impl Kind {
    /// Mounted so that nothing is written that was not asked for.
    fn strict(self) -> &'static str {
        match self {
            Self::Journal => "loop,noatime,noauto_da_alloc,data=writeback,commit=3600",
            Self::NoJournal => "loop,noatime,noauto_da_alloc",
        }
    }

    fn made_with(self) -> &'static [&'static str] {
        match self {
            Self::Journal => &["-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", "-J", "size=4"],
            Self::NoJournal => &["-E", "nodiscard,lazy_itable_init=0", "-O", "^has_journal"],
        }
    }
}

/// Runs the test of this name again, alone in namespaces of its own. True there; false where that has been done, or
/// cannot be and was skipped aloud.
///
/// # Panics
/// When the test fails there.
pub fn in_own_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !is_root() {
        assert!(!in_ci(), "only root can mount a file system");
        eprintln!("SKIPPED: only root can mount a file system");
        return false;
    }
    for tool in ["mkfs.ext4", "e2fsck", "mkfs.xfs", "mount", "strace", "setpriv", "unshare"] {
        if Command::new(tool).arg("-V").output().is_err() {
            skip(tool);
            return false;
        }
    }
    let unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    // If this process is killed, so is all of that.
    let alone = || {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(unshare);
        command
    };
    if !alone().args(["mount", "-t", "tmpfs", "none", "/mnt"]).status().is_ok_and(|s| s.success()) {
        assert!(!in_ci(), "this machine does not let root mount a file system");
        eprintln!("SKIPPED: this machine does not let root mount a file system");
        return false;
    }
    let mut again = alone();
    again.arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]).env(INSIDE, "1");
    assert!(again.status().unwrap().success(), "{test} failed in its own namespace");
    false
}

/// Where disks lie: a file system in memory that can copy a file in one moment.
pub struct Shelf {
    dir: TempDir,
}

impl Shelf {
    /// A new one; only within [`in_own_namespace`].
    pub fn set_up() -> Self {
        assert!(std::env::var_os(INSIDE).is_some(), "nothing is mounted for the whole machine");
        let dir = tempfile::Builder::new().prefix("vs").permissions(Permissions::from_mode(0o755)).tempdir();
        let shelf = Self { dir: dir.unwrap() };
        let root = shelf.dir.path();
        run("mount", &["-t", "tmpfs", "-o", "size=1g,mode=0755", "shelf"], &[root]);
        let below = root.join("xfs.img");
        File::create(&below).unwrap().set_len(800 << 20).unwrap();
        run("mkfs.xfs", &["-q", "-m", "reflink=1"], &[&below]);
        std::fs::create_dir(shelf.files()).unwrap();
        run("mount", &["-o", "loop,noatime"], &[&below, &shelf.files()]);
        shelf
    }

    fn files(&self) -> PathBuf {
        self.dir.path().join("disks")
    }

    fn new_file(&self) -> (PathBuf, File) {
        let path = self.files().join(random(12));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        (path, file)
    }

    /// A disk with an empty file system.
    pub fn blank(&self, kind: Kind) -> Image {
        let (path, file) = self.new_file();
        file.set_len(SIZE + (16 << 20)).unwrap();
        run("mkfs.ext4", &[&["-q", "-F", "-b", "4096"], Kind::NoJournal.made_with()].concat(), &[&path]);
        let drive = self.mount_at(&path, "loop,noatime");
        // Written in full: from here on only content changes on the drive, and never where it lies.
        let disk = drive.join(DISK);
        std::fs::write(&disk, vec![0; usize::try_from(SIZE).unwrap()]).unwrap();
        run("mkfs.ext4", &[&["-q", "-F"], kind.made_with()].concat(), &[&disk]);
        assert!(umount(&drive), "a new drive is not in use");
        Image { path, file, kind }
    }

    /// A place for a copy, so that the copy itself takes no longer than it must.
    pub fn room(&self, kind: Kind) -> Image {
        let (path, file) = self.new_file();
        Image { path, file, kind }
    }

    /// The disk, in use, with nothing written to it that was not asked for.
    pub fn mount(&self, image: Image) -> Mounted {
        let options = image.kind.strict();
        self.mount_with(image, options)
    }

    /// The disk after the power is back, as a machine mounts it: the journal is carried out, or the disk checked.
    pub fn mount_again(&self, image: Image) -> Mounted {
        self.mount_with(image, "loop,noatime")
    }

    fn mount_with(&self, image: Image, options: &str) -> Mounted {
        check(&image.path);
        let drive = self.mount_at(&image.path, "loop,noatime");
        let disk = drive.join(DISK);
        if image.kind == Kind::NoJournal {
            check(&disk);
        }
        let place = self.mount_at(&disk, options);
        Mounted { image: Some(image), place, drive }
    }

    fn mount_at(&self, file: &Path, options: &str) -> PathBuf {
        let place = self.dir.path().join(random(6));
        std::fs::create_dir(&place).unwrap();
        run("mount", &["-t", "ext4", "-o", options], &[file, &place]);
        place
    }
}

/// Makes a file system fit that was cut off; nothing is done to a clean one.
fn check(file: &Path) {
    let checked = Command::new("e2fsck").args(["-f", "-y"]).arg(file).output().unwrap();
    // 1: errors were corrected.
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(matches!(checked.status.code(), Some(0 | 1)), "e2fsck: {said}");
}

impl Drop for Shelf {
    fn drop(&mut self) {
        // Files first; what a failed test left mounted goes with the namespace.
        let _ = umount(&self.files());
        let _ = umount(self.dir.path());
    }
}

/// A disk that is not in use; its file goes with it.
pub struct Image {
    path: PathBuf,
    file: File,
    kind: Kind,
}

impl Image {
    /// Another disk with the same content.
    pub fn twin(&self, shelf: &Shelf) -> Self {
        let twin = shelf.room(self.kind);
        twin.become_copy_of(&self.file);
        twin
    }

    /// Becomes a copy of the disk as it is at this moment.
    pub fn become_copy_of(&self, disk: &File) {
        rustix::fs::ioctl_ficlone(&self.file, disk).expect("a file can be copied in one moment");
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A disk in use.
pub struct Mounted {
    image: Option<Image>,
    place: PathBuf,
    drive: PathBuf,
}

impl Mounted {
    /// Where it is mounted.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// What the file system on it is like.
    pub fn kind(&self) -> Kind {
        self.image.as_ref().unwrap().kind
    }

    /// The file below it, for [`Image::become_copy_of`].
    pub fn disk(&self) -> File {
        self.image.as_ref().unwrap().file.try_clone().unwrap()
    }

    /// The disk after a power cut at this moment.
    pub fn cut(&self, shelf: &Shelf) -> Image {
        let copy = shelf.room(self.kind());
        copy.become_copy_of(&self.disk());
        copy
    }

    /// Takes it out of use, everything written.
    pub fn unmount(mut self) -> Image {
        for mounted in [&self.place, &self.drive] {
            // A child of another thread holds whatever is open here until it has become another program.
            until("nobody uses the disk any more", || umount(mounted).then_some(()));
        }
        self.image.take().unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.image.is_some() {
            let _ = umount(&self.place) && umount(&self.drive);
        }
    }
}

fn umount(place: &Path) -> bool {
    Command::new("umount").arg(place).output().is_ok_and(|done| done.status.success())
}

fn run(program: &str, options: &[&str], paths: &[&Path]) {
    let all = options.iter().map(OsStr::new).chain(paths.iter().map(|path| path.as_os_str()));
    let done = Command::new(program).args(all).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
}
