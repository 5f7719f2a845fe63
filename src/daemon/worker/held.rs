//! Mail that waits for a person; or, where the team ignores whoever signed it, goes nowhere.

use super::beside::Beside;
use super::{Stay, Worker, told};
use crate::failpoint::{self, Point};
use crate::id::Fingerprint;
use crate::ledger::affairs::holds;
use crate::ledger::hold::{Held, Holds};
use crate::ledger::spool::Spooled;
use crate::meter;
use crate::relay::gate::{DropReason, Reason};
use crate::store::contract::Batch;

impl Worker {
    /// Holds it, with what stands beside it in the commit.
    pub(super) fn hold(
        &self,
        spooled: &Spooled,
        reason: Reason,
        signer: Option<Fingerprint>,
        beside: Beside,
    ) -> Result<(), Stay> {
        let (now, name) = (self.clock.now(), reason.to_string());
        let held = Held::of(spooled, &name, signer, reason.releasable(), now);
        // Nothing that a mail asks of the relay stands beside one that is ignored: such mail is for the readers.
        let mut counted = Batch::new();
        if beside.notes.is_empty() && holds::is_ignored(&self.affairs(), &mut counted, &held)? {
            return self.drop_counted(spooled, DropReason::Ignored, counted, now);
        }
        failpoint::hit(Point::BeforeHold);
        let mut batch = beside.batch;
        Holds::hold(&mut batch, spooled, &name, signer, reason.releasable(), now)?;
        let mut notes = vec![told::held(&mut batch, spooled, reason, signer, now)?];
        notes.extend(beside.notes);
        self.journal.commit(&batch, &notes, now)?;
        failpoint::hit(Point::AfterHold);
        meter::relay(spooled.list.as_str(), "hold", &name);
        tracing::warn!(list = %spooled.list, mail = %spooled.id, %reason, "a mail is held");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hold::ABOUT_SIGNER;

    #[test]
    fn whom_one_may_ignore_the_gate_and_the_ledger_call_the_same() {
        let named = [Reason::UnknownSigner, Reason::NotAPoster].map(|reason| reason.to_string());
        assert_eq!(named, ABOUT_SIGNER);
    }
}
