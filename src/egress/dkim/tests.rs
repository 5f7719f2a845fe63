//! What leaves signed, as a verifier sees it that is given the keys.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};
use tempfile::TempDir;

use super::*;
use crate::egress::route::{Endpoint, Settings, TlsMode};
use crate::egress::scripted::{self, Heard, Hop, NOW, Script, body, say};
use crate::egress::settings::Timeouts;
use crate::egress::smtp::{Connection, Trouble};
use crate::egress::tls::Tls;
use crate::mail::parcel::Parcel;
use crate::mime::write::{mailbox, raw_field};
use crate::pgp::keyring::{KeyDir, Passphrase};
use crate::secret::Plaintext;

const DOMAIN: &str = "lists.example.org";

/// DNS as verifiers see it.
struct Published(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Published {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }
    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }
    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Keys as `init` makes them, and what DNS says of them.
fn keys() -> (Signers, Published) {
    let folder = TempDir::new().unwrap();
    let (dir, pass) = (KeyDir::new(folder.path()), Passphrase::new(Plaintext::new(b"pass".to_vec())));
    dir.create_dkim(DOMAIN, &pass, NOW).unwrap();
    let keys = dir.load_dkim(DOMAIN, &pass).unwrap();
    let records = keys.iter().map(|key| {
        let parsed = DomainKey::parse(key.record.value().as_bytes()).unwrap();
        (format!("{}.", key.record.name()).into_boxed_str(), Txt::DomainKey(Arc::new(parsed)))
    });
    let published = Published(records.collect());
    (Signers::new(&keys).unwrap(), published)
}

/// What a verifier says of each signature.
async fn verdicts(mail: &[u8], published: &Published) -> Vec<bool> {
    let authenticator =
        MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).unwrap();
    let mail = AuthenticatedMessage::parse(mail).unwrap();
    let verified = authenticator.verify_dkim(Parameters::new(&mail).with_txt_cache(published)).await;
    verified.iter().map(|one| *one.result() == DkimResult::Pass).collect()
}

/// What the hop got, dots undone.
async fn delivered(signers: &Signers, parcel: &Parcel, stored: &[u8], offers: &[&'static str]) -> Vec<u8> {
    let hop = Hop::start(Script::willing(offers)).await;
    let mut connection = opened(&hop).await.signing(signers);
    connection.send(parcel, pieces(stored), &mut || None).await.unwrap();
    // RFC 5321 §4.5.2: the receiver takes the first of two dots away.
    let lines = hop.messages().remove(0);
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line).to_vec()).collect()
}

async fn opened(hop: &Hop) -> Connection {
    let smarthost = Some("localhost:25".parse().unwrap());
    let settings = Settings { tls: TlsMode::None, smarthost, ..Settings::default() };
    let tls = Tls::new(&settings.rules().unwrap()).unwrap();
    let endpoint = Endpoint::Tcp(hop.address);
    Connection::open("localhost", &endpoint, &tls, "relay.example.org", &Timeouts::default()).await.unwrap()
}

fn pieces(stored: &[u8]) -> impl FnMut(u64) -> std::future::Ready<Result<Vec<u8>, String>> {
    move |offset| {
        let rest = &stored[usize::try_from(offset).unwrap()..];
        std::future::ready(Ok(rest[..rest.len().min(100_003)].to_vec()))
    }
}

fn parcel(fields: &str, body_len: usize) -> Parcel {
    let mut parcel = scripted::parcel(1, "ada@example.org", body_len);
    parcel.head.fields = format!("From: \"S\" <security@{DOMAIN}>\r\nTo: security@{DOMAIN}\r\n{fields}");
    parcel
}

#[tokio::test]
async fn copies_of_every_shape_are_verified() {
    let (signers, published) = keys();
    let references: String =
        (0..200).map(|n| format!("\r\n <{n}.aaaaaaaaaaaaaaaaaaaaaaa@client.example>")).collect();
    let long = format!("Subject: [...]\r\nReferences:{references}\r\n");
    let endless = format!("Subject: {}\r\n", "x".repeat(5000));
    for (fields, len) in [
        ("Subject: [...]\r\n", 10_240),
        ("", 0),
        ("", 1),
        ("Subject:   two  \t spaces \r\n", 47),
        (&long, 48),
        (&endless, 300_000),
        (".Dot: at the beginning of a line\r\nX:\r\n .dot in a fold\r\n", 100),
        ("X-Empty:\r\nX-Space: \r\n", 100),
        ("Subject: line\n folded\n", 100),
    ] {
        let parcel = parcel(fields, len);
        let mail = delivered(&signers, &parcel, &body(len), &["PIPELINING"]).await;
        assert_eq!(verdicts(&mail, &published).await, [true, true], "{fields:.40} {len}");
        let unsigned = scripted::message(&parcel, &body(len));
        if !fields.contains("line\n") {
            assert!(mail.ends_with(&unsigned), "the copy itself is as it was: {fields:.40}");
        }
    }
}

#[tokio::test]
async fn letters_beyond_ascii_are_verified() {
    let (signers, published) = keys();
    let mut parcel = parcel("Subject: [...]\r\n", 1000);
    parcel.head.fields = format!("From: sécurité@{DOMAIN}\r\nTo: sécurité@{DOMAIN}\r\nSubject: 機密\r\n");
    let mail = delivered(&signers, &parcel, &body(1000), &["SMTPUTF8", "8BITMIME"]).await;
    assert_eq!(verdicts(&mail, &published).await, [true, true]);
}

#[tokio::test]
async fn a_relay_may_fold_and_space_anew_and_nobody_may_change_a_byte() {
    let (signers, published) = keys();
    let parcel = parcel("Subject: [...]\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n", 3000);
    let mail = String::from_utf8(delivered(&signers, &parcel, &body(3000), &[]).await).unwrap();
    let (head, text) = mail.split_once("\r\n\r\n").unwrap();
    let through = format!(
        "Received: from a by b\r\n{}\r\n\r\n{}\r\n\r\n",
        head.replace("Date: Sat,", "DATE:\r\n\tSat,  \t").replace("; s=", ";\r\n   s="),
        text.replace("Version: 1\r\n", "Version:\t 1 \t\r\n"),
    );
    assert_eq!(verdicts(through.as_bytes(), &published).await, [true, true]);
    for (from, to) in [
        ("Subject: [...]", "Subject: [..]"),
        ("\r\nTo: ", "\r\nCc: x@y.example\r\nTo: "),
        ("\r\nTo: ", "\r\nFrom: x@y.example\r\nTo: "),
        ("\r\nMIME-Version", "\r\nContent-Type: text/html\r\nMIME-Version"),
        ("Version: 1", "Version: 2"),
        ("BEGIN PGP MESSAGE-----\r\n\r\n", "BEGIN PGP MESSAGE-----\r\n\r\nA"),
        ("--\r\n", "--\r\nmore\r\n"),
    ] {
        let changed = mail.replacen(from, to, if to.contains("more") { usize::MAX } else { 1 });
        assert_ne!(changed, mail, "{from}");
        assert_eq!(verdicts(changed.as_bytes(), &published).await, [false, false], "{from} -> {to}");
    }
}

#[tokio::test]
async fn a_signature_says_what_it_should() {
    let (signers, _) = keys();
    let mail = delivered(&signers, &parcel("List-Id: <x>\r\n", 10), &body(10), &[]).await;
    let mail = AuthenticatedMessage::parse(&mail).unwrap();
    let found: Vec<&Signature> = mail.dkim_headers.iter().map(|field| &field.header).collect();
    let algorithms: Vec<Algorithm> = found.iter().map(|s| s.a).collect();
    assert_eq!(algorithms, [Algorithm::Ed25519Sha256, Algorithm::RsaSha256]);
    for signature in found {
        assert_eq!((signature.d.as_str(), signature.l, signature.x), (DOMAIN, 0, 0));
        assert_eq!(signature.t, u64::try_from(NOW.secs()).unwrap(), "when the copy was made");
        let signed = |name: &str| signature.h.iter().filter(|h| h.eq_ignore_ascii_case(name)).count();
        for name in ["From", "To", "Content-Type", "MIME-Version"] {
            assert_eq!(signed(name), 2, "{name} cannot be added");
        }
        assert_eq!((signed("Subject"), signed("Cc"), signed("List-Id")), (1, 1, 1));
    }
}

#[tokio::test]
async fn a_second_attempt_is_the_same_to_the_byte() {
    let (signers, _) = keys();
    let parcel = parcel("", 100);
    let first = delivered(&signers, &parcel, &body(100), &[]).await;
    assert_eq!(delivered(&signers, &parcel, &body(100), &["PIPELINING"]).await, first);
}

#[tokio::test]
async fn only_mail_of_the_own_domain_is_signed() {
    let (signers, _) = keys();
    let mut foreign = parcel("", 10);
    foreign.head.fields = "From: a@elsewhere.example\r\n".to_owned();
    let mail = delivered(&signers, &foreign, &body(10), &[]).await;
    assert!(mail.starts_with(b"From: a@elsewhere.example\r\n"));
}

#[tokio::test]
async fn what_is_promised_of_the_size_holds_with_signatures() {
    let (signers, _) = keys();
    let hop = Hop::start(Script::new(&["SIZE"], |heard: &Heard| {
        if heard.verb != "MAIL" {
            return None;
        }
        let (_, size) = heard.line.trim_end().split_once("SIZE=")?;
        say(&format!("450 {}", size.split(' ').next()?))
    }))
    .await;
    let parcel = parcel("", 5000);
    let refused = opened(&hop)
        .await
        .signing(&signers)
        .send(&parcel, pieces(&body(5000)), &mut || None)
        .await
        .unwrap_err();
    let Trouble::Refused { reply, .. } = refused else { panic!("{refused}") };
    let promised: usize = reply.first_word().unwrap().parse().unwrap();
    let mail = delivered(&signers, &parcel, &body(5000), &[]).await;
    assert!(mail.len() <= promised, "{} bytes, {promised} promised", mail.len());
}

#[tokio::test]
async fn a_stored_body_that_is_not_whole_is_found_before_a_byte_of_content() {
    let (signers, _) = keys();
    let hop = Hop::start(Script::willing(&[])).await;
    let sent =
        opened(&hop).await.signing(&signers).send(&parcel("", 5000), pieces(&body(4000)), &mut || None).await;
    assert!(matches!(sent, Err(Trouble::Body(_))), "{sent:?}");
    assert_eq!(hop.messages().len(), 0);
}

#[test]
fn the_domain_is_that_of_the_author_whom_readers_see() {
    let of = |from: &str| from_domain(&format!("X: a@b\r\nFrom: {from}\r\nTo: c@d\r\n"));
    for from in
        ["security@lists.example.org", "\"a@b\" <security@lists.example.org>", "S <s@LISTS.example.org>"]
    {
        assert_eq!(of(from).as_deref(), Some("lists.example.org"), "{from}");
    }
    assert_eq!(from_domain("To: a@b\r\n"), None);
}

#[test]
fn nobody_signs_unless_told_to() {
    assert!(Signers::default().begin(&parcel("", 10)).is_none());
    assert_eq!(Signers::default().room(&parcel("", 10)), 0);
}

#[tokio::test]
async fn a_title_that_folds_the_from_is_signed_as_well() {
    let (signers, published) = keys();
    for title in ["x".repeat(50), "Security Issue Review Team ".repeat(9), "\u{dc}bung ".repeat(40)] {
        let author = mailbox(Some(&title), &format!("security@{DOMAIN}"));
        let from = String::from_utf8(raw_field("From", &author).expose().to_vec()).unwrap();
        assert!(!from.lines().next().unwrap().contains('@'), "{from}");
        let mut parcel = parcel("", 10_240);
        parcel.head.fields = format!("{from}To: security@{DOMAIN}\r\nSubject: [...]\r\n");
        let mail = delivered(&signers, &parcel, &body(10_240), &["8BITMIME"]).await;
        assert_eq!(verdicts(&mail, &published).await, [true, true], "{from}");
    }
}

#[test]
fn a_domain_without_keys_among_others_is_told_once() {
    let (signers, _) = keys();
    let mut other = parcel("", 1);
    other.head.fields = "From: \"S\" <security@elsewhere.example>\r\n".to_owned();
    let told = |signers: &Signers| signers.unsigned.lock().unwrap().len();
    for _ in 0..2 {
        assert!(signers.begin(&other).is_none() && signers.clone().begin(&parcel("", 1)).is_some());
        assert_eq!(told(&signers), 1);
    }
    assert!(Signers::default().begin(&other).is_none());
    assert_eq!(told(&Signers::default()), 0);
}
