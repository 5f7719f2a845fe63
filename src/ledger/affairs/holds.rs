//! Held mail that somebody decides about, or nobody in time.

use std::sync::Arc;

use super::{Step, Trouble};
use crate::id::{ListName, MemberId, SpoolId};
use crate::ledger::hold::{Held, Holds};
use crate::ledger::journal::Event;
use crate::ledger::shelf::Shelf;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::moderation::{Decision, HeldMail, Ignored};
use crate::store::contract::{Store, StoreError};
use crate::time::Timestamp;

/// So many held mails are told with all there is to know in one letter; the others are counted.
pub const TOLD: usize = 20;
/// So many are dropped or reminded of in one step.
const AT_ONCE: usize = 200;

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
        Decision::DropAndIgnore if !held.is_ignorable() => return Ok(Decided::NobodyToIgnore(held)),
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
            Shelf::add(step.batch(), &Ignored { name, list, signer, since, by: by.cloned() })?;
            step.tell(Some(&held.list), Event::SignerIgnored { signer });
        }
    }
    Ok(Decided::Made(held))
}

/// Whether this list's team wants to see no more of what this key signs, as far as this reason would hold it.
///
/// # Errors
/// When the store fails.
pub fn is_ignored(store: &Arc<dyn Store>, held: &Held) -> Result<bool, StoreError> {
    let Some(signer) = held.signer.filter(|_| held.is_ignorable()) else { return Ok(false) };
    Ok(Shelf::<Ignored>::new(store).get(&Ignored::name_of(&held.list, signer))?.is_some())
}

/// When held mail of this list is dropped, if nobody decides.
fn expires(list: &List, held: &Held) -> Option<Timestamp> {
    list.moderation().hold_expires.map(|after| held.since.after(after))
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

/// Those that are told, and how many there are besides.
#[must_use]
pub fn few(list: &List, held: &[Held]) -> (Vec<HeldMail>, u32) {
    let more = u32::try_from(held.len().saturating_sub(TOLD)).unwrap_or(u32::MAX);
    (held.iter().take(TOLD).map(|held| told(list, held)).collect(), more)
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
            let end = held.since.after(after);
            if end <= now {
                gone.push(held);
            } else if !held.reminded && before > std::time::Duration::ZERO && end.before(before) <= now {
                near.push(held);
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
    let (mails, more) = few(list, gone);
    tell_team(step, list, gone, About::HeldExpired { mails, more }, "was dropped: nobody had decided")
}

fn remind(step: &mut Step<'_>, list: &List, holds: &Holds, near: &[Held]) -> Result<(), Trouble> {
    for held in near {
        holds.reminded(step.batch(), held.id)?;
    }
    let (mails, more) = few(list, near);
    let about = About::Held { mails, more, reminder: true };
    tell_team(step, list, near, about, "is dropped soon: decide with `hold release` or `hold drop`")
}

fn tell_team(
    step: &mut Step<'_>,
    list: &List,
    mails: &[Held],
    about: About,
    what: &str,
) -> Result<(), Trouble> {
    let Some(last) = mails.iter().filter_map(|held| expires(list, held)).max() else { return Ok(()) };
    let team: Vec<Reached> = step.deciders(&list.name).map(Reached::from).collect();
    if team.is_empty() {
        let (part, problem) = ("hold".to_owned(), format!("held mail ({}) {what}", mails.len()));
        step.alert(&list.name, Incident::Trouble { part, problem })?;
    }
    for to in team {
        let until = Some(last);
        step.write(&Errand { list: list.name.clone(), to, about: about.clone(), until })?;
    }
    Ok(())
}
