//! Whom mail can be encrypted to: for each sort of certificate the key that is used, or the problem that is named. The
//! rules themselves stand in `src/pgp/usable.rs`.

use std::time::Duration;

use sequoia_openpgp as openpgp;

use openpgp::cert::{CertBuilder, CertRevocationBuilder, CipherSuite, SubkeyRevocationBuilder};
use openpgp::crypto::mpi;
use openpgp::packet::key::{Key4, Key6, PublicParts, SecretParts, SubordinateRole};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Key, PKESK, Signature};
use openpgp::parse::Parse;
use openpgp::types::{
    Curve, Features, HashAlgorithm, KeyFlags, PublicKeyAlgorithm, ReasonForRevocation, SignatureType,
};
use openpgp::{KeyHandle, Packet, Profile};
use vouchsafe::pgp::cert::{Cert, CertProblem, Format};
use vouchsafe::pgp::keyring::ListKey;
use vouchsafe::pgp::seal::{Reader, seal_to_readers, sign};
use vouchsafe::secret::Plaintext;
use vouchsafe::time::Timestamp;

use crate::common::*;
use crate::gpg::{Gpg, now};

/// What is expected of a certificate: the key that a copy is encrypted to, or the problem.
type Expected = Result<KeyHandle, CertProblem>;

fn pair(of: &openpgp::Cert) -> openpgp::crypto::KeyPair {
    of.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap()
}

/// A subkey that is to be added.
struct Sub {
    key: Key<SecretParts, SubordinateRole>,
    born: Timestamp,
    /// How long the key lives.
    lives: Option<Duration>,
    /// How long what binds it lives.
    bound: Option<Duration>,
    flags: KeyFlags,
    hash: HashAlgorithm,
}

fn sub(born: Timestamp) -> Sub {
    let key = Key::V4(Key4::generate_ecc(false, Curve::Cv25519).unwrap());
    let flags = KeyFlags::empty().set_transport_encryption().set_storage_encryption();
    Sub { key, born, lives: None, bound: None, flags, hash: HashAlgorithm::SHA512 }
}

fn bind<P: openpgp::packet::key::KeyParts>(
    to: &openpgp::Cert,
    key: &Key<P, SubordinateRole>,
    shape: &Sub,
) -> Signature {
    let mut binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
        .set_hash_algo(shape.hash)
        .set_signature_creation_time(shape.born.system())
        .unwrap()
        .set_key_flags(shape.flags.clone())
        .unwrap();
    if let Some(lives) = shape.lives {
        binding = binding.set_key_validity_period(lives).unwrap();
    }
    if let Some(bound) = shape.bound {
        binding = binding.set_signature_validity_period(bound).unwrap();
    }
    key.bind(&mut pair(to), to, binding).unwrap()
}

/// The certificate with one more subkey, and what names that subkey.
fn plus(to: &openpgp::Cert, mut shape: Sub) -> (openpgp::Cert, KeyHandle) {
    shape.key.set_creation_time(shape.born.system()).unwrap();
    let binding = bind(to, &shape.key, &shape);
    let handle = shape.key.key_handle();
    let packets = [Packet::from(shape.key), Packet::from(binding)];
    (to.clone().insert_packets(packets).unwrap().0, handle)
}

/// A subkey of an algorithm that nobody knows yet.
fn from_the_future(to: &openpgp::Cert, born: Timestamp) -> openpgp::Cert {
    let public = mpi::PublicKey::Unknown { mpis: Box::new([]), rest: Box::new([7; 40]) };
    let key: Key<PublicParts, SubordinateRole> =
        Key4::new(born.system(), PublicKeyAlgorithm::Unknown(99), public).unwrap().into();
    let binding = bind(to, &key, &sub(born));
    to.clone().insert_packets([Packet::from(key), Packet::from(binding)]).unwrap().0
}

/// A certificate that signs, without any key for encryption.
fn bare(name: &str) -> openpgp::Cert {
    let builder = CertBuilder::new().add_userid(format!("{name} <{name}@example.org>"));
    builder.set_creation_time(BORN.system()).generate().unwrap().0
}

pub(crate) fn revoked(cert: &openpgp::Cert, at: Timestamp, why: ReasonForRevocation) -> openpgp::Cert {
    let revocation = CertRevocationBuilder::new()
        .set_signature_creation_time(at.system())
        .unwrap()
        .set_reason_for_revocation(why, b"")
        .unwrap()
        .build(&mut pair(cert), cert, None)
        .unwrap();
    cert.clone().insert_packets([revocation]).unwrap().0
}

fn subkey_revoked(
    cert: &openpgp::Cert,
    key: &KeyHandle,
    at: Timestamp,
    why: ReasonForRevocation,
) -> openpgp::Cert {
    let found = cert.keys().subkeys().find(|k| k.key().key_handle().aliases(key)).unwrap();
    let revocation = SubkeyRevocationBuilder::new()
        .set_signature_creation_time(at.system())
        .unwrap()
        .set_reason_for_revocation(why, b"")
        .unwrap()
        .build(&mut pair(cert), cert, found.key(), None)
        .unwrap();
    cert.clone().insert_packets([revocation]).unwrap().0
}

/// The owner speaks for the key again.
fn affirmed(cert: &openpgp::Cert, at: Timestamp) -> openpgp::Cert {
    let primary = cert.primary_key();
    let last = primary.self_signatures().next().expect("a direct key signature").clone();
    let again = SignatureBuilder::from(last).set_signature_creation_time(at.system()).unwrap();
    let again = again.sign_direct_key(&mut pair(cert), None).unwrap();
    cert.clone().insert_packets([again]).unwrap().0
}

/// The one that every key but the newest would lose against.
fn only_subkey(cert: &openpgp::Cert) -> Expected {
    let mut handles = cert.keys().subkeys().filter(|key| {
        let binding = key.self_signatures().next();
        binding.and_then(|b| b.key_flags()).is_some_and(|flags| flags.for_transport_encryption())
    });
    Ok(handles.next().unwrap().key().key_handle())
}

/// What is expected, from both who tells and who seals; the reader's own program opens what is sealed.
#[track_caller]
fn holds(list: &ListKey, name: &str, key: &openpgp::Cert, at: Timestamp, expected: &Expected) {
    let cert = public(key);
    assert_eq!(cert.sealable(at).err().as_ref(), expected.as_ref().err(), "{name}");
    let (recipient, copy) = match sealed(list, &cert, None, at) {
        Ok(sealed) => sealed,
        Err(problem) => {
            return assert_eq!(Some(&problem), expected.as_ref().err(), "{name}: seals by other rules");
        }
    };
    let wanted = expected.as_ref().unwrap_or_else(|problem| panic!("{name}: sealed, and not {problem}"));
    assert!(recipient.aliases(wanted), "{name}: to {recipient}, not to {wanted}");
    assert_eq!(read_copy(&copy, key, list.cert()).unwrap().0, ENTITY, "{name}");
}

/// To which key one copy is sealed, and the copy.
fn sealed(
    list: &ListKey,
    cert: &Cert,
    format: Option<Format>,
    at: Timestamp,
) -> Result<(KeyHandle, Vec<u8>), CertProblem> {
    let signed = sign(&Plaintext::new(ENTITY.to_vec()).into(), list, at, &[]).unwrap();
    let (classes, missed) = seal_to_readers(signed, &[Reader { cert, format }], at).unwrap();
    if let Some((_, problem)) = missed.into_iter().next() {
        return Err(problem);
    }
    let key = classes[0].copies[0].key.as_bytes();
    let Packet::PKESK(pkesk) = Packet::from_bytes(key).unwrap() else { panic!("no PKESK") };
    Ok((pkesk.recipient().unwrap(), [key, classes[0].body.as_bytes()].concat()))
}

#[test]
fn expiry_and_age() {
    let list = list(BORN);
    let early = BORN.after(DAY);
    let expired = |since| Err(CertProblem::Expired { since });
    let check =
        |name: &str, cert: &openpgp::Cert, expected: Expected| holds(&list, name, cert, NOW, &expected);

    let plain = person("ada");
    check("version 4", &plain, only_subkey(&plain));
    let six = v6("ada");
    check("version 6", &six, only_subkey(&six));
    let rsa = rsa("ada");
    check("RSA", &rsa, only_subkey(&rsa));
    check("an expired primary key", &with("ada", |b| b.set_validity_period(Some(DAY))), expired(early));

    let (one, _) = plus(&bare("ada"), Sub { lives: Some(DAY), ..sub(BORN) });
    check("the only subkey has expired", &one, expired(early));
    let (both, last) = plus(&one, sub(BORN));
    let (both, _) = plus(&both, Sub { lives: Some(DAY), ..sub(early) });
    check("one of several has not expired", &both, Ok(last));
    let (gone, _) = plus(&one, Sub { lives: Some(DAY), ..sub(early) });
    check("all have expired, the last on", &gone, expired(early.after(DAY)));
    let (unbound, _) = plus(&bare("ada"), Sub { bound: Some(DAY), ..sub(BORN) });
    check("what binds the subkey has run out", &unbound, expired(early));

    check("no key for encryption", &bare("ada"), Err(CertProblem::NoEncryptionKey));
    let tomorrow = NOW.after(DAY);
    let unborn = with("ada", |b| b.set_creation_time(tomorrow.system()));
    check("made tomorrow", &unborn, Err(CertProblem::NotYetValid));
    let (soon, later) = plus(&bare("ada"), sub(tomorrow));
    check("its only subkey made tomorrow", &soon, Err(CertProblem::NotYetValid));
    holds(&list, "and the day after", &soon, NOW.after(2 * DAY), &Ok(later));
    let (with_new, present) = plus(&bare("ada"), sub(BORN));
    let (with_new, _) = plus(&with_new, sub(tomorrow));
    check("a new subkey from tomorrow on", &with_new, Ok(present));
}

#[test]
fn revocation() {
    use ReasonForRevocation::{KeyCompromised, KeyRetired, KeySuperseded, Unspecified};
    let list = list(BORN);
    let (yesterday, tomorrow) = (NOW.before(DAY), NOW.after(DAY));
    let ada = person("ada");
    let usual = only_subkey(&ada);
    let dead: Expected = Err(CertProblem::Revoked);
    for why in [KeySuperseded, KeyRetired] {
        let soft = revoked(&ada, yesterday, why);
        holds(&list, "softly revoked", &soft, NOW, &dead);
        holds(&list, "softly revoked, before", &soft, NOW.before(2 * DAY), &usual);
        holds(
            &list,
            "softly revoked, and affirmed since",
            &affirmed(&soft, yesterday.after(DAY / 2)),
            NOW,
            &usual,
        );
    }
    for why in [KeyCompromised, Unspecified] {
        let hard = revoked(&ada, tomorrow, why);
        holds(&list, "hard revoked, from tomorrow", &hard, NOW, &dead);
        holds(&list, "hard revoked, long before", &hard, BORN.after(DAY), &dead);
        holds(&list, "hard revoked, and affirmed since", &affirmed(&hard, NOW.before(DAY / 2)), NOW, &dead);
    }

    let (one, first) = plus(&bare("ada"), sub(BORN));
    let (two, second) = plus(&one, sub(BORN.after(DAY)));
    holds(&list, "of two the newest", &two, NOW, &Ok(second.clone()));
    for why in [KeySuperseded, KeyCompromised] {
        let at = if why == KeyCompromised { tomorrow } else { yesterday };
        let without = subkey_revoked(&two, &second, at, why);
        holds(&list, "the newest subkey revoked", &without, NOW, &Ok(first.clone()));
        let none = subkey_revoked(&without, &first, at, why);
        holds(&list, "both subkeys revoked", &none, NOW, &dead);
    }
    let soft = subkey_revoked(&one, &first, yesterday, KeySuperseded);
    holds(&list, "a subkey superseded since", &soft, NOW.before(2 * DAY), &Ok(first));
}

#[test]
fn which_key_and_which_are_too_weak() {
    let list = list(BORN);
    let (later, flags) = (BORN.after(DAY), KeyFlags::empty);
    let (good, first) = plus(&bare("ada"), sub(BORN));
    let check =
        |name: &str, cert: &openpgp::Cert, expected: Expected| holds(&list, name, cert, NOW, &expected);

    for (name, flags) in [
        ("for storage", flags().set_storage_encryption()),
        ("for transport", flags().set_transport_encryption()),
    ] {
        let (newer, second) = plus(&good, Sub { flags, ..sub(later) });
        check(name, &newer, Ok(second));
    }
    let (signs, _) = plus(&good, Sub { flags: flags().set_authentication(), ..sub(later) });
    check("a newer one for something else", &signs, Ok(first.clone()));
    let short = || Key::V4(Key4::generate_rsa(1024).unwrap());
    for (name, weak) in [
        ("RSA of 1024 bits", Sub { key: short(), ..sub(later) }),
        ("bound by SHA-1", Sub { hash: HashAlgorithm::SHA1, ..sub(later) }),
    ] {
        let again = Sub { key: weak.key.clone(), flags: weak.flags.clone(), ..weak };
        check(name, &plus(&bare("ada"), weak).0, Err(CertProblem::Weak));
        check(&format!("{name}, beside a good one"), &plus(&good, again).0, Ok(first.clone()));
    }

    check("of an unknown kind", &from_the_future(&bare("ada"), later), Err(CertProblem::Unusable));
    check("of an unknown kind, beside a good one", &from_the_future(&good, later), Ok(first));
    // Post-quantum, as its owner made it: whoever has such a key reads with it.
    let pqc = Key6::generate_mlkem768_x25519().unwrap();
    let six = v6("ada");
    let (newest, handle) = plus(&six, Sub { key: Key::V6(pqc), ..sub(later) });
    check("a post-quantum subkey", &newest, Ok(handle));
    let all = with("ada", |b| {
        b.set_profile(Profile::RFC9580).unwrap().set_cipher_suite(CipherSuite::MLDSA65_Ed25519)
    });
    check("post-quantum throughout", &all, only_subkey(&all));
}

#[test]
fn the_end_is_that_of_the_last_key_that_counts() {
    let until = |days: u32| Sub { lives: Some(NOW.since(BORN) + DAY * days), ..sub(BORN) };
    let ends = |cert: &openpgp::Cert| public(cert).expires(NOW);
    let in_days = |days: u32| Some(NOW.after(DAY * days));
    let (one, _) = plus(&bare("ada"), until(30));
    assert_eq!(ends(&one), in_days(30));
    let (two, longer) = plus(&one, until(90));
    assert_eq!(ends(&two), in_days(90), "that one of two ends changes nothing");
    let (ever, endless) = plus(&two, sub(BORN));
    assert_eq!(ends(&ever), None);
    let revoked = subkey_revoked(&ever, &endless, NOW.before(DAY), ReasonForRevocation::KeySuperseded);
    assert_eq!(ends(&revoked), in_days(90), "a revoked key does not hide the end of the others");
    let both = subkey_revoked(&revoked, &longer, NOW.before(DAY), ReasonForRevocation::KeySuperseded);
    assert_eq!(ends(&both), in_days(30));
    assert_eq!(ends(&from_the_future(&one, BORN)), in_days(30), "nor does one that nobody knows");
    let (weak, _) = plus(&one, Sub { hash: HashAlgorithm::SHA1, ..sub(BORN) });
    assert_eq!(ends(&weak), in_days(30), "nor a weak one");
    let (bound, _) = plus(&bare("ada"), Sub { bound: Some(NOW.since(BORN) + DAY * 7), ..sub(BORN) });
    assert_eq!(ends(&bound), in_days(7), "what binds it ends");
}

#[test]
fn two_keys_of_one_second_are_told_apart_whatever_their_order() {
    let list = list(BORN);
    let (one, _) = plus(&bare("ada"), sub(BORN));
    let (two, _) = plus(&one, sub(BORN));
    let mut packets: Vec<Packet> = two.clone().strip_secret_key_material().into_packets().collect();
    let cut = packets.iter().position(|p| matches!(p, Packet::PublicSubkey(_))).unwrap();
    packets[cut..].rotate_left(2);
    let turned = openpgp::Cert::from_packets(packets.into_iter()).unwrap();
    let recipient = |cert: &openpgp::Cert| sealed(&list, &public(cert), None, NOW).unwrap().0;
    assert_eq!(recipient(&two), recipient(&turned));
}

#[test]
fn gpg_s_certificates_by_the_same_rules() {
    let Some(gpg) = Gpg::new() else { return };
    let at = now();
    let long_ago = at.before(100 * DAY);
    let faked = |when: Timestamp| format!("{}!", when.secs());
    let make = |address: &str, primary: &str, subkey: &str, ends: &str, options: &[&str]| {
        let time = faked(long_ago);
        let base = [&["--passphrase", "", "--faked-system-time", &time], options].concat();
        gpg.ok(
            &[base.as_slice(), &["--quick-gen-key", address, primary, "cert,sign", "never"]].concat(),
            b"",
        );
        let export = || Cert::parse(&gpg.ok(&["--export", address], b"")).unwrap();
        let fingerprint = export().fingerprint().to_string();
        gpg.ok(&[base.as_slice(), &["--quick-add-key", &fingerprint, subkey, "encr", ends]].concat(), b"");
        export()
    };
    let plain = make("plain@example.org", "ed25519", "cv25519", "never", &[]);
    assert_eq!((plain.sealable(at), plain.expires(at)), (Ok(()), None));
    let expired = make("expired@example.org", "ed25519", "cv25519", "30d", &[]);
    assert_eq!(expired.sealable(at), Err(CertProblem::Expired { since: long_ago.after(30 * DAY) }));
    assert_eq!(expired.sealable(long_ago.after(DAY)), Ok(()));
    let weak = make("weak@example.org", "rsa1024", "rsa3072", "never", &[]);
    assert_eq!(weak.sealable(at), Err(CertProblem::Weak));
    let weak = make("short@example.org", "ed25519", "rsa1024", "never", &[]);
    assert_eq!(weak.sealable(at), Err(CertProblem::Weak));
    let sha1 = ["--cert-digest-algo", "SHA1", "--allow-weak-digest-algos"];
    let weak = make("sha1@example.org", "rsa3072", "rsa3072", "never", &sha1);
    assert_eq!(weak.sealable(at), Err(CertProblem::Weak));

    // What gpg keeps for the day on which a key is lost: without a reason, hence hard, and by itself no certificate.
    let place = format!("openpgp-revocs.d/{}.rev", plain.fingerprint());
    let kept = std::fs::read_to_string(gpg.home.path().join(place)).unwrap();
    assert!(Cert::handed_in(kept.as_bytes(), Some(&plain)).is_err(), "with gpg's colon it is out of use");
    let revocation = kept.replace(":-----BEGIN", "-----BEGIN");
    let lost = Cert::handed_in(revocation.as_bytes(), Some(&plain)).unwrap();
    assert_eq!(lost.fingerprint(), plain.fingerprint());
    assert_eq!(
        (lost.sealable(at), lost.sealable(long_ago.after(DAY))),
        (Err(CertProblem::Revoked), Err(CertProblem::Revoked))
    );
    assert!(
        Cert::handed_in(revocation.as_bytes(), Some(&expired)).is_err(),
        "another's revocation revokes nothing"
    );

    // The owner extends what had ended.
    let fingerprint = expired.fingerprint().to_string();
    let shown = String::from_utf8(gpg.ok(&["--with-colons", "--list-keys", &fingerprint], b"")).unwrap();
    let subkey = shown.lines().filter_map(|line| line.strip_prefix("fpr:")).nth(1).unwrap().trim_matches(':');
    gpg.ok(&["--passphrase", "", "--quick-set-expire", &fingerprint, "90d", subkey], b"");
    let extended = expired.merge(&Cert::parse(&gpg.ok(&["--export", &fingerprint], b"")).unwrap()).unwrap();
    let at = now();
    assert_eq!(extended.sealable(at), Ok(()));
    let end = extended.expires(at).expect("an end");
    assert!(end.since(at).abs_diff(90 * DAY) < Duration::from_secs(600), "{end}");
}

#[test]
fn a_version_4_certificate_that_advertises_more_gets_what_gpg_reads() {
    let Some(gpg) = Gpg::new() else { return };
    let at = now();
    let list = list(at);
    let advertised = Features::empty().set_seipdv1().set_seipdv2();
    let builder = CertBuilder::general_purpose(["ada <ada@example.org>"])
        .set_profile(Profile::RFC4880)
        .unwrap()
        .set_features(advertised)
        .unwrap()
        .set_creation_time(at.system());
    let ada = builder.generate().unwrap().0;
    let cert = public(&ada);
    let versions = |copy: &[u8]| {
        let pile = openpgp::PacketPile::from_bytes(copy).unwrap();
        let of = |packet: &Packet| match packet {
            Packet::PKESK(PKESK::V3(_)) => ("PKESK", 3),
            Packet::PKESK(PKESK::V6(_)) => ("PKESK", 6),
            Packet::SEIP(seip) => ("SEIPD", seip.version()),
            _ => ("something else", 0),
        };
        pile.children().map(of).collect::<Vec<_>>()
    };
    let (_, usual) = sealed(&list, &cert, None, at).unwrap();
    assert_eq!(versions(&usual), [("PKESK", 3), ("SEIPD", 1)], "whatever it advertises");
    let (_, chosen) = sealed(&list, &cert, Some(Format::V2), at).unwrap();
    assert_eq!(versions(&chosen), [("PKESK", 6), ("SEIPD", 2)], "the contact chose it");
    let (_, six) = sealed(&list, &public(&v6("ada")), Some(Format::V1), at).unwrap();
    assert_eq!(versions(&six), [("PKESK", 6), ("SEIPD", 2)], "version 6 has no choice");

    let secret = openpgp::serialize::SerializeInto::to_vec(&ada.as_tsk()).unwrap();
    gpg.ok(&["--import"], &secret);
    gpg.ok(&["--import"], list.cert().armored().as_bytes());
    let path = gpg.file("copy.gpg", &usual);
    assert_eq!(gpg.ok(&["--decrypt", path.to_str().unwrap()], b""), ENTITY);
}
