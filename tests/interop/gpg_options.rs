//! gpg writes: every option that changes the form of what it makes, one mail each, with the verdict that it gets.

use crate::bench::{mail_id, outcomes, verdict};
use crate::outside::gpg::Person;
use crate::outside::install::SECURITY;
use crate::outside::mail::{crlf, entity, pgp_mime};
use crate::outside::scene::Scene;

/// How Ada calls gpg, with `LIST` and `BOB` for their fingerprints, and the verdict.
const OPTIONS: [(&str, &str); 27] = [
    ("--sign --encrypt -r LIST", "good"),
    // Whom it is for: hidden, several, both.
    ("--sign --encrypt --hidden-recipient LIST", "good"),
    ("--sign --encrypt -r LIST -r BOB -r ADA", "good"),
    ("--sign --encrypt --throw-keyids -r BOB -r ADA -r LIST", "good"),
    ("--sign --encrypt -r BOB --hidden-recipient LIST", "good"),
    // RFC 9580 §5.3: a password may open it as well; the key does.
    ("--sign --encrypt --symmetric --passphrase secret -r LIST", "good"),
    ("--sign --encrypt -r BOB", "closed:no-key"),
    // Ciphers: what the recipient's preferences would not choose, but an option does.
    ("--sign --encrypt --cipher-algo AES128 -r LIST", "good"),
    ("--sign --encrypt --cipher-algo AES192 -r LIST", "good"),
    ("--sign --encrypt --cipher-algo AES256 -r LIST", "good"),
    ("--sign --encrypt --cipher-algo CAMELLIA256 -r LIST", "closed:weak-encryption"),
    ("--sign --encrypt --cipher-algo TWOFISH -r LIST", "closed:weak-encryption"),
    ("--sign --encrypt --cipher-algo 3DES -r LIST", "closed:weak-encryption"),
    ("--sign --encrypt --compress-algo zip -r LIST", "good"),
    // Hashes: the weak ones sign nothing.
    ("--sign --encrypt --digest-algo SHA256 -r LIST", "good"),
    ("--sign --encrypt --digest-algo SHA384 -r LIST", "good"),
    ("--sign --encrypt --digest-algo SHA224 -r LIST", "good"),
    ("--sign --encrypt --digest-algo SHA1 -r LIST", "bad:weak"),
    ("--sign --encrypt --digest-algo RIPEMD160 -r LIST", "bad:weak"),
    // Other rules of the form.
    ("--sign --encrypt --rfc4880 -r LIST", "good"),
    ("--sign --encrypt --openpgp --textmode -r LIST", "good"),
    ("--sign --encrypt --for-your-eyes-only --set-filename x --comment hello --emit-version -r LIST", "good"),
    ("--sign --encrypt -u BOB -r LIST", "bad:several-signers"),
    ("--encrypt -r LIST", "unsigned"),
    // Without integrity protection, which EFAIL lived on.
    ("--sign --encrypt --rfc2440 -r LIST", "closed:weak-encryption"),
    ("--encrypt --rfc2440 -r LIST", "closed:weak-encryption"),
    // Not encrypted, whatever the mail around it says.
    ("--sign", "closed:not-openpgp"),
];

fn arguments<'a>(scene: &'a Scene, options: &'a str) -> Vec<&'a str> {
    let people = &scene.people;
    let mut args = vec!["--armor"];
    if options.contains("--sign") {
        args.extend(["-u", &people.ada.fingerprint]);
    }
    args.extend(options.split(' ').map(|word| match word {
        "LIST" => &scene.security,
        "BOB" => &people.bob.fingerprint,
        "ADA" => &people.ada.fingerprint,
        other => other,
    }));
    args
}

#[test]
fn whatever_gpg_makes_gets_its_verdict_and_arrives_whole() {
    let Some(scene) = Scene::set() else { return };
    let (ada, bob) = (&scene.people.ada, &scene.people.bob);
    // A home with both secret keys: two people at one keyboard.
    let both = Person::owning(&ada.address, &[ada.secret(), bob.secret()]);
    both.import(scene.install.ok(&["key", "export", "security"]).as_bytes());
    let mut sent = Vec::new();
    for (number, (options, expected)) in OPTIONS.iter().enumerate() {
        let written = entity(&ada.address, &format!("Number {number}"), "How gpg writes it.");
        let armored = both.ok(&arguments(&scene, options), &written);
        let id = mail_id(&scene.send(&ada.address, SECURITY, &pgp_mime(&ada.address, SECURITY, &armored)));
        sent.push((options, expected, id, written, armored));
    }
    let ids: Vec<_> = sent.iter().map(|(_, _, id, ..)| id.clone()).collect();
    let became = outcomes(&scene, &ids);
    let mut wrong = Vec::new();
    for (options, expected, id, ..) in &sent {
        let got = verdict(&became[id]);
        if got != **expected {
            wrong.push(format!("gpg {options}: {got}, and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let copies: Vec<_> = scene.sink.wait_for(&bob.address, sent.len());
    let opened: Vec<_> = copies.iter().map(|copy| bob.open(&copy.data, &scene.security)).collect();
    for (options, expected, _, written, armored) in &sent {
        // What was not opened is attached as it came, ciphertext and all.
        let inside = if expected.starts_with("closed") { crlf(armored) } else { written.clone() };
        assert_eq!(opened.iter().filter(|copy| copy.holds(&inside)).count(), 1, "gpg {options}");
    }
}
