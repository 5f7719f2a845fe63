//! Copies: queued, claimed, recorded, deferred, failed, retried, dropped.

use std::time::Duration;

use vouchsafe::id::BodyId;
use vouchsafe::ledger::journal::{Actor, Event};
use vouchsafe::ledger::queue::{Done, Job, KEEP_FAILED, Queue, Row, State};
use vouchsafe::ledger::record::{FORMAT, encode};
use vouchsafe::store::contract::{self, Batch, Space, StoreError};
use vouchsafe::time::Timestamp;

use crate::{BODY, Bench, LEASE, T0, at, list};

pub(crate) fn claim(bench: &Bench, now: Timestamp, limit: usize) -> Vec<Job> {
    bench.queue().claim(now, LEASE, limit).unwrap()
}

pub(crate) fn delivered() -> Done {
    Done::Delivered { reply: "250 2.0.0 taken".to_owned() }
}

fn deferred(until: Timestamp) -> Done {
    Done::Deferred { reply: "451 4.7.1 later\r\nplease".to_owned(), until }
}

fn failed(reply: &str) -> Done {
    Done::Failed { reply: reply.to_owned() }
}

fn rows(bench: &Bench) -> Vec<Row> {
    bench.queue().ls(None, 1000).unwrap()
}

fn states(bench: &Bench) -> Vec<State> {
    rows(bench).into_iter().map(|row| row.state).collect()
}

#[test]
fn a_copy_is_queued_claimed_and_delivered() {
    let mut bench = Bench::new();
    let ids = bench.enqueue("a", &["m-1", "m-2"], T0);
    bench.reopen();
    assert_eq!(bench.queue().next_due().unwrap(), Some(T0));
    assert_eq!(bench.queue().counts().unwrap(), (2, 0, 0, 0));
    let jobs = claim(&bench, at(1), 10);
    assert_eq!(jobs.iter().map(|j| j.parcel.id).collect::<Vec<_>>().len(), 2);
    assert_eq!((jobs[0].attempts, jobs[0].queued_at), (0, T0));
    assert_eq!(states(&bench), [State::Claimed, State::Claimed]);
    assert!(claim(&bench, at(1), 10).is_empty());
    let body = bench.queue().read_body(&jobs[0].parcel, 2, 3).unwrap();
    assert_eq!(body, BODY[2..5]);

    bench.queue().record(&jobs.into_iter().map(|job| (job, delivered())).collect::<Vec<_>>(), at(2)).unwrap();
    assert!(rows(&bench).is_empty());
    assert_eq!(bench.bodies(), 0, "the last copy takes the body along");
    let expected: Vec<_> = ids
        .iter()
        .zip(["m-1", "m-2"])
        .map(|(id, m)| Event::Delivered { parcel: *id, member: m.parse().unwrap() })
        .collect();
    let mut found = bench.events("a");
    found.sort_by_key(|event| serde_json::to_string(event).unwrap());
    let mut expected = expected;
    expected.sort_by_key(|event| serde_json::to_string(event).unwrap());
    assert_eq!(found, expected);
}

#[test]
fn what_people_see_of_a_copy_is_right() {
    let bench = Bench::new();
    let id = bench.enqueue("a", &["m-1"], T0)[0];
    let row = bench.queue().get(id).unwrap().unwrap();
    assert_eq!((row.id, &row.list, row.member.as_str()), (id, &list("a"), "m-1"));
    assert_eq!((row.recipient.as_str(), row.state, row.attempts), ("m-1@example.org", State::Due, 0));
    assert_eq!((row.last, row.next, row.queued_at), (None, Some(T0), T0));
    let parcel = claim(&bench, T0, 1).remove(0).parcel;
    assert_eq!(row.size, parcel.wire_len());
    assert!(bench.queue().get(bench.parcel("a", "m-1", parcel.body, T0).id).unwrap().is_none());
}

#[test]
fn one_body_stays_until_its_last_copy_has_left() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1", "m-2", "m-3"], T0);
    for left in [2, 1, 0] {
        assert_eq!(bench.bodies(), 1);
        let job = claim(&bench, T0, 1).remove(0);
        assert!(bench.queue().read_body(&job.parcel, 0, 9).is_ok());
        bench.queue().record(&[(job, delivered())], T0).unwrap();
        assert_eq!(rows(&bench).len(), left);
    }
    assert_eq!(bench.bodies(), 0);
}

#[test]
fn a_copy_is_queued_only_with_its_body_and_only_once() {
    let bench = Bench::new();
    let body = BodyId::new(T0, &bench.entropy);
    let parcel = bench.parcel("a", "m-1", body, T0);
    let mut batch = Batch::new();
    Queue::enqueue(&mut batch, parcel, T0).unwrap();
    assert!(matches!(bench.store().commit(batch.clone()), Err(StoreError::NoBody(_))));
    bench.store().put_body(contract::BodyId(*body.as_bytes()), BODY).unwrap();
    bench.store().commit(batch.clone()).unwrap();
    assert!(matches!(bench.store().commit(batch), Err(StoreError::Conflict(Space::Queue))));
    bench.queue().record(&[(claim(&bench, T0, 1).remove(0), delivered())], T0).unwrap();
    assert_eq!(bench.bodies(), 0, "the refused commit left no name behind");
}

#[test]
fn a_deferred_copy_rests_until_its_time_and_keeps_its_history() {
    let mut bench = Bench::new();
    let id = bench.enqueue("a", &["m-1"], T0)[0];
    let mut now = T0;
    for attempt in 0..3 {
        let job = claim(&bench, now, 1).remove(0);
        assert_eq!((job.attempts, job.queued_at), (attempt, T0));
        let until = now.after(Duration::from_secs(300));
        bench.queue().record(&[(job, deferred(until))], now).unwrap();
        bench.reopen();
        let row = bench.queue().get(id).unwrap().unwrap();
        assert_eq!((row.state, row.attempts, row.next), (State::Deferred, attempt + 1, Some(until)));
        assert_eq!(row.last.as_deref(), Some("451 4.7.1 later  please"), "one line, no control characters");
        assert!(claim(&bench, until.before(Duration::from_millis(1)), 1).is_empty());
        now = until;
    }
    assert!(bench.events("a").is_empty(), "the journal keeps outcomes, not attempts");
    assert_eq!(bench.queue().counts().unwrap(), (0, 0, 1, 0));
}

#[test]
fn a_failed_copy_is_shown_retried_and_in_the_end_forgotten() {
    let bench = Bench::new();
    let ids = bench.enqueue("a", &["m-1", "m-2"], T0);
    let long = format!("550 5.1.1 nobody here{}", "é".repeat(2000));
    let done = claim(&bench, T0, 2).into_iter().map(|job| (job, failed(&long))).collect::<Vec<_>>();
    bench.queue().record(&done, at(1)).unwrap();
    assert_eq!(bench.queue().counts().unwrap(), (0, 0, 0, 2));
    assert!(matches!(&bench.events("a")[0], Event::Failed { code, .. } if code == "550"));
    let row = bench.queue().get(ids[0]).unwrap().unwrap();
    assert_eq!((row.state, row.next), (State::Failed, None));
    let last = row.last.unwrap();
    assert!(last.starts_with("550 5.1.1 nobody here") && last.len() <= 500, "{}", last.len());
    assert!(claim(&bench, at(100), 10).is_empty(), "nobody tries it by himself");

    let retried = at(1000);
    assert!(bench.queue().retry(ids[0], retried).unwrap());
    let job = claim(&bench, retried, 10).remove(0);
    assert_eq!((job.parcel.id, job.queued_at), (ids[0], retried), "its days of trying begin anew");
    bench.queue().record(&[(job, delivered())], retried).unwrap();
    assert_eq!(bench.bodies(), 1, "the other failed copy still has it");

    let end = at(1).after(KEEP_FAILED);
    assert!(claim(&bench, end.before(Duration::from_millis(1)), 10).is_empty());
    assert_eq!(rows(&bench).len(), 1);
    assert!(claim(&bench, end, 10).is_empty());
    assert!(rows(&bench).is_empty());
    assert_eq!(bench.bodies(), 0);
}

#[test]
fn what_is_being_delivered_is_not_retried() {
    let bench = Bench::new();
    let id = bench.enqueue("a", &["m-1"], T0)[0];
    let job = claim(&bench, T0, 1).remove(0);
    assert!(!bench.queue().retry(id, at(1)).unwrap());
    bench.queue().record(&[(job, deferred(at(9000)))], at(1)).unwrap();
    assert!(bench.queue().retry(id, at(2)).unwrap());
    let job = claim(&bench, at(2), 1).remove(0);
    assert_eq!((job.attempts, job.queued_at), (1, T0), "a retry is no new mail");
    bench.queue().record(&[(job, delivered())], at(3)).unwrap();
    assert!(!bench.queue().retry(id, at(4)).unwrap());
}

#[test]
fn what_is_put_back_untried_has_no_attempt_counted() {
    let bench = Bench::new();
    let ids = bench.enqueue("a", &["m-1", "m-2"], T0);
    let jobs = claim(&bench, T0, 2);
    // One of them is dropped meanwhile: that is no reason to fail for the other.
    assert!(bench.queue().drop_parcel(ids[0], &Actor::Admin(0), at(1)).unwrap());
    bench.queue().put_back(&jobs.into_iter().map(|job| (job, at(10))).collect::<Vec<_>>()).unwrap();
    assert_eq!(states(&bench), [State::Due]);
    assert!(claim(&bench, at(9), 10).is_empty());
    let job = claim(&bench, at(10), 10).remove(0);
    assert_eq!((job.parcel.id, job.attempts), (ids[1], 0));
    bench.queue().record(&[(job, deferred(at(20)))], at(11)).unwrap();
    let job = claim(&bench, at(20), 10).remove(0);
    bench.queue().put_back(&[(job, at(30))]).unwrap();
    let row = bench.queue().get(ids[1]).unwrap().unwrap();
    assert_eq!((row.state, row.attempts), (State::Deferred, 1));
    assert!(row.last.is_some(), "what the last attempt ended with stays known");
}

#[test]
fn whoever_waits_is_hurried_and_nobody_else() {
    let bench = Bench::new();
    let ids = bench.enqueue("a", &["m-1", "m-2", "m-3", "m-4", "m-5"], T0);
    let mut jobs = claim(&bench, T0, 5).into_iter();
    let mut next = || jobs.next().unwrap();
    let done = [(next(), deferred(at(100))), (next(), deferred(at(200))), (next(), failed("550 no"))];
    bench.queue().record(&done, at(1)).unwrap();
    bench.queue().put_back(&[(next(), at(99))]).unwrap();
    let _claimed = next();
    let hurried = bench.queue().hurry(at(2), |wait| {
        assert_eq!(wait.domain.as_str(), "example.org");
        wait.untried || wait.due == at(100)
    });
    assert_eq!(hurried.unwrap(), 2);
    let due: Vec<_> = ids.iter().map(|id| bench.queue().get(*id).unwrap().unwrap().next).collect();
    assert_eq!(due.iter().filter(|next| **next == Some(at(2))).count(), 2, "{due:?}");
    assert_eq!(due.iter().filter(|next| **next == Some(at(200))).count(), 1, "{due:?}");
    assert_eq!(due.iter().filter(|next| next.is_none()).count(), 2, "{due:?}");
    assert_eq!(bench.queue().hurry(at(2), |_| true).unwrap(), 1, "what is due needs no hurry");
}

#[test]
fn recovery_frees_claims_and_nothing_else() {
    let mut bench = Bench::new();
    bench.enqueue("a", &["m-1", "m-2", "m-3", "m-4"], T0);
    let mut jobs = claim(&bench, T0, 3).into_iter();
    let done = vec![(jobs.next().unwrap(), deferred(at(5000))), (jobs.next().unwrap(), failed("550 no"))];
    bench.queue().record(&done, T0).unwrap();
    drop(jobs);
    assert_eq!(bench.queue().counts().unwrap(), (1, 1, 1, 1));
    bench.reopen();
    assert_eq!(bench.queue().recover(at(1)).unwrap(), 1);
    assert_eq!(bench.queue().counts().unwrap(), (2, 0, 1, 1));
    assert_eq!(claim(&bench, at(1), 10).len(), 2);
    assert_eq!(claim(&bench, at(5000), 10).len(), 3, "two leases ran out, one pause is over");
}

#[test]
fn a_dropped_copy_is_gone_and_journalled_under_the_admin() {
    let bench = Bench::new();
    let ids = bench.enqueue("a", &["m-1"], T0);
    assert!(bench.queue().drop_parcel(ids[0], &Actor::Admin(1000), at(1)).unwrap());
    assert!(!bench.queue().drop_parcel(ids[0], &Actor::Admin(1000), at(2)).unwrap());
    assert_eq!(bench.bodies(), 0);
    let link = bench.links("a").remove(0);
    assert_eq!(link.actor, Actor::Admin(1000));
    assert_eq!(link.event, Event::ParcelDropped { parcel: ids[0], member: "m-1".parse().unwrap() });
    assert_eq!(bench.links("a").len(), 1);
}

#[test]
fn pages_of_the_queue_are_whole_and_in_order() {
    let bench = Bench::new();
    let ids: Vec<_> = (0..7).flat_map(|n| bench.enqueue("a", &["m-1"], at(n))).collect();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = bench.queue().ls(after, 3).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        found.extend(page.iter().map(|row| row.id));
    }
    assert_eq!(found, ids);
}

#[test]
fn a_record_that_cannot_be_read_stands_in_nobody_s_way() {
    let bench = Bench::new();
    let ids: Vec<_> = (0..3).flat_map(|n| bench.enqueue("a", &["m-1"], at(n))).collect();
    let mut later = bench.store().get(Space::Queue, ids[0].as_bytes()).unwrap().unwrap().value;
    later[0] = FORMAT + 1;
    bench.overwrite(Space::Queue, ids[0].as_bytes(), later);
    bench.overwrite(Space::Queue, ids[1].as_bytes(), encode(&7).unwrap());
    assert_eq!(claim(&bench, at(9), 10)[0].parcel.id, ids[2]);
    assert!(matches!(bench.queue().claim(at(69), LEASE, 1), Err(StoreError::TooNew { .. })));
    assert!(matches!(bench.queue().claim(at(69), LEASE, 1), Err(StoreError::Damaged(_))));
    assert!(matches!(bench.queue().ls(None, 10), Err(StoreError::TooNew { .. })), "the admin is told");
}
