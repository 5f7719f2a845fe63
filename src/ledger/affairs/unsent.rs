//! A question that could not be written: whoever was not asked has not missed to answer.

use std::time::Duration;

use super::{Affairs, Step};
use crate::ledger::journal::Actor;
use crate::roster::errand::{About, Errand};
use crate::store::contract::{Batch, StoreError};
use crate::time::Timestamp;

/// After so long it is asked again.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// Adds to the batch that ends such an errand that the time for its answer does not run.
///
/// # Errors
/// When the store fails.
pub fn unsent(
    affairs: &Affairs,
    batch: &mut Batch,
    errand: &Errand,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (list, id) = (&errand.list, &errand.to.id);
    let mut step: Step<'_> = match errand.about {
        About::AliasProbe { .. } | About::AcceptWanted { .. } => affairs.begin(batch, Actor::Relay, now)?,
        _ => return Ok(()),
    };
    match errand.about {
        About::AliasProbe { .. } => {
            step.amend(|roster| roster.schedule_alias(list, id, Some(now.after(AGAIN))));
        }
        _ => step.amend(|roster| roster.unsent_terms(list, id)),
    }
    step.finish().map(|_| ())
}
