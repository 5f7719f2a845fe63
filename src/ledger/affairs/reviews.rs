//! Criteria that were to be looked at again: the admins hear of each once. That they do is written in the commit of the
//! alert, so that neither a restart nor a kill tells it twice or not at all.

use super::{Step, Trouble};
use crate::ledger::alert::Incident;
use crate::mail::list::List;

/// So many are told in one commit; the next look finds the others.
const AT_ONCE: usize = 200;

/// Tells the admins of a list what was to be looked at again by now.
pub(super) fn missed(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    for (org, criterion, due) in step.roster().reviews_missed(list, step.now(), AT_ONCE) {
        let Some(changed) = step.roster().review_told(&org, list, &criterion) else { continue };
        step.apply(Some(&list.name), changed);
        step.alert(&list.name, Incident::ReviewMissed { org, criterion, due })?;
    }
    Ok(())
}
