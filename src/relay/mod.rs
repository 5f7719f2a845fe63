//! THE STORY: what happens to one mail, in one function without I/O. Bytes and state in, what shall change out.

pub mod author;
pub mod compose;
pub mod gate;
pub mod note;
pub mod world;

use std::sync::Arc;

use crate::id::{Entropy, Fingerprint, MemberId};
use crate::mail::address::Address;
use crate::mail::arrival::{Arrival, NotAnArrival};
use crate::mail::directory::Purpose;
use crate::mail::parcel::Head;
use crate::mail::tags::Tags;
use crate::mime::read::{Message, read};
use crate::mime::scan::{Scanned, scan};
use crate::pgp::cert::{Cert, CertProblem};
use crate::pgp::keyring::{ListKey, SpoolKeys, TagKey};
use crate::pgp::open::{UnlockError, Verdict, open, unlock};
use crate::pgp::seal::{Reader, SealError, SealedPost, seal_to_readers, sign};
use crate::pgp::sealed::{AtRest, Sealed, ToReaders, WrappedKey};
use crate::relay::author::{Claim, claim};
use crate::relay::compose::{Composed, Source, inside, post};
use crate::relay::gate::{Admitted, DropReason, Reason, Ruling};
use crate::relay::note::Note;
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
}

/// Copies for readers: from here on nobody but they can open them.
pub struct Post {
    /// The sealed bodies, each shared by its class.
    pub bodies: Vec<Sealed<ToReaders>>,
    /// What stands outside, the same for all.
    pub head: Head,
    /// One for each reader.
    pub copies: Vec<Copy>,
    /// Who got none, and why.
    pub missed: Vec<(MemberId, CertProblem)>,
    /// The member who signed.
    pub signer: Option<MemberId>,
    /// The verdict's name.
    pub verdict: String,
    /// Known again if any of them comes again: one for each good signature of the mail.
    pub replay: Vec<[u8; 32]>,
}

/// One reader's copy.
pub struct Copy {
    /// Whose.
    pub member: MemberId,
    /// Where it goes.
    pub address: Address,
    /// Which of the post's bodies.
    pub body: usize,
    /// The session key for this reader.
    pub key: WrappedKey,
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

/// Relays one mail.
///
/// # Errors
/// A [`Fault`] leaves the mail where it is.
pub fn relay(
    spooled: &Sealed<AtRest>,
    keys: &Keys<'_>,
    world: &World<'_>,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<Outcome, Fault> {
    let arrival = Arrival::decode(&unlock(spooled, keys.spool, world.limits.mime.size + ENVELOPE)?)?;
    let purpose = purpose(&arrival, world)?;
    let raw = arrival.raw.expose();
    if let Some(ruling) = gate::before_opening(raw, &purpose, world) {
        return Ok(not_admitted(ruling));
    }
    // Limits first, then the parser.
    let Some(message) = scan(raw, &world.limits.mime).ok().and_then(|scanned| read(scanned).ok()) else {
        return unopened(&arrival, &purpose, keys, world, entropy, now);
    };
    let certs: Vec<Arc<Cert>> = world.certs.values().cloned().collect();
    let opened = open(&message, keys.list, &certs, arrival.envelope.at, world.limits);
    let admitted = match gate::judge(opened, &purpose, world) {
        Ruling::Admit(admitted) => admitted,
        other => return Ok(not_admitted(other)),
    };
    let inside = inside(admitted.opened(), &world.limits.mime);
    let source = Source {
        message: Some(&message),
        raw,
        opened: Some(admitted.opened()),
        inside,
        note: note(&admitted, inside, &message, &arrival, world),
    };
    let tags = Tags::new(keys.tags.as_bytes());
    let composed = post(&source, world, &tags, entropy, now);
    let readers = readers(&purpose, world);
    let sealed = seal(&composed, &readers, keys, world, now)?;
    let replay = replay(&admitted, &tags, world);
    Ok(outcome(sealed, composed.head, &readers, &source.note, admitted.signer(), replay))
}

fn purpose(arrival: &Arrival, world: &World<'_>) -> Result<Purpose, Fault> {
    let ours = arrival.envelope.recipients.iter().filter(|r| r.list == world.list.name);
    // One mail to several addresses of one list is relayed once; a post counts most.
    ours.map(|r| r.purpose.clone())
        .min_by_key(|p| match p {
            Purpose::Post => 0,
            Purpose::Reporter => 1,
            Purpose::Owner => 2,
            Purpose::Postmaster => 3,
            Purpose::Request => 4,
            Purpose::Bounces(_) => 5,
        })
        .ok_or(Fault::NoRecipient)
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
) -> Result<Outcome, Fault> {
    if world.list.kind.encrypted_only() {
        return Ok(Outcome::Hold { reason: Reason::Structure, signer: None });
    }
    let verdict = Verdict::Unsigned;
    let note = Note {
        how: None,
        verdict: &verdict,
        signer: None,
        purpose,
        arrived: arrival.envelope.at,
        holds_encrypted: false,
        claim: Claim::Own,
    };
    let source = Source { message: None, raw: arrival.raw.expose(), opened: None, inside: None, note };
    let composed = post(&source, world, &Tags::new(keys.tags.as_bytes()), entropy, now);
    let readers = readers(purpose, world);
    let sealed = seal(&composed, &readers, keys, world, now)?;
    Ok(outcome(sealed, composed.head, &readers, &source.note, None, Vec::new()))
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
    Note {
        how: Some(opened.how()),
        verdict: opened.verdict(),
        signer,
        purpose: admitted.purpose(),
        arrived: arrival.envelope.at,
        holds_encrypted: compose::payload_holds_encrypted(opened, inside, &world.limits.mime),
        claim: claim(opened, inside, message, world),
    }
}

/// A post goes to the list's readers; mail for the admins and for the reporter goes to the team alone.
fn readers<'a>(purpose: &Purpose, world: &'a World<'_>) -> Vec<&'a Member> {
    match purpose {
        purpose if gate::is_for_team(purpose) => world.team().unwrap_or_default(),
        _ => world.readers(),
    }
}

/// Signs once and seals once for all, or, on a list with `individual`, once for each reader.
fn seal(
    composed: &Composed,
    readers: &[&Member],
    keys: &Keys<'_>,
    world: &World<'_>,
    now: Timestamp,
) -> Result<SealedPost, Fault> {
    let known = |member: &&Member| world.certs.get(&member.fingerprint);
    let certs: Vec<Option<&Arc<Cert>>> = readers.iter().map(known).collect();
    let mut post = SealedPost { bodies: Vec::new(), copies: Vec::new(), missed: Vec::new() };
    let (mut indices, mut usable) = (Vec::new(), Vec::new());
    for (index, (cert, member)) in certs.iter().zip(readers).enumerate() {
        match cert {
            Some(cert) => {
                indices.push(index);
                usable.push(Reader { cert, format: member.format });
            }
            None => post.missed.push((index, CertProblem::NoEncryptionKey)),
        }
    }
    if !world.list.individual {
        let signed = sign(&composed.entity, keys.list, now, &[])?;
        append(&mut post, seal_to_readers(&signed, &usable, now)?, &indices);
        return Ok(post);
    }
    for (index, reader) in indices.into_iter().zip(usable) {
        let signed = sign(&composed.entity, keys.list, now, &[reader.cert])?;
        append(&mut post, seal_to_readers(&signed, &[reader], now)?, &[index]);
    }
    Ok(post)
}

/// Adds what was sealed for some readers, whose places among all readers are `indices`.
fn append(post: &mut SealedPost, part: SealedPost, indices: &[usize]) {
    let offset = post.bodies.len();
    let place = |i: usize| indices.get(i).copied();
    post.bodies.extend(part.bodies);
    for mut copy in part.copies {
        if let Some(reader) = place(copy.reader) {
            copy.reader = reader;
            copy.body += offset;
            post.copies.push(copy);
        }
    }
    post.missed.extend(part.missed.into_iter().filter_map(|(i, problem)| Some((place(i)?, problem))));
}

fn replay(admitted: &Admitted, tags: &Tags<'_>, world: &World<'_>) -> Vec<[u8; 32]> {
    let opened = admitted.opened();
    let Verdict::Good { signer, .. } = opened.verdict() else { return Vec::new() };
    // A copy that went to the team alone must not make the post itself a replay.
    if gate::is_for_team(admitted.purpose()) {
        return Vec::new();
    }
    opened.signature_digests().map(|digest| tags.replay(&world.list.name, *signer, digest)).collect()
}

fn outcome(
    sealed: SealedPost,
    head: Head,
    readers: &[&Member],
    note: &Note<'_>,
    signer: Option<&MemberId>,
    replay: Vec<[u8; 32]>,
) -> Outcome {
    let copies = sealed.copies.into_iter().filter_map(|copy| {
        let member = readers.get(copy.reader)?;
        let (id, address) = (member.id.clone(), member.address.clone());
        Some(Copy { member: id, address, body: copy.body, key: copy.key })
    });
    let copies: Vec<Copy> = copies.collect();
    if copies.is_empty() {
        // A mail that nobody can be sent is not done with: it waits until somebody has a usable key again.
        return Outcome::Hold { reason: Reason::NoUsableKey, signer: None };
    }
    let missed =
        sealed.missed.into_iter().filter_map(|(i, problem)| Some((readers.get(i)?.id.clone(), problem)));
    Outcome::Post(Box::new(Post {
        copies,
        missed: missed.collect(),
        bodies: sealed.bodies,
        head,
        signer: signer.cloned(),
        verdict: gate::verdict_name(note.how, note.verdict, note.claim),
        replay,
    }))
}
