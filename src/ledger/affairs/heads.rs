//! The journal's heads go to the team: whoever keeps that letter can show later that no entry up to it was changed or taken
//! away, which a chain alone cannot.

use std::time::Duration;

use super::{Step, Trouble};
use crate::id::ListName;
use crate::ledger::journal::Journal;
use crate::ledger::record::{decode, encode};
use crate::mail::list::List;
use crate::policy::duration::Period;
use crate::roster::errand::{About, ChainHead, Errand, Reached};
use crate::store::contract::{Expect, Space};
use crate::time::Timestamp;

/// How often, where no policy says it.
const DAILY: Duration = Duration::from_secs(24 * 3600);

/// Tells a team the heads of the chains of all lists that it decides for, of those that nobody decides for, and of the
/// relay's own, when it is time again.
///
/// The first look only notes when the time begins. A clock that was put back does not keep the heads from being told.
///
/// # Errors
/// When the store fails.
pub(super) fn told(step: &mut Step<'_>, team: &List) -> Result<(), Trouble> {
    if team.deciding() != Some(&team.name) {
        return Ok(());
    }
    let lists = step.affairs().lists.clone();
    let theirs = |list: &&List| list.deciding().is_none_or(|decides| *decides == team.name);
    let theirs: Vec<&List> = lists.iter().filter(theirs).collect();
    let Some(every) = period(&theirs, team) else { return Ok(()) };
    let key = key(&team.name);
    let before = step.affairs().store.get(Space::Registry, &key)?;
    let last: Option<Timestamp> = before.as_ref().map(|entry| decode(&entry.value)).transpose()?;
    let now = step.now();
    if last.is_some_and(|last| last <= now && now.since(last) < every) {
        return Ok(());
    }
    let readers: Vec<Reached> = step.deciders(&team.name).map(Reached::from).collect();
    if last.is_some() && !readers.is_empty() {
        let heads = heads(&Journal::new(step.affairs().store.clone()), &theirs)?;
        for to in readers {
            let about = About::JournalHead { heads: heads.clone(), at: now };
            step.write(&Errand { list: team.name.clone(), to, about, until: None })?;
        }
    }
    // In the same commit: neither a restart nor a kill lets it be told twice, or not at all.
    let unchanged = match before {
        Some(entry) => Expect::Version(Space::Registry, key.clone(), entry.version),
        None => Expect::Absent(Space::Registry, key.clone()),
    };
    step.batch().expect(unchanged);
    step.batch().put(Space::Registry, key, encode(&now)?);
    Ok(())
}

fn heads(journal: &Journal, lists: &[&List]) -> Result<Vec<ChainHead>, Trouble> {
    let chains = std::iter::once(None).chain(lists.iter().map(|list| Some(&list.name)));
    let mut heads = Vec::new();
    for list in chains {
        let head = journal.head(list)?;
        if head.seq > 0 {
            heads.push(ChainHead { list: list.cloned(), seq: head.seq, hash: head.hex() });
        }
    }
    Ok(heads)
}

/// The shortest that a policy of the team's lists says; none where all that say something switch it off.
fn period(theirs: &[&List], team: &List) -> Option<Duration> {
    let decided = theirs.iter().filter(|list| list.deciding() == Some(&team.name));
    let said: Vec<Period> =
        decided.filter_map(|list| list.policy.as_ref()?.team.journal_head_every).collect();
    let every = |period: &Period| match period {
        Period::Every(every) => Some(*every),
        Period::Off => None,
    };
    if said.is_empty() { Some(DAILY) } else { said.iter().filter_map(every).min() }
}

fn key(team: &ListName) -> Vec<u8> {
    format!("told/{team}").into_bytes()
}
