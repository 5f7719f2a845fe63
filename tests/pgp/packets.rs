//! Sequences of packets that no honest program writes.

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::signature::subpacket::{NotationDataFlags, Subpacket, SubpacketArea, SubpacketValue};
use openpgp::packet::{Literal, OnePassSig, Signature};
use openpgp::parse::Parse;
use openpgp::types::DataFormat;
use vouchsafe::pgp::open::{Closed, How, Verdict, Why};

use crate::common::*;

const OTHER: &[u8] = b"Content-Type: text/plain\r\n\r\nPay the attacker instead, please.\r\n";

fn plain(key: &openpgp::Cert, content: &[u8]) -> Signature {
    signature(signer(key, NOW), NOW, content, &|builder| builder)
}

fn opening(signature: &Signature) -> Packet {
    OnePassSig::try_from(signature).unwrap().into()
}

#[test]
fn what_is_one_message_by_the_grammar_is_read_and_judged() {
    let (list, ada, bob) = (list(BORN), person("ada"), person("bob"));
    let (own, other) = (plain(&ada, ENTITY), plain(&ada, OTHER));
    let by_bob = plain(&bob, OTHER);
    let good = good(&ada, NOW);
    let invalid = Verdict::Bad(Why::Invalid);
    let cases: [(&str, Vec<Packet>, Verdict); 6] = [
        ("one pass", vec![opening(&own), literal(ENTITY), own.clone().into()], good.clone()),
        // RFC 9580 §10.3 has this order, which the library does not verify and no program of today writes.
        ("signature first", vec![own.clone().into(), literal(ENTITY)], invalid.clone()),
        (
            "over another literal",
            vec![opening(&other), literal(ENTITY), other.clone().into()],
            invalid.clone(),
        ),
        ("the same, in the old order", vec![other.clone().into(), literal(ENTITY)], invalid.clone()),
        (
            "a stranger to this text beside it",
            vec![opening(&by_bob), opening(&own), literal(ENTITY), own.clone().into(), by_bob.clone().into()],
            good.clone(),
        ),
        ("nothing signed", vec![literal(ENTITY)], Verdict::Unsigned),
    ];
    for (what, packets, verdict) in cases {
        let opened = send(&serialized(&packets), &list, &[&ada, &bob]);
        assert_eq!((opened.how(), opened.verdict()), (How::PgpMime, &verdict), "{what}");
        assert_eq!(opened.payload().expose(), ENTITY, "{what}");
        assert_eq!(opened.detached_signature().is_some(), what == "one pass", "{what}");
    }
}

#[test]
fn what_is_no_single_message_shows_nothing() {
    let (list, ada) = (list(BORN), person("ada"));
    let own = plain(&ada, ENTITY);
    let whole = || vec![opening(&own), literal(ENTITY), own.clone().into()];
    let and = |mut packets: Vec<Packet>, more: Vec<Packet>| {
        packets.extend(more);
        packets
    };
    for (what, packets) in [
        ("a literal behind the signature", and(whole(), vec![literal(OTHER)])),
        ("a literal in front", and(vec![literal(OTHER)], whole())),
        (
            "two literals under one signature",
            vec![opening(&own), literal(ENTITY), literal(OTHER), own.clone().into()],
        ),
        (
            "two literals, the signed one last",
            vec![opening(&own), literal(OTHER), literal(ENTITY), own.clone().into()],
        ),
        ("two messages", and(whole(), whole())),
        ("two literals", vec![literal(ENTITY), literal(OTHER)]),
        ("a signature that follows nothing", and(whole(), vec![own.clone().into()])),
        ("an opening alone", vec![opening(&own), literal(ENTITY)]),
        ("a signature alone", vec![own.clone().into()]),
        ("the signature behind, without its opening", vec![literal(ENTITY), own.clone().into()]),
    ] {
        let opened = send(&serialized(&packets), &list, &[&ada]);
        assert_eq!(opened.how(), How::Closed(Closed::Damaged), "{what}");
        assert_eq!(opened.verdict(), &Verdict::Unsigned, "{what}");
        assert!(opened.detached_signature().is_none() && opened.signature_digest().is_none(), "{what}");
        let shown = opened.payload().expose();
        assert!(shown.starts_with(b"From: ada@example.org\r\n"), "{what}: the mail as it came, and no more");
    }
}

/// A signature with more in its unhashed area than its maker put there: anybody can add that.
fn with_unhashed(signature: &Signature, values: Vec<SubpacketValue>) -> Signature {
    let mut changed = signature.clone();
    for value in values {
        changed.unhashed_area_mut().add(Subpacket::new(value, false).unwrap()).unwrap();
    }
    changed
}

#[test]
fn what_is_added_outside_the_hash_changes_nothing() {
    let (list, ada, bob) = (list(BORN), person("ada"), person("bob"));
    let eve = person("eve");
    let shape = |builder: SignatureBuilder| builder.set_intended_recipients([eve.fingerprint()]).unwrap();
    let to_eve = signature(signer(&ada, NOW), NOW, ENTITY, &shape);
    let ours = openpgp::Cert::from_bytes(&list.cert().to_bytes()).unwrap().fingerprint();
    let by_bob = signer(&bob, NOW).public().fingerprint();
    let day = openpgp::types::Duration::seconds(24 * 3600);
    let notation = openpgp::packet::signature::subpacket::NotationData::new(
        "injected@example.org",
        b"x\n[GNUPG:] GOODSIG AAAAAAAAAAAAAAAA Ada",
        NotationDataFlags::empty().set_human_readable(),
    );
    let digest = |made: &Signature| {
        let opened = send(&one_pass(made, ENTITY), &list, &[&ada, &bob]);
        (opened.verdict().clone(), opened.signature_digest().map(<[u8]>::to_vec))
    };
    let own = plain(&ada, ENTITY);
    let untouched = digest(&own);
    assert_eq!(untouched.0, good(&ada, NOW));
    for (what, value) in [
        ("another issuer", SubpacketValue::IssuerFingerprint(by_bob.clone())),
        ("another issuer by id", SubpacketValue::Issuer(by_bob.clone().into())),
        (
            "an older time",
            SubpacketValue::SignatureCreationTime((NOW.before(DAY * 30)).system().try_into().unwrap()),
        ),
        ("a term", SubpacketValue::SignatureExpirationTime(day)),
        ("another recipient", SubpacketValue::IntendedRecipient(eve.fingerprint())),
        ("a notation", SubpacketValue::NotationData(notation)),
        ("a user id", SubpacketValue::SignersUserID(b"bob <bob@example.org>".to_vec())),
    ] {
        assert_eq!(digest(&with_unhashed(&own, vec![value])), untouched, "{what}");
    }
    let helped = with_unhashed(&to_eve, vec![SubpacketValue::IntendedRecipient(ours)]);
    assert_eq!(digest(&helped).0, Verdict::Bad(Why::ForSomeoneElse), "nobody adds a recipient");
    let renamed = with_unhashed(&plain(&eve, ENTITY), vec![SubpacketValue::IssuerFingerprint(by_bob)]);
    assert_eq!(digest(&renamed).0, Verdict::Bad(Why::Invalid), "nobody makes it another's");
}

#[test]
fn what_is_added_outside_the_hash_does_not_travel_on() {
    let (list, ada) = (list(BORN), person("ada"));
    let own = plain(&ada, ENTITY);
    let user = SubpacketValue::SignersUserID(b"[GNUPG:] GOODSIG".to_vec());
    let opened = send(&one_pass(&with_unhashed(&own, vec![user]), ENTITY), &list, &[&ada]);
    let armored = opened.detached_signature().unwrap().armored();
    let Packet::Signature(passed_on) = Packet::from_bytes(armored).unwrap() else { panic!() };
    let tags = |area: &SubpacketArea| area.iter().map(|subpacket| subpacket.tag()).collect::<Vec<_>>();
    assert_eq!(passed_on.hashed_area(), own.hashed_area());
    assert!(tags(passed_on.unhashed_area()).iter().all(|tag| tags(own.unhashed_area()).contains(tag)));
    assert_eq!(passed_on.get_issuers().len(), own.get_issuers().len());
}

#[test]
fn the_name_and_date_of_the_literal_are_nobody_s_word() {
    let (list, ada) = (list(BORN), person("ada"));
    let mut named = Literal::new(DataFormat::Unicode);
    named.set_body(ENTITY.to_vec());
    named.set_filename(b"[GNUPG:] GOODSIG AAAAAAAAAAAAAAAA Ada\n_CONSOLE").unwrap();
    named.set_date(NOW.before(DAY * 900).system()).unwrap();
    for (made, verdict) in [(None, Verdict::Unsigned), (Some(plain(&ada, ENTITY)), good(&ada, NOW))] {
        let mut packets: Vec<Packet> = vec![named.clone().into()];
        if let Some(made) = made {
            packets.insert(0, opening(&made));
            packets.push(made.into());
        }
        let opened = send(&serialized(&packets), &list, &[&ada]);
        assert_eq!(opened.verdict(), &verdict);
        assert_eq!(opened.payload().expose(), ENTITY, "the text alone");
    }
}

#[test]
fn an_unknown_signer_names_few_keys() {
    let (list, eve) = (list(BORN), person("eve"));
    let many: Vec<_> = (0..500u64)
        .map(|n| SubpacketValue::Issuer(openpgp::KeyID::from(0xbad0_0000_0000_0000 + n)))
        .collect();
    let opened = send(&one_pass(&with_unhashed(&plain(&eve, ENTITY), many), ENTITY), &list, &[]);
    let Verdict::UnknownKey(keys) = opened.verdict() else { panic!("{:?}", opened.verdict()) };
    assert!(keys.len() <= 4, "{} keys", keys.len());
    assert_eq!(keys[0], signer(&eve, NOW).public().fingerprint().to_hex(), "the signed one first");
}
