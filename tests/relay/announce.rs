//! Announce: the team writes, by signature; everything else waits for a person.

use std::time::Duration;

use vouchsafe::id::Fingerprint;
use vouchsafe::pgp::cert::CertProblem;
use vouchsafe::pgp::open::{Closed, Why};
use vouchsafe::relay::gate::Reason;
use vouchsafe::roster::Roster;
use vouchsafe::roster::membership::{Member, Role, Standing};

use crate::support::forge::By;
use crate::support::keys::{DAY, as_openpgp};
use crate::support::world::{NOW, Sent, Setting, member_id, posted, readers};
use crate::{ENTITY, copy_of, held, setting};

fn send(by: &[By<'_>]) -> Vec<u8> {
    setting().write("distrib", ENTITY, by)
}

#[test]
fn the_team_reaches_every_active_distributor_and_itself() {
    let setting = setting();
    for poster in ["ada", "bob"] {
        let raw = send(&[setting.by(poster)]);
        let post = setting.post(&Sent::to("distrib", &raw));
        assert_eq!(readers(&post), ["dora", "rolf", "vera", "ada", "bob"], "not sue, who is suspended");
        let verdict = if poster == "ada" { "good" } else { "good-foreign-from" };
        assert_eq!((post.verdict.as_str(), &post.signer), (verdict, &Some(member_id(poster))));
        let [missed] = post.missed.as_slice() else { panic!("{:?}", post.missed) };
        assert_eq!(missed.member, member_id("xena"));
        assert_eq!(missed.address.to_string(), setting.person("xena").address);
        assert!(matches!(missed.problem, CertProblem::Expired { .. }));
        for copy in &post.copies {
            let name = copy.member.as_str().trim_start_matches("m-");
            assert_eq!(copy.address.to_string(), setting.person(name).address);
            assert_eq!(copy_of(&post, name, "distrib").payload, ENTITY);
        }
    }
}

#[test]
fn whoever_is_not_of_the_team_waits_under_the_right_name() {
    let setting = setting();
    let stale = By { at: NOW.before(7 * DAY + Duration::from_secs(1)), ..setting.by("ada") };
    let future = By { at: NOW.after(Duration::from_secs(301)), ..setting.by("ada") };
    let other = as_openpgp(setting.list_cert("security"));
    let passed_on = By { intended: Some(&other), ..setting.by("ada") };
    let fp = |name: &str| Some(setting.fingerprint(name));
    let cases: Vec<(&str, Vec<By<'_>>, Reason, Option<Fingerprint>)> = vec![
        ("unsigned", vec![], Reason::Unsigned, None),
        ("distributor", vec![setting.by("dora")], Reason::NotAPoster, fp("dora")),
        ("version 6", vec![setting.by("vera")], Reason::NotAPoster, fp("vera")),
        ("suspended", vec![setting.by("sue")], Reason::NotAPoster, fp("sue")),
        ("stale", vec![stale], Reason::BadSignature(Why::Stale), None),
        ("future", vec![future], Reason::BadSignature(Why::Future), None),
        ("for another list", vec![passed_on], Reason::BadSignature(Why::ForSomeoneElse), None),
        (
            "two people",
            vec![setting.by("ada"), setting.by("bob")],
            Reason::BadSignature(Why::SeveralSigners),
            None,
        ),
    ];
    // Of an unknown signer only the key that the signature names is known, here a subkey of mallory's.
    let stranger = send(&[setting.by("mallory")]);
    let (reason, named) = held(setting.relay(&Sent::to("distrib", &stranger)));
    assert_eq!(reason, Reason::UnknownSigner);
    assert!(named.is_some_and(|key| Some(key) != fp("ada")));
    for (why, by, reason, signer) in cases {
        let raw = send(&by);
        assert_eq!(held(setting.relay(&Sent::to("distrib", &raw))), (reason, signer), "{why}");
        assert!(reason.releasable(), "{why}");
    }
}

#[test]
fn age_counts_until_arrival_and_not_until_the_mail_is_worked_on() {
    let setting = setting();
    let week = By { at: NOW.before(7 * DAY), ..setting.by("ada") };
    let raw = send(&[week]);
    let late = Sent { now: NOW.after(30 * DAY), ..Sent::to("distrib", &raw) };
    assert_eq!(setting.post(&late).verdict, "good", "an outage of a month kills nothing");
    let kept = Sent { arrived: NOW.after(Duration::from_secs(1)), ..Sent::to("distrib", &raw) };
    assert_eq!(held(setting.relay(&kept)).0, Reason::BadSignature(Why::Stale));
    let ahead = By { at: NOW.after(Duration::from_secs(300)), ..setting.by("ada") };
    let raw = send(&[ahead]);
    assert_eq!(setting.post(&Sent::to("distrib", &raw)).verdict, "good");
}

#[test]
fn what_is_not_encrypted_to_the_list_waits() {
    let setting = setting();
    let clear = b"From: ada@ada.example\r\nSubject: x\r\n\r\ntext\r\n";
    assert_eq!(held(setting.relay(&Sent::to("distrib", clear))), (Reason::NotEncrypted, None));
    let other = setting.write("security", ENTITY, &[setting.by("ada")]);
    assert_eq!(held(setting.relay(&Sent::to("distrib", &other))).0, Reason::Closed(Closed::NoKey));
    let whole = String::from_utf8(send(&[setting.by("ada")])).unwrap();
    let beside = whole.replace("--enc--", "--enc\r\n\r\nbeside\r\n--enc--");
    assert_eq!(held(setting.relay(&Sent::to("distrib", beside.as_bytes()))).0, Reason::Closed(Closed::Mixed));
}

#[test]
fn the_admin_s_word_lifts_doubts_about_the_signer_and_no_others() {
    let setting = setting();
    let stale = By { at: NOW.before(8 * DAY), ..setting.by("ada") };
    for by in [vec![], vec![setting.by("mallory")], vec![setting.by("dora")], vec![stale]] {
        let raw = send(&by);
        let sent = Sent::to("distrib", &raw);
        let (reason, _) = held(setting.relay(&sent));
        let post = setting.post(&sent.clone().released(reason));
        assert_eq!(readers(&post), ["dora", "rolf", "vera", "ada", "bob"]);
        let read = copy_of(&post, "rolf", "distrib");
        assert!(read.note.contains("Released:   the list had held this mail"), "{}", read.note);
        let good = post.verdict.starts_with("good");
        assert_eq!(read.author_name().contains("(unverified)"), !good, "{}", read.author_name());
        assert_eq!(read.note.contains("good, by"), good, "{}", read.note);
    }
    let clear = b"From: ada@ada.example\r\nSubject: x\r\n\r\ntext\r\n".to_vec();
    let other = setting.write("security", ENTITY, &[setting.by("ada")]);
    let deep = [&b"Content-Type: message/rfc822\r\n\r\n".repeat(30)[..], b"x"].concat();
    for (raw, reason) in
        [(clear, Reason::NotEncrypted), (other, Reason::Closed(Closed::NoKey)), (deep, Reason::Structure)]
    {
        assert_eq!(held(setting.relay(&Sent::to("distrib", &raw).released(reason))).0, reason);
    }
}

#[test]
fn the_admin_s_word_covers_only_what_the_admin_saw() {
    let setting = setting();
    let unsigned = send(&[]);
    // Held because it could not be opened, then released with the key at hand: that nobody signed it is news.
    let seen = Reason::Closed(Closed::NoKey);
    assert_eq!(held(setting.relay(&Sent::to("distrib", &unsigned).released(seen))).0, Reason::Unsigned);
    let stranger = send(&[setting.by("mallory")]);
    for seen in [Reason::Unsigned, Reason::Quarantined, Reason::NotAPoster] {
        let sent = Sent::to("distrib", &stranger).released(seen);
        assert_eq!(held(setting.relay(&sent)).0, Reason::UnknownSigner, "{seen}");
    }
}

#[test]
fn who_left_the_team_posts_no_more() {
    let setting = setting();
    let raw = send(&[setting.by("ada")]);
    let (list, address) = (&setting.lists["distrib"].0, setting.person("ada").address.parse().unwrap());
    for standing in [Standing::Suspended, Standing::Removed] {
        let (roster, _) =
            setting.roster.move_member(&"security".parse().unwrap(), &address, standing, None, NOW).unwrap();
        let outcome = setting.relay_as(&Sent::to("distrib", &raw), list, &roster);
        assert_eq!(held(outcome), (Reason::NotAPoster, Some(setting.fingerprint("ada"))));
        // And reads no more.
        let raw = send(&[setting.by("bob")]);
        let post = posted(setting.relay_as(&Sent::to("distrib", &raw), list, &roster));
        assert_eq!(readers(&post), ["dora", "rolf", "vera", "bob"]);
    }
}

#[test]
fn an_address_on_both_lists_gets_one_copy_for_each_of_its_certificates() {
    let setting = setting();
    let raw = send(&[setting.by("bob")]);
    let sent = Sent::to("distrib", &raw);
    // With the same certificate it is the same reader; with another one either may be the one that still opens.
    for (cert, expected) in [
        ("ada", &["rolf", "vera", "mallory", "bob"][..]),
        ("dora", &["rolf", "vera", "mallory", "ada", "bob"]),
    ] {
        let roster = with_ada_as_contact(setting, setting.fingerprint(cert));
        let post = posted(setting.relay_as(&sent, &setting.lists["distrib"].0, &roster));
        assert_eq!(readers(&post), expected);
    }
}

fn with_ada_as_contact(setting: &Setting, fingerprint: Fingerprint) -> Roster {
    let member = Member {
        id: "m-mallory".parse().unwrap(),
        address: setting.person("ada").address.to_uppercase().parse().unwrap(),
        fingerprint,
        role: Role::Team { name: "Ada".to_owned(), role: None },
        standing: Standing::Active,
        since: NOW,
        format: None,
        file: vouchsafe::roster::membership::MemberFile::default(),
    };
    let gone = setting.person("dora").address.parse().unwrap();
    let distrib = "distrib".parse().unwrap();
    let (roster, _) = setting.roster.move_member(&distrib, &gone, Standing::Removed, None, NOW).unwrap();
    roster.add_member(&distrib, member).unwrap().0
}

#[test]
fn a_reader_whose_certificate_is_not_there_is_missed_and_named() {
    let setting = setting();
    let member = Member {
        id: "m-lost".parse().unwrap(),
        address: "lost@lost.example".parse().unwrap(),
        fingerprint: Fingerprint::V4([7; 20]),
        role: Role::Team { name: "Lost".to_owned(), role: None },
        standing: Standing::Active,
        since: NOW,
        format: None,
        file: vouchsafe::roster::membership::MemberFile::default(),
    };
    let (roster, _) = setting.roster.add_member(&"distrib".parse().unwrap(), member).unwrap();
    let raw = send(&[setting.by("ada")]);
    for individual in [false, true] {
        let list = vouchsafe::relay::world::List { individual, ..setting.lists["distrib"].0.clone() };
        let post = posted(setting.relay_as(&Sent::to("distrib", &raw), &list, &roster));
        let mut missed: Vec<_> = post.missed.iter().map(|m| m.member.as_str()).collect();
        missed.sort_unstable();
        assert_eq!(missed, ["m-lost", "m-xena"]);
        assert_eq!(readers(&post), ["dora", "rolf", "vera", "ada", "bob"]);
    }
}
