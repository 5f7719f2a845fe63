//! Small file systems in a mount namespace of the test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outside::install::NOBODY;
use crate::outside::{in_ci, is_root, skip};

/// Set for the process that runs in its own namespace.
const INSIDE: &str = "VOUCHSAFE_TEST_NAMESPACE";

/// True in a namespace of its own; else runs this one test there, and it is done.
pub(crate) fn in_own_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let may = is_root() && Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|s| s.success());
    if !may {
        skip("the right to mount (root with CAP_SYS_ADMIN, and unshare)");
        return false;
    }
    let mut again = Command::new("unshare");
    again.args(["-m", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    let status = again.args([test, "--exact", "--nocapture"]).env(INSIDE, "1").status().unwrap();
    assert!(status.success(), "{test} failed in its namespace");
    false
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).status().is_ok_and(|status| status.success())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Mounts memory of this size; the daemon may write there.
pub(crate) fn memory(at: &Path, size: &str) {
    let options = format!("size={size},mode=0700,uid={NOBODY},gid={NOBODY}");
    assert!(run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", text(at)]));
}

/// Gives it another size.
pub(crate) fn resize(at: &Path, size: &str) {
    assert!(run("mount", &["-o", &format!("remount,size={size}"), text(at)]));
}

/// Fills a file system to this share of its size; returns the file that does.
pub(crate) fn fill(at: &Path, percent: u64) -> PathBuf {
    let filler = at.join("filler");
    let now = rustix::fs::statvfs(at).unwrap();
    let used = now.f_blocks - now.f_bavail;
    let wanted = (now.f_blocks * percent / 100).saturating_sub(used) * now.f_frsize;
    // The file's own metadata takes room, too: the last bytes may not fit.
    let _ = std::fs::write(&filler, vec![0; usize::try_from(wanted).unwrap()]);
    filler
}

/// A file system in a file, on a medium that has less room than it promises.
pub(crate) struct Image {
    medium: tempfile::TempDir,
    device: String,
    at: PathBuf,
}

impl Image {
    /// Mounts one; none, aloud, where the kernel lends no loop device.
    pub(crate) fn mount(at: &Path) -> Option<Self> {
        let medium = tempfile::tempdir().unwrap();
        memory(medium.path(), "16m");
        let file = medium.path().join("image");
        std::fs::File::create(&file).unwrap().set_len(96 << 20).unwrap();
        assert!(
            run("mkfs.ext4", &["-q", "-O", "^has_journal", "-m", "0", text(&file)]),
            "mkfs.ext4 (e2fsprogs)"
        );
        let lent = Command::new("losetup").args(["-f", "--show", text(&file)]).output().unwrap();
        if !lent.status.success() {
            assert!(!in_ci(), "there is no loop device");
            eprintln!("SKIPPED: there is no loop device");
            return None;
        }
        let device = String::from_utf8(lent.stdout).unwrap().trim().to_owned();
        let image = Self { medium, device, at: at.to_owned() };
        assert!(run("mount", &["-t", "ext4", "-o", "errors=remount-ro", &image.device, text(at)]));
        std::os::unix::fs::chown(at, Some(NOBODY), Some(NOBODY)).unwrap();
        assert!(run("chmod", &["0700", text(at)]));
        Some(image)
    }

    /// Takes all the room that is left on the medium. What the file system has about its files by now stands there: a
    /// file system that loses this loses files that were synced long ago, and no store outlives that.
    pub(crate) fn exhaust(&self) -> PathBuf {
        assert!(run("sync", &["-f", text(&self.at)]));
        fill(self.medium.path(), 100)
    }

    /// Reports an error of the file system's own, by which it becomes read-only.
    pub(crate) fn break_down(&self) {
        let name = Path::new(&self.device).file_name().unwrap().to_str().unwrap();
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "made to fail").unwrap();
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // The mounts go with the namespace; the device goes when the last of them is gone.
        let _ = Command::new("losetup").args(["-d", &self.device]).status();
        let _ = Command::new("umount").arg("-l").arg(self.medium.path()).status();
    }
}
