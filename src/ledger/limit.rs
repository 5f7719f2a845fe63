//! How often something may be done for somebody: answers to mail must not become a way to flood a mailbox.

use std::time::Duration;

use crate::id::{ListName, MemberId};
use crate::ledger::record::{decode, encode};
use crate::store::contract::{Batch, Expect, Space, Store, StoreError};
use crate::time::Timestamp;

/// So many in such a time, for each person on each list.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its name: each counts for itself.
    pub name: &'static str,
    /// How many.
    pub most: u32,
    /// In what time, from the first of them on.
    pub span: Duration,
}

impl Limit {
    /// Adds to the batch that one of them is taken; false, and nothing, where none is left.
    ///
    /// # Errors
    /// When the store fails.
    pub fn take(
        self,
        store: &dyn Store,
        batch: &mut Batch,
        whose: (&ListName, &MemberId),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.take_some(store, batch, (whose, 1), now)? == 1)
    }

    /// The same for all together, also those who have no name here: one count for the list.
    ///
    /// # Errors
    /// When the store fails.
    pub fn take_for_strangers(
        self,
        store: &dyn Store,
        batch: &mut Batch,
        list: &ListName,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // No id has this mark.
        Ok(self.taken(store, batch, (list, "*"), 1, now)? == 1)
    }

    /// Adds to the batch that as many as are left of those that are wanted are taken; says how many. Of two who take the
    /// last one the first gets it. What is over is forgotten with what was seen
    /// ([`crate::ledger::seen::forget_old`]).
    ///
    /// # Errors
    /// When the store fails.
    pub fn take_some(
        self,
        store: &dyn Store,
        batch: &mut Batch,
        ((list, member), wanted): ((&ListName, &MemberId), u32),
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        self.taken(store, batch, (list, member.as_str()), wanted, now)
    }

    fn taken(
        self,
        store: &dyn Store,
        batch: &mut Batch,
        (list, whose): (&ListName, &str),
        wanted: u32,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let key =
            [list.as_str().as_bytes(), b"\0limit/", self.name.as_bytes(), b"/", whose.as_bytes()].concat();
        let entry = store.get(Space::Seen, &key)?;
        let taken: Option<(u32, Timestamp)> = entry.as_ref().map(|e| decode(&e.value)).transpose()?;
        // What lies ahead was written by a clock that was wrong.
        let counts = taken.filter(|(_, since)| *since <= now && now.since(*since) < self.span);
        let (count, since) = counts.unwrap_or((0, now));
        let granted = wanted.min(self.most.saturating_sub(count));
        if granted == 0 {
            return Ok(0);
        }
        batch.expect(match entry {
            Some(entry) => Expect::Version(Space::Seen, key.clone(), entry.version),
            None => Expect::Absent(Space::Seen, key.clone()),
        });
        let record = encode(&(count.saturating_add(granted), since))?;
        batch.put_due(Space::Seen, key, record, since.after(self.span).millis());
        Ok(granted)
    }
}
