//! Vouchers: how many count, who is asked, and what happens to those whom a removed member vouched for.

use std::num::NonZeroU32;

use super::{Step, Trouble};
use crate::id::{ListName, MemberId, OrgName};
use crate::ledger::shelf::Shelf;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::policy::VoucherRemoved;
use crate::roster::application::{Application, Refusal};
use crate::roster::criteria::{Assessment, RELAY, State};
use crate::roster::errand::{About, Errand, Reached, Who};
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::remarks::voices;

/// The criterion.
const VOUCHED: &str = "vouched";

/// How many vouchers a list's policy asks for.
#[must_use]
pub fn needed(list: &List) -> u32 {
    list.membership().vouchers_required.map_or(0, NonZeroU32::get)
}

/// How many are missing: organisations count, and not their people. Those of members who have left count no more; those of
/// suspended ones do.
#[must_use]
pub fn missing(step: &Step<'_>, list: &List, application: &Application) -> u32 {
    let there = application.vouchers.iter().filter(|voucher| is_there(step, &list.name, &voucher.by));
    let counted = voices(there.map(|voucher| (&voucher.by, voucher.org.as_ref())));
    needed(list).saturating_sub(u32::try_from(counted).unwrap_or(u32::MAX))
}

/// Counts a voucher, unless somebody of the same organisation speaks already.
///
/// # Errors
/// The first rule against it.
pub fn counted(
    step: &Step<'_>,
    list: &List,
    application: &Application,
    voucher: &Member,
    statement: Option<String>,
) -> Result<Application, Refusal> {
    let applicant = step.roster().by_id(&list.name, &application.member);
    let vouched = application.vouch(voucher, applicant, list.membership(), statement, step.as_of())?;
    application.speaks_first(voucher, |by| is_there(step, &list.name, by))?;
    Ok(vouched)
}

/// Asks everybody who may vouch by mail.
///
/// # Errors
/// When a letter cannot be put into the outbox.
pub fn ask(
    step: &mut Step<'_>,
    list: &List,
    application: &Application,
    remarks: &[String],
) -> Result<(), Trouble> {
    let able = |m: &&Member| {
        let first = application.speaks_first(m, |by| is_there(step, &list.name, by)).is_ok();
        first && application.may_vouch(m, list.membership())
    };
    let asked: Vec<Reached> = step.roster().active(&list.name).filter(able).map(Reached::from).collect();
    for to in asked {
        let about = About::VouchWanted(Box::new(Who::of(application, remarks.to_vec())));
        step.write(&Errand { list: list.name.clone(), to, about, until: application.ends() })?;
    }
    Ok(())
}

/// A member was removed: those who came by it are kept, looked at again, or suspended until somebody else vouches.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn left(step: &mut Step<'_>, list: &ListName, gone: &MemberId) -> Result<(), Trouble> {
    let Some(list) = step.affairs().list(list).cloned() else { return Ok(()) };
    let came_by = |m: &&Member| m.belongs() && m.file.vouched_by.contains(gone);
    let came: Vec<Member> = step.roster().members(&list.name).iter().filter(came_by).cloned().collect();
    for member in came {
        match list.membership().voucher_removed {
            None | Some(VoucherRemoved::Keep) => {}
            Some(VoucherRemoved::Suspend) if remaining(step, &list.name, &member) >= needed(&list) => {}
            Some(VoucherRemoved::Suspend) if member.is_active() => suspended(step, &list, &member, gone)?,
            Some(VoucherRemoved::Review | VoucherRemoved::Suspend) => reviewed(step, &list, &member, gone)?,
        }
    }
    Ok(())
}

/// The admins are told, and the criterion is open.
fn reviewed(step: &mut Step<'_>, list: &List, member: &Member, gone: &MemberId) -> Result<(), Trouble> {
    let problem = format!("{} came by a voucher of {gone}, who was removed: look at them again", member.id);
    step.alert(&list.name, Incident::Trouble { part: "vouchers".to_owned(), problem: problem.clone() })?;
    let Some(org) = member.contact_of() else { return Ok(()) };
    let (at, by) = (step.now(), RELAY.to_owned());
    // The admins are told already.
    let (state, evidence, review, told) = (State::Unknown, Some(problem), Some(at), true);
    assessed(step, list, org, Assessment { state, by, at, evidence, review, told })
}

/// Suspends, and asks the others to vouch anew.
fn suspended(step: &mut Step<'_>, list: &List, member: &Member, gone: &MemberId) -> Result<(), Trouble> {
    let why = (Cause::VoucherLost, Some(format!("{gone}, who vouched, was removed")));
    let changed = step.roster().move_to(&list.name, &member.id, Standing::Suspended, why, step.now())?;
    step.apply(Some(&list.name), changed);
    step.withdraw(&list.name, &member.id)?;
    let Some(id) = &member.file.application else { return Ok(()) };
    let taken = Shelf::<Application>::new(&step.affairs().store).application(id)?;
    let Some(taken) = taken else { return Ok(()) };
    let remark =
        "They are a member, and suspended since whoever vouched for them has left. A new voucher ends that.";
    ask(step, list, &taken.it, &[remark.to_owned()])
}

/// Writes down how an organisation stands by the criterion `vouched`, where the list's policy has it.
///
/// # Errors
/// When a rule is against it.
pub fn assessed(step: &mut Step<'_>, list: &List, org: &OrgName, found: Assessment) -> Result<(), Trouble> {
    if !list.membership().criteria.iter().any(|criterion| criterion.as_str() == VOUCHED) {
        return Ok(());
    }
    let changed = step.roster().assess(org, list, VOUCHED, found)?;
    step.apply(Some(&list.name), changed);
    Ok(())
}

/// How many of those who vouched are on the list still.
fn remaining(step: &Step<'_>, list: &ListName, member: &Member) -> u32 {
    let there = member.file.vouched_by.iter().filter(|by| is_there(step, list, by));
    let speak = there.map(|by| (by, step.roster().by_id(list, by).and_then(Member::org)));
    u32::try_from(voices(speak)).unwrap_or(u32::MAX)
}

fn is_there(step: &Step<'_>, list: &ListName, by: &MemberId) -> bool {
    step.roster().by_id(list, by).is_some_and(Member::belongs)
}
