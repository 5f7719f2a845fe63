//! What an admin hands in for a pinned certificate, and what is said to be new in it.

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::cert::CertRevocationBuilder;
use openpgp::packet::key::{Key4, SubordinateRole};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Key, UserID};
use openpgp::serialize::SerializeInto;
use openpgp::types::{Curve, KeyFlags, ReasonForRevocation, SignatureType};
use vouchsafe::pgp::cert::{Cert, CertError, CertProblem};

use crate::common::*;

fn pair(of: &openpgp::Cert) -> openpgp::crypto::KeyPair {
    of.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap()
}

fn armored_cert(cert: &openpgp::Cert) -> Vec<u8> {
    cert.clone().strip_secret_key_material().armored().to_vec().unwrap()
}

fn revocation(of: &openpgp::Cert) -> Packet {
    let builder = CertRevocationBuilder::new()
        .set_signature_creation_time(BORN.after(DAY).system())
        .unwrap()
        .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"")
        .unwrap();
    builder.build(&mut pair(of), of, None).unwrap().into()
}

/// Armored as gpg and sq write revocations: as a public key block.
fn block(packets: &[Packet]) -> Vec<u8> {
    let mut writer = openpgp::armor::Writer::new(Vec::new(), openpgp::armor::Kind::PublicKey).unwrap();
    for packet in packets {
        std::io::Write::write_all(&mut writer, &packet.to_vec().unwrap()).unwrap();
    }
    writer.finalize().unwrap()
}

#[test]
fn of_several_the_pinned_one_is_taken_and_without_it_none() {
    let people = ["ada", "bob", "cyd"].map(person);
    let [ada, bob, cyd] = &people;
    let pinned = public(bob);
    let armored = people.each_ref().map(armored_cert).concat();
    let binary: Vec<u8> =
        people.iter().flat_map(|key| key.clone().strip_secret_key_material().to_vec().unwrap()).collect();
    for file in [&armored, &binary] {
        let found = Cert::handed_in(file, Some(&pinned)).unwrap();
        assert_eq!(found.to_bytes(), pinned.to_bytes());
        assert!(matches!(Cert::handed_in(file, None), Err(CertError::Several(3))));
        assert!(matches!(Cert::parse(file), Err(CertError::Several(3))), "who is new comes alone");
        let dan = public(&person("dan"));
        let none = Cert::handed_in(file, Some(&dan)).unwrap_err();
        assert!(none.to_string().contains(&dan.fingerprint().to_string()), "{none}");
        assert!(none.to_string().starts_with("there are 3 certificates, and none"), "{none}");
    }
    let other = Cert::handed_in(&armored_cert(ada), Some(&pinned)).unwrap();
    assert_eq!(other.fingerprint(), public(ada).fingerprint(), "a single other one: the admin is asked");
    let secret = [armored_cert(cyd), bob.as_tsk().armored().to_vec().unwrap()].concat();
    assert!(matches!(Cert::handed_in(&secret, Some(&pinned)), Err(CertError::SecretKey)));
    for nothing in [&b""[..], b"hello", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnothing\n"] {
        assert!(matches!(Cert::handed_in(nothing, Some(&pinned)), Err(CertError::NotOpenPgp)), "{nothing:?}");
    }
    assert!(matches!(Cert::handed_in(&vec![b'x'; 2 << 20], Some(&pinned)), Err(CertError::TooLarge)));
}

#[test]
fn a_revocation_alone_revokes_its_own_certificate_and_no_other() {
    let (ada, eve) = (person("ada"), person("eve"));
    let pinned = public(&ada);
    assert_eq!(pinned.sealable(NOW), Ok(()));
    let binary = revocation(&ada).to_vec().unwrap();
    for file in
        [block(&[revocation(&ada)]), binary, [armored_cert(&ada), block(&[revocation(&ada)])].concat()]
    {
        let revoked = Cert::handed_in(&file, Some(&pinned)).unwrap();
        assert_eq!(
            (revoked.fingerprint(), revoked.sealable(NOW)),
            (pinned.fingerprint(), Err(CertProblem::Revoked))
        );
        assert_eq!(pinned.merge(&revoked).unwrap().sealable(NOW), Err(CertProblem::Revoked));
    }
    let foreign = Cert::handed_in(&block(&[revocation(&eve)]), Some(&pinned)).unwrap_err();
    assert!(matches!(foreign, CertError::NotItsRevocation(who) if who == pinned.fingerprint()), "{foreign}");
    // Hers in name, and not by her key.
    let mut bytes = revocation(&ada).to_vec().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(Cert::handed_in(&bytes, Some(&pinned)), Err(CertError::NotItsRevocation(_))));
    assert!(
        Cert::handed_in(&block(&[revocation(&ada)]), None).is_err(),
        "without a certificate there is nothing"
    );
    // A signature of another sort does not pass for one.
    let signature = detached(ENTITY, &by(&ada));
    assert!(Cert::handed_in(&signature, Some(&pinned)).is_err());
}

#[test]
fn what_is_new_is_said_and_a_known_revocation_stays() {
    let ada = with("ada", |builder| builder.set_validity_period(Some(DAY * 200)));
    let before = public(&ada);
    let said = |after: &Cert, before: &Cert| {
        after.differences(before, NOW).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(said(&before, &before).is_empty());

    // One more subkey and one more User ID.
    let mut key: Key<_, SubordinateRole> = Key::V4(Key4::generate_ecc(false, Curve::Cv25519).unwrap());
    key.set_creation_time(BORN.after(DAY).system()).unwrap();
    let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_signature_creation_time(BORN.after(DAY).system())
        .unwrap()
        .set_key_flags(KeyFlags::empty().set_transport_encryption())
        .unwrap();
    let binding = key.bind(&mut pair(&ada), &ada, binding).unwrap();
    let id = UserID::from("Ada <ada@elsewhere.example>");
    let named = SignatureBuilder::new(SignatureType::PositiveCertification)
        .set_signature_creation_time(BORN.after(DAY).system())
        .unwrap();
    let named = id.bind(&mut pair(&ada), &ada, named).unwrap();
    let handle = key.fingerprint().to_hex();
    let more: [Packet; 4] = [key.into(), binding.into(), id.into(), named.into()];
    let more = ada.clone().insert_packets(more).unwrap().0;
    let merged = before.merge(&public(&more)).unwrap();
    assert_eq!(
        said(&merged, &before),
        [format!("new in it: subkey {handle}"), "new in it: one User ID".to_owned()]
    );

    // Longer.
    let policy = openpgp::policy::StandardPolicy::at(NOW.system());
    let end = BORN.after(DAY * 20_000);
    let longer =
        ada.set_expiration_time(&policy, BORN.system(), &mut pair(&ada), Some(end.system())).unwrap();
    assert_eq!(
        before
            .merge(&public(&ada.clone().insert_packets(longer.clone()).unwrap().0))
            .unwrap()
            .expires(end.before(DAY)),
        Some(BORN.after(DAY * 200)),
        "the primary key alone does not help"
    );
    let mut longer = longer;
    for key in ada.keys().with_policy(&policy, BORN.system()).subkeys().for_transport_encryption() {
        longer.extend(key.set_expiration_time(&mut pair(&ada), None, Some(end.system())).unwrap());
    }
    let longer = before.merge(&public(&ada.clone().insert_packets(longer).unwrap().0)).unwrap();
    // The library dates the new signatures by the wall clock, so look from far ahead.
    let later = end.before(DAY);
    let far: Vec<_> = longer.differences(&before, later).iter().map(ToString::to_string).collect();
    assert_eq!(far, [format!("it ends {end}, before: {}", BORN.after(DAY * 200))]);

    let revoked = before.merge(&public(&ada.clone().insert_packets([revocation(&ada)]).unwrap().0)).unwrap();
    assert_eq!(said(&revoked, &before), ["it is revoked"]);
    // An older copy, or one that was extended, brings it back neither way.
    for copy in [&before, &merged, &longer] {
        assert_eq!(revoked.merge(copy).unwrap().sealable(NOW), Err(CertProblem::Revoked));
        assert_eq!(copy.merge(&revoked).unwrap().sealable(NOW), Err(CertProblem::Revoked));
    }
}

#[test]
fn the_end_is_that_of_what_makes_it_usable() {
    let ada = with("ada", |builder| builder.set_validity_period(None));
    let pinned = public(&ada);
    assert_eq!(pinned.expires(NOW), None);
    // The subkey for encryption ends; whoever is revoked with a later end, or signs only, does not count.
    let policy = openpgp::policy::StandardPolicy::at(NOW.system());
    let far = BORN.after(DAY * 20_000);
    let mut updates = Vec::new();
    for key in ada.keys().with_policy(&policy, NOW.system()).subkeys().for_transport_encryption() {
        updates.extend(key.set_expiration_time(&mut pair(&ada), None, Some(far.system())).unwrap());
    }
    let ends = public(&ada.clone().insert_packets(updates).unwrap().0);
    let at = far.before(40 * DAY);
    assert_eq!(ends.expires(at), Some(far));
    let outlook = ends.outlook(at);
    assert_eq!((outlook.problem.clone(), outlook.within(at)), (None, Some(60)));
    assert_eq!(outlook.within(at.after(10 * DAY)), Some(30));
    let revoked = public(&ada.clone().insert_packets([revocation(&ada)]).unwrap().0);
    assert_eq!((revoked.expires(NOW), revoked.outlook(NOW).within(NOW)), (None, Some(0)));
}

#[test]
fn a_revocation_that_is_still_to_come_is_the_end() {
    let ada = person("ada");
    let tomorrow = NOW.after(DAY);
    let superseded = CertRevocationBuilder::new()
        .set_signature_creation_time(tomorrow.system())
        .unwrap()
        .set_reason_for_revocation(ReasonForRevocation::KeySuperseded, b"")
        .unwrap()
        .build(&mut pair(&ada), &ada, None)
        .unwrap();
    let cert = public(&ada.clone().insert_packets([superseded]).unwrap().0);
    assert_eq!((cert.sealable(NOW), cert.expires(NOW)), (Ok(()), Some(tomorrow)));
    assert_eq!(
        (cert.sealable(tomorrow), cert.outlook(NOW).within(NOW)),
        (Err(CertProblem::Revoked), Some(7))
    );
}

#[test]
fn no_revocation_gets_lost_in_a_file_whatever_its_order() {
    let (ada, bob) = (person("ada"), person("bob"));
    let pinned = public(&ada);
    let revoked = ada.clone().insert_packets([revocation(&ada)]).unwrap().0;
    let (old, dead, alone) = (armored_cert(&ada), armored_cert(&revoked), block(&[revocation(&ada)]));
    let handed = |file: &[&[u8]]| Cert::handed_in(&file.concat(), Some(&pinned));
    let other = armored_cert(&bob);
    for file in [
        &[&old[..], &dead][..],
        &[&dead, &old],
        &[&other, &old, &other, &dead],
        &[&old, &alone],
        &[&alone, &old],
        &[&old, &old, &alone],
    ] {
        assert_eq!(handed(file).unwrap().sealable(NOW), Err(CertProblem::Revoked));
    }
    // Whoever is new: the same, or nothing.
    for file in [[&old[..], &alone], [&alone, &old]] {
        assert_eq!(Cert::parse(&file.concat()).unwrap().sealable(NOW), Err(CertProblem::Revoked));
    }
    let foreign = [&other[..], &alone].concat();
    assert!(matches!(Cert::parse(&foreign), Err(CertError::NotItsRevocation(_))));

    // From an old key to a new one in one file: refused, and what to do is said, by both names.
    let (is, was) = (public(&bob).fingerprint(), pinned.fingerprint());
    let both = handed(&[&alone, &other]).unwrap_err();
    assert!(
        matches!(both, CertError::Transition { pinned, other } if (pinned, other) == (was, is)),
        "{both}"
    );
    assert!(both.to_string().contains("set the revocation first"), "{both}");
}

#[test]
fn what_the_owner_did_not_bind_is_left_out() {
    let (ada, eve) = (person("ada"), person("eve"));
    let theirs: Vec<Packet> = eve.clone().strip_secret_key_material().into_packets().collect();
    let ids = theirs.iter().filter(|p| matches!(p, Packet::UserID(_))).cloned();
    let keys = theirs.iter().filter(|p| matches!(p, Packet::PublicSubkey(_))).cloned();
    let binding = theirs.iter().filter(|p| matches!(p, Packet::Signature(_))).cloned();
    let mut packets: Vec<Packet> = ada.clone().strip_secret_key_material().into_packets().collect();
    packets.extend(ids);
    packets.extend(keys);
    packets.extend(binding);
    let bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.to_vec().unwrap()).collect();
    let cert = Cert::parse(&bytes).unwrap();
    assert_eq!(cert.emails(), ["ada@example.org"], "nobody takes an address by appending it");
    assert_eq!(cert.to_bytes(), public(&ada).to_bytes());
    assert!(public(&ada).merge(&cert).unwrap().differences(&public(&ada), NOW).is_empty());
}
