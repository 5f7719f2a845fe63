//! Tables for people, JSON for programs. People's tables hold no borders, so that a line is a row for `grep` and `awk`.

mod apply;
mod ballot;
mod breach;
mod member;
mod org;
mod plan;
mod table;
mod team;

use serde_json::Value;

pub(super) use self::apply::{APPLICATIONS, application};
pub(super) use self::ballot::{BALLOTS, ballot};
pub(super) use self::breach::{BREACHES, breach};
pub(super) use self::member::{MEMBERS, member};
pub(super) use self::org::{CRITERIA, ORGS, REGISTER, org};
pub(super) use self::plan::plan;
pub(super) use self::table::{Columns, one, rows};
use self::table::{or_dash, yes_no};
pub(super) use self::team::{BODY, TEAM, person};
use super::reason::explained;
use super::text::period;
use crate::control::wire::{
    ChainRow, HoldRow, IgnoredRow, JournalRow, KeyRow, ListRow, ParcelRow, StatusRow,
};

pub(super) const LISTS: Columns<ListRow> = Columns {
    none: "no lists",
    heads: &["NAME", "ADDRESS", "KIND", "READERS", "HELD", "QUEUED", "STATE", "FINGERPRINT"],
    cells: |l| {
        vec![
            l.name.clone(),
            l.address.clone(),
            l.kind.clone(),
            l.readers.to_string(),
            l.held.to_string(),
            l.queued.to_string(),
            if l.paused { "paused" } else { "open" }.to_owned(),
            or_dash(l.fingerprint.as_deref()),
        ]
    },
};

pub(super) fn list(l: &ListRow) -> Vec<(&'static str, String)> {
    vec![
        ("name", l.name.clone()),
        ("address", l.address.clone()),
        ("kind", l.kind.clone()),
        ("fingerprint", or_dash(l.fingerprint.as_deref())),
        ("team", or_dash(l.team.as_deref())),
        ("paused", yes_no(l.paused)),
        ("readers", l.readers.to_string()),
        ("unreachable", l.unreachable.to_string()),
        ("held", l.held.to_string()),
        ("queued", l.queued.to_string()),
    ]
}

pub(super) const KEYS: Columns<KeyRow> = Columns {
    none: "no keys",
    heads: &["LIST", "FINGERPRINT", "CREATED", "EXPIRES", "ADDRESSES", "PROBLEM"],
    cells: |k| {
        vec![
            k.list.clone(),
            k.fingerprint.clone(),
            k.created.clone(),
            k.expires.clone().unwrap_or_else(|| "never".to_owned()),
            k.addresses.join(","),
            or_dash(k.problem.as_deref()),
        ]
    },
};

pub(super) const HOLDS: Columns<HoldRow> = Columns {
    none: "nothing is held",
    heads: &["ID", "LIST", "SINCE", "SIZE", "REASON", "SIGNER"],
    cells: |h| {
        vec![
            h.id.clone(),
            h.list.clone(),
            h.since.clone(),
            h.size.to_string(),
            h.reason.clone(),
            or_dash(h.signer.as_deref()),
        ]
    },
};

pub(super) const IGNORED: Columns<IgnoredRow> = Columns {
    none: "nobody is ignored",
    heads: &["LIST", "KEY", "SINCE", "BY", "DROPPED", "LAST"],
    cells: |i| {
        let last = or_dash(i.last.as_deref());
        vec![i.list.clone(), i.key.clone(), i.since.clone(), i.by.clone(), i.dropped.to_string(), last]
    },
};

pub(super) fn hold(h: &HoldRow) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("id", h.id.clone()),
        ("list", h.list.clone()),
        ("reason", h.reason.clone()),
        ("since", h.since.clone()),
        ("signer", or_dash(h.signer.as_deref())),
        ("size", format!("{} bytes", h.size)),
    ];
    if let Some((meaning, next)) = explained(&h.reason) {
        pairs.extend([("meaning", meaning.to_owned()), ("next", next.to_owned())]);
    }
    pairs
}

pub(super) const PARCELS: Columns<ParcelRow> = Columns {
    none: "the queue is empty",
    heads: &["ID", "LIST", "RECIPIENT", "STATE", "ATTEMPTS", "NEXT", "LAST"],
    cells: |p| {
        vec![
            p.id.clone(),
            p.list.clone(),
            p.recipient.clone(),
            p.state.clone(),
            p.attempts.to_string(),
            or_dash(p.next.as_deref()),
            // What was not tried for itself waits for its destination.
            or_dash(p.last.as_deref().or(p.rests.as_ref().map(|rest| rest.why.as_str()))),
        ]
    },
};

pub(super) fn parcel(p: &ParcelRow) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("id", p.id.clone()),
        ("list", p.list.clone()),
        ("member", p.member.clone()),
        ("recipient", p.recipient.clone()),
        ("state", p.state.clone()),
        ("attempts", p.attempts.to_string()),
        ("last", or_dash(p.last.as_deref())),
        ("tried", or_dash(p.tried.as_deref())),
        ("host", or_dash(p.host.as_deref())),
        ("step", or_dash(p.step.as_deref())),
        ("next", or_dash(p.next.as_deref())),
        ("destination", p.destination.clone()),
    ];
    if let Some(rest) = &p.rests {
        let tries = if rest.times == 1 { "one try".to_owned() } else { format!("{} tries", rest.times) };
        pairs.extend([
            ("rests until", rest.until.clone()),
            ("because", format!("{} at {} ({tries} since {})", rest.why, rest.host, rest.since)),
        ]);
    }
    pairs.extend([("since", p.since.clone()), ("size", format!("{} bytes", p.size))]);
    pairs
}

pub(super) const JOURNAL: Columns<JournalRow> = Columns {
    none: "the journal is empty",
    heads: &["LIST", "SEQ", "AT", "ACTOR", "EVENT", "HASH"],
    cells: |j| {
        vec![
            j.list.clone(),
            j.seq.to_string(),
            j.at.clone(),
            j.actor.clone(),
            j.reason.iter().fold(event(&j.event), |line, reason| format!("{line} reason={reason}")),
            j.hash.chars().take(16).collect(),
        ]
    },
};

/// `kind`, then the rest as `name=value`.
fn event(event: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let kind = event.get("kind").map_or_else(|| "?".to_owned(), text);
    let fields =
        event.as_object().into_iter().flatten().filter(|(name, value)| *name != "kind" && !value.is_null());
    fields.fold(kind, |line, (name, value)| format!("{line} {name}={}", text(value)))
}

pub(super) const CHAINS: Columns<ChainRow> = Columns {
    none: "the journal is empty",
    heads: &["LIST", "ENTRIES", "SOUND", "HEAD", "PROBLEM"],
    cells: |c| {
        vec![
            c.list.clone(),
            c.entries.to_string(),
            yes_no(c.sound),
            or_dash(c.head.as_deref()),
            or_dash(c.problem.as_deref()),
        ]
    },
};

pub(super) fn status(s: &StatusRow) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("version", s.version.clone()),
        ("running since", format!("{} (process {}, for {})", s.since, s.pid, period(s.uptime_seconds))),
        ("store", s.store.clone()),
        ("lists", s.lists.to_string()),
        ("paused", if s.paused.is_empty() { "-".to_owned() } else { s.paused.join(", ") }),
        ("arrivals waiting", s.arrivals.to_string()),
        ("held", s.held.to_string()),
        ("quarantined", s.quarantined.to_string()),
        (
            "queue",
            format!("{} due, {} claimed, {} deferred, {} failed", s.due, s.claimed, s.deferred, s.failed),
        ),
        ("oldest copy", or_dash(s.oldest.as_deref())),
        (
            "resting",
            if s.resting == 1 { "1 destination".to_owned() } else { format!("{} destinations", s.resting) },
        ),
        ("came back", s.bounced.to_string()),
        ("alerts waiting", s.alerts.to_string()),
        ("last arrival", s.last_arrival.clone().unwrap_or_else(|| "none since the start".to_owned())),
        ("last delivery", s.last_delivery.clone().unwrap_or_else(|| "none since the start".to_owned())),
    ];
    pairs.extend(s.problems.iter().map(|problem| ("problem", problem.clone())));
    pairs
}

#[cfg(test)]
mod tests;
