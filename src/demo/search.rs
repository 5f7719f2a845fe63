//! The search for the canary: in every file, and in the log, in every form in which bytes are commonly written down.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};

use super::trouble::Trouble;

/// The canary in its forms.
pub(super) struct Search(Vec<(&'static str, Vec<u8>)>);

/// What a search of a directory came to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files that were read.
    pub(super) files: usize,
    /// Their sizes in all.
    pub(super) bytes: usize,
    /// Where the canary is, and in which form.
    pub(super) hits: Vec<(PathBuf, &'static str)>,
}

impl Search {
    pub(super) fn new(canary: &str) -> Self {
        let bytes = canary.as_bytes();
        let base64 = |offset| base64_core(bytes, offset).into_bytes();
        Self(vec![
            ("as it is", bytes.to_vec()),
            ("base64", base64(0)),
            ("base64, 1 byte in", base64(1)),
            ("base64, 2 bytes in", base64(2)),
            ("hexadecimal", HEXLOWER.encode(bytes).into_bytes()),
            ("hexadecimal, capitals", HEXUPPER.encode(bytes).into_bytes()),
        ])
    }

    /// The names of the forms.
    pub(super) fn forms(&self) -> Vec<&'static str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }

    /// Bytes that hold the canary in each form once, the base64 ones broken by line ends as in mail: a search that does
    /// not find these finds nothing.
    pub(super) fn control(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, form) in &self.0 {
            let (head, tail) = form.split_at(form.len() / 2);
            let between: &[u8] = if name.starts_with("base64") { b"\r\n" } else { b"" };
            out.extend_from_slice(&[b"\n", head, between, tail, b"\n"].concat());
        }
        out
    }

    /// The forms in which these bytes hold the canary, also across line ends.
    pub(super) fn look(&self, bytes: &[u8]) -> Vec<&'static str> {
        let joined: Vec<u8> = bytes.iter().copied().filter(|b| !b"\r\n".contains(b)).collect();
        let held = self.0.iter().filter(|(_, form)| holds(bytes, form) || holds(&joined, form));
        held.map(|(name, _)| *name).collect()
    }

    /// Looks through every file under `dir`. Sockets hold nothing and links are not followed.
    pub(super) fn directory(&self, dir: &Path) -> Result<Found, Trouble> {
        let mut found = Found::default();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            let fail = || Trouble::io(format!("look through {}", folder.display()));
            for entry in fs::read_dir(&folder).map_err(fail())? {
                let entry = entry.map_err(fail())?;
                let kind = entry.file_type().map_err(fail())?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    self.file(entry.path(), &mut found)?;
                }
            }
        }
        Ok(found)
    }

    fn file(&self, path: PathBuf, found: &mut Found) -> Result<(), Trouble> {
        let bytes = match fs::read(&path) {
            // The relay works on: what it has removed by now holds nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(Trouble::io(format!("read {}", path.display())))?,
        };
        found.files += 1;
        found.bytes += bytes.len();
        found.hits.extend(self.look(&bytes).into_iter().map(|form| (path.clone(), form)));
        Ok(())
    }
}

/// The base64 characters that depend on nothing but these bytes when `offset` others stand in front (RFC 4648 §4).
fn base64_core(bytes: &[u8], offset: usize) -> String {
    let padded = [&[0].repeat(offset), bytes].concat();
    let text = BASE64.encode(&padded);
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    text.chars().skip(first).take(last - first).collect()
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_is_found_whatever_stands_around_it() {
        let search = Search::new("canary2b7x");
        for before in 0..4 {
            for after in 0..4 {
                let text = format!("{}canary2b7x{}", "x".repeat(before), "y".repeat(after));
                assert!(search.look(text.as_bytes()).contains(&"as it is"));
                let found = search.look(BASE64.encode(text.as_bytes()).as_bytes());
                assert!(found.iter().any(|form| form.starts_with("base64")), "{before} {after}");
                assert!(search.look(HEXLOWER.encode(text.as_bytes()).as_bytes()).contains(&"hexadecimal"));
            }
        }
        assert!(search.look(b"a canary, but of another name").is_empty());
    }

    #[test]
    fn every_form_of_the_control_is_found() {
        let (search, dir) = (Search::new("canary2b7x"), tempfile::tempdir().unwrap());
        assert_eq!(search.look(&search.control()), search.forms());
        fs::create_dir(dir.path().join("deep")).unwrap();
        fs::write(dir.path().join("deep/control"), search.control()).unwrap();
        fs::write(dir.path().join("other"), b"nothing").unwrap();
        let found = search.directory(dir.path()).unwrap();
        assert_eq!((found.files, found.hits.len()), (2, search.forms().len()));
        assert!(found.hits.iter().all(|(path, _)| path.ends_with("deep/control")));
    }
}
