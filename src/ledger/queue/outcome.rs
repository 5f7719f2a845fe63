//! What a finished attempt does to the store, and what the journal says of it.

use super::row::{Done, Job, KEEP_FAILED, Record, printable};
use crate::ledger::alert::{Alert, Incident};
use crate::ledger::journal::{Actor, Event, Note};
use crate::ledger::record::encode;
use crate::mail::parcel::{Carries, Parcel};
use crate::store::contract::{self, Batch, Entry, Expect, Space, Store, StoreError, Version};
use crate::time::Timestamp;

/// What one finished attempt does to the store, and what the journal says of it.
pub(super) fn outcome(
    store: &dyn Store,
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
            alarm(store, batch, parcel, (codes(reply), false), now)?;
            let event = Event::Failed { parcel: parcel.id, member: parcel.member.clone(), code: code(reply) };
            Ok(Some(note(parcel, Actor::Relay, event)))
        }
        Done::Expired { after, reply } => {
            let until = now.after(KEEP_FAILED).millis();
            let said = format!("gave up after {after}; last: {reply}");
            batch.put_due(Space::Queue, key, encode(&record(true, &said))?, until);
            alarm(store, batch, parcel, (codes(reply), true), now)?;
            let event =
                Event::Expired { parcel: parcel.id, member: parcel.member.clone(), code: code(reply) };
            Ok(Some(note(parcel, Actor::Relay, event)))
        }
    }
}

/// A post that does not arrive is told to the admins, and once a day whom letters do not reach; a notice to them is not.
fn alarm(
    store: &dyn Store,
    batch: &mut Batch,
    parcel: &Parcel,
    (code, expired): (String, bool),
    now: Timestamp,
) -> Result<(), StoreError> {
    match parcel.carries {
        Carries::Post => {}
        Carries::Letter => {
            let to = (&parcel.list, &parcel.member, &parcel.recipient);
            return Alert::letter_lost(store, batch, to, now);
        }
        Carries::Notice => return Ok(()),
    }
    let (id, member, recipient) = (parcel.id, parcel.member.clone(), parcel.recipient.clone());
    let incident = if expired {
        Incident::CopyExpired { parcel: id, member, recipient, code }
    } else {
        Incident::CopyFailed { parcel: id, member, recipient, code }
    };
    Alert::raise(batch, Some(&parcel.list), incident, now)
}

/// The code of a reply and its enhanced status (RFC 3463 §2), and nothing else of it: what follows is the next hop's
/// prose. Empty where the text is our own, without a reply.
fn codes(reply: &str) -> String {
    let mut words = reply.split([' ', '-']);
    let code = words.next().filter(|w| w.len() == 3 && w.bytes().all(|b| b.is_ascii_digit()));
    let Some(code) = code else { return String::new() };
    let is_status = |w: &&str| {
        w.split('.').count() == 3
            && w.split('.').all(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    };
    match words.next().filter(is_status) {
        Some(status) => format!("{code} {status}"),
        None => code.to_owned(),
    }
}

/// The code that a reply begins with; nothing where the words are ours.
fn code(reply: &str) -> String {
    reply.chars().take_while(|c| c.is_ascii_digit() || *c == '.').take(12).collect()
}

pub(super) fn unchanged(job: &Job) -> Record {
    Record {
        parcel: job.parcel.clone(),
        queued_at: job.queued_at,
        attempts: job.attempts,
        failed: false,
        last: job.last.clone(),
        met: job.met.clone(),
    }
}

pub(super) fn note(parcel: &Parcel, actor: Actor, event: Event) -> Note {
    Note { list: Some(parcel.list.clone()), actor, event, reason: None }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_has_the_codes_of_a_reply_and_none_of_its_prose() {
        for (reply, wanted) in [
            ("550 5.1.1 <ada@example.org>: no such user", "550 5.1.1"),
            ("550-5.7.26 This mail", "550 5.7.26"),
            ("554 no", "554"),
            ("550 5.1.1234 odd", "550"),
            ("gave up after 5d; last: the connection was refused", ""),
            ("the name does not exist", ""),
            ("5500 what", ""),
        ] {
            assert_eq!(codes(reply), wanted, "{reply}");
        }
    }
}
