//! Mails whose structure exhausts: on the outside, where the session refuses them, and inside the encryption.

use sequoia_openpgp::Cert;

use crate::outside::install::ANNOUNCE;
use crate::outside::mail::pgp_mime;
use crate::outside::openpgp::sign_encrypt;
use crate::packets::*;
use crate::stage::{ADA, Becomes, Bomb};

/// A mail in the clear to this list (RFC 5321 §4.2: 550, and 554 for a transaction).
const CLEAR: Becomes = Becomes::Refused(&[550, 554]);
const TOO_COMPLEX: Becomes = Becomes::Held("cannot-open:too-complex");

pub(crate) fn all(ada: &Cert, list: &Cert) -> Vec<Bomb> {
    let inside = |name, payload: &str, becomes| {
        let armor = sign_encrypt(ada, list, payload.as_bytes());
        Bomb { name, mail: pgp_mime(ADA, ANNOUNCE, &armor), becomes }
    };
    let mut bombs = outside();
    bombs.extend(structures(&inside));
    bombs.extend(fields(&inside));
    bombs.extend(contents(&inside));
    bombs
}

/// To the relay itself: parts without end, and a command with a certificate of five megabytes.
pub(crate) fn requests(ada: &Cert, list: &Cert) -> Vec<Bomb> {
    let command = format!("VOUCHSAFE {}\r\n", "a".repeat(26));
    let inside = |name, payload: &str| {
        let armor = sign_encrypt(ada, list, payload.as_bytes());
        Bomb { name, mail: pgp_mime(ADA, ANNOUNCE, &armor), becomes: Becomes::Relayed }
    };
    vec![
        inside("a request of 100,000 parts", &wide()),
        inside("a command with 5 MB of a certificate", &with_key().replace("hello\r\n", &command)),
    ]
}

type Inside<'a> = &'a dyn Fn(&'static str, &str, Becomes) -> Bomb;

/// What the session sees.
fn outside() -> Vec<Bomb> {
    let head = format!("From: {ADA}\r\nTo: {ANNOUNCE}\r\nMIME-Version: 1.0\r\n");
    let outside = |name, mail: &str| Bomb { name, mail: (head.clone() + mail).into_bytes(), becomes: CLEAR };
    vec![
        outside("40,000 parts deep", &deep()),
        outside("100,000 parts wide", &wide()),
        outside("a million header fields", &(many_fields() + "\r\n")),
        outside("one long header field", &format!("X: {}\r\n\r\n", "y".repeat(10 << 20))),
        outside("5 MB of a certificate in the clear", &with_key()),
    ]
}

/// Parts and headers.
fn structures(inside: Inside<'_>) -> Vec<Bomb> {
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(40_000);
    let boundary = "b".repeat(90_000);
    let lines = format!("--{}\r\n", "b".repeat(89_999)).repeat(50);
    let long = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n{lines}");
    let parameters = "; a*0*=utf-8''b".repeat(6_000);
    vec![
        inside("40,000 messages deep inside", &messages, TOO_COMPLEX),
        inside("40,000 parts deep inside", &deep(), TOO_COMPLEX),
        inside("100,000 parts wide inside", &wide(), TOO_COMPLEX),
        inside("a million header fields inside", &(many_fields() + "\r\nhello"), TOO_COMPLEX),
        inside("a long boundary", &long, Becomes::Relayed),
        inside(
            "parameters without end",
            &format!("Content-Type: text/plain{parameters}\r\n\r\nhello\r\n"),
            Becomes::Relayed,
        ),
    ]
}

/// Values of single fields.
fn fields(inside: Inside<'_>) -> Vec<Bomb> {
    let with = |name, field: &str, value: String| {
        let head = "Content-Type: text/plain; protected-headers=\"v1\"";
        inside(name, &format!("{head}\r\n{field}: {value}\r\n\r\nhello\r\n"), Becomes::Relayed)
    };
    vec![
        with("comments in comments", "From", "(".repeat(90_000)),
        with("groups in groups", "From", "a:".repeat(45_000)),
        with("references without end", "References", "<a@b> ".repeat(15_000)),
        with("encoded words without end", "Subject", "=?utf-8?q?a?= ".repeat(6_000)),
    ]
}

/// Bodies.
fn contents(inside: Inside<'_>) -> Vec<Bomb> {
    let signatures = String::from_utf8(armored("SIGNATURE", &many_signatures())).unwrap();
    let with_signatures = format!(
        "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n\
         --b\r\n{TEXT}--b\r\nContent-Type: application/pgp-signature\r\n\r\n{signatures}--b--\r\n"
    );
    let html = format!("Content-Type: text/html\r\n\r\n{}", "<a".repeat(1 << 20));
    let dashes = format!("Content-Type: text/plain\r\n\r\n{}", " ----".repeat(1 << 20));
    vec![
        inside("5 MB of a certificate attached", &with_key(), Becomes::Relayed),
        inside("150,000 signatures beside a text", &with_signatures, Becomes::Held("bad-signature:nested")),
        inside("less-than signs without end", &html, Becomes::Relayed),
        inside("nearly armor, without end", &dashes, Becomes::Relayed),
    ]
}

const TEXT: &str = "Content-Type: text/plain\r\n\r\nhello\r\n";

fn many_fields() -> String {
    "X: y\r\n".repeat(1_000_000)
}

fn with_key() -> String {
    let keys = String::from_utf8(armored("PUBLIC KEY BLOCK", &many_signatures())).unwrap();
    format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{TEXT}--b\r\n\
         Content-Type: application/pgp-keys\r\nContent-Disposition: attachment\r\n\r\n{keys}--b--\r\n"
    )
}

fn deep() -> String {
    (0..40_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")).collect()
}

fn wide() -> String {
    let part = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n";
    format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(100_000))
}

/// About five megabytes of signatures.
fn many_signatures() -> Vec<u8> {
    signature_4(0x10, &[5, 2, 0x60, 0, 0, 0], 22, &[integer(8), integer(8)].concat()).repeat(150_000)
}
