//! Whether contacts' addresses are read: asked on schedule, reminded, missed, and answered.

use std::time::Duration;

use super::removal::{self, Asked, Whom, propose};
use super::{Step, Trouble, members};
use crate::id::{BallotId, ListName};
use crate::ledger::alert::Incident;
use crate::ledger::token::LIFE;
use crate::mail::list::List;
use crate::roster::Refusal;
use crate::roster::duties::probe::{self, Due, Rules};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::removal::Reason;
use crate::time::Timestamp;

/// So many members are asked or reminded in one commit; the next look at the clock finds the others.
const AT_ONCE: usize = 100;
/// How long the token counts that ends a suspension.
const AFTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// Asks a contact now, also where the policy asks nobody. A question that waits already is sent again.
///
/// # Errors
/// When the store fails, or nobody of the list has that id.
pub fn ask(step: &mut Step<'_>, list: &List, member: &Member) -> Result<Timestamp, Trouble> {
    if let Some(open) = member.file.alias.open {
        wanted(step, list, member, (member.file.alias.round, open.due), true)?;
        return Ok(open.due);
    }
    let due = step.now().after(list.membership().alias_probe_answer.unwrap_or(LIFE));
    let changed = step.roster().ask_alias(&list.name, &member.id, (step.now(), due))?;
    step.apply(Some(&list.name), changed);
    let round = step.roster().by_id(&list.name, &member.id).map_or(0, |m| m.file.alias.round);
    wanted(step, list, member, (round, due), false)?;
    Ok(due)
}

/// An answer to a question. Who is suspended for having given none comes back by it, where the policy says so; and in any case
/// the removal that was asked for on that ground is taken back, while there is time to mend it.
///
/// # Errors
/// When the store fails, or nobody waits for that answer.
pub fn answered(step: &mut Step<'_>, list: &List, member: &Member, round: u32) -> Result<(), Trouble> {
    let back = list.membership().alias_probe_return == Some(true);
    let silent = probe::is_unanswered(member);
    if !member.is_active() && !silent {
        return Err(Refusal::NoQuestion.into());
    }
    let next = list.membership().alias_probe_every.map(|every| step.now().after(every));
    let changed = step.roster().answer_alias(&list.name, &member.id, round, (step.now(), next))?;
    step.apply(Some(&list.name), changed);
    if silent && back {
        let why = Some("the address is read after all".to_owned());
        members::moved(step, &list.name, &member.id, Standing::Active, Cause::Unanswered, why)?;
    }
    let taken_back = silent && removal::mended(step, &list.name, &member.id, Reason::Probe)?;
    if silent && !back {
        // An admin ends the suspension. Whose removal is taken back hears of that; for anybody else it came too late.
        return if taken_back { Ok(()) } else { Err(Refusal::NoQuestion.into()) };
    }
    let (list, to) = (list.name.clone(), Reached::from(member));
    Ok(step.write(&Errand { list, to, about: About::AliasAnswered, until: None })?)
}

/// The clock's part.
///
/// # Errors
/// When the store fails, or a rule is against a step.
pub fn due(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    let policy = list.membership();
    // Who would have no time to answer is not asked.
    let every = policy.alias_probe_every.filter(|_| policy.alias_probe_answer.is_some());
    let answer = policy.alias_probe_answer.unwrap_or(LIFE);
    let (rules, now) = (Rules { every, answer, remind: &policy.alias_probe_remind }, step.now());
    let as_of = step.as_of();
    // Whose answer may wait here still has not missed it.
    let judged = |m: &Member| match probe::due(m, &rules, now) {
        Due::Miss if probe::due(m, &rules, as_of) != Due::Miss => Due::Nothing,
        due => due,
    };
    let dues = step.roster().members(&list.name).iter().map(|m| (judged(m), m));
    let dues = dues.filter(|(due, _)| *due != Due::Nothing).take(AT_ONCE);
    let dues: Vec<(Due, Member)> = dues.map(|(due, member)| (due, member.clone())).collect();
    for (due, member) in dues {
        one(step, list, due, &member)?;
    }
    Ok(())
}

fn one(step: &mut Step<'_>, list: &List, due: Due, member: &Member) -> Result<(), Trouble> {
    let id = &member.id;
    match due {
        Due::Nothing => Ok(()),
        Due::Schedule(at) => {
            step.amend(|roster| roster.schedule_alias(&list.name, id, Some(at)));
            Ok(())
        }
        Due::Drop => {
            step.amend(|roster| roster.schedule_alias(&list.name, id, None));
            Ok(())
        }
        Due::Ask => ask(step, list, member).map(|_| ()),
        Due::Remind(count) => {
            step.amend(|roster| roster.reminded_of_alias(&list.name, id, count));
            let Some(open) = member.file.alias.open else { return Ok(()) };
            wanted(step, list, member, (member.file.alias.round, open.due), true)
        }
        Due::Miss => missed(step, list, member),
    }
}

fn missed(step: &mut Step<'_>, list: &List, member: &Member) -> Result<(), Trouble> {
    let changed = step.roster().miss_alias(&list.name, &member.id, step.now())?;
    step.apply(Some(&list.name), changed);
    let missed = member.file.alias.missed.saturating_add(1);
    let most = list.membership().alias_probe_misses;
    if most.is_none_or(|most| missed < most.get()) {
        return Ok(());
    }
    let why = Some(format!("{missed} questions in a row whether the address is read had no answer"));
    members::moved(step, &list.name, &member.id, Standing::Suspended, Cause::Unanswered, why)?;
    let (id, recipient) = (member.id.clone(), member.address.clone());
    step.alert(&list.name, Incident::Unanswered { member: id, recipient, missed })?;
    let (asked, cure_until) = asked_for(step, list, member, missed)?;
    let who = format!("{} ({})", member.display_name(), member.address);
    let team: Vec<Reached> = step.deciders(&list.name).map(Reached::from).collect();
    for to in team {
        let (who, at) = (who.clone(), Some(member.address.clone()));
        let about = About::AliasSilent { who, missed, at, asked: asked.clone() };
        step.write(&Errand { list: list.name.clone(), to, about, until: None })?;
    }
    let back = list.membership().alias_probe_return == Some(true);
    let about = About::AliasSuspended { round: member.file.alias.round, missed, back, cure_until };
    // The token counts as long as an answer does something.
    let until = cure_until.filter(|_| !back).unwrap_or_else(|| step.now().after(AFTER));
    let (name, to) = (list.name.clone(), Reached::from(member));
    Ok(step.write(&Errand { list: name, to, about, until: Some(until) })?)
}

/// Where the policy says so, the relay asks for the removal of whom it has suspended: the ballot, and until when an answer
/// takes that back.
fn asked_for(
    step: &mut Step<'_>,
    list: &List,
    member: &Member,
    missed: u32,
) -> Result<(Option<BallotId>, Option<Timestamp>), Trouble> {
    if list.membership().alias_probe_removal != Some(true) {
        return Ok((None, None));
    }
    let words = format!("So many in a row: {missed}.");
    let whom = Whom::Member(member.id.clone());
    match step.attempt(|step| propose(step, &list.name, &whom, Reason::Probe, Some(&words)))? {
        Ok(Asked::Curing(id, until)) => Ok((Some(id), Some(until))),
        Ok(Asked::Voting(id) | Asked::Already(id)) => Ok((Some(id), None)),
        Ok(Asked::Left(_)) => Ok((None, None)),
        Err(rule) => {
            let problem = format!("nobody was asked to remove {}: {rule}", member.id);
            step.alert(&list.name, Incident::Trouble { part: "removal".to_owned(), problem })?;
            Ok((None, None))
        }
    }
}

fn wanted(
    step: &mut Step<'_>,
    list: &List,
    member: &Member,
    (round, due): (u32, Timestamp),
    again: bool,
) -> Result<(), Trouble> {
    let about = About::AliasProbe { round, due, again };
    // A late answer shows as well that the address is read.
    let until = due.after(list.membership().alias_probe_answer.unwrap_or(LIFE));
    let (list, to): (ListName, Reached) = (list.name.clone(), Reached::from(member));
    Ok(step.write(&Errand { list, to, about, until: Some(until) })?)
}
