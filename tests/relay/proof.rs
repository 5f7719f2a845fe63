//! The sender's own signature: verified by a reader's program where it could be kept, and where not, the note says so.

use std::io::Write;
use std::process::Command;

use sequoia_openpgp as openpgp;

use openpgp::packet::signature::SignatureBuilder;
use openpgp::serialize::stream::{LiteralWriter, Message as Stream, Signer};
use openpgp::types::SignatureType;

use crate::support::forge::{
    By, Form, crlf, detached, encrypted, mail, multipart_encrypted, multipart_signed, signed,
};
use crate::support::keys::{Gpg, as_openpgp, signing_pair};
use crate::support::reader::{Read, find};
use crate::support::world::{NOW, Sent};
use crate::{ENTITY, copy_of, setting};

const KEPT: &str = "Check it:   the author's own signature is kept with the mail";
const LOST: &str = "the author's own signature could not be kept: ";
const ALONE: &str = "; the list's word stands alone";

/// What Bob reads of a mail to `security` with that verdict.
fn read(raw: &[u8], verdict: &str) -> Read {
    let post = setting().post(&Sent::to("security", raw));
    assert_eq!(post.verdict, verdict);
    copy_of(&post, "bob", "security")
}

fn gpg() -> Option<Gpg> {
    let gpg = Gpg::at(NOW)?;
    for person in ["ada", "mallory"] {
        gpg.import(&setting().person(person).secret_armor());
    }
    gpg.import(setting().list_cert("security").armored().as_bytes());
    Some(gpg)
}

/// A reader's gpg and sq both find the signature good, over these bytes.
#[allow(clippy::print_stderr, reason = "what is skipped is said aloud")]
fn verify(gpg: &Gpg, signer: &str, signature: &[u8], content: &[u8]) {
    let write = |name: &str, bytes: &[u8]| {
        let path = gpg.home().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (sig, file) = (write("signature.asc", signature), write("content", content));
    let says = gpg.ok(&["--status-fd", "1", "--verify", &sig, &file], b"");
    let says = String::from_utf8_lossy(&says);
    let key = setting().fingerprint(signer).to_string();
    assert!(
        says.contains("GOODSIG") && says.lines().any(|l| l.contains("VALIDSIG") && l.ends_with(&key)),
        "{says}"
    );
    if Command::new("sq").arg("--help").output().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "sq is missing: apt-get install sq");
        eprintln!("SKIPPED: sq is not installed");
        return;
    }
    let cert = write("cert.asc", setting().person(signer).cert().armored().as_bytes());
    let args = ["verify", "--signer-cert", &cert, "--detached", &sig, &file];
    let output = Command::new("sq").args(args).output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && says.contains("1 good signature"), "{says}");
}

const HEAD: &str = "Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\nFrom: Ada <ada@ada.example>\r\n\r\n";

#[test]
fn what_gpg_signs_and_encrypts_in_one_step_is_verified_by_readers_or_the_note_says_why_not() {
    let Some(gpg) = gpg() else { return };
    let lines = |text: &str| [HEAD, text].concat().into_bytes();
    let canonical = lines("One line.\r\nAnother.\r\n");
    let bare: Vec<u8> = canonical.iter().copied().filter(|&b| b != b'\r').collect();
    let mixed = lines("One line.\nAnother.\r\n");
    let blanks = lines("Blanks at the end.  \r\n\t\r\nNo line end at the end.");
    let eight = lines("Größe, 8bit.\r\n");
    for (who, verdict) in [("ada", "good"), ("mallory", "unknown-key")] {
        let from = setting().person(who).address.clone();
        for (what, content, text, kept) in [
            ("binary, CRLF", &canonical, false, true),
            ("text, CRLF", &canonical, true, true),
            ("binary, LF", &bare, false, false),
            // gpg itself makes the line ends CRLF.
            ("text, LF", &bare, true, true),
            ("binary, mixed", &mixed, false, false),
            ("text, mixed", &mixed, true, true),
            ("binary, blanks", &blanks, false, true),
            ("text, blanks", &blanks, true, true),
            ("binary, 8bit", &eight, false, true),
            ("text, 8bit", &eight, true, true),
        ] {
            let mut options =
                vec!["-u", &from, "-r", "security@lists.example", "--armor", "--sign", "--encrypt"];
            options.extend(text.then_some("--textmode"));
            let read = read(&multipart_encrypted(&gpg.ok(&options, content)), verdict);
            assert_eq!(read.signature.is_some(), kept, "{who}, {what}");
            assert_eq!(read.note.contains(KEPT), kept, "{who}, {what}: {}", read.note);
            assert_eq!(read.note.contains(LOST), !kept, "{who}, {what}: {}", read.note);
            match &read.signature {
                Some((signature, _)) => verify(&gpg, who, signature, &read.payload),
                None => {
                    let why = format!(
                        "{LOST}it was made over line ends that programs change before they verify{ALONE}"
                    );
                    assert!(read.note.contains(&why), "{who}, {what}: {}", read.note);
                    assert!(read.payload == *content, "{who}, {what}: byte for byte all the same");
                }
            }
        }
    }
}

/// A signature of text over a literal with the line ends that it has.
fn signed_as_text(content: &[u8], by: &By<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let template = SignatureBuilder::new(SignatureType::Text);
    let layer = Signer::with_template(Stream::new(&mut out), signing_pair(by.key, by.at), template).unwrap();
    let layer = layer.creation_time(by.at.system()).build().unwrap();
    let mut literal = LiteralWriter::new(layer).build().unwrap();
    literal.write_all(content).unwrap();
    literal.finalize().unwrap();
    out
}

#[test]
fn a_signature_of_text_survives_bare_line_feeds_since_it_never_covered_them() {
    let Some(gpg) = gpg() else { return };
    let to = [as_openpgp(setting().list_cert("security"))];
    let send = |content: &[u8]| {
        let packets = signed_as_text(content, &setting().by("ada"));
        read(&mail("From: x@x.example\r\n", &encrypted(&packets, &to, NOW, Form::default())), "good")
    };
    let bare = [HEAD.replace("\r\n", "\n").as_bytes(), b"One line.\nAnother.\r\nA third.\n"].concat();
    let kept = send(&bare);
    assert_eq!(kept.payload, bare, "byte for byte");
    let (signature, _) = kept.signature.unwrap();
    verify(&gpg, "ada", &signature, &bare);
    verify(&gpg, "ada", &signature, &crlf(&bare));
    // A lone carriage return is a line end to some.
    let lone = [HEAD.as_bytes(), b"One line.\rAnother.\r\n"].concat();
    let lost = send(&lone);
    assert!(lost.signature.is_none() && lost.note.contains(LOST), "{}", lost.note);
}

#[test]
fn a_multipart_signed_goes_on_byte_for_byte_and_verifies() {
    let Some(gpg) = gpg() else { return };
    let part = [HEAD.as_bytes(), b"One line.\r\nAnother."].concat();
    for (who, verdict) in [("ada", "good"), ("mallory", "unknown-key")] {
        let signature =
            crlf(&gpg.ok(&["-u", &setting().person(who).address, "--armor", "--detach-sign"], &part));
        let entity = multipart_signed(&part, &signature);
        let unix: Vec<u8> = entity.iter().copied().filter(|&b| b != b'\r').collect();
        let clear = [b"From: Ada <ada@ada.example>\r\nMIME-Version: 1.0\r\n".as_slice(), &entity].concat();
        for raw in [setting().write("security", &entity, &[]), setting().write("security", &unix, &[]), clear]
        {
            let read = read(&raw, verdict);
            assert!(read.note.contains(KEPT) && !read.note.contains(LOST), "{}", read.note);
            let holds = |whole: &[u8]| find(&read.payload, whole).is_some();
            let ends = if holds(&entity) { "\r\n" } else { "\n" };
            assert!(holds(&entity) || holds(&unix), "byte for byte");
            // As a reader's program takes it apart.
            let text = String::from_utf8(read.payload).unwrap();
            let (_, rest) = text.split_once(&format!("--sig{ends}")).unwrap();
            let (found, rest) = rest.split_once(&format!("{ends}--sig{ends}")).unwrap();
            let armor = rest.split_once(&format!("{ends}{ends}")).unwrap().1;
            let armor = armor.split_once(&format!("{ends}--sig--")).unwrap().0;
            // RFC 3156 §5: line ends are made CRLF first.
            verify(&gpg, who, armor.as_bytes(), &crlf(found.as_bytes()));
        }
    }
}

#[test]
fn the_note_says_why_a_signature_could_not_be_kept() {
    let Some(gpg) = gpg() else { return };
    let ada = setting().by("ada");
    let inline = gpg.ok(
        &["-u", "ada@ada.example", "-r", "security@lists.example", "--armor", "--sign", "--encrypt"],
        b"Inline.\r\n",
    );
    let inline = [b"From: ada@ada.example\r\nSubject: x\r\n\r\n".as_slice(), &crlf(&inline)].concat();
    let write = |entity: &[u8], by: &[By<'_>]| setting().write("security", entity, by);
    let holding = b"Content-Type: text/plain\r\n\r\n> -----BEGIN PGP MESSAGE-----\r\n";
    let to = [as_openpgp(setting().list_cert("security"))];
    let no_header = mail(
        "From: ada@ada.example\r\n",
        &encrypted(&signed(b"\xff no header\r\n", std::slice::from_ref(&ada)), &to, NOW, Form::default()),
    );
    for (raw, verdict, why) in [
        (inline, "good", "it was inline PGP, whose signature stands beside no part of a mail"),
        (write(ENTITY, &[ada.clone(), ada.clone()]), "good", "there are several in one message"),
        (write(holding, std::slice::from_ref(&ada)), "good-foreign-from", "the mail is attached whole"),
        (no_header, "good", "what was encrypted has no header, so that the list wrote one"),
    ] {
        let read = read(&raw, verdict);
        assert!(read.signature.is_none(), "{why}");
        assert!(read.note.contains(&format!("Attention:  {LOST}{why}{ALONE}\r\n")), "{why}: {}", read.note);
        assert!(!read.note.contains(KEPT), "{why}: {}", read.note);
    }
    // Where there is nothing that could convince anybody, there is nothing to say.
    let stale = By { at: NOW.before(30 * crate::support::keys::DAY), ..ada.clone() };
    for (raw, verdict) in [
        (write(ENTITY, &[]), "unsigned"),
        (write(ENTITY, &[stale]), "bad:stale"),
        (write(ENTITY, &[ada.clone(), setting().by("bob")]), "bad:several-signers"),
    ] {
        let note = read(&raw, verdict).note;
        assert!(!note.contains(KEPT) && !note.contains(LOST), "{verdict}: {note}");
    }
    let unopened = setting().write("distrib", ENTITY, &[ada]);
    let note = read(&unopened, "closed:no-key").note;
    assert!(!note.contains(KEPT) && !note.contains(LOST), "{note}");
}

#[test]
fn a_signature_that_is_kept_says_no_more_than_its_maker_did() {
    let part = detached(ENTITY, &setting().by("ada"));
    let read = read(&setting().write("security", ENTITY, &[setting().by("ada")]), "good");
    let (signature, _) = read.signature.unwrap();
    assert!(find(&signature, b"-----BEGIN PGP SIGNATURE-----").is_some());
    assert!(signature.len() <= part.len() + 16, "no more than a detached signature of the same key");
}
