//! A store whose files were damaged, or written by the other engine.

use std::path::{Path, PathBuf};

use vouchsafe::store::contract::{Batch, Space, StoreError};
use vouchsafe::store::disk::Disk;
use vouchsafe::store::{self, Kind, Settings};

use super::Open;

/// What a power cut leaves is the last commit whole. If it is not, the medium damaged it, and going back silently to the
/// commit before would lose an accepted mail.
pub(crate) fn a_damaged_last_commit_is_reported_and_not_rolled_back(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Disk::default()).unwrap();
    for n in 0..20 {
        let mut batch = Batch::new();
        let value = if n == 19 { b"the last one".to_vec() } else { vec![n; 500] };
        batch.put(Space::Journal, [n], value);
        store.commit(batch).unwrap();
    }
    let cut = std::fs::read(dir.path().join("index.redb")).unwrap();
    drop(store);
    let opened = |index: &[u8]| {
        std::fs::write(dir.path().join("index.redb"), index).unwrap();
        open(dir.path(), Disk::default())?.scan(Space::Journal, b"", None, 99)
    };
    assert_eq!(opened(&cut).unwrap().len(), 20);
    let at = cut.windows(12).position(|found| found == b"the last one").unwrap();
    let mut damaged = cut.clone();
    damaged[at] ^= 1;
    assert!(matches!(opened(&damaged), Err(StoreError::Damaged(_))));
}

/// What the other engine wrote must not look like an empty store, and must not be touched.
#[test]
fn a_directory_of_the_other_engine_is_refused_by_name() {
    let engines = [("redb", Kind::Redb), ("sled", Kind::Sled)];
    for ((ours, kind), (theirs, other)) in [(engines[0], engines[1]), (engines[1], engines[0])] {
        let dir = tempfile::tempdir().unwrap();
        let settings = |kind| Settings { kind, path: dir.path().to_owned() };
        let mut batch = Batch::new();
        store::open(&settings(kind)).unwrap().commit(batch.put(Space::Meta, "k", vec![7]).clone()).unwrap();
        let before = files(dir.path());
        let refused = store::open(&settings(other)).err().unwrap();
        assert!(matches!(refused, StoreError::OtherEngine { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains(&format!("was written by {ours}")), "{text}");
        assert!(text.contains(&format!("kind is \"{theirs}\"; set kind = \"{ours}\"")), "{text}");
        assert_eq!(files(dir.path()), before);
        let kept = store::open(&settings(kind)).unwrap().get(Space::Meta, b"k").unwrap();
        assert_eq!(kept.unwrap().value, [7]);
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    found.sort();
    found
}
