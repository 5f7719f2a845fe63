//! Members who move from one standing to another, and what follows from it.

use super::{Step, Trouble, admission, asking, parting, vouchers};
use crate::id::{ListName, MemberId};
use crate::roster::membership::{Cause, Standing};

/// Moves a member; returns how many of its copies were withdrawn. Who does not read any more gets nothing of what waits,
/// from this commit on; who is removed gets a farewell, and the certificate goes with them.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn moved(
    step: &mut Step<'_>,
    list: &ListName,
    member: &MemberId,
    to: Standing,
    cause: Cause,
    reason: Option<String>,
) -> Result<usize, Trouble> {
    if to == Standing::Active {
        admission::decided(step, list, member)?;
    }
    let before = step.roster().by_id(list, member).cloned();
    let changed = step.roster().move_to(list, member, to, (cause, reason.clone()), step.now())?;
    step.apply(Some(list), changed);
    let cause_before = before.as_ref().and_then(|m| m.file.cause);
    if to == Standing::Active && cause_before == Some(Cause::NotAccepted) {
        // Where the terms are accepted by now this asks nobody; else nothing is delivered before they are.
        asking::ask(step, list, member)?;
    }
    if to == Standing::Removed {
        vouchers::left(step, list, member)?;
        if let Some(gone) = step.roster().by_id(list, member).cloned() {
            admission::applicant_left(step, &gone)?;
        }
    }
    if let Some(before) = before.filter(|_| to == Standing::Removed) {
        parting::parted(step, list, &before, reason.as_deref())?;
    }
    if to == Standing::Active { Ok(0) } else { Ok(step.withdraw(list, member)?) }
}
