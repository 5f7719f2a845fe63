//! A start on a store that was put back from a backup is noticed here, before anything is worked off.

use std::sync::Arc;

use crate::failpoint::{self, Point};
use crate::id::Entropy;
use crate::ledger::journal::{Actor, Event, Journal, Note};
use crate::ledger::registry::Registry;
use crate::ledger::restore::{self, Restored, Started};
use crate::store::contract::{Batch, Store, StoreError};
use crate::store::place::{Beside, Mark, Number, Place, same};
use crate::time::Timestamp;

/// Compares what the store remembers of its last start with the place that it lies in, and gives this start a name.
///
/// # Errors
/// When the store fails. A place that cannot be written to is a warning: the other sign is left.
pub(super) fn notice(
    store: &Arc<dyn Store>,
    place: &Place,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<(), StoreError> {
    let last = restore::started(&**store)?;
    let new = last.is_none() && Registry::new(Arc::clone(store)).roster()?.roster.everyone().next().is_none();
    let restored = !new && is_restored(last.as_ref(), place);
    let mark = entropy.bytes();
    let before = match place.last() {
        Beside::Start(mark, number) => Some((mark, number)),
        Beside::Nothing | Beside::Unknown => None,
    };
    let drafted = place.draft(&mark);
    let file = drafted.as_ref().ok().copied().flatten();
    let started = Started { mark, file, before, named: drafted.is_ok(), number: place.number() };
    let (mut batch, mut notes) = (Batch::new(), Vec::new());
    restore::set_started(&mut batch, &started)?;
    if restored {
        restore::set_restored(&mut batch, Restored { at: now, waiting: true })?;
        notes.push(Note { list: None, actor: Actor::Relay, event: Event::Restored, reason: None });
    }
    Journal::new(Arc::clone(store)).commit(&batch, &notes, now)?;
    failpoint::hit(Point::StartNoted);
    let drafted = drafted.map(drop);
    if let Err(why) = drafted.and_then(|()| place.name()) {
        tracing::warn!(
            file = %place.file().display(), %why,
            "the file by which a restored store is noticed cannot be written; let the daemon write there"
        );
        let mut batch = Batch::new();
        restore::set_started(&mut batch, &Started { named: false, ..started })?;
        store.commit(batch)?;
    }
    if restore::waits(&**store)? {
        tracing::error!(
            "the store was restored from a backup, or moved: mail is taken in, and nothing is relayed or delivered until \
             `vouchsafe store resume`"
        );
    }
    Ok(())
}

/// Whether the store is not the one that was left here.
fn is_restored(last: Option<&Started>, place: &Place) -> bool {
    let beside = place.last();
    // A store that remembers no start, where one was named: it is from before that.
    let Some(last) = last else { return matches!(beside, Beside::Start(..)) };
    let elsewhere = matches!((last.number, place.number()), (Some(then), Some(now)) if !same(then, now));
    let is = |then: (Mark, Option<Number>), now: (Mark, Option<Number>)| {
        then.0 == now.0 && !matches!((then.1, now.1), (Some(then), Some(now)) if !same(then, now))
    };
    let another = match beside {
        _ if !last.named => false,
        Beside::Start(mark, number) => {
            let now = (mark, number);
            !is((last.mark, last.file), now) && !last.before.is_some_and(|before| is(before, now))
        }
        // The first start may have been cut off before it was named.
        Beside::Nothing => last.before.is_some(),
        Beside::Unknown => false,
    };
    elsewhere || another
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::disk::Disk;
    use crate::store::{Settings, open};

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    /// A start on the store in `data`; whether everything waits then.
    fn start(data: &Path) -> bool {
        let store = open(&Settings { path: data.to_owned(), ..Settings::default() }).unwrap();
        notice(&store, &Place::of(data, Disk::default()), &Entropy::kernel(), NOW).unwrap();
        restore::waits(&*store).unwrap()
    }

    fn resume(data: &Path) {
        let store = open(&Settings { path: data.to_owned(), ..Settings::default() }).unwrap();
        let mut batch = Batch::new();
        restore::set_restored(&mut batch, Restored { at: NOW, waiting: false }).unwrap();
        store.commit(batch).unwrap();
    }

    /// As `cp -r`: other files with the same bytes.
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    #[test]
    fn a_store_that_stays_where_it_is_just_starts() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        for _ in 0..4 {
            assert!(!start(&data));
        }
    }

    #[test]
    fn a_directory_that_was_put_back_is_noticed_and_stays_noticed_until_somebody_resumes() {
        let dir = tempfile::tempdir().unwrap();
        let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
        assert!(!start(&data) && !start(&data));
        copy(&data, &backup);
        assert!(!start(&data));
        std::fs::remove_dir_all(&data).unwrap();
        copy(&backup, &data);
        assert!(start(&data) && start(&data), "a restart is no resume");
        resume(&data);
        assert!(!start(&data));
    }

    #[test]
    fn an_index_that_was_overwritten_in_place_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (data, backup) = (dir.path().join("data"), dir.path().join("index.backup"));
        assert!(!start(&data));
        let index = data.join("index.redb");
        std::fs::copy(&index, &backup).unwrap();
        assert!(!start(&data) && !start(&data));
        std::fs::write(&index, std::fs::read(&backup).unwrap()).unwrap();
        assert!(start(&data));
    }

    #[test]
    fn a_copy_with_the_file_beside_it_and_one_on_another_host_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (data, whole, bare) =
            (dir.path().join("data"), dir.path().join("whole"), dir.path().join("bare"));
        assert!(!start(&data) && !start(&data));
        for to in [&whole, &bare] {
            std::fs::create_dir(to).unwrap();
            copy(&data, &to.join("data"));
        }
        std::fs::copy(dir.path().join("data.place"), whole.join("data.place")).unwrap();
        assert!(start(&whole.join("data")));
        assert!(start(&bare.join("data")));
        assert!(!start(&data), "where it was left it goes on");
    }

    #[test]
    fn a_backup_of_everything_that_was_put_back_over_what_is_there_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (data, beside) = (dir.path().join("data"), dir.path().join("data.place"));
        assert!(!start(&data) && !start(&data));
        let (index, file) =
            (std::fs::read(data.join("index.redb")).unwrap(), std::fs::read(&beside).unwrap());
        assert!(!start(&data));
        // As `cp -a` does it: every file keeps its number, and `lock` is empty anyway.
        std::fs::write(data.join("index.redb"), index).unwrap();
        std::fs::write(&beside, file).unwrap();
        assert!(start(&data));
    }

    #[test]
    fn a_start_that_was_cut_off_is_no_restore() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        // Noted in the store, and not beside it: at the first start, and at a later one.
        assert!(!start(&data));
        std::fs::remove_file(dir.path().join("data.place")).unwrap();
        assert!(!start(&data), "the first start was cut off");
        // Two later ones, cut off before the rename: the file is that of the start before them.
        for _ in 0..2 {
            let kept = dir.path().join("kept");
            std::fs::hard_link(dir.path().join("data.place"), &kept).unwrap();
            assert!(!start(&data));
            std::fs::rename(&kept, dir.path().join("data.place")).unwrap();
        }
        assert!(!start(&data), "two later ones were");
        let file = std::fs::read(dir.path().join("data.place")).unwrap();
        std::fs::remove_file(dir.path().join("data.place")).unwrap();
        std::fs::write(dir.path().join("between"), b"").unwrap();
        std::fs::write(dir.path().join("data.place"), file).unwrap();
        assert!(start(&data), "another file, though it says the same");
    }
}
