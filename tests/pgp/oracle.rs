//! Every byte of real messages changed, and parts of them moved, cut off or renamed: one name for all of it, and not a
//! byte of plaintext.

use sequoia_openpgp as openpgp;

use openpgp::PacketPile;
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use vouchsafe::pgp::keyring::ListKey;
use vouchsafe::pgp::open::{Closed, How, Limits, Verdict, open};

use crate::common::*;
use crate::gpg::Gpg;

/// Opens it; none if it opened. A closed one gives back what came and nothing else.
fn closed(ciphertext: &[u8], list: &ListKey) -> Option<Closed> {
    let raw = mail(ciphertext);
    let opened = open_raw(&raw, list, &[], NOW);
    let How::Closed(why) = opened.how() else { return None };
    assert_eq!(opened.payload().expose(), raw);
    assert_eq!(opened.verdict(), &Verdict::Unsigned);
    assert!(opened.signature_digest().is_none() && opened.session_digest().is_none());
    assert!(opened.detached_signature().is_none());
    Some(why)
}

/// A packet of any type, with a length of five octets (RFC 9580 §4.2.1.3).
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xC0 | tag, 0xFF], &len[..], body].concat()
}

/// The bodies of a message's two packets: wrapped key and container.
fn bodies(message: &[u8]) -> [Vec<u8>; 2] {
    let pile = PacketPile::from_bytes(message).unwrap();
    let bodies: Vec<Vec<u8>> = pile
        .children()
        .map(|packet| {
            let bytes = packet.to_vec().unwrap();
            // RFC 9580 §4.2.1: what the library writes has a header of the present form.
            let head = match bytes[1] {
                0..192 => 2,
                192..224 => 3,
                _ => 6,
            };
            bytes[head..].to_vec()
        })
        .collect();
    bodies.try_into().unwrap()
}

fn message(key: &[u8], container: &[u8]) -> Vec<u8> {
    [packet(1, key), packet(18, container)].concat()
}

/// The same messages by two programs, in both forms of integrity protection.
fn messages(list: &ListKey, content: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let ada = person("ada");
    let packets = signed(content, &[by(&ada)]);
    let mut all = vec![
        ("Sequoia, SEIPDv1", encrypted(&packets, &[list.cert()], Form::V1)),
        ("Sequoia, SEIPDv1, compressed", encrypted(&compressed(&packets), &[list.cert()], Form::V1)),
        ("Sequoia, SEIPDv2", encrypted(&packets, &[list.cert()], Form::V2)),
    ];
    if let Some(gpg) = Gpg::new() {
        for (name, compression) in [("GnuPG", "none"), ("GnuPG, compressed", "zlib")] {
            all.push((name, gpg.encrypt_to(list.cert(), compression, content)));
        }
    }
    all
}

/// Behind version, key id or fingerprint, and algorithm, which everybody sees (RFC 9580 §5.1).
fn secret_part(key: &[u8]) -> usize {
    match key[0] {
        3 => 1 + 8 + 1,
        6 => 1 + 1 + usize::from(key[1]) + 1,
        other => panic!("a key of version {other}"),
    }
}

#[test]
fn every_byte_of_a_container_has_one_name_whatever_changes_in_it() {
    let list = list(BORN);
    for (name, whole) in messages(&list, ENTITY) {
        let [key, container] = bodies(&whole);
        assert_eq!(closed(&message(&key, &container), &list), None, "{name}: intact it opens");
        // Version, and in version 2 cipher, mode and chunk size, are seen by everybody.
        let seen = if container[0] == 1 { 1 } else { 4 };
        for at in seen..container.len() {
            for bits in [1 << (at % 8), 0xFF] {
                if bits == 0xFF && at % 4 != 0 {
                    continue;
                }
                let mut bad = container.clone();
                bad[at] ^= bits;
                assert_eq!(
                    closed(&message(&key, &bad), &list),
                    Some(Closed::Damaged),
                    "{name}: byte {at}, {bits:#x}"
                );
            }
        }
        for len in seen..container.len() {
            let cut = message(&key, &container[..len]);
            assert_eq!(closed(&cut, &list), Some(Closed::Damaged), "{name}: cut at {len}");
        }
        let longer = [&container[..], &[0]].concat();
        assert_eq!(closed(&message(&key, &longer), &list), Some(Closed::Damaged), "{name}: a byte more");
    }
}

#[test]
fn every_byte_of_a_wrapped_session_key_has_one_name() {
    let list = list(BORN);
    for (name, whole) in messages(&list, ENTITY) {
        let [key, container] = bodies(&whole);
        let mut damaged = 0;
        // The bit count of a curve's point, its first octet, which the count speaks of, and the length behind it have to
        // fit each other: that everybody sees, too.
        let first = secret_part(&key);
        let seen = [first, first + 1, first + 2, first + 2 + 33];
        for at in first..key.len() {
            let bits = if at % 2 == 0 { 0x01 } else { 0x80 };
            let mut bad = key.clone();
            bad[at] ^= bits;
            match closed(&message(&bad, &container), &list) {
                Some(Closed::Damaged) => damaged += 1,
                // The count may be sloppy, and a curve's point has a bit that does not count.
                None => {}
                Some(_) if seen.contains(&at) => {}
                Some(other) => panic!("{name}: byte {at} of the key, {bits}: {other:?}, {bad:02x?}"),
            }
        }
        assert!(damaged > (key.len() - secret_part(&key)) * 4 / 5, "{name}: {damaged}");
    }
}

#[test]
fn random_places_of_a_large_message_have_the_same_name() {
    let list = list(BORN);
    let content = [ENTITY, &b"0123456789 0123456789 0123456789\r\n".repeat(2000)].concat();
    // Made up, and the same in every run.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap()
    };
    for (name, whole) in messages(&list, &content) {
        let [key, container] = bodies(&whole);
        let seen = if container[0] == 1 { 1 } else { 4 };
        for _ in 0..150 {
            let mut bad = container.clone();
            let at = seen + next() % (bad.len() - seen);
            match next() % 3 {
                0 => bad[at] ^= 1 << (next() % 8),
                1 => bad.truncate(at),
                _ => drop(bad.remove(at)),
            }
            assert_eq!(closed(&message(&key, &bad), &list), Some(Closed::Damaged), "{name}: at {at}");
        }
    }
}

#[test]
fn chunks_that_were_moved_doubled_or_left_out_are_noticed() {
    let list = list(BORN);
    let content = [ENTITY, &b"0123456789abcdef".repeat(1 << 20)].concat();
    let whole = encrypted(&signed(&content, &[]), &[list.cert()], Form::V2);
    let [key, container] = bodies(&whole);
    // RFC 9580 §5.13.2: version, cipher, mode, chunk size, salt; chunks with a tag each; the last tag.
    let (head, rest) = container.split_at(4 + 32);
    let chunk = (1_usize << (head[3] + 6)) + 16;
    let (chunks, last) = rest.split_at(rest.len() - 16);
    let chunks: Vec<&[u8]> = chunks.chunks(chunk).collect();
    assert!(chunks.len() >= 3, "{} chunks", chunks.len());
    let put = |order: &[usize], last: &[u8]| {
        let body: Vec<u8> = order.iter().flat_map(|n| chunks[*n].to_vec()).collect();
        message(&key, &[head, &body, last].concat())
    };
    let all: Vec<usize> = (0..chunks.len()).collect();
    assert_eq!(closed(&put(&all, last), &list), None, "as it was it opens");
    let with = |change: &dyn Fn(&mut Vec<usize>)| {
        let mut order = all.clone();
        change(&mut order);
        order
    };
    for (name, order) in [
        ("swapped", with(&|order| order.swap(0, 1))),
        ("the first left out", with(&|order| order.retain(|n| *n != 0))),
        ("one between left out", with(&|order| order.retain(|n| *n != 1))),
        ("the last left out", with(&|order| order.truncate(all.len() - 1))),
        ("doubled", with(&|order| order.insert(1, 0))),
        ("none left", Vec::new()),
    ] {
        assert_eq!(closed(&put(&order, last), &list), Some(Closed::Damaged), "{name}");
    }
    assert_eq!(closed(&put(&all, &[]), &list), Some(Closed::Damaged), "no last tag");
    let mut wrong = last.to_vec();
    wrong[15] ^= 1;
    assert_eq!(closed(&put(&all, &wrong), &list), Some(Closed::Damaged), "a wrong last tag");
}

#[test]
fn renaming_the_container_is_refused_without_a_look_inside() {
    let list = list(BORN);
    for (name, whole) in messages(&list, ENTITY) {
        let [key, container] = bodies(&whole);
        if container[0] != 1 {
            continue;
        }
        // Intact and tampered with alike: nothing is decrypted.
        for tail in [0, 1] {
            let mut content = container[1..].to_vec();
            *content.last_mut().unwrap() ^= tail;
            let renamed = [packet(1, &key), packet(9, &content)].concat();
            assert_eq!(closed(&renamed, &list), Some(Closed::Weak), "{name}");
            // Without the prefix, or without the MDC (RFC 9580 §5.13.1), as the known attacks do it.
            for part in [&content[18..], &content[..content.len() - 22]] {
                let renamed = [packet(1, &key), packet(9, part)].concat();
                assert_eq!(closed(&renamed, &list), Some(Closed::Weak), "{name}");
            }
        }
    }
}

#[test]
fn what_does_not_unpack_has_the_name_of_what_was_tampered_with() {
    let list = list(BORN);
    let packed = compressed(&signed(ENTITY, &[]));
    let broken: Vec<Vec<u8>> = (4..packed.len())
        .step_by(3)
        .map(|at| {
            let mut bad = packed.clone();
            bad[at] ^= 0x55;
            bad
        })
        .collect();
    for form in [Form::V1, Form::V2] {
        for bad in &broken {
            // The container is intact; what its author put in is not.
            let name = closed(&encrypted(bad, &[list.cert()], form), &list);
            // A stream that was packed so is still one with other bytes in it, as long as it has an end.
            assert!(matches!(name, Some(Closed::Damaged) | None), "{name:?}");
        }
        for bad in [&packed[..packed.len() / 2], &packed[..packed.len() - 1], b"\xC8\x05\x01junk"] {
            assert_eq!(closed(&encrypted(bad, &[list.cert()], form), &list), Some(Closed::Damaged));
        }
    }
}

#[test]
fn garbled_bytes_that_unpack_to_too_much_are_damaged_and_not_too_large() {
    let list = list(BORN);
    let content = [ENTITY, &b"0123456789 0123456789 0123456789\r\n".repeat(1000)].concat();
    let tight = Limits { decompressed: 10_000, ..limits() };
    let open = |ciphertext: &[u8]| {
        let raw = mail(ciphertext);
        let scanned = vouchsafe::mime::scan::scan(&raw, &tight.mime).unwrap();
        let read = vouchsafe::mime::read::read(scanned).unwrap();
        open(&read, &list, &[], NOW, &tight).how()
    };
    for form in [Form::V1, Form::V2] {
        let whole = encrypted(&signed(&content, &[]), &[list.cert()], form);
        assert_eq!(open(&whole), How::Closed(Closed::TooLarge), "its author made it so");
        let mut bad = whole;
        *bad.last_mut().unwrap() ^= 1;
        assert_eq!(open(&bad), How::Closed(Closed::Damaged), "the name would tell what is inside");
    }
}
