//! A store whose files were damaged, or written by the other engine.

use vouchsafe::store::contract::{Batch, Space, StoreError};
use vouchsafe::store::disk::Disk;

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
