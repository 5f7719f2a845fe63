//! What unpacks to more than it is: counted before it is kept, and whole when it is within bounds.

use std::time::{Duration, Instant};

use vouchsafe::mime::read::read;
use vouchsafe::mime::scan::scan;
use vouchsafe::pgp::keyring::ListKey;
use vouchsafe::pgp::open::{Closed, How, Limits, open};

use crate::common::*;

const MIB: usize = 1 << 20;

/// Within the limits of the program, which are larger than those of other tests.
fn opened(packets: &[u8], list: &ListKey, form: Form) -> Result<Vec<u8>, Closed> {
    let raw = mail(&encrypted(packets, &[list.cert()], form));
    let limits = Limits::default();
    let message = read(scan(&raw, &limits.mime).unwrap()).ok().unwrap();
    let opened = open(&message, list, &[], NOW, &limits);
    match opened.how() {
        How::Closed(why) => Err(why),
        _ => Ok(opened.payload().expose().to_vec()),
    }
}

/// Text that shrinks to about a tenth, and is larger than what is unpacked without counting.
fn log(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut text = ENTITY.to_vec();
    while text.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend(format!("2026-11-28 warning: request {} took too long\r\n", state >> 20).bytes());
    }
    text
}

/// A literal in pieces, each of 2^`power` bytes, but for the first, which must have 512 (RFC 9580 §4.2.1.4).
fn in_pieces(text: &[u8], power: u8) -> Vec<u8> {
    let (first, body) = text.split_at(512 - 6);
    let mut out = [&[0xC0 | 11, 224 + 9], &b"b\0\0\0\0\0"[..], first].concat();
    let mut pieces = body.chunks_exact(1 << power);
    for piece in pieces.by_ref() {
        out.push(224 + power);
        out.extend_from_slice(piece);
    }
    let last = pieces.remainder();
    out.push(255);
    out.extend_from_slice(&u32::try_from(last.len()).unwrap().to_be_bytes());
    [out, last.to_vec()].concat()
}

#[test]
fn what_is_compressed_comes_out_whole_however_much_it_is() {
    let (list, text) = (list(BORN), log(20 * MIB));
    for form in [Form::V1, Form::V2] {
        assert!(opened(&compressed(&signed(&text, &[])), &list, form) == Ok(text.clone()));
        assert!(opened(&compressed(&in_pieces(&text, 13)), &list, form) == Ok(text.clone()), "in pieces");
        let by_ada = signed(&text, &[by(&person("ada"))]);
        assert!(opened(&compressed(&by_ada), &list, form) == Ok(text.clone()), "signed");
    }
}

#[test]
fn what_is_far_larger_than_its_ciphertext_is_too_large() {
    let list = list(BORN);
    for form in [Form::V1, Form::V2] {
        let zeros = |mib: usize| [ENTITY, &vec![0; mib * MIB]].concat();
        assert_eq!(opened(&compressed(&signed(&zeros(100), &[])), &list, form), Err(Closed::TooLarge));
        // So much that it is not looked whether it is what the author wrote.
        assert_eq!(opened(&compressed(&signed(&zeros(220), &[])), &list, form), Err(Closed::Damaged));
        // A file that crashes a parser may be one byte, repeated.
        let crash = zeros(40);
        assert!(opened(&compressed(&signed(&crash, &[])), &list, form) == Ok(crash));
    }
}

#[test]
fn a_large_text_in_tiny_pieces_is_too_complex() {
    let (list, text) = (list(BORN), log(20 * MIB));
    for power in [0, 4, 8] {
        let pieces = compressed(&in_pieces(&text, power));
        assert_eq!(opened(&pieces, &list, Form::V2), Err(Closed::TooComplex), "{power}");
    }
    assert!(opened(&compressed(&in_pieces(&text, 9)), &list, Form::V2) == Ok(text));
}

#[test]
fn a_bomb_that_was_tampered_with_is_damaged_and_no_more() {
    let list = list(BORN);
    let mut bomb = encrypted(&compressed(&signed(&vec![0; 100 * MIB], &[])), &[list.cert()], Form::V1);
    *bomb.last_mut().unwrap() ^= 1;
    let opened = open_raw(&mail(&bomb), &list, &[], NOW);
    assert_eq!(opened.how(), How::Closed(Closed::Damaged));
}

#[test]
fn signatures_without_end_cost_no_more_than_their_bytes() {
    let list = list(BORN);
    // RFC 9580 §5.4: version 3, binary, SHA-512, Ed25519 legacy, and not the last.
    let one_pass = [0xC4, 13, 3, 0, 10, 22, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    let last = [0xC4, 13, 3, 0, 10, 22, 1, 2, 3, 4, 5, 6, 7, 8, 1];
    for one in [one_pass, last] {
        let start = Instant::now();
        let packets = [one.repeat(100_000), signed(ENTITY, &[])].concat();
        // So many that it is not looked whether they are what the author wrote.
        assert_eq!(opened(&packets, &list, Form::V1), Err(Closed::Damaged));
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}
