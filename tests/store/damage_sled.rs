//! sled's files, damaged byte by byte: what is found, and that nobody is given anything else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vouchsafe::store::contract::{Batch, Space, Store, StoreError};
use vouchsafe::store::sled::Sled;

use super::body;

/// The history: this many commits, each of which rewrites one entry and adds another.
const COMMITS: u8 = 60;
/// What stands in each value, so that a text that quotes one is recognised.
const SECRET: &str = "quote-me-not";

fn value(n: u8) -> Vec<u8> {
    // Some are large enough that the engine keeps them in a file of their own.
    let times = if n % 20 == 7 { 30_000 } else { 20 };
    format!("{SECRET}-{n}.").repeat(times).into_bytes()
}

fn commit(store: &Sled, n: u8) {
    let mut batch = Batch::new();
    batch.put_due(Space::Queue, [n], value(n), i64::from(n)).put(Space::Meta, "last", vec![n]);
    store.commit(batch).unwrap();
}

fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Sled::open(dir.path()).unwrap();
    store.put_body(body(1), b"kept").unwrap();
    store.commit(Batch::new().name(body(1)).clone()).unwrap();
    (0..COMMITS).for_each(|n| commit(&store, n));
    dir
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// Everything is there all the same.
    Sound,
    /// The store says that it is damaged.
    Damaged,
    /// The last commits are gone without a word, and the others are whole.
    RolledBack,
}

/// Opens the store and reads everything.
fn look(dir: &Path) -> Found {
    let read = || {
        let store = Sled::open(dir)?;
        let last = store.get(Space::Meta, b"last")?.map(|entry| entry.value);
        Ok((last, store.scan(Space::Queue, b"", None, 999)?, store.body_len(body(1)).is_ok()))
    };
    match read() {
        Err(why @ (StoreError::Damaged(_) | StoreError::Io { .. })) => {
            assert!(!why.to_string().contains(SECRET), "the text quotes what is stored");
            Found::Damaged
        }
        Err(other) => panic!("{other}"),
        Ok((last, entries, _)) => {
            let count = last.map_or(0, |last| last[0] + 1);
            assert_eq!(entries.len(), usize::from(count), "a commit is there in part");
            for (n, entry) in (0..).zip(&entries) {
                assert!(entry.key == [n] && entry.value == value(n), "{n} is not what was written");
            }
            if count == COMMITS { Found::Sound } else { Found::RolledBack }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to) } else { _ = fs::copy(&from, &to).unwrap() }
    }
}

/// Damages a copy of the store and looks at it.
fn after(sound: &Path, damage: impl FnOnce(&Path)) -> Found {
    let dir = tempfile::tempdir().unwrap();
    copy(sound, dir.path());
    damage(dir.path());
    look(dir.path())
}

#[test]
fn a_flipped_byte_of_sled_never_becomes_a_wrong_answer() {
    let sound = written();
    let mut counts = BTreeMap::<Found, usize>::new();
    let bytes = fs::read(sound.path().join("index.sled/db")).unwrap();
    let end = bytes.iter().rposition(|b| *b != 0).unwrap();
    for at in (0..=end).step_by(end / 150) {
        let found = after(sound.path(), |dir| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x41;
            fs::write(dir.join("index.sled/db"), bytes).unwrap();
        });
        assert_ne!(found, Found::RolledBack, "flipped at {at}");
        *counts.entry(found).or_default() += 1;
    }
    eprintln!("bytes flipped: {counts:?}");
    assert!(counts[&Found::Damaged] > 100, "{counts:?}");
}

#[test]
fn a_cut_file_of_sled_never_becomes_a_wrong_answer() {
    let sound = written();
    let mut counts = BTreeMap::<Found, usize>::new();
    let len = fs::metadata(sound.path().join("index.sled/db")).unwrap().len();
    for part in 0..40 {
        let found = after(sound.path(), |dir| {
            let db = fs::File::options().write(true).open(dir.join("index.sled/db")).unwrap();
            db.set_len(len * part / 40).unwrap();
        });
        assert_ne!(found, Found::RolledBack, "cut to {part}/40");
        *counts.entry(found).or_default() += 1;
    }
    eprintln!("cut: {counts:?}");
}

/// As after a power cut, which leaves the engine's files as they were some time before.
#[test]
fn an_index_that_went_back_is_told_and_left_alone_until_somebody_decides() {
    let dir = written();
    let index = dir.path().join("index.sled");
    let before = tempfile::tempdir().unwrap();
    copy(&index, before.path());
    let store = Sled::open(dir.path()).unwrap();
    store.put_body(body(2), b"of the lost commit").unwrap();
    store.commit(Batch::new().put(Space::Spool, "new", vec![]).name(body(2)).clone()).unwrap();
    drop(store);
    let mark = fs::read(index.join("acknowledged")).unwrap();
    fs::remove_dir_all(&index).unwrap();
    copy(before.path(), &index);
    fs::write(index.join("acknowledged"), mark).unwrap();
    let refused = Sled::open(dir.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged(why) if why.contains("were acknowledged")), "{refused}");
    assert!(dir.path().join("bodies").join(body(2).to_string()).exists(), "nothing is swept");
    fs::remove_file(index.join("acknowledged")).unwrap();
    let store = Sled::open(dir.path()).unwrap();
    assert!(store.get(Space::Meta, b"last").unwrap().is_some());
    assert!(store.get(Space::Spool, b"new").unwrap().is_none());
}

#[test]
fn a_lost_file_of_sled_is_found() {
    let sound = written();
    let index = sound.path().join("index.sled");
    let mut files: Vec<PathBuf> = fs::read_dir(&index).unwrap().map(|f| f.unwrap().path()).collect();
    files.extend(fs::read_dir(index.join("blobs")).unwrap().map(|f| f.unwrap().path()));
    for file in files.iter().filter(|file| file.is_file()) {
        let name = file.strip_prefix(sound.path()).unwrap();
        let lost = after(sound.path(), |dir| fs::remove_file(dir.join(name)).unwrap());
        let emptied = after(sound.path(), |dir| fs::write(dir.join(name), b"").unwrap());
        let rolled_back = [lost, emptied].contains(&Found::RolledBack);
        assert!(!rolled_back, "{} lost: {lost:?}, emptied: {emptied:?}", name.display());
        if matches!(name.file_name().and_then(|n| n.to_str()), Some("db" | "conf")) {
            assert_eq!((lost, emptied), (Found::Damaged, Found::Damaged), "{}", name.display());
        }
    }
}
