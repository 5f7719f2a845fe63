//! Breaches, for people.

use super::table::{Columns, or_dash, yes_no};
use crate::control::wire::BreachRow;

pub(crate) const BREACHES: Columns<BreachRow> = Columns {
    none: "no breaches",
    heads: &["ID", "LIST", "ORG", "STATE", "OPENED", "DUE", "OVERDUE", "MISSING"],
    cells: |b| {
        vec![
            b.id.clone(),
            b.list.clone(),
            or_dash(b.org.as_deref()),
            b.state.clone(),
            b.opened.clone(),
            or_dash(b.due.as_deref()),
            yes_no(b.overdue),
            or_dash(Some(&b.missing.join(","))),
        ]
    },
};

pub(crate) fn breach(b: &BreachRow) -> Vec<(&'static str, String)> {
    vec![
        ("id", b.id.clone()),
        ("list", b.list.clone()),
        ("org", or_dash(b.org.as_deref())),
        ("state", b.state.clone()),
        ("reported by", b.by.clone()),
        ("opened", b.opened.clone()),
        ("known since", b.known_since.clone()),
        ("due", or_dash(b.due.as_deref())),
        ("overdue", yes_no(b.overdue)),
        ("missing", or_dash(Some(&b.missing.join(", ")))),
        ("strikes", b.strikes.to_string()),
    ]
}
