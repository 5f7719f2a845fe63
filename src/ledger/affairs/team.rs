//! The persons of teams: how long they stay, how they come, and what is told where the team is not as its policy wants it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Affairs, Step, Trouble, members};
use crate::id::{ListName, MemberId};
use crate::ledger::journal::Event;
use crate::ledger::shelf::{Kept, Shelf};
use crate::mail::directory::Kind;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::policy::Team as Rules;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Cause, Member, Role, Standing};
use crate::roster::team::{Due, Violation, due, term, violations as against};
use crate::roster::term::{Change, Refusal, Term, TermStage};
use crate::roster::{Change as AnyChange, Refusal as AnyRefusal, Roster};
use crate::store::contract::StoreError;
use crate::time::Timestamp;

/// What the admins were told of a team that is not as its policy wants it, so that they are told once.
#[derive(Serialize, Deserialize)]
struct Alarms {
    list: ListName,
    told: BTreeSet<String>,
}

impl Kept for Alarms {
    const SHELF: &'static str = "team-alarm/";
    fn name(&self) -> &str {
        self.list.as_str()
    }
}

/// What the list's policy says of its team; none for a list without a team of its own.
#[must_use]
pub fn rules(list: &List) -> Option<&Rules> {
    list.policy.as_ref().filter(|_| list.kind == Kind::Intake).map(|policy| &policy.team)
}

/// What a list's team is against its policy by now. A team that nobody was added to yet is none.
#[must_use]
pub fn violations(list: &List, roster: &Roster, now: Timestamp) -> Vec<Violation> {
    let team = roster.members(&list.name);
    let Some(rules) = rules(list).filter(|_| !team.is_empty()) else { return Vec::new() };
    let mut found = against(rules, team.iter());
    let mut active = team.iter().filter(|m| m.is_active());
    if let (Some(last), None) = (active.next(), active.next())
        && due(last, rules, now) == Some(Due::Suspend)
    {
        found.push(Violation::LastTermOver);
    }
    found
}

/// Refuses to let a person go where too few would be left, unless the admin insists, with a reason that is journalled.
///
/// # Errors
/// With the rule.
pub fn guard(
    step: &mut Step<'_>,
    list: &ListName,
    member: &Member,
    insisted: Option<&str>,
) -> Result<(), Trouble> {
    let rules = step.affairs().list(list);
    let Some(refusal) = rules.and_then(|rules| too_few(rules, step.roster(), member)) else { return Ok(()) };
    match insisted {
        None => Err(refusal.into()),
        Some(reason) => {
            let what = Change::BelowMinimum { member: member.id.clone(), reason: reason.to_owned() };
            step.tell(Some(list), Event::Roster { change: AnyChange::Team { what } });
            Ok(())
        }
    }
}

/// The rule against letting a person go, where fewer than the policy's smallest team would be left.
#[must_use]
pub fn too_few(list: &List, roster: &Roster, member: &Member) -> Option<AnyRefusal> {
    let min = rules(list).and_then(|rules| rules.min)?.get();
    if !member.is_active() || !matches!(member.role, Role::Team { .. }) {
        return None;
    }
    let left = roster.active(&list.name).filter(|m| m.id != member.id).count();
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    (left < min).then(|| Refusal::BelowMinimum { list: list.name.clone(), min, left }.into())
}

/// Gives a person of a team the term that the policy has, from `starts` or from now; returns it. Whom the end of a term
/// suspended reads again.
///
/// # Errors
/// When the term would lie elsewhere than now.
pub fn begin_term(
    step: &mut Step<'_>,
    list: &ListName,
    member: &MemberId,
    starts: Option<Timestamp>,
) -> Result<Option<Term>, Trouble> {
    let now = step.now();
    let Some(rules) = step.affairs().list(list).and_then(rules) else { return Ok(None) };
    let Some(term) = term(rules, starts.unwrap_or(now), now).map_err(AnyRefusal::from)? else {
        return Ok(None);
    };
    set_term(step, list, member, term)?;
    Ok(Some(term))
}

/// Gives a person of a team this term.
pub(super) fn set_term(
    step: &mut Step<'_>,
    list: &ListName,
    member: &MemberId,
    term: Term,
) -> Result<(), Trouble> {
    let changed = step.roster().set_term(list, member, term);
    step.apply(Some(list), changed);
    let over = step
        .roster()
        .by_id(list, member)
        .is_some_and(|m| m.standing == Standing::Suspended && m.file.cause == Some(Cause::TermOver));
    if over {
        let reason = Some("a new term".to_owned());
        members::moved(step, list, member, Standing::Active, Cause::TermOver, reason)?;
    }
    Ok(())
}

/// What becomes due of a team's terms: reminders, each once, and in the end nothing is delivered any more.
pub(super) fn terms(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    let Some(rules) = rules(list) else { return Ok(()) };
    let grace = rules.grace.unwrap_or_default();
    let team: Vec<Member> = step.roster().members(&list.name).to_vec();
    for member in &team {
        let (Some(what), Some(term)) = (due(member, rules, step.now()), member.file.seated.term) else {
            continue;
        };
        match what {
            Due::Tell(before) => {
                let changed = step.roster().told_of_term(&list.name, &member.id, before);
                step.apply(Some(&list.name), changed);
                let stage = if before == Duration::ZERO { TermStage::Ended } else { TermStage::Ends };
                tell(step, list, member, (term, grace), stage)?;
            }
            // Somebody has to read what arrives: the last one stays, and that is an alarm of its own.
            Due::Suspend if step.roster().active(&list.name).count() <= 1 => {}
            Due::Suspend => {
                let reason = Some("the term is over".to_owned());
                members::moved(step, &list.name, &member.id, Standing::Suspended, Cause::TermOver, reason)?;
                tell(step, list, member, (term, grace), TermStage::Over)?;
                let problem = format!(
                    "the term of {} in the team is over since {}, and nothing is delivered any more: appoint anew \
                     (`team appoint`, `team term`) or remove (`team remove`)",
                    member.address, term.ends
                );
                step.alert(&list.name, Incident::Trouble { part: "team".to_owned(), problem })?;
            }
        }
    }
    Ok(())
}

fn tell(
    step: &mut Step<'_>,
    list: &List,
    member: &Member,
    (term, grace): (Term, Duration),
    stage: TermStage,
) -> Result<(), Trouble> {
    let (ends, grace_until) = (term.ends, term.ends.after(grace));
    let about = |whose| About::TermEnds { whose, ends, grace_until, stage };
    let others = step.roster().active(&list.name).filter(|m| m.id != member.id);
    let others: Vec<Reached> = others.map(Reached::from).collect();
    let list = &list.name;
    step.write(&Errand { list: list.clone(), to: member.into(), about: about(None), until: None })?;
    for to in others {
        let about = about(Some(member.display_name().to_owned()));
        step.write(&Errand { list: list.clone(), to, about, until: None })?;
    }
    Ok(())
}

/// Tells the admins where a team is not as its policy wants it: once, until it is mended.
pub(super) fn alarms(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    if rules(list).is_none() {
        return Ok(());
    }
    let found = violations(list, step.roster(), step.now());
    let kinds: BTreeSet<String> = found.iter().map(Violation::kind).collect();
    let taken = Shelf::<Alarms>::new(&step.affairs().store).get(list.name.as_str())?;
    let known = taken.as_ref().map(|taken| taken.it.told.clone()).unwrap_or_default();
    if kinds == known {
        return Ok(());
    }
    for violation in found.iter().filter(|violation| !known.contains(&violation.kind())) {
        let problem = format!("the team of {}: {violation}", list.name);
        step.alert(&list.name, Incident::Trouble { part: "team".to_owned(), problem })?;
    }
    let new = Alarms { list: list.name.clone(), told: kinds };
    match taken {
        Some(taken) => taken.put_back(step.batch(), &new)?,
        None => Shelf::add(step.batch(), &new)?,
    }
    Ok(())
}

/// What the teams of all lists are against their policies, a sentence each.
///
/// # Errors
/// When the store fails.
pub fn problems(affairs: &Affairs, now: Timestamp) -> Result<Vec<(ListName, Violation)>, StoreError> {
    let roster = affairs.registry.roster()?.roster;
    let of = |list: &List| {
        violations(list, &roster, now).into_iter().map(|found| (list.name.clone(), found)).collect::<Vec<_>>()
    };
    Ok(affairs.lists.iter().flat_map(of).collect())
}
