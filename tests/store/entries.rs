//! Entries, versions, claims.

use vouchsafe::store::contract::{Expect, Lease, MAX_VALUE, Space, StoreError, Version};
use vouchsafe::store::disk::Disk;

use super::{Bench, Open, body};

fn conflict(result: Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict(_)))
}

pub(crate) fn a_new_store_is_empty(open: Open) {
    let bench = Bench::new(open);
    for space in Space::ALL {
        assert!(bench.keys(space, "", None, 10).is_empty());
        assert_eq!(bench.store().next_due(space).unwrap(), None);
        assert!(bench.store().claim(space, i64::MAX, 1, 10).unwrap().is_empty());
    }
    assert!(matches!(bench.store().body_len(body(1)), Err(StoreError::NoBody(id)) if id == body(1)));
    bench.commit(|_| ()).unwrap();
}

pub(crate) fn what_was_put_is_read_back_also_after_reopening(open: Open) {
    let mut bench = Bench::new(open);
    bench.commit(|b| _ = b.put(Space::Meta, "a", vec![1, 2]).put_due(Space::Queue, "", vec![], -3)).unwrap();
    for _ in 0..2 {
        let (a, empty) = (bench.get(Space::Meta, "a").unwrap(), bench.get(Space::Queue, "").unwrap());
        assert_eq!((a.key, a.value, a.due, a.attempts), (b"a".to_vec(), vec![1, 2], None, 0));
        assert_eq!((empty.key, empty.value, empty.due, empty.attempts), (vec![], vec![], Some(-3), 0));
        bench.reopen();
    }
}

pub(crate) fn versions_change_and_are_never_used_twice(open: Open) {
    let mut bench = Bench::new(open);
    let mut seen = Vec::new();
    for round in 0..3 {
        bench.commit(|b| _ = b.put_due(Space::Spool, "k", vec![], 0)).unwrap();
        seen.push(bench.get(Space::Spool, "k").unwrap().version);
        seen.push(bench.store().claim(Space::Spool, 0, 10, 1).unwrap()[0].entry.version);
        bench.commit(|b| _ = b.delete(Space::Spool, "k")).unwrap();
        if round == 1 {
            bench.reopen();
        }
    }
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), seen.len(), "{seen:?}");
}

pub(crate) fn expected_versions_are_an_optimistic_lock(open: Open) {
    let bench = Bench::new(open);
    bench.commit(|b| _ = b.put(Space::Registry, "k", vec![1])).unwrap();
    let read = bench.get(Space::Registry, "k").unwrap().version;
    let expect = |v| Expect::Version(Space::Registry, b"k".to_vec(), v);
    bench.commit(|b| _ = b.expect(expect(read)).put(Space::Registry, "k", vec![2])).unwrap();
    assert!(conflict(bench.commit(|b| _ = b.expect(expect(read)).put(Space::Registry, "k", vec![3]))));
    assert_eq!(bench.get(Space::Registry, "k").unwrap().value, [2]);
    bench.commit(|b| _ = b.delete(Space::Registry, "k")).unwrap();
    assert!(conflict(bench.commit(|b| _ = b.expect(expect(read)))), "what is gone has no version");
    assert!(conflict(bench.commit(|b| _ = b.expect(expect(Version(0))))));
}

pub(crate) fn absent_is_a_condition_too(open: Open) {
    let bench = Bench::new(open);
    let seen = |b: &mut super::Batch| {
        b.expect(Expect::Absent(Space::Seen, b"digest".to_vec())).put(Space::Seen, "digest", vec![]);
    };
    bench.commit(seen).unwrap();
    assert!(conflict(bench.commit(seen)), "a replay is known");
    bench.commit(|b| _ = b.delete(Space::Seen, "digest")).unwrap();
    bench.commit(seen).unwrap();
}

pub(crate) fn a_failed_condition_changes_nothing_at_all(open: Open) {
    let bench = Bench::new(open);
    bench.store().put_body(body(1), b"one").unwrap();
    bench.commit(|b| _ = b.put_due(Space::Queue, "old", vec![1], 5).name(body(1))).unwrap();
    let before = bench.get(Space::Queue, "old");
    let refused = bench.commit(|b| {
        b.put(Space::Queue, "new", vec![]).put(Space::Queue, "old", vec![9]).delete(Space::Queue, "old");
        b.unname(body(1)).expect(Expect::Absent(Space::Queue, b"old".to_vec()));
    });
    assert!(conflict(refused));
    assert_eq!(bench.get(Space::Queue, "old"), before);
    assert_eq!(bench.get(Space::Queue, "new"), None);
    assert_eq!(bench.store().next_due(Space::Queue).unwrap(), Some(5));
    assert_eq!(bench.store().read_body(body(1), 0, 9).unwrap(), b"one");
}

pub(crate) fn deletes_come_before_puts(open: Open) {
    let bench = Bench::new(open);
    bench.commit(|b| _ = b.put_due(Space::Queue, "k", vec![1], 7)).unwrap();
    bench.commit(|b| _ = b.put(Space::Queue, "k", vec![2]).delete(Space::Queue, "k")).unwrap();
    assert_eq!(bench.get(Space::Queue, "k").unwrap().value, [2]);
    assert_eq!(
        bench.store().next_due(Space::Queue).unwrap(),
        None,
        "the old due time went with the old entry"
    );
    bench.commit(|b| _ = b.put(Space::Queue, "k", vec![3]).put(Space::Queue, "k", vec![4])).unwrap();
    assert_eq!(bench.get(Space::Queue, "k").unwrap().value, [4], "of two puts the later stands");
    bench.commit(|b| _ = b.delete(Space::Queue, "never there")).unwrap();
}

pub(crate) fn scans_are_ordered_and_bounded(open: Open) {
    let bench = Bench::new(open);
    bench
        .commit(|b| {
            ["b/2", "a", "b/1", "b", "c", "b/10"].iter().for_each(|k| _ = b.put(Space::Hold, *k, vec![]))
        })
        .unwrap();
    assert_eq!(bench.keys(Space::Hold, "", None, 99), ["a", "b", "b/1", "b/10", "b/2", "c"]);
    assert_eq!(bench.keys(Space::Hold, "b/", None, 99), ["b/1", "b/10", "b/2"]);
    assert_eq!(bench.keys(Space::Hold, "b/", None, 2), ["b/1", "b/10"]);
    assert_eq!(bench.keys(Space::Hold, "b/", Some("b/10"), 99), ["b/2"]);
    assert_eq!(bench.keys(Space::Hold, "b/", Some("b/0"), 1), ["b/1"], "after a key that is not there");
    assert_eq!(bench.keys(Space::Hold, "b/", Some("a"), 1), ["b/1"], "after a key before the prefix");
    assert!(bench.keys(Space::Hold, "b/", Some("c"), 9).is_empty(), "after a key behind the prefix");
    assert!(bench.keys(Space::Hold, "b/3", None, 9).is_empty());
    assert!(bench.keys(Space::Hold, "", None, 0).is_empty());
    bench
        .commit(|b| _ = b.put(Space::Hold, vec![0xff, 0xff], vec![]).put(Space::Hold, vec![0xff], vec![]))
        .unwrap();
    assert_eq!(bench.store().scan(Space::Hold, &[0xff], None, 9).unwrap().len(), 2);
    assert_eq!(bench.store().scan(Space::Hold, &[0xff], Some(&[0xff]), 9).unwrap()[0].key, [0xff, 0xff]);
}

pub(crate) fn spaces_are_separate(open: Open) {
    let bench = Bench::new(open);
    for (due, space) in (0..).zip(Space::ALL) {
        bench.commit(|b| _ = b.put_due(space, "k", vec![space as u8], due)).unwrap();
    }
    for (due, space) in (0..).zip(Space::ALL) {
        assert_eq!(bench.keys(space, "", None, 9), ["k"]);
        assert_eq!(bench.get(space, "k").unwrap().value, [space as u8]);
        assert_eq!(bench.store().next_due(space).unwrap(), Some(due));
        assert_eq!(bench.store().claim(space, 100, 0, 9).unwrap().len(), 1);
    }
}

pub(crate) fn values_have_a_largest_size(open: Open) {
    let bench = Bench::new(open);
    let refused = bench.commit(|b| {
        _ = b.put(Space::Meta, "small", vec![]).put(Space::Meta, "large", vec![0; MAX_VALUE + 1])
    });
    assert!(matches!(refused, Err(StoreError::TooLarge(n)) if n == MAX_VALUE + 1));
    assert_eq!(bench.get(Space::Meta, "small"), None);
    bench.commit(|b| _ = b.put(Space::Meta, "large", vec![7; MAX_VALUE])).unwrap();
    assert!(bench.get(Space::Meta, "large").unwrap().value == vec![7; MAX_VALUE]);
}

pub(crate) fn claims_come_longest_due_first(open: Open) {
    let bench = Bench::new(open);
    bench
        .commit(|b| {
            for (key, due) in [("c", 30), ("a", 20), ("later", 101), ("b", -10), ("d", 30), ("now", 100)] {
                b.put_due(Space::Queue, key, key.into(), due);
            }
            b.put(Space::Queue, "never", vec![]);
        })
        .unwrap();
    let claim = |limit| {
        let claims = bench.store().claim(Space::Queue, 100, 1000, limit).unwrap();
        for claim in &claims {
            assert_eq!(claim.entry.value, claim.entry.key);
            assert_eq!((claim.entry.due, claim.entry.attempts), (Some(1100), 1));
            assert_eq!(claim.lease, Lease(claim.entry.version));
            assert_eq!(
                bench.store().get(Space::Queue, &claim.entry.key).unwrap().as_ref(),
                Some(&claim.entry)
            );
        }
        claims.into_iter().map(|c| String::from_utf8(c.entry.key).unwrap()).collect::<Vec<_>>()
    };
    assert!(claim(0).is_empty());
    assert_eq!(claim(3), ["b", "a", "c"]);
    assert_eq!(claim(9), ["d", "now"]);
    assert!(claim(9).is_empty());
}

pub(crate) fn a_lease_runs_out_and_is_then_lost(open: Open) {
    let bench = Bench::new(open);
    bench.commit(|b| _ = b.put_due(Space::Spool, "mail", vec![], 0)).unwrap();
    let finish = |lease| {
        bench.commit(|b| {
            _ = b.expect(Expect::Lease(Space::Spool, b"mail".into(), lease)).delete(Space::Spool, "mail")
        })
    };
    let first = bench.store().claim(Space::Spool, 10, 50, 1).unwrap().remove(0);
    assert!(bench.store().claim(Space::Spool, 59, 50, 1).unwrap().is_empty(), "leased until 60");
    let second = bench.store().claim(Space::Spool, 60, 50, 1).unwrap().remove(0);
    assert_eq!(second.entry.attempts, 2);
    assert!(conflict(finish(first.lease)));
    assert!(bench.get(Space::Spool, "mail").is_some());
    finish(second.lease).unwrap();
    assert_eq!(bench.get(Space::Spool, "mail"), None);
    assert!(conflict(finish(second.lease)), "finished once");
    assert_eq!(bench.store().next_due(Space::Spool).unwrap(), None);
}

pub(crate) fn attempts_survive_reopening_and_a_put_resets_them(open: Open) {
    let mut bench = Bench::new(open);
    bench.commit(|b| _ = b.put_due(Space::Spool, "mail", vec![], 0)).unwrap();
    for attempt in 1..=3 {
        let claim = bench.store().claim(Space::Spool, attempt, 1, 1).unwrap().remove(0);
        assert_eq!(i64::from(claim.entry.attempts), attempt);
        bench.reopen();
        assert_eq!(bench.get(Space::Spool, "mail").unwrap(), claim.entry);
    }
    bench.commit(|b| _ = b.put_due(Space::Spool, "mail", vec![], 0)).unwrap();
    assert_eq!(bench.get(Space::Spool, "mail").unwrap().attempts, 0);
}

pub(crate) fn the_next_due_time_is_known(open: Open) {
    let mut bench = Bench::new(open);
    let next = |bench: &Bench| bench.store().next_due(Space::Queue).unwrap();
    bench
        .commit(|b| _ = b.put_due(Space::Queue, "a", vec![], 9).put_due(Space::Queue, "b", vec![], -9))
        .unwrap();
    assert_eq!(next(&bench), Some(-9));
    bench.store().claim(Space::Queue, 0, 5, 1).unwrap();
    assert_eq!(next(&bench), Some(5), "a claim moves it to the end of the lease");
    bench.reopen();
    assert_eq!(next(&bench), Some(5));
    bench.commit(|b| _ = b.delete(Space::Queue, "b")).unwrap();
    assert_eq!(next(&bench), Some(9));
    bench.commit(|b| _ = b.put(Space::Queue, "a", vec![])).unwrap();
    assert_eq!(next(&bench), None);
}

pub(crate) fn a_second_opener_is_refused(open: Open) {
    let mut bench = Bench::new(open);
    assert!(matches!(open(bench.dir.path(), Disk::default()), Err(StoreError::Locked)));
    bench.commit(|b| _ = b.put(Space::Meta, "k", vec![])).unwrap();
    bench.reopen();
    assert!(bench.get(Space::Meta, "k").is_some());
}
