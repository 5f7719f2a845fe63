//! Asking for acceptance of a list's terms.

use std::time::Duration;

use super::{Step, Trouble};
use crate::id::{ListName, MemberId};
use crate::mail::list::List;
use crate::roster::Refusal;
use crate::roster::duties::acceptance as duty;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Member, Standing};
use crate::roster::terms::{Asked, Asking, Edition};
use crate::time::Timestamp;

/// How long a token counts after the deadline: who accepts late comes back by it.
const AFTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// Asks somebody to accept the list's terms, who gets nothing before. Says whether there is anything to accept: not where
/// the policy names no text, or where it has been accepted.
///
/// # Errors
/// When the store fails, or nobody of the list has that id.
pub fn ask(step: &mut Step<'_>, list: &ListName, id: &MemberId) -> Result<bool, Trouble> {
    let Some(edition) = edition(step, list) else { return Ok(false) };
    let Some(member) = step.roster().by_id(list, id).cloned() else {
        return Err(Refusal::NoMember(list.clone()).into());
    };
    if !duty::binds(&member) || member.file.terms.covers(&edition) {
        return Ok(false);
    }
    asked(step, list, &member, edition, true)?;
    Ok(true)
}

pub(super) fn asked(
    step: &mut Step<'_>,
    list: &ListName,
    member: &Member,
    edition: Edition,
    withheld: bool,
) -> Result<(), Trouble> {
    let now = step.now();
    // Who is suspended has no time that could run out once more.
    let lapsed = member.standing == Standing::Suspended;
    let policy = step.affairs().list(list).and_then(|list| list.policy.clone());
    let deadline = policy.and_then(|policy| policy.terms.deadline).filter(|_| !lapsed);
    let due = deadline.map(|deadline| now.after(deadline));
    let asked = Asked { edition: edition.clone(), at: now, due, reminded: 0, withheld };
    let changed = step.roster().ask_acceptance(list, &member.id, asked)?;
    step.apply(Some(list), changed);
    let asks = step.roster().by_id(list, &member.id).and_then(|m| m.file.terms.asked.as_ref());
    let asking = match asks {
        _ if lapsed => Asking::Over,
        Some(asked) if asked.withheld => Asking::First,
        _ => Asking::Anew,
    };
    wanted(step, list, member, edition, due, asking)
}

pub(super) fn wanted(
    step: &mut Step<'_>,
    list: &ListName,
    member: &Member,
    edition: Edition,
    due: Option<Timestamp>,
    asking: Asking,
) -> Result<(), Trouble> {
    let until = due.unwrap_or_else(|| step.now()).after(AFTER);
    let former = member.file.terms.of_former_text(&edition).count();
    let staff = u32::try_from(former).unwrap_or(u32::MAX);
    let about = About::AcceptWanted { edition, due, asking, staff };
    let (list, to) = (list.clone(), Reached::from(member));
    Ok(step.write(&Errand { list, to, about, until: Some(until) })?)
}

/// The text that holds on a list now.
#[must_use]
pub fn edition(step: &Step<'_>, list: &ListName) -> Option<Edition> {
    step.affairs().list(list).and_then(List::terms).map(Edition::from)
}
