//! The journal's heads on their way to the team: once in each period, whatever happens between.

use std::sync::Arc;
use std::time::Duration;

use vouchsafe::id::{Entropy, Fingerprint};
use vouchsafe::ledger::affairs::{Affairs, clock};
use vouchsafe::ledger::outbox::Outbox;
use vouchsafe::mail::directory::Kind;
use vouchsafe::mail::list::List;
use vouchsafe::policy::Policy;
use vouchsafe::roster::errand::{About, ChainHead};
use vouchsafe::roster::membership::{Member, MemberFile, Role, Standing};
use vouchsafe::store::contract::Batch;
use vouchsafe::time::Timestamp;

use crate::{Bench, T0, list, note, paused};

const POLICY: &str = "[policy]\nid = \"x\"\nversion = \"1\"\n[team]\njournal_head_every = \"24h\"\n";

fn a_list(name: &str, kind: Kind, team: Option<&str>, policy: Option<&str>) -> List {
    let address = format!("{name}@lists.example").parse::<vouchsafe::mail::address::Address>().unwrap();
    List {
        name: list(name),
        title: name.to_owned(),
        address: address.clone(),
        answer_to: address,
        kind,
        team: team.map(list),
        individual: false,
        policy: policy.map(|text| Arc::new(Policy::parse(text).unwrap())),
    }
}

fn affairs(bench: &Bench, policy: Option<&str>) -> Affairs {
    Affairs {
        store: bench.store(),
        registry: bench.registry(),
        queue: bench.queue(),
        entropy: Arc::new(Entropy::seeded(2)),
        lists: Arc::new(vec![
            a_list("team", Kind::Intake, None, policy),
            a_list("announce", Kind::Announce, Some("team"), None),
            a_list("talk", Kind::Discuss, None, policy),
        ]),
    }
}

/// Ada and Bob are of the team, Cleo is suspended.
fn bench() -> Bench {
    let bench = Bench::new();
    let read = bench.registry().roster().unwrap();
    let mut roster = (*read.roster).clone();
    for (n, standing) in [(1, Standing::Active), (2, Standing::Active), (3, Standing::Suspended)] {
        let member = Member {
            id: format!("m-{n}").parse().unwrap(),
            address: format!("m{n}@team.example").parse().unwrap(),
            fingerprint: Fingerprint::V4([n; 20]),
            role: Role::Team { name: "x".to_owned(), role: None },
            standing,
            since: T0,
            format: None,
            file: MemberFile::default(),
        };
        roster = roster.add_member(&list("team"), member).unwrap().0;
    }
    bench
        .commit(|batch| vouchsafe::ledger::registry::Registry::set_roster(batch, &read, &roster).unwrap())
        .unwrap();
    for (name, times) in [("team", 2), ("announce", 1), ("talk", 1)] {
        for _ in 0..times {
            bench.journal().commit(&Batch::new(), &[note(name, paused(true))], T0).unwrap();
        }
    }
    bench
}

fn hours(n: u64) -> Timestamp {
    T0.after(Duration::from_secs(n * 3600))
}

fn tick(bench: &Bench, policy: Option<&str>, at: Timestamp) {
    clock::tick(&affairs(bench, policy), &bench.journal(), at).unwrap();
}

/// Whom a letter with heads waits for, with the heads.
fn waiting(bench: &Bench) -> Vec<(String, Vec<ChainHead>)> {
    let all = Outbox::new(&bench.store()).waiting(None, 100).unwrap();
    let heads = all.into_iter().map(|waiting| match waiting.errand.about {
        About::JournalHead { heads, .. } => (waiting.errand.to.id.to_string(), heads),
        other => panic!("{other:?}"),
    });
    heads.collect()
}

#[test]
fn the_heads_of_all_chains_that_a_team_decides_for_are_told_once_a_day() {
    let mut bench = bench();
    tick(&bench, Some(POLICY), hours(0));
    assert_eq!(waiting(&bench), [], "the first look notes when the time begins");
    tick(&bench, Some(POLICY), hours(23));
    assert_eq!(waiting(&bench), []);
    tick(&bench, Some(POLICY), hours(24));
    let told = waiting(&bench);
    let mut who: Vec<&str> = told.iter().map(|(who, _)| who.as_str()).collect();
    who.sort_unstable();
    assert_eq!(who, ["m-1", "m-2"], "who is active");
    let head = |name: &str| {
        let head = bench.journal().head(Some(&list(name))).unwrap();
        ChainHead { list: Some(list(name)), seq: head.seq, hash: head.hex() }
    };
    assert_eq!(told[0].1, [head("team"), head("announce"), head("talk")], "also where nobody decides");
    // Neither another look nor a kill tells it again.
    tick(&bench, Some(POLICY), hours(24));
    bench.reopen();
    tick(&bench, Some(POLICY), hours(47));
    assert_eq!(waiting(&bench).len(), 2);
    tick(&bench, Some(POLICY), hours(48));
    assert_eq!(waiting(&bench).len(), 4);
    // A week off is one mail and not seven.
    tick(&bench, Some(POLICY), hours(48 + 7 * 24));
    tick(&bench, Some(POLICY), hours(48 + 7 * 24));
    assert_eq!(waiting(&bench).len(), 6);
}

#[test]
fn a_clock_that_was_put_back_does_not_silence_it() {
    let bench = bench();
    tick(&bench, Some(POLICY), hours(24 * 400));
    tick(&bench, Some(POLICY), hours(0));
    assert_eq!(waiting(&bench).len(), 2, "told at once, and noted by the clock as it is");
    tick(&bench, Some(POLICY), hours(1));
    assert_eq!(waiting(&bench).len(), 2);
    tick(&bench, Some(POLICY), hours(25));
    assert_eq!(waiting(&bench).len(), 4);
}

#[test]
fn where_no_policy_says_how_often_it_is_daily_and_off_is_off() {
    let silent = bench();
    (0..3).for_each(|n| tick(&silent, None, hours(n * 24)));
    assert_eq!(waiting(&silent).len(), 4);
    let off = bench();
    (0..3).for_each(|n| tick(&off, Some(&POLICY.replace("24h", "off")), hours(n * 24)));
    assert_eq!(waiting(&off), []);
    assert_eq!(off.journal().head(Some(&list("team"))).unwrap().seq, 2, "nor written");
    let often = bench();
    (0..3).for_each(|n| tick(&often, Some(&POLICY.replace("24h", "1h")), hours(n)));
    assert_eq!(waiting(&often).len(), 4);
}
