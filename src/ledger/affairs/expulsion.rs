//! What a team's vote on a removal comes to.

use super::{Step, Trouble, members, team};
use crate::id::{ListName, MemberId};
use crate::roster::ballot::{Ballot, Motion};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::removal::Reason;

/// The team has decided: they leave now. Whom a rule keeps stays, and is told so; returns the rules.
pub(super) fn carried(
    step: &mut Step<'_>,
    list: &ListName,
    them: &[MemberId],
    reason: Reason,
) -> Result<Option<String>, Trouble> {
    let (mut stay, mut rules) = (Vec::new(), Vec::<String>::new());
    for id in them {
        let Some(member) = present(step, list, id) else { continue };
        let done = step.attempt(|step| {
            team::guard(step, list, &member, None)?;
            let why = Some(reason.as_str().to_owned());
            members::moved(step, list, id, Standing::Removed, Cause::Vote, why)
        })?;
        if let Err(rule) = done {
            stay.push(id.clone());
            rules.push(rule.to_string());
        }
    }
    dropped(step, list, &stay)?;
    rules.dedup();
    Ok(Some(rules.join("; ")).filter(|rules| !rules.is_empty()))
}

/// It does not come to it: whoever it was about is told.
pub(super) fn dropped(step: &mut Step<'_>, list: &ListName, them: &[MemberId]) -> Result<(), Trouble> {
    for id in them {
        let Some(member) = present(step, list, id) else { continue };
        let (to, about) = (Reached::from(&member), About::RemovalWithdrawn);
        step.write(&Errand { list: list.clone(), to, about, until: None })?;
    }
    Ok(())
}

/// Whether everybody whom a ballot would remove has left already.
pub(super) fn is_moot(step: &Step<'_>, ballot: &Ballot) -> bool {
    let Motion::Remove { members, .. } = &ballot.motion else { return false };
    members.iter().all(|id| present(step, &ballot.list, id).is_none())
}

pub(super) fn present(step: &Step<'_>, list: &ListName, id: &MemberId) -> Option<Member> {
    step.roster().by_id(list, id).filter(|m| m.standing != Standing::Removed).cloned()
}
