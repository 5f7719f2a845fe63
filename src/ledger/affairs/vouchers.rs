//! What happens to those whom a removed member vouched for: what the policy says.

use std::num::NonZeroU32;

use super::{Step, Trouble};
use crate::id::{ListName, MemberId, OrgName};
use crate::ledger::shelf::Shelf;
use crate::mail::incident::Incident;
use crate::policy::VoucherRemoved;
use crate::roster::application::Application;
use crate::roster::criteria::{Assessment, RELAY, State};
use crate::roster::errand::{About, Errand, Reached, Who};
use crate::roster::membership::{Cause, Member, Standing};

/// The criterion.
const VOUCHED: &str = "vouched";

/// A member was removed: those who came by it are kept, looked at again, or suspended until somebody else vouches.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn left(step: &mut Step<'_>, list: &ListName, gone: &MemberId) -> Result<(), Trouble> {
    let Some(rules) = step.affairs().list(list).map(|list| list.membership().clone()) else { return Ok(()) };
    let needed = rules.vouchers_required.map_or(0, NonZeroU32::get);
    let came_by = |m: &&Member| m.is_active() && m.file.vouched_by.contains(gone);
    let came: Vec<Member> = step.roster().members(list).iter().filter(came_by).cloned().collect();
    for member in came {
        match rules.voucher_removed {
            None | Some(VoucherRemoved::Keep) => {}
            Some(VoucherRemoved::Review) => {
                let problem =
                    format!("{} came by a voucher of {gone}, who was removed: look at them again", member.id);
                step.alert(
                    list,
                    Incident::Trouble { part: "vouchers".to_owned(), problem: problem.clone() },
                )?;
                if let Some(org) = member.contact_of() {
                    let (state, at, review) = (State::Unknown, step.now(), Some(step.now()));
                    let (by, evidence) = (RELAY.to_owned(), Some(problem));
                    // The admins are told already.
                    let found = Assessment { state, by, at, evidence, review, told: true };
                    assessed(step, list, org, found)?;
                }
            }
            Some(VoucherRemoved::Suspend) if remaining(step, list, &member) < needed => {
                suspended(step, list, &member, gone)?;
            }
            Some(VoucherRemoved::Suspend) => {}
        }
    }
    Ok(())
}

/// Writes down how an organisation stands by the criterion `vouched`, where the list's policy has it.
///
/// # Errors
/// When a rule is against it.
pub fn assessed(
    step: &mut Step<'_>,
    list: &ListName,
    org: &OrgName,
    found: Assessment,
) -> Result<(), Trouble> {
    let Some(list) = step.affairs().list(list) else { return Ok(()) };
    if !list.membership().criteria.iter().any(|criterion| criterion.as_str() == VOUCHED) {
        return Ok(());
    }
    let changed = step.roster().assess(org, list, VOUCHED, found)?;
    step.apply(Some(&list.name), changed);
    Ok(())
}

/// How many of those who vouched are on the list still.
fn remaining(step: &Step<'_>, list: &ListName, member: &Member) -> u32 {
    let there =
        |by: &&MemberId| step.roster().by_id(list, by).is_some_and(|m| m.standing != Standing::Removed);
    u32::try_from(member.file.vouched_by.iter().filter(there).count()).unwrap_or(u32::MAX)
}

/// Suspends, and asks the others to vouch anew.
fn suspended(step: &mut Step<'_>, list: &ListName, member: &Member, gone: &MemberId) -> Result<(), Trouble> {
    let why = (Cause::VoucherLost, Some(format!("{gone}, who vouched, was removed")));
    let changed = step.roster().move_to(list, &member.id, Standing::Suspended, why, step.now())?;
    step.apply(Some(list), changed);
    step.withdraw(list, &member.id)?;
    let Some(id) = &member.file.application else { return Ok(()) };
    let Some(taken) = Shelf::<Application>::new(&step.affairs().store).application(id)? else {
        return Ok(());
    };
    let Some(rules) = step.affairs().list(list).map(|list| list.membership().clone()) else { return Ok(()) };
    let able = |m: &&Member| taken.it.may_vouch(m, &rules);
    let asked: Vec<Reached> = step.roster().active(list).filter(able).map(Reached::from).collect();
    let remark =
        "They are a member, and suspended since whoever vouched for them has left. A new voucher ends that.";
    for to in asked {
        let about = About::VouchWanted(Box::new(Who::of(&taken.it, vec![remark.to_owned()])));
        step.write(&Errand { list: list.clone(), to, about, until: None })?;
    }
    Ok(())
}
