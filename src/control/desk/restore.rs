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

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::id::{Entropy, Fingerprint};
    use crate::ledger::certs::CertBook;
    use crate::ledger::journal::{Actor, Journal};
    use crate::ledger::registry::Registry;
    use crate::ledger::rests::Rests;
    use crate::mail::directory::Directory;
    use crate::pgp::keychain::Keychain;
    use crate::pgp::keyring::{KeyDir, Passphrase};
    use crate::pgp::sealed::{AtRest, Sealed};
    use crate::store::contract::Batch;
    use crate::store::{Settings, open};
    use crate::time::{ManualClock, Timestamp};

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn keys(dir: &std::path::Path) -> Keychain {
        let (folder, pass) = (KeyDir::new(dir), Passphrase::random(&Entropy::kernel()));
        folder.create_spool(&pass, NOW).unwrap();
        folder.create_tags(&pass, &Entropy::kernel()).unwrap();
        Keychain::open(folder, pass, &[]).unwrap()
    }

    #[test]
    fn the_clock_waits_for_what_arrived_however_long_the_store_waited() {
        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().permissions(private).tempdir().unwrap();
        let data = tempfile::tempdir().unwrap();
        let store = open(&Settings { path: data.path().to_owned(), ..Settings::default() }).unwrap();
        let (clock, entropy) = (ManualClock::at(NOW), Arc::new(Entropy::kernel()));
        let desk = Desk::new(
            &store,
            CertBook::new(Registry::new(Arc::clone(&store))),
            "a store".to_owned(),
            (Vec::new(), Arc::new(Directory::new(Vec::new()))),
            Arc::new(keys(dir.path())),
            Journal::new(Arc::clone(&store)),
            Arc::new(clock.clone()),
            Arc::clone(&entropy),
            (Arc::default(), Arc::default(), Arc::new(Rests::new(ToString::to_string))),
        );
        let mut batch = Batch::new();
        restore::set_restored(&mut batch, Restored { at: NOW, waiting: true }).unwrap();
        store.commit(batch).unwrap();
        // A mail by its framing.
        let mail = Sealed::<AtRest>::from_store(vec![0xC1, 3, 3, 0, 0, 0xD2, 4, 2, 9, 9, 9]).unwrap();
        let list = "distrib".parse().unwrap();
        desk.spool.put(&mail, std::slice::from_ref(&list), Fingerprint::V4([1; 20]), NOW, &entropy).unwrap();
        let later = NOW.after(Duration::from_secs(3 * 86_400));
        clock.set(later);
        assert!(desk.spool.oldest_unread(later).unwrap().is_empty(), "by now it is stuck");
        let resumed = desk.store_resume(&Acting { who: Actor::Admin(0), why: None });
        assert!(resumed.is_ok());
        assert_eq!(desk.spool.oldest_unread(later).unwrap().get(&list), Some(&NOW));
    }
}
