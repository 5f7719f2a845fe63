//! A decision about a held mail.

use super::did::Did;
use crate::id::SpoolId;
use crate::ledger::affairs::holds::{Decided, decide};
use crate::ledger::affairs::{Step, Trouble};
use crate::ledger::token::Issued;
use crate::roster::membership::Member;
use crate::roster::moderation::Decision;

/// By an active member of the team that decides for the list. Who comes second hears that it was decided.
pub(super) fn decided(
    step: &mut Step<'_>,
    issued: &Issued,
    member: &Member,
    mail: SpoolId,
    decision: Decision,
) -> Result<Did, Trouble> {
    if !step.deciders(&issued.list).any(|one| one.id == member.id) {
        return Ok(Did::Nothing);
    }
    let list = &issued.list;
    let what = match (decide(step, Some(list), mail, decision, Some(&member.id))?, decision) {
        (Decided::Made(_), Decision::Release) => {
            format!(
                "The held mail {mail} goes to {list} now; what else stands against it will hold it again."
            )
        }
        (Decided::Made(_), Decision::Drop) => format!("The held mail {mail} is gone."),
        (Decided::Made(_), Decision::DropAndIgnore) => format!(
            "The held mail {mail} is gone. What the same key signs is dropped from now on wherever it would be held; \
             an admin ends that with `vouchsafe hold ignore remove`."
        ),
        (Decided::Before, _) => {
            format!(
                "The held mail {mail} was decided about before, or its time had run out: nothing was changed."
            )
        }
        (Decided::NotReleasable(_) | Decided::NobodyToIgnore(_), _) => {
            return Ok(Did::Refused(format!("the held mail {mail} cannot go that way")));
        }
    };
    Ok(Did::This(what))
}
