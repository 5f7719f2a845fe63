//! A vote that came by mail.

use super::did::Did;
use crate::id::BallotId;
use crate::ledger::affairs::{Step, Trouble, ballot};
use crate::ledger::token::Issued;
use crate::roster::ballot::{Choice, Given};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::Member;

/// Counts it, and tells the voter.
pub(super) fn cast(
    step: &mut Step<'_>,
    issued: &Issued,
    id: &BallotId,
    voter: &Member,
    choice: Choice,
) -> Result<Did, Trouble> {
    let voted = ballot::cast(step, id, voter, (choice, Given::Mail))?;
    let (list, to) = (issued.list.clone(), Reached::from(voter));
    let split = voted.splits(&voter.id);
    let about =
        About::Voted { choice, title: voted.title, outcome: voted.outcome, split, rule: voted.barred };
    step.write(&Errand { list, to, about, until: None })?;
    Ok(Did::Something)
}
