//! Members who leave: asked for with a reason, told to whoever it is about, decided by the team; and what goes with them.

use super::concern::contacts;
use super::expulsion::present;
use super::{Step, Trouble, ballot, members, team};
use crate::id::{BallotId, ListName, MemberId, OrgName};
use crate::roster::Refusal as AnyRefusal;
use crate::roster::ballot::{Ballot, Motion, Outcome};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Cause, Member, Role, Standing};
use crate::roster::removal::{Reason, Refusal};
use crate::time::Timestamp;

/// Who is to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// One member.
    Member(MemberId),
    /// All contacts of an organisation.
    Org(OrgName),
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The team votes.
    Voting(BallotId),
    /// There is time to mend it until then; after it the team votes.
    Curing(BallotId, Timestamp),
    /// It was asked for before, and is not decided.
    Already(BallotId),
    /// It was their own wish: they have left, and so many copies were withdrawn.
    Left(usize),
}

/// Asks for a removal: those whom it is about and the team are told, with the reason; where the policy gives time to mend it
/// the team votes after that, else at once. One's own wish needs no vote. What was asked for already is not asked for twice.
///
/// # Errors
/// When the store fails, nobody is there, the policy knows no vote, too few could vote, or the team would be too small.
pub fn propose(
    step: &mut Step<'_>,
    list: &ListName,
    whom: &Whom,
    reason: Reason,
    words: Option<&str>,
) -> Result<Asked, Trouble> {
    let them = meant(step, list, whom)?;
    let ids: Vec<MemberId> = them.iter().map(|m| m.id.clone()).collect();
    if reason == Reason::Wish {
        let mut withdrawn = 0_usize;
        for id in &ids {
            withdrawn = withdrawn.saturating_add(left(step, list, id)?);
        }
        return Ok(Asked::Left(withdrawn));
    }
    if reason == Reason::Other && words.is_none_or(|words| words.trim().is_empty()) {
        return Err(AnyRefusal::from(Refusal::NoWords).into());
    }
    if let Some(open) = asked_for(step, list, &ids)? {
        return Ok(Asked::Already(open.id));
    }
    let rules = step.affairs().list(list).map(|list| (list, list.membership()));
    let quorum = rules.and_then(|(list, rules)| Some((list, rules, rules.removal_quorum?)));
    let (found, rules, quorum) = quorum.ok_or_else(|| AnyRefusal::from(Refusal::NoQuorum(list.clone())))?;
    for member in &them {
        team::guard(step, list, member, None)?;
    }
    let cure_until = rules.cure_period.filter(|_| reason.can_be_cured()).map(|time| step.now().after(time));
    let begins = cure_until.unwrap_or_else(|| step.now());
    let (title, words) = (title(&them, whom), words.map(plain));
    let org = match whom {
        Whom::Org(org) => Some(org.clone()),
        Whom::Member(_) => None,
    };
    let motion = Motion::Remove { members: ids, org, reason };
    let wanted = ballot::Wanted::by_policy(found, motion, title.clone(), quorum.get(), begins);
    let id = ballot::open_from(step, wanted, words.clone(), cure_until)?;
    let since = step.now();
    let about = |whom| About::RemovalAsked { whom, reason, words: words.clone(), since, cure_until };
    for member in &them {
        let errand = Errand { list: list.clone(), to: member.into(), about: about(None), until: None };
        step.write(&errand)?;
    }
    let deciders: Vec<Reached> = step.deciders(list).map(Reached::from).collect();
    for to in deciders.into_iter().filter(|to| them.iter().all(|m| m.id != to.id)) {
        let about = about(Some(title.clone()));
        step.write(&Errand { list: list.clone(), to, about, until: None })?;
    }
    Ok(cure_until.map_or(Asked::Voting(id.clone()), |until| Asked::Curing(id, until)))
}

/// Takes back what was asked for: it is mended, or was a mistake.
///
/// # Errors
/// When the store fails, or nothing was asked for.
pub fn withdraw(step: &mut Step<'_>, list: &ListName, whom: &Whom) -> Result<BallotId, Trouble> {
    let ids: Vec<MemberId> = meant(step, list, whom)?.into_iter().map(|m| m.id).collect();
    let open = asked_for(step, list, &ids)?;
    let open = open.ok_or_else(|| AnyRefusal::from(Refusal::NotAsked(list.clone())))?;
    Ok(ballot::withdraw(step, &open.id)?.id)
}

/// What a removal was asked for is mended while there is time for it: it is taken back by itself. Says whether it was.
///
/// # Errors
/// When the store fails.
pub(super) fn mended(
    step: &mut Step<'_>,
    list: &ListName,
    member: &MemberId,
    ground: Reason,
) -> Result<bool, Trouble> {
    let Some(open) = asked_for(step, list, std::slice::from_ref(member))? else { return Ok(false) };
    let this = matches!(&open.motion, Motion::Remove { members, reason, .. }
        if *reason == ground && *members == [member.clone()]);
    let mends = this && open.waits(step.as_of());
    if mends {
        ballot::withdraw(step, &open.id)?;
    }
    Ok(mends)
}

/// A member leaves by their own wish; returns how many copies were withdrawn.
///
/// # Errors
/// When the store fails, nobody is there, or they are the last of a team.
pub fn left(step: &mut Step<'_>, list: &ListName, member: &MemberId) -> Result<usize, Trouble> {
    let reason = Some(Reason::Wish.as_str().to_owned());
    members::moved(step, list, member, Standing::Removed, Cause::Admin, reason)
}

/// Whom it is about: all of them belong to the list.
fn meant(step: &Step<'_>, list: &ListName, whom: &Whom) -> Result<Vec<Member>, Trouble> {
    match whom {
        Whom::Member(id) => {
            let member = present(step, list, id).ok_or_else(|| AnyRefusal::NoMember(list.clone()))?;
            Ok(vec![member])
        }
        Whom::Org(org) => {
            let them: Vec<Member> = contacts(step, list, org).cloned().collect();
            if them.is_empty() {
                return Err(AnyRefusal::from(Refusal::NoContact(list.clone(), org.clone())).into());
            }
            Ok(them)
        }
    }
}

/// The open ballot that would remove any of these.
fn asked_for(step: &Step<'_>, list: &ListName, them: &[MemberId]) -> Result<Option<Ballot>, Trouble> {
    let about = |ballot: &Ballot| {
        matches!(&ballot.motion, Motion::Remove { members, .. } if members.iter().any(|id| them.contains(id)))
            && ballot.list == *list
            && ballot.outcome == Outcome::Open
    };
    Ok(ballot::open_ones(step)?.into_iter().find(about))
}

fn title(them: &[Member], whom: &Whom) -> String {
    match (whom, them) {
        (Whom::Org(org), _) => org.to_string(),
        (Whom::Member(_), [one, ..]) => match &one.role {
            Role::Contact { org } => format!("{} of {org}", one.address),
            Role::Team { name, .. } => name.clone(),
        },
        (Whom::Member(id), []) => id.to_string(),
    }
}

/// Words of an admin for a letter: one paragraph without control characters.
fn plain(words: &str) -> String {
    words.split_whitespace().map(|w| w.replace(char::is_control, "")).collect::<Vec<_>>().join(" ")
}
