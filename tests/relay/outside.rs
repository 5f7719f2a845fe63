//! What stands outside the encryption, and that it is nothing.

use vouchsafe::relay::gate::Reason;
use vouchsafe::relay::world::List;

use crate::support::forge::{Form, encrypted, mail, signed};
use crate::support::keys::as_openpgp;
use crate::support::reader::{Read, field, on_the_wire};
use crate::support::world::{NOW, Posted, Sent, posted};
use crate::{ENTITY, ada_reads, copy_of, setting};

/// The outer header fields there may be, in order; those of a thread only where there is one, and
/// Reply-To only where it is another address.
const ALLOWED: [&str; 15] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Reply-To",
    "Message-ID",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Post",
    "List-Help",
    "Precedence",
    "X-Vouchsafe-List",
    "MIME-Version",
    "Content-Type",
];

fn announcement() -> Posted {
    let setting = setting();
    setting.post(&Sent::to("distrib", &setting.write("distrib", ENTITY, &[setting.by("ada")])))
}

#[test]
fn outside_stand_allowed_fields_alone_and_the_same_for_all() {
    let post = announcement();
    let read = copy_of(&post, "dora", "distrib");
    let names: Vec<_> = read.outer.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<_> =
        ALLOWED.into_iter().filter(|name| !["In-Reply-To", "References"].contains(name)).collect();
    assert_eq!(names, expected);
    let is = |name, value: &str| assert_eq!(field(&read.outer, name), value);
    is("From", "Example Distributors <distrib@lists.example>");
    is("To", "distrib@lists.example");
    is("Subject", "[...]");
    is("Date", "Mon, 21 Sep 2026 14:13:20 +0000");
    is("Reply-To", "security@lists.example");
    is("List-Id", "<distrib.lists.example>");
    is("List-Post", "<mailto:distrib@lists.example>");
    is("List-Help", "<mailto:distrib-request@lists.example>");
    is("X-Vouchsafe-List", "distrib.lists.example");
    for reader in ["rolf", "vera", "ada", "bob"] {
        assert_eq!(copy_of(&post, reader, "distrib").outer, read.outer, "{reader}");
    }
    for index in 0..post.copies.len() {
        let wire = on_the_wire(&post, index);
        assert!(wire.is_ascii());
        let text = String::from_utf8(wire).unwrap();
        assert!(text.split("\r\n").all(|line| line.len() <= 78 && !line.contains(['\r', '\n'])));
    }
}

#[test]
fn inside_stand_protected_headers_as_rfc_9788_wants_them() {
    let read = copy_of(&announcement(), "vera", "distrib");
    let ctype = field(&read.inner, "Content-Type");
    assert!(
        ctype.starts_with("multipart/mixed; hp=\"cipher\"; protected-headers=\"v1\"; boundary="),
        "{ctype}"
    );
    assert_eq!(read.subject(), "[Example Distributors] Overflow");
    assert_eq!(
        field(&read.inner, "From"),
        "Ada of the team via Example Distributors <distrib@lists.example>"
    );
    for same in ["To", "Date", "Reply-To", "Message-ID"] {
        assert_eq!(field(&read.inner, same), field(&read.outer, same));
    }
    // RFC 9788 §2.2: each non-structural outer field, as it stands there.
    let hp: Vec<_> =
        read.inner.iter().filter(|(name, _)| name == "HP-Outer").map(|(_, v)| v.clone()).collect();
    let outer: Vec<_> = read
        .outer
        .iter()
        .filter(|(name, _)| name != "MIME-Version" && name != "Content-Type")
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert_eq!(hp, outer);
}

/// What a reader's program makes of a copy by RFC 9788 §4.2 and §4.3.1: protected fields and, of these, the confidential.
struct ByRfc9788 {
    protected: Vec<(String, String)>,
    confidential: Vec<String>,
}

impl ByRfc9788 {
    fn of(read: &Read) -> Self {
        let structural = |name: &str| name.starts_with("Content-") || name == "MIME-Version";
        let outer: Vec<(String, String)> = read
            .inner
            .iter()
            .filter(|(name, _)| name == "HP-Outer")
            .map(|(_, value)| value.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let there = read.inner.iter().filter(|(name, _)| name != "HP-Outer" && !structural(name));
        let protected: Vec<_> = there.cloned().collect();
        let hidden = protected.iter().filter(|field| !outer.contains(field));
        Self { confidential: hidden.map(|(name, _)| name.clone()).collect(), protected }
    }

    /// Where an answer to all goes (RFC 9788 §6.2: by protected fields alone).
    fn answer_to_all(&self) -> Vec<String> {
        let values = |wanted: &str| -> Vec<String> {
            let named = self.protected.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            named.map(|(_, value)| value.clone()).collect()
        };
        let author = [values("Reply-To"), values("From")].into_iter().find(|v| !v.is_empty()).unwrap();
        let all = [author, values("To"), values("Cc"), values("Mail-Followup-To")].concat();
        let bare = |value: String| {
            value.rsplit_once('<').map_or(value.clone(), |(_, a)| a.trim_end_matches('>').to_owned())
        };
        let mut all: Vec<_> = all.into_iter().map(bare).collect();
        all.sort();
        all.dedup();
        all
    }
}

#[test]
fn a_reader_s_program_hides_the_right_fields_in_its_answer_and_sends_it_to_the_list() {
    // What the author's own fields say, inside and outside, names nobody who gets an answer.
    let astray = "To: eve@eve.example\r\nCc: eve@eve.example\r\nReply-To: eve@eve.example\r\n\
                  Mail-Followup-To: eve@eve.example\r\nList-Post: <mailto:eve@eve.example>\r\n";
    let entity = format!("{astray}{}", std::str::from_utf8(ENTITY).unwrap());
    let setting = setting();
    for (list, answers) in [
        ("security", &["security@lists.example"][..]),
        ("distrib", &["distrib@lists.example", "security@lists.example"]),
    ] {
        let raw = setting.write(list, entity.as_bytes(), &[setting.by("ada")]);
        let raw = [astray.as_bytes(), &raw].concat();
        // On the announce list a mail that names others alone is held first.
        let read = ada_reads(&Sent::to(list, &raw).released(Reason::ForSomeoneElse));
        let program = ByRfc9788::of(&read);
        assert_eq!(program.confidential, ["From", "Subject"], "{list}");
        assert_eq!(program.answer_to_all(), answers, "{list}");
        // A program of the older scheme, or of none, goes by the fields outside: they name the same.
        let outside = ByRfc9788 { protected: read.outer.clone(), confidential: Vec::new() };
        assert_eq!(outside.answer_to_all(), answers, "{list}");
        let post = (String::from("List-Post"), format!("<mailto:{list}@lists.example>"));
        assert!(program.protected.contains(&post), "{list}: {:?}", program.protected);
    }
}

#[test]
fn a_copy_names_where_its_reader_may_answer() {
    let read = copy_of(&announcement(), "dora", "distrib");
    assert!(read.note.contains("Answer to:  security@lists.example\r\n"), "{}", read.note);
    let read = ada_reads(&Sent::to("security", &clear("Subject: x\r\n")));
    assert!(read.note.contains("Answer to:  security@lists.example\r\n"), "{}", read.note);
    for fields in [&read.outer, &read.inner] {
        assert!(fields.iter().all(|(name, value)| name != "Reply-To" && !value.starts_with("Reply-To:")));
    }
}

/// A mail with these header fields outside, in the clear.
fn clear(fields: &str) -> Vec<u8> {
    format!("From: Rita <rita@reporter.example>\r\n{fields}\r\ntext\r\n").into_bytes()
}

fn thread(read: &Read) -> (String, Option<String>, Option<String>) {
    let optional = |name: &str| {
        let there = read.outer.iter().any(|(n, _)| n == name);
        assert_eq!(there, read.inner.iter().any(|(n, _)| n == name), "{name} inside and outside");
        there.then(|| {
            assert_eq!(field(&read.outer, name), field(&read.inner, name));
            field(&read.outer, name)
        })
    };
    (optional("Message-ID").unwrap(), optional("In-Reply-To"), optional("References"))
}

#[test]
fn message_ids_are_keyed_and_threads_hold() {
    let reads = |fields: &str| thread(&ada_reads(&Sent::to("security", &clear(fields))));
    let (first, none, nobody) = reads("Message-ID: <first@host.reporter.example>\r\n");
    assert!((none, nobody) == (None, None));
    assert!(first.ends_with("@lists.example>") && !first.contains("host"), "{first}");
    assert_eq!(reads("Message-ID: <first@host.reporter.example>\r\n").0, first, "the same mail, the same id");

    // A reply names the original where its writer had it, or our copy.
    let by_original = reads(
        "Message-ID: <second@x.example>\r\nIn-Reply-To: <first@host.reporter.example>\r\n\
         References: <first@host.reporter.example>\r\n",
    );
    let by_copy =
        reads(&format!("Message-ID: <second@x.example>\r\nIn-Reply-To: {first}\r\nReferences: {first}\r\n"));
    assert_eq!(by_original, by_copy);
    assert_eq!((by_copy.1, by_copy.2), (Some(first.clone()), Some(first.clone())));

    // Nobody can put words outside behind a tag that he saw.
    let (local, _) = first.trim_matches(['<', '>']).split_once('@').unwrap();
    let told =
        reads(&format!("Message-ID: <a@b.example>\r\nReferences: <{local}@heap-overflow.example>\r\n"));
    assert!(!told.2.unwrap().contains("overflow"));
}

#[test]
fn a_thread_named_inside_beats_the_one_outside() {
    let setting = setting();
    let id =
        |id: &str| thread(&ada_reads(&Sent::to("security", &clear(&format!("Message-ID: <{id}>\r\n"))))).0;
    let outside = "Message-ID: <answer@x.example>\r\nReferences: <outside@x.example>\r\n";
    for (param, fields, expected) in [
        ("hp=\"cipher\"", "In-Reply-To: <inside@x.example>\r\n", Some("inside@x.example")),
        ("hp=\"cipher\"", "", None),
        ("protected-headers=\"v1\"", "In-Reply-To: <inside@x.example>\r\n", Some("inside@x.example")),
        ("protected-headers=\"v1\"", "", Some("outside@x.example")),
    ] {
        let entity = format!("{fields}Content-Type: text/plain; {param}\r\n\r\ntext\r\n");
        let to = [as_openpgp(setting.list_cert("security"))];
        let packets = signed(entity.as_bytes(), &[setting.by("ada")]);
        let raw = mail(outside, &encrypted(&packets, &to, NOW, Form::default()));
        let (own, answers, references) = thread(&ada_reads(&Sent::to("security", &raw)));
        assert_eq!(own, id("answer@x.example"), "{param}: the id outside is what others answer to");
        assert_eq!(answers.or(references), expected.map(id), "{param} {fields}");
    }
}

#[test]
fn a_mail_without_an_id_gets_one_and_a_long_thread_is_shortened() {
    let reads = |fields: &str| thread(&ada_reads(&Sent::to("security", &clear(fields))));
    let (one, other) = (reads("Subject: a\r\n").0, reads("Subject: b\r\n").0);
    assert_ne!(one, other);
    let many: String = (0..60).map(|n| format!(" <m{n}@x.example>\r\n")).collect();
    let references = reads(&format!("Message-ID: <a@b>\r\nReferences:{many}")).2.unwrap();
    let kept: Vec<_> = references.split(' ').collect();
    assert_eq!(kept.len(), 20);
    let id = |n: usize| reads(&format!("Message-ID: <m{n}@x.example>\r\n")).0;
    assert_eq!((kept[0], kept[19], kept[1]), (id(0).as_str(), id(59).as_str(), id(41).as_str()));
}

#[test]
fn an_id_inside_the_encryption_beats_the_one_outside() {
    let setting = setting();
    let read = ada_reads(&Sent::to("security", &setting.write("security", ENTITY, &[])));
    let inner = ada_reads(&Sent::to("security", &clear("Message-ID: <inner-id@inner.example>\r\n")));
    assert_eq!(thread(&read).0, thread(&inner).0);
}

#[test]
fn a_list_title_in_any_letters_stays_ascii_outside() {
    let setting = setting();
    let raw = clear("Subject: x\r\n");
    for title in ["Sicherheit für Größe", "A \"quoted\" \\ title", "Komma, Punkt."] {
        let list = List { title: title.to_owned(), ..setting.lists["security"].0.clone() };
        let post = posted(setting.relay_as(&Sent::to("security", &raw), &list, &setting.roster));
        assert!(post.head.fields.is_ascii(), "{}", post.head.fields);
        let read = copy_of(&post, "ada", "security");
        let from = field(&read.outer, "From");
        let name = from.strip_suffix(" <security@lists.example>").unwrap().trim_matches('"');
        assert_eq!(crate::support::reader::decoded_words(name), title);
    }
}

/// Everything that leaves the relay's memory with a post, but for the readers' addresses.
fn seen_outside(post: &Posted) -> Vec<u8> {
    let mut all = Vec::new();
    for index in 0..post.copies.len() {
        all.extend(on_the_wire(post, index));
    }
    for body in &post.bodies {
        all.extend_from_slice(body.as_bytes());
    }
    for copy in &post.copies {
        all.extend_from_slice(copy.key.as_bytes());
    }
    all.extend(format!("{:?} {:?} {:?} {}", post.head, post.missed, post.signer, post.verdict).into_bytes());
    all
}

#[test]
fn no_canary_is_seen_outside() {
    const ENTITY: &str = "Content-Type: multipart/mixed; boundary=\"canary\"; protected-headers=\"v1\"\r\n\
        From: Canary Author <canary@canary-author.example>\r\nTo: canary-to@canary.example\r\n\
        Subject: Canary in the subject\r\nMessage-ID: <canary-inner@canary.example>\r\n\
        In-Reply-To: <canary-parent@canary.example>\r\nReferences: <canary-root@canary.example>\r\n\r\n\
        --canary\r\n\r\nA canary in the body.\r\n--canary\r\n\
        Content-Disposition: attachment; filename=\"canary.zip\"\r\n\r\ncanary\r\n--canary--\r\n";
    const OUTER: &str = "Received: from canary-host (canary [192.0.2.1])\r\n\
        From: Canary Outer <canary@canary-outer.example>\r\nReply-To: canary@canary.example\r\n\
        Sender: canary@canary.example\r\nSubject: Canary outside\r\nMessage-ID: <canary-outer@canary.example>\r\n\
        References: <canary-r@canary.example>\r\nDate: Mon, 21 Sep 2026 10:00:00 +0000 (canary)\r\n\
        DKIM-Signature: v=1; d=canary.example; b=canary\r\nAutocrypt: addr=canary@canary.example; keydata=canary\r\n\
        User-Agent: canary-mail/1.0\r\nX-Canary: canary\r\nComments: canary\r\n";
    let setting = setting();
    let to = [as_openpgp(setting.list_cert("security"))];
    let by = [setting.by("ada")];
    let combined = encrypted(&signed(ENTITY.as_bytes(), &by), &to, NOW, Form::default());
    let other = [as_openpgp(setting.list_cert("distrib"))];
    let closed = encrypted(&signed(ENTITY.as_bytes(), &by), &other, NOW, Form::default());
    let inline = crate::support::forge::armored(&combined);
    let mails = [
        mail(OUTER, &combined),
        mail(OUTER, &closed),
        [OUTER.as_bytes(), b"\r\n", &inline].concat(),
        [OUTER.as_bytes(), b"\r\n", &inline, b"canary footer\r\n"].concat(),
        [OUTER.as_bytes(), ENTITY.as_bytes()].concat(),
        [OUTER.as_bytes(), &b"Content-Type: message/rfc822\r\n\r\n".repeat(30), b"canary"].concat(),
    ];
    // In any case of letters, in base64 at each of its three places, in hexadecimal.
    let forms = ["canary", "y2fuyxj5", "nhbmfye", "jyw5hcn", "63616e617279"];
    for (index, raw) in mails.iter().enumerate() {
        for individual in [false, true] {
            let list = List { individual, ..setting.lists["security"].0.clone() };
            let post = posted(setting.relay_as(&Sent::to("security", raw), &list, &setting.roster));
            let seen = String::from_utf8_lossy(&seen_outside(&post)).to_lowercase();
            for form in forms {
                // Base64 of ciphertext holds any seven letters about once in 10^10 places.
                assert!(!seen.contains(form), "mail {index}: {form}");
            }
            let inside = copy_of(&post, "ada", "security");
            let inside = String::from_utf8_lossy(&inside.entity).to_lowercase();
            assert!(forms.iter().any(|form| inside.contains(form)), "mail {index}: the canary lives");
        }
    }
}
