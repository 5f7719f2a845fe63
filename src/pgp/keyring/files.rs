//! The files of the key directory: who may read them, and how they are written.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use super::KeyError;
use crate::failpoint::{self, Point};

/// The one file in a key directory that everybody may read.
pub(super) const CERT: &str = "cert.asc";

/// What a file's name ends in while it is being written.
const DRAFT: &str = "new";

/// What others could do with this file or folder of the key directory, if anything.
pub(super) fn exposed(path: &Path, meta: &Metadata) -> Option<KeyError> {
    let mode = meta.permissions().mode() & 0o7777;
    let (open, right) = if meta.is_dir() {
        (mode & 0o077, 0o700)
    } else if is_public(path) {
        (mode & 0o022, 0o644)
    } else {
        (mode & 0o077, 0o600)
    };
    (open != 0).then(|| KeyError::Exposed { path: path.to_owned(), mode, right })
}

/// Whether everybody may read it. What a crash left of writing it is no more secret than itself.
fn is_public(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == CERT || Path::new(name) == Path::new(CERT).with_added_extension(DRAFT))
}

/// Reads a file that holds a secret, if it is nobody else's to read.
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut file = File::open(path).map_err(io("open", path))?;
    if let Some(error) = exposed(path, &file.metadata().map_err(io("read", path))?) {
        return Err(error);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io("read", path))?;
    Ok(bytes)
}

/// Gives a folder and what is in it to the owner of another one, where that is somebody else: root makes keys for the
/// daemon's user.
pub(super) fn hand_over(dir: &Path, like: &Path) -> Result<(), KeyError> {
    let owner = fs::metadata(like).map_err(io("read", like))?;
    // What is behind a link is not ours to give away.
    for path in files(dir)?.iter().map(PathBuf::as_path).chain([dir]) {
        if fs::symlink_metadata(path).map_err(io("read", path))?.uid() != owner.uid() {
            lchown(path, Some(owner.uid()), Some(owner.gid())).map_err(io("change the owner of", path))?;
        }
    }
    Ok(())
}

pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| match source.kind() {
        ErrorKind::NotFound => KeyError::Missing(path),
        _ => KeyError::Io { what, path, source },
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    fs::read(path).map_err(io("read", path))
}

/// What lies in a directory; nothing when it does not exist.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>, KeyError> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io("list", dir)(error)),
        Ok(entries) => entries.map(|entry| entry.map(|e| e.path()).map_err(io("list", dir))).collect(),
    }
}

pub(super) fn make_dir(dir: &Path) -> Result<(), KeyError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("create", dir))?;
    sync_parent(dir)
}

/// Writes a new 0600 file; never over another.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let draft = draft(path, bytes, 0o600)?;
    // A hard link fails when the name is taken, a rename would not.
    let linked = fs::hard_link(&draft, path);
    failpoint::hit(Point::KeyLinked);
    fs::remove_file(&draft).map_err(io("remove", &draft))?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(KeyError::Exists(path.to_owned())),
        linked => linked.map_err(io("create", path)).and_then(|()| sync_parent(path)),
    }
}

/// Writes a file in place of any other.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyError> {
    let draft = draft(path, bytes, mode)?;
    fs::rename(&draft, path).map_err(io("replace", path))?;
    failpoint::hit(Point::KeyReplaced);
    sync_parent(path)
}

/// Gives a folder of finished files its name. Where there is one of that name they go into it, the last one last, and
/// never over another.
pub(super) fn place(draft: &Path, dir: &Path, names: &[&str]) -> Result<(), KeyError> {
    if !dir.exists() {
        fs::rename(draft, dir).map_err(io("rename", draft))?;
        return sync_parent(dir);
    }
    for name in names {
        fs::hard_link(draft.join(name), dir.join(name)).map_err(io("create", &dir.join(name)))?;
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync", dir))?;
    discard(draft)
}

/// Removes a folder with all that is in it; one that is not there is no error.
pub(super) fn discard(dir: &Path) -> Result<(), KeyError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io("remove", dir)(error)),
        _ => Ok(()),
    }
}

/// Removes the drafts in a folder.
pub(super) fn sweep_drafts(dir: &Path) -> Result<(), KeyError> {
    for path in files(dir)?.iter().filter(|path| path.extension().is_some_and(|e| e == DRAFT)) {
        fs::remove_file(path).map_err(io("remove", path))?;
    }
    Ok(())
}

fn draft(path: &Path, bytes: &[u8], mode: u32) -> Result<PathBuf, KeyError> {
    let draft = path.with_added_extension(DRAFT);
    // Left over from a crash.
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .map_err(io("create", &draft))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(&draft); // half a key is of no use, and takes room on a full disk
        io("write", &draft)(error)
    })?;
    failpoint::hit(Point::KeyDrafted);
    Ok(draft)
}

pub(super) fn sync_parent(path: &Path) -> Result<(), KeyError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => Ok(()),
    }
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), KeyError> {
    File::open(dir).and_then(|open| open.sync_all()).map_err(io("sync", dir))
}
