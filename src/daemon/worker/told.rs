//! What the journal and the admins are told of a mail that was worked on.

use crate::id::Fingerprint;
use crate::ledger::alert::{Alert, Incident};
use crate::ledger::journal::{Actor, Event, Note};
use crate::ledger::spool::Spooled;
use crate::relay::gate::Reason;
use crate::relay::{Missing, Post};
use crate::store::contract::{Batch, StoreError};
use crate::time::Timestamp;

/// A post: how many copies were queued, and who gets none. Who gets none is an alert in the same batch.
pub(super) fn relayed(
    batch: &mut Batch,
    spooled: &Spooled,
    post: &Post,
    copies: usize,
    now: Timestamp,
) -> Result<Vec<Note>, StoreError> {
    let copies = u32::try_from(copies).unwrap_or(u32::MAX);
    let (signer, verdict) = (post.signer.clone(), post.verdict.clone());
    let mut notes = vec![note(spooled, Event::Relayed { mail: spooled.id, signer, verdict, copies })];
    for Missing { member, address, problem } in &post.missed {
        let (mail, member, problem) = (spooled.id, member.clone(), problem.clone());
        notes.push(note(
            spooled,
            Event::Missed { mail, member: member.clone(), problem: problem.to_string() },
        ));
        let incident = Incident::ReaderMissed { mail, member, recipient: address.clone(), problem };
        Alert::raise(batch, Some(&spooled.list), incident, now)?;
    }
    Ok(notes)
}

/// A mail that waits for a person: that person is to know.
pub(super) fn held(
    batch: &mut Batch,
    spooled: &Spooled,
    reason: Reason,
    signer: Option<Fingerprint>,
    now: Timestamp,
) -> Result<Note, StoreError> {
    let mail = spooled.id;
    let incident = match reason {
        Reason::Quarantined => Incident::MailQuarantined { mail },
        reason => Incident::MailHeld { mail, reason: reason.to_string() },
    };
    Alert::raise(batch, Some(&spooled.list), incident, now)?;
    Ok(note(spooled, Event::Held { mail, reason: reason.to_string(), signer }))
}

pub(super) fn note(spooled: &Spooled, event: Event) -> Note {
    Note { list: Some(spooled.list.clone()), actor: Actor::Relay, event, reason: None }
}
