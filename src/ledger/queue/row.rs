//! One queued copy: as it is stored, and as people see it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{ListName, MemberId, ParcelId};
use crate::ledger::sent::Sent;
use crate::mail::parcel::Parcel;
use crate::store::contract::{Entry, Lease};
use crate::time::Timestamp;

/// How long a failed copy stays to be looked at and retried before it is forgotten.
pub const KEEP_FAILED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A claimed copy.
pub struct Job {
    /// The copy.
    pub parcel: Parcel,
    /// Delivery attempts before this one.
    pub attempts: u32,
    /// Since when it is queued.
    pub queued_at: Timestamp,
    /// Where the last attempt ended; whoever makes one says so here before it is recorded.
    pub met: Option<Met>,
    pub(super) lease: Lease,
    pub(super) last: Option<String>,
}

/// Where an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// The host that was asked last, or the destination when none was.
    pub host: String,
    /// What it was asked, such as `RCPT TO`.
    pub step: String,
    /// When.
    pub at: Timestamp,
}

/// What became of a delivery attempt. `reply` is what `queue ls` shows: the next hop's reply or what went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The next hop took it over.
    Delivered {
        /// Its reply.
        reply: String,
    },
    /// Not now.
    Deferred {
        /// Why.
        reply: String,
        /// When to try again.
        until: Timestamp,
    },
    /// Never: it was refused for good.
    Failed {
        /// Why.
        reply: String,
    },
    /// No more: it was deferred for as long as copies are tried.
    Expired {
        /// How long that was, in words such as `5 days`.
        after: String,
        /// Why it was deferred the last time.
        reply: String,
    },
}

/// The longest reply of a next hop that is kept, in bytes.
const MAX_REPLY: usize = 500;

/// A queued copy and what became of it so far.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) parcel: Parcel,
    pub(super) queued_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) failed: bool,
    pub(super) last: Option<String>,
    /// Records of before hold none.
    #[serde(default)]
    pub(super) met: Option<Met>,
}

/// A queued copy as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: ParcelId,
    /// The list it comes from.
    pub list: ListName,
    /// Whom it is for.
    pub member: MemberId,
    /// Where it goes.
    pub recipient: String,
    /// Where it stands.
    pub state: State,
    /// Finished delivery attempts.
    pub attempts: u32,
    /// What the last attempt ended with.
    pub last: Option<String>,
    /// Where the last attempt ended, and when.
    pub met: Option<Met>,
    /// When it is tried next; none while it is being tried, and none for a copy that failed.
    pub next: Option<Timestamp>,
    /// Since when it is queued.
    pub queued_at: Timestamp,
    /// The length of the copy on the wire, in bytes.
    pub size: u64,
}

/// Where a copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for its first attempt.
    Due,
    /// Is being delivered.
    Claimed,
    /// Waits for another attempt.
    Deferred,
    /// Was refused for good, or tried for long enough.
    Failed,
    /// Was taken over, and is late at the next hop.
    Delayed,
    /// Was taken over, and came back.
    Bounced,
}

impl State {
    /// The state's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Claimed => "claimed",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Bounced => "bounced",
        }
    }
}

pub(super) fn state(entry: &Entry, record: &Record) -> State {
    match (record.failed, entry.attempts, record.attempts) {
        (true, ..) => State::Failed,
        (false, 1.., _) => State::Claimed,
        (false, 0, 0) => State::Due,
        (false, 0, _) => State::Deferred,
    }
}

pub(super) fn row(entry: &Entry, record: Record) -> Row {
    let state = state(entry, &record);
    let waits = matches!(state, State::Due | State::Deferred);
    Row {
        state,
        size: record.parcel.wire_len(),
        id: record.parcel.id,
        list: record.parcel.list,
        member: record.parcel.member,
        recipient: record.parcel.recipient.to_string(),
        attempts: record.attempts,
        last: record.last,
        met: record.met,
        next: entry.due.filter(|_| waits).map(Timestamp::from_millis),
        queued_at: record.queued_at,
    }
}

/// A copy that is no longer in the queue, by what came back of it.
pub(super) fn returned_row(sent: Sent) -> Row {
    let failed = sent.returned.as_ref().is_some_and(|returned| returned.failed);
    Row {
        state: if failed { State::Bounced } else { State::Delayed },
        size: sent.size,
        id: sent.parcel,
        list: sent.list,
        member: sent.member,
        recipient: sent.recipient.to_string(),
        attempts: 0,
        last: sent.returned.map(|returned| returned.status),
        met: None,
        next: None,
        queued_at: sent.queued_at,
    }
}

/// A page of both, by their age. What is queued still speaks for itself, whatever came back of it.
pub(super) fn merged(queued: Vec<Row>, returned: Vec<Sent>, limit: usize) -> Vec<Row> {
    let mut rows = queued;
    rows.extend(returned.into_iter().map(returned_row));
    rows.sort_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    rows.truncate(limit);
    rows
}

/// A reply without control characters and not longer than [`MAX_REPLY`].
pub(super) fn printable(reply: &str) -> String {
    let mut out = String::new();
    for c in reply.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > MAX_REPLY {
            break;
        }
        out.push(c);
    }
    out
}
