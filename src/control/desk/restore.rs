//! After the store was restored from a backup.

use super::acting::{Acting, journalled};
use super::refusal::Refused;
use super::{Desk, Reply};
use crate::control::wire::{Answer, ErrorKind};
use crate::ledger::journal::Event;
use crate::ledger::restore::{self, Restored};

impl Desk {
    /// An admin knows what the daemon could not notice.
    pub(super) fn store_restored(&self, actor: &Acting) -> Reply {
        self.change(|batch, now| {
            restore::set_restored(batch, Restored { at: now, waiting: true })?;
            Ok(((), vec![journalled(None, actor, Event::Restored)]))
        })?;
        let what =
            "the store counts as restored: nothing is relayed or delivered until `vouchsafe store resume`";
        let remark =
            "copies that are on their way to a next hop at this moment still arrive there".to_owned();
        Ok(Answer::Done { what: what.to_owned(), remarks: vec![remark] })
    }

    /// What waited goes on.
    pub(super) fn store_resume(&self, actor: &Acting) -> Reply {
        let at = self.change(|batch, now| {
            let (found, expect) = restore::restored(&*self.store)?;
            let Some(restored) = found.filter(|restored| restored.waiting) else { return Err(not_waiting()) };
            batch.expect(expect);
            restore::set_restored(batch, Restored { waiting: false, ..restored })?;
            self.spool.resume(batch, None, now)?;
            Ok((restored.at, vec![journalled(None, actor, Event::ResumedAfterRestore)]))
        })?;
        self.hurry(None);
        self.queued.notify_one();
        let what = "what waited is relayed and delivered again".to_owned();
        let remark = format!(
            "mail that was signed before {at}, by clocks five minutes off, is held, since it may have been relayed before: see `hold ls`"
        );
        Ok(Answer::Done { what, remarks: vec![remark] })
    }

    /// What `status` says of it.
    pub(super) fn restore_problem(&self) -> Result<Option<String>, Refused> {
        let restored = restore::restored(&*self.store)?.0.filter(|restored| restored.waiting);
        Ok(restored.map(|restored| {
            format!(
                "the store was restored or moved, noticed at {}: mail is taken in and nothing leaves; look at roster and \
                 queue, then `store resume`",
                restored.at
            )
        }))
    }
}

fn not_waiting() -> Refused {
    Refused::new(
        ErrorKind::Data,
        "nothing waits to be resumed".to_owned(),
        "the store has not been restored since the last `store resume`",
        "for one list that is paused use `vouchsafe list resume`",
    )
}
