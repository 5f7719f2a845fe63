//! What a finished attempt does to the store, and what the journal says of it.

use super::row::{Done, Job, KEEP_FAILED, Record, printable};
use crate::ledger::journal::{Actor, Event, Note};
use crate::ledger::record::encode;
use crate::mail::parcel::Parcel;
use crate::store::contract::{self, Batch, Entry, Expect, Space, StoreError, Version};
use crate::time::Timestamp;

/// What one finished attempt does to the store, and what the journal says of it.
pub(super) fn outcome(
    batch: &mut Batch,
    (job, done): &(Job, Done),
    now: Timestamp,
) -> Result<Option<Note>, StoreError> {
    let parcel = &job.parcel;
    expect_lease(batch, job);
    let attempts = job.attempts.saturating_add(1);
    let record = |failed: bool, reply: &str| Record {
        failed,
        attempts,
        last: Some(printable(reply)),
        ..unchanged(job)
    };
    let key = *parcel.id.as_bytes();
    match done {
        Done::Delivered { .. } => {
            remove(batch, parcel);
            let event = Event::Delivered { parcel: parcel.id, member: parcel.member.clone() };
            Ok(Some(note(parcel, Actor::Relay, event)))
        }
        Done::Deferred { reply, until } => {
            batch.put_due(Space::Queue, key, encode(&record(false, reply))?, until.millis());
            Ok(None)
        }
        Done::Failed { reply } => {
            let until = now.after(KEEP_FAILED).millis();
            batch.put_due(Space::Queue, key, encode(&record(true, reply))?, until);
            let code = reply.chars().take_while(|c| c.is_ascii_digit() || *c == '.').take(12).collect();
            let event = Event::Failed { parcel: parcel.id, member: parcel.member.clone(), code };
            Ok(Some(note(parcel, Actor::Relay, event)))
        }
    }
}

pub(super) fn unchanged(job: &Job) -> Record {
    Record {
        parcel: job.parcel.clone(),
        queued_at: job.queued_at,
        attempts: job.attempts,
        failed: false,
        last: job.last.clone(),
    }
}

pub(super) fn note(parcel: &Parcel, actor: Actor, event: Event) -> Note {
    Note { list: Some(parcel.list.clone()), actor, event }
}

pub(super) fn remove(batch: &mut Batch, parcel: &Parcel) {
    batch.delete(Space::Queue, *parcel.id.as_bytes());
    batch.unname(contract::BodyId(*parcel.body.as_bytes()));
}

pub(super) fn expect_lease(batch: &mut Batch, job: &Job) {
    batch.expect(Expect::Lease(Space::Queue, job.parcel.id.as_bytes().to_vec(), job.lease));
}

pub(super) fn expect_version(batch: &mut Batch, entry: &Entry) {
    let version: Version = entry.version;
    batch.expect(Expect::Version(Space::Queue, entry.key.clone(), version));
}
