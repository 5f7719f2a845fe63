//! The directory of an exported roster on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::cli::failure::Failure;
use crate::control::wire::{ErrorKind, RosterFile};

/// Every file and its digest, as `sha256sum` has them.
pub(super) const MANIFEST: &str = "MANIFEST";
/// How much the directory speaks for.
const ROSTER: &str = "roster.toml";
/// The folders that an export makes.
const FOLDERS: [&str; 3] = ["certificates", "lists", "organisations"];
/// The largest file of an export, in bytes.
const MAX_FILE: usize = 12 << 20;
/// More files than any roster has.
const MOST: usize = 100_000;

/// A whole file, not above so many bytes.
pub(super) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| unread(path, &error))?;
    if bytes.len() > limit {
        let why = format!("it has more than {} MiB", limit >> 20);
        return Err(Failure::new(ErrorKind::Data, &format!("{} is too large", path.display()), &why, ""));
    }
    Ok(bytes)
}

/// The files of a folder that are not hidden, by name.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unread(folder, &error))? {
        let entry = entry.map_err(|error| unread(folder, &error))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.path().is_file() {
            found.push(entry.path());
        }
        if found.len() > MOST {
            let what = format!("{} is no roster", folder.display());
            return Err(Failure::new(ErrorKind::Data, &what, &format!("it has more than {MOST} files"), ""));
        }
    }
    found.sort();
    Ok(found)
}

/// The files of an export: all in its three folders, `roster.toml`, the manifest and its signatures. What else lies in the directory, such
/// as a README or `.git`, is none of it.
pub(super) fn load(directory: &Path) -> Result<Vec<RosterFile>, Failure> {
    let mut found = Vec::new();
    let mut take = |path: &Path, name: String| -> Result<(), Failure> {
        let text = String::from_utf8(read(path, MAX_FILE)?).map_err(|_| {
            let what = format!("{} cannot be read", path.display());
            Failure::new(ErrorKind::Data, &what, "it is not UTF-8", "")
        })?;
        found.push(RosterFile { path: name, text });
        Ok(())
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ours = |name: &str| name.starts_with(MANIFEST) || name == ROSTER;
    for path in files(directory)?.iter().filter(|path| ours(&name(path))) {
        take(path, name(path))?;
    }
    for folder in FOLDERS {
        let below = directory.join(folder);
        if !below.is_dir() {
            continue;
        }
        for path in files(&below)? {
            take(&path, format!("{folder}/{}", name(&path)))?;
        }
    }
    if !found.iter().any(|file| file.path == MANIFEST) {
        return Err(Failure::new(
            ErrorKind::NotFound,
            &format!("{} is no exported roster", directory.display()),
            "it has no MANIFEST",
            "give the directory that `vouchsafe roster export` made, or say with --from what it is",
        ));
    }
    Ok(found)
}

/// Whether each file that the manifest names is there as the manifest has it.
pub(crate) fn is_whole(files: &[RosterFile]) -> bool {
    let by_path: BTreeMap<&str, &str> =
        files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let is_there = |line: &str| {
        let named = line.split_once("  ").and_then(|(digest, path)| Some((digest, by_path.get(path)?)));
        named.is_some_and(|(digest, text)| digest == HEXLOWER.encode(&Sha256::digest(text)))
    };
    by_path.get(MANIFEST).is_some_and(|manifest| manifest.lines().all(is_there))
}

/// Writes an export: what has changed, and what is there no more goes. The signatures stay while the manifest does.
///
/// Returns how many files were written and how many removed.
pub(crate) fn store(directory: &Path, files: &[RosterFile]) -> Result<(usize, usize), Failure> {
    let unwritten = |path: &Path, error: &io::Error| {
        Failure::new(
            ErrorKind::Io,
            &format!("{} cannot be written", path.display()),
            &error.to_string(),
            "give a directory that you may write, with room",
        )
    };
    fs::create_dir_all(directory).map_err(|error| unwritten(directory, &error))?;
    let manifest = directory.join(MANIFEST);
    let before = if manifest.is_file() {
        String::from_utf8_lossy(&read(&manifest, MAX_FILE)?).into_owned()
    } else {
        String::new()
    };
    if before.is_empty() {
        empty(directory)?;
    }
    let wanted: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let same = files.iter().any(|file| file.path == MANIFEST && file.text == before);
    let (mut written, mut removed) = (0, 0);
    // The manifest last: as long as it is not there, the directory is no export.
    let (last, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.path == MANIFEST);
    for file in others.into_iter().chain(last) {
        let path = below(directory, &file.path)?;
        let is_signature = file.path.starts_with(MANIFEST) && file.path != MANIFEST;
        let there = fs::read(&path).ok();
        if there.as_deref() == Some(file.text.as_bytes()) || (same && is_signature && there.is_some()) {
            continue;
        }
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|error| unwritten(&path, &error))?;
        fs::write(&path, &file.text).map_err(|error| unwritten(&path, &error))?;
        written += 1;
    }
    // Only what the manifest before named was ours.
    for name in before.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name) {
        if !wanted.contains(name) && fs::remove_file(below(directory, name)?).is_ok() {
            removed += 1;
        }
    }
    Ok((written, removed))
}

/// A new export goes into an empty directory; what is hidden, such as `.git`, may be there.
fn empty(directory: &Path) -> Result<(), Failure> {
    let mut entries = fs::read_dir(directory).map_err(|error| unread(directory, &error))?.flatten();
    let Some(entry) = entries.find(|entry| !entry.file_name().to_string_lossy().starts_with('.')) else {
        return Ok(());
    };
    Err(Failure::new(
        ErrorKind::Exists,
        &format!("nothing was written to {}", directory.display()),
        &format!("it has {} and no MANIFEST, so it is no export", entry.file_name().display()),
        "give an empty directory, or that of a former export",
    ))
}

/// A path of an export, which stays below the directory.
fn below(directory: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(name);
    let parts = path.components().count();
    if (1..=2).contains(&parts) && path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(directory.join(path));
    }
    Err(Failure::new(
        ErrorKind::Data,
        "a file of the roster would lie elsewhere",
        &format!("\"{name}\" is no path below the directory"),
        "",
    ))
}

fn unread(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        ErrorKind::NotFound,
        &format!("{} cannot be read", path.display()),
        &error.to_string(),
        "see that it is there and yours to read",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> RosterFile {
        RosterFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn export(name: &str, signature: &str) -> Vec<RosterFile> {
        let path = format!("organisations/{name}.toml");
        vec![
            file(MANIFEST, &format!("aa  {path}\n")),
            file("MANIFEST.security.asc", signature),
            file(&path, "title = \"x\"\n"),
        ]
    }

    #[track_caller]
    fn ok<T>(result: Result<T, Failure>) -> T {
        result.unwrap_or_else(|failure| panic!("{failure}"))
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_gone_goes() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("roster");
        assert_eq!(ok(store(&at, &export("acme", "one"))), (3, 0));
        std::fs::write(at.join("README.md"), "of the admin").unwrap();
        std::fs::create_dir(at.join(".git")).unwrap();
        let mut read = ok(load(&at));
        read.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(read, export("acme", "one"));
        assert_eq!(ok(store(&at, &export("acme", "two"))), (0, 0), "the same roster keeps its signature");
        assert_eq!(ok(store(&at, &export("zenith", "three"))), (3, 1));
        assert!(!at.join("organisations/acme.toml").exists());
        assert_eq!(std::fs::read_to_string(at.join("MANIFEST.security.asc")).unwrap(), "three");
        assert!(at.join("README.md").exists() && at.join(".git").exists());
    }

    #[test]
    fn nothing_is_written_among_other_files_or_outside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "important").unwrap();
        let failure = store(folder.path(), &export("acme", "one")).unwrap_err();
        assert_eq!(failure.exit_code(), 73);
        for path in ["../x", "/etc/x", "a/../../x", "a/b/c", ""] {
            let fresh = tempfile::tempdir().unwrap();
            assert!(store(fresh.path(), &[file(path, "x")]).is_err(), "{path}");
        }
    }

    #[test]
    fn a_file_that_was_changed_meanwhile_is_noticed() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let manifest = file(MANIFEST, &format!("{empty}  lists/a.toml\n"));
        assert!(is_whole(&[manifest.clone(), file("lists/a.toml", "")]));
        assert!(!is_whole(&[manifest.clone(), file("lists/a.toml", "x")]));
        assert!(!is_whole(&[manifest]));
    }

    #[test]
    fn a_directory_without_a_manifest_is_no_export() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()).unwrap_err().exit_code(), 66);
    }
}
