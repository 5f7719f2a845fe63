//! The journal: chains of several lists, commits with entries, many writers.

use std::sync::Arc;
use std::thread;

use vouchsafe::id::SpoolId;
use vouchsafe::ledger::journal::{Actor, Broken, Event, Head, Journal, Note};
use vouchsafe::roster::Change;
use vouchsafe::roster::membership::Standing;
use vouchsafe::store::contract::{self, Batch, Expect, Space, StoreError, Version};

use crate::{Bench, T0, at, key, list, note, paused};

#[test]
fn each_list_and_the_relay_itself_have_a_chain_of_their_own() {
    let bench = Bench::new();
    let journal = bench.journal();
    let own = |event| Note { list: None, actor: Actor::Admin(1000), event, reason: None };
    // Names that begin alike must not run into each other.
    for round in 0..3 {
        let notes = [
            note("a", paused(true)),
            own(paused(true)),
            note("a-b", paused(false)),
            note("a", paused(false)),
        ];
        journal.commit(&Batch::new(), &notes, at(round)).unwrap();
    }
    for (chain, links) in [(Some(list("a")), 6), (Some(list("a-b")), 3), (None, 3), (Some(list("b")), 0)] {
        let head = journal.verify(chain.as_ref(), None).unwrap().unwrap();
        assert_eq!(head, journal.head(chain.as_ref()).unwrap());
        assert_eq!(head.seq, links, "{chain:?}");
        let found = journal.links(chain.as_ref(), 0, 100).unwrap();
        assert_eq!(found.iter().map(|l| l.seq).collect::<Vec<_>>(), (1..=links).collect::<Vec<_>>());
        assert_eq!(found.last().map_or([0; 32], |l| l.hash), head.hash);
    }
    let page = journal.links(Some(&list("a")), 2, 3).unwrap();
    let shown: Vec<_> = page.iter().map(|l| (l.seq, l.at, l.event.clone())).collect();
    assert_eq!(shown, [(3, at(1), paused(true)), (4, at(1), paused(false)), (5, at(2), paused(true))]);
    assert_eq!(journal.links(None, 0, 1).unwrap()[0].actor, Actor::Admin(1000));
}

#[test]
fn the_reason_is_of_the_chain() {
    let bench = Bench::new();
    let journal = bench.journal();
    let told = Note { reason: Some("asked by phone".to_owned()), ..note("a", paused(true)) };
    journal.commit(&Batch::new(), &[told, note("a", paused(false))], T0).unwrap();
    let links = journal.links(Some(&list("a")), 0, 10).unwrap();
    let reasons: Vec<_> = links.iter().map(|link| link.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("asked by phone"), None]);
    let silent = Bench::new();
    let other = silent.journal();
    other.commit(&Batch::new(), &[note("a", paused(true)), note("a", paused(false))], T0).unwrap();
    assert_ne!(journal.head(Some(&list("a"))).unwrap(), other.head(Some(&list("a"))).unwrap());
    journal.verify(Some(&list("a")), None).unwrap().unwrap();
}

/// One of each kind, with every optional field there and missing.
fn events(bench: &Bench) -> Vec<Event> {
    let mail = SpoolId::new(T0, &bench.entropy);
    let parcel = bench.parcel("a", "m-1", vouchsafe::id::BodyId::new(T0, &bench.entropy), T0).id;
    let member = || "m-1".parse().unwrap();
    let fingerprint = vouchsafe::id::Fingerprint::V6([7; 32]);
    let change = |change| Event::Roster { change };
    let moved =
        |reason| Change::Moved { member: member(), from: Standing::Active, to: Standing::Removed, reason };
    let added = |org| Change::MemberAdded { member: member(), org, fingerprint };
    vec![
        Event::Relayed { mail, signer: Some(member()), verdict: "good".to_owned(), copies: 3 },
        Event::Relayed { mail, signer: None, verdict: "unsigned".to_owned(), copies: u32::MAX },
        Event::Missed { mail, member: member(), problem: "expired".to_owned() },
        Event::Held { mail, reason: "unsigned".to_owned(), signer: None },
        Event::Held { mail, reason: "not-a-poster".to_owned(), signer: Some(key(1)) },
        Event::Dropped { mail, reason: "replay".to_owned() },
        Event::HoldReleased { mail },
        Event::HoldDropped { mail },
        Event::Delivered { parcel, member: member() },
        Event::Failed { parcel, member: member(), code: "550".to_owned() },
        Event::Expired { parcel, member: member(), code: "451".to_owned() },
        Event::Withdrawn { parcel, member: member() },
        Event::LeftBeforeRemoval { parcel, member: member() },
        Event::ParcelDropped { parcel, member: member() },
        change(Change::OrgAdded { org: "acme".parse().unwrap() }),
        change(added(Some("acme".parse().unwrap()))),
        change(added(None)),
        change(Change::CertSet { member: member(), before: key(1), after: fingerprint }),
        change(moved(Some("left the company".to_owned()))),
        change(moved(None)),
        paused(true),
        Event::KeyImported { fingerprint },
        Event::SpoolKeyRotated { fingerprint },
        Event::SpoolKeyDestroyed { fingerprint },
    ]
}

#[test]
fn every_event_reads_back_as_it_was_written() {
    let mut bench = Bench::new();
    let written = events(&bench);
    let notes: Vec<_> = written.iter().cloned().map(|event| note("a", event)).collect();
    bench.journal().commit(&Batch::new(), &notes, T0).unwrap();
    bench.reopen();
    assert_eq!(bench.events("a"), written);
    bench.journal().verify(Some(&list("a")), None).unwrap().unwrap();
}

#[test]
fn batch_and_entries_come_together_or_not_at_all() {
    let bench = Bench::new();
    let journal = bench.journal();
    let mut batch = Batch::new();
    batch.put(Space::Registry, *b"k", b"v".to_vec());
    journal.commit(&batch, &[note("a", paused(true))], T0).unwrap();
    assert!(bench.store().get(Space::Registry, b"k").unwrap().is_some());

    let mut absent = batch.clone();
    absent.expect(Expect::Absent(Space::Registry, b"k".to_vec()));
    let mut stale = batch.clone();
    stale.expect(Expect::Version(Space::Registry, b"k".to_vec(), Version(0)));
    let mut bodiless = batch.clone();
    bodiless.name(contract::BodyId([9; 16]));
    let mut large = batch;
    large.put(Space::Registry, *b"large", vec![0; contract::MAX_VALUE + 1]);
    for (refused, batch) in [("absent", absent), ("stale", stale), ("no body", bodiless), ("large", large)] {
        let error =
            journal.commit(&batch, &[note("a", paused(false)), note("b", paused(false))], T0).unwrap_err();
        // The conflict is the caller's to decide upon, so it names the caller's space and not the journal's.
        let named = match refused {
            "no body" => matches!(error, StoreError::NoBody(_)),
            "large" => matches!(error, StoreError::TooLarge(_)),
            _ => matches!(error, StoreError::Conflict(Space::Registry)),
        };
        assert!(named, "{refused}: {error}");
        assert_eq!(bench.events("a"), [paused(true)], "{refused}");
        assert!(bench.events("b").is_empty(), "{refused}");
    }
    journal.verify(Some(&list("a")), None).unwrap().unwrap();
}

#[test]
fn many_writers_lose_nothing() {
    const EACH: u64 = 20;
    let bench = Bench::new();
    // Two journals over one store are two nodes: no lock between them, only the heads' versions.
    let nodes = [bench.journal(), bench.journal()];
    thread::scope(|scope| {
        for writer in 0..6_u64 {
            let journal = nodes[usize::from(writer % 2 == 0)].clone();
            scope.spawn(move || {
                for n in 0..EACH {
                    let mut batch = Batch::new();
                    batch.put(Space::Registry, format!("{writer}/{n}"), vec![1]);
                    let notes = [note("a", paused(true)), note("b", paused(writer % 2 == 0))];
                    journal.commit(&batch, &notes, at(n)).unwrap();
                }
            });
        }
    });
    assert_eq!(bench.entries(Space::Registry).len() as u64, 6 * EACH);
    for name in ["a", "b"] {
        let head = bench.journal().verify(Some(&list(name)), None).unwrap().unwrap();
        assert_eq!(head.seq, 6 * EACH, "{name}");
    }
}

#[test]
fn a_chain_that_grows_while_it_is_verified_is_not_called_broken() {
    let bench = Bench::new();
    let (writer, reader): (Journal, Journal) = (bench.journal(), bench.journal());
    // Long enough that verifying takes a while.
    let many: Vec<_> = (0..1500).map(|_| note("a", paused(true))).collect();
    writer.commit(&Batch::new(), &many, T0).unwrap();
    let going = Arc::new(std::sync::atomic::AtomicBool::new(true));
    thread::scope(|scope| {
        let stop = Arc::clone(&going);
        scope.spawn(move || {
            while stop.load(std::sync::atomic::Ordering::SeqCst) {
                writer.commit(&Batch::new(), &[note("a", paused(false))], T0).unwrap();
            }
        });
        let mut seen = 0;
        for _ in 0..15 {
            let verified = reader.verify(Some(&list("a")), None);
            match verified {
                Ok(Ok(Head { seq, .. })) => {
                    assert!(seq >= seen && seq >= 1500, "{seq} after {seen}");
                    seen = seq;
                }
                other => {
                    going.store(false, std::sync::atomic::Ordering::SeqCst);
                    panic!("{other:?}");
                }
            }
        }
        going.store(false, std::sync::atomic::Ordering::SeqCst);
    });
}

#[test]
fn a_head_that_was_kept_proves_the_chain_up_to_it() {
    let bench = Bench::new();
    let journal = bench.journal();
    let a = list("a");
    assert_eq!(
        journal.verify(Some(&a), Some([0; 32])).unwrap().unwrap().seq,
        0,
        "the head of an empty chain"
    );
    let mut kept = Vec::new();
    for round in 0..5 {
        journal
            .commit(&Batch::new(), &[note("a", paused(round % 2 == 0)), note("b", paused(true))], at(round))
            .unwrap();
        kept.push(journal.head(Some(&a)).unwrap());
    }
    for head in &kept {
        assert_eq!(journal.verify(Some(&a), Some(head.hash)).unwrap().unwrap(), kept[4]);
        assert_eq!(journal.verify(Some(&list("b")), Some(head.hash)).unwrap(), Err(Broken::HeadUnknown));
    }
    assert_eq!(journal.verify(Some(&a), Some([7; 32])).unwrap(), Err(Broken::HeadUnknown));
    assert_eq!(kept[4].hex().len(), 64);
    assert!(kept[4].hex().bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
}
