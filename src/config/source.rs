//! One settings file with its text, so that everything said about it can name file, line and column.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

/// A settings file is small; anything larger is some other file.
const MAX_BYTES: u64 = 1024 * 1024;

/// Where in which file: `relay.toml:12:8`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line and column, from 1; `None` for the file as a whole.
    pub at: Option<(usize, usize)>,
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn whole(file: &Path) -> Self {
        Self { file: file.to_owned(), at: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.at.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

/// Settings that cannot be used: `relay.toml:12:8: what is wrong, and what is allowed`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What is wrong, and what is allowed instead.
    pub what: String,
}

/// A settings file that has been read.
#[derive(Clone, Debug)]
pub struct Source {
    file: PathBuf,
    text: String,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is not there, cannot be read, is no text, or is far too large.
    pub fn read(file: &Path) -> Result<Self, String> {
        let size = std::fs::metadata(file).map_err(|e| said(&e))?;
        if !size.is_file() {
            return Err("is not a file".to_owned());
        }
        if size.len() > MAX_BYTES {
            return Err(format!("has {} bytes; a settings file has at most {MAX_BYTES}", size.len()));
        }
        let text = std::fs::read_to_string(file).map_err(|e| said(&e))?;
        Ok(Self { file: file.to_owned(), text })
    }

    /// A text that is in memory already; `file` is the name that errors give it.
    #[must_use]
    pub fn of(file: &Path, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.to_owned() }
    }

    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads the text as `T`.
    ///
    /// # Errors
    /// With the place and the allowed keys or values.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|e| self.refused(&e))
    }

    /// What the TOML reader said, with its place.
    pub fn refused(&self, error: &toml::de::Error) -> ConfigError {
        let at = error.span().map(|span| self.line_and_column(span.start));
        let what = error.message().trim().replace('\n', ", ");
        // What the reader says of `listen = 127.0.0.1:25`, which only its author understands.
        let what = what.replace(", expected nothing", ": a text needs quotes, as in key = \"value\"");
        ConfigError { place: Place { file: self.file.clone(), at }, what }
    }

    /// An error about the key at this path.
    pub fn error(&self, key: &[&str], what: impl Into<String>) -> ConfigError {
        ConfigError { place: self.place(key), what: what.into() }
    }

    /// Where the key at this path stands, or the nearest table around it.
    #[must_use]
    pub fn place(&self, key: &[&str]) -> Place {
        let at = self.offset(key).map(|offset| self.line_and_column(offset));
        Place { file: self.file.clone(), at }
    }

    /// The same file without what stands in a line, the others where they were; `None` when that line is no whole
    /// key and value, so that the rest could not be read.
    #[must_use]
    pub fn without_line(&self, line: usize) -> Option<Self> {
        let lines: Vec<&str> = self.text.split('\n').collect();
        let left_out = lines.get(line.checked_sub(1)?)?;
        if left_out.trim_start().starts_with('[') || !left_out.contains('=') {
            return None;
        }
        let kept = lines.iter().enumerate().map(|(n, text)| if n + 1 == line { "" } else { *text });
        let text = kept.collect::<Vec<_>>().join("\n");
        DeTable::parse(&text).ok()?;
        Some(Self { file: self.file.clone(), text })
    }

    /// The byte at which the key stands; the last part of the path that exists decides.
    pub(super) fn offset(&self, key: &[&str]) -> Option<usize> {
        let document = DeTable::parse(&self.text).ok()?;
        let mut table = document.get_ref();
        let mut found = None;
        for name in key {
            let Some((at, value)) = table.iter().find(|(k, _)| k.get_ref() == name) else { break };
            found = Some(at.span().start);
            let DeValue::Table(inner) = value.get_ref() else { break };
            table = inner;
        }
        found
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

fn said(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        std::io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
        _ => format!("cannot be read ({error})"),
    }
}

/// Reads the file of settings.
pub(super) fn read(path: &Path) -> Result<Source, ConfigError> {
    Source::read(path).map_err(|why| ConfigError {
        place: Place::whole(path),
        what: format!(
            "{why}: name another file with --config, or make a new installation with `vouchsafe init`"
        ),
    })
}

/// The absolute folder of the file, links left as they are: that is how the operator knows it.
pub(super) fn folder_of(path: &Path) -> Result<PathBuf, ConfigError> {
    let absolute = std::path::absolute(path).map_err(|e| ConfigError {
        place: Place::whole(path),
        what: format!("the current folder is unknown ({e}): give --config an absolute path"),
    })?;
    Ok(absolute.parent().unwrap_or(Path::new("/")).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::of(Path::new("relay.toml"), "# ü\n[smtp]\nlisten = []\n\n[list.security]\naddress = \"x\"\n")
    }

    #[test]
    fn places_are_lines_and_columns_of_keys() {
        assert_eq!(source().place(&["smtp", "listen"]).to_string(), "relay.toml:3:1");
        assert_eq!(source().place(&["list", "security", "address"]).to_string(), "relay.toml:6:1");
        assert_eq!(source().place(&["list", "security"]).to_string(), "relay.toml:5:7");
        assert_eq!(
            source().place(&["list", "security", "kind"]).to_string(),
            "relay.toml:5:7",
            "the table around it"
        );
        assert_eq!(source().place(&["nothing"]).to_string(), "relay.toml");
    }

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Source::read(&dir.path().join("none")).unwrap_err(), "does not exist");
        assert_eq!(Source::read(dir.path()).unwrap_err(), "is not a file");
        std::fs::write(dir.path().join("latin"), b"\xfc").unwrap();
        assert_eq!(Source::read(&dir.path().join("latin")).unwrap_err(), "is not UTF-8 text");
    }
}
