//! Keys of every kind that gpg makes: each of them posts, and each reads its own copy.

use std::time::SystemTime;

use crate::bench::{mail_id, outcomes, signed_part, verdict};
use crate::outside::copy::Copy;
use crate::outside::gpg::Person;
use crate::outside::install::ANNOUNCE;
use crate::outside::mail::{entity, pgp_mime};
use crate::outside::scene::Scene;
use crate::outside::until;

/// Address, primary key, encryption subkey. Larger RSA keys are made by sq, which is faster: see `sq.rs`.
const KINDS: [(&str, &str, &str); 8] = [
    ("ed@kinds.example", "ed25519", "cv25519"),
    ("nist256@kinds.example", "nistp256", "nistp256"),
    ("nist384@kinds.example", "nistp384", "nistp384"),
    ("nist521@kinds.example", "nistp521", "nistp521"),
    ("brain256@kinds.example", "brainpoolP256r1", "brainpoolP256r1"),
    ("brain384@kinds.example", "brainpoolP384r1", "brainpoolP384r1"),
    ("brain512@kinds.example", "brainpoolP512r1", "brainpoolP512r1"),
    ("mixed@kinds.example", "rsa3072", "cv25519"),
];

/// Posts an announcement by this person; returns the mail's id and what was written.
fn announce(scene: &Scene, by: &Person, subject: &str, options: &[&str]) -> (String, Vec<u8>) {
    let written = entity(&by.address, subject, "Under embargo until Monday.");
    let args = [options, &["--armor", "--sign", "--encrypt", "-r", &scene.announce]].concat();
    let raw = pgp_mime(&by.address, ANNOUNCE, &by.ok(&args, &written));
    (mail_id(&scene.send(&by.address, ANNOUNCE, &raw)), written)
}

/// Puts them onto the team, which may post to the announce list and reads it.
fn enlist(scene: &Scene, people: &[Person]) {
    for person in people {
        scene.install.team(&person.address, &person.cert());
        person.import(scene.install.ok(&["key", "export", "distrib-announce"]).as_bytes());
    }
}

/// Sees that gpg calls the author's signature beside the payload good, as this key's.
fn verifies(reader: &Person, author: &Person, copy: &Copy, written: &[u8]) {
    let (payload, signature) = signed_part(copy);
    assert_eq!(payload, written, "{}: byte for byte", author.address);
    let (payload, signature) = (reader.file("payload", &payload), reader.file("signature.asc", &signature));
    let paths = [signature.to_str().unwrap(), payload.to_str().unwrap()];
    let ran = reader.run(&["--status-fd", "1", "--verify", paths[0], paths[1]], b"");
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    let valid = |line: &str| line.contains("VALIDSIG") && line.ends_with(&author.fingerprint);
    assert!(ran.status.success() && told.lines().any(valid), "{}: {told}", author.address);
}

/// As gpg takes it: a time that stands still.
#[allow(clippy::disallowed_methods, reason = "the daemon under test and gpg ask the wall clock too")]
fn days_ago(days: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    format!("{}!", now - days * 24 * 3600)
}

#[test]
fn every_kind_of_key_posts_and_reads() {
    let Some(scene) = Scene::set() else { return };
    let people: Vec<_> = std::thread::scope(|scope| {
        let made = KINDS
            .map(|(address, primary, subkey)| scope.spawn(move || Person::with(address, primary, subkey)));
        made.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    enlist(&scene, &people);
    let readers = people.len() + 4;
    let posts: Vec<_> = people.iter().map(|by| announce(&scene, by, &by.address, &[])).collect();
    let ids: Vec<_> = posts.iter().map(|(id, _)| id.clone()).collect();
    let became = outcomes(&scene, &ids);
    for (person, id) in people.iter().zip(&ids) {
        assert_eq!(verdict(&became[id]), "good", "{}", person.address);
        assert_eq!(became[id]["copies"], readers, "{}", person.address);
    }
    scene.sink.wait_for_all(readers * people.len());
    // Each reads the post of the next one, so that every kind is read by another.
    for (index, reader) in people.iter().enumerate() {
        let (author, (_, written)) =
            (&people[(index + 1) % people.len()], &posts[(index + 1) % people.len()]);
        reader.import(&author.cert());
        let copies = scene.sink.taken_for(&reader.address);
        let subject = format!("[Distributors] {}", author.address);
        let opened: Vec<_> = copies.iter().map(|copy| reader.open(&copy.data, &scene.announce)).collect();
        let theirs: Vec<_> = opened.iter().filter(|copy| copy.subject() == subject).collect();
        assert_eq!(theirs.len(), 1, "{} reads {}", reader.address, author.address);
        assert!(theirs[0].note().contains("good, by "), "{}", theirs[0].note());
        verifies(reader, author, theirs[0], written);
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_when_somebody_joins() {
    let Some(scene) = Scene::set() else { return };
    // DSA is refused at any length; a short ElGamal key beside it is quickly made.
    for (address, primary, subkey, why) in [
        ("koblitz@kinds.example", "secp256k1", "secp256k1", "cannot be encrypted to"),
        ("old@kinds.example", "dsa2048", "elg1024", "an obsolete algorithm"),
        ("short@kinds.example", "rsa1024", "rsa1024", "too weak"),
    ] {
        let person = Person::with(address, primary, subkey);
        let cert = scene.install.file("refused.asc", &person.cert());
        let args = ["team", "add", "security", address, "--name", "x", "--cert", cert.to_str().unwrap()];
        let ran = scene.install.run(&args);
        assert!(ran.code != 0 && ran.err.contains(why), "{address}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn subkeys_sign_and_take_turns() {
    let Some(scene) = Scene::set() else { return };
    // The primary key certifies and nothing else; a subkey signs.
    let kept = Person::unnamed("kept@kinds.example");
    kept.ok(&["--passphrase", "", "--quick-gen-key", &kept.address, "ed25519", "cert", "never"], b"");
    let kept = kept.named();
    for (kind, usage) in [("ed25519", "sign"), ("cv25519", "encr")] {
        kept.ok(&["--passphrase", "", "--quick-add-key", &kept.fingerprint, kind, usage, "never"], b"");
    }
    // Only the subkeys' secret halves are on the machine that reads mail.
    let subkeys = kept.ok(&["--armor", "--export-secret-subkeys", &kept.fingerprint], b"");
    let travelling = Person::owning(&kept.address, &[subkeys]);
    // An encryption subkey that ended last month, and the one that follows it.
    let turned = Person::unnamed("turned@kinds.example");
    let then = ["--faked-system-time", &days_ago(40), "--passphrase", ""];
    let made = ["--quick-gen-key", &turned.address, "ed25519", "cert,sign", "never"];
    turned.ok(&[&then[..], &made].concat(), b"");
    let turned = turned.named();
    turned
        .ok(&[&then[..], &["--quick-add-key", &turned.fingerprint, "cv25519", "encr", "10d"]].concat(), b"");
    let told = turned.ok(&["--with-colons", "--list-keys"], b"");
    assert!(String::from_utf8_lossy(&told).contains("\nsub:e:"), "its first subkey has expired");
    turned.ok(&["--passphrase", "", "--quick-add-key", &turned.fingerprint, "cv25519", "encr", "never"], b"");
    // Two that live, as after a planned change.
    let both = Person::with("both@kinds.example", "ed25519", "cv25519");
    both.ok(&["--passphrase", "", "--quick-add-key", &both.fingerprint, "cv25519", "encr", "never"], b"");

    let people = [travelling, turned, both];
    enlist(&scene, &people);
    let posts: Vec<_> = people.iter().map(|by| announce(&scene, by, &by.address, &[])).collect();
    let ids: Vec<_> = posts.iter().map(|(id, _)| id.clone()).collect();
    let became = outcomes(&scene, &ids);
    scene.sink.wait_for_all(7 * people.len());
    for (author, (id, written)) in people.iter().zip(&posts) {
        assert_eq!(verdict(&became[id]), "good", "{}", author.address);
        for reader in &people {
            reader.import(&author.cert());
            let copies = scene.sink.taken_for(&reader.address);
            let opened: Vec<_> = copies.iter().map(|copy| reader.open(&copy.data, &scene.announce)).collect();
            let copy = opened.iter().find(|copy| copy.holds(written)).expect("the post");
            verifies(reader, author, copy, written);
        }
    }
}

#[test]
fn what_an_ended_key_signed_does_not_count() {
    let Some(scene) = Scene::set() else { return };
    // By then it must be on the roster.
    let late = Person::unnamed("late@kinds.example");
    late.ok(
        &["--passphrase", "", "--quick-gen-key", &late.address, "ed25519", "cert,sign", "seconds=8"],
        b"",
    );
    let late = late.named();
    late.ok(&["--passphrase", "", "--quick-add-key", &late.fingerprint, "cv25519", "encr", "never"], b"");
    let gone = Person::with("gone@kinds.example", "ed25519", "cv25519");
    let people = [late, gone];
    enlist(&scene, &people);
    let [late, gone] = &people;

    // Revoked with the certificate that gpg makes beside each key, after something was signed.
    let written = entity(&gone.address, "Before the end", "Signed by a key that was lost since.");
    let signed = gone.ok(&["--armor", "--sign", "--encrypt", "-r", &scene.announce], &written);
    let revocation = gone.read(&format!("openpgp-revocs.d/{}.rev", gone.fingerprint));
    gone.import(&revocation.replace(":-----BEGIN", "-----BEGIN").into_bytes());
    let cert = scene.install.file("revoked.asc", &gone.cert());
    let args = ["member", "set-cert", "security", &gone.address, "--cert", cert.to_str().unwrap(), "--yes"];
    let said = scene.install.ok(&args);
    assert!(said.contains("receives nothing from now on: the certificate is revoked"), "{said}");
    let refused = mail_id(&scene.send(&gone.address, ANNOUNCE, &pgp_mime(&gone.address, ANNOUNCE, &signed)));

    until("the key expires", || {
        let row = scene.install.json(&["member", "show", "security", &late.address]);
        (row["can_receive"] == false).then_some(())
    });
    // A clock that goes wrong, or a signature from before that is sent only now: gpg signs with no expired key.
    let when = [
        "--faked-system-time",
        &format!("{}!", days_ago(0).trim_end_matches('!').parse::<u64>().unwrap() - 8),
    ];
    let (expired, _) = announce(&scene, late, "After the end", &when);
    let became = outcomes(&scene, &[refused.clone(), expired.clone()]);
    for (id, why) in [(refused, "bad-signature:revoked-hard"), (expired, "bad-signature:expired-since")] {
        assert_eq!((&became[&id]["kind"], &became[&id]["reason"]), (&"held".into(), &why.into()));
    }
    assert!(scene.sink.taken().is_empty(), "nobody reads it before a person has looked");
}
