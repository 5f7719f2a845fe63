//! Keys that changed while the journal could not be written: a key is files, the journal is the store, and a crash may
//! come between them. At the start the journal learns which keys are in use.

use crate::id::ListName;
use crate::ledger::journal::{Actor, Event, Journal, Note};
use crate::ledger::registry::Registry;
use crate::pgp::keychain::Keychain;
use crate::store::contract::{Batch, StoreError};
use crate::time::Timestamp;

/// Journals every key in use that the journal does not know. An installation's first keys are not news.
pub(super) fn journal_keys(
    keys: &Keychain,
    lists: &[ListName],
    registry: &Registry,
    journal: &Journal,
    now: Timestamp,
) -> Result<(), StoreError> {
    let of_lists = lists.iter().filter_map(|list| Some((Some(list), keys.list(list)?.cert().fingerprint())));
    let of_spool = (None, keys.spool().newest().fingerprint());
    for (list, fingerprint) in of_lists.chain([of_spool]) {
        let known = registry.known_key(list)?;
        if known == Some(fingerprint) {
            continue;
        }
        let event = match list {
            Some(_) => Event::KeyImported { fingerprint },
            None => Event::SpoolKeyRotated { fingerprint },
        };
        let note = Note { list: list.cloned(), actor: Actor::Relay, event, reason: None };
        let notes: Vec<Note> = known.map(|_| note).into_iter().collect();
        let mut batch = Batch::new();
        Registry::set_known_key(&mut batch, list, fingerprint)?;
        journal.commit(&batch, &notes, now)?;
    }
    Ok(())
}
