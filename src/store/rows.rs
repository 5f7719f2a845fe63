//! How entries are laid out in an ordered table of bytes: the same for every embedded engine.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use super::contract::{Entry, Space, StoreError, Version};

/// Before the value: version, whether due, due, attempts.
const HEAD: usize = 8 + 1 + 8 + 4;

/// What a row says about its entry, beside the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: Version,
    pub(super) due: Option<i64>,
    pub(super) attempts: u32,
}

impl Head {
    /// The row of an entry.
    pub(super) fn row(self, value: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(HEAD + value.len());
        row.extend(self.version.0.to_be_bytes());
        row.push(u8::from(self.due.is_some()));
        row.extend(self.due.unwrap_or(0).to_be_bytes());
        row.extend(self.attempts.to_be_bytes());
        row.extend(value);
        row
    }

    /// Head and value of a row.
    pub(super) fn parse(row: &[u8]) -> Result<(Self, &[u8]), StoreError> {
        let parse = || {
            let (version, rest) = row.split_first_chunk::<8>()?;
            let (has_due, rest) = rest.split_first()?;
            let (due, rest) = rest.split_first_chunk::<8>()?;
            let (attempts, value) = rest.split_first_chunk::<4>()?;
            let head = Self {
                version: Version(u64::from_be_bytes(*version)),
                due: (*has_due != 0).then_some(i64::from_be_bytes(*due)),
                attempts: u32::from_be_bytes(*attempts),
            };
            Some((head, value))
        };
        parse().ok_or_else(|| StoreError::Damaged("an entry is cut short".to_owned()))
    }

    /// The entry that this head and value make.
    pub(super) fn entry(self, key: &[u8], value: &[u8]) -> Entry {
        let Self { version, due, attempts } = self;
        Entry { key: key.to_vec(), version, due, attempts, value: value.to_vec() }
    }
}

/// Where an entry stands among all entries: by space, then by key.
pub(super) fn entry_key(space: Space, key: &[u8]) -> Vec<u8> {
    let mut at = Vec::with_capacity(1 + key.len());
    at.push(space as u8);
    at.extend(key);
    at
}

/// Space and key of an [`entry_key`].
pub(super) fn parse_entry_key(at: &[u8]) -> Option<(Space, &[u8])> {
    let (space, key) = at.split_first()?;
    Some((Space::ALL.into_iter().find(|known| *known as u8 == *space)?, key))
}

/// The entries that a scan asks for.
pub(super) struct Wanted {
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
}

impl Wanted {
    /// Those whose key starts with `prefix`, after the key `after`.
    pub(super) fn new(space: Space, prefix: &[u8], after: Option<&[u8]>) -> Self {
        let after = after.filter(|after| *after >= prefix).map(|after| entry_key(space, after));
        Self { prefix: entry_key(space, prefix), after }
    }

    /// Where to begin; there is no end but the first [`entry_key`] that is none of them.
    pub(super) fn range(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.after.as_deref().map_or(Included(self.prefix.as_slice()), Excluded), Unbounded)
    }

    /// The key of an entry that stands at `at`; none when it is behind those wanted.
    pub(super) fn key<'a>(&self, at: &'a [u8]) -> Option<&'a [u8]> {
        at.split_first().filter(|_| at.starts_with(&self.prefix)).map(|(_space, key)| key)
    }
}

/// Where an entry stands among those that can be claimed: by space, then by due time, then by key.
pub(super) fn due_key(space: Space, due: i64, key: &[u8]) -> Vec<u8> {
    let mut at = Vec::with_capacity(9 + key.len());
    at.push(space as u8);
    at.extend((due.cast_unsigned() ^ SIGN).to_be_bytes());
    at.extend(key);
    at
}

/// Due time and key of a [`due_key`] of this space; `None` for another space.
pub(super) fn parse_due_key(space: Space, at: &[u8]) -> Option<(i64, &[u8])> {
    let (found, rest) = at.split_first()?;
    let (due, key) = rest.split_first_chunk::<8>()?;
    (*found == space as u8).then(|| ((u64::from_be_bytes(*due) ^ SIGN).cast_signed(), key))
}

/// Turns the order of signed numbers into that of unsigned ones.
const SIGN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back() {
        for due in [None, Some(0), Some(-1), Some(i64::MAX)] {
            let head = Head { version: Version(u64::MAX - 1), due, attempts: 7 };
            assert_eq!(Head::parse(&head.row(b"value")).unwrap(), (head, b"value".as_slice()));
        }
        assert!(matches!(Head::parse(&[0; HEAD - 1]), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn due_keys_sort_by_time() {
        let times = [i64::MIN, -5, -1, 0, 1, 255, 256, i64::MAX];
        let keys: Vec<_> = times.iter().map(|due| due_key(Space::Queue, *due, b"k")).collect();
        assert!(keys.is_sorted());
        for (key, due) in keys.iter().zip(times) {
            assert_eq!(parse_due_key(Space::Queue, key), Some((due, b"k".as_slice())));
            assert_eq!(parse_due_key(Space::Spool, key), None);
        }
    }
}
