//! The journal: who did what, append-only and hash-chained for each list. Metadata only, people by opaque id.

mod event;

use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::event::{Actor, Event, Note};
use crate::id::ListName;
use crate::ledger::record::{decode, encode};
use crate::store::contract::{Batch, Entry, Expect, Space, Store, StoreError, Version};
use crate::time::Timestamp;

/// In front of the keys of heads.
const HEADS: &[u8] = b"journal/";
/// How often a commit is tried again when another node appended first.
const TRIES: usize = 200;

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its place, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub event: Event,
    /// Why, where somebody said so beside the event itself.
    pub reason: Option<String>,
    /// SHA-256 over the link before and this one's bytes.
    pub hash: [u8; 32],
}

#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    #[serde(with = "serde_bytes")]
    hash: Vec<u8>,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    list: Option<ListName>,
    seq: u64,
    at: Timestamp,
    actor: Actor,
    event: Event,
    // Left out where there is none: an entry without a reason has the bytes, and the hash, that it always had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many links there are.
    pub seq: u64,
    /// The last link's hash; zeros for an empty chain.
    pub hash: [u8; 32],
}

impl Head {
    /// That of an empty chain.
    pub const EMPTY: Self = Self { seq: 0, hash: [0; 32] };

    /// The hash as people see it.
    #[must_use]
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.hash)
    }
}

/// A part of a chain that is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it ends.
    pub at: Head,
    /// How many links were checked.
    pub links: usize,
    /// Whether the chain ends there too.
    pub whole: bool,
    /// Whether the head that somebody kept is in it; true when none was given.
    pub kept_seen: bool,
}

/// What is wrong with a chain.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A link is missing or at the wrong place.
    #[error("entry {0} is missing")]
    Missing(u64),
    /// A link was changed.
    #[error("entry {0} was changed: its hash does not follow from the entries before it")]
    Changed(u64),
    /// The chain is shorter or longer than its head says.
    #[error("the chain ends at entry {found}, its head says {head}")]
    Cut {
        /// The last link found.
        found: u64,
        /// The last link that there should be.
        head: u64,
    },
    /// The expected head is nowhere in the chain.
    #[error("no entry has that hash: the chain is not the one whose head you hold, or its tail was cut")]
    HeadUnknown,
}

/// The journal of a store, and the one way to commit with entries.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn Store>,
    turn: Arc<Mutex<()>>,
}

impl Journal {
    /// The journal in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, turn: Arc::new(Mutex::new(())) }
    }

    /// Commits `batch` together with these entries: both or neither.
    ///
    /// # Errors
    /// As [`Store::commit`]; a lost race for the end of a chain is tried again.
    pub fn commit(&self, batch: &Batch, notes: &[Note], now: Timestamp) -> Result<(), StoreError> {
        // Within one process appends take turns; between nodes the heads' versions decide.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tries = 0;
        loop {
            let mut whole = batch.clone();
            self.append(&mut whole, notes, now)?;
            match self.store.commit(whole) {
                Err(StoreError::Conflict(Space::Meta)) if tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    fn append(&self, batch: &mut Batch, notes: &[Note], now: Timestamp) -> Result<(), StoreError> {
        let mut chains: Vec<Option<ListName>> = notes.iter().map(|n| n.list.clone()).collect();
        chains.sort();
        chains.dedup();
        for chain in chains {
            let (mut head, version) = self.head_entry(chain.as_ref())?;
            let key = head_key(chain.as_ref());
            batch.expect(match version {
                Some(version) => Expect::Version(Space::Meta, key.clone(), version),
                None => Expect::Absent(Space::Meta, key.clone()),
            });
            for note in notes.iter().filter(|n| n.list == chain) {
                let (seq, list) = (head.seq + 1, chain.clone());
                let Note { actor, event, reason, .. } = note.clone();
                let payload = encode(&Payload { list, seq, at: now, actor, event, reason })?;
                head = Head { seq, hash: link_hash(&head.hash, &payload) };
                let link = encode(&Stored { hash: head.hash.to_vec(), payload })?;
                batch.put(Space::Journal, link_key(chain.as_ref(), seq), link);
            }
            batch.put(Space::Meta, key, encode(&head)?);
        }
        Ok(())
    }

    /// The end of a list's chain (`None`: the relay's own).
    ///
    /// # Errors
    /// When the store fails.
    pub fn head(&self, list: Option<&ListName>) -> Result<Head, StoreError> {
        Ok(self.head_entry(list)?.0)
    }

    /// The lists that have a chain, also those that the settings have no more.
    ///
    /// # Errors
    /// When the store fails.
    pub fn chains(&self) -> Result<Vec<ListName>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.store.scan(Space::Meta, HEADS, after.as_deref(), 1000)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.key.clone());
            let name = |entry: &Entry| {
                let name = entry.key.strip_prefix(HEADS)?.strip_suffix(&[0])?;
                std::str::from_utf8(name).ok()?.parse().ok()
            };
            found.extend(page.iter().filter_map(name));
        }
    }

    fn head_entry(&self, list: Option<&ListName>) -> Result<(Head, Option<Version>), StoreError> {
        match self.store.get(Space::Meta, &head_key(list))? {
            Some(entry) => Ok((decode(&entry.value)?, Some(entry.version))),
            None => Ok((Head::EMPTY, None)),
        }
    }

    /// Up to `limit` links of a chain after the link `after` (0: from the start).
    ///
    /// # Errors
    /// When the store fails.
    pub fn links(&self, list: Option<&ListName>, after: u64, limit: usize) -> Result<Vec<Link>, StoreError> {
        self.entries(list, after, limit)?.iter().map(link).collect()
    }

    /// Checks a whole chain against its head and, where one is given, against a head that somebody kept elsewhere.
    ///
    /// # Errors
    /// When the store fails. What is wrong with the chain is the inner result.
    pub fn verify(
        &self,
        list: Option<&ListName>,
        kept: Option<[u8; 32]>,
    ) -> Result<Result<Head, Broken>, StoreError> {
        let found = self.verify_part(list, Head::EMPTY, kept, usize::MAX)?;
        Ok(found.and_then(|part| if part.kept_seen { Ok(part.at) } else { Err(Broken::HeadUnknown) }))
    }

    /// Checks the links behind `from`, which is taken to be sound, at most `most` of them.
    ///
    /// # Errors
    /// When the store fails. What is wrong with the chain is the inner result.
    pub fn verify_part(
        &self,
        list: Option<&ListName>,
        from: Head,
        kept: Option<[u8; 32]>,
        most: usize,
    ) -> Result<Result<Part, Broken>, StoreError> {
        let (mut at, mut links) = (from, 0);
        let mut kept_seen = kept.is_none_or(|kept| kept == at.hash);
        while links < most {
            // Read before the links, and each commit writes both: links that are missing then have been taken away.
            let end = self.head(list)?;
            let entries = self.entries(list, at.seq, 1000.min(most - links))?;
            if entries.is_empty() {
                return Ok(if at.seq != end.seq {
                    Err(Broken::Cut { found: at.seq, head: end.seq })
                } else if at.hash != end.hash {
                    Err(Broken::Changed(at.seq))
                } else {
                    Ok(Part { at, links, whole: true, kept_seen })
                });
            }
            for entry in entries {
                match follow(&at, list, &entry)? {
                    Ok(next) => at = next,
                    Err(broken) => return Ok(Err(broken)),
                }
                links += 1;
                kept_seen |= kept == Some(at.hash);
            }
        }
        Ok(Ok(Part { at, links, whole: false, kept_seen }))
    }

    fn entries(&self, list: Option<&ListName>, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let after = link_key(list, after);
        self.store.scan(Space::Journal, &chain_key(list), Some(&after), limit)
    }
}

/// The head of the chain with this entry behind `at`, or what is wrong with the entry.
fn follow(at: &Head, list: Option<&ListName>, entry: &Entry) -> Result<Result<Head, Broken>, StoreError> {
    let seq = at.seq + 1;
    let read = decode::<Stored>(&entry.value).and_then(|s| Ok((decode::<Payload>(&s.payload)?, s)));
    let (payload, stored) = match read {
        Ok(read) => read,
        // Not changed, but from a later release.
        Err(error @ StoreError::TooNew { .. }) => return Err(error),
        Err(_) => return Ok(Err(Broken::Changed(seq))),
    };
    let hash = link_hash(&at.hash, &stored.payload);
    Ok(if payload.seq != seq || entry.key != link_key(list, seq) {
        Err(Broken::Missing(seq))
    } else if stored.hash != hash || payload.list.as_ref() != list {
        Err(Broken::Changed(seq))
    } else {
        Ok(Head { seq, hash })
    })
}

fn link(entry: &Entry) -> Result<Link, StoreError> {
    let stored: Stored = decode(&entry.value)?;
    let payload: Payload = decode(&stored.payload)?;
    let hash = <[u8; 32]>::try_from(stored.hash.as_slice())
        .map_err(|_| StoreError::Damaged("a journal hash has the wrong length".to_owned()))?;
    let Payload { seq, at, actor, event, reason, .. } = payload;
    Ok(Link { seq, at, actor, event, reason, hash })
}

fn link_hash(before: &[u8; 32], payload: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(before).chain_update(payload).finalize().into()
}

fn chain_key(list: Option<&ListName>) -> Vec<u8> {
    // A list name is never empty, so the relay's own chain cannot meet a list's.
    let mut key = list.map_or(Vec::new(), |l| l.as_str().as_bytes().to_vec());
    key.push(0);
    key
}

fn link_key(list: Option<&ListName>, seq: u64) -> Vec<u8> {
    let mut key = chain_key(list);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

fn head_key(list: Option<&ListName>) -> Vec<u8> {
    let mut key = HEADS.to_vec();
    key.extend_from_slice(&chain_key(list));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry as it was before there were reasons.
    #[derive(Serialize, Deserialize)]
    struct Former {
        list: Option<ListName>,
        seq: u64,
        at: Timestamp,
        actor: Actor,
        event: Event,
    }

    #[test]
    fn an_entry_without_a_reason_has_the_bytes_that_it_always_had() {
        let (list, at) = (Some("distrib".parse::<ListName>().unwrap()), Timestamp::from_secs(1_790_000_000));
        let (actor, event) = (Actor::Admin(1000), Event::Paused { paused: true });
        let former = Former { list: list.clone(), seq: 7, at, actor: actor.clone(), event: event.clone() };
        let former = encode(&former).unwrap();
        let now = |reason| {
            let (list, actor, event) = (list.clone(), actor.clone(), event.clone());
            encode(&Payload { list, seq: 7, at, actor, event, reason }).unwrap()
        };
        assert_eq!(now(None), former);
        assert_eq!(link_hash(&[0; 32], &now(None)), link_hash(&[0; 32], &former));
        assert_eq!(decode::<Payload>(&former).unwrap().reason, None);
        let said = now(Some("asked by phone".to_owned()));
        assert_ne!(link_hash(&[0; 32], &said), link_hash(&[0; 32], &former), "the hash covers the reason");
        assert_eq!(decode::<Payload>(&said).unwrap().reason.as_deref(), Some("asked by phone"));
    }
}
