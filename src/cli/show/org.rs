//! Organisations, for people.

use super::table::{Columns, or_dash};
use crate::control::wire::{CriterionRow, MemberRow, OrgRow, RegisterRow};

pub(crate) const ORGS: Columns<OrgRow> = Columns {
    none: "no organisations",
    heads: &["NAME", "TITLE", "KIND", "CONTACTS", "SINCE", "MARK"],
    cells: |o| {
        vec![
            o.name.clone(),
            or_dash(o.title.as_deref()),
            or_dash(o.kind.as_deref()),
            o.members.len().to_string(),
            day(Some(&o.since)),
            marks(o),
        ]
    },
};

/// What stands out: so many criteria are not met, so many were to be looked at again.
fn marks(o: &OrgRow) -> String {
    let marks = [(o.failing, "FAILING"), (o.overdue, "OVERDUE")];
    let marks: Vec<String> =
        marks.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    or_dash(Some(&marks.join(", ")))
}

pub(crate) fn org(o: &OrgRow) -> Vec<(&'static str, String)> {
    let mut pairs =
        vec![("name", o.name.clone()), ("title", or_dash(o.title.as_deref())), ("since", o.since.clone())];
    let upstream = match (&o.upstream, &o.upstream_org) {
        (Some(said), Some(org)) if said != org => Some(format!("{said} ({org} on the roster)")),
        (said, _) => said.clone(),
    };
    let optional = [
        ("kind", &o.kind),
        ("upstream", &upstream),
        ("website", &o.website),
        ("user base", &o.user_base),
        ("evidence", &o.evidence),
    ];
    pairs.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    pairs.extend(o.members.iter().map(|m| {
        let flag = m.flag.as_ref().map_or_else(String::new, |flag| format!(": {flag}"));
        ("contact", format!("{} on {} ({}){flag}", m.address, m.list, m.standing))
    }));
    pairs.extend(o.members.iter().filter_map(came));
    pairs
}

pub(crate) const CRITERIA: Columns<CriterionRow> = Columns {
    none: "no criteria",
    heads: &["LIST", "CRITERION", "STATE", "BY", "WHEN", "REVIEW", "MARK", "EVIDENCE"],
    cells: |c| {
        vec![
            c.list.clone(),
            c.criterion.clone(),
            c.state.clone(),
            or_dash(c.by.as_deref()),
            day(c.at.as_ref()),
            day(c.review.as_ref()),
            or_dash(c.mark.as_deref()),
            or_dash(c.evidence.as_deref()),
        ]
    },
};

pub(crate) const REGISTER: Columns<RegisterRow> = Columns {
    none: "no organisation belongs to a list",
    heads: &["TITLE", "WEBSITE", "LISTS", "SINCE"],
    cells: |r| vec![r.title.clone(), or_dash(r.website.as_deref()), r.lists.join(","), r.since.clone()],
};

/// The day is enough where many stand below each other.
fn day(at: Option<&String>) -> String {
    at.map_or("-", |at| at.split('T').next().unwrap_or(at)).to_owned()
}

/// By whom a contact came.
fn came(m: &MemberRow) -> Option<(&'static str, String)> {
    let by = m.application.as_ref()?;
    let whom =
        if m.vouched_by.is_empty() { "nobody: the team alone".to_owned() } else { m.vouched_by.join(", ") };
    Some(("vouched by", format!("{whom} for {} on {} (application {by})", m.address, m.list)))
}
