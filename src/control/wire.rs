//! What the admin socket speaks: one [`Request`], one [`Answer`], and how they are framed.
//!
//! A connection is: hello from the client, hello from the daemon, one request, one answer. A hello is seven fixed bytes
//! and a version, and will never change, so that a program and a daemon of different ages can say so in clear text. A
//! frame is a 32-bit big-endian length and that many bytes of JSON.

mod apply;
mod ballot;
mod carry;
mod contact;
mod duty;
mod exchange;
mod failure;
mod frame;
mod org;
mod rows;
mod team;

use serde::{Deserialize, Serialize};

// The names that requests are made of: whoever speaks this protocol finds them here.
pub use crate::id::{Fingerprint, ListName, OrgName, ParcelId, SpoolId};
pub use crate::mail::address::Address;

pub use apply::{ApplicationId, ApplicationRow, ApplyRequest, VoucherRow};
pub use ballot::{BallotId, BallotRequest, BallotRow, Leaving, Reason, VoteRow};
pub use carry::{Certificate, Format, Secret};
pub use contact::ContactRequest;
pub use duty::{BreachRow, DutyRequest, Told};
pub use exchange::{
    Offer, OfferRow, PlanItem, PlanRow, RosterAnswer, RosterFile, RosterRequest, RosterSource,
    UnreachableRow, Unread,
};
pub use failure::ErrorKind;
pub use frame::{FrameError, HELLO_LEN, Hello, MAX_FRAME, PREFIX_LEN, VERSION, decode, encode, length};
pub use org::{CriterionRow, OrgFields, OrgRequest, OrgRow, RegisterRow};
pub use rows::{
    ChainRow, HoldRow, IgnoredRow, JournalRow, KeyRow, ListRow, MemberRow, Page, ParcelRow, Part, RestRow,
    StatusRow,
};
pub use team::{BodyRow, Seat, TeamRequest};

/// How many rows the daemon puts on one page at most, whatever a request's `limit` says.
pub const MAX_PAGE: u64 = 1_000;

/// What an admin asks for. It has no `Debug`: a request may carry a secret key, and is never logged.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How the daemon is. Answered with [`Answer::Status`].
    Status,
    /// Reads the settings again. [`Answer::Done`], with what needs a restart as remarks.
    Reload,
    /// All lists. [`Answer::Lists`].
    ListLs,
    /// One list. [`Answer::List`].
    ListShow {
        /// Which.
        list: ListName,
    },
    /// Stops working off a list's arrivals; mail is still taken in. [`Answer::Done`].
    ListPause {
        /// Which.
        list: ListName,
    },
    /// Works a paused list's arrivals off again. [`Answer::Done`].
    ListResume {
        /// Which.
        list: ListName,
    },
    /// The store was restored from a backup: everything waits from now on. [`Answer::Done`].
    StoreRestored,
    /// What waited since a restore goes on. [`Answer::Done`].
    StoreResume,
    /// The keys of all lists. [`Answer::Keys`].
    KeyLs,
    /// The public certificate of a list. [`Answer::Certificate`].
    KeyExport {
        /// Which.
        list: ListName,
    },
    /// A secret key for a list. [`Answer::Done`], or [`Answer::PassphraseNeeded`] when it is encrypted and no
    /// passphrase came along, or [`Answer::Confirm`] when it takes the place of another key and `confirm` is false:
    /// then nothing has changed.
    KeyImport {
        /// For which list.
        list: ListName,
        /// The OpenPGP secret key, armored or not.
        key: Secret,
        /// What opens it.
        passphrase: Option<Secret>,
        /// Whether the admin has agreed to another fingerprint.
        confirm: bool,
    },
    /// About organisations.
    Org(OrgRequest),
    /// A contact of an organisation becomes an active member. [`Answer::Done`].
    MemberAdd {
        /// Of which list.
        list: ListName,
        /// For which organisation.
        org: OrgName,
        /// The role address.
        address: Address,
        /// Its certificate.
        cert: Certificate,
        /// The message format it wants, if not by the rule.
        format: Option<Format>,
        /// Whether it has to accept the list's terms by itself before anything is delivered; else the admin says it did.
        #[serde(default)]
        ask: bool,
    },
    /// The members of one list or of all. [`Answer::Members`].
    MemberLs {
        /// Of which list only.
        list: Option<ListName>,
    },
    /// One member. [`Answer::Member`].
    MemberShow {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
    },
    /// A new certificate for a member. [`Answer::Done`], or [`Answer::Confirm`] when its fingerprint is not the one on
    /// the roster and `confirm_other` is false: then nothing has changed.
    MemberSetCert {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
        /// The certificate.
        cert: Certificate,
        /// Whether the admin has agreed to another fingerprint.
        confirm_other: bool,
    },
    /// The format of a member's copies. [`Answer::Done`].
    MemberSetFormat {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
        /// Which; none: by the rule.
        format: Option<Format>,
    },
    /// Asks a member by mail whether it reads SEIPD version 2. [`Answer::Done`].
    MemberProbe {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
    },
    /// A member neither posts nor reads for a while. [`Answer::Done`].
    MemberSuspend {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
        /// Why, for the journal.
        reason: Option<String>,
    },
    /// A suspended member is active again. [`Answer::Done`].
    MemberResume {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
        /// Why, for the journal.
        reason: Option<String>,
    },
    /// A member leaves; its queued copies are withdrawn. [`Answer::Done`].
    MemberRemove {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
        /// Why, for the journal.
        reason: Option<String>,
    },
    /// About what members have besides.
    Contact(ContactRequest),
    /// About what members owe: acceptance, an address that is read, the embargo.
    Duty(DutyRequest),
    /// About the persons of teams.
    Team(TeamRequest),
    /// About applications.
    Apply(ApplyRequest),
    /// About ballots and removals.
    Ballot(BallotRequest),
    /// The held mails. [`Answer::Holds`].
    HoldLs {
        /// Of which list only.
        list: Option<ListName>,
        /// Only what comes behind this cursor.
        after: Option<String>,
        /// How many rows at most.
        limit: u64,
    },
    /// One held mail. [`Answer::Hold`].
    HoldShow {
        /// Which.
        id: SpoolId,
    },
    /// A held mail is judged again, by the admin's leave. [`Answer::Done`].
    HoldRelease {
        /// Which.
        id: SpoolId,
    },
    /// A held mail is destroyed. [`Answer::Done`].
    HoldDrop {
        /// Which.
        id: SpoolId,
        /// Whether what else its key signs and would be held is dropped from now on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ignore: bool,
    },
    /// The keys that are ignored. [`Answer::Ignored`].
    HoldIgnored {
        /// Of which list only.
        list: Option<ListName>,
    },
    /// What this key signs is held again. [`Answer::Done`].
    HoldHeed {
        /// On which list.
        list: ListName,
        /// Which key.
        key: Fingerprint,
    },
    /// The queued copies. [`Answer::Parcels`].
    QueueLs {
        /// Of which list only.
        list: Option<ListName>,
        /// For which destination only, as rows name it.
        destination: Option<String>,
        /// Only what comes behind this cursor.
        after: Option<String>,
        /// How many rows at most.
        limit: u64,
    },
    /// One queued copy. [`Answer::Parcel`].
    QueueShow {
        /// Which.
        id: ParcelId,
    },
    /// A copy is tried again now. [`Answer::Done`].
    QueueRetry {
        /// Which.
        id: ParcelId,
    },
    /// Deferred or failed copies are tried again now: some of them, then it says where to go on. [`Answer::Retried`].
    QueueRetryAll {
        /// Of which list only.
        list: Option<ListName>,
        /// Only what comes behind this cursor.
        after: Option<String>,
    },
    /// A copy is destroyed: its reader will not get it. [`Answer::Done`].
    QueueDrop {
        /// Which.
        id: ParcelId,
    },
    /// Any of these, answered as that is.
    Because {
        /// Why, for the journal.
        reason: String,
        /// Which.
        request: Box<Self>,
    },
    /// The roster as files.
    Roster(RosterRequest),
    /// The journal, list by list, each oldest first. [`Answer::Journal`].
    JournalLs {
        /// Of which list only.
        list: Option<ListName>,
        /// Only so many of the newest entries of each list.
        newest: Option<u64>,
        /// Only what comes behind this cursor.
        after: Option<String>,
        /// How many rows at most.
        limit: u64,
    },
    /// Computes the hash chains anew: a part of them, then it says where to go on. [`Answer::Verified`].
    JournalVerify {
        /// Of which list only.
        list: Option<ListName>,
        /// A head that somebody kept: is it in the chain still?
        head: Option<String>,
        /// Only what comes behind this cursor; what comes before is taken to be sound.
        after: Option<String>,
    },
}

/// What the daemon says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done.
    Done {
        /// What has been done, one line.
        what: String,
        /// What the admin should know besides: a certificate that expires soon, a reader that missed a post.
        remarks: Vec<String>,
    },
    /// Nothing has changed: the admin must agree first.
    Confirm {
        /// What would happen.
        what: String,
    },
    /// Nothing has changed: the key is encrypted and its passphrase is needed.
    PassphraseNeeded,
    /// It is refused, or failed.
    Error {
        /// What sort of failure.
        code: ErrorKind,
        /// What happened.
        what: String,
        /// Why.
        why: String,
        /// What to do next.
        next: String,
    },
    /// How the daemon is.
    Status(Box<StatusRow>),
    /// Lists.
    Lists(Vec<ListRow>),
    /// A list.
    List(Box<ListRow>),
    /// Keys.
    Keys(Vec<KeyRow>),
    /// A public certificate.
    Certificate {
        /// Armored (RFC 9580 §6).
        armored: String,
    },
    /// Organisations.
    Orgs(Vec<OrgRow>),
    /// An organisation.
    Org(Box<OrgRow>),
    /// What anybody may know of organisations.
    Register(Vec<RegisterRow>),
    /// The empty form of an application.
    Form(String),
    /// Applications.
    Applications(Vec<ApplicationRow>),
    /// An application.
    Application(Box<ApplicationRow>),
    /// Ballots.
    Ballots(Vec<BallotRow>),
    /// A ballot.
    Ballot(Box<BallotRow>),
    /// Who is of which body.
    Body(Vec<BodyRow>),
    /// Members or team members.
    Members(Vec<MemberRow>),
    /// A member.
    Member(Box<MemberRow>),
    /// Breaches.
    Breaches(Vec<BreachRow>),
    /// A breach.
    Breach(Box<BreachRow>),
    /// Held mails.
    Holds(Page<HoldRow>),
    /// A held mail.
    Hold(Box<HoldRow>),
    /// Keys that are ignored.
    Ignored(Vec<IgnoredRow>),
    /// Queued copies.
    Parcels(Page<ParcelRow>),
    /// A queued copy.
    Parcel(Box<ParcelRow>),
    /// Journal entries.
    Journal(Page<JournalRow>),
    /// The roster as files.
    Roster(Box<RosterAnswer>),
    /// Some copies are tried again.
    Retried {
        /// How many.
        tried: u64,
        /// How far it is.
        done: Part,
    },
    /// What verifying the journal found.
    Verified {
        /// One row for each chain that was finished in this part.
        chains: Vec<ChainRow>,
        /// Whether the head that was asked for was met in this part; nothing when none was asked for.
        head_found: Option<bool>,
        /// How far it is.
        done: Part,
    },
}

/// Who is at the other end of the socket, by the kernel's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// The user's name, where `/etc/passwd` has one.
    pub name: Option<String>,
}
