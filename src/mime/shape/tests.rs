//! Shapes, one by one.

use super::super::scan::{Outer, outer};
use super::*;

const ARMOR: &str = "-----BEGIN PGP MESSAGE-----\r\n\r\nwcFMA6\r\n-----END PGP MESSAGE-----";
const ROOT: &str =
    "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n";
const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
const WORDS: &str = "This mail was scanned and found clean.";
const CONTROL: &str = "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n";

fn data(body: &str) -> String {
    format!("Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n{body}\r\n")
}

fn multipart(root: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
    format!("{root}{parts}--b--\r\n")
}

fn shape(mail: &str) -> &'static str {
    let shape = decide(&Entity::of(mail.as_bytes()));
    match &shape {
        Shape::PgpMime { ciphertext: found, beside: None } | Shape::Inline { armor: found } => {
            assert_eq!(**found, *ARMOR.as_bytes());
            if matches!(shape, Shape::Inline { .. }) { "inline" } else { "pgp/mime" }
        }
        Shape::PgpMime { ciphertext: found, beside: Some(text) } => {
            assert_eq!(**found, *ARMOR.as_bytes());
            assert!(text.ends_with(WORDS.as_bytes()), "the part as it came");
            "pgp/mime beside text"
        }
        Shape::Signed => "signed",
        Shape::Clear => "clear",
        Shape::Mixed => "mixed",
    }
}

#[test]
fn accepts_pgp_mime_as_the_sole_part() {
    assert_eq!(shape(&multipart(ROOT, &[CONTROL, &data(ARMOR)])), "pgp/mime");
    let preamble = format!("{ROOT}This is an OpenPGP/MIME encrypted message.\r\n");
    assert_eq!(shape(&multipart(&preamble, &[CONTROL, &data(ARMOR)])), "pgp/mime");
    let base64 = data_encoding::BASE64.encode(ARMOR.as_bytes());
    let encoded = format!("Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n{base64}\n");
    assert_eq!(shape(&multipart(ROOT, &[CONTROL, &encoded]).replace("\r\n", "\n")), "pgp/mime");
}

#[test]
fn takes_binary_ciphertext_as_it_is() {
    let mail = multipart(ROOT, &[CONTROL, &data("@")]).into_bytes();
    let mail: Vec<u8> = mail.into_iter().map(|b| if b == b'@' { 0xc1 } else { b }).collect();
    assert!(
        matches!(decide(&Entity::of(&mail)), Shape::PgpMime { ciphertext, .. } if *ciphertext == [0xc1, b'\r', b'\n'])
    );
}

#[test]
fn what_gateways_leave_of_it_is_understood() {
    let (data, text) = (data(ARMOR), |body: &str| format!("Content-Type: text/plain\r\n\r\n{body}\r\n"));
    let (empty, proton) = (text(" \u{a0}\r\n"), text("Empty Message"));
    let html = "Content-Type: text/html\r\n\r\n<html><head><meta charset=\"utf-8\"></head><body><p>&nbsp;</p></body></html>\r\n";
    let both = format!(
        "Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n{empty}\r\n--a\r\n{html}\r\n--a--\r\n"
    );
    let emptied = CONTROL.replace("Version: 1", "");
    let version = text("Version: 1");
    let as_text = data.replace("application/octet-stream", "text/plain");
    let whole = multipart(ROOT, &[CONTROL, &data]).replace("=b\r", "=i\r").replace("--b", "--i");
    for (why, mail) in [
        ("an empty text in front", multipart(MIXED, &[&empty, CONTROL, &data])),
        ("reordered", multipart(MIXED, &[&data, CONTROL, &empty])),
        ("only retyped", multipart(MIXED, &[CONTROL, &data])),
        ("an empty text behind", multipart(MIXED, &[CONTROL, &data, &empty])),
        ("ProtonMail Bridge", multipart(MIXED, &[&proton, CONTROL, &data])),
        ("empty HTML", multipart(MIXED, &[html, CONTROL, &data])),
        ("empty text and HTML", multipart(MIXED, &[&both, CONTROL, &data])),
        ("the control part emptied", multipart(MIXED, &[&emptied, &data])),
        ("the control part's type lost", multipart(MIXED, &[&version, &data])),
        ("the data's type lost", multipart(MIXED, &[CONTROL, &as_text])),
        ("wrapped whole", multipart(MIXED, &[&whole])),
        ("wrapped whole beside nothing", multipart(MIXED, &[&empty, &whole])),
        ("wrong order", multipart(ROOT, &[&data, CONTROL])),
        ("the control part taken away", multipart(ROOT, &[&data])),
        ("protocol lost", multipart(&ROOT.replace("protocol", "x"), &[CONTROL, &data])),
    ] {
        assert_eq!(shape(&mail), "pgp/mime", "{why}");
    }
    assert_eq!(shape(&multipart(MIXED, &[&text(ARMOR)])), "inline");
    assert_eq!(shape(&multipart(MIXED, &[&text(ARMOR), &empty])), "inline");
}

#[test]
fn session_and_relay_agree_on_what_is_too_much() {
    let empty = "Content-Type: text/plain\r\n\r\n";
    for (empties, wanted) in [(9, "pgp/mime"), (10, "mixed"), (13, "mixed")] {
        let data = data(ARMOR);
        let mut parts = vec![empty; empties];
        parts.extend([CONTROL, &data]);
        let mail = multipart(MIXED, &parts);
        assert_eq!(shape(&mail), wanted, "{empties}");
        assert_eq!(outer(mail.as_bytes()) == Outer::PgpMime, wanted == "pgp/mime", "{empties}");
    }
    let long = format!("X: {}\r\n{}", "y".repeat(150 << 10), multipart(MIXED, &[CONTROL, &data(ARMOR)]));
    assert_eq!(shape(&long), "pgp/mime");
    assert_eq!(outer(long.as_bytes()), Outer::PgpMime);
}

#[test]
fn a_multipart_may_be_without_its_header_if_nothing_else_is_there() {
    let whole = multipart(ROOT, &[CONTROL, &data(ARMOR)]);
    let (_, body) = whole.split_once("\r\n\r\n").unwrap();
    for lost in [
        "Subject: x",
        "Content-Type: text/plain",
        "Content-Type: multipart/encrypted",
        "Content-Type: multipart/mixed",
    ] {
        assert_eq!(shape(&format!("{lost}\r\n\r\n\r\n{body}")), "pgp/mime", "{lost}");
        assert_eq!(shape(&format!("{lost}\r\n\r\nhello\r\n{body}")), "mixed", "{lost}");
        assert_eq!(shape(&format!("{lost}\r\n\r\n{body}hello\r\n")), "mixed", "{lost}");
    }
    let base64 = data_encoding::BASE64.encode(body.as_bytes());
    let head = "Content-Transfer-Encoding: base64\r\n";
    assert_eq!(shape(&format!("{head}{ROOT}{base64}\r\n")), "pgp/mime");
    let text = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n";
    assert_eq!(shape(&format!("Subject: x\r\n\r\n{text}{body}")), "mixed");
}

#[test]
fn a_short_text_in_front_is_set_apart_and_nothing_else_is() {
    let text = format!("Content-Type: text/plain\r\n\r\n{WORDS}");
    let data = data(ARMOR);
    let whole = multipart(ROOT, &[CONTROL, &data]).replace("=b\r", "=i\r").replace("--b", "--i");
    assert_eq!(shape(&multipart(MIXED, &[&text, CONTROL, &data])), "pgp/mime beside text");
    assert_eq!(shape(&multipart(MIXED, &[&text, &whole])), "pgp/mime beside text");
    let html = text.replace("plain", "html");
    let file = format!("Content-Disposition: attachment; filename=x\r\n{text}");
    let armored = format!("{text}\r\n> {ARMOR}");
    let long = format!("{text}{}", "x".repeat(5000));
    for (why, mail) in [
        ("behind", multipart(MIXED, &[CONTROL, &data, &text])),
        ("behind the whole", multipart(MIXED, &[&whole, &text])),
        ("between", multipart(MIXED, &[CONTROL, &text, &data])),
        ("twice", multipart(MIXED, &[&text, &text, CONTROL, &data])),
        ("around", multipart(MIXED, &[&text, &whole, &text])),
        ("markup", multipart(MIXED, &[&html, CONTROL, &data])),
        ("a file", multipart(MIXED, &[&file, CONTROL, &data])),
        ("quoted armor", multipart(MIXED, &[&armored, CONTROL, &data])),
        ("long", multipart(MIXED, &[&long, CONTROL, &data])),
        ("no control part", multipart(MIXED, &[&text, &data])),
        ("two of them", multipart(MIXED, &[&text, &whole, &whole])),
        ("inside as well", multipart(MIXED, &[&text, &whole, CONTROL, &data])),
        ("inside the encrypted one", multipart(ROOT, &[&text, CONTROL, &data])),
        ("alternatives", multipart(&MIXED.replace("mixed", "alternative"), &[&text, CONTROL, &data])),
        ("armor before the first part", multipart(&format!("{MIXED}{ARMOR}\r\n"), &[&text, CONTROL, &data])),
        ("armor behind the last part", format!("{}{ARMOR}\r\n", multipart(MIXED, &[&text, CONTROL, &data]))),
    ] {
        assert_eq!(shape(&mail), "mixed", "{why}");
    }
}

#[test]
fn anything_else_with_ciphertext_is_mixed() {
    let text = "Content-Type: text/plain\r\n\r\nhello\r\n";
    let data = data(ARMOR);
    let whole = multipart(ROOT, &[CONTROL, &data]);
    let mixed = "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n";
    let message = "Content-Type: message/rfc822\r\n\r\n";
    let version = CONTROL.replace(": 1", ": 2");
    let two = format!("{ARMOR}\r\n{ARMOR}");
    let encoded = data_encoding::BASE64.encode(whole.as_bytes());
    for (why, mail) in [
        ("three parts", multipart(ROOT, &[CONTROL, &data, text])),
        ("no ciphertext", multipart(ROOT, &[CONTROL])),
        ("a file beside an empty text", multipart(MIXED, &["\r\n", &data])),
        ("version", multipart(ROOT, &[&version, &data])),
        ("ciphertext is text", multipart(ROOT, &[CONTROL, &data.replace(ARMOR, "hello")])),
        ("text beside armor", multipart(ROOT, &[CONTROL, &data.replace(ARMOR, &format!("hi\r\n{ARMOR}"))])),
        ("two armors", multipart(ROOT, &[CONTROL, &data.replace(ARMOR, &two)])),
        ("not closed", whole.replace("--b--", "")),
        ("protocol", whole.replace("\"application/pgp-encrypted\"", "application/x")),
        ("type given twice", format!("Content-Type: multipart/encrypted; boundary=c\r\n{whole}")),
        ("prefix of the boundary", whole.replace("--b--", "--bx\r\n\r\nhello\r\n--b--")),
        ("inside alternatives", format!("{}{whole}--c--\r\n", mixed.replace("mixed", "alternative"))),
        ("forwarded", format!("{message}{whole}")),
        ("forwarded in base64", format!("Content-Transfer-Encoding: base64\r\n{message}{encoded}")),
        ("inline with text", format!("Subject: x\r\n\r\nhello\r\n{ARMOR}\r\n")),
        ("inline twice", format!("Subject: x\r\n\r\n{two}\r\n")),
        ("inline cut off", format!("Subject: x\r\n\r\n{}", ARMOR.trim_end_matches('-'))),
        ("inline in html", format!("Content-Type: text/html\r\n\r\n{ARMOR}\r\n")),
    ] {
        assert_eq!(shape(&mail), "mixed", "{why}");
    }
}

#[test]
fn a_single_text_may_be_inline_armor_in_any_encoding() {
    assert_eq!(shape(&format!("Subject: x\r\n\r\n\r\n{ARMOR}\r\n\r\n")), "inline");
    let base64 = data_encoding::BASE64.encode(ARMOR.as_bytes());
    assert_eq!(shape(&format!("Content-Transfer-Encoding: base64\r\n\r\n{base64}\r\n")), "inline");
    // The encoding's name was lost, or is wrong.
    assert_eq!(shape(&format!("Subject: x\r\n\r\n{base64}\r\n")), "inline");
    assert_eq!(shape(&format!("Subject: x\r\n\r\nhello {base64}\r\n")), "clear");
    for wrong in ["base64", "quoted-printable"] {
        assert_eq!(shape(&format!("Content-Transfer-Encoding: {wrong}\r\n\r\n{ARMOR}\r\n")), "inline");
    }
    // So was the type.
    for ctype in [
        "application/pgp",
        "application/octet-stream",
        "text/x-pgp; charset=utf-16",
        "application/pgp-encrypted",
    ] {
        assert_eq!(shape(&format!("Content-Type: {ctype}\r\n\r\n{ARMOR}\r\n")), "inline", "{ctype}");
    }
    for bom in ["", "\u{feff}"] {
        let utf16: Vec<u8> = format!("{bom}{ARMOR}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16 = data_encoding::BASE64.encode(&utf16);
        assert_eq!(shape(&format!("Content-Transfer-Encoding: base64\r\n\r\n{utf16}\r\n")), "inline");
    }
}

#[test]
fn knows_signed_and_clear() {
    let root = "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n";
    let sig = "Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n";
    assert_eq!(shape(&multipart(root, &["\r\nhello", sig])), "signed");
    assert_eq!(shape(&multipart(root, &[&format!("\r\n{ARMOR}"), sig])), "mixed");
    assert_eq!(shape("Subject: x\r\n\r\n> -----BEGIN PGP MESSAGE-----\r\n"), "clear");
    assert_eq!(shape("Content-Type: application/pkcs7-mime\r\n\r\nMIIB"), "clear");
    assert_eq!(shape("Subject: x\r\n\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n"), "clear");
}

#[test]
fn finds_what_any_mail_program_might_decrypt() {
    let utf16: Vec<u8> = format!("\n{ARMOR}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let base64 = data_encoding::BASE64.encode(&utf16);
    for (why, mail) in [
        ("s/mime", "Content-Type: application/pkcs7-mime\n\nMIIB".to_owned()),
        ("quoted", "\n> -----BEGIN PGP MESSAGE-----\n".to_owned()),
        ("another structure", "\nhello\rContent-Type: multipart/\r encrypted\n".to_owned()),
        ("markup", "Content-Type: text/html\n\n-----BEGIN <b>PGP</b> M&#69;SSAGE-----".to_owned()),
        (
            "utf-16",
            format!(
                "Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n{base64}"
            ),
        ),
        ("utf-7", "Content-Type: text/plain; charset=UTF-7\n\n+AC0-".to_owned()),
    ] {
        assert!(holds(mail.as_bytes(), Look::Anything), "{why}");
        assert!(!holds(mail.as_bytes(), Look::OpenPgp), "{why}");
    }
    let clear = "Content-Type: text/html\n\nencrypted <b>PGP</b> mail and application/pgp-encrypted\n";
    assert!(!holds(clear.as_bytes(), Look::Anything));
}
