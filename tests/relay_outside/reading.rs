//! What readers get: each a copy of their own, opened with their own program.

use std::process::Command;

use crate::outside::copy::{Copy, armored_part};
use crate::outside::gpg::Person;
use crate::outside::install::{ANNOUNCE, DOMAIN, SECURITY};
use crate::outside::mail::{clear, entity, inline, multipart_signed, pgp_mime};
use crate::outside::scene::Scene;
use crate::outside::{random, skip};

/// Waits for the only copy for this person and opens it.
fn opened(scene: &Scene, person: &Person, list: &str) -> Copy {
    let copies = scene.sink.wait_for(&person.address, 1);
    assert_eq!(copies.len(), 1, "one copy for {}", person.address);
    person.open(&copies[0].data, list)
}

#[test]
fn a_report_reaches_the_team_and_only_the_team() {
    let Some(scene) = Scene::set() else { return };
    let secret = random(20);
    let written = scene.tell(&format!("Heap overflow {secret}"));
    for person in [&scene.people.ada, &scene.people.bob] {
        let copy = opened(&scene, person, &scene.security);
        assert_eq!(copy.subject(), format!("[Security Team] Heap overflow {secret}"));
        assert!(copy.holds(&written), "the sender's payload is inside, byte for byte");
        assert!(copy.note().contains("a key that is not on the roster"), "{}", copy.note());
        assert_eq!(
            copy.header("From").unwrap(),
            "\"rita@reporter.example (unverified) via Security Team\" <security@lists.example>"
        );
    }
    let copies = scene.sink.taken();
    assert_eq!(copies.len(), 2, "nobody else gets one");
    for copy in &copies {
        assert_eq!(copy.header("Subject").unwrap(), "[...]");
        assert_eq!(copy.header("From").unwrap(), format!("Security Team <{SECURITY}>"));
        assert_eq!(copy.header("List-Id").unwrap(), format!("<security.{DOMAIN}>"));
        assert!(copy.reverse_path.starts_with("security-bounces+"), "{}", copy.reverse_path);
        let text = String::from_utf8_lossy(&copy.data);
        assert!(
            !text.contains(&secret) && !text.contains("rita") && !text.contains("client.example"),
            "{text}"
        );
    }
    assert_ne!(copies[0].reverse_path, copies[1].reverse_path, "each copy bounces under its own token");
    assert_eq!(copies[0].header("Message-ID"), copies[1].header("Message-ID"));
    assert!(!scene.people.bob.can_open(&scene.sink.taken_for(&scene.people.ada.address)[0].data));
}

#[test]
fn an_announcement_reaches_distributors_and_team() {
    let Some(scene) = Scene::set() else { return };
    let written = scene.announce("Releases on Monday");
    let people = &scene.people;
    for person in [&people.ada, &people.bob, &people.dora, &people.emil] {
        let copy = opened(&scene, person, &scene.announce);
        assert_eq!(copy.subject(), "[Distributors] Releases on Monday");
        assert!(copy.holds(&written));
        assert!(copy.note().contains("good, by ada"), "{}", copy.note());
        assert!(copy.note().contains(&people.ada.fingerprint));
        assert!(copy.header("From").unwrap().contains("ada via Distributors"));
        // Distributors may not post here: answers go to the team.
        let outside = scene.sink.wait_for(&person.address, 1);
        assert_eq!(crate::outside::copy::header(&outside[0].data, "Reply-To").as_deref(), Some(SECURITY));
        assert_eq!(copy.header("Reply-To").as_deref(), Some(SECURITY));
        assert!(copy.note().contains(&format!("Answer to:  {SECURITY}\n")), "{}", copy.note());
    }
    let relayed = scene.events("relayed", 1);
    assert_eq!(
        (&relayed[0]["event"]["verdict"], &relayed[0]["event"]["copies"]),
        (&"good".into(), &4.into())
    );
}

#[test]
fn sq_opens_and_verifies_a_copy() {
    let Some(scene) = Scene::set() else { return };
    if Command::new("sq").arg("--help").output().is_err() {
        return skip("sq");
    }
    let written = scene.announce("For sq");
    let emil = &scene.people.emil;
    let copy = scene.sink.wait_for(&emil.address, 1).remove(0);
    let key = emil.file("emil-secret.asc", &emil.secret());
    let list = emil.file("list.asc", scene.install.ok(&["key", "export", "distrib-announce"]).as_bytes());
    let message = emil.file("copy.asc", &armored_part(&copy.data));
    let output = Command::new("sq")
        .args(["decrypt", "--signatures", "1", "--recipient-key"])
        .arg(key)
        .arg("--signer-cert")
        .args([list, message])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 good signature"), "{said}");
    assert!(Copy::new(output.stdout).holds(&written));
}

#[test]
fn every_way_to_encrypt_arrives_with_its_verdict() {
    let Some(scene) = Scene::set() else { return };
    let ada = &scene.people.ada;
    let part =
        b"Content-Type: text/plain; protected-headers=\"v1\"\r\nSubject: Two layers\r\n\r\nSigned first.";
    let signed = multipart_signed(ada, part);
    let two_layers = pgp_mime(&ada.address, SECURITY, &ada.encrypt(&scene.security, &signed));
    let text = b"Only an armored text.\r\n";
    let as_text = inline(&ada.address, SECURITY, &ada.sign_encrypt(&scene.security, text));
    let plain = entity(&ada.address, "Nobody signed", "An anonymous word.");
    let unsigned = pgp_mime(&ada.address, SECURITY, &ada.encrypt(&scene.security, &plain));
    let open = clear(&ada.address, SECURITY, "Not encrypted", "In the clear.");
    for (n, (raw, subject, inside, note)) in [
        (&two_layers, "Two layers", signed.as_slice(), "good, by ada"),
        (&as_text, "(no subject)", text, "good, by ada"),
        (&unsigned, "Nobody signed", &plain, "nobody vouches"),
        (&open, "Not encrypted", &open, "came in the clear"),
    ]
    .into_iter()
    .enumerate()
    {
        scene.taken(&ada.address, SECURITY, raw);
        let copies = scene.sink.wait_for(&scene.people.bob.address, n + 1);
        let copy = scene.people.bob.open(&copies[n].data, &scene.security);
        assert_eq!(copy.subject(), format!("[Security Team] {subject}"));
        assert!(copy.holds(inside), "{subject}: what was sent is inside, byte for byte");
        assert!(copy.note().contains(note), "{subject}: {}", copy.note());
    }
}

#[test]
fn one_mail_to_two_lists_goes_to_both() {
    let Some(scene) = Scene::edited(&[("[lmtp]\n#listen", "[lmtp]\nlisten")]) else { return };
    let ada = &scene.people.ada;
    let written = entity(&ada.address, "Both", "For all of you.");
    let both = ["-u", &ada.fingerprint, "-r", &scene.security, "-r", &scene.announce];
    let armored = ada.ok(&[&["--armor", "--sign", "--encrypt"], &both[..]].concat(), &written);
    let mut lmtp = crate::outside::smtp::Client::unix(&scene.daemon.lmtp()).lhlo();
    assert_eq!(lmtp.command(&format!("MAIL FROM:<{}>", ada.address)).code, 250);
    assert_eq!(lmtp.command(&format!("RCPT TO:<{ANNOUNCE}>")).code, 250);
    // Lists of different kinds in one transaction: the later one comes again.
    let later = lmtp.command(&format!("RCPT TO:<{SECURITY}>"));
    assert_eq!(later.code, 452, "{later:?}");
    assert_eq!(lmtp.command("DATA").code, 354);
    lmtp.say(&crate::outside::smtp::dotted(&pgp_mime(&ada.address, ANNOUNCE, &armored)));
    assert_eq!(lmtp.reply().code, 250);
    scene.taken(&ada.address, SECURITY, &pgp_mime(&ada.address, SECURITY, &armored));
    let dora = scene.sink.wait_for(&scene.people.dora.address, 1);
    assert!(scene.people.dora.open(&dora[0].data, &scene.announce).holds(&written));
    assert_eq!(scene.sink.wait_for(&scene.people.bob.address, 2).len(), 2);
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let Some(scene) = Scene::edited(&[("[lmtp]\n#listen", "[lmtp]\nlisten")]) else { return };
    let rita = &scene.people.rita;
    let written = entity(&rita.address, "By LMTP", "Through a local socket.");
    let mut lmtp = crate::outside::smtp::Client::unix(&scene.daemon.lmtp()).lhlo();
    assert_eq!(lmtp.command("MAIL FROM:<rita@reporter.example>").code, 250);
    for (to, code) in [(SECURITY, 250), ("nobody@lists.example", 550), ("security-owner@lists.example", 250)]
    {
        assert_eq!(lmtp.command(&format!("RCPT TO:<{to}>")).code, code, "{to}");
    }
    assert_eq!(lmtp.command("DATA").code, 354);
    lmtp.say(&crate::outside::smtp::dotted(&scene.report(rita, &written)));
    assert_eq!((lmtp.reply().code, lmtp.reply().code), (250, 250), "one reply for each recipient");
    lmtp.quit();
    for person in [&scene.people.ada, &scene.people.bob] {
        assert!(opened(&scene, person, &scene.security).holds(&written));
    }
}
