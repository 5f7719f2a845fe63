//! The mailboxes from which mail is fetched, as the daemon attends them.

use std::sync::Arc;

use crate::config::Config;
use crate::daemon::rooms::Rooms;
use crate::ingress::Budget;
use crate::ingress::imap::{Common, Mailboxes};
use crate::ingress::reception::Receptions;
use crate::ledger::mark::Marks;
use crate::mail::tags::Tags;

impl Rooms {
    /// The mailboxes of these settings. They follow `receptions`, and share memory with whoever else takes mail in.
    pub(super) fn mailboxes(&self, config: &Config, receptions: Receptions, budget: Budget) -> Mailboxes {
        let keys = Arc::clone(&self.keys);
        let common = Common {
            receptions,
            budget,
            intake: self.intake(),
            marks: Marks::new(Arc::clone(&self.store)),
            // The front door has no key; it is lent this one use of it.
            digest: Arc::new(move |place, mail| Tags::new(keys.tags().as_bytes()).fetched(place, mail)),
            board: self.board.clone(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        };
        Mailboxes::new(&config.imap, &common)
    }
}
