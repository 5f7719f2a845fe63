//! Writing: what is written reads back as it was meant.

use proptest::prelude::*;

use super::super::read::{Headers, plain_text, read, signed_parts};
use super::super::scan::{Limits, Scanned, scan};
use super::*;

fn scanned(entity: &[u8]) -> Scanned<'_> {
    scan(entity, &Limits::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn read_back(field: &Field) -> Headers {
    let mail = [field.expose(), b"Date: Wed, 18 Nov 2026 12:06:40 +0100\r\n\r\n"].concat();
    let headers = read(scanned(&mail)).unwrap_or_else(|e| panic!("{e}")).headers();
    // Whatever the value holds, the next field is still one.
    assert!(headers.date.is_some());
    headers
}

fn subject(field: &Field) -> String {
    String::from_utf8(read_back(field).subject.unwrap().expose().to_vec()).unwrap()
}

fn shown(field: &Field) -> String {
    String::from_utf8(field.expose().to_vec()).unwrap()
}

/// One field: each line but the first starts with white space and holds more than that (RFC 5322 §2.2.3; white space is
/// space and tab, so a line with nothing but a no-break space is not blank).
fn assert_one_field(field: &Field, longest: usize) {
    let text = shown(field);
    let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    assert!(!text.replace("\r\n", "").contains(char::is_control), "{text:?}");
    assert!(
        lines[1..].iter().all(|line| line.starts_with(' ') && !line.trim_matches([' ', '\t']).is_empty()),
        "{text:?}"
    );
    assert!(lines.iter().all(|line| line.len() <= longest), "{text:?}");
}

#[test]
fn plain_text_stays_as_it_is() {
    assert_eq!(shown(&text_field("Subject", "[KE-2026-0007] hello")), "Subject: [KE-2026-0007] hello\r\n");
    let long = text_field("Subject", "word ".repeat(20).trim_end());
    assert_eq!(shown(&long).split("\r\n").next(), Some(&*format!("Subject:{}", " word".repeat(14))));
    assert_eq!(shown(&text_field("Subject", "")), "Subject: \r\n");
}

#[test]
fn other_text_is_encoded_in_whole_characters() {
    let text = "Überlauf in 🔒 ".repeat(20);
    let field = text_field("Subject", &text);
    assert_one_field(&field, 78);
    for word in shown(&field).trim_start_matches("Subject:").split_whitespace() {
        assert!(word.len() <= 75);
        let inside = word.strip_prefix("=?utf-8?B?").and_then(|w| w.strip_suffix("?=")).unwrap();
        assert!(String::from_utf8(BASE64.decode(inside.as_bytes()).unwrap()).is_ok());
    }
    assert_eq!(subject(&field), text);
}

#[test]
fn nothing_injects_a_field() {
    let evil = "a\r\nBcc: x@example.org\r\n\r\nbody\0\u{85}";
    for field in
        [text_field("Subject", evil), raw_field("To", evil), raw_field("To", &mailbox(Some(evil), evil))]
    {
        assert_one_field(&field, 78);
    }
    assert_eq!(shown(&text_field("Sub\r\nject: x", "y")), "Subjectx: y\r\n");
    assert_eq!(mailbox(Some("a"), "x@example.org>, <y@example.org\r\n"), "a <x@example.org, y@example.org>");
}

#[test]
fn names_are_atoms_quoted_or_encoded() {
    assert_eq!(mailbox(None, "a@example.org"), "a@example.org");
    assert_eq!(mailbox(Some(" "), "a@example.org"), "a@example.org");
    assert_eq!(mailbox(Some("Ada Lovelace"), "a@example.org"), "Ada Lovelace <a@example.org>");
    assert_eq!(mailbox(Some("L, Ada (x)"), "a@example.org"), "\"L, Ada (x)\" <a@example.org>");
    assert_eq!(mailbox(Some("Jürgen"), "a@example.org"), "=?utf-8?B?SsO8cmdlbg==?= <a@example.org>");
}

#[test]
fn a_multipart_holds_its_parts_byte_for_byte() {
    let fields = [text_field("Subject", "x")];
    let parts: [&[u8]; 2] = [b"\r\none\r\n", b"A: b\n\ntwo"];
    let whole = multipart(&fields, "mixed; hp=\"cipher\"", "=_b", &parts);
    let expected = "Subject: x\r\nContent-Type: multipart/mixed; hp=\"cipher\"; boundary=\"=_b\"\r\n\r\n\
        --=_b\r\n\r\none\r\n\r\n--=_b\r\nA: b\n\ntwo\r\n--=_b--\r\n";
    assert_eq!(String::from_utf8(whole.expose().to_vec()).unwrap(), expected);
}

#[test]
fn what_is_written_as_signed_is_read_as_signed() {
    let signature = b"Content-Type: application/pgp-signature\r\n\r\nsig";
    for signed in [text_part("hello\n"), text_part("hello"), b"A: b\n\n--\n\n\n".to_vec(), b"\r\n".to_vec()] {
        let kind = "signed; protocol=\"application/pgp-signature\"";
        let whole = multipart(&[], kind, &boundary([7; 16]), &[&signed, signature]);
        let (front, behind) = multipart_around(kind, &boundary([7; 16]), signature);
        assert_eq!([&front, &*signed, &behind].concat(), whole.expose());
        let parts = signed_parts(scanned(whole.expose())).unwrap();
        assert_eq!((parts.signed, &*parts.signature), (&*signed, &b"sig"[..]));
    }
}

#[test]
fn text_says_how_it_is_written() {
    let head = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ";
    assert_eq!(text_part("a\nb\r\n"), format!("{head}7bit\r\n\r\na\r\nb\r\n").as_bytes());
    let quoted = text_part("From é = \n");
    assert_eq!(quoted, format!("{head}quoted-printable\r\n\r\n=46rom =C3=A9 =3D=20\r\n").as_bytes());
}

#[test]
fn a_forwarded_mail_is_named_by_what_its_bytes_are() {
    let part = |mail: &[u8]| String::from_utf8([&rfc822_head(mail, "attachment"), mail].concat()).unwrap();
    let head = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: ";
    let tail = "\r\nContent-Disposition: attachment\r\n\r\n";
    assert_eq!(part(b"A: b\n\nc"), format!("{head}7bit{tail}A: b\n\nc"));
    assert_eq!(part("A: é".as_bytes()), format!("{head}8bit{tail}A: é"));
    assert_eq!(part(b"A: \0"), format!("{head}binary{tail}A: \0"));
}

/// Found by the property below.
#[test]
fn a_value_of_no_break_spaces_is_one_field() {
    let value = format!("\u{a0}{}\r\n\u{a0}", "x".repeat(63));
    assert_one_field(&raw_field("", &value), 997);
    assert!(!shown(&raw_field("", &value)).contains("\n\r\n"));
}

proptest! {
    #[test]
    fn text_is_read_back_as_it_was(
        name in prop_oneof![Just("Subject".to_owned()), Just("SUBJECT".to_owned())],
        value in prop_oneof![
            "\\PC{0,200}", "[ -~]{0,200}", "( |=|\\?|=\\?utf-8\\?q\\?|a|é|_){0,60}", "[a-z]{60,90}( [a-z]{0,90}){0,3}",
        ],
    ) {
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        let field = text_field(&name, &value);
        assert_one_field(&field, 78);
        prop_assert_eq!(subject(&field), value);
    }

    #[test]
    fn no_value_makes_more_than_one_field(name in any::<String>(), value in any::<String>(), long in 0_usize..3000) {
        let value = format!("{value}{}\r\n{value}", "x".repeat(long));
        for field in [text_field(&name, &value), raw_field(&name, &value), raw_field("To", &mailbox(Some(&value), &name))] {
            assert_one_field(&field, 997);
        }
    }

    #[test]
    fn names_are_read_back_as_they_were(name in prop_oneof!["\\PC{1,80}", "[ -~]{1,80}"]) {
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let headers = read_back(&raw_field("From", &mailbox(Some(&name), "a@example.org")));
        prop_assert_eq!(headers.from.len(), 1);
        prop_assert_eq!(headers.from[0].address.as_deref(), Some("a@example.org"));
        let read = headers.from[0].name.as_ref().map(|n| String::from_utf8(n.expose().to_vec()).unwrap());
        prop_assert_eq!(read.unwrap_or_default(), name.trim());
    }

    #[test]
    fn text_parts_are_read_back_as_they_were(text in "(\\PC{0,90}|From |\t| |\r|\n|=){0,12}") {
        let part = text_part(&text);
        prop_assert!(part.split(|&b| b == b'\n').all(|line| line.len() <= 79 && line.is_ascii()));
        let expected = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        let read = plain_text(scanned(&part)).unwrap();
        prop_assert_eq!(String::from_utf8(read.expose().to_vec()).unwrap(), expected);
    }
}
