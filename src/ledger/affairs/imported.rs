//! A roster that comes from elsewhere: each of its changes, and what follows from it.

use super::{Step, Trouble};
use crate::roster::exchange::difference;
use crate::roster::membership::Standing;

/// Makes one change of an import; returns how many copies were withdrawn.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn one(step: &mut Step<'_>, change: &difference::Step, reason: &str) -> Result<usize, Trouble> {
    let (roster, changes) = step.roster().import(change, reason, step.now())?;
    let (list, member, reads) = match change {
        difference::Step::AddOrg(..) | difference::Step::SetOrg(..) | difference::Step::DropOrg(_) => {
            (None, None, true)
        }
        difference::Step::Add(list, _) => (Some(list), None, true),
        difference::Step::Set(list, member) => {
            (Some(list), Some(&member.id), member.standing == Standing::Active)
        }
        difference::Step::Remove(list, id) => (Some(list), Some(id), false),
    };
    for change in changes {
        step.apply(list, (roster.clone(), change));
    }
    match (list, member) {
        (Some(list), Some(member)) if !reads => Ok(step.withdraw(list, member)?),
        _ => Ok(0),
    }
}
