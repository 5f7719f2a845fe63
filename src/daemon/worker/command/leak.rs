//! A report of a leak. The mail itself goes on to the team as any mail of its kind: what it says is content, and of that
//! nothing is kept here but which questions it answers.

use super::did::Did;
use crate::id::BreachId;
use crate::ledger::affairs::breach::{self, Report};
use crate::ledger::affairs::{Step, Trouble};
use crate::ledger::token::Issued;
use crate::relay::answers::Answers;
use crate::roster::membership::Member;

pub(super) fn reported(
    step: &mut Step<'_>,
    issued: &Issued,
    member: &Member,
    more: Option<&BreachId>,
    answers: &Answers,
) -> Result<Did, Trouble> {
    let Some(list) = step.affairs().list(&issued.list) else { return Ok(Did::Nothing) };
    let answered = answers.leak.clone();
    match more {
        Some(id) => breach::answer(step, id, answered, None, Some(member))?,
        None => {
            // Whoever reports a leak is not for that whose leak it was.
            let org = answers.org.clone().filter(|org| step.roster().org(org).is_some());
            let (by, known_since) = (Some(member.clone()), step.now());
            breach::open(step, list, Report { org, by, known_since, answered, sealed: None })?
        }
    };
    Ok(Did::Something)
}
