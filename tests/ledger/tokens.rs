//! One-time tokens: for one person, for one list, once, and not for ever.

use vouchsafe::id::{Entropy, Token};
use vouchsafe::ledger::sent::forget_old;
use vouchsafe::ledger::token::{Aim, Found, Issued, LIFE, Tokens};
use vouchsafe::store::contract::{Batch, Space, StoreError};

use crate::{Bench, T0, at, key, list, secs};

fn issued(bench: &Bench, seed: u64) -> Token {
    let token = Token::random(&Entropy::seeded(seed));
    let issued = Issued {
        list: list("a"),
        member: "m-1".parse().unwrap(),
        signer: key(1),
        aim: Aim::Probe,
        until: T0.after(LIFE),
    };
    bench.commit(|batch| Tokens::issue(batch, &token, &issued).unwrap()).unwrap();
    token
}

fn find(bench: &Bench, name: &str, token: &Token, signer: u8, seconds: u64) -> Option<Found> {
    Tokens::new(bench.store()).find(&list(name), token, &[key(9), key(signer)], at(seconds)).unwrap()
}

#[test]
fn a_token_counts_for_its_owner_on_its_list_until_it_is_too_late() {
    let mut bench = Bench::new();
    let token = issued(&bench, 1);
    bench.reopen();
    let found = find(&bench, "a", &token, 1, 5).unwrap();
    assert_eq!((found.issued.member.as_str(), found.issued.aim), ("m-1", Aim::Probe));
    assert!(find(&bench, "b", &token, 1, 5).is_none(), "another list");
    assert!(find(&bench, "a", &token, 2, 5).is_none(), "somebody else signs");
    assert!(find(&bench, "a", &Token::random(&Entropy::seeded(2)), 1, 5).is_none(), "another token");
    assert!(find(&bench, "a", &token, 1, LIFE.as_secs() - 1).is_some());
    assert!(find(&bench, "a", &token, 1, LIFE.as_secs()).is_none(), "too late");

    // What lies in the store tells the token to nobody.
    let text = token.as_str().as_bytes();
    let entries = bench.entries(Space::Sent);
    assert_eq!(entries.len(), 1);
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(entries.iter().all(|entry| !holds(&entry.key) && !holds(&entry.value)));

    forget_old(&*bench.store(), at(5)).unwrap();
    assert!(find(&bench, "a", &token, 1, 5).is_some(), "not yet");
    // An answer that came in time may have waited here.
    forget_old(&*bench.store(), at(5).after(LIFE).after(secs(1))).unwrap();
    assert!(find(&bench, "a", &token, 1, LIFE.as_secs() - 1).is_some());
    forget_old(&*bench.store(), at(5).after(LIFE).after(secs(31 * 24 * 3600))).unwrap();
    assert!(bench.entries(Space::Sent).is_empty());
}

#[test]
fn of_two_answers_at_the_same_time_one_counts() {
    let bench = Bench::new();
    let token = issued(&bench, 1);
    let (one, other) = (find(&bench, "a", &token, 1, 5).unwrap(), find(&bench, "a", &token, 1, 5).unwrap());
    let spend = |found: &Found| {
        let mut batch = Batch::new();
        found.spend(&mut batch);
        bench.store().commit(batch)
    };
    spend(&one).unwrap();
    assert!(matches!(spend(&other), Err(StoreError::Conflict(Space::Sent))));
    assert!(find(&bench, "a", &token, 1, 5).is_none());
}
