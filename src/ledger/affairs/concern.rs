//! Whom a ballot is about by now: they hear of it, and do not vote on it.

use super::expulsion::present;
use super::{Step, Trouble};
use crate::id::{ListName, MemberId};
use crate::roster::ballot::concern::Subjects;
use crate::roster::ballot::{Ballot, Motion};
use crate::roster::errand::{About, Errand};
use crate::roster::membership::Member;

/// The contacts that an organisation has on a list. Whoever only says in a form to be one is told nothing of its affairs.
pub(super) fn contacts<'s>(
    step: &'s Step<'_>,
    list: &ListName,
    org: &crate::id::OrgName,
) -> impl Iterator<Item = &'s Member> {
    step.roster().members(list).iter().filter(move |m| m.belongs() && m.contact_of() == Some(org))
}

/// Whom a motion is about.
pub(super) fn subjects(step: &Step<'_>, list: &ListName, motion: &Motion) -> Subjects {
    match motion {
        Motion::Remove { members, org, .. } => {
            let them: Vec<Member> = members.iter().filter_map(|id| present(step, list, id)).collect();
            Subjects::of(them.iter()).and_org(org.as_ref())
        }
        Motion::Admit { application } => {
            let theirs = |m: &&Member| !m.is_gone() && m.file.application.as_ref() == Some(application);
            Subjects::of(step.roster().members(list).iter().filter(theirs))
        }
    }
}

/// Who of the team may not vote on a motion.
pub(super) fn concerned(step: &Step<'_>, list: &ListName, motion: &Motion) -> Vec<MemberId> {
    let about = subjects(step, list, motion);
    step.deciders(list).filter(|m| about.concern(m)).map(|m| m.id.clone()).collect()
}

/// A ballot with the contacts that its organisation has by now. Who has come meanwhile is told what is asked for.
pub(super) fn widened(step: &mut Step<'_>, ballot: &Ballot) -> Result<Ballot, Trouble> {
    let mut new = ballot.clone();
    let Motion::Remove { members, org: Some(org), reason } = &mut new.motion else { return Ok(new) };
    let now: Vec<Member> = contacts(step, &ballot.list, org).cloned().collect();
    if now.is_empty() {
        return Ok(new);
    }
    for member in now.iter().filter(|m| !members.contains(&m.id)) {
        let (words, since, cure_until) = (ballot.words.clone(), ballot.opened, ballot.from);
        let about = About::RemovalAsked { whom: None, reason: *reason, words, since, cure_until };
        step.write(&Errand { list: ballot.list.clone(), to: member.into(), about, until: None })?;
    }
    *members = now.into_iter().map(|m| m.id).collect();
    Ok(new)
}

/// The same ballot as roster and clock have it now; and whose votes are lost.
pub(super) fn anew(step: &Step<'_>, ballot: &Ballot) -> (Ballot, Vec<MemberId>) {
    let about = subjects(step, &ballot.list, &ballot.motion);
    ballot.anew(step.deciders(&ballot.list), |m| about.concern(m), step.as_of())
}
