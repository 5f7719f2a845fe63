//! Copies as they arrive at the next hop.

use crate::outside::copy::{find, header};
use crate::outside::dns::Dns;
use crate::outside::install::{ANNOUNCE, DOMAIN, SECURITY};
use crate::outside::mail::entity;
use crate::outside::scene::Scene;
use crate::outside::sink::Rule;
use crate::verify::{by_dkimpy, by_mail_auth, holds, publish};

/// The values of all fields of this name, unfolded.
fn fields(mail: &[u8], name: &str) -> Vec<String> {
    let end = find(mail, b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&mail[..end]).replace("\r\n ", " ").replace("\r\n\t", " ");
    let all = head.split("\r\n").filter_map(|line| line.split_once(':'));
    all.filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

fn tag<'a>(signature: &'a str, name: &str) -> Option<&'a str> {
    signature.split(';').find_map(|tag| tag.trim().strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn every_copy_has_two_signatures_that_hold_and_are_aligned() {
    let Some(scene) = Scene::set() else { return };
    let dns = Dns::start();
    publish(&scene.install, &dns);
    let ada = &scene.people.ada;
    let post = scene.announcement(ada, &entity(&ada.address, "An update", "By Monday."));
    // What the author's own server signed is void in a copy, and is not carried.
    let signed = [
        b"DKIM-Signature: v=1; a=rsa-sha256; d=client.example; s=x; h=from; bh=eA==; b=eA==\r\n",
        post.as_slice(),
    ];
    scene.taken(&ada.address, ANNOUNCE, &signed.concat());
    for reader in [&scene.people.dora, &scene.people.emil, &scene.people.ada, &scene.people.bob] {
        let copy = scene.sink.wait_for(&reader.address, 1).remove(0).data;
        assert!(holds(&copy, &dns));
        // RFC 7489 §3.1: the From's domain is the one that signed, and that of the return path.
        let from = header(&copy, "From").unwrap();
        let from = from.trim_end_matches('>').rsplit_once('@').unwrap().1;
        assert_eq!(from, DOMAIN);
        let signatures = fields(&copy, "DKIM-Signature");
        assert_eq!(signatures.len(), 2, "{signatures:?}");
        for signature in &signatures {
            assert_eq!((tag(signature, "d"), tag(signature, "c")), (Some(DOMAIN), Some("relaxed/relaxed")));
            assert_eq!((tag(signature, "l"), tag(signature, "x")), (None, None));
            let signed: Vec<String> =
                tag(signature, "h").unwrap().split(':').map(|h| h.trim().to_lowercase()).collect();
            let head = String::from_utf8_lossy(&copy[..find(&copy, b"\r\n\r\n").unwrap()]).into_owned();
            let names = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
            for name in names.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_lowercase()) {
                assert!(signed.contains(&name) || name == "dkim-signature", "{name} is signed: {signed:?}");
            }
            for shown in ["from", "to", "subject", "date"] {
                assert_eq!(signed.iter().filter(|name| *name == shown).count(), 2, "{shown} cannot be added");
            }
        }
    }
    let path = &scene.sink.taken()[0].reverse_path;
    assert!(path.ends_with(&format!("@{DOMAIN}")), "{path}");
}

#[test]
fn a_relay_between_may_fold_and_a_flipped_byte_is_seen() {
    let Some(scene) = Scene::set() else { return };
    let dns = Dns::start();
    publish(&scene.install, &dns);
    scene.tell("Overflow");
    let copy = scene.sink.wait_for(&scene.people.ada.address, 1).remove(0).data;
    let text = String::from_utf8(copy.clone()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let folded = head.replace("\r\nSubject: ", "\r\nSubject:\r\n \t").replace("; d=", ";\r\n      d=");
    let spaced = body.replace("Version: 1\r\n", "Version:\t1  \r\n");
    assert!(folded != head && spaced != body);
    let through =
        format!("Received: from a by b; Sat, 28 Nov 2026 12:00:00 +0000\r\n{folded}\r\n\r\n{spaced}\r\n\r\n");
    assert!(holds(through.as_bytes(), &dns));

    let mut flipped = copy.clone();
    let at = find(&flipped, b"-----BEGIN PGP MESSAGE-----\r\n\r\n").unwrap() + 40;
    flipped[at] ^= 1;
    assert!(!holds(&flipped, &dns), "a byte of the body");
    let shown = text.replacen("\r\nSubject: [...]", "\r\nSubject: [..!]", 1);
    assert!(shown != text && !holds(shown.as_bytes(), &dns), "the subject");
    let added = format!("From: Mallory <m@else.example>\r\n{text}");
    assert!(
        by_mail_auth(added.as_bytes(), &dns)
            .iter()
            .chain(&by_dkimpy(added.as_bytes(), &dns))
            .all(|(_, good)| !good)
    );
}

#[test]
fn large_and_small_copies_hold_and_so_does_a_later_attempt() {
    let Some(scene) = Scene::edited(&[("#retry_first = \"5m\"", "retry_first = \"1s\"")]) else { return };
    let dns = Dns::start();
    publish(&scene.install, &dns);
    let (ada, rita) = (&scene.people.ada, &scene.people.rita);
    scene.sink.rule(&ada.address, Rule::RefuseContent("451 4.3.0 not now"));
    // Random, so that no program can make it smaller.
    let lines: String = (0..140_000).map(|_| crate::outside::random(76) + "\n").collect();
    for text in [".\n..\n.a dot at the beginning\n".to_owned(), "x".repeat(10_240), lines] {
        let entity = entity(&rita.address, "Overflow", &text);
        scene.taken(&rita.address, SECURITY, &scene.report(rita, &entity));
    }
    let copies = scene.sink.wait_for(&scene.people.bob.address, 3);
    let largest = copies.iter().map(|copy| copy.data.len()).max().unwrap();
    assert!(largest > 10 << 20, "{largest} bytes");
    scene.queue("three copies are deferred", |rows| {
        rows.len() == 3 && rows.iter().all(|row| row["attempts"].as_u64() >= Some(1))
    });
    scene.sink.obey(&ada.address);
    scene.install.ok(&["queue", "retry", "--all"]);
    let later = scene.sink.wait_for(&ada.address, 3);
    for copy in copies.iter().chain(&later) {
        assert!(holds(&copy.data, &dns), "{} bytes", copy.data.len());
    }
}

#[test]
fn what_the_relay_itself_writes_is_signed_as_well() {
    let Some(scene) = Scene::edited(&[("notify = []\n", "")]) else { return };
    let dns = Dns::start();
    publish(&scene.install, &dns);
    let rita = &scene.people.rita;
    let post = scene.announcement(rita, &entity(&rita.address, "Not hers to announce", "Buy now."));
    scene.taken(&rita.address, ANNOUNCE, &post);
    // It is held, and the team is told.
    let notice = scene.sink.wait_for(&scene.people.ada.address, 1).remove(0);
    assert_eq!(notice.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert!(holds(&notice.data, &dns));
}

#[test]
fn a_title_that_folds_the_from_is_no_way_around_the_signature() {
    let title = "The Security Issue Review Team of the Foundation for Examples";
    let Some(scene) = Scene::edited(&[("name = \"Security Team\"", &format!("name = \"{title}\""))]) else {
        return;
    };
    let dns = Dns::start();
    publish(&scene.install, &dns);
    scene.tell("Overflow");
    let copy = scene.sink.wait_for(&scene.people.ada.address, 1).remove(0);
    let folded = format!("\r\nFrom: {title}\r\n <{SECURITY}>\r\n");
    assert!(find(&copy.data, folded.as_bytes()).is_some(), "{}", String::from_utf8_lossy(&copy.data));
    assert!(holds(&copy.data, &dns));
}

#[test]
fn what_is_queued_of_a_domain_that_left_the_settings_is_signed() {
    let Some(scene) = Scene::set() else { return };
    let dns = Dns::start();
    publish(&scene.install, &dns);
    let ada = scene.people.ada.address.clone();
    scene.sink.rule(&ada, Rule::RefuseContent("451 4.3.0 not now"));
    scene.tell("Overflow");
    scene.queue("the copy for Ada is deferred", |rows| {
        rows.len() == 1 && rows.iter().all(|row| row["attempts"].as_u64() >= Some(1))
    });
    for list in [SECURITY, ANNOUNCE] {
        let moved = list.replace(DOMAIN, "moved.example");
        scene.install.edit(&format!("address = \"{list}\""), &format!("address = \"{moved}\""));
    }
    let scene = scene.restarted();
    scene.sink.obey(&ada);
    scene.install.ok(&["queue", "retry", "--all"]);
    let copy = scene.sink.wait_for(&ada, 1).remove(0);
    assert!(copy.header("From").unwrap().contains(DOMAIN));
    assert!(holds(&copy.data, &dns));
}

#[test]
fn who_signs_behind_turns_it_off() {
    let Some(scene) = Scene::edited(&[("#dkim = true", "dkim = false")]) else { return };
    scene.tell("Overflow");
    let copy = scene.sink.wait_for(&scene.people.ada.address, 1).remove(0);
    assert_eq!(copy.header("DKIM-Signature"), None);
}
