//! Bad input: each gets a clear answer, and the daemon lives on.

use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::serialize::SerializeInto;

use crate::outside::install::{ANNOUNCE, SECURITY};
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::openpgp::ending;
use crate::outside::random;
use crate::outside::scene::Scene;
use crate::outside::smtp::Client;

const FROM: &str = "rita@reporter.example";

/// An armored message whose inside is noise; by its first byte it is no packet (RFC 9580 §4.2).
fn garbage() -> Vec<u8> {
    let lines: String = (0..40).map(|_| format!("{}\n", random(64))).collect();
    format!("-----BEGIN PGP MESSAGE-----\n\nAAAA{lines}-----END PGP MESSAGE-----\n").into_bytes()
}

#[test]
fn what_cannot_be_opened_reaches_the_team_as_it_came_and_distributors_never() {
    let Some(mut scene) = Scene::set() else { return };
    let rita = &scene.people.rita;
    rita.import(&scene.people.emil.cert());
    let written = entity(FROM, "For Emil", "Encrypted to somebody else.");
    let wrong_key = rita.sign_encrypt(&scene.people.emil.fingerprint, &written);
    let mut cut_off = rita.sign_encrypt(&scene.security, &written);
    let middle = cut_off.len() / 2;
    cut_off[middle] = if cut_off[middle] == b'A' { b'B' } else { b'A' };
    let cases =
        [(garbage(), "holds no OpenPGP message"), (wrong_key, "not to this list"), (cut_off, "damaged")];
    for (n, (armored, note)) in cases.iter().enumerate() {
        let raw = pgp_mime(FROM, SECURITY, armored);
        scene.taken(FROM, SECURITY, &raw);
        let copies = scene.sink.wait_for(&scene.people.bob.address, n + 1);
        let copy = scene.people.bob.open(&copies[n].data, &scene.security);
        assert!(copy.note().contains(note), "{note}: {}", copy.note());
        let ciphertext = crate::outside::copy::armored_part(&raw);
        assert!(copy.holds(&ciphertext), "the ciphertext is attached as it came");
        scene.taken(FROM, ANNOUNCE, &pgp_mime(FROM, ANNOUNCE, armored));
        let held = scene.holds(n + 1);
        assert!(
            held.iter().all(|row| row["reason"].as_str().unwrap().starts_with("cannot-open:")),
            "{held:?}"
        );
    }
    assert!(scene.sink.taken_for(&scene.people.dora.address).is_empty());
    scene.lives_on();
}

#[test]
fn forty_thousand_nested_parts_break_nothing() {
    let Some(mut scene) = Scene::set() else { return };
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(40_000) + "Subject: at last\r\n\r\nDeep.\r\n";
    let head = format!("From: {FROM}\r\nTo: {SECURITY}\r\nMIME-Version: 1.0\r\n");
    let outside = format!("{head}{nested}");
    let reply = scene.send(FROM, SECURITY, outside.as_bytes());
    assert!(reply.code == 250 || reply.code == 554, "{reply:?}");
    let multipart: String = (0..40_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    let reply_2 = scene.send(FROM, SECURITY, format!("{head}{multipart}").as_bytes());
    assert!(reply_2.code == 250 || reply_2.code == 554, "{reply_2:?}");
    let arrived = usize::from(reply.code == 250) + usize::from(reply_2.code == 250);
    let rita = &scene.people.rita;
    let inside = rita.encrypt(&scene.security, nested.as_bytes());
    scene.taken(FROM, SECURITY, &pgp_mime(FROM, SECURITY, &inside));
    let copies = scene.sink.wait_for(&scene.people.ada.address, arrived + 1);
    for copy in &copies {
        let copy = scene.people.ada.open(&copy.data, &scene.security);
        assert!(copy.note().contains("limit"), "{}", copy.note());
    }
    let refused = scene.send(FROM, ANNOUNCE, format!("From: {FROM}\r\n{nested}").as_bytes());
    assert!(matches!(refused.code, 550 | 554), "{refused:?}");
    scene.lives_on();
}

#[test]
fn a_mail_of_sixty_mebibytes_is_refused_before_and_after() {
    let Some(mut scene) = Scene::set() else { return };
    let size = 60 << 20;
    let mut client = Client::tcp(scene.daemon.smtp()).ehlo();
    let declared = client.command(&format!("MAIL FROM:<{FROM}> SIZE={size}"));
    assert_eq!(declared.code, 552, "{declared:?}");
    let line = [b"0123456789abcdef".repeat(63).as_slice(), b"\r\n"].concat();
    let mut raw = clear(FROM, SECURITY, "Too large", "");
    raw.extend(line.repeat(size / line.len()));
    let sent = client.mail(FROM, &[SECURITY], &raw);
    assert_eq!(sent.code, 552, "{sent:?}");
    assert!(sent.text.contains("52428800"), "it says how much is taken: {sent:?}");
    assert!(scene.sink.taken().is_empty());
    scene.lives_on();
}

#[test]
fn bare_line_feeds_and_pipelined_nonsense_are_refused() {
    let Some(mut scene) = Scene::set() else { return };
    let mut client = Client::tcp(scene.daemon.smtp()).ehlo();
    assert_eq!(client.command(&format!("MAIL FROM:<{FROM}>")).code, 250);
    assert_eq!(client.command(&format!("RCPT TO:<{SECURITY}>")).code, 250);
    assert_eq!(client.command("DATA").code, 354);
    client.say(b"Subject: smuggled\r\n\r\nfirst\n.\nMAIL FROM:<x@y.example>\r\n.\r\n");
    let refused = client.reply();
    assert_eq!(refused.code, 554, "{refused:?}");
    let mut client = Client::tcp(scene.daemon.smtp());
    client.say(b"EHLO a\nMAIL FROM:<x@y.example>\n");
    assert!(client.hear().is_none_or(|reply| reply.code >= 500));
    let unknown = scene.send(FROM, "nobody@lists.example", b"Subject: x\r\n\r\nx\r\n");
    assert_eq!(unknown.code, 550, "{unknown:?}");
    let elsewhere = scene.send(FROM, "root@elsewhere.example", b"Subject: x\r\n\r\nx\r\n");
    assert_eq!(elsewhere.code, 550, "{elsewhere:?}");
    assert!(scene.sink.taken().is_empty());
    scene.lives_on();
}

#[test]
fn certificates_that_are_none_are_refused_with_a_reason() {
    let Some(mut scene) = Scene::set() else { return };
    let expired = ending("old@distro.example", -5 * 24 * 3600);
    let signing_only = CertBuilder::new().add_userid("<s@distro.example>").add_signing_subkey().generate();
    let fresh = CertBuilder::general_purpose(["<f@distro.example>"]).generate().unwrap().0;
    let secret_binary = fresh.as_tsk().to_vec().unwrap();
    let two = [fresh.armored().to_vec().unwrap(), expired.armored().to_vec().unwrap()].concat();
    scene.install.ok(&["org", "add", "distro"]);
    let cases: [(&str, Vec<u8>, &[&str]); 8] = [
        ("expired", expired.armored().to_vec().unwrap(), &["expired"]),
        ("no encryption key", signing_only.unwrap().0.armored().to_vec().unwrap(), &["encrypt"]),
        ("secret, armored", fresh.as_tsk().armored().to_vec().unwrap(), &["secret key"]),
        ("secret, binary", secret_binary, &["secret"]),
        ("two", two, &["certificate"]),
        ("empty", Vec::new(), &["empty"]),
        ("a picture", b"\x89PNG\r\n\x1a\n0000000000".to_vec(), &["OpenPGP"]),
        ("too large", vec![b'x'; 2 << 20], &["1 MiB"]),
    ];
    for (what, content, words) in cases {
        let file = scene.install.file("cert", &content);
        let ran = scene.install.run(&[
            "member",
            "add",
            "distrib-announce",
            "new@distro.example",
            "--org",
            "distro",
            "--cert",
            file.to_str().unwrap(),
        ]);
        assert_eq!(ran.code, 65, "{what}: {ran:?}");
        for word in words {
            assert!(ran.err.contains(word), "{what}: {}", ran.err);
        }
        assert!(ran.err.contains("next: "), "{what}: it says what to do: {}", ran.err);
    }
    let unknown = scene.install.run(&["list", "pause", "no-such-list"]);
    assert!(unknown.code == 66 && unknown.err.contains("distrib-announce"), "{unknown:?}");
    assert_eq!(scene.install.json(&["member", "ls"]).as_array().unwrap().len(), 2, "nobody was added");
    scene.lives_on();
}
