//! Reading: what real and hostile mail is taken for.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::scan::{Limits, header, header_count, outer, scan};
use super::*;

fn scanned(mail: &[u8]) -> Scanned<'_> {
    scan(mail, &Limits::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn shown(text: Option<&Plaintext>) -> Option<String> {
    text.map(|t| String::from_utf8(t.expose().to_vec()).unwrap())
}

fn boxes(list: &[Mailbox]) -> Vec<(Option<String>, Option<&str>)> {
    list.iter().map(|m| (shown(m.name.as_ref()), m.address.as_deref())).collect()
}

fn headers_of(mail: &str) -> Headers {
    read(scanned(mail.as_bytes())).unwrap_or_else(|e| panic!("{e}")).headers()
}

/// All that this room does with a mail that passed the scan.
fn read_all(mail: &[u8], limits: &Limits) {
    let _ = (outer(mail), header_count(mail, "Received"), header(mail, "Subject"));
    let Ok(entity) = scan(mail, limits) else { return };
    let _ = read(entity).map(|message| message.headers());
    let _ = (signed_parts(entity), payload_headers(entity), holds_encrypted(entity), plain_text(entity));
    let _ = read(entity).map(|message| binding_headers(Some(entity), message.headers()));
}

#[test]
fn decodes_headers() {
    let headers = headers_of(
        "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>, \"Ada, L\" <ada@example.org>\r\n\
         From: eve@example.org\r\nTo: team: a@example.org, B <b@example.org>;, c@example.org\r\n\
         Cc: undisclosed-recipients:;\r\nSubject: =?iso-8859-1?Q?caf=E9?=\r\n =?utf-8?B?IQ==?= now\r\n\
         Date: Wed, 18 Nov 2026 12:06:40 +0100\r\nMessage-ID: <one@example.org>\r\n\
         References: <a@x> <b@x>\r\n\t<c@x>\r\nIn-Reply-To: <c@x>\r\nAuto-Submitted: (x) Auto-Replied; a=b\r\n\r\n",
    );
    let from = boxes(&headers.from);
    assert_eq!(from[0], (Some("Jürgen".into()), Some("j@example.org")));
    assert_eq!(from[1], (Some("Ada, L".into()), Some("ada@example.org")));
    assert_eq!(from[2], (None, Some("eve@example.org")));
    let to: Vec<_> = boxes(&headers.to).into_iter().filter_map(|(_, address)| address).collect();
    assert_eq!(to, ["a@example.org", "b@example.org", "c@example.org"]);
    assert!(headers.cc.is_empty());
    assert_eq!(shown(headers.subject.as_ref()).as_deref(), Some("café! now"));
    assert_eq!(headers.date, Some(Timestamp::from_secs(1_795_000_000)));
    assert_eq!(headers.message_id.as_deref(), Some("one@example.org"));
    assert_eq!(headers.references, ["a@x", "b@x", "c@x"]);
    assert_eq!(headers.in_reply_to, ["c@x"]);
    assert!(headers.auto_submitted);
    assert!(!headers_of("Auto-Submitted: no\r\n\r\n").auto_submitted);
}

#[test]
fn decoded_words_bring_in_no_line_ends_and_no_escapes() {
    let headers = headers_of("Subject: =?utf-8?q?a=0D=0ABcc:_x=1B[2J?=\nFrom: =?utf-8?q?a=0Ab?= <a@x>\n\n");
    assert_eq!(shown(headers.subject.as_ref()).as_deref(), Some("a  Bcc: x [2J"));
    assert_eq!(boxes(&headers.from), [(Some("a b".into()), Some("a@x"))]);
}

#[test]
fn bytes_outside_any_charset_are_harmless() {
    read_all(
        b"Subject: =?utf-8?q?=\xff\xfe?=\r\nFrom: =?utf-8?q?=f\xff?= <a\xfe@x>\r\n\r\n",
        &Limits::default(),
    );
}

#[test]
fn long_threads_keep_their_ends() {
    let many: String = (0..300).map(|n| format!(" <{n}@x>\r\n")).collect();
    let headers = headers_of(&format!("References:{many}\r\n"));
    assert_eq!(headers.references.len(), MAX_IDS);
    assert_eq!((&*headers.references[0], &*headers.references[1]), ("0@x", "201@x"));
}

#[test]
fn what_has_no_header_field_is_no_mail() {
    assert!(read(scanned(b"")).is_err());
    assert!(read(scanned(b"hello\r\n")).is_err());
    assert!(read(scanned(b"\r\nSubject: in the body\r\n")).is_err());
    assert!(read(scanned(b"Subject: x")).is_ok());
}

const SIGNED: &str = "Content-Type: multipart/signed; micalg=pgp-sha512;\n protocol=\"application/pgp-signature\"; boundary=s\n\npreamble\n--s\nContent-Type: text/plain; protected-headers=\"v1\"\nSubject: inner\n\nhello  \n\n--s\nContent-Type: application/pgp-signature\nContent-Transfer-Encoding: base64\n\nc2ln\n--s--\n";

#[test]
fn gives_the_signed_bytes_exactly() {
    let exact = "Content-Type: text/plain; protected-headers=\"v1\"\nSubject: inner\n\nhello  \n";
    for (mail, exact) in
        [(SIGNED.to_owned(), exact.to_owned()), (SIGNED.replace('\n', "\r\n"), exact.replace('\n', "\r\n"))]
    {
        let parts = signed_parts(scanned(mail.as_bytes())).unwrap();
        assert_eq!(parts.signed, exact.as_bytes());
        assert_eq!(parts.signature, b"sig");
    }
}

#[test]
fn takes_no_signature_over_something_else() {
    for (why, mail) in [
        ("third part", SIGNED.replace("--s--", "--s\n\nmore\n--s--")),
        ("one part", SIGNED.replace("hello  \n\n--s\n", "")),
        ("another protocol", SIGNED.replace("application/pgp-signature\"", "application/pkcs7-signature\"")),
        ("not a signature", SIGNED.replace("Content-Type: application/pgp-s", "Content-Type: application/s")),
        ("not closed", SIGNED.replace("--s--", "")),
        ("two ideas of a delimiter", SIGNED.replace("hello", "--sx\nhello")),
        ("inside another part", format!("Content-Type: message/rfc822\n\n{SIGNED}")),
    ] {
        assert!(signed_parts(scanned(mail.as_bytes())).is_none(), "{why}");
    }
}

#[test]
fn protected_headers_must_be_declared() {
    let subject = |mail: &str| payload_headers(scanned(mail.as_bytes())).map(|h| shown(h.subject.as_ref()));
    let inner = Some(Some("inner".to_owned()));
    assert_eq!(subject(SIGNED), inner);
    assert_eq!(subject(&SIGNED.replace("; protected-headers=\"v1\"", "")), None);
    let root = SIGNED.replace("; protected-headers=\"v1\"", "").replace("micalg", "hp=cipher; micalg");
    assert_eq!(
        subject(&format!("Subject: root\n{root}")),
        None,
        "no signature covers what stands above its part"
    );
    assert_eq!(subject("Content-Type: text/plain; hp=\"clear\"\nSubject: inner\n\n"), inner);
    assert_eq!(subject("Content-Type: text/plain\nSubject: inner\n\n"), None);
    assert_eq!(
        subject(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; hp=cipher\n\n--b--"
        ),
        None
    );
}

#[test]
fn what_stands_outside_binds_as_far_as_the_scheme_inside_leaves_room() {
    let outside = "From: out@x\nSubject: out\nMessage-ID: <out@x>\nReferences: <ref@x>\n\n";
    let binding = |inside: &str| {
        let headers = binding_headers(Some(scanned(inside.as_bytes())), headers_of(outside));
        let from: Vec<_> = headers.from.into_iter().filter_map(|m| m.address).collect();
        (from.join(","), shown(headers.subject.as_ref()), headers.message_id, headers.references.join(","))
    };
    let some = |text: &str| Some(text.to_owned());
    let bare = |param: &str| format!("Content-Type: text/plain{param}\n\ntext\n");
    let full = |param: &str| {
        let fields = "From: in@x\nSubject: in\nMessage-ID: <in@x>\nIn-Reply-To: <was@x>\n";
        format!("{fields}{}", bare(param))
    };
    // Nobody protects anything: outside it is.
    assert_eq!(binding(&full("")), ("out@x".to_owned(), some("out"), some("out@x"), "ref@x".to_owned()));
    for param in
        ["; hp=cipher", "; hp=\"clear\"", "; protected-headers=v1; hp=cipher", "; protected-headers=v1"]
    {
        assert_eq!(
            binding(&full(param)),
            ("in@x".to_owned(), some("in"), some("in@x"), String::new()),
            "{param}"
        );
    }
    assert_eq!(binding(&bare("; hp=cipher")), (String::new(), None, some("out@x"), String::new()));
    let chosen = binding(&bare("; protected-headers=v1"));
    assert_eq!(chosen, ("out@x".to_owned(), None, some("out@x"), "ref@x".to_owned()));
    assert_eq!(binding(&full("; hp=other")).1, some("out"), "no scheme of that name");
}

#[test]
fn what_repeats_the_headers_for_old_programs_is_no_text_of_the_author() {
    let text = |mail: &str| shown(plain_text(scanned(mail.as_bytes())).as_ref());
    let display =
        "Content-Type: text/plain; hp=cipher; hp-legacy-display=\"1\"\n\nSubject: x\nTo: y\n\nhello\n\nyou\n";
    assert_eq!(text(display).as_deref(), Some("hello\n\nyou\n"));
    assert_eq!(text(&display.replace("\"1\"", "0")).as_deref(), Some("Subject: x\nTo: y\n\nhello\n\nyou\n"));
    for kind in ["plain", "rfc822-headers"] {
        let legacy = format!("--a\nContent-Type: text/{kind}; protected-headers=\"v1\"\n\nSubject: x\n\n");
        let mixed = format!(
            "Content-Type: multipart/mixed; boundary=a; protected-headers=v1\nSubject: x\n\n{legacy}--a\n\nhello\n--a--\n"
        );
        assert_eq!(text(&mixed).as_deref(), Some("hello"), "{kind}");
    }
    let alone = "Content-Type: text/plain; protected-headers=v1\nSubject: x\n\nhello\n";
    assert_eq!(text(alone).as_deref(), Some("hello\n"), "the root is the text itself");
}

#[test]
fn a_text_is_alone_where_nothing_but_its_signature_stands_beside_it() {
    let alone = |mail: &str| is_plain_text_alone(scanned(mail.as_bytes()));
    assert!(alone(SIGNED) && alone("Subject: x\n\nhello\n"));
    let mixed = "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nhello\n--a\n\nmore\n--a--\n";
    assert!(!alone(mixed) && !alone("Content-Type: text/html\n\n<p>"));
    assert!(!alone(&SIGNED.replace("Content-Type: text/plain", "Content-Type: text/html")));
    assert!(!alone(&SIGNED.replace("--s--", "--s\n\nmore\n--s--")));
}

#[test]
fn finds_the_text_that_a_person_wrote() {
    let text = |mail: &str| shown(plain_text(scanned(mail.as_bytes())).as_ref());
    assert_eq!(text(SIGNED).as_deref(), Some("hello  \n"));
    let latin =
        "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ncaf=E9";
    assert_eq!(text(latin).as_deref(), Some("café"));
    let mixed = "Content-Type: multipart/mixed; boundary=a\n\n--a\n";
    let alternative = "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>\n--b\n\nplain\n--b--\n";
    assert_eq!(text(&format!("{mixed}{alternative}--a--")).as_deref(), Some("plain"));
    assert_eq!(text(&format!("{mixed}Content-Disposition: attachment\n\nx\n--a--")), None);
    assert_eq!(text(&format!("{mixed}Content-Type: message/rfc822\n\nSubject: x\n\ny\n--a--")), None);
    assert_eq!(text("Content-Type: text/html\n\n<p>"), None);
}

#[test]
fn nothing_recurses_even_with_limits_off_or_in_encoded_messages() {
    let deep = b"Content-Type: message/rfc822\r\n\r\n".repeat(40_000);
    let base64 = data_encoding::BASE64.encode(&deep);
    let mut mails = vec![deep.clone()];
    for (encoding, body) in [("base64", base64.into_bytes()), ("quoted-printable", deep.clone())] {
        for ctype in ["message/rfc822", "multipart/digest; boundary=b"] {
            let head = format!("Content-Type: {ctype}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
            mails.push([head.as_bytes(), &body].concat());
        }
    }
    let limits = Limits { size: usize::MAX, header_bytes: usize::MAX, depth: usize::MAX, parts: usize::MAX };
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let all = small.spawn(move || mails.iter().for_each(|mail| read_all(mail, &limits))).unwrap();
    all.join().unwrap();
}

#[test]
fn an_encoded_message_is_looked_into_and_bounded() {
    let wrap = |inner: &[u8]| {
        let body = data_encoding::BASE64.encode(inner);
        format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n")
            .into_bytes()
    };
    let clear = wrap(b"Subject: x\r\n\r\nhello\r\n");
    assert!(!holds_encrypted(scanned(&clear)));
    assert!(holds_encrypted(scanned(&wrap(b"Content-Type: multipart/encrypted\r\n\r\n"))));
    assert!(holds_encrypted(scanned(&wrap(&b"Content-Type: message/rfc822\r\n\r\n".repeat(40)))));
    assert!(holds_encrypted(scanned(&wrap(&wrap(&wrap(&clear))))));
}

#[test]
fn hostile_headers_take_no_time() {
    for value in
        ["=?aa?q?", "=?aa?b?", "=?aa", "(", "\"", "<", "\\\"", "a*0=b;", "=?utf-8?q?a?= ", ",", ":;", "<x>"]
    {
        for name in ["Subject", "From", "References", "Date", "Content-Type"] {
            let mail = format!("{name}: {}\r\n\r\n", value.repeat((99 << 10) / value.len()));
            let started = Instant::now();
            read_all(mail.as_bytes(), &Limits::default());
            assert!(started.elapsed() < Duration::from_secs(10), "{name} {value} {:?}", started.elapsed());
        }
    }
}

const REAL: [&str; 3] = [
    SIGNED,
    "Received: from a\r\n\tby b; Wed, 18 Nov 2026 12:06:40 +0100\r\nFrom: =?utf-8?B?SsO8cmdlbg==?= (x) <j@example.org>\r\nDate: Wed, 18 Nov 2026 12:06:40 +0100\r\nMessage-ID: <one@example.org>\r\nReferences: <a@x>\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n\tboundary*0=\"b\"\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nAAAA\r\n-----END PGP MESSAGE-----\r\n\r\n--b--\r\n",
    "Subject: =?iso-8859-1?Q?caf=E9?=\nTo: team: a@x, \"B \\\" (\" <b@x>;\nContent-Type: multipart/mixed; hp=\"cipher\"; boundary=\"=_x\"\n\n--=_x\nContent-Type: text/html; charset=utf-16\nContent-Transfer-Encoding: quoted-printable\n\n<p>&#66;=\n\n--=_x\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKeQ==\n--=_x--\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read_all(&bytes, &Limits::default());
    }

    #[test]
    fn arbitrary_header_values_never_panic(
        name in "From|To|Subject|Date|Message-ID|References|Content-Type|Auto-Submitted",
        value in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(b"=?utf-8?q?B?<>\"\\();:,@*'%/0129+- \n\t".to_vec())],
            0..300,
        ),
    ) {
        read_all(&[name.as_bytes(), b": ", &value, b"\r\n\r\nbody"].concat(), &Limits::default());
    }

    #[test]
    fn mutated_mails_never_panic(
        which in 0_usize..3,
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0_u8..4, any::<u8>(), 0_usize..60), 1..12),
    ) {
        let mut mail = REAL[which].as_bytes().to_vec();
        for (at, how, byte, len) in edits {
            if mail.is_empty() { break; }
            let at = at.index(mail.len());
            let end = (at + len).min(mail.len());
            match how {
                0 => mail[at] = byte,
                1 => mail.insert(at, byte),
                2 => { mail.drain(at..end); }
                _ => { let piece = mail[at..end].to_vec(); mail.splice(at..at, piece); }
            }
        }
        let started = Instant::now();
        read_all(&mail, &Limits::default());
        prop_assert!(started.elapsed() < Duration::from_secs(10));
    }
}
