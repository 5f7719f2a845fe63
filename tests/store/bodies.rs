//! Bodies and their names.

use std::path::Path;

use vouchsafe::store::contract::{BodyId, Expect, Space, StoreError};

use super::{Bench, Open, body};

fn there(bench: &Bench, id: BodyId) -> bool {
    match bench.store().body_len(id) {
        Ok(_) => true,
        Err(StoreError::NoBody(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

pub(crate) fn a_body_is_there_once_it_was_put(open: Open) {
    let bench = Bench::new(open);
    assert!(matches!(bench.store().read_body(body(1), 0, 9), Err(StoreError::NoBody(_))));
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i % 253) as u8).collect();
    bench.store().put_body(body(1), &bytes).unwrap();
    bench.store().put_body(body(2), b"").unwrap();
    assert_eq!(bench.store().body_len(body(1)).unwrap(), 300_000);
    assert_eq!(bench.store().read_body(body(1), 0, usize::MAX).unwrap(), bytes);
    assert_eq!(bench.store().read_body(body(1), 131_000, 1000).unwrap(), bytes[131_000..132_000]);
    assert_eq!(bench.store().read_body(body(1), 299_999, 1000).unwrap(), bytes[299_999..]);
    assert!(bench.store().read_body(body(1), 300_000, 1000).unwrap().is_empty());
    assert!(bench.store().read_body(body(2), 0, 1000).unwrap().is_empty());
}

pub(crate) fn a_name_needs_a_body(open: Open) {
    let bench = Bench::new(open);
    let refused = bench.commit(|b| _ = b.put(Space::Queue, "k", vec![]).name(body(1)));
    assert!(matches!(refused, Err(StoreError::NoBody(id)) if id == body(1)));
    assert_eq!(bench.get(Space::Queue, "k"), None);
    let refused = bench.commit(|b| _ = b.put(Space::Queue, "k", vec![]).unname(body(1)));
    assert!(matches!(refused, Err(StoreError::NoBody(_))), "no name can be taken from what has none");
    assert_eq!(bench.get(Space::Queue, "k"), None);
}

pub(crate) fn a_taken_id_is_refused(open: Open) {
    let bench = Bench::new(open);
    bench.store().put_body(body(1), b"first").unwrap();
    assert!(bench.store().put_body(body(1), b"second").is_err());
    assert_eq!(bench.store().read_body(body(1), 0, 99).unwrap(), b"first");
}

pub(crate) fn a_body_goes_with_its_last_name(open: Open) {
    let mut bench = Bench::new(open);
    bench.store().put_body(body(1), b"shared").unwrap();
    bench.commit(|b| _ = b.name(body(1)).name(body(1))).unwrap();
    bench.commit(|b| _ = b.name(body(1)).unname(body(1)).unname(body(1))).unwrap();
    bench.reopen();
    assert_eq!(bench.store().read_body(body(1), 0, 99).unwrap(), b"shared", "one name is left");
    bench.commit(|b| _ = b.unname(body(1))).unwrap();
    assert!(!there(&bench, body(1)));
    assert!(matches!(bench.commit(|b| _ = b.unname(body(1))), Err(StoreError::NoBody(_))));
    bench.store().put_body(body(1), b"again").unwrap();
    bench.commit(|b| _ = b.name(body(1)).unname(body(1))).unwrap();
    assert!(!there(&bench, body(1)), "named and given back in one batch: thrown away");
}

pub(crate) fn unnamed_bodies_are_swept_when_opened_and_named_ones_kept(open: Open) {
    let mut bench = Bench::new(open);
    for n in 1..=3 {
        bench.store().put_body(body(n), &[n; 100_000]).unwrap();
    }
    bench.commit(|b| _ = b.name(body(2))).unwrap();
    bench.reopen();
    assert_eq!([1, 2, 3].map(|n| there(&bench, body(n))), [false, true, false]);
    assert_eq!(bench.store().read_body(body(2), 99_999, 2).unwrap(), [2]);
}

pub(crate) fn a_refused_batch_names_and_removes_nothing(open: Open) {
    let mut bench = Bench::new(open);
    bench.store().put_body(body(1), b"named").unwrap();
    bench.store().put_body(body(2), b"not named").unwrap();
    bench.commit(|b| _ = b.put(Space::Queue, "k", vec![]).name(body(1))).unwrap();
    let refused = bench.commit(|b| {
        b.expect(Expect::Absent(Space::Queue, b"k".to_vec())).name(body(2)).unname(body(1));
    });
    assert!(matches!(refused, Err(StoreError::Conflict(Space::Queue))));
    let refused = bench.commit(|b| _ = b.unname(body(1)).name(body(2)).name(body(3)));
    assert!(matches!(refused, Err(StoreError::NoBody(id)) if id == body(3)));
    assert!(there(&bench, body(1)) && there(&bench, body(2)));
    bench.reopen();
    assert!(there(&bench, body(1)) && !there(&bench, body(2)));
}

/// What a full queue leaves behind once it is drained.
pub(crate) fn space_comes_back(open: Open) {
    let mut bench = Bench::new(open);
    let mebibyte = vec![0x5a; 1 << 20];
    for n in 0..200_u8 {
        bench.store().put_body(body(n), &mebibyte).unwrap();
        bench.commit(|b| _ = b.name(body(n)).put_due(Space::Queue, [n], vec![n; 100_000], 0)).unwrap();
    }
    assert!(size(bench.dir.path()) > 200 << 20);
    for n in 0..200_u8 {
        bench.commit(|b| _ = b.unname(body(n)).delete(Space::Queue, [n])).unwrap();
    }
    bench.store().compact().unwrap();
    let left = size(bench.dir.path());
    assert!(left < 4 << 20, "{left} bytes are left");
    bench.commit(|b| _ = b.put(Space::Meta, "k", vec![1])).unwrap();
    bench.reopen();
    assert_eq!(bench.get(Space::Meta, "k").unwrap().value, [1]);
}

/// The same where the engine keeps what its index took: that is printed.
pub(crate) fn the_space_of_bodies_comes_back(open: Open) {
    let bench = Bench::new(open);
    for round in 1..=3 {
        for n in 0..100_u8 {
            bench.store().put_body(body(n), &vec![n; 1 << 20]).unwrap();
            bench.commit(|b| _ = b.name(body(n)).put_due(Space::Queue, [n], vec![n; 2000], 0)).unwrap();
        }
        for n in 0..100_u8 {
            bench.commit(|b| _ = b.unname(body(n)).delete(Space::Queue, [n])).unwrap();
        }
        bench.store().compact().unwrap();
        let (bodies, all) = (size(&bench.dir.path().join("bodies")), size(bench.dir.path()));
        assert_eq!(bodies, 0);
        eprintln!("after round {round} the index keeps {} KiB for nothing", all / 1024);
    }
}

fn size(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    files.map(|f| if f.is_dir() { size(&f) } else { f.metadata().unwrap().len() }).sum()
}

pub(crate) fn the_medium_has_room(open: Open) {
    let room = Bench::new(open).store().room().unwrap();
    assert!(room.free > 0 && room.free <= room.total && room.percent() <= 100, "{room:?}");
}
