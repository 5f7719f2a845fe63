//! Several workers on one store.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use vouchsafe::store::contract::{Batch, Expect, Space, StoreError};

use super::{Bench, Open, body};

pub(crate) fn no_entry_is_claimed_twice(open: Open) {
    let bench = Bench::new(open);
    bench.commit(|b| (0..60_u8).for_each(|n| _ = b.put_due(Space::Spool, [n], vec![], 0))).unwrap();
    let claimed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let claims = bench.store().claim(Space::Spool, 0, 1000, 2).unwrap();
                    if claims.is_empty() {
                        break;
                    }
                    claimed.lock().unwrap().extend(claims.into_iter().map(|c| c.entry.key));
                }
            });
        }
    });
    let claimed = claimed.into_inner().unwrap();
    assert_eq!(claimed.len(), 60);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 60);
}

pub(crate) fn no_increment_is_lost(open: Open) {
    let mut bench = Bench::new(open);
    bench.commit(|b| _ = b.put(Space::Meta, "n", vec![0])).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| increment(&bench)));
        }
    });
    bench.reopen();
    assert_eq!(bench.get(Space::Meta, "n").unwrap().value, [80]);
}

fn increment(bench: &Bench) {
    loop {
        let read = bench.get(Space::Meta, "n").unwrap();
        let mut batch = Batch::new();
        batch.expect(Expect::Version(Space::Meta, b"n".to_vec(), read.version));
        batch.put(Space::Meta, "n", vec![read.value[0] + 1]);
        match bench.store().commit(batch) {
            Ok(()) => return,
            Err(StoreError::Conflict(Space::Meta)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// One gives the last name back while another gives a new one: either the body stays, or the name is refused.
pub(crate) fn a_body_named_by_one_is_not_removed_by_another(open: Open) {
    let bench = Bench::new(open);
    let kept = AtomicU8::new(0);
    for n in 0..40 {
        bench.store().put_body(body(n), &[n]).unwrap();
        bench.commit(|b| _ = b.name(body(n))).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| bench.commit(|b| _ = b.unname(body(n))).unwrap());
            scope.spawn(|| match bench.commit(|b| _ = b.name(body(n))) {
                Ok(()) => _ = kept.fetch_add(1, Ordering::SeqCst),
                Err(StoreError::NoBody(_)) => {}
                Err(other) => panic!("{other}"),
            });
        });
    }
    let found = (0..40).filter(|n| bench.store().read_body(body(*n), 0, 9).is_ok()).count();
    assert_eq!(found, usize::from(kept.load(Ordering::SeqCst)));
}
