//! Sealing: every reader opens its own copy and no other, and what cannot be sealed is named.

use sequoia_openpgp as openpgp;

use openpgp::cert::CertRevocationBuilder;
use openpgp::packet::key::{Key4, SubordinateRole};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Key, PKESK};
use openpgp::parse::Parse;
use openpgp::types::{KeyFlags, ReasonForRevocation, SignatureType};
use openpgp::{KeyHandle, Packet};
use vouchsafe::pgp::cert::{Cert, CertProblem, Format};
use vouchsafe::pgp::keyring::{KeyDir, ListKey};
use vouchsafe::pgp::open::{UnlockError, unlock};
use vouchsafe::pgp::seal::{Missed, Reader, SealedClass, SealedCopy, seal_at_rest, seal_to_readers, sign};
use vouchsafe::pgp::sealed::{AtRest, Sealed, starts_as_body};
use vouchsafe::secret::Plaintext;

use crate::common::*;

/// What the list seals for its readers, and who gets nothing.
fn post(intended: &[&Cert], list: &ListKey, readers: &[Reader<'_>]) -> (Vec<SealedClass>, Missed) {
    let entity = Plaintext::new(ENTITY.to_vec()).into();
    seal_to_readers(sign(&entity, list, NOW, intended).unwrap(), readers, NOW).unwrap()
}

fn find(classes: &[SealedClass], reader: usize) -> (&SealedClass, &SealedCopy) {
    let copies = classes.iter().flat_map(|class| class.copies.iter().map(move |copy| (class, copy)));
    copies.into_iter().find(|(_, copy)| copy.reader == reader).unwrap()
}

fn copy(classes: &[SealedClass], reader: usize) -> Vec<u8> {
    let (class, copy) = find(classes, reader);
    [copy.key.as_bytes(), class.body.as_bytes()].concat()
}

#[test]
fn each_reader_opens_its_own_copy_and_no_other() {
    let list = list(BORN);
    let people = [person("ada"), rsa("bob"), v6("cyd"), person("dan")];
    let certs: Vec<_> = people.iter().map(public).collect();
    let mut readers: Vec<_> = certs.iter().map(|cert| Reader { cert, format: None }).collect();
    readers[3].format = Some(Format::V2);
    let (classes, missed) = post(&[], &list, &readers);

    assert!(missed.is_empty());
    assert_eq!(classes.len(), 2, "one body per format, not per reader");
    assert!(classes.iter().all(|class| starts_as_body(class.body.as_bytes())));
    for (i, key) in people.iter().enumerate() {
        let (content, signed) = read_copy(&copy(&classes, i), key, list.cert()).unwrap();
        assert_eq!(content, ENTITY);
        assert!(signed, "the list's signature verifies");
        for (j, other) in people.iter().enumerate().filter(|(j, _)| *j != i) {
            assert!(read_copy(&copy(&classes, i), other, list.cert()).is_err(), "{j} opened the copy of {i}");
        }
    }
    let version = |reader: usize| match Packet::from_bytes(find(&classes, reader).1.key.as_bytes()).unwrap() {
        Packet::PKESK(PKESK::V3(_)) => 3,
        Packet::PKESK(PKESK::V6(_)) => 6,
        _ => 0,
    };
    assert_eq!([0, 1, 2, 3].map(version), [3, 3, 6, 6]);
}

#[test]
fn two_posts_never_share_a_session_key() {
    let list = list(BORN);
    let ada = public(&person("ada"));
    let readers = [Reader { cert: &ada, format: None }];
    let [one, two] = [(); 2].map(|()| post(&[], &list, &readers).0);
    assert_ne!(one[0].body.as_bytes(), two[0].body.as_bytes());
}

#[test]
fn a_reader_without_a_usable_key_is_named_and_the_others_get_theirs() {
    let list = list(BORN);
    let revoked = {
        let key = person("rev");
        let mut pair = key.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
        let revocation = CertRevocationBuilder::new()
            .set_signature_creation_time(BORN.after(DAY).system())
            .unwrap()
            .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"")
            .unwrap()
            .build(&mut pair, &key, None)
            .unwrap();
        key.insert_packets([Packet::from(revocation)]).unwrap().0
    };
    let expired = with("old", |builder| builder.set_validity_period(Some(DAY)));
    let signs_only = openpgp::cert::CertBuilder::new()
        .add_userid("sig <sig@example.org>")
        .add_signing_subkey()
        .set_creation_time(BORN.system())
        .generate()
        .unwrap()
        .0;
    let unborn = with("new", |builder| builder.set_creation_time(NOW.after(DAY).system()));
    let good = person("ada");
    let certs = [&revoked, &expired, &good, &signs_only, &unborn].map(public);
    let readers: Vec<_> = certs.iter().map(|cert| Reader { cert, format: None }).collect();
    let (classes, missed) = post(&[], &list, &readers);

    assert_eq!(
        missed,
        [
            (0, CertProblem::Revoked),
            (1, CertProblem::Expired { since: BORN.after(DAY) }),
            (3, CertProblem::NoEncryptionKey),
            (4, CertProblem::NotYetValid),
        ]
    );
    assert_eq!(read_copy(&copy(&classes, 2), &good, list.cert()).unwrap().0, ENTITY);
}

#[test]
fn when_nobody_can_be_reached_there_is_no_body() {
    let list = list(BORN);
    let expired = public(&with("old", |builder| builder.set_validity_period(Some(DAY))));
    let readers = [Reader { cert: &expired, format: None }];
    let (classes, missed) = post(&[], &list, &readers);
    assert!(classes.is_empty() && missed.len() == 1);
}

#[test]
fn of_several_encryption_keys_the_newest_living_one_is_used() {
    let ada = person("ada");
    let mut newer: Key<_, SubordinateRole> =
        Key::V4(Key4::generate_ecc(false, openpgp::types::Curve::Cv25519).unwrap());
    newer.set_creation_time(BORN.after(DAY).system()).unwrap();
    let mut pair = ada.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_signature_creation_time(BORN.after(DAY).system())
        .unwrap()
        .set_key_flags(KeyFlags::empty().set_transport_encryption())
        .unwrap();
    let binding = newer.bind(&mut pair, &ada, binding).unwrap();
    let newest: KeyHandle = newer.key_handle();
    let ada = ada.insert_packets([Packet::from(newer), Packet::from(binding)]).unwrap().0;

    let list = list(BORN);
    let cert = public(&ada);
    let readers = [Reader { cert: &cert, format: None }];
    let (classes, _) = post(&[], &list, &readers);
    let Packet::PKESK(pkesk) = Packet::from_bytes(find(&classes, 0).1.key.as_bytes()).unwrap() else {
        panic!()
    };
    assert!(pkesk.recipient().unwrap().aliases(&newest));
    assert_eq!(read_copy(&copy(&classes, 0), &ada, list.cert()).unwrap().0, ENTITY);
}

#[test]
fn intended_recipients_appear_only_when_asked_for() {
    let list = list(BORN);
    let ada = person("ada");
    let cert = public(&ada);
    let readers = [Reader { cert: &cert, format: None }];
    let (named, _) = post(&[&cert], &list, &readers);
    assert!(read_copy(&copy(&named, 0), &ada, list.cert()).unwrap().1);
    let other: &Cert = list.cert();
    let (wrong, _) = post(&[other], &list, &readers);
    assert!(
        !read_copy(&copy(&wrong, 0), &ada, list.cert()).unwrap().1,
        "the reader sees it was not meant for it"
    );
}

#[test]
fn an_arrival_sealed_at_rest_comes_back_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    let spool = keys.create_spool(&passphrase(), NOW).unwrap();
    let unlocked = keys.load_spool(&passphrase()).unwrap();
    let content = Plaintext::new(vec![b'x'; 100_000]);
    let sealed = seal_at_rest(&content, &spool).unwrap();
    assert_eq!(unlock(&sealed, &unlocked, 100_000).ok().unwrap().expose(), content.expose());
    assert!(matches!(unlock(&sealed, &unlocked, 99_999), Err(UnlockError::TooLarge)));

    let bytes = sealed.into_bytes();
    for at in (bytes.len() - 200..bytes.len()).chain((200..bytes.len()).step_by(5000)) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        if let Ok(bad) = Sealed::<AtRest>::from_store(bad) {
            assert!(matches!(unlock(&bad, &unlocked, 200_000), Err(UnlockError::Damaged)), "byte {at}");
        }
    }
    let cut = Sealed::<AtRest>::from_store(bytes[..bytes.len() - 1].to_vec());
    assert!(cut.is_err(), "a cut file does not even frame");

    let elsewhere = tempfile::tempdir().unwrap();
    let others = KeyDir::new(elsewhere.path());
    others.create_spool(&passphrase(), NOW).unwrap();
    let others = others.load_spool(&passphrase()).unwrap();
    let sealed = Sealed::<AtRest>::from_store(bytes).unwrap();
    assert!(matches!(unlock(&sealed, &others, 200_000), Err(UnlockError::NoKey)));
}
