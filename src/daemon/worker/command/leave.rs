//! Somebody leaves a list.

use super::did::Did;
use crate::ledger::affairs::{Step, Trouble, removal};
use crate::ledger::token::Issued;
use crate::roster::membership::Member;

/// In any standing; the last of a team cannot.
pub(super) fn left(step: &mut Step<'_>, issued: &Issued, member: &Member) -> Result<Did, Trouble> {
    // Who reads along because he is of the team leaves that, not this list.
    if step.roster().by_id(&issued.list, &member.id).is_none() {
        return Ok(Did::Nothing);
    }
    removal::left(step, &issued.list, &member.id)?;
    Ok(Did::This(format!(
        "You have left {}. What waited for you is withdrawn, and nothing more is sent to you.",
        issued.list
    )))
}
