//! Mail that goes nowhere.

use super::{Stay, Worker, told};
use crate::failpoint::{self, Point};
use crate::ledger::journal::Event;
use crate::ledger::spool::{Spool, Spooled};
use crate::meter;
use crate::relay::gate::DropReason;
use crate::store::contract::Batch;
use crate::time::Timestamp;

impl Worker {
    /// By a rule: record and body go, and the journal says which.
    pub(super) fn drop_mail(
        &self,
        spooled: &Spooled,
        reason: DropReason,
        now: Timestamp,
    ) -> Result<(), Stay> {
        self.drop_counted(spooled, reason, Batch::new(), now)
    }

    /// The same, with what counts it in the commit.
    pub(super) fn drop_counted(
        &self,
        spooled: &Spooled,
        reason: DropReason,
        mut batch: Batch,
        now: Timestamp,
    ) -> Result<(), Stay> {
        failpoint::hit(Point::BeforeDrop);
        Spool::finish(&mut batch, spooled);
        let event = Event::Dropped { mail: spooled.id, reason: reason.to_string() };
        self.journal.commit(&batch, &[told::note(spooled, event)], now)?;
        failpoint::hit(Point::AfterDrop);
        meter::relay(spooled.list.as_str(), "drop", &reason.to_string());
        tracing::info!(list = %spooled.list, mail = %spooled.id, %reason, "a mail is dropped");
        Ok(())
    }
}
