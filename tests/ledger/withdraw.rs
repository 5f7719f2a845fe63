//! Copies that are taken away while they are on their way: by a removal, by the admin, by another courier.

use std::thread;

use vouchsafe::ledger::journal::{Actor, Event};
use vouchsafe::ledger::queue::{Done, Job};
use vouchsafe::ledger::registry::Registry;
use vouchsafe::store::contract::{Batch, Space, StoreError};
use vouchsafe::time::Timestamp;

use crate::queue::{claim, delivered};
use crate::{Bench, T0, at, list};

fn withdraw(bench: &Bench, name: &str, member: &str, now: Timestamp) -> Result<usize, StoreError> {
    let mut batch = Batch::new();
    let notes = bench.queue().withdraw(&mut batch, &list(name), &member.parse().unwrap())?;
    bench.journal().commit(&batch, &notes, now).map(|()| notes.len())
}

fn kinds(bench: &Bench, name: &str) -> Vec<String> {
    let kind = |event: &Event| {
        let value = serde_json::to_value(event).unwrap();
        format!("{} {}", value["kind"].as_str().unwrap(), value["member"].as_str().unwrap_or("-"))
    };
    bench.events(name).iter().map(kind).collect()
}

fn job_for(jobs: &mut Vec<Job>, member: &str) -> Job {
    let index = jobs.iter().position(|j| j.parcel.member.as_str() == member).unwrap();
    jobs.remove(index)
}

#[test]
fn what_waits_for_a_removed_member_of_this_list_is_withdrawn_and_nothing_else() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1", "m-2"], T0);
    bench.enqueue("a", &["m-1"], at(1));
    bench.enqueue("b", &["m-1"], at(2));
    assert_eq!(withdraw(&bench, "a", "m-1", at(3)).unwrap(), 2);
    assert_eq!(kinds(&bench, "a"), ["withdrawn m-1", "withdrawn m-1"]);
    let left = bench.queue().ls(None, 10).unwrap();
    assert_eq!(
        left.iter().map(|r| (r.list.as_str(), r.member.as_str())).collect::<Vec<_>>(),
        [("a", "m-2"), ("b", "m-1")]
    );
    assert_eq!(bench.bodies(), 2, "one shared with m-2, one of list b; the body of m-1 alone is gone");
    assert_eq!(withdraw(&bench, "a", "m-1", at(4)).unwrap(), 0);
}

/// Two things that happen in one step may each withdraw the same member's copies.
#[test]
fn what_is_withdrawn_twice_in_one_step_takes_nothing_from_the_other_reader() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1", "m-2"], T0);
    let (mut batch, member) = (Batch::new(), "m-1".parse().unwrap());
    let notes = bench.queue().withdraw(&mut batch, &list("a"), &member).unwrap();
    assert_eq!(bench.queue().withdraw(&mut batch, &list("a"), &member).unwrap(), []);
    bench.journal().commit(&batch, &notes, at(1)).unwrap();
    assert_eq!(kinds(&bench, "a"), ["withdrawn m-1"]);
    assert_eq!(bench.bodies(), 1, "the body has one name left");
    let mut jobs = claim(&bench, at(2), 10);
    let two = job_for(&mut jobs, "m-2");
    assert!(!bench.queue().read_body(&two.parcel, 0, 1).unwrap().is_empty());
}

#[test]
fn to_withdraw_twice_in_one_batch_takes_nothing_from_others() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1", "m-2"], T0);
    let (mut batch, member) = (Batch::new(), "m-1".parse().unwrap());
    let first = bench.queue().withdraw(&mut batch, &list("a"), &member).unwrap();
    assert_eq!(bench.queue().withdraw(&mut batch, &list("a"), &member).unwrap(), []);
    bench.journal().commit(&batch, &first, at(1)).unwrap();
    assert_eq!(bench.bodies(), 1, "the other reader's copy has its body");
    assert_eq!(kinds(&bench, "a"), ["withdrawn m-1"]);
}

#[test]
fn a_copy_that_is_queued_while_a_member_is_removed_is_not_overlooked() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1"], T0);
    let registry = Registry::new(bench.store());
    let mut removal = Batch::new();
    removal.expect(registry.nothing_queued(&list("a")).unwrap());
    let member = "m-1".parse().unwrap();
    assert_eq!(bench.queue().withdraw(&mut removal, &list("a"), &member).unwrap().len(), 1);
    // Between the look into the queue and the commit a worker queues one more.
    bench.enqueue("a", &["m-1"], at(1));
    let mut queued = Batch::new();
    Registry::mark_queued(&mut queued, &list("a"));
    bench.store().commit(queued).unwrap();
    let overlooked = bench.journal().commit(&removal, &[], at(2));
    assert!(matches!(overlooked, Err(StoreError::Conflict(Space::Registry))), "decide again");
    assert_eq!(withdraw(&bench, "a", "m-1", at(3)).unwrap(), 2);
    assert!(bench.queue().ls(None, 10).unwrap().is_empty());
}

#[test]
fn a_copy_in_flight_at_the_removal_left_before_it() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1", "m-2"], T0);
    let mut jobs = claim(&bench, T0, 10);
    let (one, two) = (job_for(&mut jobs, "m-1"), job_for(&mut jobs, "m-2"));
    assert_eq!(withdraw(&bench, "a", "m-1", at(1)).unwrap(), 1);
    bench.queue().record(&[(one, delivered())], at(2)).unwrap();
    assert_eq!(kinds(&bench, "a"), ["withdrawn m-1", "left-before-removal m-1"]);
    // The body has one name left and not none: the other copy is still to be read and delivered.
    assert_eq!(bench.bodies(), 1);
    assert!(bench.queue().read_body(&two.parcel, 0, 9).is_ok());
    bench.queue().record(&[(two, delivered())], at(3)).unwrap();
    assert_eq!(bench.bodies(), 0);
    bench.journal().verify(Some(&list("a")), None).unwrap().unwrap();
}

#[test]
fn a_copy_that_did_not_leave_says_nothing_of_leaving() {
    for done in
        [Done::Deferred { reply: "451".to_owned(), until: at(100) }, Done::Failed { reply: "550".to_owned() }]
    {
        let bench = Bench::new();
        bench.enqueue("a", &["m-1"], T0);
        let jobs = claim(&bench, T0, 1);
        withdraw(&bench, "a", "m-1", at(1)).unwrap();
        bench
            .queue()
            .record(&jobs.into_iter().map(|job| (job, done.clone())).collect::<Vec<_>>(), at(2))
            .unwrap();
        assert_eq!(kinds(&bench, "a"), ["withdrawn m-1"]);
        assert!(bench.queue().ls(None, 10).unwrap().is_empty(), "it does not come back");
        assert_eq!(bench.bodies(), 0);
    }
}

#[test]
fn one_conflict_in_a_batch_leaves_the_others_recorded() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1", "m-2", "m-3", "m-4"], T0);
    let mut jobs = claim(&bench, T0, 10);
    withdraw(&bench, "a", "m-2", at(1)).unwrap();
    let done = vec![
        (job_for(&mut jobs, "m-1"), delivered()),
        (job_for(&mut jobs, "m-2"), delivered()),
        (job_for(&mut jobs, "m-3"), Done::Failed { reply: "550 5.1.1 no".to_owned() }),
        (job_for(&mut jobs, "m-4"), Done::Deferred { reply: "451".to_owned(), until: at(100) }),
    ];
    bench.queue().record(&done, at(2)).unwrap();
    assert_eq!(
        kinds(&bench, "a"),
        ["withdrawn m-2", "delivered m-1", "left-before-removal m-2", "failed m-3"]
    );
    assert_eq!(bench.queue().counts().unwrap(), (0, 0, 1, 1));
    assert_eq!(bench.bodies(), 1);
    let again = claim(&bench, at(100), 10);
    bench
        .queue()
        .record(&again.into_iter().map(|job| (job, delivered())).collect::<Vec<_>>(), at(101))
        .unwrap();
    withdraw(&bench, "a", "m-3", at(102)).unwrap();
    assert_eq!(bench.bodies(), 0, "each name was given back once");
}

#[test]
fn a_withdrawal_conflicts_with_a_courier_that_was_quicker() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1"], T0);
    let mut batch = Batch::new();
    let notes = bench.queue().withdraw(&mut batch, &list("a"), &"m-1".parse().unwrap()).unwrap();
    let jobs = claim(&bench, T0, 1);
    let refused = bench.journal().commit(&batch, &notes, at(1));
    assert!(matches!(refused, Err(StoreError::Conflict(Space::Queue))), "{refused:?}");
    assert!(bench.events("a").is_empty());
    bench.queue().record(&jobs.into_iter().map(|job| (job, delivered())).collect::<Vec<_>>(), at(2)).unwrap();
    assert_eq!(withdraw(&bench, "a", "m-1", at(3)).unwrap(), 0);
    assert_eq!(kinds(&bench, "a"), ["delivered m-1"]);
}

#[test]
fn a_delivery_recorded_after_its_lease_ran_out_is_a_delivery_and_is_not_repeated() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1"], T0);
    let slow = claim(&bench, T0, 1);
    let second = claim(&bench, at(60), 1);
    bench
        .queue()
        .record(&slow.into_iter().map(|job| (job, delivered())).collect::<Vec<_>>(), at(61))
        .unwrap();
    assert_eq!(kinds(&bench, "a"), ["delivered m-1"], "nobody was removed");
    assert!(bench.queue().ls(None, 10).unwrap().is_empty(), "it is not sent again");
    assert_eq!(bench.bodies(), 0);
    // Whoever has it in hands now comes to nothing without harm.
    let later = Done::Deferred { reply: "451".to_owned(), until: at(100) };
    bench
        .queue()
        .record(&second.into_iter().map(|job| (job, later.clone())).collect::<Vec<_>>(), at(62))
        .unwrap();
    assert!(bench.queue().ls(None, 10).unwrap().is_empty());
}

#[test]
fn a_slow_failure_does_not_overrule_whoever_has_the_copy_now() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1"], T0);
    let slow = claim(&bench, T0, 1);
    let second = claim(&bench, at(60), 1);
    let failed = Done::Failed { reply: "550".to_owned() };
    bench
        .queue()
        .record(&slow.into_iter().map(|job| (job, failed.clone())).collect::<Vec<_>>(), at(61))
        .unwrap();
    assert!(bench.events("a").is_empty());
    bench
        .queue()
        .record(&second.into_iter().map(|job| (job, delivered())).collect::<Vec<_>>(), at(62))
        .unwrap();
    assert_eq!(kinds(&bench, "a"), ["delivered m-1"]);
}

#[test]
fn couriers_removals_and_the_journal_at_once_keep_every_count() {
    const POSTS: u64 = 6;
    let bench = Bench::new();
    let members: Vec<String> = (0..8).map(|n| format!("m-{n}")).collect();
    let names: Vec<&str> = members.iter().map(String::as_str).collect();
    for n in 0..POSTS {
        bench.enqueue("a", &names, at(n));
    }
    thread::scope(|scope| {
        for _ in 0..3 {
            let queue = bench.queue();
            scope.spawn(move || {
                loop {
                    let jobs = queue.claim(at(10), crate::LEASE, 5).unwrap();
                    if jobs.is_empty() {
                        return;
                    }
                    queue
                        .record(&jobs.into_iter().map(|job| (job, delivered())).collect::<Vec<_>>(), at(11))
                        .unwrap();
                }
            });
        }
        for member in &names[..4] {
            let bench = &bench;
            scope.spawn(move || {
                loop {
                    match withdraw(bench, "a", member, at(12)) {
                        Err(StoreError::Conflict(_)) => {}
                        other => return other.map(|_| ()).unwrap(),
                    }
                }
            });
        }
    });
    let (mut delivered, mut withdrawn, mut left) = (0, 0, 0);
    for event in bench.events("a") {
        match event {
            Event::Delivered { .. } => delivered += 1,
            Event::Withdrawn { .. } => withdrawn += 1,
            Event::LeftBeforeRemoval { .. } => left += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(delivered + withdrawn, 8 * POSTS, "each copy ended once");
    assert!(left <= withdrawn);
    assert!(bench.queue().ls(None, 10).unwrap().is_empty());
    assert_eq!(bench.bodies(), 0);
    bench.journal().verify(Some(&list("a")), None).unwrap().unwrap();
}

#[test]
fn a_failed_copy_can_be_dropped_too() {
    let bench = Bench::new();
    let ids = bench.enqueue("a", &["m-1"], T0);
    let failed = Done::Failed { reply: "550".to_owned() };
    bench
        .queue()
        .record(&claim(&bench, T0, 1).into_iter().map(|j| (j, failed.clone())).collect::<Vec<_>>(), T0)
        .unwrap();
    assert!(bench.queue().drop_parcel(ids[0], &Actor::Admin(0), at(1)).unwrap());
    assert_eq!(bench.bodies(), 0);
    assert_eq!(kinds(&bench, "a"), ["failed m-1", "parcel-dropped m-1"]);
}
