//! Persons of teams and of bodies, for people.

use super::member::{against, member, until};
use super::table::{Columns, or_dash, yes_no};
use crate::control::wire::{BodyRow, MemberRow};

pub(crate) const TEAM: Columns<MemberRow> = Columns {
    none: "nobody is on the team",
    heads: &[
        "LIST",
        "NAME",
        "ROLE",
        "ADDRESS",
        "STANDING",
        "TERM",
        "RECEIVES",
        "UNTIL",
        "FINGERPRINT",
        "PROBLEM",
    ],
    cells: |m| {
        vec![
            m.list.clone(),
            or_dash(m.name.as_deref()),
            roles(m),
            m.address.clone(),
            m.standing.clone(),
            // Days, so that what ends soon stands out.
            m.term_days.map_or_else(|| "-".to_owned(), |days| format!("{days}d")),
            yes_no(m.can_receive),
            until(m),
            m.fingerprint.clone(),
            against(m),
        ]
    },
};

fn roles(m: &MemberRow) -> String {
    let all: Vec<&str> = m.role.iter().chain(&m.roles).map(String::as_str).collect();
    or_dash(Some(&all.join(",")))
}

/// As a member, with what only persons of teams have.
pub(crate) fn person(m: &MemberRow) -> Vec<(&'static str, String)> {
    let mut pairs: Vec<_> = member(m).into_iter().filter(|(name, _)| *name != "role").collect();
    pairs.extend([("roles", roles(m)), ("works for", or_dash(m.works_for.as_deref()))]);
    let days = m.term_days.map(|days| format!(" ({days} days are left)")).unwrap_or_default();
    let term = m.term_starts.as_deref().zip(m.term_ends.as_deref());
    let term = term.map_or_else(|| "-".to_owned(), |(starts, ends)| format!("{starts} to {ends}{days}"));
    pairs.extend([("term", term), ("appointed by", or_dash(m.appointed.as_deref()))]);
    pairs
}

pub(crate) const BODY: Columns<BodyRow> = Columns {
    none: "nobody is recorded of any body",
    heads: &["BODY", "ADDRESS", "SINCE", "FINGERPRINT"],
    cells: |b| vec![b.body.clone(), b.address.clone(), b.since.clone(), b.fingerprint.clone()],
};
