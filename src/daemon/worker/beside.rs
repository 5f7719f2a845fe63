//! What a mail asked for, for the commit that decides about the mail.

use crate::ledger::journal::Note;
use crate::store::contract::Batch;

/// What goes into the commit that decides about a mail, whatever becomes of it.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) batch: Batch,
    pub(super) notes: Vec<Note>,
}

/// What came of what a mail asks for.
pub(super) enum Asked {
    /// The mail goes on as it would without it.
    GoesOn(Beside),
    /// It is finished.
    Done,
    /// What it asks for is done, and it says more.
    AndMore,
}
