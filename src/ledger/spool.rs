//! Durable arrivals, sealed: put, claim, finish. One record for each recipient list, one shared body.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failpoint::{self, Point};
use crate::id::{BodyId, Entropy, Fingerprint, ListName, SpoolId};
use crate::ledger::mark::{self, Mark};
use crate::ledger::record::{decode, encode, readable};
use crate::ledger::restore;
use crate::pgp::sealed::{AtRest, Sealed};
use crate::store::contract::{self, Batch, Expect, Lease, Space, Store, StoreError};
use crate::time::Timestamp;

/// After so many unfinished claims a mail is quarantined instead of being tried again.
pub const MAX_CLAIMS: u32 = 3;

/// A mail that could have been read for so long, and was not, is stuck: nothing waits for it any more.
const STUCK: Duration = Duration::from_secs(3600);

/// After what time a mail is tried again that could not be worked on.
pub const RETRY: Duration = Duration::from_secs(5);

/// What is due again so soon was given back to be tried again, and waits for nothing: twice [`RETRY`], since whoever gave it
/// back may have read the clock later.
const SOON: Duration = Duration::from_secs(10);

/// So much of a mail is read at once: in one piece it would be in memory twice.
const PIECE: usize = 1 << 20;

/// What is stored in the clear about a sealed arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) list: ListName,
    pub(super) body: BodyId,
    pub(super) size: u64,
    pub(super) spool_key: Fingerprint,
    /// Unfinished claims that an earlier record of this mail counted.
    pub(super) claims: u32,
    /// The reason for which it was held and that the admin waived, if one did.
    #[serde(default)]
    pub(super) waived: Option<String>,
}

/// A claimed arrival.
#[derive(Debug)]
pub struct Spooled {
    /// Its id.
    pub id: SpoolId,
    /// The list it is for.
    pub list: ListName,
    /// The size of the sealed mail in bytes.
    pub size: u64,
    /// The spool certificate it is sealed to.
    pub spool_key: Fingerprint,
    /// How often it was claimed, this time included.
    pub claims: u32,
    /// The name of the reason for which the gate had held it, where the admin waived that.
    pub waived: Option<String>,
    pub(super) body: BodyId,
    pub(super) lease: Lease,
}

/// The spool in a store.
#[derive(Clone)]
pub struct Spool {
    store: Arc<dyn Store>,
}

impl Spool {
    /// The spool in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Puts one sealed mail for these lists. When it returns the mail is durable, and only then may 250 be said.
    ///
    /// # Errors
    /// When the store fails, or no list is named; then nothing was taken.
    pub fn put(
        &self,
        sealed: &Sealed<AtRest>,
        lists: &[ListName],
        spool_key: Fingerprint,
        now: Timestamp,
        entropy: &Entropy,
    ) -> Result<SpoolId, StoreError> {
        self.put_marked(sealed, lists, spool_key, None, now, entropy)
    }

    /// The same for a mail from a place that still has it: the mark is part of the one commit.
    ///
    /// # Errors
    /// As [`Spool::put`]; a conflict when the mark was there.
    pub fn put_marked(
        &self,
        sealed: &Sealed<AtRest>,
        lists: &[ListName],
        spool_key: Fingerprint,
        mark: Option<&Mark>,
        now: Timestamp,
        entropy: &Entropy,
    ) -> Result<SpoolId, StoreError> {
        if lists.is_empty() {
            // Nobody would ever claim it: to say that it was taken would lose it.
            return Err(StoreError::Io { doing: "spool a mail", why: "it is for no list".to_owned() });
        }
        let body = BodyId::new(now, entropy);
        // RFC 5321 §4.2.5: with 250 we take the responsibility, so the body first, then its records, then the answer.
        self.store.put_body(contract::BodyId(*body.as_bytes()), sealed.as_bytes())?;
        failpoint::hit(Point::IntakeStored);
        let size = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        let mut batch = Batch::new();
        let mut first = None;
        for list in lists {
            let id = SpoolId::new(now, entropy);
            let list = list.clone();
            let record = Record { list, body, size, spool_key, claims: 0, waived: None };
            batch.expect(Expect::Absent(Space::Spool, id.as_bytes().to_vec()));
            batch.put_due(Space::Spool, *id.as_bytes(), encode(&record)?, now.millis());
            batch.name(contract::BodyId(*body.as_bytes()));
            first.get_or_insert(id);
        }
        if let Some(mark) = mark {
            mark::add(&mut batch, mark, now)?;
        }
        if let Err(error) = self.store.commit(batch) {
            // Nobody names the body; where even this fails it is swept at the next start.
            let mut orphan = Batch::new();
            orphan.name(contract::BodyId(*body.as_bytes())).unname(contract::BodyId(*body.as_bytes()));
            let _ = self.store.commit(orphan);
            return Err(error);
        }
        Ok(first.unwrap_or_else(|| SpoolId::new(now, entropy)))
    }

    /// Claims up to `limit` arrivals.
    ///
    /// None while a restored store waits for an admin.
    ///
    /// # Errors
    /// When the store fails.
    pub fn claim(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Spooled>, StoreError> {
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        if restore::waits(&*self.store)? {
            return Ok(Vec::new());
        }
        let claims = self.store.claim(Space::Spool, now.millis(), lease_ms, limit)?;
        readable(claims.into_iter().map(|claim| {
            let record: Record = decode(&claim.entry.value)?;
            Ok(Spooled {
                id: spool_id(&claim.entry.key)?,
                list: record.list,
                size: record.size,
                spool_key: record.spool_key,
                claims: record.claims.saturating_add(claim.entry.attempts),
                waived: record.waived,
                body: record.body,
                lease: claim.lease,
            })
        }))
    }

    /// The sealed mail of a claim.
    ///
    /// # Errors
    /// When the store fails, or the bytes are no longer ciphertext of ours.
    pub fn read(&self, spooled: &Spooled) -> Result<Sealed<AtRest>, StoreError> {
        let body = contract::BodyId(*spooled.body.as_bytes());
        let size = usize::try_from(spooled.size).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(size);
        loop {
            let offset = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let chunk = self.store.read_body(body, offset, PIECE)?;
            if chunk.is_empty() {
                break;
            }
            bytes.extend_from_slice(&chunk);
        }
        Sealed::<AtRest>::from_store(bytes)
            .map_err(|_| StoreError::Damaged("a spooled mail is not sealed".to_owned()))
    }

    /// Adds to the batch that this arrival is done with.
    pub fn finish(batch: &mut Batch, spooled: &Spooled) {
        let key = spooled.id.as_bytes().to_vec();
        batch.expect(Expect::Lease(Space::Spool, key.clone(), spooled.lease));
        batch.delete(Space::Spool, key);
        batch.unname(contract::BodyId(*spooled.body.as_bytes()));
    }

    /// Gives a claim back, to be claimed again from `due` on; the unfinished claims stay counted.
    ///
    /// # Errors
    /// When the store fails; then the lease runs out by itself.
    pub fn give_back(&self, spooled: &Spooled, due: Timestamp, counted: bool) -> Result<(), StoreError> {
        let key = spooled.id.as_bytes().to_vec();
        let record = Record {
            list: spooled.list.clone(),
            body: spooled.body,
            size: spooled.size,
            spool_key: spooled.spool_key,
            claims: if counted { spooled.claims } else { spooled.claims.saturating_sub(1) },
            waived: spooled.waived.clone(),
        };
        let mut batch = Batch::new();
        batch.expect(Expect::Lease(Space::Spool, key.clone(), spooled.lease));
        batch.put_due(Space::Spool, key, encode(&record)?, due.millis());
        self.store.commit(batch)
    }

    /// Makes every claim of a former process void: on one node nobody else can hold one. Counted claims stay counted. What was
    /// to be read when the daemon stopped is to be read from now on: nobody could read it meanwhile, so it is not stuck.
    ///
    /// # Errors
    /// When the store fails.
    pub fn recover(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut recovered = 0;
        self.each(|entry, mut record| {
            if entry.attempts == 0 {
                // What was given back waits on.
                let waits = entry.due.is_none_or(|due| due >= now.millis());
                return if waits { Ok(()) } else { self.is_due(entry, now) };
            }
            record.claims = record.claims.saturating_add(entry.attempts);
            let mut batch = Batch::new();
            batch.expect(Expect::Version(Space::Spool, entry.key.clone(), entry.version));
            batch.put_due(Space::Spool, entry.key, encode(&record)?, now.millis());
            recovered += 1;
            self.store.commit(batch)?;
            failpoint::hit(Point::ArrivalRecovered);
            Ok(())
        })?;
        Ok(recovered)
    }

    /// Makes the arrivals of a list (or of all) that were given back due at once: what they waited for is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn hurry(&self, list: Option<&ListName>, now: Timestamp) -> Result<(), StoreError> {
        self.each(|entry, record| {
            let waits = entry.attempts == 0 && entry.due.is_some_and(|due| due > now.millis());
            if !waits || list.is_some_and(|list| record.list != *list) {
                return Ok(());
            }
            self.is_due(entry, now)
        })
    }

    /// Adds to the batch, which lets the mail of a list (or all) be read again, that what waited for that is to be read from
    /// now on. In one commit, or the clock could come between and see nothing that waits.
    ///
    /// # Errors
    /// When the store fails.
    pub fn resume(
        &self,
        batch: &mut Batch,
        list: Option<&ListName>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.entries(|entry| {
            // Nobody claims any while a restored store waits, however long: what was due meanwhile is not stuck. That of a
            // paused list is claimed, and given back for later.
            let waits = match list {
                None => entry.attempts == 0,
                Some(list) => {
                    let of = decode::<Record>(&entry.value).is_ok_and(|record| record.list == *list);
                    of && entry.attempts == 0 && entry.due.is_some_and(|due| due > now.millis())
                }
            };
            if waits {
                batch.expect(Expect::Version(Space::Spool, entry.key.clone(), entry.version));
                batch.put_due(Space::Spool, entry.key, entry.value, now.millis());
            }
            Ok(())
        })
    }

    fn is_due(&self, entry: contract::Entry, now: Timestamp) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.expect(Expect::Version(Space::Spool, entry.key.clone(), entry.version));
        batch.put_due(Space::Spool, entry.key, entry.value, now.millis());
        match self.store.commit(batch) {
            // A worker was quicker, which is what was wanted.
            Err(StoreError::Conflict(_)) => Ok(()),
            other => other,
        }
    }

    /// How many arrivals wait, and the spool certificates they need.
    ///
    /// # Errors
    /// When the store fails.
    pub fn waiting(&self) -> Result<(usize, Vec<Fingerprint>), StoreError> {
        let mut keys = Vec::new();
        let mut count = 0;
        self.each(|_, record| {
            count += 1;
            if !keys.contains(&record.spool_key) {
                keys.push(record.spool_key);
            }
            Ok(())
        })?;
        Ok((count, keys))
    }

    /// Of each list: when the oldest mail arrived that is to be read now, is being read, or could not be and is tried again.
    /// What was given back to wait for something does not count, and neither does what nobody has read for an hour though it
    /// could be.
    ///
    /// # Errors
    /// When the store fails.
    pub fn oldest_unread(&self, now: Timestamp) -> Result<BTreeMap<ListName, Timestamp>, StoreError> {
        let mut oldest = BTreeMap::<ListName, Timestamp>::new();
        let (stuck, soon) = (now.before(STUCK).millis(), now.after(SOON).millis());
        self.entries(|entry| {
            let due = entry.due.unwrap_or_default();
            let unread = due >= stuck && (entry.attempts > 0 || due <= soon);
            // A record that cannot be read here is told by whoever claims it, and stops no clock.
            if let (true, Ok(record), Ok(id)) = (unread, decode::<Record>(&entry.value), spool_id(&entry.key))
            {
                let known = oldest.entry(record.list).or_insert_with(|| id.made_at());
                *known = id.made_at().min(*known);
            }
            Ok(())
        })?;
        Ok(oldest)
    }

    /// When the next arrival can be claimed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.store.next_due(Space::Spool)?.map(Timestamp::from_millis))
    }

    fn each(
        &self,
        mut visit: impl FnMut(contract::Entry, Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.entries(|entry| {
            let record = decode(&entry.value)?;
            visit(entry, record)
        })
    }

    fn entries(
        &self,
        mut visit: impl FnMut(contract::Entry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(Space::Spool, b"", after.as_deref(), 500)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            for entry in page {
                visit(entry)?;
            }
        }
    }
}

pub(super) fn spool_id(key: &[u8]) -> Result<SpoolId, StoreError> {
    <[u8; 16]>::try_from(key)
        .map(SpoolId::from_bytes)
        .map_err(|_| StoreError::Damaged("a spool key has the wrong length".to_owned()))
}
