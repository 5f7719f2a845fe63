//! What the journal can say: metadata only, people by opaque id.

use serde::{Deserialize, Serialize};

use crate::id::{Fingerprint, ListName, MemberId, ParcelId, SpoolId};
use crate::roster::Change;

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The relay by its rules.
    Relay,
    /// Somebody at the control socket, by the uid the kernel vouched for.
    Admin(u32),
    /// Somebody of the roster, by a signed mail with a one-time token.
    Member(MemberId),
}

/// What happened. No variant can carry content or an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A mail was admitted and copies were queued.
    Relayed {
        /// The mail.
        mail: SpoolId,
        /// The member who signed it, if one did.
        signer: Option<MemberId>,
        /// The verdict's name.
        verdict: String,
        /// How many copies were queued.
        copies: u32,
    },
    /// A reader got no copy because its certificate cannot be used.
    Missed {
        /// The mail.
        mail: SpoolId,
        /// The reader.
        member: MemberId,
        /// What is wrong with the certificate.
        problem: String,
    },
    /// A mail waits for a person.
    Held {
        /// The mail.
        mail: SpoolId,
        /// The reason's name.
        reason: String,
        /// The signing certificate, or of an unknown signer the key that the signature names.
        signer: Option<Fingerprint>,
    },
    /// A mail was dropped by a rule.
    Dropped {
        /// The mail.
        mail: SpoolId,
        /// The rule's name.
        reason: String,
    },
    /// A held mail was let through to be judged again.
    HoldReleased {
        /// The mail.
        mail: SpoolId,
    },
    /// A held mail was thrown away.
    HoldDropped {
        /// The mail.
        mail: SpoolId,
    },
    /// A held mail was dropped because nobody had decided about it in time.
    HoldExpired {
        /// The mail.
        mail: SpoolId,
    },
    /// What this key signs and the gate would hold is dropped from now on.
    SignerIgnored {
        /// The key.
        signer: Fingerprint,
    },
    /// It is held again from now on.
    SignerHeeded {
        /// The key.
        signer: Fingerprint,
    },
    /// A copy was taken over by the next hop.
    Delivered {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
    },
    /// A copy was refused for good.
    Failed {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
        /// The reply code, such as `550`.
        code: String,
    },
    /// A copy was deferred for as long as copies are tried.
    Expired {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
        /// The last reply code, such as `451`; empty where there was no reply.
        code: String,
    },
    /// A copy that the next hop had taken over came back.
    Bounced {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
        /// The enhanced status, such as `5.1.1`.
        status: String,
    },
    /// A copy that the next hop had taken over is late there.
    Delayed {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
        /// The enhanced status, such as `4.4.1`.
        status: String,
    },
    /// A queued copy was withdrawn because its reader was removed.
    Withdrawn {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
    },
    /// A copy was on its way when its reader was removed.
    LeftBeforeRemoval {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
    },
    /// A queued copy was dropped: by the admin, or by the relay because it had failed long ago.
    ParcelDropped {
        /// The copy.
        parcel: ParcelId,
        /// Its reader.
        member: MemberId,
    },
    /// The admins were told what went wrong: notices were queued.
    AdminsTold {
        /// How many alerts they tell of.
        alerts: u32,
        /// How many admins get one.
        copies: u32,
    },
    /// A letter of the relay itself was queued.
    LetterWritten {
        /// To whom.
        member: MemberId,
        /// What it is about.
        about: String,
    },
    /// A letter was due and could not be written: its reader has left, or cannot read.
    LetterUnwritten {
        /// To whom.
        member: MemberId,
        /// What it was about.
        about: String,
    },
    /// A one-time token was sent to a member.
    TokenIssued {
        /// To whom.
        member: MemberId,
        /// What an answer with it does: `probe`.
        aim: String,
        /// Until when it counts, as RFC 3339 has it.
        until: String,
    },
    /// A member's signed answer with its token was acted on.
    Commanded {
        /// The mail.
        mail: SpoolId,
        /// Whose.
        member: MemberId,
        /// What the token was for.
        aim: String,
    },
    /// A member's signed answer with its token was not acted on: a rule is against it.
    CommandRefused {
        /// The mail.
        mail: SpoolId,
        /// Whose.
        member: MemberId,
        /// What the token is for.
        aim: String,
        /// The rule.
        rule: String,
    },
    /// The roster changed.
    Roster {
        /// How.
        #[serde(flatten)]
        change: Change,
    },
    /// A roster was imported; its changes stand beside this entry.
    RosterImported {
        /// From what.
        reason: String,
        /// How many changes were made.
        changes: u32,
        /// How many were left out, because a rule was against them.
        left: u32,
    },
    /// The list stopped or resumed relaying.
    Paused {
        /// Whether it stands still now.
        paused: bool,
    },
    /// The store was restored from a backup: everything waits for an admin.
    Restored,
    /// An admin has looked at what a restore undid, and all goes on.
    ResumedAfterRestore,
    /// The list's key was replaced.
    KeyImported {
        /// The new certificate.
        fingerprint: Fingerprint,
    },
    /// A new spool key took over.
    SpoolKeyRotated {
        /// The new certificate.
        fingerprint: Fingerprint,
    },
    /// A drained spool key was destroyed.
    SpoolKeyDestroyed {
        /// The old certificate.
        fingerprint: Fingerprint,
    },
}

/// Something to write: the chain's list (`None`: the relay's own chain), who, what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose chain.
    pub list: Option<ListName>,
    /// Who.
    pub actor: Actor,
    /// What.
    pub event: Event,
    /// Why, where somebody said so beside the event itself.
    pub reason: Option<String>,
}
