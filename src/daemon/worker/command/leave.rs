//! Somebody leaves a list.

use super::did::Did;
use crate::ledger::affairs::members::moved;
use crate::ledger::affairs::{Step, Trouble};
use crate::ledger::token::Issued;
use crate::roster::membership::{Cause, Member, Standing};

/// In any standing; the last of a team cannot.
pub(super) fn left(step: &mut Step<'_>, issued: &Issued, member: &Member) -> Result<Did, Trouble> {
    // Who reads along because he is of the team leaves that, not this list.
    if step.roster().by_id(&issued.list, &member.id).is_none() {
        return Ok(Did::Nothing);
    }
    let reason = Some("own wish".to_owned());
    moved(step, &issued.list, &member.id, Standing::Removed, Cause::Admin, reason)?;
    Ok(Did::This(format!(
        "You have left {}. What waited for you is withdrawn, and nothing more is sent to you.",
        issued.list
    )))
}
