//! Alerts: durable with what caused them, told once, kept apart by list.

use vouchsafe::ledger::alert::{Alert, Alerts, Incident};
use vouchsafe::ledger::queue::Done;
use vouchsafe::mail::parcel::Carries;
use vouchsafe::store::contract::{Batch, Space, StoreError};
use vouchsafe::time::Timestamp;

use crate::queue::{claim, delivered};
use crate::{Bench, T0, at, list};

fn alerts(bench: &Bench) -> Alerts {
    Alerts::new(bench.store())
}

fn trouble(n: usize) -> Incident {
    Incident::Trouble { part: "test".to_owned(), problem: format!("number {n}") }
}

fn raise(bench: &Bench, name: Option<&str>, n: usize, now: Timestamp) {
    bench.commit(|b| Alert::raise(b, name.map(list).as_ref(), trouble(n), now).unwrap()).unwrap();
}

fn incidents(bench: &Bench, name: Option<&str>) -> Vec<Incident> {
    let waiting = alerts(bench).waiting(name.map(list).as_ref(), 1000).unwrap();
    waiting.into_iter().map(|w| w.alert.incident).collect()
}

#[test]
fn alerts_survive_a_restart_and_are_kept_apart_by_list() {
    let mut bench = Bench::new();
    for n in 0..3 {
        raise(&bench, Some("a"), n, at(10 - n as u64));
    }
    raise(&bench, Some("a-b"), 7, at(1));
    raise(&bench, None, 8, at(2));
    raise(&bench, None, 8, at(2));
    bench.reopen();
    assert_eq!(incidents(&bench, Some("a")), [trouble(2), trouble(1), trouble(0)], "the oldest first");
    assert_eq!(incidents(&bench, Some("a-b")), [trouble(7)]);
    assert_eq!(incidents(&bench, None), [trouble(8)], "the same again is one");
    let lists = alerts(&bench).lists().unwrap();
    assert_eq!(lists, [(None, at(2)), (Some(list("a")), at(8)), (Some(list("a-b")), at(1))]);
    assert_eq!((alerts(&bench).count(1000).unwrap(), alerts(&bench).count(2).unwrap()), (5, 2));
}

#[test]
fn whoever_tells_second_finds_them_told() {
    let bench = Bench::new();
    raise(&bench, Some("a"), 1, at(1));
    let name = list("a");
    let read =
        || (alerts(&bench).told(Some(&name)).unwrap(), alerts(&bench).waiting(Some(&name), 10).unwrap());
    let ((first, theirs), (second, ours)) = (read(), read());
    assert_eq!(first.at, None);
    raise(&bench, Some("a"), 2, at(2));
    bench.commit(|b| Alerts::tell(b, Some(&name), &first, &theirs, at(3)).unwrap()).unwrap();
    let again = bench.commit(|b| Alerts::tell(b, Some(&name), &second, &ours, at(3)).unwrap());
    assert!(matches!(again, Err(StoreError::Conflict(Space::Alert))));
    assert_eq!(incidents(&bench, Some("a")), [trouble(2)], "what came meanwhile waits");
    let (told, rest) = read();
    assert_eq!(told.at, Some(at(3)));
    bench.commit(|b| Alerts::tell(b, Some(&name), &told, &rest, at(4)).unwrap()).unwrap();
    assert_eq!(alerts(&bench).lists().unwrap(), []);
}

#[test]
fn a_copy_that_fails_or_expires_is_an_alert_in_the_same_commit() {
    let bench = Bench::new();
    let ids = bench.enqueue("a", &["m-1", "m-2", "m-3"], T0);
    let jobs = claim(&bench, T0, 3);
    let outcome = |member: &str| match member {
        "m-1" => Done::Failed { reply: "550 5.1.1 <m-1@example.org> who?".to_owned() },
        "m-2" => Done::Expired { after: "5 days".to_owned(), reply: "451 4.7.1 grey".to_owned() },
        _ => delivered(),
    };
    let done: Vec<_> = jobs.into_iter().map(|job| (outcome(job.parcel.member.as_str()), job)).collect();
    let done: Vec<_> = done.into_iter().map(|(done, job)| (job, done)).collect();
    bench.queue().record(&done, at(5)).unwrap();
    let recipient = |member: &str| format!("{member}@example.org").parse().unwrap();
    let mut found = incidents(&bench, Some("a"));
    found.sort_by_key(Incident::kind);
    let expected = [
        Incident::CopyExpired {
            parcel: ids[1],
            member: "m-2".parse().unwrap(),
            recipient: recipient("m-2"),
            code: "451 4.7.1".to_owned(),
        },
        Incident::CopyFailed {
            parcel: ids[0],
            member: "m-1".parse().unwrap(),
            recipient: recipient("m-1"),
            code: "550 5.1.1".to_owned(),
        },
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_notice_that_fails_raises_nothing() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1"], T0);
    let mut job = claim(&bench, T0, 1).remove(0);
    job.parcel.carries = Carries::Notice;
    bench.queue().record(&[(job, Done::Failed { reply: "550 no".to_owned() })], at(1)).unwrap();
    assert_eq!(alerts(&bench).count(10).unwrap(), 0);
    assert_eq!(bench.events("a").len(), 1, "the journal has it");
}

#[test]
fn an_alert_of_a_change_that_did_not_happen_is_none() {
    let bench = Bench::new();
    bench.enqueue("a", &["m-1"], T0);
    let job = claim(&bench, T0, 1).remove(0);
    // Its reader was removed meanwhile.
    let mut batch = Batch::new();
    let notes = bench.queue().withdraw(&mut batch, &list("a"), &"m-1".parse().unwrap()).unwrap();
    bench.journal().commit(&batch, &notes, at(1)).unwrap();
    bench.queue().record(&[(job, Done::Failed { reply: "550 no".to_owned() })], at(2)).unwrap();
    assert_eq!(alerts(&bench).count(10).unwrap(), 0);
}
