//! The answer to the question whether SEIPD version 2 is read.

use super::did::Did;
use crate::ledger::affairs::{Step, Trouble};
use crate::ledger::token::Issued;
use crate::pgp::cert::Format;
use crate::roster::membership::Member;

pub(super) fn answered(step: &mut Step<'_>, issued: &Issued, member: &Member) -> Result<Did, Trouble> {
    if !member.is_active() {
        return Ok(Did::Nothing);
    }
    let changed = step.roster().set_format(&issued.list, &member.id, Some(Format::V2))?;
    step.apply(Some(&issued.list), changed);
    Ok(Did::Something)
}
