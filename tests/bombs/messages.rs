//! OpenPGP messages made to exhaust, as PGP/MIME to the announce list.

use sequoia_openpgp::Cert;

use crate::outside::install::ANNOUNCE;
use crate::outside::mail::pgp_mime;
use crate::packets::*;
use crate::stage::{ADA, Becomes, Bomb};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nhello\r\n";
const TOO_LARGE: Becomes = Becomes::Held("cannot-open:too-large");
const TOO_COMPLEX: Becomes = Becomes::Held("cannot-open:too-complex");
const NOT_OPENPGP: Becomes = Becomes::Held("cannot-open:not-openpgp");
const DAMAGED: Becomes = Becomes::Held("cannot-open:damaged");
const NO_KEY: Becomes = Becomes::Held("cannot-open:no-key");
const TOO_MANY_KEYS: Becomes = Becomes::Held("cannot-open:too-many-keys");

/// A compressed packet that unpacks to itself, by Taylor R Campbell.
const QUINE: &str = "a0b401000300fcffa0b401000d00f2ff000300fcffa0b401000d00f2ff8270a01c00000500faff8270a01c00000500faff\
    000500faff001400ebff8270a01c00000500faff000500faff001400ebff428821c400001400ebff428821c400001400ebff428821c4000014\
    00ebff428821c400001400ebff428821c400000000ffff000000ffff000b00f4ff428821c400000000ffff000000ffff000b00f4ff02332\
    14c40000100feff000233214c40000100feff0000";

pub(crate) fn all(ada: &Cert, list: &Cert) -> Vec<Bomb> {
    let inside = |name, packets: &[u8], becomes| bomb(name, &encrypted(packets, list), becomes);
    let mut bombs = expanding(ada, &inside);
    bombs.extend(flooding(ada, &inside));
    bombs.extend(of_keys(list));
    bombs.extend(armors(list));
    bombs
}

fn bomb(name: &'static str, message: &[u8], becomes: Becomes) -> Bomb {
    Bomb { name, mail: pgp_mime(ADA, ANNOUNCE, &armored("MESSAGE", message)), becomes }
}

type Inside<'a> = &'a dyn Fn(&'static str, &[u8], Becomes) -> Bomb;

/// What unpacks to far more than it is.
fn expanding(ada: &Cert, inside: Inside<'_>) -> Vec<Bomb> {
    const MIB: &[u8] = &[0; 1 << 20];
    let quine = data_encoding::HEXLOWER.decode(QUINE.as_bytes()).unwrap();
    let nested = (0..12).fold(literal(TEXT), |packets, _| compressed(&packets));
    let zeros = |times| compressed_many(&endless_literal(), MIB, times);
    let [one_pass, _, signature] = signed(ada, TEXT);
    // RFC 9580 §4.2.1.4: a literal in pieces of one byte; the first has as many as it must have.
    let pieces = [&[0xC0 | LITERAL, 0xE9][..], b"b\0\0\0\0\0", TEXT, &vec![b'x'; 506 - TEXT.len()]].concat();
    let ones = [0xE0, b'x'].repeat(1 << 19);
    // Of what goes on far beyond the limit it is not looked whether it is what the author wrote: it has the name of what
    // is not.
    vec![
        bomb("a quine", &quine, NOT_OPENPGP),
        inside("a quine inside", &quine, TOO_COMPLEX),
        inside("compressed twice", &compressed(&compressed(&literal(TEXT))), TOO_COMPLEX),
        inside("compressed twelve times", &nested, TOO_COMPLEX),
        inside("a gibibyte of zeros, compressed twice", &compressed(&zeros(1024)), TOO_COMPLEX),
        inside("a gibibyte of zeros", &zeros(1024), DAMAGED),
        inside("a hundred mebibytes of zeros", &zeros(100), TOO_LARGE),
        inside("four gibibytes of zeros", &zeros(4096), DAMAGED),
        inside(
            "a gibibyte of zeros, signed",
            &compressed_many(&[&one_pass[..], &endless_literal()].concat(), MIB, 1024),
            DAMAGED,
        ),
        inside(
            "zeros behind a signed text",
            &[one_pass, literal(TEXT), signature, compressed_many(&[], &literal(MIB), 300)].concat(),
            DAMAGED,
        ),
        inside("a literal in pieces of one byte", &[&pieces[..], &ones.repeat(4), &[0]].concat(), UNSIGNED),
        inside("compressed pieces of one byte", &compressed_many(&pieces, &ones, 100), TOO_COMPLEX),
    ]
}

/// Packets without end.
fn flooding(ada: &Cert, inside: Inside<'_>) -> Vec<Bomb> {
    let text = literal(TEXT);
    let [one_pass, _, signature] = signed(ada, TEXT);
    let marker = packet(MARKER, b"PGP");
    let padding = packet(PADDING, &vec![0; 1 << 20]);
    // RFC 9580 §5.2.3.1: subpackets of one octet, private, as many as the library takes into memory.
    let subpackets = signature_6(&[1, 101].repeat((1 << 15) - 1));
    let notations =
        signature_4(0, &[&[255, 0, 0, 0, 9, 20], &[0; 8][..]].concat().repeat(4000), 1, &integer(2048));
    let critical = signature_4(0, &[2, 0x80 | 100, 0].repeat(20_000), 1, &integer(2048));
    let attribute = packet(USER_ATTRIBUTE, &[1, 101].repeat(400_000));
    let floods = |name, piece: &[u8], times, becomes| {
        inside(name, &compressed_many(&piece.repeat(times), &[], 0), becomes)
    };
    let before = |piece: &[u8], times| [piece.repeat(times), text.clone()].concat();
    vec![
        inside("a million markers", &compressed_many(&[], &before(&marker, 100_000), 10), TOO_COMPLEX),
        inside("a thousand paddings", &compressed_many(&[], &padding, 1000), DAMAGED),
        inside("a hundred thousand one-pass signatures", &before(&one_pass, 100_000), DAMAGED),
        inside("five thousand signatures in front", &before(&signature, 5000), DAMAGED),
        inside(
            "five thousand signatures behind",
            &[one_pass.clone(), text.clone(), signature.repeat(5000)].concat(),
            DAMAGED,
        ),
        floods("subpackets without end", &subpackets, 8, TOO_COMPLEX),
        inside("subpackets without end on a text", &compressed(&before(&subpackets, 8)), TOO_COMPLEX),
        inside("notations without end", &compressed(&before(&notations, 8)), TOO_COMPLEX),
        inside("critical subpackets that nobody knows", &compressed(&before(&critical, 8)), TOO_COMPLEX),
        inside("ten thousand user attributes", &compressed_many(&attribute, &attribute, 10_000), DAMAGED),
        bomb("a million markers outside", &marker.repeat(1_000_000), TOO_COMPLEX),
    ]
}

/// What makes private keys or passwords work.
fn of_keys(list: &Cert) -> Vec<Bomb> {
    let content = encrypted(&literal(TEXT), list);
    let sealed = packet(SEIPD, &[&[1][..], &[7; 400]].concat());
    // RFC 9580 §5.1.1: for whoever can open it. The point (§11.2.1) is one that a key can be agreed on with.
    let hidden = [&[3][..], &[0; 8], &[18], &[1, 7, 0x40], &[9; 32], &[48], &[5; 48]].concat();
    let hidden = packet(PKESK, &hidden);
    let rsa = packet(PKESK, &[&[3][..], &[0; 8], &[1], &integer(u16::MAX)].concat());
    // RFC 9580 §3.7.1.4: 255 passes over 2 TiB.
    let argon2 = [&[4][..], &[1; 16], &[255, 255, 31]].concat();
    let v4 = packet(SKESK, &[&[4, 9][..], &argon2].concat());
    let v5 = packet(SKESK, &[&[5, 9, 2][..], &argon2, &[3; 15], &[4; 48]].concat());
    let v6 = packet(SKESK, &[&[6, 39, 9, 2, 20][..], &argon2, &[3; 15], &[4; 48]].concat());
    let iterated = packet(SKESK, &[4, 9, 3, 10, 1, 2, 3, 4, 5, 6, 7, 8, 255]);
    let passwords = [v4, v5, v6, iterated].concat();
    vec![
        bomb("a thousand keys of nobody", &[hidden.repeat(1000), sealed.clone()].concat(), TOO_COMPLEX),
        bomb("nine hundred keys of nobody", &[hidden.repeat(900), sealed.clone()].concat(), TOO_MANY_KEYS),
        bomb("keys of nobody, and ours", &[hidden.repeat(900), content.clone()].concat(), UNSIGNED),
        bomb("RSA of 65,535 bits", &[rsa.repeat(200), sealed.clone()].concat(), NO_KEY),
        bomb("passwords by Argon2", &[passwords.repeat(100), sealed].concat(), NO_KEY),
        bomb("passwords by Argon2, and our key", &[passwords.repeat(100), content].concat(), UNSIGNED),
    ]
}

const UNSIGNED: Becomes = Becomes::Held("unsigned");

/// Armor that is slow to read.
fn armors(list: &Cert) -> Vec<Bomb> {
    let message = String::from_utf8(armored("MESSAGE", &encrypted(&literal(TEXT), list))).unwrap();
    let with = |name, from: &str, to: String, becomes| {
        let armor = message.replacen(from, &to, 1).into_bytes();
        Bomb { name, mail: pgp_mime(ADA, ANNOUNCE, &armor), becomes }
    };
    let first = "-----\r\n\r\n";
    vec![
        with("armor headers", first, format!("-----\r\n{}\r\n", "Comment: x\r\n".repeat(400_000)), UNSIGNED),
        with(
            "one long armor header",
            first,
            format!("-----\r\nComment: {}\r\n\r\n", "x".repeat(5 << 20)),
            UNSIGNED,
        ),
        with("empty lines in armor", first, format!("-----\r\n\r\n{}", "\r\n".repeat(2_000_000)), UNSIGNED),
        with("spaces in armor", first, format!("-----\r\n\r\n{}", " ".repeat(5 << 20)), UNSIGNED),
    ]
}
