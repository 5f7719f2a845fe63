//! THE STORY: what happens to one mail, in one function without I/O. Bytes and state in, what shall change out.

pub mod again;
pub mod answers;
pub mod applicant;
pub mod author;
pub mod automatic;
pub mod bounce;
pub mod command;
pub mod compose;
mod copies;
pub mod gate;
pub mod letter;
pub mod letters;
pub mod loops;
pub mod meant;
pub mod note;
pub mod notice;
pub mod proof;
pub mod request;
pub mod world;

use std::sync::Arc;
use std::vec::IntoIter;

use crate::id::{Entropy, Fingerprint, MemberId, Token};
use crate::mail::address::Address;
use crate::mail::arrival::{Arrival, NotAnArrival};
use crate::mail::directory::Purpose;
use crate::mail::parcel::Head;
use crate::mail::tags::Tags;
use crate::mime::read::{Message, read};
use crate::mime::scan::{Scanned, scan};
use crate::pgp::cert::{Cert, CertProblem};
use crate::pgp::keyring::{ListKey, SpoolKeys, TagKey};
use crate::pgp::open::{Signers, UnlockError, Verdict, open, open_by, unlock};
use crate::pgp::seal::{Addressed, SealError, SealedCopy};
use crate::pgp::sealed::{AtRest, Sealed, ToReaders, WrappedKey};
use crate::relay::author::{Claim, claim};
use crate::relay::bounce::Bounce;
use crate::relay::compose::{Composed, Source, inside, post};
use crate::relay::copies::{addressed, readers};
use crate::relay::gate::{Admitted, DropReason, Reason, Ruling};
use crate::relay::loops::Own;
use crate::relay::note::Note;
use crate::relay::proof::proof;
use crate::relay::request::Request;
use crate::relay::world::World;
use crate::roster::membership::Member;
use crate::time::Timestamp;

/// The largest sealed mail that is unlocked, beyond the message limit: the envelope around it.
const ENVELOPE: usize = 1 << 20;

/// The keys that one mail needs.
pub struct Keys<'a> {
    /// Opens the spool.
    pub spool: &'a SpoolKeys,
    /// The list's own.
    pub list: &'a ListKey,
    /// Makes message-ids and replay digests.
    pub tags: &'a TagKey,
}

/// What shall change because of a mail.
#[must_use]
pub enum Outcome {
    /// Copies for readers.
    Post(Box<Post>),
    /// It waits for a person.
    Hold {
        /// Why.
        reason: Reason,
        /// Who signed, if that is known.
        signer: Option<Fingerprint>,
    },
    /// It goes nowhere.
    Drop(DropReason),
    /// It asks the relay itself for something: whether that counts, the ledger knows.
    Request {
        /// What it asks for.
        request: Request,
        /// What becomes of the mail where that does not count, or where it says more; never another request.
        otherwise: Box<Outcome>,
    },
    /// It came to the return path of a copy.
    Returned {
        /// The return path's token.
        token: Token,
        /// What it reports; `None`: nothing that concerns the copy.
        bounce: Option<Bounce>,
    },
}

/// Copies for readers: once a class is sealed, nobody but they can open it.
pub struct Post {
    /// The copies, in classes that share a body each.
    pub classes: Classes,
    /// What stands outside, the same for all.
    pub head: Head,
    /// Who gets none, and why.
    pub missed: Vec<Missing>,
    /// The member who signed.
    pub signer: Option<MemberId>,
    /// The verdict's name.
    pub verdict: String,
    /// Known again if any of them comes again: one for each good signature of the mail.
    pub replay: Vec<[u8; 32]>,
    /// Remembered, so that the same mail is flagged when it comes again. It stops nobody's mail.
    pub came: Option<[u8; 32]>,
}

/// A reader who gets no copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Who.
    pub member: MemberId,
    /// Where the copy would have gone.
    pub address: Address,
    /// What is wrong with the certificate.
    pub problem: CertProblem,
}

/// The classes of a post. Each is sealed when it is asked for, so that one body at a time is in memory, however many
/// readers have one of their own.
pub struct Classes {
    waiting: IntoIter<Addressed>,
    /// By their places.
    readers: Vec<(MemberId, Address)>,
}

/// A sealed body and the copies that share it.
pub struct Class {
    /// The body.
    pub body: Sealed<ToReaders>,
    /// One for each reader.
    pub copies: Vec<Copy>,
}

/// One reader's copy.
pub struct Copy {
    /// Its place among all copies of the post, whatever their class.
    pub place: usize,
    /// Whose.
    pub member: MemberId,
    /// Where it goes.
    pub address: Address,
    /// The session key for this reader.
    pub key: WrappedKey,
}

impl Iterator for Classes {
    type Item = Result<Class, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let sealed = match self.waiting.next()?.seal() {
            Ok(sealed) => sealed,
            Err(error) => return Some(Err(error.into())),
        };
        let copy = |copy: SealedCopy| {
            let (member, address) = self.readers.get(copy.reader)?.clone();
            Some(Copy { place: copy.reader, member, address, key: copy.key })
        };
        Some(Ok(Class { body: sealed.body, copies: sealed.copies.into_iter().filter_map(copy).collect() }))
    }
}

/// Why a mail could not be worked on. None of these says what is in it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The spool key does not open it.
    #[error("the spooled mail cannot be unlocked: {0}")]
    Unlock(#[from] UnlockError),
    /// It is no arrival.
    #[error(transparent)]
    Arrival(#[from] NotAnArrival),
    /// It names no address of this list.
    #[error("the spooled mail names no address of this list")]
    NoRecipient,
    /// Signing or sealing failed.
    #[error("the copies cannot be made: {0}")]
    Seal(#[from] SealError),
}

/// Whether a mail asks the relay itself for something: it is for the list's address for requests.
///
/// # Errors
/// As [`relay`].
pub fn is_request(spooled: &Sealed<AtRest>, keys: &Keys<'_>, world: &World<'_>) -> Result<bool, Fault> {
    let arrival = Arrival::decode(unlock(spooled, keys.spool, world.limits.mime.size + ENVELOPE)?)?;
    Ok(purpose(&arrival, world)? == Purpose::Request)
}

/// Relays one mail.
///
/// A large mail costs a few times its size, so each form of it is let go as soon as the next one stands: what arrived
/// sealed, the message, its payload.
///
/// # Errors
/// A [`Fault`] leaves the mail where it is.
pub fn relay(
    spooled: Sealed<AtRest>,
    keys: &Keys<'_>,
    world: &World<'_>,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<Outcome, Fault> {
    let arrival = Arrival::decode(unlock(&spooled, keys.spool, world.limits.mime.size + ENVELOPE)?)?;
    drop(spooled);
    let purpose = purpose(&arrival, world)?;
    if let Purpose::Bounces(token) = purpose {
        return Ok(Outcome::Returned {
            token,
            bounce: bounce::read(arrival.raw.expose(), &world.limits.mime),
        });
    }
    let mut heard = None;
    let outcome = match draft(&arrival, &purpose, keys, world, entropy, now, &mut heard) {
        Ok(draft) => {
            drop(arrival);
            posted(draft, &purpose, keys, world, now)?
        }
        Err(outcome) => outcome,
    };
    Ok(match (heard, outcome) {
        (None, outcome) | (_, outcome @ Outcome::Drop(_)) => outcome,
        (Some(request), otherwise) => Outcome::Request { request, otherwise: Box::new(otherwise) },
    })
}

/// What leaves: a copy for each reader, to be sealed.
fn posted(
    draft: Draft,
    purpose: &Purpose,
    keys: &Keys<'_>,
    world: &World<'_>,
    now: Timestamp,
) -> Result<Outcome, Fault> {
    let readers = readers(purpose, world);
    let entity = Arc::new(draft.composed.entity);
    let (classes, missed) = addressed(&entity, &readers, keys.list, world, now)?;
    if classes.is_empty() {
        // A mail that nobody can be sent is not done with: it waits until somebody has a usable key again.
        return Ok(Outcome::Hold { reason: Reason::NoUsableKey, signer: None });
    }
    let missing = |(place, problem)| {
        let reader: &&Member = readers.get(place)?;
        Some(Missing { member: reader.id.clone(), address: reader.address.clone(), problem })
    };
    let missed = missed.into_iter().filter_map(missing);
    let readers_by_place = readers.iter().map(|member| (member.id.clone(), member.address.clone()));
    Ok(Outcome::Post(Box::new(Post {
        missed: missed.collect(),
        classes: Classes { waiting: classes.into_iter(), readers: readers_by_place.collect() },
        head: draft.composed.head,
        signer: draft.signer,
        verdict: draft.verdict,
        replay: draft.replay,
        came: draft.came,
    })))
}

/// What the readers are to get, and what is remembered of the mail, which itself is no longer needed.
struct Draft {
    composed: Composed,
    signer: Option<MemberId>,
    verdict: String,
    replay: Vec<[u8; 32]>,
    came: Option<[u8; 32]>,
}

/// Opens, judges and composes; or says what else becomes of the mail. What it asks the relay for is `heard`.
fn draft(
    arrival: &Arrival,
    purpose: &Purpose,
    keys: &Keys<'_>,
    world: &World<'_>,
    entropy: &Entropy,
    now: Timestamp,
    heard: &mut Option<Request>,
) -> Result<Draft, Outcome> {
    let raw = arrival.raw.expose();
    let tags = Tags::new(keys.tags.as_bytes());
    let own = Own { lists: world.ours, tags: &tags };
    // Limits first, then the parser.
    let message = scan(raw, &world.limits.mime).ok().and_then(|scanned| read(scanned).ok());
    let sign = automatic::sign(raw, message.as_ref(), &arrival.envelope, &tags);
    if let Some(ruling) = gate::before_opening(raw, purpose, &own, sign) {
        return Err(not_admitted(ruling));
    }
    let Some(message) = message else {
        return unopened(arrival, purpose, keys, world, entropy, now);
    };
    let certs: Vec<Arc<Cert>> = world.certs.values().cloned().collect();
    let signers = Signers { certs: &certs, are_one: &|signers| world.are_one(signers) };
    let opened = open_by(&message, keys.list, signers, arrival.envelope.at, world.limits);
    let again = |certs: &[Arc<Cert>]| open(&message, keys.list, certs, arrival.envelope.at, world.limits);
    *heard = request::heard(&opened, &message, purpose, sign, (&tags, world), &again);
    let admitted = match gate::judge(opened, purpose, sign, world) {
        Ruling::Admit(admitted) => admitted,
        other => return Err(not_admitted(other)),
    };
    let inside = inside(admitted.opened(), &world.limits.mime);
    if inside.is_some_and(|payload| own.is_inside(payload)) {
        return Err(Outcome::Drop(DropReason::Loop));
    }
    let came = again::came(&admitted, &tags, world);
    let before = came.as_ref().and_then(world.came);
    let source = Source {
        message: Some(&message),
        raw,
        opened: Some(admitted.opened()),
        inside,
        note: Note { automatic: sign, before, ..note(&admitted, inside, &message, arrival, world) },
    };
    Ok(Draft {
        composed: post(&source, world, &tags, entropy, now),
        signer: admitted.signer().cloned(),
        verdict: gate::verdict_name(source.note.how, source.note.verdict, source.note.claim),
        replay: again::replay(&admitted, &tags, world),
        // The first time is what later ones are told by.
        came: came.filter(|_| before.is_none()),
    })
}

fn purpose(arrival: &Arrival, world: &World<'_>) -> Result<Purpose, Fault> {
    meant::purpose(arrival, world).ok_or(Fault::NoRecipient)
}

fn not_admitted(ruling: Ruling) -> Outcome {
    match ruling {
        Ruling::Hold(reason, signer) => Outcome::Hold { reason, signer },
        Ruling::Drop(reason) => Outcome::Drop(reason),
        // Whoever could admit went on with it.
        Ruling::Admit(_) => Outcome::Hold { reason: Reason::Quarantined, signer: None },
    }
}

/// A mail whose structure is beyond the limits: intake gets it as it came, unparsed; elsewhere it is held.
fn unopened(
    arrival: &Arrival,
    purpose: &Purpose,
    keys: &Keys<'_>,
    world: &World<'_>,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<Draft, Outcome> {
    if world.list.kind.encrypted_only() {
        return Err(Outcome::Hold { reason: Reason::Structure, signer: None });
    }
    let verdict = Verdict::Unsigned;
    let note = Note::unopened(&verdict, purpose, arrival.envelope.at);
    let source = Source { message: None, raw: arrival.raw.expose(), opened: None, inside: None, note };
    Ok(Draft {
        composed: post(&source, world, &Tags::new(keys.tags.as_bytes()), entropy, now),
        signer: None,
        verdict: gate::verdict_name(None, &verdict, Claim::Own),
        replay: Vec::new(),
        came: None,
    })
}

fn note<'a>(
    admitted: &'a Admitted,
    inside: Option<Scanned<'_>>,
    message: &Message<'_>,
    arrival: &Arrival,
    world: &'a World<'_>,
) -> Note<'a> {
    let opened = admitted.opened();
    let signer = match opened.verdict() {
        Verdict::Good { signer, .. } => world.known(*signer).map(Member::display_name),
        _ => None,
    };
    let holds_encrypted = compose::payload_holds_encrypted(opened, inside, &world.limits.mime);
    Note {
        how: Some(opened.how()),
        verdict: opened.verdict(),
        signer,
        purpose: admitted.purpose(),
        arrived: arrival.envelope.at,
        holds_encrypted,
        text_beside: opened.text_beside(),
        claim: claim(opened, inside, message, world),
        automatic: None,
        proof: proof(opened, inside, holds_encrypted),
        inner: compose::payload_signatures(opened, inside, &world.limits.mime),
        for_others: meant::names_others(opened, inside, world),
        loose_subject: compose::subject_is_loose(inside, message),
        before: None,
    }
}
