//! Roster, certificates, list states, and what was seen before.

use std::sync::Arc;
use std::time::Duration;

use vouchsafe::id::Fingerprint;
use vouchsafe::ledger::certs::CertBook;
use vouchsafe::ledger::record::FORMAT;
use vouchsafe::ledger::registry::{ListState, Read, Registry};
use vouchsafe::ledger::seen;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::person::{Person, Sort};
use vouchsafe::roster::Roster;
use vouchsafe::roster::membership::{Member, Role, Standing};
use vouchsafe::store::contract::{Batch, Space, StoreError};

use crate::{Bench, T0, at, list};

fn member(n: u8) -> Member {
    Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("m{n}@example.org").parse().unwrap(),
        fingerprint: if n.is_multiple_of(2) { Fingerprint::V4([n; 20]) } else { Fingerprint::V6([n; 32]) },
        role: Role::Team { name: format!("Persön {n}"), role: None },
        standing: Standing::Active,
        since: T0,
        format: None,
        file: vouchsafe::roster::membership::MemberFile::default(),
    }
}

fn add(roster: &Roster, n: u8) -> Roster {
    roster.add_member(&list("a"), member(n)).unwrap().0
}

#[test]
fn the_roster_changes_only_for_who_read_the_latest() {
    let mut bench = Bench::new();
    let registry = bench.registry();
    let (one, other) = (registry.roster().unwrap(), registry.roster().unwrap());
    assert_eq!(one.roster, Arc::default());
    let set = |read, roster: &Roster| {
        let mut batch = Batch::new();
        Registry::set_roster(&mut batch, read, roster).unwrap();
        bench.store().commit(batch)
    };
    set(&one, &add(&one.roster, 1)).unwrap();
    // Both read an empty roster; only one may be the first.
    assert!(matches!(set(&other, &add(&other.roster, 2)), Err(StoreError::Conflict(Space::Registry))));
    let read = registry.roster().unwrap();
    set(&read, &add(&read.roster, 3)).unwrap();
    assert!(matches!(set(&read, &add(&read.roster, 4)), Err(StoreError::Conflict(Space::Registry))));

    // A commit that only relies on the roster notices as well.
    let mut relies = Batch::new();
    relies.expect(read.unchanged());
    relies.put(Space::Queue, *b"k", vec![1]);
    assert!(matches!(bench.store().commit(relies), Err(StoreError::Conflict(Space::Registry))));
    let latest = registry.roster().unwrap();
    let mut relies = Batch::new();
    relies.expect(latest.unchanged());
    bench.store().commit(relies).unwrap();

    drop(registry);
    bench.reopen();
    let read = bench.registry().roster().unwrap();
    assert_eq!(
        read.roster.members(&list("a")),
        [member(1), member(3)],
        "names and both kinds of fingerprint"
    );
}

#[test]
fn list_states_stand_alone_and_default_to_running() {
    let bench = Bench::new();
    let registry = bench.registry();
    assert_eq!(registry.list_state(&list("a")).unwrap(), ListState { paused: false });
    let mut batch = Batch::new();
    Registry::set_list_state(&mut batch, &list("a"), ListState { paused: true }).unwrap();
    bench.store().commit(batch).unwrap();
    assert!(registry.list_state(&list("a")).unwrap().paused);
    assert!(!registry.list_state(&list("a-b")).unwrap().paused);
    assert_eq!(registry.roster().unwrap().roster, Arc::default());
}

#[test]
fn records_of_a_later_format_are_refused() {
    let bench = Bench::new();
    let registry = bench.registry();
    let mut batch = Batch::new();
    Registry::set_roster(&mut batch, &registry.roster().unwrap(), &add(&Roster::default(), 1)).unwrap();
    Registry::set_list_state(&mut batch, &list("a"), ListState { paused: true }).unwrap();
    bench.store().commit(batch).unwrap();
    for entry in bench.entries(Space::Registry) {
        let mut value = entry.value;
        value[0] = FORMAT + 1;
        bench.overwrite(Space::Registry, &entry.key, value);
    }
    assert!(matches!(registry.roster(), Err(StoreError::TooNew { found: 2, known: 1 })));
    assert!(matches!(registry.list_state(&list("a")), Err(StoreError::TooNew { .. })));
}

#[test]
fn a_certificate_is_read_anew_when_it_changes() {
    let bench = Bench::new();
    let book = CertBook::new(bench.registry());
    let dir = tempfile::tempdir().unwrap();
    let keys = vouchsafe::pgp::keyring::KeyDir::new(dir.path());
    let pass = vouchsafe::pgp::keyring::Passphrase::random(&bench.entropy);
    let id = |address: &str| vouchsafe::pgp::keyring::UserId { name: "A".into(), address: address.into() };
    let cert = keys.create_list(&list("a"), &[id("a@example.org")], &pass, T0).unwrap();
    let fingerprint = cert.fingerprint();
    assert!(book.get(fingerprint).unwrap().is_none());
    let set = |bytes| {
        let mut batch = Batch::new();
        Registry::set_cert(&mut batch, fingerprint, bytes);
        bench.store().commit(batch).unwrap();
    };
    set(cert.to_bytes());
    assert_eq!(book.get(fingerprint).unwrap().unwrap().emails(), ["a@example.org"]);
    set(b"damaged".to_vec());
    assert!(book.get(fingerprint).unwrap().is_none(), "and not what it was before");
    set(cert.to_bytes());
    assert!(book.get(fingerprint).unwrap().is_some());
    assert!(book.of(&add(&Roster::default(), 1)).unwrap().is_empty(), "whoever has none is left out");
}

#[test]
fn a_certificate_is_parsed_and_looked_at_once_for_all_who_ask() {
    let bench = Bench::new();
    let book = CertBook::new(bench.registry());
    let other = book.clone();
    let person = |address| Person::generate("A", address, Sort::V4, T0, None).unwrap().cert().clone();
    let (one, two) = (person("a@example.org"), person("b@example.org"));
    let set = |fingerprint, cert: &Cert| {
        let mut batch = Batch::new();
        Registry::set_cert(&mut batch, fingerprint, cert.to_bytes());
        bench.store().commit(batch).unwrap();
    };
    let fingerprint = one.fingerprint();
    set(fingerprint, &one);
    let look = |book: &CertBook, at| {
        let mut found = book.outlooks(&[fingerprint], at).unwrap();
        found.remove(&fingerprint).unwrap()
    };
    let found = look(&book, T0);
    assert!(Arc::ptr_eq(&book.get(fingerprint).unwrap().unwrap(), &other.get(fingerprint).unwrap().unwrap()));
    assert!(!Arc::ptr_eq(&found, &look(&book, at(3600))), "near its beginning: anew");
    let found = look(&book, at(7200));
    assert!(Arc::ptr_eq(&found, &look(&other, at(9000))), "no second look on the same day");
    // A new copy of a certificate is another one.
    set(fingerprint, &two);
    assert!(!Arc::ptr_eq(&found, &look(&book, at(9000))));
    assert!(book.outlooks(&[two.fingerprint()], T0).unwrap().is_empty());
}

#[test]
fn many_certificates_are_found_as_each_by_itself() {
    let bench = Bench::new();
    let book = CertBook::new(bench.registry());
    let mut batch = Batch::new();
    let mut prints = Vec::new();
    for nth in 0..40 {
        let sort = if nth % 2 == 0 { Sort::V4 } else { Sort::V6 };
        let validity = (nth % 3 == 0).then(|| Duration::from_secs(3600));
        let person = Person::generate("A", "a@example.org", sort, T0, validity).unwrap();
        Registry::set_cert(&mut batch, person.cert().fingerprint(), person.cert().to_bytes());
        prints.push(person.cert().fingerprint());
    }
    // What does not parse stands in nobody's way.
    Registry::set_cert(&mut batch, Fingerprint::V4([1; 20]), b"damaged".to_vec());
    prints.push(Fingerprint::V4([1; 20]));
    bench.store().commit(batch).unwrap();
    let all = book.outlooks(&prints, at(7200)).unwrap();
    assert_eq!(all.len(), 40);
    assert_eq!(all.values().filter(|outlook| outlook.problem.is_some()).count(), 14);
    for print in &prints {
        let alone = CertBook::new(bench.registry()).outlooks(&[*print], at(7200)).unwrap();
        assert_eq!(alone.get(print), all.get(print));
    }
}

#[test]
fn a_digest_is_new_once_for_each_list() {
    let mut bench = Bench::new();
    let mark = |bench: &Bench, name: &str, digest: u8, now| {
        let mut batch = Batch::new();
        seen::mark(&mut batch, &list(name), &[digest; 32], now).unwrap();
        bench.store().commit(batch)
    };
    let known = |bench: &Bench, name: &str, digest: u8| {
        seen::is_known(&*bench.store(), &list(name), &[digest; 32]).unwrap()
    };
    assert!(!known(&bench, "a", 1));
    mark(&bench, "a", 1, T0).unwrap();
    assert!(known(&bench, "a", 1) && !known(&bench, "a", 2) && !known(&bench, "b", 1));
    bench.reopen();
    assert!(matches!(mark(&bench, "a", 1, at(1)), Err(StoreError::Conflict(Space::Seen))));
    mark(&bench, "b", 1, at(1)).unwrap();
    mark(&bench, "a", 2, at(2)).unwrap();

    // Kept longer than the seven days for which a signature is fresh.
    assert!(seen::KEEP > Duration::from_secs(2 * 7 * 24 * 3600));
    let gone = T0.after(seen::KEEP);
    assert_eq!(seen::forget_old(&*bench.store(), gone.before(Duration::from_millis(1))).unwrap(), 0);
    assert!(known(&bench, "a", 1));
    assert_eq!(seen::forget_old(&*bench.store(), gone).unwrap(), 1);
    assert!(!known(&bench, "a", 1) && known(&bench, "b", 1) && known(&bench, "a", 2));
    mark(&bench, "a", 1, gone).unwrap();
}

/// A roster that was read before is handed out again, and never instead of a newer one, whoever wrote that.
#[test]
fn a_roster_that_nobody_changed_is_read_once() {
    let bench = Bench::new();
    let (here, there) = (bench.registry(), bench.registry());
    let set = |read: &Read, n: u8| {
        let mut batch = Batch::new();
        Registry::set_roster(&mut batch, read, &add(&read.roster, n)).unwrap();
        bench.store().commit(batch).unwrap();
    };
    set(&here.roster().unwrap(), 1);
    let first = here.roster().unwrap();
    assert!(Arc::ptr_eq(&first.roster, &here.clone().roster().unwrap().roster), "clones share it");
    for n in 2..5 {
        // By another registry of the same store, as another process would.
        set(&there.roster().unwrap(), n);
        let seen = here.roster().unwrap();
        assert_eq!(seen.roster.members(&list("a")).len(), usize::from(n));
        assert_eq!(seen.roster, there.roster().unwrap().roster);
    }
    assert_eq!(first.roster.members(&list("a")).len(), 1, "who read it before keeps what it read");
}
