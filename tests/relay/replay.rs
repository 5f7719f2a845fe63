//! The replay digest: the same signature is known again in whatever clothes it comes.

use vouchsafe::mail::tags::Tags;

use crate::support::forge::{
    By, Form, armored, compressed, detached, encrypted, mail, multipart_signed, signed,
};
use crate::support::keys::as_openpgp;
use crate::support::world::{NOW, Sent};
use crate::{ENTITY, setting};

fn digest(list: &str, packets: &[u8], form: Form) -> Option<[u8; 32]> {
    let setting = setting();
    let message = encrypted(packets, &[as_openpgp(setting.list_cert(list))], NOW, form);
    setting.post(&Sent::to(list, &mail("From: x@y.example\r\n", &message))).replay.first().copied()
}

#[test]
fn fresh_encryption_does_not_make_an_old_signature_new() {
    let setting = setting();
    let packets = signed(ENTITY, &[setting.by("ada")]);
    let first = digest("security", &packets, Form::default()).unwrap();
    assert_eq!(digest("security", &packets, Form::default()), Some(first));
    assert_eq!(digest("security", &packets, Form { v2: true, hidden: true }), Some(first));
    assert_eq!(digest("security", &compressed(&packets), Form::default()), Some(first));
    // The same packets as inline armor, under other headers.
    let to = [as_openpgp(setting.list_cert("security"))];
    let inline = armored(&encrypted(&packets, &to, NOW, Form::default()));
    let raw = [b"Subject: something else\r\n\r\n".as_slice(), &inline].concat();
    assert_eq!(setting.post(&Sent::to("security", &raw)).replay, [first]);
    // Arriving later, and worked on later still.
    let raw = mail("", &encrypted(&packets, &to, NOW, Form::default()));
    let day = std::time::Duration::from_secs(24 * 3600);
    let late = Sent { arrived: NOW.after(day), now: NOW.after(2 * day), ..Sent::to("security", &raw) };
    assert_eq!(setting.post(&late).replay, [first]);
}

#[test]
fn a_detached_signature_is_known_again_inside_and_in_the_clear() {
    let setting = setting();
    let entity = multipart_signed(ENTITY, &detached(ENTITY, &setting.by("ada")));
    let first = digest("security", &signed(&entity, &[]), Form::default()).unwrap();
    assert_eq!(digest("security", &signed(&entity, &[]), Form::default()), Some(first));
    let clear = [b"From: ada@ada.example\r\n".as_slice(), &entity].concat();
    assert_eq!(setting.post(&Sent::to("security", &clear)).replay, [first]);
}

#[test]
fn another_list_another_signature_or_another_signer_is_another_mail() {
    let setting = setting();
    let packets = signed(ENTITY, &[setting.by("ada")]);
    let first = digest("security", &packets, Form::default()).unwrap();
    assert_ne!(digest("distrib", &packets, Form::default()), Some(first), "each list relays it once");
    let later = By { at: NOW.before(std::time::Duration::from_secs(1)), ..setting.by("ada") };
    assert_ne!(digest("security", &signed(ENTITY, &[later]), Form::default()), Some(first));
    assert_ne!(digest("security", &signed(ENTITY, &[setting.by("bob")]), Form::default()), Some(first));
}

#[test]
fn mail_without_a_good_signature_is_never_a_replay() {
    let setting = setting();
    assert_eq!(digest("security", &signed(ENTITY, &[]), Form::default()), None);
    assert_eq!(digest("security", &signed(ENTITY, &[setting.by("mallory")]), Form::default()), None);
    let both = signed(ENTITY, &[setting.by("ada"), setting.by("bob")]);
    assert_eq!(digest("security", &both, Form::default()), None);
}

#[test]
fn a_digest_cannot_be_guessed_without_the_key() {
    let setting = setting();
    let digest = digest("security", &signed(ENTITY, &[setting.by("ada")]), Form::default()).unwrap();
    let (list, signer) = ("security".parse().unwrap(), setting.fingerprint("ada"));
    assert_ne!(Tags::new(&[0; 32]).replay(&list, signer, &digest), digest);
    assert_ne!(digest, [0; 32]);
}
