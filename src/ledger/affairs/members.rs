//! Members who move from one standing to another, and what follows from it.

use super::{Step, Trouble, admission, vouchers};
use crate::id::{ListName, MemberId};
use crate::roster::membership::{Cause, Standing};

/// Moves a member; returns how many of its copies were withdrawn. Who does not read any more gets nothing of what waits,
/// from this commit on.
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
    let changed = step.roster().move_to(list, member, to, (cause, reason), step.now())?;
    step.apply(Some(list), changed);
    if to == Standing::Removed {
        vouchers::left(step, list, member)?;
        if let Some(gone) = step.roster().by_id(list, member).cloned() {
            admission::applicant_left(step, &gone)?;
        }
    }
    if to == Standing::Active { Ok(0) } else { Ok(step.withdraw(list, member)?) }
}
