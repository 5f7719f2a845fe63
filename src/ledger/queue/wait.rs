//! Copies that wait: given back untried, made due sooner, and how old the oldest is.

use super::each::each;
use super::outcome::{expect_lease, expect_version, unchanged};
use super::row::Job;
use crate::ledger::record::encode;
use crate::mail::address::Domain;
use crate::store::contract::{Batch, Space, Store, StoreError};
use crate::time::Timestamp;

/// How many claims are given back in one commit.
const TOGETHER: usize = 256;

/// How a copy waits that is neither being delivered nor has failed.
#[derive(Debug)]
pub struct Wait<'a> {
    /// Its recipient's.
    pub domain: &'a Domain,
    /// When it is tried next.
    pub due: Timestamp,
    /// Whether it was never tried: then it waits for its destination, or a connection, and for nothing of its own.
    pub untried: bool,
}

/// Gives claims back untried, each to be claimed again from its time on: in one durable commit where nobody
/// interfered.
pub(super) fn put_back(store: &dyn Store, jobs: &[(Job, Timestamp)]) -> Result<(), StoreError> {
    let together = |some: &[(Job, Timestamp)]| {
        let mut batch = Batch::new();
        for (job, due) in some {
            expect_lease(&mut batch, job);
            batch.put_due(Space::Queue, *job.parcel.id.as_bytes(), encode(&unchanged(job))?, due.millis());
        }
        store.commit(batch)
    };
    for some in jobs.chunks(TOGETHER) {
        match together(some) {
            // One of them was withdrawn meanwhile: each for itself.
            Err(StoreError::Conflict(_)) => {
                for one in some.chunks(1) {
                    match together(one) {
                        Ok(()) | Err(StoreError::Conflict(_)) => {}
                        Err(other) => return Err(other),
                    }
                }
            }
            other => other?,
        }
    }
    Ok(())
}

/// Makes every copy due at once of which `of` holds among those that wait; returns how many.
pub(super) fn hurry(
    store: &dyn Store,
    now: Timestamp,
    of: impl Fn(&Wait) -> bool,
) -> Result<usize, StoreError> {
    let mut waiting = Vec::new();
    each(store, |entry, record| {
        let due = entry.due.filter(|due| *due > now.millis() && entry.attempts == 0 && !record.failed);
        let wait = due.map(|due| Wait {
            domain: record.parcel.recipient.domain(),
            due: Timestamp::from_millis(due),
            untried: record.attempts == 0,
        });
        if wait.is_some_and(|wait| of(&wait)) {
            waiting.push((entry, record));
        }
        Ok(())
    })?;
    let mut hurried = 0;
    for some in waiting.chunks(TOGETHER) {
        let mut batch = Batch::new();
        for (entry, record) in some {
            expect_version(&mut batch, entry);
            batch.put_due(Space::Queue, entry.key.clone(), encode(record)?, now.millis());
        }
        match store.commit(batch) {
            Ok(()) => hurried += some.len(),
            // One of them has another time by now; these come at theirs.
            Err(StoreError::Conflict(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(hurried)
}

/// When the oldest copy was queued that has neither arrived nor failed.
pub(super) fn oldest(store: &dyn Store) -> Result<Option<Timestamp>, StoreError> {
    let mut oldest = None;
    each(store, |_, record| {
        if !record.failed {
            oldest = Some(oldest.map_or(record.queued_at, |at: Timestamp| at.min(record.queued_at)));
        }
        Ok(())
    })?;
    Ok(oldest)
}
