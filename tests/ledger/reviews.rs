//! Of a criterion whose day of review has passed the admins hear once, whoever is quicker and whatever breaks down.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vouchsafe::id::{Entropy, OrgName};
use vouchsafe::ledger::affairs::{Affairs, clock};
use vouchsafe::ledger::alert::{Alerts, Incident};
use vouchsafe::ledger::journal::{Event, Journal};
use vouchsafe::ledger::queue::Queue;
use vouchsafe::ledger::registry::Registry;
use vouchsafe::mail::directory::Kind;
use vouchsafe::mail::list::List;
use vouchsafe::policy::Policy;
use vouchsafe::roster::criteria::{Assessment, State};
use vouchsafe::roster::membership::{Member, MemberFile, Role, Standing};
use vouchsafe::roster::{Change, Roster};
use vouchsafe::store::contract::{Batch, Store};
use vouchsafe::time::Timestamp;

use crate::forewarn::Overtaken;
use crate::{Bench, T0, key, list};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIST: &str = "distrib";

fn day(n: u32) -> Timestamp {
    T0.after(DAY * n)
}

fn acme() -> OrgName {
    "acme".parse().unwrap()
}

fn rules() -> List {
    let policy = "[policy]\nid = \"x\"\nversion = \"1\"\n[membership]\ncriteria = [\"vouched\", \"contribute-back\"]\n\
                  review_every = \"30d\"\n";
    List {
        name: list(LIST),
        title: "Distributors".to_owned(),
        address: "distrib@lists.example".parse().unwrap(),
        answer_to: "security@lists.example".parse().unwrap(),
        kind: Kind::Announce,
        team: None,
        individual: false,
        policy: Some(Arc::new(Policy::parse(policy).unwrap())),
    }
}

fn affairs(store: &Arc<dyn Store>) -> (Affairs, Journal) {
    let journal = Journal::new(Arc::clone(store));
    let affairs = Affairs {
        store: Arc::clone(store),
        registry: Registry::new(Arc::clone(store)),
        queue: Queue::new(Arc::clone(store), journal.clone()),
        entropy: Arc::new(Entropy::seeded(7)),
        lists: Arc::new(vec![rules()]),
    };
    (affairs, journal)
}

fn tick(store: &Arc<dyn Store>, at: Timestamp) {
    let (affairs, journal) = affairs(store);
    clock::tick(&affairs, &journal, at).unwrap();
}

/// A member whose two criteria were looked at on the first day.
fn assessed() -> Roster {
    let contact = Member {
        id: "m-acme".parse().unwrap(),
        address: "psirt@acme.example".parse().unwrap(),
        fingerprint: key(1),
        role: Role::Contact { org: acme() },
        standing: Standing::Active,
        since: T0,
        format: None,
        file: MemberFile::default(),
    };
    let (roster, _) = Roster::default().add_org(&acme(), "Acme".to_owned(), T0).unwrap();
    let (roster, _) = roster.add_member(&list(LIST), contact).unwrap();
    let found = |state| Assessment {
        state,
        by: "ada".to_owned(),
        at: day(0),
        evidence: None,
        review: None,
        told: false,
    };
    let (roster, _) = roster.assess(&acme(), &rules(), "vouched", found(State::Met)).unwrap();
    roster.assess(&acme(), &rules(), "contribute-back", found(State::Unknown)).unwrap().0
}

fn set(bench: &Bench, roster: &Roster) {
    let read = bench.registry().roster().unwrap();
    bench.commit(|b| Registry::set_roster(b, &read, roster).unwrap()).unwrap();
}

fn told(bench: &Bench) -> Vec<Incident> {
    let waiting = Alerts::new(bench.store()).waiting(Some(&list(LIST)), 100).unwrap();
    waiting.into_iter().map(|waiting| waiting.alert.incident).collect()
}

fn missed(criterion: &str) -> Incident {
    Incident::ReviewMissed { org: acme(), criterion: criterion.to_owned(), due: day(30) }
}

#[test]
fn a_missed_review_is_told_once_also_over_restarts_and_a_clock_that_goes_back() {
    let mut bench = Bench::new();
    set(&bench, &assessed());
    for at in [day(1), day(29), day(30).before(Duration::from_secs(1))] {
        tick(&bench.store(), at);
        assert_eq!(told(&bench), []);
    }
    for at in [day(30), day(31), day(2), day(400)] {
        tick(&bench.store(), at);
        let mut all = told(&bench);
        all.sort_by_key(|incident| format!("{incident:?}"));
        assert_eq!(all, [missed("contribute-back"), missed("vouched")]);
        bench.reopen();
    }
    let journal = bench.journal().links(Some(&list(LIST)), 0, 100).unwrap();
    let named = |link: &&vouchsafe::ledger::journal::Link| {
        matches!(&link.event, Event::Roster { change: Change::ReviewMissed { .. } })
    };
    assert_eq!(journal.iter().filter(named).count(), 2);
}

#[test]
fn who_assesses_at_that_moment_is_not_told_of_the_look_before() {
    let bench = Bench::new();
    set(&bench, &assessed());
    let read = bench.registry().roster().unwrap();
    let found = Assessment {
        state: State::Met,
        by: "bob".to_owned(),
        at: day(30),
        evidence: None,
        review: None,
        told: false,
    };
    let (roster, _) = read.roster.assess(&acme(), &rules(), "vouched", found).unwrap();
    let mut first = Batch::new();
    Registry::set_roster(&mut first, &read, &roster).unwrap();
    let store: Arc<dyn Store> = Arc::new(Overtaken { store: bench.store(), by: Mutex::new(Some(first)) });
    tick(&store, day(30));
    assert_eq!(told(&bench), [], "neither of them: the roster is another");
    tick(&store, day(30));
    assert_eq!(told(&bench), [missed("contribute-back")]);
}
