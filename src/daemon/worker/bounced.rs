//! What a mail to a return path does to the copy that it is about.

use crate::failpoint::{self, Point};
use crate::id::Token;
use crate::ledger::journal::Journal;
use crate::ledger::sent::{Effect, Returned, SentBook};
use crate::ledger::spool::{Spool, Spooled};
use crate::relay::bounce::Bounce;
use crate::relay::gate::DropReason;
use crate::store::contract::StoreError;
use crate::time::Timestamp;

/// Marks the copy, alerts the admins and finishes the mail, in one commit; or says why the mail is to be dropped.
pub(super) fn bounced(
    book: &SentBook,
    journal: &Journal,
    spooled: &Spooled,
    token: &Token,
    bounce: Option<Bounce>,
    now: Timestamp,
) -> Result<Option<DropReason>, StoreError> {
    let (status, failed) = match bounce {
        Some(Bounce::Failed(status)) => (status, true),
        Some(Bounce::Delayed(status)) => (status, false),
        None => return Ok(Some(DropReason::NotABounce)),
    };
    let returned = Returned { status: status.to_string(), failed, at: now };
    let (mut batch, note) = match book.bounced(&spooled.list, token, returned)? {
        Effect::Marked(marked) => *marked,
        Effect::Known => return Ok(Some(DropReason::BounceAgain)),
        Effect::Nobodys => return Ok(Some(DropReason::BounceOfNothing)),
    };
    Spool::finish(&mut batch, spooled);
    failpoint::hit(Point::BounceRead);
    journal.commit(&batch, &[note], now)?;
    failpoint::hit(Point::BounceCommitted);
    tracing::warn!(list = %spooled.list, mail = %spooled.id, %status, failed, "a copy came back");
    Ok(None)
}
