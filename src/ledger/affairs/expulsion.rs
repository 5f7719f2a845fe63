//! What a team's vote on a removal comes to.

use super::{Step, Trouble, members, team};
use crate::id::{ListName, MemberId};
use crate::mail::incident::Incident;
use crate::roster::ballot::{Ballot, Motion};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::removal::Reason;

/// The team has decided: they leave now. Whom a rule keeps stays, and the admins are told.
pub(super) fn carried(
    step: &mut Step<'_>,
    list: &ListName,
    them: &[MemberId],
    reason: Reason,
) -> Result<(), Trouble> {
    for id in them {
        let Some(member) = present(step, list, id) else { continue };
        let done = team::guard(step, list, &member, None).and_then(|()| {
            let why = Some(reason.as_str().to_owned());
            members::moved(step, list, id, Standing::Removed, Cause::Vote, why)
        });
        match done {
            Ok(_) => {}
            Err(Trouble::Refused(refusal)) => {
                let problem = format!("the team has voted to remove {id} from {list}: {refusal}");
                step.alert(list, Incident::Trouble { part: "removal".to_owned(), problem })?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
