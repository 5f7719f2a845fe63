//! Roster, certificates and the state of lists as records.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::id::{Fingerprint, ListName};
use crate::ledger::record::{decode, encode};
use crate::roster::Roster;
use crate::store::contract::{Batch, Entry, Expect, Space, Store, StoreError, Version};

const ROSTER: &[u8] = b"roster";
const CERTS: &[u8] = b"cert/";

/// The roster as read, with what a commit expects of it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The roster.
    pub roster: Arc<Roster>,
    version: Option<Version>,
}

impl Read {
    /// What a batch expects so that nobody changed the roster since it was read.
    #[must_use]
    pub fn unchanged(&self) -> Expect {
        match self.version {
            Some(version) => Expect::Version(Space::Registry, ROSTER.to_vec(), version),
            None => Expect::Absent(Space::Registry, ROSTER.to_vec()),
        }
    }
}

/// A certificate as it is kept.
pub struct Pinned {
    /// Whose.
    pub fingerprint: Fingerprint,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The record's version.
    pub version: Version,
}

/// Switches of one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// Whether it takes mail but relays none.
    pub paused: bool,
}

/// Roster, certificates and list states in a store. Its clones share what was read.
#[derive(Clone)]
pub struct Registry {
    store: Arc<dyn Store>,
    /// The roster that was read last: it is asked for with every mail and by the clock, and seldom changes.
    last: Arc<Mutex<Option<Read>>>,
}

impl Registry {
    /// The registry in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, last: Arc::default() }
    }

    /// The roster as it stands. A version of a record is never used twice, so that one decoded before is the same.
    ///
    /// # Errors
    /// When the store fails.
    pub fn roster(&self) -> Result<Read, StoreError> {
        let Some(entry) = self.store.get(Space::Registry, ROSTER)? else {
            return Ok(Read { roster: Arc::default(), version: None });
        };
        let version = Some(entry.version);
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = last().as_ref().filter(|read| read.version == version) {
            return Ok(read.clone());
        }
        let read = Read { roster: Arc::new(decode(&entry.value)?), version };
        *last() = Some(read.clone());
        Ok(read)
    }

    /// Adds to the batch that the roster becomes `new`, if nobody changed it since `read`.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn set_roster(batch: &mut Batch, read: &Read, new: &Roster) -> Result<(), StoreError> {
        batch.expect(read.unchanged());
        batch.put(Space::Registry, ROSTER, encode(new)?);
        Ok(())
    }

    /// The bytes of a pinned certificate.
    ///
    /// # Errors
    /// When the store fails.
    pub fn cert(&self, fingerprint: Fingerprint) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        let entry = self.store.get(Space::Registry, &cert_key(fingerprint))?;
        Ok(entry.map(|e| (e.value, e.version)))
    }

    /// The bytes of up to `limit` pinned certificates behind `after`, in one look at the store.
    ///
    /// # Errors
    /// When the store fails.
    pub fn certs(&self, after: Option<Fingerprint>, limit: usize) -> Result<Vec<Pinned>, StoreError> {
        let after = after.map(cert_key);
        let entries = self.store.scan(Space::Registry, CERTS, after.as_deref(), limit)?;
        let pinned = |entry: Entry| {
            let name = entry.key.strip_prefix(CERTS).and_then(|name| std::str::from_utf8(name).ok());
            let fingerprint = name.and_then(|name| name.parse().ok());
            let fingerprint = fingerprint
                .ok_or_else(|| StoreError::Damaged("a certificate has no fingerprint".to_owned()))?;
            Ok(Pinned { fingerprint, bytes: entry.value, version: entry.version })
        };
        entries.into_iter().map(pinned).collect()
    }

    /// Adds to the batch that these are the bytes of a certificate.
    pub fn set_cert(batch: &mut Batch, fingerprint: Fingerprint, bytes: Vec<u8>) {
        batch.put(Space::Registry, cert_key(fingerprint), bytes);
    }

    /// The same for a certificate that nobody has pinned yet.
    pub fn new_cert(batch: &mut Batch, fingerprint: Fingerprint, bytes: Vec<u8>) {
        batch.expect(Expect::Absent(Space::Registry, cert_key(fingerprint)));
        Self::set_cert(batch, fingerprint, bytes);
    }

    /// Adds to the batch that a certificate is kept no longer.
    pub fn forget_cert(batch: &mut Batch, fingerprint: Fingerprint) {
        batch.delete(Space::Registry, cert_key(fingerprint));
    }

    /// Adds to the batch that these are the bytes of a certificate, if it stands as it was read.
    pub fn put_cert(batch: &mut Batch, fingerprint: Fingerprint, as_read: Option<Version>, bytes: Vec<u8>) {
        let key = cert_key(fingerprint);
        batch.expect(match as_read {
            Some(version) => Expect::Version(Space::Registry, key.clone(), version),
            None => Expect::Absent(Space::Registry, key.clone()),
        });
        batch.put(Space::Registry, key, bytes);
    }

    /// The switches of a list.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list_state(&self, list: &ListName) -> Result<ListState, StoreError> {
        Ok(self.list_switches(list)?.0)
    }

    /// The switches of a list, and what a batch expects so that nobody moved them since.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list_switches(&self, list: &ListName) -> Result<(ListState, Expect), StoreError> {
        let key = list_key(list);
        match self.store.get(Space::Registry, &key)? {
            Some(entry) => Ok((decode(&entry.value)?, Expect::Version(Space::Registry, key, entry.version))),
            None => Ok((ListState::default(), Expect::Absent(Space::Registry, key))),
        }
    }

    /// The key of a list (`None`: the spool's newest) that the journal knows.
    ///
    /// # Errors
    /// When the store fails.
    pub fn known_key(&self, list: Option<&ListName>) -> Result<Option<Fingerprint>, StoreError> {
        let entry = self.store.get(Space::Registry, &known_key(list))?;
        entry.map(|entry| decode(&entry.value)).transpose()
    }

    /// Adds to the batch that the journal knows this key, for the commit that tells it.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn set_known_key(
        batch: &mut Batch,
        list: Option<&ListName>,
        key: Fingerprint,
    ) -> Result<(), StoreError> {
        batch.put(Space::Registry, known_key(list), encode(&key)?);
        Ok(())
    }

    /// Adds to the batch that copies of a list were queued: whoever withdraws a member's copies at the same moment
    /// sees by [`Registry::nothing_queued`] that there are more than it found.
    pub fn mark_queued(batch: &mut Batch, list: &ListName) {
        batch.put(Space::Registry, queued_key(list), Vec::new());
    }

    /// What a batch expects so that no copy of this list was queued since now.
    ///
    /// # Errors
    /// When the store fails.
    pub fn nothing_queued(&self, list: &ListName) -> Result<Expect, StoreError> {
        let key = queued_key(list);
        Ok(match self.store.get(Space::Registry, &key)? {
            Some(entry) => Expect::Version(Space::Registry, key, entry.version),
            None => Expect::Absent(Space::Registry, key),
        })
    }

    /// Adds to the batch that a list's switches stand so.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn set_list_state(batch: &mut Batch, list: &ListName, state: ListState) -> Result<(), StoreError> {
        batch.put(Space::Registry, list_key(list), encode(&state)?);
        Ok(())
    }
}

fn cert_key(fingerprint: Fingerprint) -> Vec<u8> {
    [CERTS, fingerprint.to_string().as_bytes()].concat()
}

fn queued_key(list: &ListName) -> Vec<u8> {
    format!("queued/{list}").into_bytes()
}

fn known_key(list: Option<&ListName>) -> Vec<u8> {
    // A list name is never empty, so the spool's cannot meet a list's.
    format!("key/{}", list.map_or("", ListName::as_str)).into_bytes()
}

fn list_key(list: &ListName) -> Vec<u8> {
    format!("list/{list}").into_bytes()
}
