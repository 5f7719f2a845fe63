//! What the engine promises beyond the contract: formats, damage, and commits that are shared.

use std::fs::File;

use super::super::contract::Expect;
use super::super::disk::Step;
use super::medium::META_FORMAT;
use super::*;

const INDEX: &str = REDB.index;

fn set_format(dir: &Path, format: u64) {
    let index = Database::create(dir.join(INDEX)).unwrap();
    let transaction = index.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(META_FORMAT, format).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_store_of_a_later_release_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Redb::open(dir.path()).unwrap());
    let body = dir.path().join("bodies").join("00".repeat(16));
    std::fs::write(&body, b"of a later release").unwrap();
    set_format(dir.path(), 2);
    let refused = Redb::open(dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 2, known: 1 }), "{refused}");
    assert!(body.exists(), "nothing is swept from a store that is not understood");
    set_format(dir.path(), 1);
    Redb::open(dir.path()).unwrap();
}

#[test]
fn a_lost_or_emptied_index_is_damage_and_not_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    drop(Redb::open(dir.path()).unwrap());
    let body = dir.path().join("bodies").join("00".repeat(16));
    std::fs::write(&body, b"not to be swept").unwrap();
    File::create(dir.path().join(INDEX)).unwrap();
    assert!(matches!(Redb::open(dir.path()), Err(StoreError::Damaged(_))));
    std::fs::remove_file(dir.path().join(INDEX)).unwrap();
    assert!(matches!(Redb::open(dir.path()), Err(StoreError::Damaged(_))));
    assert!(body.exists());
}

#[test]
fn an_unfinished_index_of_a_first_start_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(INDEX).with_extension("new"), [0; 5000]).unwrap();
    Redb::open(dir.path()).unwrap();
}

fn batch(fill: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::new();
    fill(&mut batch);
    batch
}

fn value(store: &Redb, key: &[u8]) -> Option<Vec<u8>> {
    store.get(Space::Meta, key).unwrap().map(|entry| entry.value)
}

#[test]
fn of_batches_that_share_a_commit_each_stands_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = Redb::open(dir.path()).unwrap();
    let body = BodyId([7; 16]);
    store.put_body(body, b"shared").unwrap();
    store.commit(batch(|b| _ = b.name(body).put(Space::Meta, *b"there", vec![0]))).unwrap();
    let done = together(
        &store,
        [
            batch(|b| _ = b.put(Space::Meta, *b"one", vec![1])),
            // Too late: the body is named in vain, and nothing else of the batch happens.
            batch(|b| _ = b.unname(body)),
            batch(|b| _ = b.put(Space::Meta, *b"two", vec![2]).name(body)),
            batch(|b| _ = b.put(Space::Meta, *b"there", vec![3]).expect(absent(b"there"))),
            // It sees what the first has written.
            batch(|b| _ = b.put(Space::Meta, *b"one", vec![4]).expect(absent(b"one"))),
            batch(|b| _ = b.put(Space::Meta, *b"last", vec![5])),
        ],
    );
    let said: Vec<String> =
        done.into_iter().map(|d| d.map_or_else(|e| e.to_string(), |()| "done".into())).collect();
    let conflict = StoreError::Conflict(Space::Meta).to_string();
    let no_body = StoreError::NoBody(body).to_string();
    assert_eq!(said, ["done", "done", &no_body, &conflict, &conflict, "done"]);
    let read = [b"one".as_slice(), b"two", b"there", b"last"].map(|key| value(&store, key));
    assert_eq!(read, [Some(vec![1]), None, Some(vec![0]), Some(vec![5])]);
    assert!(matches!(store.read_body(body, 0, 9), Err(StoreError::NoBody(_))));
}

#[test]
fn a_shared_commit_that_fails_has_failed_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let fault = Arc::clone(&broken);
    let store = Redb::open_on(
        dir.path(),
        Disk::with_faults(move |step| match step {
            Step::Write if fault.load(Ordering::SeqCst) => Err(std::io::Error::other("no space left")),
            _ => Ok(()),
        }),
    )
    .unwrap();
    let batches = || [b"one", b"two"].map(|key| batch(|b| _ = b.put(Space::Meta, *key, vec![1])));
    broken.store(true, Ordering::SeqCst);
    assert!(together(&store, batches()).iter().all(|d| matches!(d, Err(StoreError::Io { .. }))));
    broken.store(false, Ordering::SeqCst);
    assert_eq!((value(&store, b"one"), value(&store, b"two")), (None, None));
    assert!(together(&store, batches()).iter().all(Result::is_ok));
    assert_eq!((value(&store, b"one"), value(&store, b"two")), (Some(vec![1]), Some(vec![1])));
}

/// What comes of batches that share a commit.
fn together<const N: usize>(store: &Redb, batches: [Batch; N]) -> Vec<Result<(), StoreError>> {
    let done = store.together(&batches.map(Job::Commit));
    done.into_iter().map(|d| d.map(|_| ())).collect()
}

fn absent(key: &[u8]) -> Expect {
    Expect::Absent(Space::Meta, key.to_vec())
}
