//! Arrivals: durable, claimed, counted, held, released; bodies go exactly when the last record goes.

use vouchsafe::id::ListName;
use vouchsafe::ledger::mark::{Item, Mark, Marks};
use vouchsafe::ledger::record::{FORMAT, encode};
use vouchsafe::ledger::spool::{MAX_CLAIMS, Spool, Spooled};
use vouchsafe::store::contract::{Batch, Space, StoreError};
use vouchsafe::time::Timestamp;

use crate::{Bench, LEASE, T0, at, key, list, sealed};

fn put(bench: &Bench, lists: &[&str], now: Timestamp) -> vouchsafe::id::SpoolId {
    let lists: Vec<ListName> = lists.iter().map(|l| list(l)).collect();
    bench.spool().put(&sealed(10), &lists, key(1), now, &bench.entropy).unwrap()
}

fn claim_one(bench: &Bench, now: Timestamp) -> Spooled {
    let mut claimed = bench.spool().claim(now, LEASE, 1).unwrap();
    claimed.pop().unwrap_or_else(|| panic!("nothing to claim at {now}"))
}

fn finish(bench: &Bench, spooled: &Spooled) -> Result<(), StoreError> {
    bench.commit(|b| Spool::finish(b, spooled))
}

fn hold(bench: &Bench, spooled: &Spooled, now: Timestamp) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    vouchsafe::ledger::hold::Holds::hold(&mut batch, spooled, "unsigned", Some(key(2)), true, now).unwrap();
    bench.store().commit(batch)
}

#[test]
fn what_was_put_is_there_after_a_restart_byte_for_byte() {
    let mut bench = Bench::new();
    let mail = sealed(200_000);
    let id = bench.spool().put(&mail, &[list("a")], key(1), T0, &bench.entropy).unwrap();
    bench.reopen();
    assert_eq!(bench.spool().waiting().unwrap(), (1, vec![key(1)]));
    assert_eq!(bench.spool().next_due().unwrap(), Some(T0));
    let spooled = claim_one(&bench, T0);
    assert_eq!((spooled.id, &spooled.list, spooled.claims), (id, &list("a"), 1));
    assert_eq!((spooled.spool_key, spooled.waived.as_deref()), (key(1), None));
    assert_eq!(spooled.size, mail.len() as u64);
    assert!(bench.spool().read(&spooled).unwrap().as_bytes() == mail.as_bytes());
    finish(&bench, &spooled).unwrap();
    assert_eq!((bench.bodies(), bench.spool().waiting().unwrap().0), (0, 0));
    assert!(matches!(bench.spool().read(&spooled), Err(StoreError::NoBody(_))));
}

#[test]
fn a_mail_for_no_list_is_not_said_to_be_taken() {
    let bench = Bench::new();
    assert!(bench.spool().put(&sealed(10), &[], key(1), T0, &bench.entropy).is_err());
    assert_eq!(bench.bodies(), 0);
}

#[test]
fn one_body_for_two_lists_goes_with_the_last() {
    for order in [[0, 1], [1, 0]] {
        let bench = Bench::new();
        put(&bench, &["a", "b"], T0);
        let claimed = bench.spool().claim(T0, LEASE, 10).unwrap();
        assert_eq!(claimed.len(), 2);
        assert_ne!(claimed[0].list, claimed[1].list);
        assert_eq!(bench.bodies(), 1);
        finish(&bench, &claimed[order[0]]).unwrap();
        assert_eq!(bench.bodies(), 1, "the other list still needs it");
        assert!(bench.spool().read(&claimed[order[1]]).is_ok());
        finish(&bench, &claimed[order[1]]).unwrap();
        assert_eq!(bench.bodies(), 0);
    }
}

#[test]
fn the_oldest_come_first_and_nobody_gets_what_another_holds() {
    let bench = Bench::new();
    let ids: Vec<_> = (0..5).map(|n| put(&bench, &["a"], at(n))).collect();
    let claimed = |now, limit| -> Vec<_> {
        bench.spool().claim(now, LEASE, limit).unwrap().into_iter().map(|s| s.id).collect()
    };
    assert_eq!(claimed(at(1), 10), ids[..2], "the rest has not arrived yet");
    assert_eq!(claimed(at(4), 2), ids[2..4]);
    assert_eq!(claimed(at(4), 10), ids[4..]);
    assert!(claimed(at(60), 10).is_empty());
    assert_eq!(claimed(at(61), 10), ids[..2], "their leases have run out");
}

#[test]
fn unfinished_claims_are_counted_whatever_ended_them() {
    let mut bench = Bench::new();
    put(&bench, &["a"], T0);
    let first = claim_one(&bench, T0);
    bench.spool().give_back(&first, at(5), true).unwrap();
    assert!(bench.spool().claim(at(4), LEASE, 1).unwrap().is_empty(), "it rests until then");
    let second = claim_one(&bench, at(5));
    assert_eq!(second.claims, 2);
    // The process dies.
    bench.reopen();
    assert_eq!(bench.spool().recover(at(6)).unwrap(), 1);
    let third = claim_one(&bench, at(6));
    assert_eq!(third.claims, 3);
    // The lease runs out.
    let fourth = claim_one(&bench, at(66));
    assert_eq!(fourth.claims, 4);
    assert!(fourth.claims > MAX_CLAIMS, "three unfinished claims are enough");
    // Once more, across all ways at once.
    bench.spool().give_back(&fourth, at(70), true).unwrap();
    bench.reopen();
    assert_eq!(bench.spool().recover(at(71)).unwrap(), 0, "it was not claimed");
    assert_eq!(claim_one(&bench, at(71)).claims, 5);
}

#[test]
fn what_was_not_the_mail_s_fault_is_not_counted() {
    let bench = Bench::new();
    put(&bench, &["a"], T0);
    for n in 0..10 {
        let spooled = claim_one(&bench, at(n));
        assert_eq!(spooled.claims, 1);
        bench.spool().give_back(&spooled, at(n + 1), false).unwrap();
    }
    let spooled = claim_one(&bench, at(20));
    bench.spool().give_back(&spooled, at(21), true).unwrap();
    let spooled = claim_one(&bench, at(21));
    bench.spool().give_back(&spooled, at(22), false).unwrap();
    assert_eq!(claim_one(&bench, at(22)).claims, 2, "the one that counted stays counted");
}

#[test]
fn recovery_leaves_alone_what_rests() {
    let mut bench = Bench::new();
    let resting = put(&bench, &["a"], T0);
    let spooled = claim_one(&bench, T0);
    bench.spool().give_back(&spooled, at(1000), true).unwrap();
    let claimed = put(&bench, &["b"], at(1));
    drop(claim_one(&bench, at(1)));
    bench.reopen();
    assert_eq!(bench.spool().recover(at(2)).unwrap(), 1);
    let now: Vec<_> = bench.spool().claim(at(2), LEASE, 10).unwrap().into_iter().map(|s| s.id).collect();
    assert_eq!(now, [claimed]);
    let later: Vec<_> = bench.spool().claim(at(1000), LEASE, 10).unwrap().into_iter().map(|s| s.id).collect();
    assert_eq!(later, [claimed, resting]);
}

#[test]
fn who_lost_the_lease_changes_nothing() {
    let bench = Bench::new();
    put(&bench, &["a"], T0);
    let late = claim_one(&bench, T0);
    let now = claim_one(&bench, at(60));
    for refused in
        [finish(&bench, &late), hold(&bench, &late, at(61)), bench.spool().give_back(&late, at(61), true)]
    {
        assert!(matches!(refused, Err(StoreError::Conflict(Space::Spool))), "{refused:?}");
    }
    assert!(bench.spool().read(&now).is_ok());
    finish(&bench, &now).unwrap();
    assert!(finish(&bench, &now).is_err(), "once");
    assert_eq!((bench.bodies(), bench.entries(Space::Hold).len()), (0, 0));
}

#[test]
fn held_mail_keeps_its_body_until_it_is_dropped() {
    let mut bench = Bench::new();
    let id = put(&bench, &["a"], T0);
    hold(&bench, &claim_one(&bench, T0), at(1)).unwrap();
    bench.reopen();
    assert_eq!((bench.bodies(), bench.spool().waiting().unwrap().0), (1, 0));
    let held = bench.holds().get(id).unwrap().unwrap();
    assert_eq!((held.id, &held.list, held.reason.as_str()), (id, &list("a"), "unsigned"));
    assert_eq!((held.signer, held.since, held.releasable), (Some(key(2)), at(1), true));
    assert_eq!((held.size, held.spool_key), (sealed(10).len() as u64, key(1)));
    assert_eq!(bench.holds().ls(None, 10).unwrap(), [held]);
    assert!(bench.spool().claim(at(99), LEASE, 10).unwrap().is_empty(), "a person decides");

    let first = bench.holds().drop_mail(id).unwrap().unwrap();
    let again = bench.holds().drop_mail(id).unwrap().unwrap();
    let release = bench.holds().release(id, at(2)).unwrap().unwrap();
    bench.store().commit(first).unwrap();
    assert_eq!(bench.bodies(), 0);
    for late in [again, release] {
        let refused = bench.store().commit(late);
        assert!(matches!(refused, Err(StoreError::Conflict(Space::Hold))), "{refused:?}");
    }
    assert!(bench.holds().drop_mail(id).unwrap().is_none());
    assert!(bench.holds().release(id, at(3)).unwrap().is_none());
    assert!(bench.holds().get(id).unwrap().is_none());
}

#[test]
fn released_mail_is_judged_again_with_the_admin_s_word_and_a_clean_slate() {
    let mut bench = Bench::new();
    let id = put(&bench, &["a"], T0);
    for n in 0..3 {
        let spooled = claim_one(&bench, at(n));
        bench.spool().give_back(&spooled, at(n + 1), true).unwrap();
    }
    let spooled = claim_one(&bench, at(3));
    assert!(spooled.claims > MAX_CLAIMS);
    hold(&bench, &spooled, at(3)).unwrap();
    let release = bench.holds().release(id, at(10)).unwrap().unwrap();
    bench.store().commit(release).unwrap();
    bench.reopen();
    assert!(bench.holds().ls(None, 10).unwrap().is_empty());
    assert!(bench.spool().claim(at(9), LEASE, 1).unwrap().is_empty());
    let spooled = claim_one(&bench, at(10));
    assert_eq!((spooled.id, spooled.waived.as_deref(), spooled.claims), (id, Some("unsigned"), 1));
    assert_eq!(bench.spool().read(&spooled).unwrap().as_bytes(), sealed(10).as_bytes());
    // The word holds while it is tried again, and when it is held again.
    bench.spool().give_back(&spooled, at(11), true).unwrap();
    let spooled = claim_one(&bench, at(11));
    assert_eq!((spooled.waived.as_deref(), spooled.claims), (Some("unsigned"), 2));
    hold(&bench, &spooled, at(12)).unwrap();
    assert_eq!(bench.bodies(), 1);
    let release = bench.holds().release(id, at(13)).unwrap().unwrap();
    bench.store().commit(release).unwrap();
    finish(&bench, &claim_one(&bench, at(13))).unwrap();
    assert_eq!(bench.bodies(), 0);
}

#[test]
fn one_list_may_finish_what_another_holds() {
    let bench = Bench::new();
    put(&bench, &["a", "b"], T0);
    let claimed = bench.spool().claim(T0, LEASE, 2).unwrap();
    hold(&bench, &claimed[0], at(1)).unwrap();
    finish(&bench, &claimed[1]).unwrap();
    assert_eq!(bench.bodies(), 1);
    let drop = bench.holds().drop_mail(claimed[0].id).unwrap().unwrap();
    bench.store().commit(drop).unwrap();
    assert_eq!(bench.bodies(), 0);
}

#[test]
fn pages_of_held_mail_are_whole_and_in_order() {
    let bench = Bench::new();
    let ids: Vec<_> = (0..7).map(|n| put(&bench, &["a"], at(n))).collect();
    for spooled in bench.spool().claim(at(10), LEASE, 10).unwrap() {
        hold(&bench, &spooled, at(10)).unwrap();
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = bench.holds().ls(after, 3).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        found.extend(page.iter().map(|held| held.id));
    }
    assert_eq!(found, ids);
}

#[test]
fn spool_keys_that_are_still_needed_are_named_once() {
    let bench = Bench::new();
    for (n, k) in [1, 2, 1, 3, 2].into_iter().enumerate() {
        bench.spool().put(&sealed(1), &[list("a")], key(k), at(n as u64), &bench.entropy).unwrap();
    }
    let (count, mut keys) = bench.spool().waiting().unwrap();
    keys.sort();
    assert_eq!((count, keys), (5, vec![key(1), key(2), key(3)]));
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_stands_in_nobody_s_way() {
    let bench = Bench::new();
    let ids: Vec<_> = (0..3).map(|n| put(&bench, &["a"], at(n))).collect();
    let mut later = bench.store().get(Space::Spool, ids[0].as_bytes()).unwrap().unwrap().value;
    later[0] = FORMAT + 1;
    bench.overwrite(Space::Spool, ids[0].as_bytes(), later);
    bench.overwrite(Space::Spool, ids[1].as_bytes(), encode(&"nonsense").unwrap());
    let claimed: Vec<_> = bench.spool().claim(at(9), LEASE, 10).unwrap().into_iter().map(|s| s.id).collect();
    assert_eq!(claimed, ids[2..]);
    // Alone it is an error: the caller must not think that nothing waits.
    let refused = bench.spool().claim(at(69), LEASE, 1);
    assert!(matches!(refused, Err(StoreError::TooNew { .. })), "{refused:?}");
    assert!(matches!(bench.spool().claim(at(69), LEASE, 1), Err(StoreError::Damaged(_))));
    assert_eq!(bench.bodies(), 3, "nothing is lost");
}

#[test]
fn a_body_that_is_no_ciphertext_is_refused() {
    let bench = Bench::new();
    put(&bench, &["a"], T0);
    let spooled = claim_one(&bench, T0);
    // A file of the right form, but of other bytes, in the body's place.
    let other = vouchsafe::store::contract::BodyId([5; 16]);
    bench.store().put_body(other, b"Subject: in the clear\r\n\r\n").unwrap();
    let files: Vec<_> =
        std::fs::read_dir(bench.dir.path().join("bodies")).unwrap().map(|f| f.unwrap().path()).collect();
    let (foreign, own): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|f| f.to_string_lossy().contains(&other.to_string()));
    std::fs::rename(&foreign[0], &own[0]).unwrap();
    let refused = bench.spool().read(&spooled).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged(_)), "{refused}");
    assert!(!refused.to_string().contains("Subject"));
}

/// The mark of the mail `name` of a mailbox in this generation of names.
fn mark(generation: u8, name: u8, digest: u8) -> Mark {
    let item = Item { place: "imap/inbox".to_owned(), generation: vec![generation], name: vec![name] };
    Mark { item, digest: Some([digest; 32]) }
}

#[test]
fn a_mail_that_its_place_still_has_is_taken_in_once() {
    let mut bench = Bench::new();
    let put = |bench: &Bench, mark: &Mark| {
        let (lists, mail) = ([list("a")], sealed(10));
        bench.spool().put_marked(&mail, &lists, key(1), Some(mark), T0, &bench.entropy)
    };
    let first = mark(1, 7, 1);
    assert!(!Marks::new(bench.store()).is_known(&first).unwrap());
    put(&bench, &first).unwrap();
    bench.reopen();
    let marks = Marks::new(bench.store());
    assert!(marks.is_known(&first).unwrap(), "after a restart as well");
    assert!(matches!(put(&bench, &first), Err(StoreError::Conflict(_))));
    assert_eq!((bench.spool().waiting().unwrap().0, bench.bodies()), (1, 1), "mail and mark are one commit");
    assert!(!marks.is_known(&mark(1, 8, 2)).unwrap(), "another mail");
    assert!(!marks.is_known(&mark(1, 8, 1)).unwrap(), "the same bytes delivered twice are two mails");
    assert!(marks.is_known(&mark(2, 1, 1)).unwrap(), "the same bytes under new names are one");
    assert!(!marks.is_known(&mark(2, 7, 2)).unwrap(), "an old name that means another mail now");
    assert_eq!(marks.of("imap/inbox").unwrap(), std::slice::from_ref(&first.item));
    assert_eq!(marks.of("imap/in").unwrap(), []);
    marks.remove(std::slice::from_ref(&first.item)).unwrap();
    assert_eq!(marks.of("imap/inbox").unwrap(), []);
    assert!(marks.is_known(&mark(2, 1, 1)).unwrap(), "a mailbox that comes back from a backup");
    assert!(marks.is_known(&first).unwrap(), "it was not gone after all, or came back under its old name");
    assert!(!marks.is_known(&mark(1, 7, 2)).unwrap(), "an old name with other bytes is another mail");
    assert!(!marks.is_known(&mark(1, 8, 1)).unwrap(), "delivered twice is two mails still");
}
