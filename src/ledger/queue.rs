//! Copies that wait for the courier: Due → Claimed → Delivered | Deferred | Failed.

mod each;
mod outcome;
mod row;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use self::each::each;
use self::outcome::{expect_version, note, outcome, remove};
pub use self::row::{Done, Job, KEEP_FAILED, Met, Row, State};
use self::row::{Record, merged, returned_row, row, state};
pub use self::wait::Wait;
use crate::failpoint::{self, Point};
use crate::id::{BodyId, ListName, MemberId, ParcelId};
use crate::ledger::journal::{Actor, Event, Journal, Note};
use crate::ledger::record::{decode, encode, readable};
use crate::ledger::restore;
use crate::ledger::sent::SentBook;
use crate::ledger::sts::Policies;
use crate::mail::parcel::Parcel;
use crate::store::contract::{self, Batch, Expect, Lease, Space, Store, StoreError};
use crate::time::Timestamp;

/// Removes bodies that no commit named; what fails here is swept at the next start.
pub fn discard(store: &dyn Store, bodies: impl Iterator<Item = BodyId>) {
    for body in bodies {
        let mut batch = Batch::new();
        let body = contract::BodyId(*body.as_bytes());
        batch.name(body).unname(body);
        if let Err(error) = store.commit(batch) {
            tracing::warn!(%error, "a body that nobody names stays until the next start");
        }
    }
}

/// The queue of a store.
#[derive(Clone)]
pub struct Queue {
    store: Arc<dyn Store>,
    journal: Journal,
}

impl Queue {
    /// The queue in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, journal: Journal) -> Self {
        Self { store, journal }
    }

    /// The policies of the domains that copies go to, in the same store.
    #[must_use]
    pub fn policies(&self) -> Policies {
        Policies::new(Arc::clone(&self.store))
    }

    /// Puts a copy and its body, due at `at`, for tests of those who empty the queue.
    #[cfg(test)]
    pub(crate) fn enqueue_for_tests(&self, parcel: &Parcel, body: &[u8], at: Timestamp) {
        self.store.put_body(contract::BodyId(*parcel.body.as_bytes()), body).unwrap();
        let mut batch = Batch::new();
        Self::enqueue(&mut batch, parcel.clone(), at).unwrap();
        self.store.commit(batch).unwrap();
    }

    /// Adds to the batch that this copy waits from now on. Its body must have been put.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn enqueue(batch: &mut Batch, parcel: Parcel, now: Timestamp) -> Result<(), StoreError> {
        let (key, body) = (*parcel.id.as_bytes(), contract::BodyId(*parcel.body.as_bytes()));
        SentBook::expect_bounces(batch, &parcel, now)?;
        let record = Record { parcel, queued_at: now, attempts: 0, failed: false, last: None, met: None };
        batch.expect(Expect::Absent(Space::Queue, key.to_vec()));
        batch.put_due(Space::Queue, key, encode(&record)?, now.millis());
        batch.name(body);
        Ok(())
    }

    /// Claims up to `limit` copies that are due. None while a restored store waits for an admin.
    ///
    /// # Errors
    /// When the store fails.
    pub fn claim(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Job>, StoreError> {
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        if restore::waits(&*self.store)? {
            return Ok(Vec::new());
        }
        let claims = self.store.claim(Space::Queue, now.millis(), lease_ms, limit)?;
        let jobs = readable(claims.into_iter().map(|claim| {
            let record: Record = decode(&claim.entry.value)?;
            if record.failed {
                return self.forget(&record.parcel, claim.lease, now).map(|()| None);
            }
            Ok(Some(Job {
                parcel: record.parcel,
                attempts: record.attempts,
                queued_at: record.queued_at,
                met: record.met,
                lease: claim.lease,
                last: record.last,
            }))
        }))?;
        Ok(jobs.into_iter().flatten().collect())
    }

    /// When the next copy is due; nothing is while a restored store waits for an admin.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        if restore::waits(&*self.store)? {
            return Ok(None);
        }
        Ok(self.store.next_due(Space::Queue)?.map(Timestamp::from_millis))
    }

    /// Up to `max` bytes of a copy's sealed body.
    ///
    /// # Errors
    /// When the store fails.
    pub fn read_body(&self, parcel: &Parcel, offset: u64, max: usize) -> Result<Vec<u8>, StoreError> {
        self.store.read_body(contract::BodyId(*parcel.body.as_bytes()), offset, max)
    }

    /// Records what became of these attempts, in one durable commit where nobody interfered.
    ///
    /// # Errors
    /// When the store fails. Nothing was recorded then, or only a part: the same call may be made again.
    pub fn record(&self, done: &[(Job, Done)], now: Timestamp) -> Result<(), StoreError> {
        match self.record_together(done, now) {
            // Somebody withdrew one of them meanwhile: each for itself.
            Err(StoreError::Conflict(_)) => done.iter().try_for_each(|one| self.record_alone(one, now)),
            other => other,
        }
    }

    /// Makes every claim of a former process void: on one node nobody else can hold one.
    ///
    /// # Errors
    /// When the store fails.
    pub fn recover(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut recovered = 0;
        let latest = now.after(LONGEST_PAUSE).millis();
        each(&*self.store, |entry, record| {
            // A clock that was ahead when the copy was queued or deferred must not keep it waiting.
            let ahead =
                entry.due.is_some_and(|due| due > latest || (record.attempts == 0 && due > now.millis()));
            if record.failed || (entry.attempts == 0 && !ahead) {
                return Ok(());
            }
            let mut batch = Batch::new();
            expect_version(&mut batch, &entry);
            batch.put_due(Space::Queue, entry.key, encode(&record)?, now.millis());
            recovered += 1;
            self.store.commit(batch)?;
            failpoint::hit(Point::CopyRecovered);
            Ok(())
        })?;
        Ok(recovered)
    }

    /// Up to `limit` copies after the id `after`, oldest first: those that are queued, and those that came back.
    ///
    /// # Errors
    /// When the store fails.
    pub fn ls(&self, after: Option<ParcelId>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let behind = after.map(|id| id.as_bytes().to_vec());
        let page = self.store.scan(Space::Queue, b"", behind.as_deref(), limit)?;
        let queued: Result<_, StoreError> =
            page.iter().map(|entry| Ok(row(entry, decode(&entry.value)?))).collect();
        Ok(merged(queued?, self.sent().returned(after, limit)?, limit))
    }

    /// How many copies came back.
    ///
    /// # Errors
    /// When the store fails.
    pub fn bounced(&self) -> Result<usize, StoreError> {
        self.sent().count_failed()
    }

    fn sent(&self) -> SentBook {
        SentBook::new(Arc::clone(&self.store))
    }

    /// One copy.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, id: ParcelId) -> Result<Option<Row>, StoreError> {
        match self.store.get(Space::Queue, id.as_bytes())? {
            Some(entry) => Ok(Some(row(&entry, decode(&entry.value)?))),
            None => Ok(self.sent().get(id)?.map(|(sent, _)| returned_row(sent))),
        }
    }

    /// Makes a copy that waits or failed due at once. False when it is not there or is being delivered.
    ///
    /// # Errors
    /// When the store fails.
    pub fn retry(&self, id: ParcelId, now: Timestamp) -> Result<bool, StoreError> {
        again(|| self.retry_once(id, now))
    }

    fn retry_once(&self, id: ParcelId, now: Timestamp) -> Result<bool, StoreError> {
        let Some(entry) = self.store.get(Space::Queue, id.as_bytes())? else { return Ok(false) };
        let mut record: Record = decode(&entry.value)?;
        if entry.attempts > 0 && !record.failed {
            return Ok(false);
        }
        if record.failed {
            // The admin starts it anew, the days of trying included.
            (record.failed, record.queued_at) = (false, now);
        }
        let mut batch = Batch::new();
        expect_version(&mut batch, &entry);
        batch.put_due(Space::Queue, entry.key, encode(&record)?, now.millis());
        self.store.commit(batch).map(|()| true)
    }

    /// Drops a copy for good. False when it is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn drop_parcel(&self, id: ParcelId, actor: &Actor, now: Timestamp) -> Result<bool, StoreError> {
        again(|| self.drop_once(id, actor.clone(), now))
    }

    fn drop_once(&self, id: ParcelId, actor: Actor, now: Timestamp) -> Result<bool, StoreError> {
        let mut batch = Batch::new();
        let (list, member) = if let Some(entry) = self.store.get(Space::Queue, id.as_bytes())? {
            let record: Record = decode(&entry.value)?;
            expect_version(&mut batch, &entry);
            remove(&mut batch, &record.parcel);
            (record.parcel.list, record.parcel.member)
        } else if let Some((sent, entry)) = self.sent().get(id)? {
            // Only that it came back is forgotten: the copy itself left long ago.
            batch.expect(Expect::Version(Space::Sent, entry.key.clone(), entry.version));
            batch.delete(Space::Sent, entry.key);
            (sent.list, sent.member)
        } else {
            return Ok(false);
        };
        let event = Event::ParcelDropped { parcel: id, member };
        self.journal
            .commit(&batch, &[Note { list: Some(list), actor, event, reason: None }], now)
            .map(|()| true)
    }

    /// Adds to the batch that every copy for this member of this list is withdrawn, and returns what to journal. A copy
    /// in flight loses its entry too; the courier then finds its lease gone and journals that it left before. The
    /// commit conflicts when the courier was quicker: then withdraw again. What the batch takes away already stays as it is:
    /// a body must not lose a name twice.
    ///
    /// # Errors
    /// When the store fails.
    pub fn withdraw(
        &self,
        batch: &mut Batch,
        list: &ListName,
        member: &MemberId,
    ) -> Result<Vec<Note>, StoreError> {
        let mut notes = Vec::new();
        each(&*self.store, |entry, record| {
            let parcel = &record.parcel;
            // A batch that withdrew it already takes the body's name away once.
            let gone = |batch: &Batch| {
                batch.delete.iter().any(|(space, key)| *space == Space::Queue && *key == entry.key)
            };
            if parcel.list == *list && parcel.member == *member && !gone(batch) {
                expect_version(batch, &entry);
                remove(batch, parcel);
                let event = Event::Withdrawn { parcel: parcel.id, member: member.clone() };
                notes.push(note(parcel, Actor::Relay, event));
            }
            Ok(())
        })?;
        Ok(notes)
    }

    /// How many copies stand in each state: due, claimed, deferred, failed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn counts(&self) -> Result<(usize, usize, usize, usize), StoreError> {
        let (mut due, mut claimed, mut deferred, mut failed) = (0, 0, 0, 0);
        each(&*self.store, |entry, record| {
            match state(&entry, &record) {
                State::Due => due += 1,
                State::Claimed => claimed += 1,
                State::Deferred => deferred += 1,
                State::Failed => failed += 1,
                // These have left.
                State::Delayed | State::Bounced => {}
            }
            Ok(())
        })?;
        Ok((due, claimed, deferred, failed))
    }

    fn record_together(&self, done: &[(Job, Done)], now: Timestamp) -> Result<(), StoreError> {
        let (mut batch, mut notes) = (Batch::new(), Vec::new());
        for one in done {
            notes.extend(outcome(&*self.store, &mut batch, one, now)?);
        }
        self.journal.commit(&batch, &notes, now)
    }

    fn record_alone(&self, one: &(Job, Done), now: Timestamp) -> Result<(), StoreError> {
        let record = || self.record_together(std::slice::from_ref(one), now);
        match record() {
            Err(StoreError::Conflict(Space::Seen)) => record(), // told meanwhile: this look sees it
            Err(StoreError::Conflict(Space::Queue)) => match one {
                (job, Done::Delivered { .. }) => self.record_unclaimed(&job.parcel, now),
                // Whoever took it away, or has it in hands now, decides.
                _ => Ok(()),
            },
            other => other,
        }
    }

    /// Records the delivery of a copy whose lease is gone.
    fn record_unclaimed(&self, parcel: &Parcel, now: Timestamp) -> Result<(), StoreError> {
        let (id, member) = (parcel.id, parcel.member.clone());
        let mut batch = Batch::new();
        let event = match self.store.get(Space::Queue, id.as_bytes())? {
            // Its reader was removed while the copy was on its way.
            None => Event::LeftBeforeRemoval { parcel: id, member },
            // The lease ran out and somebody claimed it anew: it is delivered all the same, and not to be sent again.
            Some(entry) => {
                expect_version(&mut batch, &entry);
                remove(&mut batch, parcel);
                Event::Delivered { parcel: id, member }
            }
        };
        match self.journal.commit(&batch, &[note(parcel, Actor::Relay, event)], now) {
            // Removed or recorded by another in this very moment.
            Err(StoreError::Conflict(Space::Queue)) => Ok(()),
            other => other,
        }
    }

    /// A copy that failed long ago goes, and the journal says so.
    fn forget(&self, parcel: &Parcel, lease: Lease, now: Timestamp) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.expect(Expect::Lease(Space::Queue, parcel.id.as_bytes().to_vec(), lease));
        remove(&mut batch, parcel);
        let event = Event::ParcelDropped { parcel: parcel.id, member: parcel.member.clone() };
        match self.journal.commit(&batch, &[note(parcel, Actor::Relay, event)], now) {
            // It was retried or dropped in this very moment.
            Ok(()) | Err(StoreError::Conflict(Space::Queue)) => Ok(()),
            other => other,
        }
    }

    /// Gives claims back untried, each to be claimed again from its time on: in one durable commit where nobody
    /// interfered.
    ///
    /// # Errors
    /// When the store fails; then the leases run out by themselves.
    pub fn put_back(&self, jobs: &[(Job, Timestamp)]) -> Result<(), StoreError> {
        wait::put_back(&*self.store, jobs)
    }

    /// Makes every copy due at once of which `of` holds among those that wait; returns how many.
    ///
    /// # Errors
    /// When the store fails; a part of them may be due then.
    pub fn hurry(&self, now: Timestamp, of: impl Fn(&Wait) -> bool) -> Result<usize, StoreError> {
        wait::hurry(&*self.store, now, of)
    }

    /// When the oldest copy was queued that has neither arrived nor failed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn oldest(&self) -> Result<Option<Timestamp>, StoreError> {
        wait::oldest(&*self.store)
    }
}

/// No pause between two attempts is longer: what lies further ahead was put there by a clock that was wrong.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// How often a change is tried when the courier has the copy in hands at that moment.
const TRIES: usize = 10;

/// Reads and decides again where somebody was quicker.
fn again<T>(mut change: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 1..TRIES {
        match change() {
            Err(StoreError::Conflict(_)) => {}
            other => return other,
        }
    }
    change()
}
