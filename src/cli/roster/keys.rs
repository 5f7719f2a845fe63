//! Certificates as people have them: a folder of files, one keyring, a GnuPG home.

use std::collections::BTreeSet;
use std::path::Path;

use super::folder::{self, read};
use super::keybox::{self, NoKeybox};
use crate::cli::failure::Failure;
use crate::cli::input::holds_secret;
use crate::control::wire::{Certificate, ErrorKind};
use crate::id::Fingerprint;

/// The largest keyring that is read, in bytes.
const MAX_KEYRING: usize = 256 << 20;
/// What goes to the daemon at once, in bytes: as base64 it fits into a frame.
const MAX_SENT: usize = 11 << 20;
/// How files of certificates are called.
const ENDINGS: [&str; 5] = ["asc", "gpg", "pgp", "key", "cert"];

/// The certificates of a file, of a folder of files, or of a GnuPG home; of a keybox only the `wanted` ones, where they
/// are known.
pub(super) fn certificates(
    path: &Path,
    wanted: Option<&BTreeSet<Fingerprint>>,
) -> Result<Vec<Certificate>, Failure> {
    let mut found = Vec::new();
    if path.is_dir() {
        let rings = ["pubring.kbx", "pubring.gpg"].map(|name| path.join(name));
        if rings.iter().any(|ring| ring.is_file()) {
            // Where both are there, either may be the one in use.
            for ring in rings.iter().filter(|ring| ring.is_file()) {
                found.extend(file(ring, wanted)?);
            }
        } else {
            for one in folder::files(path)? {
                let ending = one.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
                if ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)) {
                    found.extend(file(&one, wanted)?);
                }
            }
            if found.is_empty() {
                let why = "it is no GnuPG home with a pubring.kbx, and no file in it ends in .asc, .gpg, .pgp, .key or .cert";
                return Err(unusable(path, why));
            }
        }
    } else {
        found = file(path, wanted)?;
    }
    let sent: usize = found.iter().map(|cert| cert.0.len()).sum();
    if sent > MAX_SENT {
        let why = format!("they are {} MiB together, and {} are sent at once", sent >> 20, MAX_SENT >> 20);
        return Err(unusable(path, &why));
    }
    Ok(found)
}

fn file(path: &Path, wanted: Option<&BTreeSet<Fingerprint>>) -> Result<Vec<Certificate>, Failure> {
    let bytes = read(path, MAX_KEYRING)?;
    if holds_secret(&bytes) {
        return Err(unusable(path, "it holds a secret key, and has not been sent"));
    }
    match keybox::blocks(&bytes) {
        Ok(blocks) => {
            let is_wanted = |fingerprint: Option<Fingerprint>| match (fingerprint, wanted) {
                (Some(fingerprint), Some(wanted)) => wanted.contains(&fingerprint),
                _ => true,
            };
            let kept = blocks.into_iter().filter(|block| is_wanted(block.fingerprint));
            // A keybox of today has none; one that has is not sent.
            let kept = kept.filter(|block| !holds_secret(block.packets));
            Ok(kept.map(|block| Certificate(block.packets.to_vec())).collect())
        }
        Err(NoKeybox::Form) => Ok(vec![Certificate(bytes)]),
        Err(error) => Err(unusable(path, &error.to_string())),
    }
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::new(
        ErrorKind::Data,
        &format!("the certificates of {} cannot be used", path.display()),
        why,
        "export those that are needed (gpg --armor --export-options export-minimal --export ADDRESS… > keys.asc), and give that file with --certificates",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_by_the_endings_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("b.asc", "two"), ("a.PGP", "one"), ("notes.txt", "no"), (".hidden.asc", "no")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let found = certificates(folder.path(), None).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(found, [Certificate(b"one".to_vec()), Certificate(b"two".to_vec())]);
    }

    #[test]
    fn secret_keys_and_folders_without_certificates_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let failure = certificates(folder.path(), None).unwrap_err();
        assert!(failure.to_string().contains("no GnuPG home"), "{failure}");
        std::fs::write(folder.path().join("a.asc"), "-----BEGIN PGP PRIVATE KEY BLOCK-----").unwrap();
        let failure = certificates(folder.path(), None).unwrap_err();
        assert!(failure.to_string().contains("secret key"), "{failure}");
        assert!(certificates(&folder.path().join("missing"), None).is_err());
    }
}
