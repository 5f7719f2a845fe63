//! The answer to the question whether an address is read.

use super::did::Did;
use crate::ledger::affairs::{Step, Trouble, alias};
use crate::ledger::token::Issued;
use crate::roster::membership::Member;

pub(super) fn answered(
    step: &mut Step<'_>,
    issued: &Issued,
    member: &Member,
    round: u32,
) -> Result<Did, Trouble> {
    let Some(list) = step.affairs().list(&issued.list) else { return Ok(Did::Nothing) };
    alias::answered(step, list, member, round)?;
    Ok(Did::Something)
}
