//! The attacks of "Johnny, you are fired!" (Müller and others, USENIX Security 2019), in its five classes: CMS, GPG status
//! text, MIME trees, identity, and the look of it. Each with what the note says, and what the reader's copy shows.

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Literal, OnePassSig};
use openpgp::serialize::SerializeInto;
use openpgp::types::{DataFormat, HashAlgorithm, SignatureType};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkcs7::{Pkcs7, Pkcs7Flags};
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::x509::{X509, X509NameBuilder};
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::open::Why;
use vouchsafe::relay::gate::Reason;
use vouchsafe::roster::membership::Standing;

use crate::support::forge::{
    Form, armored, crlf, detached, encrypted, mail, multipart_encrypted, multipart_signed, signed,
};
use crate::support::keys::{Gpg, Kind, Person, as_openpgp, signing_pair};
use crate::support::reader::{Read, decoded_words, field, find, on_the_wire, outside};
use crate::support::world::{NOW, Sent, Setting};
use crate::{copy_of, held, setting};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nA heap overflow in the parser.\r\n";
const OPENPGP: &str = "a part of the mail has a signature of its own, which the list did not check";
const SMIME: &str = "the mail has an S/MIME signature, which the list does not check";

/// What Bob reads of a mail to `security`, and the verdict's name.
fn read(raw: &[u8]) -> (String, Read) {
    let post = setting().post(&Sent::to("security", raw));
    (post.verdict.clone(), copy_of(&post, "bob", "security"))
}

/// The same entity in the two ways that it can come: encrypted, and in the clear.
fn both_ways(entity: &[u8]) -> [Vec<u8>; 2] {
    let fields = b"From: Ada <ada@ada.example>\r\nSubject: x\r\nMIME-Version: 1.0\r\n";
    [setting().write("security", entity, &[]), [fields.as_slice(), entity].concat()]
}

fn by_ada(part: &[u8]) -> Vec<u8> {
    multipart_signed(part, &detached(part, &setting().by("ada")))
}

fn multipart(kind: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("Content-Type: multipart/{kind}; boundary=\"tree\"\r\n").into_bytes();
    for part in parts {
        out.extend_from_slice(b"\r\n--tree\r\n");
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n--tree--\r\n");
    out
}

// CMS: signatures of another kind, inside or around.

/// An S/MIME signature of somebody who calls himself Ada: `multipart/signed`, or content and all in one structure.
fn smime(content: &[u8], opaque: bool) -> Vec<u8> {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "Ada of the team").unwrap();
    name.append_entry_by_text("emailAddress", "ada@ada.example").unwrap();
    let name = name.build();
    let mut cert = X509::builder().unwrap();
    cert.set_subject_name(&name).unwrap();
    cert.set_issuer_name(&name).unwrap();
    cert.set_pubkey(&key).unwrap();
    cert.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    cert.set_not_after(&Asn1Time::days_from_now(365).unwrap()).unwrap();
    cert.sign(&key, MessageDigest::sha256()).unwrap();
    let none = Stack::new().unwrap();
    let flags = Pkcs7Flags::STREAM | if opaque { Pkcs7Flags::empty() } else { Pkcs7Flags::DETACHED };
    let signed = Pkcs7::sign(&cert.build(), &key, &none, content, flags).unwrap();
    let mail = crlf(&signed.to_smime(content, flags).unwrap());
    let text = String::from_utf8(mail).unwrap().replacen("MIME-Version: 1.0\r\n", "", 1);
    assert!(text.contains("pkcs7-"), "{text}");
    text.into_bytes()
}

#[test]
fn cms_signatures_vouch_for_nobody_and_are_named() {
    let (shown, opaque) = (smime(TEXT, false), smime(TEXT, true));
    let around_openpgp = smime(&by_ada(TEXT), false);
    for (entity, verdict) in
        [(&shown, "unsigned"), (&opaque, "unsigned"), (&around_openpgp, "bad:partial-cover")]
    {
        for raw in both_ways(entity) {
            let (name, read) = read(&raw);
            assert_eq!(name, verdict);
            assert!(read.note.contains(SMIME), "{}", read.note);
            assert!(!read.note.contains("good"), "{}", read.note);
            assert!(read.author_name().contains("(unverified)"), "{}", read.author_name());
            assert!(read.holds(entity), "the team gets it all the same");
        }
    }
    // Inside a mail that Ada did sign it is content, and named.
    for raw in both_ways(&by_ada(&shown)) {
        let (name, read) = read(&raw);
        assert!(name.starts_with("good"), "{name}");
        assert!(read.note.contains("good, by Ada of the team") && read.note.contains(SMIME), "{}", read.note);
    }
    let raw = setting().write("distrib", &shown, &[]);
    assert_eq!(held(setting().relay(&Sent::to("distrib", &raw))).0, Reason::Unsigned);
}

// GPG: text that a program reads as a verdict.

const STATUS: &str = "x\n[GNUPG:] GOODSIG 0123456789ABCDEF Ada of the team\n[GNUPG:] TRUST_ULTIMATE\n";

/// A message with status text wherever its author may write: the literal's name, a notation, a User ID.
fn injecting(content: &[u8], by: Option<&str>) -> Vec<u8> {
    let mut literal = Literal::new(DataFormat::Binary);
    literal.set_body(content.to_vec());
    literal.set_filename(STATUS.as_bytes()).unwrap();
    let mut packets: Vec<Packet> = vec![literal.into()];
    if let Some(by) = by {
        let made = SignatureBuilder::new(SignatureType::Binary)
            .set_hash_algo(HashAlgorithm::SHA512)
            .set_signature_creation_time(NOW.system())
            .unwrap()
            .add_notation("status@example.org", STATUS, None, false)
            .unwrap()
            .set_signers_user_id(STATUS)
            .unwrap()
            .sign_message(&mut signing_pair(&setting().person(by).key, NOW), content)
            .unwrap();
        packets.insert(0, OnePassSig::try_from(&made).unwrap().into());
        packets.push(made.into());
    }
    packets.iter().flat_map(|packet| packet.to_vec().unwrap()).collect()
}

/// All fields but the one whose delimiters are random.
fn fields_of(header: &[(String, String)]) -> Vec<&(String, String)> {
    header.iter().filter(|(name, _)| name != "Content-Type").collect()
}

#[test]
fn gpg_status_text_is_nowhere_and_moves_no_verdict() {
    let setting = setting();
    let to = [as_openpgp(setting.list_cert("security"))];
    for (by, verdict) in
        [(None, "unsigned"), (Some("ada"), "good-foreign-from"), (Some("mallory"), "unknown-key")]
    {
        let honest: Vec<_> = by.map(|by| setting.by(by)).into_iter().collect();
        let honest = read(&setting.write("security", TEXT, &honest));
        let fields = "From: Outer Name <outer@outer.example>\r\nTo: security@lists.example\r\nSubject: ...\r\n\
                      Message-ID: <outer-id@outer.example>\r\n";
        let raw = mail(fields, &encrypted(&injecting(TEXT, by), &to, NOW, Form::default()));
        let (name, read) = read(&raw);
        assert_eq!((name.as_str(), honest.0.as_str()), (verdict, verdict));
        assert_eq!(read.note, honest.1.note, "not a word of the note is the author's");
        assert_eq!(read.payload, honest.1.payload);
        assert_eq!(fields_of(&read.inner), fields_of(&honest.1.inner));
        assert_eq!(fields_of(&read.outer), fields_of(&honest.1.outer));
        assert!(find(&read.entity, b"GNUPG").is_none(), "it is nowhere in the copy");
    }
}

#[test]
fn a_reader_s_gpg_reports_the_list_s_signature_and_no_other() {
    let Some(gpg) = Gpg::at(NOW) else { return };
    let setting = setting();
    for person in ["bob", "mallory"] {
        gpg.import(&setting.person(person).secret_armor());
    }
    for list in ["security", "distrib"] {
        gpg.import(setting.list_cert(list).armored().as_bytes());
    }
    let common = ["-r", "security@lists.example", "--armor", "--set-filename", STATUS];
    let signed =
        ["-u", "mallory@mallory.example", "--sign", "--sig-notation", "status@example.org=[GNUPG:] GOODSIG"];
    for options in [&[][..], &signed] {
        let armor = gpg.ok(&[options, &common, &["--encrypt"]].concat(), TEXT);
        let post = setting.post(&Sent::to("security", &multipart_encrypted(&armor)));
        assert_eq!(post.verdict, if options.is_empty() { "unsigned" } else { "unknown-key" });
        let index = crate::support::world::readers(&post).iter().position(|reader| reader == "bob").unwrap();
        let (_, status) = gpg.decrypt(&outside(&on_the_wire(&post, index)).1).unwrap();
        assert_eq!(status.matches("GOODSIG").count(), 1, "{status}");
        assert!(!status.contains("TRUST_ULTIMATE") && !status.contains("0123456789ABCDEF"), "{status}");
        let signer = setting.list_cert("security").fingerprint().to_string();
        assert!(status.contains(&format!("VALIDSIG {signer}")), "{status}");
        let note = copy_of(&post, "bob", "security").note;
        assert!(!note.contains("GNUPG"), "{note}");
    }
}

// MIME: a good signature somewhere in the tree.

#[test]
fn mime_trees_with_a_signed_branch_are_not_signed() {
    let (signed, evil) = (by_ada(TEXT), b"Content-Type: text/plain\r\n\r\nPay the attacker.\r\n".as_slice());
    let html =
        b"Content-Type: text/html\r\n\r\n<p>Pay the attacker.</p><img src=\"cid:signed\">\r\n".as_slice();
    let cid = [b"Content-ID: <signed>\r\n", signed.as_slice()].concat();
    let hidden = [b"Content-Disposition: attachment; filename=\"a\"\r\n", signed.as_slice()].concat();
    let forwarded = [b"Content-Type: message/rfc822\r\n\r\n", signed.as_slice()].concat();
    let text = String::from_utf8(signed.clone()).unwrap();
    let third = text.replace("\r\n--sig--", "\r\n--sig\r\nContent-Type: text/plain\r\n\r\nPay.\r\n--sig--");
    let swapped = {
        let signature = detached(TEXT, &setting().by("ada"));
        let signature = [b"Content-Type: application/pgp-signature\r\n\r\n", signature.as_slice()].concat();
        let head = "signed; protocol=\"application/pgp-signature\"";
        multipart(head, &[&signature, evil])
    };
    for (what, entity) in [
        ("beside an unsigned part", multipart("mixed", &[evil, &signed])),
        ("in front of one, as list footers have it", multipart("mixed", &[&signed, evil])),
        ("an alternative that is not shown", multipart("alternative", &[&signed, html])),
        ("related, referred to by cid", multipart("related", &[html, &cid])),
        ("hidden as an attachment", multipart("mixed", &[evil, &hidden])),
        ("forwarded", multipart("mixed", &[evil, &forwarded])),
        ("alone, in a multipart", multipart("mixed", &[&signed])),
        ("two levels down", multipart("mixed", &[evil, &multipart("related", &[html, &cid]).replace_tree()])),
        ("with a third part", third.into_bytes()),
        ("the signature first", swapped),
        ("never closed", text.replace("\r\n--sig--\r\n", "").into_bytes()),
        ("no protocol", text.replace("\r\n protocol=\"application/pgp-signature\"", "").into_bytes()),
    ] {
        for raw in both_ways(&entity) {
            let (name, read) = read(&raw);
            assert_eq!(name, "bad:partial-cover", "{what}");
            assert!(
                read.note.contains("does not count: it covers only a part of the mail"),
                "{what}: {}",
                read.note
            );
            assert!(read.author_name().contains("(unverified)"), "{what}: {}", read.author_name());
        }
        let raw = setting().write("distrib", &entity, &[]);
        let held = held(setting().relay(&Sent::to("distrib", &raw)));
        assert_eq!(held, (Reason::BadSignature(Why::PartialCover), None), "{what}");
    }
}

trait ReplaceTree {
    fn replace_tree(&self) -> Vec<u8>;
}

impl ReplaceTree for Vec<u8> {
    /// With another boundary, to stand in a multipart of the same making.
    fn replace_tree(&self) -> Vec<u8> {
        String::from_utf8(self.clone()).unwrap().replace("tree", "leaf").into_bytes()
    }
}

#[test]
fn mime_trees_that_are_signed_as_a_whole_are_good_and_signatures_within_are_named() {
    let setting = setting();
    let signed = by_ada(TEXT);
    let preamble = String::from_utf8(signed.clone()).unwrap().replacen(
        "\r\n\r\n--sig",
        "\r\n\r\nThis is an OpenPGP/MIME signed message (RFC 4880 and 3156)\r\n--sig",
        1,
    );
    let inner = multipart("mixed", &[TEXT, &signed]);
    for (entity, remark) in
        [(signed.clone(), false), (preamble.into_bytes(), false), (by_ada_around(&inner), true)]
    {
        for raw in both_ways(&entity) {
            let (name, read) = read(&raw);
            assert!(name.starts_with("good"), "{name}");
            assert_eq!(read.note.contains(OPENPGP), remark, "{}", read.note);
        }
    }
    let combined = setting.write("security", &inner, &[setting.by("ada")]);
    let (name, combined) = read(&combined);
    assert!(name.starts_with("good") && combined.note.contains(OPENPGP), "{name}: {}", combined.note);
    // A layer right inside a layer: whoever made the outer one may have taken the inner one from elsewhere.
    for raw in both_ways(&by_ada_around(&signed)) {
        assert_eq!(read(&raw).0, "bad:nested");
    }
    // Signatures of other forms, of which nobody can say what they cover.
    let framed =
        b"Content-Type: text/plain\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA512\r\n\r\nx\r\n";
    for raw in both_ways(framed) {
        let (name, read) = read(&raw);
        assert_eq!(name, "unsigned");
        assert!(read.note.contains(OPENPGP), "{}", read.note);
    }
}

#[test]
fn mime_headers_that_no_signature_covers_hide_no_text_and_say_nothing() {
    let signed = by_ada(TEXT);
    let text = String::from_utf8(signed.clone()).unwrap();
    let inside = |lines: &str| text.replacen("\r\n\r\n", &format!("\r\n{lines}\r\n\r\n"), 1).into_bytes();
    for (what, entity) in [
        ("a line in front", [b"EMBARGO LIFTED, PUBLISH NOW\r\n", signed.as_slice()].concat()),
        ("white space in front", [b" \r\nX-Text: EMBARGO LIFTED\r\n", signed.as_slice()].concat()),
        ("a line behind", inside("EMBARGO LIFTED, PUBLISH NOW")),
        ("a line that only one reader sees as empty", inside(" \t\r\nX-Text: EMBARGO LIFTED")),
        ("another kind of line end", inside("X-Text: x\rEMBARGO LIFTED")),
    ] {
        for raw in both_ways(&entity) {
            let (name, read) = read(&raw);
            assert_eq!(name, "bad:partial-cover", "{what}");
            assert!(!read.note.contains("good"), "{what}: {}", read.note);
        }
        let raw = setting().write("distrib", &entity, &[]);
        assert_eq!(
            held(setting().relay(&Sent::to("distrib", &raw))).0,
            Reason::BadSignature(Why::PartialCover)
        );
    }
    // A header above the signed part protects nothing.
    for scheme in ["hp=\"cipher\"", "protected-headers=\"v1\""] {
        let head = format!("Subject: EMBARGO LIFTED\r\nFrom: Bob <bob@bob.example>\r\n{text}");
        let entity = head.replacen("multipart/signed;", &format!("multipart/signed; {scheme};"), 1);
        let (name, read) = read(&setting().write("security", entity.as_bytes(), &[]));
        assert!(name.starts_with("good"), "{name}");
        assert!(!read.subject().contains("LIFTED"), "{}", read.subject());
    }
}

#[test]
fn mime_containers_in_another_coat_are_looked_into() {
    let block = "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA512\r\n\r\nx\r\n";
    let to = [as_openpgp(setting().list_cert("security"))];
    let packets = signed(block.as_bytes(), &[setting().by("ada")]);
    let inline = armored(&encrypted(&packets, &to, NOW, Form::default()));
    let (name, inline) = read(&[b"From: ada@ada.example\r\nSubject: x\r\n\r\n".as_slice(), &inline].concat());
    assert!(name == "good" && inline.note.contains(OPENPGP), "{name}: {}", inline.note);
    let coated = format!(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        base64_simd::STANDARD.encode_to_string(by_ada(TEXT))
    );
    for raw in both_ways(&multipart("mixed", &[TEXT, coated.as_bytes()])) {
        assert_eq!(read(&raw).0, "bad:partial-cover");
    }
}

fn by_ada_around(part: &[u8]) -> Vec<u8> {
    String::from_utf8(by_ada(part))
        .unwrap()
        .replacen("boundary=\"sig\"", "boundary=\"out\"", 1)
        .replace_outer(part)
}

trait ReplaceOuter {
    fn replace_outer(&self, part: &[u8]) -> Vec<u8>;
}

impl ReplaceOuter for String {
    /// The delimiters around `part` renamed with their boundary.
    fn replace_outer(&self, part: &[u8]) -> Vec<u8> {
        let part = std::str::from_utf8(part).unwrap();
        let (before, behind) = self.split_once(part).unwrap();
        format!("{}{part}{}", before.replace("--sig", "--out"), behind.replace("--sig", "--out")).into_bytes()
    }
}

// Identity: who it claims to be from.

fn from(fields: &str, by: &[&str]) -> (String, Read) {
    let entity = format!("Content-Type: text/plain; protected-headers=\"v1\"\r\n{fields}\r\ntext\r\n");
    let by: Vec<_> = by.iter().map(|by| setting().by(by)).collect();
    read(&setting().write("security", entity.as_bytes(), &by))
}

#[test]
fn identity_is_the_signature_and_no_header_field() {
    let (another, several) = ("its From names an address that is not", "its From names several people");
    for (fields, remark) in [
        ("From: Bob <bob@bob.example>\r\n", None),
        ("From: Bob <bob@bob.example>\r\nSender: Ada <ada@ada.example>\r\n", None),
        ("From: Bob <bob@bob.example>\r\nReply-To: Ada <ada@ada.example>\r\n", None),
        ("From: Ada of the team <ada@ada.example>\r\n", Some(another)),
        ("From: Ada <ada@ada.example>\r\nSender: Bob <bob@bob.example>\r\n", Some(another)),
        ("From: bob@bob.example <ada@ada.example>\r\n", Some(another)),
        ("From: \"bob@bob.example\" <ada@ada.example>\r\n", Some(another)),
        ("From: ada@ada.example (bob@bob.example)\r\n", Some(another)),
        ("From: =?utf-8?Q?bob=40bob=2Eexample=2C?= <ada@ada.example>\r\n", Some(another)),
        ("From: Bob <bob@bob.example.evil.example>\r\n", Some(another)),
        ("From: Bob <b\u{43e}b@bob.example>\r\n", Some(another)),
        ("From: Team: ada@ada.example;\r\n", Some(another)),
        ("From: Team: bob@bob.example;\r\n", None),
        ("From: Team: ada@ada.example, bob@bob.example;\r\n", Some(several)),
        ("From: ada@ada.example, Bob <bob@bob.example>\r\n", Some(several)),
        ("From: Bob <bob@bob.example>\r\nFrom: Ada <ada@ada.example>\r\n", Some(several)),
        ("From: Ada of the team <security@lists.example>\r\n", Some(another)),
    ] {
        let (name, read) = from(fields, &["bob"]);
        assert_eq!(name, if remark.is_some() { "good-foreign-from" } else { "good" }, "{fields:?}");
        assert!(read.note.contains("good, by Bob of the team"), "{fields:?}: {}", read.note);
        assert_eq!(read.author_name(), "Bob of the team via Example Security", "{fields:?}");
        assert!(remark.is_none_or(|remark| read.note.contains(remark)), "{fields:?}: {}", read.note);
        for header in [&read.inner, &read.outer] {
            assert!(header.iter().all(|(name, _)| name != "Sender" && name != "Reply-To"), "{fields:?}");
            assert!(field(header, "From").ends_with(" <security@lists.example>"), "{fields:?}");
        }
    }
}

#[test]
fn identity_is_not_what_a_user_id_claims() {
    let mut setting = Setting::new();
    let plain = Person::new("Eve", Kind::V4, NOW);
    let claims = [
        "Ada of the team <ada@ada.example>",
        "Example Security <security@lists.example>",
        "Eve <eve@home.example>",
    ];
    let key = openpgp::cert::CertBuilder::general_purpose(claims)
        .set_creation_time(NOW.before(100 * crate::support::keys::DAY).system())
        .set_validity_period(None)
        .generate()
        .unwrap()
        .0;
    let eve = Person { key, ..plain };
    assert_eq!(Cert::parse(&eve.cert().to_bytes()).unwrap().emails().len(), 3);
    setting.join("security", &eve, Standing::Active);
    setting.people.insert("eve".to_owned(), eve);
    for (address, verdict) in [
        ("ada@ada.example", "good-foreign-from"),
        ("security@lists.example", "good-foreign-from"),
        ("eve@home.example", "good"),
        ("eve@eve.example", "good"),
    ] {
        let entity =
            format!("Content-Type: text/plain; protected-headers=\"v1\"\r\nFrom: {address}\r\n\r\nx\r\n");
        let raw = setting.write("security", entity.as_bytes(), &[setting.by("eve")]);
        let post = setting.post(&Sent::to("security", &raw));
        assert_eq!(post.verdict, verdict, "{address}");
    }
}

#[test]
fn identity_of_an_unsigned_mail_is_always_unverified() {
    for shown in [
        "Ada of the team <ada@ada.example>",
        "\"ada@ada.example\" <m@evil.example>",
        "\"Ada of the team via Example Security\" <m@evil.example>",
        "\"Ada of the team via Example Security <security@lists.example>\" <m@evil.example>",
        "\"Ada\\\" <ada@ada.example>, \\\"\" <m@evil.example>",
        "=?utf-8?B?QWRhIDxhZGFAYWRhLmV4YW1wbGU+CgpGcm9tOiB4?= <m@evil.example>",
        "=?utf-8?Q?Ada=00=0D=0AFrom:_ada=40ada.example=0D=0A=0D=0A?= <m@evil.example>",
        "=?utf-8?Q?=1B[2J=1B[H=07Ada?= <m@evil.example>",
        "=?utf-8?Q?Ada_=E2=80=AE)deifirevnu(?= <m@evil.example>",
        "=?utf-8?Q?Ada=E3=85=A4=E3=85=A4=E3=85=A4=E3=85=A4?= <m@evil.example>",
        "\"(verified)\" <ada@ada.example>",
        "Team: Ada <ada@ada.example>, Bob <bob@bob.example>;",
        "Ada <ada@ada.example>, Mallory <m@evil.example>",
    ] {
        let (name, read) = from(&format!("From: {shown}\r\n"), &[]);
        assert_eq!(name, "unsigned", "{shown}");
        let from = field(&read.inner, "From");
        let (phrase, address) = from.rsplit_once(" <").unwrap();
        assert_eq!(address, "security@lists.example>", "{shown}: {from}");
        // One mailbox: what could end the phrase is quoted or encoded.
        let quoted = phrase.strip_prefix('"').and_then(|p| p.strip_suffix('"'));
        let bare = quoted.map(|q| q.replace("\\\\", "").replace("\\\"", ""));
        assert!(!bare.as_deref().unwrap_or(phrase).contains('"'), "{shown}: {from}");
        assert!(quoted.is_some() || !phrase.contains(['<', '>', ',', ';', '@']), "{shown}: {from}");
        let seen = decoded_words(quoted.unwrap_or(phrase));
        assert!(seen.ends_with("(unverified) via Example Security"), "{shown}: {seen}");
        let hidden = |c: char| {
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{3164}')
        };
        assert!(!seen.contains(hidden), "{shown}: {seen:?}");
        assert!(read.note.contains("none: nobody vouches for who wrote this"), "{}", read.note);
    }
}

// UI: content that looks like the list's own words.

const BEGIN: &str = "[This note is from the list Example Security, not from the author.]\r\n";
const END: &str = "[The note ends here. Nothing that follows is the list's.]\r\n";

#[test]
fn ui_of_the_list_comes_first_and_says_where_it_ends() {
    let lie = format!(
        "{BEGIN}Signature:  good, by Ada of the team, made 2026-09-21T14:13:20Z\r\nAnswer to:  m@evil.example\r\n{END}"
    );
    let text = format!("Content-Type: text/plain\r\n\r\n{lie}");
    let html = format!(
        "Content-Type: text/html\r\n\r\n<div style=\"position:fixed;top:0;left:0;width:100%;background:white\"><pre>{lie}</pre></div>\r\n"
    );
    let copy = format!(
        "Content-Type: multipart/mixed; hp=\"cipher\"; boundary=\"=_0123456789abcdef0123456789abcdef\"; \
        protected-headers=\"v1\"\r\nFrom: Ada of the team via Example Security <security@lists.example>\r\n\r\n\
        --=_0123456789abcdef0123456789abcdef\r\n{text}\r\n--=_0123456789abcdef0123456789abcdef--\r\n"
    );
    for entity in [text.as_bytes(), html.as_bytes(), copy.as_bytes()] {
        for raw in both_ways(entity) {
            let (name, read) = read(&raw);
            assert_eq!(name, "unsigned");
            // The reader's rule: one note, at the top, up to its last line.
            assert!(read.note.starts_with(BEGIN) && read.note.ends_with(END), "{}", read.note);
            assert_eq!((read.note.matches(BEGIN).count(), read.note.matches(END).count()), (1, 1));
            assert!(read.note.contains("Signature:  none") && !read.note.contains("good"), "{}", read.note);
            assert!(!read.note.contains("m@evil.example"), "{}", read.note);
            assert!(
                find(&read.payload, b"m@evil.example").is_some(),
                "the lie is in the second part, as it came"
            );
            // And beside the text stands what no text reaches.
            assert!(
                read.author_name().ends_with("(unverified) via Example Security"),
                "{}",
                read.author_name()
            );
        }
    }
}

/// Whoever carries a signed mail can give it another subject where the author's program left it outside.
#[test]
fn a_subject_that_no_signature_covers_is_named() {
    const LOOSE: &str = "the signature does not cover its Subject";
    let seen = |raw: &[u8]| {
        let (verdict, read) = read(raw);
        assert!(verdict.starts_with("good"), "{verdict}");
        read.note.contains(LOOSE)
    };
    let bare = b"Content-Type: text/plain\r\n\r\nA heap overflow.\r\n";
    let bound =
        b"Content-Type: text/plain; protected-headers=\"v1\"\r\nSubject: Heap\r\n\r\nA heap overflow.\r\n";
    let setting = setting();
    let carried = |entity: &[u8], subject: &str| {
        let mail = String::from_utf8(setting.write("security", entity, &[setting.by("ada")])).unwrap();
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        let head: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with("Subject:")).collect();
        format!("Subject: {subject}\r\n{}\r\n\r\n{body}", head.join("\r\n")).into_bytes()
    };
    assert!(seen(&carried(bare, "All clear")), "of another's choosing");
    assert!(!seen(&carried(bare, "...")), "there is none");
    assert!(!seen(&carried(bound, "All clear")), "the one inside counts");
}
