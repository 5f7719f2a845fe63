//! The gate: what was opened, who signed it, what the list's rules say. Only here is an [`Admitted`] made.
//!
//! ```compile_fail
//! # fn f(opened: vouchsafe::pgp::open::Opened) {
//! let admitted = vouchsafe::relay::gate::Admitted { opened }; // private fields: nobody admits without a judgement
//! # }
//! ```

use std::fmt;
use std::time::Duration;

use crate::id::{Fingerprint, MemberId};
use crate::mail::directory::{Kind, Purpose};
use crate::pgp::open::{Closed, How, Opened, Verdict, Why};
use crate::relay::author::Claim;
use crate::relay::automatic::Sign;
use crate::relay::loops::Own;
use crate::relay::meant;
use crate::relay::world::World;
use crate::time::Timestamp;

/// How far off a signer's clock may be.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// A mail that may go to the list's readers.
pub struct Admitted {
    opened: Opened,
    purpose: Purpose,
    signer: Option<MemberId>,
}

impl Admitted {
    /// The opened mail.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Which of the list's addresses it came to.
    #[must_use]
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// The member who signed it, if one did.
    #[must_use]
    pub fn signer(&self) -> Option<&MemberId> {
        self.signer.as_ref()
    }
}

/// What becomes of a mail.
#[must_use]
pub enum Ruling {
    /// It goes to the readers.
    Admit(Box<Admitted>),
    /// It waits for a person.
    Hold(Reason, Option<Fingerprint>),
    /// It goes nowhere; the journal says so.
    Drop(DropReason),
}

/// Why a mail waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not encrypted, where only encrypted mail is taken.
    NotEncrypted,
    /// It could not be opened.
    Closed(Closed),
    /// Its structure is beyond the limits.
    Structure,
    /// Nobody signed it.
    Unsigned,
    /// A key that is not on the roster signed it.
    UnknownSigner,
    /// Its signature does not count.
    BadSignature(Why),
    /// Its signer is on the roster, but may not post here.
    NotAPoster,
    /// It was signed before its signer could post here: somebody may have kept it until now.
    SignedBeforeJoining,
    /// It was signed before the store was restored, and whether it was relayed then nobody knows any more.
    SignedBeforeRestore,
    /// Its protected header names others, and not this list: a reader of theirs may have passed it on.
    ForSomeoneElse,
    /// It says of itself that a program wrote it, and a person may have.
    Automatic(Sign),
    /// It is for the list's admins, and the list has no team.
    NoTeam,
    /// No reader has a certificate that can be used today.
    NoUsableKey,
    /// It did not survive being worked on.
    Quarantined,
}

impl Reason {
    /// Whether an admin may let it through: only where opening it succeeded and the doubt is about who may post.
    #[must_use]
    pub const fn releasable(self) -> bool {
        match self {
            Self::Unsigned | Self::UnknownSigner | Self::BadSignature(_) | Self::NotAPoster => true,
            Self::SignedBeforeJoining | Self::SignedBeforeRestore | Self::ForSomeoneElse => true,
            Self::Automatic(_) => true,
            // Released, these are tried again, with a new key or a new release perhaps.
            Self::Closed(_) | Self::Structure | Self::NoUsableKey | Self::Quarantined => true,
            Self::NotEncrypted | Self::NoTeam => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEncrypted => f.write_str("not-encrypted"),
            Self::Closed(why) => write!(f, "cannot-open:{}", closed_name(*why)),
            Self::Structure => f.write_str("structure-beyond-limits"),
            Self::Unsigned => f.write_str("unsigned"),
            Self::UnknownSigner => f.write_str("unknown-signer"),
            Self::BadSignature(why) => write!(f, "bad-signature:{}", why_name(*why)),
            Self::NotAPoster => f.write_str("not-a-poster"),
            Self::SignedBeforeJoining => f.write_str("signed-before-joining"),
            Self::SignedBeforeRestore => f.write_str("signed-before-restore"),
            Self::ForSomeoneElse => f.write_str("for-someone-else"),
            Self::Automatic(sign) => write!(f, "automatic:{sign}"),
            Self::NoTeam => f.write_str("no-team"),
            Self::NoUsableKey => f.write_str("no-usable-key"),
            Self::Quarantined => f.write_str("quarantined"),
        }
    }
}

/// Why a mail goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// This very signature was relayed to this list before.
    Replay,
    /// It is a copy of our own.
    Loop,
    /// A program wrote it by itself.
    Automatic(Sign),
    /// It came to a return path, and reports neither failure nor delay.
    NotABounce,
    /// It reports on a copy that is not known, or no longer; or that is another list's.
    BounceOfNothing,
    /// It reports what was reported before.
    BounceAgain,
    /// It would be held, and the team wants to see no more of what its signer sends.
    Ignored,
    /// It asks for help and nothing else, and its signer had help a short time ago.
    HelpedLately,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Automatic(sign) => return write!(f, "automatic:{sign}"),
            Self::Replay => "replay",
            Self::Loop => "loop",
            Self::NotABounce => "not-a-bounce",
            Self::BounceOfNothing => "bounce-of-nothing",
            Self::BounceAgain => "bounce-again",
            Self::Ignored => "ignored",
            Self::HelpedLately => "helped-lately",
        })
    }
}

/// What can be ruled before anything is opened: our own copies, and what nobody wrote. `None`: open it.
pub fn before_opening(raw: &[u8], purpose: &Purpose, own: &Own<'_>, sign: Option<Sign>) -> Option<Ruling> {
    if own.made_header(raw) {
        return Some(Ruling::Drop(DropReason::Loop));
    }
    let certain = sign.filter(|sign| sign.is_certain())?;
    // RFC 5321 §4.5.1: a report to the postmaster may be meant for people.
    let for_postmaster = *purpose == Purpose::Postmaster && certain == Sign::AstrayReport;
    (!for_postmaster).then_some(Ruling::Drop(DropReason::Automatic(certain)))
}

/// What becomes of an opened mail, of which `sign` says that a program may have written it. Nothing is dropped for that.
pub fn judge(opened: Opened, purpose: &Purpose, sign: Option<Sign>, world: &World<'_>) -> Ruling {
    let signer = match opened.verdict() {
        Verdict::Good { signer, .. } => Some(*signer),
        _ => None,
    };
    let to_team = is_for_team(purpose);
    match world.list.kind {
        // Anyone may report, in whatever form: it goes to the team, and the note says what it is worth. So does mail
        // for the admins of any list.
        Kind::Intake => {
            match answer(&opened, sign, world).or_else(|| unremembered(&opened, purpose, world)) {
                Some(reason) => Ruling::Hold(reason, signer),
                None => admit(opened, purpose, world, signer),
            }
        }
        _ if to_team && world.team().is_some() => match answer(&opened, sign, world) {
            Some(reason) => Ruling::Hold(reason, signer),
            None => admit(opened, purpose, world, signer),
        },
        _ if to_team => Ruling::Hold(Reason::NoTeam, signer),
        // A sign that is less than certain drops nothing: a person may have written it.
        Kind::Announce | Kind::Discuss => match reason_against(&opened, signer, sign, world) {
            None => admit(opened, purpose, world, signer),
            Some(reason) => Ruling::Hold(reason, signer.or_else(|| claimed_signer(&opened))),
        },
        Kind::Public => Ruling::Hold(Reason::NotAPoster, signer),
    }
}

/// The doubt about what looks like a program's answer to a copy of ours, for those whom anyone may write to. Let through,
/// it would be answered again. Programs neither sign nor encrypt, and whoever did is heard at once.
fn answer(opened: &Opened, sign: Option<Sign>, world: &World<'_>) -> Option<Reason> {
    // What quotes a signed mail is as bare as what does not.
    let unsigned = matches!(opened.verdict(), Verdict::Unsigned | Verdict::Bad(Why::PartialCover));
    let bare = opened.how() == How::Clear && unsigned;
    let sign = sign.filter(|sign| bare && *sign == Sign::AutoAnswer)?;
    unwaived(Reason::Automatic(sign), world)
}

/// The first rule against a post to a list where only known signers post.
fn reason_against(
    opened: &Opened,
    signer: Option<Fingerprint>,
    sign: Option<Sign>,
    world: &World<'_>,
) -> Option<Reason> {
    match opened.how() {
        How::Closed(why) => return Some(Reason::Closed(why)),
        How::Clear => return Some(Reason::NotEncrypted),
        // No signature covers what came in front of it, and nobody but known signers writes to such a list.
        How::PgpMime if opened.text_beside() => return Some(Reason::Closed(Closed::Mixed)),
        How::PgpMime | How::Inline => {}
    }
    let doubt = match opened.verdict() {
        Verdict::Unsigned => Some(Reason::Unsigned),
        Verdict::UnknownKey(_) => Some(Reason::UnknownSigner),
        Verdict::Bad(why) => Some(Reason::BadSignature(*why)),
        Verdict::Good { .. } if signer.and_then(|s| world.poster(s)).is_none() => Some(Reason::NotAPoster),
        // An admin who lets a mail through lets its lesser marks through: one reason is waived, not two.
        Verdict::Good { made_at, .. } => signer
            .and_then(|signer| before_joining(signer, *made_at, world))
            .or_else(|| meant::for_others(opened, world).then_some(Reason::ForSomeoneElse))
            .or_else(|| before_restore(*made_at, world))
            .or_else(|| sign.map(Reason::Automatic)),
    };
    unwaived(doubt?, world)
}

/// A member's mail from before he was one was for others, or was not let in then: it does not become a post because
/// somebody kept it. Whoever let it through as a stranger's has decided that.
fn before_joining(signer: Fingerprint, made_at: Timestamp, world: &World<'_>) -> Option<Reason> {
    let joined = world.poster(signer)?.since;
    let strangers = [Reason::NotAPoster, Reason::UnknownSigner].map(|reason| reason.to_string());
    let decided = world.waived.is_some_and(|waived| strangers.iter().any(|reason| reason == waived));
    (made_at < joined.before(SKEW) && !decided).then_some(Reason::SignedBeforeJoining)
}

/// The digests of what was relayed between backup and restore are lost, and nothing else tells a replay. A signature may
/// be ahead of its arrival.
fn before_restore(made_at: Timestamp, world: &World<'_>) -> Option<Reason> {
    may_be_forgotten(made_at, world).then_some(Reason::SignedBeforeRestore)
}

/// Whether what was signed then may have been relayed or obeyed before, without the store knowing of it.
#[must_use]
pub fn may_be_forgotten(made_at: Timestamp, world: &World<'_>) -> bool {
    world.restored.is_some_and(|restored| made_at < restored.after(SKEW))
}

/// The same where anyone may write: a good signature would be known again there, too.
fn unremembered(opened: &Opened, purpose: &Purpose, world: &World<'_>) -> Option<Reason> {
    let Verdict::Good { made_at, .. } = opened.verdict() else { return None };
    let reason = before_restore(*made_at, world).filter(|_| !is_for_team(purpose))?;
    unwaived(reason, world)
}

/// What the admin saw and waived is waived, and nothing that comes to light only now.
fn unwaived(reason: Reason, world: &World<'_>) -> Option<Reason> {
    (world.waived != Some(reason.to_string().as_str())).then_some(reason)
}

/// Whether mail to this address is for the people who run the list.
#[must_use]
pub const fn is_for_team(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Owner | Purpose::Postmaster | Purpose::Request)
}

/// The certificate that an unknown signature names, for the person who has to decide.
fn claimed_signer(opened: &Opened) -> Option<Fingerprint> {
    match opened.verdict() {
        Verdict::UnknownKey(keys) => keys.iter().find_map(|key| key.parse().ok()),
        _ => None,
    }
}

fn admit(opened: Opened, purpose: &Purpose, world: &World<'_>, signer: Option<Fingerprint>) -> Ruling {
    let signer = signer.and_then(|s| world.known(s)).map(|m| m.id.clone());
    Ruling::Admit(Box::new(Admitted { opened, purpose: purpose.clone(), signer }))
}

/// The name of a verdict, for the journal. What was not opened may well be signed: `closed:` says why nobody looked.
#[must_use]
pub fn verdict_name(how: Option<How>, verdict: &Verdict, claim: Claim) -> String {
    match how {
        Some(How::Closed(why)) => return format!("closed:{}", closed_name(why)),
        None => return format!("closed:{}", Reason::Structure),
        Some(How::PgpMime | How::Inline | How::Clear) => {}
    }
    match verdict {
        Verdict::Good { .. } if claim != Claim::Own => "good-foreign-from".to_owned(),
        Verdict::Good { .. } => "good".to_owned(),
        Verdict::Unsigned => "unsigned".to_owned(),
        Verdict::UnknownKey(_) => "unknown-key".to_owned(),
        Verdict::Bad(why) => format!("bad:{}", why_name(*why)),
    }
}

/// The name of a reason why a mail could not be opened.
#[must_use]
pub const fn closed_name(why: Closed) -> &'static str {
    match why {
        Closed::NoKey => "no-key",
        Closed::Damaged => "damaged",
        Closed::TooLarge => "too-large",
        Closed::TooManyKeys => "too-many-keys",
        Closed::Nested => "nested-encryption",
        Closed::Mixed => "mixed",
        Closed::NotOpenPgp => "not-openpgp",
        Closed::TooComplex => "too-complex",
        Closed::Weak => "weak-encryption",
    }
}

/// The name of what is wrong with a signature.
#[must_use]
pub const fn why_name(why: Why) -> &'static str {
    match why {
        Why::Invalid => "invalid",
        Why::ExpiredWhenSigning => "expired-when-signing",
        Why::ExpiredSince => "expired-since",
        Why::SignatureExpired => "signature-expired",
        Why::RevokedWhenSigning => "revoked-when-signing",
        Why::RevokedSince => "revoked-since",
        Why::RevokedHard => "revoked-hard",
        Why::Unbound => "unbound-key",
        Why::NotForSigning => "not-a-signing-key",
        Why::Weak => "weak",
        Why::Condition => "unknown-condition",
        Why::PartialCover => "partial-cover",
        Why::SeveralSigners => "several-signers",
        Why::Nested => "nested",
        Why::ForSomeoneElse => "for-someone-else",
        Why::Stale => "stale",
        Why::Future => "future",
        Why::NotASigner => "not-a-signer",
    }
}
