//! What the admins have to be told and have not been told yet. An alert becomes durable in the batch of the change that
//! caused it, and leaves the store in the commit that queues the notice about it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{ListName, MemberId};
use crate::ledger::limit::Limit;
use crate::ledger::record::{decode, encode};
use crate::mail::address::Address;
pub use crate::mail::incident::Incident;
use crate::store::contract::{Batch, Entry, Expect, Space, Store, StoreError, Version};
use crate::time::Timestamp;

/// In front of the keys of alerts that wait.
const WAITING: u8 = b'a';
/// In front of the keys that say when a list's admins were told last.
const TOLD: u8 = b't';

/// Something that the admins of a list have to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The list it is about; `None`: the relay as a whole.
    pub list: Option<ListName>,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub incident: Incident,
}

/// How often of all persons of a list together: strangers get letters as well, and their keys and addresses cost nothing.
const LOST_IN_ALL: Limit = Limit { name: "letters-lost", most: 50, span: LOST.span };

impl Alert {
    /// Adds an alert to the batch of the change that causes it. The same incident at the same moment is one alert.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn raise(
        batch: &mut Batch,
        list: Option<&ListName>,
        incident: Incident,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let record = encode(&Self { list: list.cloned(), at: now, incident })?;
        let mut key = of_list(WAITING, list);
        // Behind the time the digest: a key needs no randomness, and a batch that is tried again writes the same one.
        key.extend(now.millis().max(0).to_be_bytes());
        key.extend(Sha256::digest(&record).iter().take(16));
        batch.put(Space::Alert, key, record);
        Ok(())
    }
}

/// How often the admins are told of one person whom letters do not reach.
const LOST: Limit = Limit { name: "letter-lost", most: 1, span: Duration::from_secs(24 * 3600) };

impl Alert {
    /// Adds to the batch that a letter of the relay itself did not reach somebody, if that was not told in the last day.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn letter_lost(
        store: &dyn Store,
        batch: &mut Batch,
        (list, member, recipient): (&ListName, &MemberId, &Address),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !LOST.take(store, batch, (list, member), now)?
            || !LOST_IN_ALL.take_for_strangers(store, batch, list, now)?
        {
            return Ok(());
        }
        tracing::warn!(%list, %member, "a letter of the relay did not arrive");
        let incident = Incident::LetterLost { member: member.clone(), recipient: recipient.clone() };
        Self::raise(batch, Some(list), incident, now)
    }
}

/// An alert that waits, with what a commit expects of it.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The alert.
    pub alert: Alert,
    key: Vec<u8>,
    version: Version,
}

/// When a list's admins were told last, as read.
#[derive(Clone, Debug)]
pub struct Told {
    /// When; `None`: never.
    pub at: Option<Timestamp>,
    as_read: Expect,
}

/// The alerts of a store.
#[derive(Clone)]
pub struct Alerts {
    store: Arc<dyn Store>,
}

impl Alerts {
    /// The alerts in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The lists that alerts wait for (`None`: the relay as a whole), each with the time of its oldest.
    ///
    /// # Errors
    /// When the store fails.
    pub fn lists(&self) -> Result<Vec<(Option<ListName>, Timestamp)>, StoreError> {
        let mut lists = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(Space::Alert, &[WAITING], after.as_deref(), 1)?;
            let Some(first) = page.first() else { return Ok(lists) };
            let alert: Alert = decode(&first.value)?;
            // Behind every alert of this list.
            let mut end = of_list(WAITING, alert.list.as_ref());
            end.extend([u8::MAX; 8]);
            after = Some(end);
            lists.push((alert.list, alert.at));
        }
    }

    /// The list's alerts that wait, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn waiting(&self, list: Option<&ListName>, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let page = self.store.scan(Space::Alert, &of_list(WAITING, list), None, limit)?;
        let waiting = |entry: Entry| {
            Ok(Waiting { alert: decode(&entry.value)?, key: entry.key, version: entry.version })
        };
        page.into_iter().map(waiting).collect()
    }

    /// How many alerts wait, of all lists; counted up to `limit`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn count(&self, limit: usize) -> Result<usize, StoreError> {
        Ok(self.store.scan(Space::Alert, &[WAITING], None, limit)?.len())
    }

    /// When this list's admins were told last.
    ///
    /// # Errors
    /// When the store fails.
    pub fn told(&self, list: Option<&ListName>) -> Result<Told, StoreError> {
        let key = of_list(TOLD, list);
        Ok(match self.store.get(Space::Alert, &key)? {
            Some(entry) => Told {
                at: Some(decode(&entry.value)?),
                as_read: Expect::Version(Space::Alert, key, entry.version),
            },
            None => Told { at: None, as_read: Expect::Absent(Space::Alert, key) },
        })
    }

    /// Adds to the batch that these alerts are told now: they leave. Whoever did the same since they were read wins.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn tell(
        batch: &mut Batch,
        list: Option<&ListName>,
        told: &Told,
        alerts: &[Waiting],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        batch.expect(told.as_read.clone());
        batch.put(Space::Alert, of_list(TOLD, list), encode(&now)?);
        Self::forget(batch, alerts);
        Ok(())
    }

    /// Adds to the batch that these alerts leave without a word.
    pub fn forget(batch: &mut Batch, alerts: &[Waiting]) {
        for waiting in alerts {
            batch.expect(Expect::Version(Space::Alert, waiting.key.clone(), waiting.version));
            batch.delete(Space::Alert, waiting.key.clone());
        }
    }
}

fn of_list(what: u8, list: Option<&ListName>) -> Vec<u8> {
    // A list name is never empty, so the relay's own cannot meet a list's.
    let name = list.map_or("", ListName::as_str);
    [&[what], name.as_bytes(), &[0]].concat()
}
