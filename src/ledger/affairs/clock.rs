//! What becomes due by the clock alone: each area's timers, asked again and again by the daemon.

use std::sync::Arc;

use super::{Affairs, Step, Trouble, acceptance, alias, application, breach, heads, reviews};
use crate::ledger::alert::{Alert, Incident};
use crate::ledger::journal::{Actor, Journal};
use crate::ledger::registry::Read;
use crate::ledger::spool::Spool;
use crate::mail::list::List;
use crate::store::contract::{Batch, Expect, Space, StoreError};
use crate::time::Timestamp;

/// One area's timers: what is due on a list by now is done in the step. To be asked again changes nothing.
type Timer = fn(&mut Step<'_>, &List) -> Result<(), Trouble>;

/// Every area's timers.
const TIMERS: &[Timer] = &[
    application::due,
    acceptance::due,
    alias::due,
    breach::due,
    heads::told,
    reviews::missed,
    super::holds::expire,
    super::ballot::due,
    super::team::terms,
    super::team::alarms,
];

/// In front of the keys of lists whose timers are stuck, among the alerts.
const STUCK: u8 = b'k';

/// Does what is due, list by list, a commit each. Who was quicker wins, and the next look finds what is left. On a paused list
/// nothing is due: nobody would hear an answer. What takes something away is judged as of the arrival of the oldest mail of
/// the list that waits to be read: it may be the answer, and in time.
///
/// # Errors
/// When the store fails. What keeps one list's timer from its work keeps no other from it: the admins are told once.
pub fn tick(affairs: &Affairs, journal: &Journal, now: Timestamp) -> Result<(), StoreError> {
    // Read once, however many timers ask: nearly always nothing is due.
    let mut read = affairs.registry.roster()?;
    let unread = Spool::new(Arc::clone(&affairs.store)).oldest_unread(now)?;
    for list in affairs.lists.iter() {
        if affairs.registry.list_state(&list.name)?.paused {
            continue;
        }
        let as_of = unread.get(&list.name).copied().unwrap_or(now);
        let mut stuck = None;
        for timer in TIMERS {
            match one(affairs, journal, (list, *timer), read.clone(), (now, as_of)) {
                Ok(false) => {}
                // It is another roster now, by this step or because somebody was quicker.
                Ok(true) | Err(Trouble::Store(StoreError::Conflict(_))) => {
                    read = affairs.registry.roster()?
                }
                // One record or one rule: the others go on.
                Err(trouble @ (Trouble::Refused(_) | Trouble::Store(StoreError::Damaged(_)))) => {
                    tracing::error!(list = %list.name, %trouble, "what is due by the clock cannot be done");
                    stuck = stuck.or(Some(trouble));
                }
                Err(Trouble::Store(error)) => return Err(error),
            }
        }
        told(affairs, list, stuck, now)?;
    }
    Ok(())
}

/// Does what is due by one timer, over the roster as read; says whether that was anything.
fn one(
    affairs: &Affairs,
    journal: &Journal,
    (list, timer): (&List, Timer),
    read: Read,
    (now, as_of): (Timestamp, Timestamp),
) -> Result<bool, Trouble> {
    let mut batch = Batch::new();
    let mut step = affairs.begin_from(read, &mut batch, Actor::Relay, now);
    step.judge_as_of(as_of);
    timer(&mut step, list)?;
    let notes = step.finish()?;
    if batch.put.is_empty() && batch.delete.is_empty() && notes.is_empty() {
        return Ok(false);
    }
    journal.commit(&batch, &notes, now)?;
    Ok(true)
}

/// Whether the timers of a list are stuck is told once, until they are not.
fn told(affairs: &Affairs, list: &List, stuck: Option<Trouble>, now: Timestamp) -> Result<(), StoreError> {
    let key = [&[STUCK], list.name.as_str().as_bytes()].concat();
    let (known, mut batch) = (affairs.store.get(Space::Alert, &key)?, Batch::new());
    match (stuck, known) {
        (Some(trouble), None) => {
            batch.expect(Expect::Absent(Space::Alert, key.clone()));
            batch.put(Space::Alert, key, Vec::new());
            let problem = format!("what is due by the clock cannot be done: {trouble}");
            let incident = Incident::Trouble { part: "clock".to_owned(), problem };
            Alert::raise(&mut batch, Some(&list.name), incident, now)?;
        }
        (None, Some(_)) => {
            batch.delete(Space::Alert, key);
        }
        _ => return Ok(()),
    }
    match affairs.store.commit(batch) {
        Err(StoreError::Conflict(_)) => Ok(()),
        done => done,
    }
}
