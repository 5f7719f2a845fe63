//! The directory of an exported roster on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::cli::failure::Failure;
use crate::control::wire::{ErrorKind, RosterFile};

/// Every file and its digest, as `sha256sum` has them.
pub(super) const MANIFEST: &str = "MANIFEST";
/// How much the directory speaks for.
const ROSTER: &str = "roster.toml";
/// Who is of which body that approves persons of teams.
const BODIES: &str = "bodies.toml";
/// The folders that an export makes.
const FOLDERS: [&str; 3] = ["certificates", "lists", "organisations"];
/// The largest file of an export, in bytes.
const MAX_FILE: usize = 12 << 20;
/// What goes to the daemon at once, in bytes: with what JSON adds it fits into a frame.
const MAX_SENT: usize = 12 << 20;
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
        if !hidden && is_there(&entry.path())?.is_some_and(|kind| kind.is_file()) {
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

/// What lies at a path. A link is refused: a directory that others can write into must not lead out of itself.
fn is_there(path: &Path) -> Result<Option<fs::FileType>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => Err(Failure::new(
            ErrorKind::Data,
            &format!("{} is a symbolic link", path.display()),
            "a roster's directory has files and folders only",
            "take the link away, and ask who put it there",
        )),
        Ok(there) => Ok(Some(there.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unread(path, &error)),
    }
}

/// The files of an export: all in its three folders, `roster.toml`, the manifest and its signatures. What else lies in the directory, such
/// as a README or `.git`, is none of it.
pub(super) fn load(directory: &Path) -> Result<Vec<RosterFile>, Failure> {
    let (mut found, mut sent) = (Vec::new(), 0_usize);
    let mut take = |path: &Path, name: String| -> Result<(), Failure> {
        let text = String::from_utf8(read(path, MAX_FILE)?).map_err(|_| {
            let what = format!("{} cannot be read", path.display());
            Failure::new(ErrorKind::Data, &what, "it is not UTF-8", "")
        })?;
        sent = sent.saturating_add(text.len());
        if sent > MAX_SENT {
            let why = format!("it has more than {} MiB, which is what is sent at once", MAX_SENT >> 20);
            let next = "export and import list by list: `vouchsafe roster export --list LIST DIRECTORY` there, for each \
                        list into a directory of its own, and `vouchsafe roster import DIRECTORY` here";
            return Err(Failure::new(ErrorKind::Data, "the roster is too large", &why, next));
        }
        found.push(RosterFile { path: name, text });
        Ok(())
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ours = |name: &str| name.starts_with(MANIFEST) || name == ROSTER || name == BODIES;
    for path in files(directory)?.iter().filter(|path| ours(&name(path))) {
        take(path, name(path))?;
    }
    for folder in FOLDERS {
        let below = directory.join(folder);
        if is_there(&below)?.is_none() {
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

/// The manifest of a former export and its signatures, if there is one.
pub(crate) fn kept(directory: &Path) -> Result<Vec<RosterFile>, Failure> {
    if is_there(&directory.join(MANIFEST))?.is_none() {
        return Ok(Vec::new());
    }
    let mut kept = load(directory)?;
    kept.retain(|file| file.path.starts_with(MANIFEST));
    Ok(kept)
}

/// Whether an export has files of this name.
fn is_ours(name: &str) -> bool {
    let within = |folder: &str, ending: &str| {
        let rest = name.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| !rest.contains('/') && !rest.starts_with('.') && rest.ends_with(ending))
    };
    let [certificates, lists, organisations] = FOLDERS;
    let signature = name.strip_prefix(MANIFEST).is_some_and(|rest| rest.is_empty() || rest.ends_with(".asc"));
    let top = name == ROSTER || name == BODIES || (signature && !name.contains('/'));
    top || within(certificates, ".asc") || within(lists, ".toml") || within(organisations, ".toml")
}

/// Writes an export: what has changed, and what is there no more goes.
///
/// Returns how many files were written and how many removed.
pub(crate) fn store(directory: &Path, files: &[RosterFile]) -> Result<(usize, usize), Failure> {
    // Addresses and names of people: for whoever makes the export, and for whom they give it to.
    let folder = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    folder(directory).map_err(|error| unwritten(directory, &error))?;
    if is_there(&directory.join(MANIFEST))?.is_none() {
        empty(directory)?;
    }
    let mut old = BTreeSet::new();
    for name in FOLDERS {
        let below = directory.join(name);
        match is_there(&below)? {
            Some(_) => old.extend(files_below(&below, Some(name))?),
            None => folder(&below).map_err(|error| unwritten(&below, &error))?,
        }
    }
    old.extend(files_below(directory, None)?);
    let (mut written, mut removed) = (0, 0);
    // The manifest last: as long as it is not there, the directory is no export.
    let (last, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.path == MANIFEST);
    for file in others.into_iter().chain(last) {
        let path = below(directory, &file.path)?;
        old.remove(file.path.as_str());
        if is_there(&path)?.is_some() && fs::read(&path).is_ok_and(|there| there == file.text.as_bytes()) {
            continue;
        }
        replace(&path, file.text.as_bytes()).map_err(|error| unwritten(&path, &error))?;
        written += 1;
    }
    for name in old {
        fs::remove_file(below(directory, &name)?)
            .map_err(|error| unwritten(&directory.join(&name), &error))?;
        removed += 1;
    }
    Ok((written, removed))
}

/// The files of a folder that are of an export, by their names below the directory.
fn files_below(folder: &Path, name: Option<&str>) -> Result<Vec<String>, Failure> {
    let names = files(folder)?.into_iter().filter_map(|path| {
        let file = path.file_name()?.to_str()?.to_owned();
        Some(name.map_or(file.clone(), |name| format!("{name}/{file}")))
    });
    Ok(names.filter(|name| is_ours(name)).collect())
}

/// Writes a file beside and puts it in its place: through no link, and whoever reads meanwhile sees the one or the other.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    fs::rename(&new, path)
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        ErrorKind::Io,
        &format!("{} cannot be written", path.display()),
        &error.to_string(),
        "give a directory that you may write, with room",
    )
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
    if is_ours(name) {
        return Ok(directory.join(name));
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
        assert_eq!(ok(store(&at, &export("acme", "one"))), (0, 0));
        std::fs::write(at.join("MANIFEST.gone.asc"), "of a list that is none any more").unwrap();
        assert_eq!(ok(store(&at, &export("zenith", "three"))), (3, 2));
        assert!(!at.join("organisations/acme.toml").exists() && !at.join("MANIFEST.gone.asc").exists());
        assert_eq!(std::fs::read_to_string(at.join("MANIFEST.security.asc")).unwrap(), "three");
        assert!(at.join("README.md").exists() && at.join(".git").exists());
        let mode =
            |path: &Path| std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode(&at) & 0o777, 0o700);
        assert_eq!(mode(&at.join(MANIFEST)) & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_written_among_other_files_or_outside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "important").unwrap();
        let failure = store(folder.path(), &export("acme", "one")).unwrap_err();
        assert_eq!(failure.exit_code(), 73);
        for path in
            ["../x", "/etc/x", "a/../../x", "a/b/c", "", "lists/../../x.toml", ".git/config", "lists/.x.toml"]
        {
            let fresh = tempfile::tempdir().unwrap();
            assert!(store(fresh.path(), &[file(path, "x")]).is_err(), "{path}");
        }
    }

    #[test]
    fn a_directory_that_others_write_into_leads_nowhere_else() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("acme.toml");
        std::fs::write(&secret, "precious").unwrap();
        let link = |to: &Path, at: PathBuf| std::os::unix::fs::symlink(to, at);
        let fresh = || {
            let folder = tempfile::tempdir().unwrap();
            ok(store(folder.path(), &export("acme", "one")));
            folder
        };
        // A folder, a file, and the manifest as a link.
        let folder = fresh();
        std::fs::remove_dir_all(folder.path().join("organisations")).unwrap();
        link(outside.path(), folder.path().join("organisations")).unwrap();
        let file = fresh();
        std::fs::remove_file(file.path().join("organisations/acme.toml")).unwrap();
        link(&secret, file.path().join("organisations/acme.toml")).unwrap();
        let manifest = fresh();
        std::fs::remove_file(manifest.path().join(MANIFEST)).unwrap();
        link(&secret, manifest.path().join(MANIFEST)).unwrap();
        for changed in [&folder, &file, &manifest] {
            assert!(load(changed.path()).unwrap_err().to_string().contains("symbolic link"));
            for other in ["acme", "zenith"] {
                let failure = store(changed.path(), &export(other, "two")).unwrap_err();
                assert!(failure.to_string().contains("symbolic link"), "{failure}");
            }
        }
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "precious");
        // What a manifest names that is none of an export's stays.
        let named = fresh();
        std::fs::write(named.path().join("README.md"), "of the admin").unwrap();
        std::fs::write(named.path().join(MANIFEST), "aa  README.md\naa  .git/config\n").unwrap();
        ok(store(named.path(), &export("acme", "one")));
        assert!(named.path().join("README.md").exists());
    }

    #[test]
    fn a_directory_too_large_to_be_sent_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        ok(store(folder.path(), &export("acme", "one")));
        for n in 0..2 {
            let name = format!("organisations/large-{n}.toml");
            std::fs::write(folder.path().join(name), vec![b'x'; 7 << 20]).unwrap();
        }
        let failure = load(folder.path()).unwrap_err();
        assert!(failure.to_string().contains("list by list"), "{failure}");
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
