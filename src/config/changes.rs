//! What differs between two readings of the settings, key by key, whatever sections there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::source::Source;
use crate::id::ListName;
use crate::policy::TextHash;

/// A file that settings name is looked into as far as this; certificates and policies are smaller.
const MAX_FILE: u64 = 1024 * 1024;

/// The settings as they were read: each key with its value, and with a digest of the file that the value names.
/// It has no `Debug`: a value may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<Key, Read>);

/// A table and a key in it: `list.security` and `name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    table: String,
    name: String,
}

#[derive(Clone, PartialEq, Eq)]
struct Read {
    value: String,
    file: Option<[u8; 32]>,
}

/// One difference. Shown as `[smtp] tls_cert`, never with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table, without brackets: `list.security`.
    pub table: String,
    /// The key in it; `None` for the table as a whole.
    pub key: Option<String>,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Changed,
    /// The value is the same, and the file that it names is another.
    File,
    Added,
    Removed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.table)?;
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        match (self.how, &self.key) {
            (How::File, _) => write!(f, " (its file)"),
            (How::Added, None) => write!(f, " (new)"),
            (How::Removed, None) => write!(f, " (gone)"),
            _ => Ok(()),
        }
    }
}

impl Snapshot {
    /// The settings of this text; files count from `folder`.
    pub(super) fn of(source: &Source, folder: &Path) -> Self {
        let mut keys = BTreeMap::new();
        // It was read as settings before, so it is a table.
        let document: Table = source.parse().unwrap_or_default();
        flatten("", &document, &mut |table, name, value| {
            let file = digest(folder, table, value);
            let key = Key { table: table.to_owned(), name: name.to_owned() };
            keys.insert(key, Read { value: value.to_string(), file });
        });
        Self(keys)
    }

    /// The same with the texts that lists' policies name: they stand beside the policy, and no setting names them.
    pub(super) fn and_terms(mut self, terms: impl Iterator<Item = (ListName, TextHash)>) -> Self {
        for (list, hash) in terms {
            let key = Key { table: format!("list.{list}"), name: "terms".to_owned() };
            let file = Some(Sha256::digest(hash.to_string()).into());
            self.0.insert(key, Read { value: String::new(), file });
        }
        self
    }

    /// What is different in `newer`. A table that has come or gone is one change.
    #[must_use]
    pub fn changes(&self, newer: &Self) -> Vec<Change> {
        let (before, after) = (self.tables(), newer.tables());
        let mut found: Vec<Change> = Vec::new();
        for key in self.0.keys().chain(newer.0.keys()).collect::<BTreeSet<_>>() {
            let whole = |how| Change { table: key.table.clone(), key: None, how };
            let part = |how| Change { key: Some(key.name.clone()), ..whole(how) };
            let change = match (self.0.get(key), newer.0.get(key)) {
                (Some(old), Some(new)) if old == new => continue,
                (Some(old), Some(new)) if old.value == new.value => part(How::File),
                (Some(_), Some(_)) => part(How::Changed),
                (None, _) if !before.contains(key.table.as_str()) => whole(How::Added),
                (_, None) if !after.contains(key.table.as_str()) => whole(How::Removed),
                (None, _) => part(How::Added),
                (_, None) => part(How::Removed),
            };
            if !found.contains(&change) {
                found.push(change);
            }
        }
        found
    }

    fn tables(&self) -> BTreeSet<&str> {
        self.0.keys().map(|key| key.table.as_str()).collect()
    }
}

/// Visits each value that is no table, with the table that it stands in.
fn flatten(table: &str, entries: &Table, visit: &mut impl FnMut(&str, &str, &Value)) {
    for (name, value) in entries {
        match value {
            Value::Table(inner) => {
                let below = if table.is_empty() { name.clone() } else { format!("{table}.{name}") };
                flatten(&below, inner, visit);
            }
            value => visit(table, name, value),
        }
    }
}

/// The digest of the file that a value names, or of all of them where it is an array. Passphrases are left alone: a digest
/// of something short tells it.
fn digest(folder: &Path, table: &str, value: &Value) -> Option<[u8; 32]> {
    let within = match value {
        Value::Array(values) => values.iter().filter_map(|value| digest(folder, table, value)).collect(),
        Value::Table(values) => values.values().filter_map(|value| digest(folder, table, value)).collect(),
        _ => Vec::new(),
    };
    if !within.is_empty() {
        return Some(Sha256::digest(within.concat()).into());
    }
    let path = folder.join(value.as_str().filter(|_| table != "keys")?);
    let meta = std::fs::metadata(&path).ok().filter(|meta| meta.is_file() && meta.len() <= MAX_FILE)?;
    // Nothing reads a socket or a device here, and an empty file is none that a setting needs.
    let bytes = (meta.len() > 0).then(|| std::fs::read(&path).ok()).flatten()?;
    Some(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const BASE: &str = "[smtp]\nlisten = [\"127.0.0.1:0\"]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n\
                        [list.security]\naddress = \"security@lists.example\"\nkind = \"intake\"\n";

    fn read(folder: &Path, text: &str) -> Snapshot {
        let file = folder.join("relay.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(&file).unwrap().snapshot()
    }

    fn told(before: &Snapshot, after: &Snapshot) -> Vec<String> {
        before.changes(after).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_difference_is_named_once_and_without_its_value() {
        let dir = tempfile::tempdir().unwrap();
        let before = read(dir.path(), BASE);
        assert_eq!(told(&before, &read(dir.path(), BASE)), Vec::<String>::new());
        let text = BASE.replace("127.0.0.1:0", "127.0.0.1:2525").replace("kind", "name = \"S\"\nkind")
            + "[list.news]\naddress = \"news@lists.example\"\nkind = \"discuss\"\n[limits]\nmax_message = 1000\n";
        let after = read(dir.path(), &text);
        let expected = ["[limits] (new)", "[list.news] (new)", "[list.security] name", "[smtp] listen"];
        assert_eq!(told(&before, &after), expected);
        assert!(told(&after, &before).contains(&"[list.news] (gone)".to_owned()));
    }

    #[test]
    fn a_file_with_another_content_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cert.pem"), "one").unwrap();
        let before = read(dir.path(), BASE);
        std::fs::write(dir.path().join("cert.pem"), "another").unwrap();
        assert_eq!(told(&before, &read(dir.path(), BASE)), ["[smtp] tls_cert (its file)"]);
    }
}
