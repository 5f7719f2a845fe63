//! Messages made to deceive or to exhaust: every one stays closed, and nothing of it comes out.

use std::time::{Duration, Instant};

use sequoia_openpgp as openpgp;

use openpgp::PacketPile;
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use vouchsafe::pgp::keyring::ListKey;
use vouchsafe::pgp::open::{Closed, How, Verdict};

use crate::common::*;

/// Opens it, and checks that a closed mail gives back what came and nothing else.
fn closed(ciphertext: &[u8], list: &ListKey) -> Option<Closed> {
    let raw = mail(ciphertext);
    let opened = open_raw(&raw, list, &[], NOW);
    let How::Closed(why) = opened.how() else { return None };
    assert_eq!(opened.payload().expose(), raw);
    assert_eq!(opened.verdict(), &Verdict::Unsigned);
    assert!(opened.signature_digest().is_none() && opened.session_digest().is_none());
    Some(why)
}

fn packets(message: &[u8]) -> Vec<Vec<u8>> {
    let pile = PacketPile::from_bytes(message).unwrap();
    pile.children().map(|packet| packet.to_vec().unwrap()).collect()
}

/// A packet of any type, with a length of five octets (RFC 9580 §4.2.1.3).
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xC0 | tag, 0xFF], &len[..], body].concat()
}

fn bodies(ciphertext: &[u8]) -> usize {
    packets(ciphertext)[0].len()
}

#[test]
fn no_single_flipped_byte_releases_anything() {
    let (list, ada) = (list(BORN), person("ada"));
    for form in [Form::V1, Form::V2] {
        let message = encrypted(&signed(ENTITY, &[by(&ada)]), &[list.cert()], form);
        let body = bodies(&message);
        assert_eq!(closed(&message, &list), None, "intact it opens");
        let mut damaged = 0;
        for at in 0..message.len() {
            let mut bad = message.clone();
            bad[at] ^= 0x10;
            match closed(&bad, &list) {
                Some(Closed::Damaged) => damaged += 1,
                Some(_) => {}
                // The length in front of an MPI may be sloppy; the body behind it is intact then.
                None => assert!(at < body, "byte {at} of {} was not noticed", message.len()),
            }
        }
        assert!(damaged > message.len() * 4 / 5, "{damaged} of {}: one name for tampering", message.len());
    }
}

#[test]
fn tampering_with_the_inside_has_one_name_whatever_it_looks_like_then() {
    let list = list(BORN);
    for _ in 0..4 {
        let message = encrypted(&signed(ENTITY, &[]), &[list.cert()], Form::V1);
        // Behind the body's own head (type, length, version) lies nothing but encrypted content.
        let inside = bodies(&message) + 4;
        for at in inside..message.len() {
            for bits in [0x01, 0x10, 0x40, 0xFF] {
                let mut bad = message.clone();
                bad[at] ^= bits;
                assert_eq!(closed(&bad, &list), Some(Closed::Damaged), "byte {at} of {}", message.len());
            }
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    let list = list(BORN);
    for form in [Form::V1, Form::V2] {
        let message = encrypted(&signed(ENTITY, &[]), &[list.cert()], form);
        for len in 1..message.len() {
            assert!(closed(&message[..len], &list).is_some(), "cut at {len} of {}", message.len());
        }
    }
}

#[test]
fn a_long_message_with_a_bad_end_releases_nothing() {
    let list = list(BORN);
    let long = [ENTITY, &b"0123456789 0123456789 0123456789\r\n".repeat(900_000)].concat();
    assert!(long.len() > 30_000_000);
    for form in [Form::V1, Form::V2] {
        let mut message = encrypted(&signed(&long, &[]), &[list.cert()], form);
        assert_eq!(closed(&message, &list), None, "intact it opens");
        *message.last_mut().unwrap() ^= 1;
        assert_eq!(closed(&message, &list), Some(Closed::Damaged));
    }
}

#[test]
fn data_without_integrity_protection_is_not_decrypted() {
    let list = list(BORN);
    let message = encrypted(&signed(ENTITY, &[]), &[list.cert()], Form::V1);
    let [pkesk, seipd] = &packets(&message)[..] else { panic!() };
    // Behind type, length (RFC 9580 §4.2.1) and version.
    let header = match seipd[1] {
        0..192 => 3,
        192..224 => 4,
        _ => 7,
    };
    let content = &seipd[header..];
    // The classic downgrade: the same ciphertext in a packet type that promises nothing.
    let downgraded = [pkesk.as_slice(), &packet(9, content)].concat();
    assert_eq!(closed(&downgraded, &list), Some(Closed::Weak));
}

#[test]
fn only_one_encryption_layer_is_opened() {
    let list = list(BORN);
    let inner = encrypted(&signed(ENTITY, &[]), &[list.cert()], Form::V1);
    for outer in [Form::V1, Form::V2] {
        let message = encrypted(&inner, &[list.cert()], outer);
        assert_eq!(closed(&message, &list), Some(Closed::Nested));
    }
    let message = encrypted(&compressed(&inner), &[list.cert()], Form::V1);
    assert_eq!(closed(&message, &list), Some(Closed::Nested));
}

#[test]
fn what_is_not_encrypted_is_not_taken_for_it() {
    let (list, ada) = (list(BORN), person("ada"));
    assert_eq!(closed(&signed(ENTITY, &[by(&ada)]), &list), Some(Closed::NotOpenPgp));
    assert_eq!(closed(&compressed(&signed(ENTITY, &[])), &list), Some(Closed::NotOpenPgp));
    assert_eq!(closed(b"no packets here at all", &list), Some(Closed::NotOpenPgp));
}

#[test]
fn mail_for_somebody_else_has_its_own_name() {
    let (ours, theirs) = (list(BORN), list(BORN));
    for form in [Form::V1, Form::V2, Form::Wildcard] {
        let message = encrypted(&signed(ENTITY, &[]), &[theirs.cert()], form);
        assert_eq!(closed(&message, &ours), Some(Closed::NoKey));
    }
}

#[test]
fn private_key_operations_are_counted() {
    let list = list(BORN);
    let keys = |n: usize, form| -> Vec<u8> {
        let one = || packets(&encrypted(&signed(b"", &[]), &[list.cert()], form)).remove(0);
        (0..n).flat_map(|_| one()).collect()
    };
    let message = encrypted(&signed(ENTITY, &[]), &[list.cert()], Form::V1);
    for form in [Form::V1, Form::Wildcard] {
        let many = |n| [keys(n, form), message.clone()].concat();
        // Our own key comes last among those that name us, and before those that name nobody.
        assert_eq!(closed(&many(31), &list), None);
        if form == Form::V1 {
            assert_eq!(closed(&many(32), &list), Some(Closed::TooManyKeys));
        }
    }
    let hidden = encrypted(&signed(ENTITY, &[]), &[list.cert()], Form::Wildcard);
    assert_eq!(closed(&[keys(31, Form::Wildcard), hidden.clone()].concat(), &list), None);
    assert_eq!(closed(&[keys(32, Form::Wildcard), hidden].concat(), &list), Some(Closed::TooManyKeys));
}

#[test]
fn bombs_are_refused_quickly() {
    let list = list(BORN);
    let zeros = vec![0; 80 * 1024 * 1024];
    let marker = packet(10, b"PGP");
    let literal = signed(ENTITY, &[]);
    let one_pass = packets(&signed(ENTITY, &[by(&person("ada"))])).remove(0);
    let bombs = [
        ("a large literal", compressed(&signed(&zeros, &[])), Closed::TooLarge),
        ("padding", compressed(&[packet(21, &zeros), literal.clone()].concat()), Closed::TooComplex),
        ("unknown packet", compressed(&[packet(60, &zeros), literal.clone()].concat()), Closed::Damaged),
        ("padding behind", compressed(&[literal.clone(), packet(21, &zeros)].concat()), Closed::TooComplex),
        ("markers", compressed(&[marker.repeat(100_000), literal.clone()].concat()), Closed::TooComplex),
        ("signatures", compressed(&[one_pass.repeat(1000), literal.clone()].concat()), Closed::TooComplex),
        ("compressed twice", compressed(&compressed(&literal)), Closed::TooComplex),
    ];
    for (name, bomb, expected) in bombs {
        let message = encrypted(&bomb, &[list.cert()], Form::V2);
        let start = Instant::now();
        assert_eq!(closed(&message, &list), Some(expected), "{name}");
        let took = start.elapsed();
        eprintln!("{name}: {} bytes refused in {took:?}", message.len());
        assert!(took < Duration::from_secs(5), "{name} took {took:?}");
    }
    let many = [marker.repeat(100_000), encrypted(&literal, &[list.cert()], Form::V1)].concat();
    assert_eq!(closed(&many, &list), Some(Closed::TooComplex));
}
