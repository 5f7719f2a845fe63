//! What becomes due by the clock alone: each area's timers, asked again and again by the daemon.

use super::{Affairs, Step, Trouble, application, heads, reviews};
use crate::ledger::journal::{Actor, Journal};
use crate::mail::list::List;
use crate::store::contract::{Batch, StoreError};
use crate::time::Timestamp;

/// One area's timers: what is due on a list by now is done in the step. To be asked again changes nothing.
type Timer = fn(&mut Step<'_>, &List) -> Result<(), Trouble>;

/// Every area's timers.
const TIMERS: &[Timer] = &[application::due, heads::told, reviews::missed];

/// Does what is due, list by list, a commit each. Who was quicker wins, and the next look finds what is left.
///
/// # Errors
/// When the store fails. A rule that is against a step keeps the other steps from nothing.
pub fn tick(affairs: &Affairs, journal: &Journal, now: Timestamp) -> Result<(), StoreError> {
    for (list, timer) in affairs.lists.iter().flat_map(|list| TIMERS.iter().map(move |timer| (list, timer))) {
        let mut batch = Batch::new();
        let mut step = affairs.begin(&mut batch, Actor::Relay, now)?;
        match timer(&mut step, list) {
            Ok(()) => {}
            Err(Trouble::Store(error)) => return Err(error),
            Err(Trouble::Refused(refusal)) => {
                tracing::error!(list = %list.name, %refusal, "what is due by the clock cannot be done");
                continue;
            }
        }
        let notes = step.finish()?;
        if batch.put.is_empty() && batch.delete.is_empty() && notes.is_empty() {
            continue;
        }
        match journal.commit(&batch, &notes, now) {
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
