//! The manifest of an export: each file's SHA-256, in the form that `sha256sum -c` reads. Who signs it signs all files.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::Files;

/// Its name.
pub const NAME: &str = "MANIFEST";

/// In what files differ from their manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Differs {
    /// A line that is none of a manifest.
    #[error("line {0} of the manifest is not of the form that sha256sum writes")]
    Line(usize),
    /// A file is not what it was.
    #[error("{0} has been changed since it was signed")]
    Changed(String),
    /// A file is missing.
    #[error("{0} is in the manifest and not in the directory")]
    Missing(String),
    /// A file was put there.
    #[error("{0} is not in the manifest, so that no signature covers it")]
    Extra(String),
}

/// The manifest of these files.
#[must_use]
pub fn render(files: &Files) -> String {
    files.iter().map(|(path, text)| format!("{}  {path}\n", digest(text))).collect()
}

/// The SHA-256 of a text, in lower-case hexadecimal digits.
#[must_use]
pub fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text))
}

/// Whether these are exactly the files of the manifest.
///
/// # Errors
/// The first difference.
pub fn check(manifest: &str, files: &Files) -> Result<(), Differs> {
    let mut listed: BTreeMap<&str, &str> = BTreeMap::new();
    for (at, line) in manifest.lines().enumerate() {
        let (digest, path) = line.split_once("  ").ok_or(Differs::Line(at + 1))?;
        if listed.insert(path, digest).is_some() {
            return Err(Differs::Line(at + 1));
        }
    }
    for (path, text) in files {
        match listed.remove(path.as_str()) {
            Some(kept) if kept == digest(text) => {}
            Some(_) => return Err(Differs::Changed(path.clone())),
            None => return Err(Differs::Extra(path.clone())),
        }
    }
    listed.into_keys().next().map_or(Ok(()), |path| Err(Differs::Missing(path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Files {
        all.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn each_difference_is_found_and_named() {
        let signed = files(&[("lists/a.toml", "one"), ("lists/b.toml", "two")]);
        let manifest = render(&signed);
        assert_eq!(
            manifest.lines().next().unwrap(),
            "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  lists/a.toml"
        );
        assert_eq!(check(&manifest, &signed), Ok(()));
        let found = |all: &[(&str, &str)]| check(&manifest, &files(all)).unwrap_err();
        let (a, b) = (("lists/a.toml", "one"), ("lists/b.toml", "two"));
        assert_eq!(found(&[a, ("lists/b.toml", "three")]), Differs::Changed("lists/b.toml".to_owned()));
        assert_eq!(found(&[a]), Differs::Missing("lists/b.toml".to_owned()));
        assert_eq!(found(&[a, b, ("lists/c.toml", "")]), Differs::Extra("lists/c.toml".to_owned()));
        assert_eq!(found(&[("lists/a.toml", "two"), b]), Differs::Changed("lists/a.toml".to_owned()));
        assert_eq!(check("no manifest\n", &signed), Err(Differs::Line(1)));
        let twice = format!("{manifest}{manifest}");
        assert_eq!(check(&twice, &signed), Err(Differs::Line(3)), "a second line may not speak for a file");
    }
}
