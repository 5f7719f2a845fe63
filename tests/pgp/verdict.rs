//! Verdicts: what counts as signed by whom.

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use openpgp::types::HashAlgorithm;
use vouchsafe::id::Fingerprint;
use vouchsafe::mime::read::read;
use vouchsafe::mime::scan::scan;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::keyring::{KeyDir, ListKey};
use vouchsafe::pgp::open::{Closed, How, Opened, Signers, Verdict, Why, open_by};
use vouchsafe::pgp::seal::{Reader, seal_to_readers, sign};
use vouchsafe::secret::Plaintext;

use crate::common::*;

#[test]
fn signed_in_one_step_is_good() {
    let (list, ada) = (list(BORN), person("ada"));
    for packets in [signed(ENTITY, &[by(&ada)]), compressed(&signed(ENTITY, &[by(&ada)]))] {
        for form in [Form::V1, Form::V2, Form::Wildcard] {
            let raw = mail(&encrypted(&packets, &[list.cert()], form));
            let opened = open_raw(&raw, &list, &[public(&ada)], NOW);
            assert_eq!(opened.how(), How::PgpMime);
            assert_eq!(opened.verdict(), &good(&ada, NOW));
            assert_eq!(opened.payload().expose(), ENTITY);
            assert!(opened.signature_digest().is_some() && opened.session_digest().is_some());
        }
    }
}

#[test]
fn version_6_signers_are_good_too() {
    let (list, cyd) = (list(BORN), v6("cyd"));
    assert_eq!(send(&signed(ENTITY, &[by(&cyd)]), &list, &[&cyd]).verdict(), &good(&cyd, NOW));
}

#[test]
fn multipart_signed_inside_is_good_and_what_gateways_did_to_its_line_ends_is_undone() {
    let (list, ada) = (list(BORN), person("ada"));
    let part = b"Content-Type: text/plain\r\n\r\nOne line.\r\nAnother.";
    let exact = multipart_signed(part, &detached(part, &by(&ada)));
    let unix = String::from_utf8(exact.clone()).unwrap().replace("\r\n", "\n").into_bytes();
    for entity in [exact, unix] {
        let opened = send(&signed(&entity, &[]), &list, &[&ada]);
        assert_eq!(opened.verdict(), &good(&ada, NOW));
        assert_eq!(opened.payload().expose(), entity, "the payload stays as it came");
    }
    let altered = multipart_signed(b"Content-Type: text/plain\r\n\r\nOther.", &detached(part, &by(&ada)));
    assert_eq!(send(&signed(&altered, &[]), &list, &[&ada]).verdict(), &Verdict::Bad(Why::Invalid));
}

#[test]
fn clear_signed_mail_has_a_verdict_and_stays_as_it_came() {
    let (list, ada) = (list(BORN), person("ada"));
    let entity = multipart_signed(ENTITY, &detached(ENTITY, &by(&ada)));
    let raw = [b"From: ada@example.org\r\nMIME-Version: 1.0\r\n", entity.as_slice()].concat();
    let opened = open_raw(&raw, &list, &[public(&ada)], NOW);
    assert_eq!((opened.how(), opened.verdict()), (How::Clear, &good(&ada, NOW)));
    assert_eq!(opened.payload().expose(), raw);
    assert!(opened.session_digest().is_none());

    let plain = b"From: ada@example.org\r\n\r\nHello.\r\n";
    let opened = open_raw(plain, &list, &[public(&ada)], NOW);
    assert_eq!((opened.how(), opened.verdict()), (How::Clear, &Verdict::Unsigned));
}

#[test]
fn inline_armor_opens_as_text() {
    let (list, ada) = (list(BORN), person("ada"));
    let armor = armored(&encrypted(&signed(b"Hello.", &[by(&ada)]), &[list.cert()], Form::V1));
    let raw = [b"From: ada@example.org\r\nContent-Type: text/plain\r\n\r\n", armor.as_slice()].concat();
    let opened = open_raw(&raw, &list, &[public(&ada)], NOW);
    assert_eq!((opened.how(), opened.verdict()), (How::Inline, &good(&ada, NOW)));
    assert_eq!(opened.payload().expose(), b"Hello.");
}

#[test]
fn a_signature_is_bound_to_its_time() {
    let (list, ada) = (list(BORN), person("ada"));
    let verdict = |when| send(&signed(ENTITY, &[at(&ada, when)]), &list, &[&ada]).verdict().clone();
    let oldest = NOW.before(DAY * 7);
    assert_eq!(verdict(oldest), good(&ada, oldest));
    assert_eq!(verdict(oldest.before(seconds(1))), Verdict::Bad(Why::Stale));
    let youngest = NOW.after(seconds(300));
    assert_eq!(verdict(youngest), good(&ada, youngest));
    assert_eq!(verdict(youngest.after(seconds(1))), Verdict::Bad(Why::Future));
}

#[test]
fn strangers_are_named_by_their_key() {
    let (list, ada, eve) = (list(BORN), person("ada"), person("eve"));
    let opened = send(&signed(ENTITY, &[by(&eve)]), &list, &[&ada]);
    let Verdict::UnknownKey(keys) = opened.verdict() else { panic!("{:?}", opened.verdict()) };
    let expected: Vec<_> = eve.keys().map(|key| key.key().fingerprint().to_hex()).collect();
    assert!(keys.iter().any(|key| expected.contains(key)), "{keys:?}");
    assert_eq!(opened.payload().expose(), ENTITY, "readable all the same");
    assert_eq!(send(&signed(ENTITY, &[]), &list, &[&ada]).verdict(), &Verdict::Unsigned);
}

#[test]
fn two_certificates_of_one_person_are_one_word() {
    let (list, old, new, eve) = (list(BORN), person("ada"), person("ada"), person("eve"));
    let ours: Vec<_> = [&old, &new].iter().map(|key| public(key).fingerprint()).collect();
    let certs = [public(&old), public(&new), public(&eve)];
    let one = |signers: &[Fingerprint]| signers.iter().all(|signer| ours.contains(signer));
    let verdict = |signed: &[u8]| {
        let raw = mail(&encrypted(signed, &[list.cert()], Form::V1));
        let message = read(scan(&raw, &limits().mime).unwrap()).ok().unwrap();
        let signers = Signers { certs: &certs, are_one: &one };
        open_by(&message, &list, signers, NOW, &limits()).verdict().clone()
    };
    let both = verdict(&signed(ENTITY, &[by(&old), by(&new)]));
    assert!([good(&old, NOW), good(&new, NOW)].contains(&both), "{both:?}");
    let strange = verdict(&signed(ENTITY, &[by(&old), by(&new), by(&eve)]));
    assert_eq!(strange, Verdict::Bad(Why::SeveralSigners));
}

#[test]
fn two_signers_are_one_too_many() {
    let (list, ada, bob) = (list(BORN), person("ada"), person("bob"));
    let opened = send(&signed(ENTITY, &[by(&ada), by(&bob)]), &list, &[&ada, &bob]);
    assert_eq!(opened.verdict(), &Verdict::Bad(Why::SeveralSigners));
    let one_known = send(&signed(ENTITY, &[by(&ada), by(&bob)]), &list, &[&ada]);
    assert_eq!(one_known.verdict(), &good(&ada, NOW), "a stranger's signature takes nothing away");
}

#[test]
fn layers_of_signatures_are_refused() {
    let (list, ada) = (list(BORN), person("ada"));
    let entity = multipart_signed(ENTITY, &detached(ENTITY, &by(&ada)));
    let both = send(&signed(&entity, &[by(&ada)]), &list, &[&ada]);
    assert_eq!(both.verdict(), &Verdict::Bad(Why::Nested));

    // A signature packet in front of a signed message: notarised.
    let inner = signed(ENTITY, &[by(&ada)]);
    let mut outer = signed(b"", &[by(&ada)]);
    let Ok(pile) = openpgp::PacketPile::from_bytes(&outer) else { panic!() };
    let mut packets = pile.into_children();
    let (Some(ops), _, Some(signature)) = (packets.next(), packets.next(), packets.next()) else { panic!() };
    outer = [ops.to_vec().unwrap(), inner, signature.to_vec().unwrap()].concat();
    assert_eq!(send(&outer, &list, &[&ada]).verdict(), &Verdict::Bad(Why::Nested));
}

#[test]
fn a_signature_over_a_part_covers_nothing() {
    let (list, ada) = (list(BORN), person("ada"));
    let entity = multipart_signed(ENTITY, &detached(ENTITY, &by(&ada)));
    let text = String::from_utf8(entity).unwrap();
    let third = text.replace("\r\n--b1--", "\r\n--b1\r\nContent-Type: text/plain\r\n\r\nunsigned\r\n--b1--");
    let opened = send(&signed(third.as_bytes(), &[]), &list, &[&ada]);
    assert_eq!(opened.verdict(), &Verdict::Bad(Why::PartialCover));

    let literal_after = [signed(ENTITY, &[by(&ada)]), signed(b"and this", &[])].concat();
    let opened = send(&literal_after, &list, &[&ada]);
    assert_eq!(opened.how(), How::Closed(Closed::Damaged), "no OpenPGP message at all");
    let literal_before = [signed(b"and this", &[]), signed(ENTITY, &[by(&ada)])].concat();
    assert_eq!(send(&literal_before, &list, &[&ada]).how(), How::Closed(Closed::Damaged));
}

#[test]
fn intended_recipients_must_include_the_list_on_every_path() {
    let (list, ada, eve) = (list(BORN), person("ada"), person("eve"));
    let ours = openpgp::Cert::from_bytes(&list.cert().to_bytes()).unwrap();
    let to_us = By { intended: Some(&ours), ..by(&ada) };
    let to_eve = By { intended: Some(&eve), ..by(&ada) };
    let combined =
        |by: &By<'_>| send(&signed(ENTITY, std::slice::from_ref(by)), &list, &[&ada]).verdict().clone();
    let inside = |by: &By<'_>| {
        let entity = multipart_signed(ENTITY, &detached(ENTITY, by));
        send(&signed(&entity, &[]), &list, &[&ada]).verdict().clone()
    };
    let clear = |by: &By<'_>| {
        let entity = multipart_signed(ENTITY, &detached(ENTITY, by));
        open_raw(&[b"MIME-Version: 1.0\r\n", entity.as_slice()].concat(), &list, &[public(&ada)], NOW)
            .verdict()
            .clone()
    };
    for path in [&combined as &dyn Fn(&By<'_>) -> Verdict, &inside, &clear] {
        assert_eq!(path(&to_us), good(&ada, NOW));
        assert_eq!(path(&to_eve), Verdict::Bad(Why::ForSomeoneElse));
    }
}

#[test]
fn obsolete_hashes_are_weak_and_broken_signatures_invalid() {
    let (list, ada) = (list(BORN), person("ada"));
    let weak = By { hash: HashAlgorithm::SHA1, ..by(&ada) };
    assert_eq!(send(&signed(ENTITY, &[weak]), &list, &[&ada]).verdict(), &Verdict::Bad(Why::Weak));

    let other = b"Content-Type: text/plain\r\n\r\nNot what was signed at all!!!!.\r\n";
    let packets = signed(ENTITY, &[by(&ada)]);
    let position = packets.windows(ENTITY.len()).position(|window| window == ENTITY).unwrap();
    let mut forged = packets.clone();
    forged[position..position + ENTITY.len()].copy_from_slice(&other[..ENTITY.len()]);
    assert_eq!(send(&forged, &list, &[&ada]).verdict(), &Verdict::Bad(Why::Invalid));
}

#[test]
fn the_list_is_no_poster_even_when_the_roster_says_so() {
    let (list, ada) = (list(BORN), person("ada"));
    let own = sign(&Plaintext::new(ENTITY.to_vec()).into(), &list, NOW, &[]).unwrap();
    let to_itself = [Reader { cert: list.cert(), format: None }];
    let (classes, _) = seal_to_readers(own, &to_itself, NOW).unwrap();
    let back = [classes[0].copies[0].key.as_bytes(), classes[0].body.as_bytes()].concat();
    for certs in [vec![public(&ada)], vec![public(&ada), std::sync::Arc::new(list.cert().clone())]] {
        let opened = open_raw(&mail(&back), &list, &certs, NOW);
        assert_eq!(opened.verdict(), &Verdict::Bad(Why::NotASigner));
        assert_eq!(opened.payload().expose(), ENTITY);
    }
}

fn digests(opened: &Opened) -> (Vec<u8>, [u8; 32]) {
    (opened.signature_digest().unwrap().to_vec(), opened.session_digest().unwrap())
}

#[test]
fn a_replay_keeps_its_digest_through_fresh_encryption_and_unhashed_changes() {
    let (list, ada) = (list(BORN), person("ada"));
    let packets = signed(ENTITY, &[by(&ada)]);
    let (digest, session) = digests(&send(&packets, &list, &[&ada]));
    let (again, other_session) = digests(&send(&packets, &list, &[&ada]));
    assert_eq!(digest, again);
    assert_ne!(session, other_session, "another ciphertext");

    let mut children: Vec<_> = openpgp::PacketPile::from_bytes(&packets).unwrap().into_children().collect();
    let Some(Packet::Signature(signature)) = children.last_mut() else { panic!() };
    signature.unhashed_area_mut().clear();
    let issuer = openpgp::packet::signature::subpacket::SubpacketValue::Issuer(ada.keyid());
    let issuer = openpgp::packet::signature::subpacket::Subpacket::new(issuer, false).unwrap();
    signature.unhashed_area_mut().add(issuer).unwrap();
    let changed: Vec<u8> = children.iter().flat_map(|packet| packet.to_vec().unwrap()).collect();
    assert_ne!(changed, packets);
    let opened = send(&changed, &list, &[&ada]);
    assert_eq!((opened.verdict(), digests(&opened).0), (&good(&ada, NOW), digest.clone()));

    let next = send(&signed(ENTITY, &[at(&ada, NOW.before(seconds(1)))]), &list, &[&ada]);
    assert_ne!(digests(&next).0, digest, "signed anew is no replay");
}

#[test]
fn the_same_ciphertext_twice_has_the_same_session_digest() {
    let list = list(BORN);
    let raw = mail(&encrypted(&signed(ENTITY, &[]), &[list.cert()], Form::V1));
    let [one, two] = [(); 2].map(|()| open_raw(&raw, &list, &[], NOW).session_digest().unwrap());
    assert_eq!(one, two);
}

#[test]
fn a_former_key_opens_and_is_an_intended_recipient_still() {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    let name = "security".parse().unwrap();
    let former: Cert = keys.create_list(&name, &ids(), &passphrase(), BORN).unwrap();
    let new = with("security", |builder| builder);
    let export = Plaintext::new(new.as_tsk().to_vec().unwrap());
    let current = keys.import_list(&name, &export, None, &passphrase(), NOW).unwrap();
    assert_ne!(former.fingerprint(), current.fingerprint());

    let list: ListKey = keys.load_list(&name, &passphrase()).unwrap();
    assert_eq!(list.cert().fingerprint(), current.fingerprint());
    let ada = person("ada");
    let old = openpgp::Cert::from_bytes(&former.to_bytes()).unwrap();
    let packets = signed(ENTITY, &[By { intended: Some(&old), ..by(&ada) }]);
    let raw = mail(&encrypted(&packets, &[&former], Form::V1));
    assert_eq!(open_raw(&raw, &list, &[public(&ada)], NOW).verdict(), &good(&ada, NOW));
}
