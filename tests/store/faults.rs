//! The embedded store on a medium that fails: at every step of a short history, once or for good. redb takes each step of
//! its own on that medium, sled has three: before it reads, before it applies a batch, and in place of doing so.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use vouchsafe::store::contract::{Batch, Space, Store, StoreError};
use vouchsafe::store::disk::{Disk, Step};
use vouchsafe::store::redb::Redb;

use super::{Open, body};

/// A medium that counts its steps and fails with `why` where `fails` says so.
fn faulty(
    why: io::ErrorKind,
    fails: impl Fn(u64, Step) -> bool + Send + Sync + 'static,
) -> (Disk, Arc<AtomicU64>) {
    let steps = Arc::new(AtomicU64::new(0));
    let counted = steps.clone();
    let disk = Disk::with_faults(move |step| {
        let n = counted.fetch_add(1, Ordering::SeqCst);
        if fails(n, step) { Err(io::Error::new(why, "made to fail")) } else { Ok(()) }
    });
    (disk, steps)
}

/// What became of each mail of the history.
#[derive(Debug, Default)]
struct Told {
    kept: BTreeSet<u8>,
    refused: BTreeSet<u8>,
    removed: BTreeSet<u8>,
}

/// Takes in six mails and finishes two of them, as the daemon would, and goes on after every failure.
fn history(store: &dyn Store) -> Told {
    let mut told = Told::default();
    for n in 0..6 {
        let took = store.put_body(body(n), &[n; 70_000]).and_then(|()| {
            let mut batch = Batch::new();
            batch.put_due(Space::Spool, [n], vec![n; 3000], 0).name(body(n));
            store.commit(batch)
        });
        match took {
            Ok(()) => _ = told.kept.insert(n),
            Err(StoreError::Io { .. }) => _ = told.refused.insert(n),
            Err(StoreError::Poisoned(_)) => {} // nobody was promised anything
            Err(other) => panic!("{other}"),
        }
        let _ = store.claim(Space::Spool, 0, 1, 1);
        let mut batch = Batch::new();
        batch.delete(Space::Spool, [n / 2]).unname(body(n / 2));
        if n % 3 == 2 && told.kept.contains(&(n / 2)) && store.get(Space::Spool, &[n / 2]).is_ok() {
            match store.commit(batch) {
                Ok(()) => _ = told.removed.insert(n / 2),
                Err(StoreError::Io { .. }) => {}
                Err(StoreError::Poisoned(_)) => _ = told.kept.remove(&(n / 2)), // gone or not: not known
                Err(other) => panic!("{other}"),
            }
        }
    }
    told
}

/// On a sound medium: what was promised is there, what was refused is not, and each entry has its body.
fn verify(open: Open, dir: &Path, told: &Told, when: &str) {
    let store = open(dir, Disk::default()).unwrap_or_else(|e| panic!("{when}: {e}"));
    let found = store.scan(Space::Spool, b"", None, 99).unwrap();
    for entry in &found {
        let bytes = store.read_body(body(entry.key[0]), 0, usize::MAX);
        assert!(bytes.is_ok_and(|b| b == [entry.key[0]; 70_000]), "{when}: {} has no body", entry.key[0]);
    }
    let found: BTreeSet<u8> = found.iter().map(|entry| entry.key[0]).collect();
    let promised: BTreeSet<u8> = told.kept.difference(&told.removed).copied().collect();
    assert!(promised.is_subset(&found), "{when}: lost {:?}", promised.difference(&found));
    assert!(found.is_disjoint(&told.removed), "{when}: {found:?} {told:?}");
    assert!(found.is_disjoint(&told.refused), "{when}: {found:?} {told:?}");
    assert_eq!(
        std::fs::read_dir(dir.join("bodies")).unwrap().count(),
        found.len(),
        "{when}: bodies are left over"
    );
}

/// Runs the history once for every step it has, with that step failing; `run` decides what fails from there on.
fn at_every_step(open: Open, why: io::ErrorKind, fails: fn(at: u64, n: u64, step: Step) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let (disk, steps) = faulty(why, |_, _| false);
    let told = history(&*open(dir.path(), disk).unwrap());
    assert_eq!((told.kept.len(), told.removed.len()), (6, 2), "a sound medium keeps everything");
    verify(open, dir.path(), &told, "sound");
    for at in 0..steps.load(Ordering::SeqCst) {
        let dir = tempfile::tempdir().unwrap();
        let (disk, _) = faulty(why, move |n, step| fails(at, n, step));
        let told = open(dir.path(), disk).map(|store| history(&*store)).unwrap_or_default();
        verify(open, dir.path(), &told, &format!("step {at}"));
    }
}

pub(crate) fn one_failure_at_any_step_loses_nothing(open: Open) {
    at_every_step(open, io::ErrorKind::Other, |at, n, _| n == at);
}

pub(crate) fn a_medium_that_is_full_from_any_step_on_loses_nothing(open: Open) {
    at_every_step(open, io::ErrorKind::StorageFull, |at, n, step| {
        n >= at && matches!(step, Step::Write | Step::Resize | Step::MakeDir)
    });
}

pub(crate) fn a_medium_that_dies_at_any_step_loses_nothing(open: Open) {
    at_every_step(open, io::ErrorKind::Other, |at, n, _| n >= at);
}

/// The engine grows and shrinks its file, and a part of that it does when the commit is durable already. What fails then
/// has not failed the commit.
#[test]
fn a_batch_is_refused_only_if_nothing_of_it_happened() {
    let grow = |store: &Redb, at: usize| {
        for key in 0..80_u8 {
            let mut batch = Batch::new();
            batch.put(Space::Meta, [key], vec![key; 6000]);
            let told = store.commit(batch);
            let found = store.get(Space::Meta, &[key]).unwrap().is_some();
            assert_eq!(found, told.is_ok(), "step {at}, batch {key}: {told:?}");
            if told.is_err() {
                return;
            }
        }
    };
    let steps = Arc::new(Mutex::new(Vec::new()));
    let noted = steps.clone();
    let disk = Disk::with_faults(move |step| {
        noted.lock().unwrap().push(step);
        Ok(())
    });
    let dir = tempfile::tempdir().unwrap();
    grow(&Redb::open_on(dir.path(), disk).unwrap(), usize::MAX);
    let steps = steps.lock().unwrap().clone();
    let resized = steps.iter().enumerate().filter(|(_, step)| **step == Step::Resize);
    // What stands before and behind a change of size, too.
    let around: BTreeSet<usize> = resized.flat_map(|(at, _)| at.saturating_sub(1)..at + 2).collect();
    for at in around.into_iter().filter(|at| !matches!(steps[*at], Step::Sync | Step::SyncDir)) {
        let dir = tempfile::tempdir().unwrap();
        let (disk, _) = faulty(io::ErrorKind::Other, move |n, _| n == at as u64);
        if let Ok(store) = Redb::open_on(dir.path(), disk) {
            grow(&store, at);
        }
    }
}

pub(crate) fn a_full_medium_refuses_and_goes_on_when_there_is_room_again(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicU64::new(0));
    let seen = full.clone();
    let (disk, _) = faulty(io::ErrorKind::StorageFull, move |_, step| {
        seen.load(Ordering::SeqCst) == 1 && matches!(step, Step::Write | Step::Resize)
    });
    let store = open(dir.path(), disk).unwrap();
    let commit = |key: u8| {
        let mut batch = Batch::new();
        batch.put(Space::Meta, [key], vec![key; 500_000]);
        store.commit(batch)
    };
    commit(1).unwrap();
    store.put_body(body(1), b"not yet named").unwrap();
    full.store(1, Ordering::SeqCst);
    assert!(matches!(commit(2), Err(StoreError::Io { .. })));
    assert!(matches!(store.put_body(body(2), b"x"), Err(StoreError::Io { .. })));
    full.store(0, Ordering::SeqCst);
    assert_eq!(store.get(Space::Meta, &[2]).unwrap(), None);
    commit(3).unwrap();
    assert!(store.get(Space::Meta, &[1]).unwrap().is_some());
    assert!(matches!(open(dir.path(), Disk::default()), Err(StoreError::Locked)), "it was never let go of");
    assert_eq!(store.read_body(body(1), 0, 99).unwrap(), b"not yet named", "only a start sweeps");
    store.put_body(body(2), b"x").unwrap();
}

pub(crate) fn after_a_failed_sync_nothing_is_trusted_until_it_is_opened_again(open: Open) {
    for which in [Step::Sync, Step::SyncDir] {
        let dir = tempfile::tempdir().unwrap();
        let failing = Arc::new(AtomicU64::new(0));
        let seen = failing.clone();
        let (disk, _) =
            faulty(io::ErrorKind::Other, move |_, step| seen.load(Ordering::SeqCst) == 1 && step == which);
        let store = open(dir.path(), disk).unwrap();
        let put = |key: u8| {
            let mut batch = Batch::new();
            batch.put(Space::Meta, [key], vec![]);
            store.commit(batch)
        };
        put(1).unwrap();
        failing.store(1, Ordering::SeqCst);
        let first = if which == Step::Sync { put(2) } else { store.put_body(body(1), b"x") };
        assert!(matches!(first, Err(StoreError::Poisoned(_))), "{first:?}");
        failing.store(0, Ordering::SeqCst);
        assert!(matches!(put(3), Err(StoreError::Poisoned(_))));
        assert!(matches!(store.get(Space::Meta, &[1]), Err(StoreError::Poisoned(_))));
        assert!(matches!(store.put_body(body(2), b"x"), Err(StoreError::Poisoned(_))));
        assert!(matches!(store.compact(), Err(StoreError::Poisoned(_))));
        drop(store);
        let store = open(dir.path(), Disk::default()).unwrap();
        assert!(store.get(Space::Meta, &[1]).unwrap().is_some());
        assert_eq!(store.get(Space::Meta, &[3]).unwrap(), None);
    }
}

pub(crate) fn a_damaged_body_is_reported_and_not_delivered(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Disk::default()).unwrap();
    store.put_body(body(1), &[1; 200_000]).unwrap();
    let file = dir.path().join("bodies").join(body(1).to_string());
    let mut stored = std::fs::read(&file).unwrap();
    stored[150_000] ^= 1;
    std::fs::write(&file, &stored).unwrap();
    assert_eq!(store.read_body(body(1), 0, 60_000).unwrap(), [1; 60_000]);
    let damaged = store.read_body(body(1), 0, 200_000).unwrap_err();
    assert!(matches!(&damaged, StoreError::Damaged(why) if why.contains("chunk 2")), "{damaged}");
    std::fs::write(&file, &stored[..100_000]).unwrap();
    assert!(matches!(store.read_body(body(1), 0, 1), Err(StoreError::Damaged(_))), "torn");
}

/// While one batch removes a body, another that names it has to wait and is then refused: the removal stands still here
/// for as long as the other needs to get ahead of it, if it could.
pub(crate) fn no_batch_names_a_body_that_is_being_removed(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let (removing, begun) = mpsc::channel();
    let (ahead, overtaken) = mpsc::channel();
    let overtaken = Mutex::new(overtaken);
    let armed = Arc::new(AtomicU64::new(0));
    let seen = armed.clone();
    let disk = Disk::with_faults(move |step| {
        if step == Step::Remove && seen.load(Ordering::SeqCst) == 1 {
            removing.send(()).unwrap();
            let _ = overtaken.lock().unwrap().recv_timeout(Duration::from_millis(300));
        }
        Ok(())
    });
    let store = open(dir.path(), disk).unwrap();
    store.put_body(body(1), b"x").unwrap();
    let batch = |change: fn(&mut Batch)| {
        let mut batch = Batch::new();
        change(&mut batch);
        store.commit(batch)
    };
    batch(|b| _ = b.name(body(1))).unwrap();
    armed.store(1, Ordering::SeqCst);
    thread::scope(|scope| {
        scope.spawn(|| batch(|b| _ = b.unname(body(1))).unwrap());
        begun.recv().unwrap();
        let named = batch(|b| _ = b.name(body(1)));
        let _ = ahead.send(());
        assert!(matches!(named, Err(StoreError::NoBody(_))), "{named:?}");
    });
}
