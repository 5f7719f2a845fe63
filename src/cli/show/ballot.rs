//! Ballots, for people.

use super::table::{Columns, or_dash};
use crate::control::wire::BallotRow;

pub(crate) const BALLOTS: Columns<BallotRow> = Columns {
    none: "no ballots",
    heads: &["ID", "LIST", "MOTION", "ABOUT", "APPROVE", "OBJECT", "STATE", "CLOSES"],
    cells: |b| {
        vec![
            b.id.clone(),
            b.list.clone(),
            b.motion.clone(),
            b.title.clone(),
            format!("{}/{}", b.approve, b.quorum),
            b.object.to_string(),
            state(b),
            or_dash(b.closes.as_deref()),
        ]
    },
};

fn state(b: &BallotRow) -> String {
    if b.stuck && b.outcome == "open" { "stuck".to_owned() } else { b.outcome.clone() }
}

pub(crate) fn ballot(b: &BallotRow) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("id", b.id.clone()),
        ("list", b.list.clone()),
        ("motion", b.motion.clone()),
        ("about", b.title.clone()),
        ("reason", or_dash(b.reason.as_deref())),
        ("words", or_dash(b.words.as_deref())),
        ("opened", b.opened.clone()),
        ("votes from", b.from.clone().unwrap_or_else(|| "at once".to_owned())),
        ("closes", b.closes.clone().unwrap_or_else(|| "when it is decided".to_owned())),
        ("approve", format!("{} of {}", b.approve, b.quorum)),
        ("object", b.object.to_string()),
        ("split", or_dash(Some(b.split.join(", ")).filter(|split| !split.is_empty()).as_deref())),
        ("state", state(b)),
        ("rule", or_dash(b.rule.as_deref())),
        ("closed", or_dash(b.closed.as_deref())),
    ];
    pairs.extend(b.votes.iter().map(|vote| {
        let who = vote.name.as_deref().unwrap_or(&vote.by);
        let who = vote.org.as_ref().map_or_else(|| who.to_owned(), |org| format!("{who} of {org}"));
        ("vote", format!("{who}: {} by {}, {}", vote.choice, vote.given, vote.at))
    }));
    pairs
}
