//! Organisations, for people.

use super::table::{Columns, or_dash};
use crate::control::wire::OrgRow;

pub(crate) const ORGS: Columns<OrgRow> = Columns {
    none: "no organisations",
    heads: &["NAME", "TITLE", "CONTACTS", "SINCE"],
    cells: |o| {
        vec![o.name.clone(), or_dash(o.title.as_deref()), o.members.len().to_string(), o.since.clone()]
    },
};

pub(crate) fn org(o: &OrgRow) -> Vec<(&'static str, String)> {
    let mut pairs =
        vec![("name", o.name.clone()), ("title", or_dash(o.title.as_deref())), ("since", o.since.clone())];
    pairs.extend(
        o.members.iter().map(|m| ("contact", format!("{} on {} ({})", m.address, m.list, m.standing))),
    );
    pairs
}
