//! What the relay finds by itself of what contacts owe: that they accept the list's terms, and that their address is read.

use std::fmt::Write;

use crate::id::MemberId;
use crate::mail::list::List;
use crate::roster::criteria::{Assessment, RELAY, State};
use crate::roster::duties::probe::is_unanswered;
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::terms::Edition;
use crate::time::Timestamp;

/// What is found of one contact.
struct Finding<'r> {
    of: &'r MemberId,
    state: State,
    at: Timestamp,
    /// When it will be another.
    until: Option<Timestamp>,
    what: String,
}

/// Whether an organisation's contacts have accepted the list's terms: the text that holds now. Who has time left for a new
/// text is not found to fail.
pub(super) fn accept_embargo<'r>(
    contacts: impl Iterator<Item = &'r Member>,
    list: &List,
    now: Timestamp,
) -> Option<Assessment> {
    let edition = Edition::from(list.terms()?);
    let version = &edition.version;
    let finding = |member: &'r Member| {
        let terms = &member.file.terms;
        let found = |state, at, until, what| Finding { of: &member.id, state, at, until, what };
        if let Some(accepted) = terms.accepted.as_ref().filter(|accepted| accepted.edition == edition) {
            let what = format!("accepted version {version} {}", accepted.how.as_str());
            return found(State::Met, accepted.at, None, what);
        }
        let over = member.standing == Standing::Suspended && member.file.cause == Some(Cause::NotAccepted);
        let asked = terms.asked.as_ref().filter(|asked| asked.edition == edition && !over);
        match asked {
            Some(asked) if !asked.withheld => {
                found(State::Unknown, asked.at, asked.due, format!("is asked to accept version {version}"))
            }
            _ => found(State::Unmet, now, None, format!("has not accepted version {version}")),
        }
    };
    worst(contacts.map(finding).collect())
}

/// Whether the addresses of an organisation's contacts are read, by the questions that they were asked. Of whom was never asked nothing is
/// found.
pub(super) fn monitored_alias<'r>(
    contacts: impl Iterator<Item = &'r Member>,
    list: &List,
    now: Timestamp,
) -> Option<Assessment> {
    let rules = list.membership();
    rules.alias_probe_every.and(rules.alias_probe_answer)?;
    let finding = |member: &'r Member| {
        let alias = &member.file.alias;
        // After a miss the next question waits already.
        let until = alias.open.map(|open| open.due).or(alias.next);
        let found = |state, at, until, what: &str| {
            Some(Finding { of: &member.id, state, at, until, what: what.to_owned() })
        };
        match alias.answered {
            _ if alias.missed > 0 || is_unanswered(member) => {
                let of = if alias.missed == 1 { "question" } else { "questions in a row" };
                let what = match alias.missed {
                    0 => "is suspended for not answering".to_owned(),
                    missed => format!("did not answer {missed} {of}"),
                };
                found(State::Unmet, now, None, &what)
            }
            // Who is suspended for something else is asked nothing.
            Some(at) => found(State::Met, at, until.filter(|_| member.is_active()), "answered"),
            None => None,
        }
    };
    worst(contacts.filter_map(finding).collect())
}

/// An organisation stands as the worst of its contacts does.
fn worst(found: Vec<Finding<'_>>) -> Option<Assessment> {
    let rank = |state: State| match state {
        State::Unmet => 0,
        State::Unknown => 1,
        State::Met => 2,
    };
    let state = found.iter().map(|one| one.state).min_by_key(|state| rank(*state))?;
    let these: Vec<&Finding<'_>> = found.iter().filter(|one| one.state == state).collect();
    // The day of the oldest: as long it has been so of all.
    let at = these.iter().map(|one| one.at).min()?;
    let review = these.iter().filter_map(|one| one.until).min();
    let mut evidence = String::new();
    for one in &these {
        let gap = if evidence.is_empty() { "" } else { "; " };
        // Into a string nothing fails.
        _ = write!(evidence, "{gap}{} {}", one.of, one.what);
    }
    Some(Assessment { state, by: RELAY.to_owned(), at, evidence: Some(evidence), review, told: false })
}

#[cfg(test)]
mod tests;
