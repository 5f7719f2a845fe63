//! Held mail that somebody decides about, or nobody in time.

use std::sync::Arc;
use std::time::Duration;

use super::{Affairs, Step, Trouble};
use crate::id::{Fingerprint, ListName, MemberId, SpoolId};
use crate::ledger::hold::{Held, Holds};
use crate::ledger::journal::Event;
use crate::ledger::shelf::Shelf;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::roster::Roster;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::moderation::{Decision, HeldMail, Ignored};
use crate::store::contract::{Batch, Store, StoreError};
use crate::time::Timestamp;

/// So many held mails are told with all there is to know in one letter; the others are counted.
pub const TOLD: usize = 20;
/// So many are dropped or reminded of in one step.
const AT_ONCE: usize = 200;
/// So many letters about them go to one person at once.
const LETTERS: u32 = 10;

/// What a decision came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is made: the mail as it was held.
    Made(Box<Held>),
    /// There is no such held mail on that list any more: somebody else, or its time, decided.
    Before,
    /// Released it could go nowhere.
    NotReleasable(Box<Held>),
    /// Nobody can be ignored: it is not known who signed it, or that is not what is against it.
    NobodyToIgnore(Box<Held>),
}

/// Decides about a held mail. Who of several comes first has decided: the others' commits conflict.
///
/// # Errors
/// When the store fails.
pub fn decide(
    step: &mut Step<'_>,
    list: Option<&ListName>,
    mail: SpoolId,
    decision: Decision,
    by: Option<&MemberId>,
) -> Result<Decided, StoreError> {
    let holds = Holds::new(Arc::clone(&step.affairs().store));
    let held = holds.get(mail)?.filter(|held| list.is_none_or(|list| held.list == *list));
    let Some(held) = held.map(Box::new) else { return Ok(Decided::Before) };
    let now = step.now();
    let (batch, event) = match decision {
        Decision::Release if !held.releasable => return Ok(Decided::NotReleasable(held)),
        Decision::DropAndIgnore if !held.is_ignorable() || belongs(step, &held) => {
            return Ok(Decided::NobodyToIgnore(held));
        }
        Decision::Release => (holds.release(mail, now)?, Event::HoldReleased { mail }),
        Decision::Drop | Decision::DropAndIgnore => (holds.drop_mail(mail)?, Event::HoldDropped { mail }),
    };
    let Some(batch) = batch else { return Ok(Decided::Before) };
    step.batch().absorb(batch);
    step.tell(Some(&held.list), event);
    if let (Decision::DropAndIgnore, Some(signer)) = (decision, held.signer) {
        let (list, name) = (held.list.clone(), Ignored::name_of(&held.list, signer));
        let ignored = Shelf::<Ignored>::new(&step.affairs().store);
        if ignored.get(&name)?.is_none() {
            let since = now;
            Shelf::add(
                step.batch(),
                &Ignored { name, list, signer, since, by: by.cloned(), dropped: 0, last: None },
            )?;
            step.tell(Some(&held.list), Event::SignerIgnored { signer });
            let others: Vec<Reached> =
                step.deciders(&held.list).filter(|one| Some(&one.id) != by).map(Reached::from).collect();
            let by = by.and_then(|by| step.deciders(&held.list).find(|one| one.id == *by));
            let by = by.map(|one| one.display_name().to_owned());
            for to in others {
                let about = About::SignerIgnored { signer, by: by.clone() };
                step.write(&Errand { list: held.list.clone(), to, about, until: None })?;
            }
        }
    }
    Ok(Decided::Made(held))
}

/// Whether whoever signed it is somebody of the list or of its team: they are spoken with, not ignored.
fn belongs(step: &Step<'_>, held: &Held) -> bool {
    let list = step.affairs().list(&held.list);
    held.signer.is_some_and(|signer| is_somebody(step.roster(), list, signer))
}

fn is_somebody(roster: &Roster, list: Option<&List>, signer: Fingerprint) -> bool {
    let lists = list.into_iter().flat_map(|list| [Some(&list.name), list.deciding()]).flatten();
    lists.into_iter().flat_map(|name| roster.members(name)).any(|one| one.belongs() && one.signs_with(signer))
}

/// Whether this list's team wants to see no more of what this key signs, as far as this reason would hold it. Nobody could
/// check what an unknown key's signature names: it counts no more once that key is somebody's here. Then the batch that drops
/// the mail counts it.
///
/// # Errors
/// When the store fails.
pub fn is_ignored(affairs: &Affairs, batch: &mut Batch, held: &Held) -> Result<bool, StoreError> {
    let Some(signer) = held.signer.filter(|_| held.is_ignorable()) else { return Ok(false) };
    let shelf = Shelf::<Ignored>::new(&affairs.store);
    let Some(taken) = shelf.get(&Ignored::name_of(&held.list, signer))? else { return Ok(false) };
    let roster = affairs.registry.roster()?.roster;
    if is_somebody(&roster, affairs.list(&held.list), signer) {
        return Ok(false);
    }
    let dropped = taken.it.dropped.saturating_add(1);
    taken.put_back(batch, &Ignored { dropped, last: Some(held.since), ..taken.it.clone() })?;
    Ok(true)
}

/// Those whom the teams ignore.
///
/// # Errors
/// When the store fails.
pub fn ignored(store: &Arc<dyn Store>) -> Result<Vec<Ignored>, StoreError> {
    Ok(Shelf::<Ignored>::new(store).all()?.into_iter().map(|taken| taken.it).collect())
}

/// What this key signs is held again; false where it was not ignored.
///
/// # Errors
/// When the store fails.
pub fn heed(step: &mut Step<'_>, list: &ListName, signer: Fingerprint) -> Result<bool, StoreError> {
    let shelf = Shelf::<Ignored>::new(&step.affairs().store);
    let Some(taken) = shelf.get(&Ignored::name_of(list, signer))? else { return Ok(false) };
    taken.remove(step.batch());
    step.tell(Some(list), Event::SignerHeeded { signer });
    Ok(true)
}

/// When held mail of this list is dropped, if nobody decides: not before the team had all the time that a reminder gives,
/// however long the relay stood still.
fn expires(list: &List, held: &Held) -> Option<Timestamp> {
    let rules = list.moderation();
    let end = held.since.after(rules.hold_expires?);
    Some(match (rules.hold_remind, held.reminded) {
        (Some(remind), Some(reminded)) => end.max(reminded.after(remind)),
        _ => end,
    })
}

/// A held mail, as its list's team hears of it.
#[must_use]
pub fn told(list: &List, held: &Held) -> HeldMail {
    HeldMail {
        id: held.id,
        reason: held.reason.clone(),
        since: held.since,
        size: held.size,
        signer: held.signer,
        releasable: held.releasable,
        ignorable: held.is_ignorable(),
        expires: expires(list, held),
    }
}

/// The letters that tell of these: so many mails each, at most so many letters, and how many mails are not told.
#[must_use]
pub fn told_in(list: &List, held: &[Held], most: u32) -> (Vec<Vec<HeldMail>>, u32) {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let letters = held.chunks(TOLD).take(most).map(|some| some.iter().map(|held| told(list, held)).collect());
    let untold = held.len().saturating_sub(most.saturating_mul(TOLD));
    (letters.collect(), u32::try_from(untold).unwrap_or(u32::MAX))
}

/// Drops what nobody decided about in the time that the policy gives, and reminds the team before.
pub(super) fn expire(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    let Some(after) = list.moderation().hold_expires else { return Ok(()) };
    let before = list.moderation().hold_remind.unwrap_or_default().min(after);
    let now = step.now();
    let holds = Holds::new(Arc::clone(&step.affairs().store));
    let (mut gone, mut near) = (Vec::new(), Vec::new());
    // Ids are in the order of arrival, and nothing is held before it came: behind the first that is too young, all are.
    let old = |id: SpoolId| id.made_at().after(after.saturating_sub(before)) <= now;
    let mut last = None;
    'all: loop {
        let page = holds.ls(last, 500)?;
        let Some(end) = page.last() else { break };
        last = Some(end.id);
        for held in page {
            if !old(held.id) || gone.len().max(near.len()) >= AT_ONCE {
                break 'all;
            }
            if held.list != list.name {
                continue;
            }
            let (reminds, end) = (before > Duration::ZERO, held.since.after(after));
            if reminds && held.reminded.is_none() {
                if end.before(before) <= now {
                    near.push(Held { reminded: Some(now), ..held });
                }
            } else if expires(list, &held).is_some_and(|end| end <= step.as_of()) {
                gone.push(held);
            }
        }
    }
    drop_all(step, list, &holds, &gone)?;
    remind(step, list, &holds, &near)
}

fn drop_all(step: &mut Step<'_>, list: &List, holds: &Holds, gone: &[Held]) -> Result<(), Trouble> {
    for held in gone {
        let Some(batch) = holds.drop_mail(held.id)? else { continue };
        step.batch().absorb(batch);
        step.tell(Some(&list.name), Event::HoldExpired { mail: held.id });
    }
    let letters = told_in(list, gone, LETTERS);
    let about = |mails, more| About::HeldExpired { mails, more };
    tell_team(step, list, (gone, letters), about, "was dropped: nobody had decided")
}

fn remind(step: &mut Step<'_>, list: &List, holds: &Holds, near: &[Held]) -> Result<(), Trouble> {
    let now = step.now();
    for held in near {
        holds.reminded(step.batch(), held.id, now)?;
    }
    let letters = told_in(list, near, LETTERS);
    let about = |mails, more| About::Held { mails, more, reminder: true };
    let what = "is dropped soon: decide with `hold release` or `hold drop`";
    tell_team(step, list, (near, letters), about, what)
}

type Letters = (Vec<Vec<HeldMail>>, u32);

fn tell_team(
    step: &mut Step<'_>,
    list: &List,
    (mails, (letters, untold)): (&[Held], Letters),
    about: impl Fn(Vec<HeldMail>, u32) -> About,
    what: &str,
) -> Result<(), Trouble> {
    let Some(until) = mails.iter().filter_map(|held| expires(list, held)).max() else { return Ok(()) };
    let team: Vec<Reached> = step.deciders(&list.name).map(Reached::from).collect();
    if team.is_empty() {
        let (part, problem) = ("hold".to_owned(), format!("held mail ({}) {what}", mails.len()));
        step.alert(&list.name, Incident::Trouble { part, problem })?;
    }
    for to in team {
        for (errand, _) in errands(&list.name, &to, &letters, untold, until, &about) {
            step.write(&errand)?;
        }
    }
    Ok(())
}

/// One person's letters, with how many mails each tells of; the last one counts what is not told.
pub fn errands<'a>(
    list: &'a ListName,
    to: &'a Reached,
    letters: &'a [Vec<HeldMail>],
    untold: u32,
    until: Timestamp,
    about: &'a impl Fn(Vec<HeldMail>, u32) -> About,
) -> impl Iterator<Item = (Errand, usize)> + 'a {
    let last = letters.len().saturating_sub(1);
    letters.iter().enumerate().map(move |(nth, mails)| {
        let more = if nth == last { untold } else { 0 };
        let about = about(mails.clone(), more);
        (Errand { list: list.clone(), to: to.clone(), about, until: Some(until) }, mails.len())
    })
}
