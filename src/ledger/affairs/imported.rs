//! A roster that comes from elsewhere: each of its changes, and what follows from it.

use super::{Step, Trouble, acceptance, admission, asking, members};
use crate::id::{Fingerprint, ListName};
use crate::ledger::registry::Registry;
use crate::roster::duties::acceptance::binds;
use crate::roster::exchange::difference;
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::terms::How;

/// Makes all changes of an import; returns how many copies were withdrawn. Who is of no body any more takes the certificate
/// along, unless somebody else has it.
///
/// # Errors
/// When the store fails, or a rule is against one.
pub fn all(step: &mut Step<'_>, changes: &[difference::Step], reason: &str) -> Result<usize, Trouble> {
    let before: Vec<Fingerprint> = step.roster().bodies().map(|(_, member)| member.fingerprint).collect();
    let mut withdrawn = 0;
    for change in changes {
        withdrawn += one(step, change, reason)?;
    }
    for cert in before.into_iter().filter(|cert| !step.roster().pins(*cert)).collect::<Vec<_>>() {
        Registry::forget_cert(step.batch(), cert);
    }
    Ok(withdrawn)
}

/// Makes one change of an import; returns how many copies were withdrawn.
fn one(step: &mut Step<'_>, change: &difference::Step, reason: &str) -> Result<usize, Trouble> {
    let why = || Some(reason.to_owned());
    let mut withdrawn = 0;
    let list = match change {
        difference::Step::AddOrg(..)
        | difference::Step::SetOrg(..)
        | difference::Step::DropOrg(_)
        | difference::Step::InBody(..)
        | difference::Step::OutOfBody(..) => None,
        difference::Step::Add(list, _) => Some(list),
        // What follows from a move is the same whoever moves somebody.
        difference::Step::Remove(list, id) => {
            return members::moved(step, list, id, Standing::Removed, Cause::Admin, why());
        }
        difference::Step::Set(list, member) => {
            let before = step.roster().by_id(list, &member.id).cloned();
            if let Some(before) = before {
                if before.standing != member.standing {
                    let cause = member.file.cause.unwrap_or(Cause::Admin);
                    withdrawn += members::moved(step, list, &member.id, member.standing, cause, why())?;
                }
                // What is queued goes to where they were, sealed to what they had.
                let elsewhere = before.address != member.address || before.fingerprint != member.fingerprint;
                let still = before.standing == member.standing;
                if still && before.gets_copies() && (elsewhere || !member.gets_copies()) {
                    withdrawn += step.withdraw(list, &member.id)?;
                }
            }
            Some(list)
        }
    };
    let overtaken = match change {
        difference::Step::Add(list, member) | difference::Step::Set(list, member) => {
            step.roster().overtaken(list, member)
        }
        _ => Vec::new(),
    };
    let now = step.now();
    step.alter(list, |roster| roster.import(change, reason, now))?;
    admission::overtaken(step, &overtaken)?;
    if let difference::Step::Add(list, member) = change {
        accepted(step, list, member)?;
    }
    Ok(withdrawn)
}

/// Whom an admin takes over from elsewhere counts as having accepted the list's terms, by the admin's word, as whom the admin
/// adds by hand.
fn accepted(step: &mut Step<'_>, list: &ListName, member: &Member) -> Result<(), Trouble> {
    let open = member.is_active() && binds(member) && member.file.terms.accepted.is_none();
    match asking::edition(step, list).filter(|_| open) {
        Some(edition) => acceptance::accept(step, list, &member.id, &edition, How::AdminsWord),
        None => Ok(()),
    }
}
