//! The rows that answers are made of: plain texts, numbers and truths, as `--json` shows them. Times are RFC 3339 in UTC.

use serde::{Deserialize, Serialize};

/// Some rows, and where the next ones start.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The cursor to ask for the next page with; nothing when this is the last.
    pub more: Option<String>,
}

/// How far long work is, which is done in parts so that no single answer takes long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How many things this part went through.
    pub looked: u64,
    /// How many things there are in all, as of now.
    pub total: u64,
    /// The cursor to go on with; nothing when all is done.
    pub more: Option<String>,
}

/// How the daemon is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRow {
    /// The daemon's version.
    pub version: String,
    /// When it was started.
    pub since: String,
    /// Its process id.
    pub pid: u64,
    /// The store's engine.
    pub store: String,
    /// How many lists there are.
    pub lists: u64,
    /// The lists that are paused.
    pub paused: Vec<String>,
    /// Arrived mails that wait to be worked off.
    pub arrivals: u64,
    /// Held mails.
    pub held: u64,
    /// Mails in quarantine.
    pub quarantined: u64,
    /// Copies that are due.
    pub due: u64,
    /// Copies that are on their way at this moment.
    pub claimed: u64,
    /// Copies that wait for the next attempt.
    pub deferred: u64,
    /// Copies that failed for good.
    pub failed: u64,
    /// When the oldest copy was queued that still waits for its reader.
    #[serde(default)]
    pub oldest: Option<String>,
    /// How many destinations cannot be had and rest.
    #[serde(default)]
    pub resting: u64,
    /// Copies that the next hop had taken over and that came back.
    #[serde(default)]
    pub bounced: u64,
    /// Alerts that the admins have not been told yet.
    #[serde(default)]
    pub alerts: u64,
    /// Readers whom a post would not reach now.
    pub unreachable: u64,
    /// When a mail was taken in last, since the start.
    pub last_arrival: Option<String>,
    /// When a copy was delivered last, since the start.
    pub last_delivery: Option<String>,
    /// For how long the daemon has been running, in seconds.
    pub uptime_seconds: u64,
    /// What needs the admin's attention, a sentence each.
    pub problems: Vec<String>,
}

/// A list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// Its short name.
    pub name: String,
    /// Its posting address.
    pub address: String,
    /// `intake`, `announce`, `discuss` or `public`.
    pub kind: String,
    /// The fingerprint of its certificate; a public list has none.
    pub fingerprint: Option<String>,
    /// The list whose members are its team, for announce lists.
    pub team: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// How many readers it has.
    pub readers: u64,
    /// How many of them cannot receive now.
    pub unreachable: u64,
    /// How many mails are held.
    pub held: u64,
    /// How many copies are queued.
    pub queued: u64,
}

/// The key of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// The list.
    pub list: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its User IDs.
    pub addresses: Vec<String>,
    /// When it was made.
    pub created: String,
    /// When it expires.
    pub expires: Option<String>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// A member, or a person of a team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The list.
    pub list: String,
    /// The opaque id that the journal uses.
    pub id: String,
    /// The organisation; team members have none.
    pub org: Option<String>,
    /// The person's name; only team members have one.
    pub name: Option<String>,
    /// What the person does; only team members have one.
    pub role: Option<String>,
    /// What the person is besides.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The organisation that the person works for.
    #[serde(default)]
    pub works_for: Option<String>,
    /// When the person's term began, where there are terms.
    #[serde(default)]
    pub term_starts: Option<String>,
    /// When it ends.
    #[serde(default)]
    pub term_ends: Option<String>,
    /// How many days of it are left.
    #[serde(default)]
    pub term_days: Option<u64>,
    /// Who appointed the person.
    #[serde(default)]
    pub appointed: Option<String>,
    /// The address.
    pub address: String,
    /// The pinned fingerprint.
    pub fingerprint: String,
    /// `applied`, `vouched`, `active`, `suspended` or `removed`.
    pub standing: String,
    /// When it came to that standing.
    pub since: String,
    /// The message format, when it is set: `v1` or `v2`.
    pub format: Option<String>,
    /// When the certificate stops being of use, or did.
    pub expires: Option<String>,
    /// How many days have begun until then; 0 when nothing reaches it now, nothing when no end is known.
    #[serde(default)]
    pub days_left: Option<u64>,
    /// What it accepted of the list's terms, and what is asked, in words.
    #[serde(default)]
    pub terms: Option<String>,
    /// Whether its address is read, in words.
    #[serde(default)]
    pub alias_probe: Option<String>,
    /// Its own people who accepted the terms: id, name, which version, and whether that is a former text.
    #[serde(default)]
    pub staff: Vec<String>,
    /// Whether a post would reach it now.
    pub can_receive: bool,
    /// Whether and until when, in words.
    #[serde(default)]
    pub outlook: String,
    /// Why not, or what will soon be wrong.
    pub problem: Option<String>,
    /// Since when no copies go there, by the member's or the admin's wish.
    #[serde(default)]
    pub delivery_off: Option<String>,
    /// Further addresses of the same person or role.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The fingerprints of further certificates whose signatures count.
    #[serde(default)]
    pub further_certs: Vec<String>,
    /// What the list's policy has against the address.
    #[serde(default)]
    pub flag: Option<String>,
    /// The application by which it came, or wants to.
    #[serde(default)]
    pub application: Option<String>,
    /// Who vouched for it, by their ids.
    #[serde(default)]
    pub vouched_by: Vec<String>,
}

/// A held mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    /// Its id.
    pub id: String,
    /// The list.
    pub list: String,
    /// Why it is held, in words of ours.
    pub reason: String,
    /// When it arrived.
    pub since: String,
    /// The fingerprint that signed it, where one is known.
    pub signer: Option<String>,
    /// Its size in bytes, sealed.
    pub size: u64,
}

/// A key that is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredRow {
    /// The list.
    pub list: String,
    /// Its fingerprint.
    pub key: String,
    /// Since when.
    pub since: String,
    /// Who of the team decided it, by the opaque id, or `admin`.
    pub by: String,
    /// How many mails were dropped for it so far.
    #[serde(default)]
    pub dropped: u64,
    /// When the last of them came.
    #[serde(default)]
    pub last: Option<String>,
}

/// A queued copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelRow {
    /// Its id.
    pub id: String,
    /// The list.
    pub list: String,
    /// The reader's opaque id.
    pub member: String,
    /// The reader's address.
    pub recipient: String,
    /// `due`, `claimed`, `deferred` or `failed`.
    pub state: String,
    /// How many attempts were made.
    pub attempts: u64,
    /// What the last attempt met: reply code and enhanced status, or what failed on the way.
    pub last: Option<String>,
    /// When it is tried next.
    pub next: Option<String>,
    /// Where it goes to: the smarthost, or the recipient's domain.
    #[serde(default)]
    pub destination: String,
    /// The host that was asked last.
    #[serde(default)]
    pub host: Option<String>,
    /// What that host was asked, such as `RCPT TO`.
    #[serde(default)]
    pub step: Option<String>,
    /// When it was tried last.
    #[serde(default)]
    pub tried: Option<String>,
    /// That its destination cannot be had and rests.
    #[serde(default)]
    pub rests: Option<RestRow>,
    /// When it was queued.
    pub since: String,
    /// Its size on the wire, in bytes.
    pub size: u64,
}

/// A destination that rests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestRow {
    /// Since when it cannot be had.
    pub since: String,
    /// When one copy tries it again.
    pub until: String,
    /// How often in a row it could not be had.
    pub times: u64,
    /// The host that was tried last.
    pub host: String,
    /// What that host was asked.
    pub step: String,
    /// Why it cannot be had: the next hop's words or ours.
    pub why: String,
}

/// A journal entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalRow {
    /// The list.
    pub list: String,
    /// Its place in the chain.
    pub seq: u64,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What: an object with a `kind`.
    pub event: serde_json::Value,
    /// Why, where the admin said so beside the event itself.
    #[serde(default)]
    pub reason: Option<String>,
    /// The hash that closes it.
    pub hash: String,
}

/// What verifying one chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainRow {
    /// The list.
    pub list: String,
    /// How many entries it has.
    pub entries: u64,
    /// The hash of the newest one.
    pub head: Option<String>,
    /// Whether every hash is right.
    pub sound: bool,
    /// Where it breaks, and how.
    pub problem: Option<String>,
}
