//! Of a certificate that ends the admins hear once for each of the days that are named before.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sequoia_openpgp as openpgp;

use openpgp::serialize::SerializeInto;
use vouchsafe::id::OrgName;
use vouchsafe::ledger::alert::{Alerts, Incident};
use vouchsafe::ledger::certs::CertBook;
use vouchsafe::ledger::forewarn::forewarn;
use vouchsafe::ledger::registry::Registry;
use vouchsafe::mail::address::Address;
use vouchsafe::pgp::cert::{Cert, CertProblem};
use vouchsafe::pgp::person::{Person, Sort};
use vouchsafe::roster::membership::{Member, Role, Standing};
use vouchsafe::roster::{Change, Refusal, Roster};
use vouchsafe::store::contract::{Batch, BodyId, Claim, Entry, Room, Space, Store, StoreError};
use vouchsafe::time::Timestamp;

use crate::{Bench, T0, list};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LIST: &str = "a";

fn day(n: u32) -> Timestamp {
    T0.after(DAY * n)
}

fn ending(days: u32) -> Cert {
    let person = Person::generate("A", "a@example.org", Sort::V4, T0, Some(DAY * days)).unwrap();
    person.cert().clone()
}

/// Without an end and without a key for encryption.
fn endless_and_signing_only() -> Cert {
    let builder =
        openpgp::cert::CertBuilder::new().add_userid("dora <dora@example.org>").add_signing_subkey();
    let key = builder.set_creation_time(T0.system()).generate().unwrap().0;
    Cert::parse(&key.strip_secret_key_material().to_vec().unwrap()).unwrap()
}

fn address(of: &str) -> Address {
    format!("{of}@example.org").parse().unwrap()
}

fn change(bench: &Bench, change: impl Fn(&Roster) -> Result<(Roster, Change), Refusal>) {
    let read = bench.registry().roster().unwrap();
    let (roster, _) = change(&read.roster).unwrap();
    bench.commit(|b| Registry::set_roster(b, &read, &roster).unwrap()).unwrap();
}

fn set_cert(bench: &Bench, cert: &Cert) {
    bench.commit(|b| Registry::set_cert(b, cert.fingerprint(), cert.to_bytes())).unwrap();
}

/// A member of a list, active, with this certificate.
fn join(bench: &Bench, name: &str, who: &str, cert: &Cert) {
    set_cert(bench, cert);
    let org: OrgName = "acme".parse().unwrap();
    if bench.registry().roster().unwrap().roster.orgs().next().is_none() {
        change(bench, |roster| roster.add_org(&org, "Acme".to_owned(), T0));
    }
    let member = Member {
        id: format!("m-{who}").parse().unwrap(),
        address: address(who),
        fingerprint: cert.fingerprint(),
        role: Role::Contact { org: org.clone() },
        standing: Standing::Active,
        since: T0,
        format: None,
        file: vouchsafe::roster::membership::MemberFile::default(),
    };
    change(bench, |roster| roster.add_member(&list(name), member.clone()));
}

/// What is raised at that moment, by a daemon that has just started; and told away at once.
fn raised(bench: &Bench, name: &str, at: Timestamp) -> Vec<Incident> {
    let store = bench.store();
    while forewarn(&store, &CertBook::new(bench.registry()), at).unwrap() > 0 {}
    let (alerts, name) = (Alerts::new(bench.store()), list(name));
    let (told, waiting) = (alerts.told(Some(&name)).unwrap(), alerts.waiting(Some(&name), 10_000).unwrap());
    bench.commit(|b| Alerts::tell(b, Some(&name), &told, &waiting, at).unwrap()).unwrap();
    waiting.into_iter().map(|waiting| waiting.alert.incident).collect()
}

fn ends(who: &str, at: Timestamp, within: u16) -> Incident {
    let member = format!("m-{who}").parse().unwrap();
    Incident::CertificateEnds { member, recipient: address(who), at, within }
}

fn gone(who: &str, problem: CertProblem) -> Incident {
    let member = format!("m-{who}").parse().unwrap();
    Incident::CannotReceive { member, recipient: address(who), problem }
}

#[test]
fn each_of_the_days_is_told_once_also_over_restarts() {
    let mut bench = Bench::new();
    join(&bench, LIST, "dora", &ending(100));
    let end = day(100);
    let mut told = Vec::new();
    // Twice a day for all its life, and some days beyond.
    for half in 0..220 {
        let at = T0.after(DAY / 2 * half);
        told.extend(raised(&bench, LIST, at).into_iter().map(|incident| (half, incident)));
        if half % 7 == 0 {
            bench.reopen();
        }
    }
    let expected = [
        (80, ends("dora", end, 60)),
        (140, ends("dora", end, 30)),
        (186, ends("dora", end, 7)),
        (200, gone("dora", CertProblem::Expired { since: end })),
    ];
    assert_eq!(told, expected);
    // A clock that is set back, and goes on.
    for at in [day(10), day(50), day(95), day(120)] {
        assert_eq!(raised(&bench, LIST, at), []);
    }
}

#[test]
fn only_the_nearest_is_told_when_nobody_looked_before() {
    let bench = Bench::new();
    join(&bench, LIST, "dora", &ending(5));
    assert_eq!(raised(&bench, LIST, day(1)), [ends("dora", day(5), 7)]);
    assert_eq!(raised(&bench, LIST, day(2)), []);
}

#[test]
fn a_new_certificate_is_told_of_anew_and_the_same_copy_is_not() {
    let bench = Bench::new();
    let first = ending(40);
    join(&bench, LIST, "dora", &first);
    assert_eq!(raised(&bench, LIST, day(20)), [ends("dora", day(40), 30)]);
    set_cert(&bench, &first);
    assert_eq!(raised(&bench, LIST, day(20)), [], "the same copy again is no news");
    // Another certificate: whether it ends as soon, sooner or later does not matter.
    for (days, within) in [(40, 30), (22, 7), (80, 60)] {
        let other = ending(days);
        set_cert(&bench, &other);
        change(&bench, |roster| roster.set_cert(&list(LIST), &address("dora"), other.fingerprint()));
        assert_eq!(raised(&bench, LIST, day(20)), [ends("dora", day(days), within)]);
        assert_eq!(raised(&bench, LIST, day(20)), []);
    }
    let good = ending(1000);
    set_cert(&bench, &good);
    change(&bench, |roster| roster.set_cert(&list(LIST), &address("dora"), good.fingerprint()));
    assert_eq!(raised(&bench, LIST, day(20)), []);
    assert_eq!(raised(&bench, LIST, day(1000 - 60)), [ends("dora", day(1000), 60)]);
}

#[test]
fn what_was_mended_and_fails_again_is_told_again() {
    let bench = Bench::new();
    let (good, bad) = (ending(1000), endless_and_signing_only());
    join(&bench, LIST, "dora", &bad);
    let told = [gone("dora", CertProblem::NoEncryptionKey)];
    let copy = |cert: &Cert| {
        bench.commit(|b| Registry::set_cert(b, bad.fingerprint(), cert.to_bytes())).unwrap();
    };
    assert_eq!(raised(&bench, LIST, day(1)), told);
    assert_eq!(raised(&bench, LIST, day(2)), []);
    copy(&good);
    assert_eq!(raised(&bench, LIST, day(3)), []);
    copy(&bad);
    assert_eq!(raised(&bench, LIST, day(4)), told);
    assert_eq!(raised(&bench, LIST, day(5)), []);
}

#[test]
fn who_does_not_receive_by_somebody_s_decision_is_not_spoken_of() {
    let bench = Bench::new();
    join(&bench, LIST, "dora", &ending(20));
    join(&bench, LIST, "emil", &ending(20));
    join(&bench, "b", "fay", &ending(20));
    let to = |who: &'static str, standing| {
        change(&bench, |roster| roster.move_member(&list(LIST), &address(who), standing, None, T0));
    };
    to("dora", Standing::Suspended);
    assert_eq!(raised(&bench, LIST, day(1)), [ends("emil", day(20), 30)]);
    assert_eq!(
        raised(&bench, "b", day(1)),
        [ends("fay", day(20), 30)],
        "each list's admins hear of their own"
    );
    to("dora", Standing::Active);
    assert_eq!(raised(&bench, LIST, day(2)), [ends("dora", day(20), 30)]);
    let records = || bench.entries(Space::Alert).iter().filter(|entry| entry.key[0] == b'e').count();
    assert_eq!(records(), 3);
    to("dora", Standing::Removed);
    assert_eq!((raised(&bench, LIST, day(19)), records()), (vec![ends("emil", day(20), 7)], 2));
}

#[test]
fn a_thousand_at_once_are_told_one_by_one_and_none_twice() {
    let bench = Bench::new();
    let cert = ending(20);
    let org: OrgName = "acme".parse().unwrap();
    set_cert(&bench, &cert);
    // One certificate is one member's on a list, so these are on as many lists.
    let mut roster = Roster::default().add_org(&org, "Acme".to_owned(), T0).unwrap().0;
    for n in 0..1100 {
        let member = Member {
            id: format!("m-{n}").parse().unwrap(),
            address: address(&format!("x{n}")),
            fingerprint: cert.fingerprint(),
            role: Role::Contact { org: org.clone() },
            standing: Standing::Active,
            since: T0,
            format: None,
            file: vouchsafe::roster::membership::MemberFile::default(),
        };
        roster = roster.add_member(&list(&format!("l{n}")), member).unwrap().0;
    }
    let read = bench.registry().roster().unwrap();
    bench.commit(|b| Registry::set_roster(b, &read, &roster).unwrap()).unwrap();
    let (store, book) = (bench.store(), CertBook::new(bench.registry()));
    let rounds: Vec<usize> = (0..4).map(|_| forewarn(&store, &book, day(1)).unwrap()).collect();
    assert_eq!(rounds, [500, 500, 100, 0]);
    assert_eq!(Alerts::new(bench.store()).count(10_000).unwrap(), 1100);
}

/// A store in which somebody is quicker than the first commit.
pub(crate) struct Overtaken {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) by: Mutex<Option<Batch>>,
}

impl Store for Overtaken {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.store.get(space, key)
    }
    fn scan(&self, s: Space, p: &[u8], a: Option<&[u8]>, l: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.scan(s, p, a, l)
    }
    fn claim(&self, space: Space, now: i64, lease: i64, limit: usize) -> Result<Vec<Claim>, StoreError> {
        self.store.claim(space, now, lease, limit)
    }
    fn next_due(&self, space: Space) -> Result<Option<i64>, StoreError> {
        self.store.next_due(space)
    }
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if let Some(first) = self.by.lock().unwrap().take() {
            self.store.commit(first)?;
        }
        self.store.commit(batch)
    }
    fn put_body(&self, id: BodyId, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.put_body(id, bytes)
    }
    fn read_body(&self, id: BodyId, offset: u64, max: usize) -> Result<Vec<u8>, StoreError> {
        self.store.read_body(id, offset, max)
    }
    fn body_len(&self, id: BodyId) -> Result<u64, StoreError> {
        self.store.body_len(id)
    }
    fn room(&self) -> Result<Room, StoreError> {
        self.store.room()
    }
    fn compact(&self) -> Result<(), StoreError> {
        self.store.compact()
    }
}

#[test]
fn who_sets_a_certificate_at_that_moment_is_not_told_of_the_former_one() {
    let bench = Bench::new();
    join(&bench, LIST, "dora", &ending(20));
    let good = ending(1000);
    let read = bench.registry().roster().unwrap();
    let (roster, _) = read.roster.set_cert(&list(LIST), &address("dora"), good.fingerprint()).unwrap();
    let mut first = Batch::new();
    Registry::set_cert(&mut first, good.fingerprint(), good.to_bytes());
    Registry::set_roster(&mut first, &read, &roster).unwrap();
    let store: Arc<dyn Store> = Arc::new(Overtaken { store: bench.store(), by: Mutex::new(Some(first)) });
    let book = CertBook::new(Registry::new(Arc::clone(&store)));
    assert_eq!(forewarn(&store, &book, day(1)).unwrap(), 0);
    assert_eq!(bench.entries(Space::Alert), [], "neither an alert nor a word of one");
    assert_eq!(raised(&bench, LIST, day(1)), []);
}
