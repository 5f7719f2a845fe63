//! Return paths: whose copy a bounce is about, once, not for ever, and nobody else's.

use std::time::Duration;

use vouchsafe::id::{BodyId, Entropy, ParcelId, Token};
use vouchsafe::ledger::alert::{Alerts, Incident};
use vouchsafe::ledger::journal::{Actor, Event};
use vouchsafe::ledger::queue::{Done, Queue, State};
use vouchsafe::ledger::sent::{Effect, KEEP, Returned, SentBook, forget_old};
use vouchsafe::mail::parcel::Carries;
use vouchsafe::store::contract::{self, Batch, Space};
use vouchsafe::time::Timestamp;

use crate::queue::{claim, delivered};
use crate::{BODY, Bench, T0, at, list};

/// A copy that was queued and delivered; its id and the token of its return path.
fn sent(bench: &Bench, seed: u64, carries: Carries) -> (ParcelId, Token) {
    sent_to(bench, "m-1", seed, carries)
}

fn sent_to(bench: &Bench, member: &str, seed: u64, carries: Carries) -> (ParcelId, Token) {
    let token = Token::random(&Entropy::seeded(seed));
    let body = BodyId::new(T0, &bench.entropy);
    bench.store().put_body(contract::BodyId(*body.as_bytes()), BODY).unwrap();
    let mut parcel = bench.parcel("a", member, body, T0);
    parcel.reverse_path = format!("a-bounces+{}@lists.example", token.as_str()).parse().unwrap();
    parcel.carries = carries;
    let id = parcel.id;
    let mut batch = Batch::new();
    Queue::enqueue(&mut batch, parcel, T0).unwrap();
    bench.store().commit(batch).unwrap();
    bench.queue().record(&[(claim(bench, T0, 1).remove(0), delivered())], at(1)).unwrap();
    (id, token)
}

fn failed(status: &str, when: Timestamp) -> Returned {
    Returned { status: status.to_owned(), failed: true, at: when }
}

fn delayed(status: &str, when: Timestamp) -> Returned {
    Returned { failed: false, ..failed(status, when) }
}

/// What the bounce did: `marked`, `known` or `nobodys`.
fn bounce(bench: &Bench, name: &str, token: &Token, returned: Returned) -> &'static str {
    let now = returned.at;
    match SentBook::new(bench.store()).bounced(&list(name), token, returned).unwrap() {
        Effect::Marked(marked) => {
            let (batch, note) = *marked;
            bench.journal().commit(&batch, &[note], now).unwrap();
            "marked"
        }
        Effect::Known => "known",
        Effect::Nobodys => "nobodys",
    }
}

fn alerts(bench: &Bench) -> Vec<Incident> {
    let waiting = Alerts::new(bench.store()).waiting(Some(&list("a")), 100).unwrap();
    waiting.into_iter().map(|w| w.alert.incident).collect()
}

/// Strangers get letters as well, and may be as many as they like.
#[test]
fn however_many_letters_are_lost_the_admins_hear_of_so_many_on_a_day() {
    let bench = Bench::new();
    for n in 1..=60 {
        let (_, token) = sent_to(&bench, &format!("m-{n}"), n, Carries::Letter);
        assert_eq!(bounce(&bench, "a", &token, failed("5.1.1", at(30))), "marked");
    }
    assert_eq!(alerts(&bench).len(), 50);
}

#[test]
fn a_bounce_marks_its_copy_and_alerts_once() {
    let mut bench = Bench::new();
    let (id, token) = sent(&bench, 7, Carries::Post);
    assert!(bench.queue().ls(None, 10).unwrap().is_empty(), "it has left");
    bench.reopen();
    assert_eq!(bounce(&bench, "a", &token, delayed("4.4.1", at(10))), "marked");
    let row = bench.queue().get(id).unwrap().unwrap();
    assert_eq!((row.state, row.last.as_deref()), (State::Delayed, Some("4.4.1")));
    assert!(alerts(&bench).is_empty(), "late is not lost");
    assert_eq!(bounce(&bench, "a", &token, delayed("4.4.1", at(20))), "known");
    assert_eq!(bounce(&bench, "a", &token, failed("5.1.1", at(30))), "marked");
    for again in [failed("5.1.1", at(40)), failed("5.2.2", at(50)), delayed("4.4.7", at(60))] {
        assert_eq!(bounce(&bench, "a", &token, again), "known");
    }
    let rows = bench.queue().ls(None, 10).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id, rows[0].state, rows[0].last.as_deref()), (id, State::Bounced, Some("5.1.1")));
    assert_eq!((rows[0].recipient.as_str(), rows[0].queued_at, rows[0].next), ("m-1@example.org", T0, None));
    let (member, status) = ("m-1".parse().unwrap(), "5.1.1".to_owned());
    let recipient = "m-1@example.org".parse().unwrap();
    assert_eq!(alerts(&bench), [Incident::CopyBounced { parcel: id, member, recipient, status }]);
    let events = bench.events("a");
    assert!(matches!(&events[1], Event::Delayed { parcel, .. } if *parcel == id), "{events:?}");
    assert!(
        matches!(&events[2], Event::Bounced { parcel, status, .. } if *parcel == id && status == "5.1.1")
    );
    assert_eq!(events.len(), 3);
    assert_eq!(bench.queue().counts().unwrap(), (0, 0, 0, 0));
    assert!(!bench.queue().retry(id, at(70)).unwrap(), "there is nothing to try again with");
    assert!(bench.queue().drop_parcel(id, &Actor::Admin(0), at(80)).unwrap());
    assert!(bench.queue().ls(None, 10).unwrap().is_empty());
    assert_eq!(bounce(&bench, "a", &token, failed("5.1.1", at(90))), "known", "not told again either");
}

#[test]
fn a_token_counts_on_its_own_list_and_for_its_time() {
    let bench = Bench::new();
    let (id, token) = sent(&bench, 7, Carries::Post);
    let last = T0.after(KEEP).before(Duration::from_millis(1));
    for (name, token, when) in [
        ("b", &token, at(1)),
        ("a", &Token::random(&Entropy::seeded(8)), at(1)),
        ("a", &token, T0.after(KEEP)),
    ] {
        assert_eq!(bounce(&bench, name, token, failed("5.1.1", when)), "nobodys");
    }
    assert!(alerts(&bench).is_empty() && bench.queue().get(id).unwrap().is_none());
    assert_eq!(bounce(&bench, "a", &token, failed("5.1.1", last)), "marked");
    assert_eq!(forget_old(&*bench.store(), last).unwrap(), 0);
    assert_eq!(forget_old(&*bench.store(), T0.after(KEEP)).unwrap(), 2);
    assert_eq!(bench.entries(Space::Sent), []);
    assert!(bench.queue().get(id).unwrap().is_none());
}

#[test]
fn a_notice_that_comes_back_is_marked_and_alerts_nobody() {
    let bench = Bench::new();
    let (id, token) = sent(&bench, 7, Carries::Notice);
    assert_eq!(bounce(&bench, "a", &token, failed("5.1.1", at(10))), "marked");
    assert!(alerts(&bench).is_empty());
    assert_eq!(bench.queue().get(id).unwrap().unwrap().state, State::Bounced);
}

#[test]
fn a_letter_that_does_not_arrive_is_told_once_a_day_for_each_person() {
    let bench = Bench::new();
    let lost = |seed: u64, seconds: u64| {
        let (_, token) = sent(&bench, seed, Carries::Letter);
        assert_eq!(bounce(&bench, "a", &token, failed("5.1.1", at(seconds))), "marked");
    };
    let (_, token) = sent(&bench, 1, Carries::Letter);
    assert_eq!(bounce(&bench, "a", &token, delayed("4.4.1", at(5))), "marked");
    assert!(alerts(&bench).is_empty(), "late is not lost");
    lost(2, 10);
    lost(3, 20);
    let (member, recipient) = ("m-1".parse().unwrap(), "m-1@example.org".parse().unwrap());
    assert_eq!(alerts(&bench), [Incident::LetterLost { member, recipient }], "not for each letter");
    lost(4, 10 + 24 * 3600);
    assert_eq!(alerts(&bench).len(), 2, "a day later it is still so");
    // What the next hop refuses at once is as lost, and another person is told of.
    let body = BodyId::new(T0, &bench.entropy);
    bench.store().put_body(contract::BodyId(*body.as_bytes()), BODY).unwrap();
    for member in ["m-2", "m-2", "m-1"] {
        let mut parcel = bench.parcel("a", member, body, T0);
        parcel.carries = Carries::Letter;
        bench.commit(|batch| Queue::enqueue(batch, parcel, T0).unwrap()).unwrap();
    }
    let refused = |job| (job, Done::Failed { reply: "550 5.1.1 no".to_owned() });
    let later = at(20 + 24 * 3600);
    let done: Vec<_> = claim(&bench, later, 3).into_iter().map(refused).collect();
    bench.queue().record(&done, later).unwrap();
    let told = alerts(&bench);
    let of = |name: &str| {
        told.iter()
            .filter(|one| matches!(one, Incident::LetterLost { member, .. } if member.as_str() == name))
            .count()
    };
    assert_eq!((of("m-1"), of("m-2"), told.len()), (2, 1, 3), "{told:?}");
}

#[test]
fn what_came_back_stands_among_what_waits_page_by_page() {
    let bench = Bench::new();
    let mut all = Vec::new();
    for n in 0..6u64 {
        let now = at(10 * n);
        if n % 2 == 0 {
            all.extend(bench.enqueue("a", &["m-2"], now));
        } else {
            let token = Token::random(&Entropy::seeded(n));
            let body = BodyId::new(now, &bench.entropy);
            let mut parcel = bench.parcel("a", "m-1", body, now);
            parcel.reverse_path = format!("a-bounces+{}@lists.example", token.as_str()).parse().unwrap();
            all.push(parcel.id);
            // Queued and gone: only what its return path belongs to is left.
            bench.store().put_body(contract::BodyId(*body.as_bytes()), BODY).unwrap();
            bench.commit(|b| Queue::enqueue(b, parcel.clone(), now).unwrap()).unwrap();
            assert!(bench.queue().drop_parcel(parcel.id, &Actor::Relay, now).unwrap());
            assert_eq!(bounce(&bench, "a", &token, failed("5.1.1", now)), "marked");
        }
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = bench.queue().ls(after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        assert!(page.len() <= 2);
        seen.extend(page.into_iter().map(|row| row.id));
    }
    assert_eq!(seen, all, "each once, the oldest first");
}
