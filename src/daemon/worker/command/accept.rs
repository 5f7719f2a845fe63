//! An acceptance of the list's terms that came by mail.

use super::did::Did;
use crate::ledger::affairs::{Step, Trouble, acceptance};
use crate::ledger::token::Issued;
use crate::roster::membership::Member;
use crate::roster::terms::{Edition, How};

pub(super) fn accepted(
    step: &mut Step<'_>,
    issued: &Issued,
    edition: &Edition,
    member: &Member,
) -> Result<Did, Trouble> {
    acceptance::accept(step, &issued.list, &member.id, edition, How::Mail)?;
    Ok(Did::Something)
}
