//! Keys that had an end, or never were what they should be: each has its own verdict.

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::cert::{CertRevocationBuilder, SubkeyRevocationBuilder};
use openpgp::crypto::KeyPair;
use openpgp::packet::key::{Key4, PrimaryRole, SecretParts};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::signature::subpacket::{Subpacket, SubpacketTag, SubpacketValue};
use openpgp::packet::{Key, UserID};
use openpgp::types::{KeyFlags, ReasonForRevocation, SignatureType};
use vouchsafe::pgp::open::{Verdict, Why};
use vouchsafe::time::Timestamp;

use crate::common::*;

fn revoked_at(key: &openpgp::Cert, at: Timestamp, why: ReasonForRevocation) -> openpgp::Cert {
    let revocation = CertRevocationBuilder::new()
        .set_signature_creation_time(at.system())
        .unwrap()
        .set_reason_for_revocation(why, b"")
        .unwrap()
        .build(&mut primary(key), key, None)
        .unwrap();
    key.clone().insert_packets([Packet::from(revocation)]).unwrap().0
}

fn primary(key: &openpgp::Cert) -> KeyPair {
    key.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap()
}

/// The same for the subkey that signs.
fn subkey_revoked_at(key: &openpgp::Cert, at: Timestamp, why: ReasonForRevocation) -> openpgp::Cert {
    let signing = signer(key, BORN.after(DAY)).public().fingerprint();
    let subkey = key.keys().subkeys().find(|subkey| subkey.key().fingerprint() == signing).unwrap();
    let revocation = SubkeyRevocationBuilder::new()
        .set_signature_creation_time(at.system())
        .unwrap()
        .set_reason_for_revocation(why, b"")
        .unwrap()
        .build(&mut primary(key), key, subkey.key(), None)
        .unwrap();
    key.clone().insert_packets([Packet::from(revocation)]).unwrap().0
}

#[test]
fn the_signer_must_be_alive_when_signing_and_at_arrival() {
    let list = list(BORN);
    let verdict =
        |key: &openpgp::Cert, when| send(&signed(ENTITY, &[at(key, when)]), &list, &[key]).verdict().clone();
    let earlier = NOW.before(DAY);
    let life = |end: Timestamp| end.since(BORN);
    let expired = with("ada", |builder| builder.set_validity_period(Some(life(NOW.before(seconds(60))))));
    assert_eq!(verdict(&expired, NOW), Verdict::Bad(Why::ExpiredWhenSigning), "when signing");
    assert_eq!(verdict(&expired, earlier), Verdict::Bad(Why::ExpiredSince), "in between");

    let ada = person("ada");
    let superseded = revoked_at(&ada, NOW.before(seconds(60)), ReasonForRevocation::KeySuperseded);
    assert_eq!(verdict(&superseded, NOW), Verdict::Bad(Why::RevokedWhenSigning), "when signing");
    assert_eq!(verdict(&superseded, earlier), Verdict::Bad(Why::RevokedSince), "in between");
    let later = revoked_at(&ada, NOW.after(DAY), ReasonForRevocation::KeyRetired);
    assert_eq!(verdict(&later, earlier), good(&ada, earlier), "retired after the mail was here");
    for why in [ReasonForRevocation::KeyCompromised, ReasonForRevocation::Unspecified] {
        for when in [NOW.before(seconds(60)), NOW.after(DAY)] {
            let compromised = revoked_at(&ada, when, why);
            for made_at in [earlier, NOW] {
                assert_eq!(
                    verdict(&compromised, made_at),
                    Verdict::Bad(Why::RevokedHard),
                    "{why}: it reaches back"
                );
            }
        }
    }
}

#[test]
fn a_subkey_ends_like_its_certificate() {
    let (list, ada) = (list(BORN), person("ada"));
    let verdict = |cert: &openpgp::Cert, when| {
        send(&signed(ENTITY, &[at(&ada, when)]), &list, &[cert]).verdict().clone()
    };
    let (revoked, earlier) = (NOW.before(seconds(60)), NOW.before(DAY));
    let retired = subkey_revoked_at(&ada, revoked, ReasonForRevocation::KeyRetired);
    assert_eq!(verdict(&retired, NOW), Verdict::Bad(Why::RevokedWhenSigning));
    assert_eq!(verdict(&retired, earlier), Verdict::Bad(Why::RevokedSince));
    let stolen = subkey_revoked_at(&ada, revoked, ReasonForRevocation::KeyCompromised);
    assert_eq!(verdict(&stolen, earlier), Verdict::Bad(Why::RevokedHard));
    let both = revoked_at(&retired, revoked, ReasonForRevocation::KeyCompromised);
    assert_eq!(verdict(&both, earlier), Verdict::Bad(Why::RevokedHard), "the graver one");

    let short = |builder: openpgp::cert::CertBuilder<'static>| {
        let life = NOW.before(seconds(60)).since(BORN);
        builder.add_subkey(KeyFlags::empty().set_signing(), life, None)
    };
    let mut cyd = openpgp::cert::CertBuilder::new()
        .add_userid("cyd <cyd@example.org>")
        .set_creation_time(BORN.system())
        .set_validity_period(None);
    cyd = short(cyd);
    let cyd = cyd.generate().unwrap().0;
    let pair = || signer(&cyd, earlier);
    let verdict = |when| {
        let packets = one_pass(&signature(pair(), when, ENTITY, &|builder| builder), ENTITY);
        send(&packets, &list, &[&cyd]).verdict().clone()
    };
    assert_eq!(verdict(NOW), Verdict::Bad(Why::ExpiredWhenSigning));
    assert_eq!(verdict(earlier), Verdict::Bad(Why::ExpiredSince));
}

/// Somebody whose signing subkey is bound from then on for that long: by the term of the binding, not of the key.
fn bound_for(from: Timestamp, term: std::time::Duration) -> (openpgp::Cert, KeyPair) {
    let cert = with("dan", |builder| builder);
    let mut sub: Key<SecretParts, openpgp::packet::key::SubordinateRole> =
        Key4::generate_ecc(true, openpgp::types::Curve::Ed25519).unwrap().into();
    sub.set_creation_time(BORN.system()).unwrap();
    let builder = |kind| SignatureBuilder::new(kind).set_signature_creation_time(from.system()).unwrap();
    let mut pair = sub.clone().into_keypair().unwrap();
    let consent = builder(SignatureType::PrimaryKeyBinding)
        .sign_primary_key_binding(&mut pair, cert.primary_key().key(), &sub)
        .unwrap();
    let binding = builder(SignatureType::SubkeyBinding)
        .set_key_flags(KeyFlags::empty().set_signing())
        .unwrap()
        .set_signature_validity_period(term)
        .unwrap()
        .set_embedded_signature(consent)
        .unwrap()
        .sign_subkey_binding(&mut primary(&cert), None, &sub)
        .unwrap();
    (cert.insert_packets([Packet::from(sub), binding.into()]).unwrap().0, pair)
}

#[test]
fn a_binding_may_have_a_term_of_its_own() {
    let list = list(BORN);
    let verdict = |end: Timestamp, made_at| {
        let (dan, pair) = bound_for(BORN, end.since(BORN));
        let packets = one_pass(&signature(pair, made_at, ENTITY, &|builder| builder), ENTITY);
        (send(&packets, &list, &[&dan]).verdict().clone(), dan)
    };
    let (counts, dan) = verdict(NOW.after(DAY), NOW.before(DAY));
    assert_eq!(counts, good(&dan, NOW.before(DAY)));
    assert_eq!(verdict(NOW.before(seconds(60)), NOW.before(DAY)).0, Verdict::Bad(Why::ExpiredSince));
    assert_eq!(verdict(NOW.before(seconds(60)), NOW).0, Verdict::Bad(Why::ExpiredWhenSigning));
}

#[test]
fn a_key_that_was_bound_later_was_not_the_certificate_s() {
    let list = list(BORN);
    let (dan, pair) = bound_for(NOW.before(seconds(60)), DAY);
    let made_at = NOW.before(DAY);
    let packets = one_pass(&signature(pair, made_at, ENTITY, &|builder| builder), ENTITY);
    assert_eq!(send(&packets, &list, &[&dan]).verdict(), &Verdict::Bad(Why::Unbound));
}

#[test]
fn a_signature_may_have_a_term_of_its_own() {
    let (list, ada) = (list(BORN), person("ada"));
    let verdict = |term: u64| {
        let made_at = NOW.before(DAY);
        let shape = |builder: SignatureBuilder| builder.set_signature_validity_period(seconds(term)).unwrap();
        let packets = one_pass(&signature(signer(&ada, made_at), made_at, ENTITY, &shape), ENTITY);
        send(&packets, &list, &[&ada]).verdict().clone()
    };
    assert_eq!(verdict(2 * DAY.as_secs()), good(&ada, NOW.before(DAY)));
    assert_eq!(verdict(3600), Verdict::Bad(Why::SignatureExpired));
}

#[test]
fn a_key_must_be_one_for_signing() {
    let (list, ada) = (list(BORN), person("ada"));
    // The primary key certifies and no more.
    let packets = one_pass(&signature(primary(&ada), NOW, ENTITY, &|builder| builder), ENTITY);
    assert_eq!(send(&packets, &list, &[&ada]).verdict(), &Verdict::Bad(Why::NotForSigning));
}

/// Somebody who binds another's signing subkey to his own certificate, without that key's consent: the embedded
/// signature that RFC 9580 §5.2.1.9 demands is not his to make.
fn adopting(thief: &openpgp::Cert, from: &openpgp::Cert) -> openpgp::Cert {
    let signing = signer(from, NOW).public().fingerprint();
    let stolen = from.keys().subkeys().find(|subkey| subkey.key().fingerprint() == signing).unwrap();
    let stolen = stolen.key().clone();
    let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_key_flags(KeyFlags::empty().set_signing())
        .unwrap()
        .set_signature_creation_time(BORN.system())
        .unwrap()
        .sign_subkey_binding(&mut primary(thief), None, &stolen)
        .unwrap();
    thief.clone().insert_packets([Packet::from(stolen), binding.into()]).unwrap().0
}

#[test]
fn nobody_gets_another_s_signatures_by_binding_his_key() {
    let (list, ada, bob) = (list(BORN), person("ada"), person("bob"));
    let thief = adopting(&bob, &ada);
    let packets = signed(ENTITY, &[by(&ada)]);
    // Without its owner's consent (RFC 9580 §5.2.1.10) the key is no part of what is read of his certificate.
    let thiefs = send(&packets, &list, &[&thief]);
    assert!(matches!(thiefs.verdict(), Verdict::UnknownKey(_)), "{:?}", thiefs.verdict());
    for order in [[&thief, &ada], [&ada, &thief]] {
        assert_eq!(send(&packets, &list, &order).verdict(), &good(&ada, NOW), "it stays its owner's");
    }
}

#[test]
fn short_keys_are_weak() {
    let list = list(BORN);
    let mut key: Key<SecretParts, PrimaryRole> = Key4::generate_rsa(1024).unwrap().into();
    key.set_creation_time(BORN.system()).unwrap();
    let cert = openpgp::Cert::from_packets([Packet::from(key.clone())].into_iter()).unwrap();
    let id = UserID::from("old <old@example.org>");
    let binding = SignatureBuilder::new(SignatureType::PositiveCertification)
        .set_key_flags(KeyFlags::empty().set_certification().set_signing())
        .unwrap()
        .set_signature_creation_time(BORN.system())
        .unwrap();
    let binding = id.bind(&mut key.clone().into_keypair().unwrap(), &cert, binding).unwrap();
    let cert = cert.insert_packets([Packet::from(id), binding.into()]).unwrap().0;
    let made = signature(key.into_keypair().unwrap(), NOW, ENTITY, &|builder| builder);
    assert_eq!(send(&one_pass(&made, ENTITY), &list, &[&cert]).verdict(), &Verdict::Bad(Why::Weak));
}

#[test]
fn conditions_that_are_not_known_here_are_not_fulfilled_here() {
    let (list, ada) = (list(BORN), person("ada"));
    let verdict = |shape: Shape<'_>| {
        let packets = one_pass(&signature(signer(&ada, NOW), NOW, ENTITY, shape), ENTITY);
        send(&packets, &list, &[&ada]).verdict().clone()
    };
    let notation = |critical| {
        move |builder: SignatureBuilder| {
            builder.add_notation("void-unless@example.org", "full moon", None, critical).unwrap()
        }
    };
    let unknown = |critical| {
        move |builder: SignatureBuilder| {
            let value = SubpacketValue::Unknown { tag: SubpacketTag::Private(100), body: b"?".to_vec() };
            let subpacket = Subpacket::new(value, critical).unwrap();
            builder.modify_hashed_area(|mut area| area.add(subpacket).map(|()| area)).unwrap()
        }
    };
    assert_eq!(verdict(&notation(true)), Verdict::Bad(Why::Condition));
    assert_eq!(verdict(&unknown(true)), Verdict::Bad(Why::Condition));
    assert_eq!(verdict(&notation(false)), good(&ada, NOW));
    assert_eq!(verdict(&unknown(false)), good(&ada, NOW));
}
