//! Intake: anyone writes, in whatever form, and the team reads it with a word on what it is worth.

use vouchsafe::id::Entropy;
use vouchsafe::mail::arrival::{Arrival, Envelope, Recipient, Via};
use vouchsafe::mail::directory::Purpose;
use vouchsafe::pgp::keyring::{KeyDir, Passphrase};
use vouchsafe::pgp::open::{Limits, UnlockError};
use vouchsafe::pgp::seal::seal_at_rest;
use vouchsafe::relay::gate::{DropReason, Reason};
use vouchsafe::relay::world::World;
use vouchsafe::relay::{Fault, Keys, Outcome, relay};

use crate::support::forge::{By, Form, armored, encrypted, signed};
use crate::support::keys::{as_openpgp, signing_pair};
use crate::support::reader::split;
use crate::support::world::{DOMAIN, NOW, Posted, Sent, Setting, member_id, readers};
use crate::{ENTITY, ada_reads, copy_of, dropped, held, setting};

const CLEAR: &[u8] = b"From: Rita <rita@reporter.example>\r\nSubject: Hello\r\n\r\nIn the clear.\r\n";

#[test]
fn a_report_reaches_the_team_whoever_signed_it() {
    let setting = setting();
    let (ada, mallory) = (setting.by("ada"), setting.by("mallory"));
    let cases: [(&[By<'_>], &str, Option<&str>, &str); 3] = [
        (&[], "unsigned", None, "none: nobody vouches"),
        (&[mallory], "unknown-key", None, "by a key that is not on the roster: "),
        (&[ada], "good", Some("ada"), "good, by Ada of the team, made 2026-09-21T"),
    ];
    for (by, verdict, signer, note) in cases {
        let raw = setting.write("security", ENTITY, by);
        let post = setting.post(&Sent::to("security", &raw));
        assert_eq!((post.verdict.as_str(), &post.signer), (verdict, &signer.map(member_id)));
        assert_eq!(readers(&post), ["ada", "bob"]);
        assert!(post.missed.is_empty());
        for reader in ["ada", "bob"] {
            let read = copy_of(&post, reader, "security");
            assert_eq!(read.payload, ENTITY, "byte for byte");
            assert_eq!(read.subject(), "[Example Security] Overflow");
            assert!(read.note.contains(note), "{}", read.note);
            assert!(read.note.contains("Arrived:    2026-09-21T14:13:20Z"), "{}", read.note);
        }
    }
    let good = setting.write("security", ENTITY, &[setting.by("mallory")]);
    let fingerprint = signing_pair(&setting.person("mallory").key, NOW).public().fingerprint().to_hex();
    assert!(ada_reads(&Sent::to("security", &good)).note.contains(&fingerprint), "all of it, to be compared");
}

#[test]
fn a_from_that_is_not_the_signer_s_gets_a_remark() {
    let setting = setting();
    let (another, several) = ("its From names an address that is not", "its From names several people");
    for (from, remark) in [
        ("From: \"Bob of the team\" <ADA@Ada.example>\r\n", None),
        ("From: Ada <ada@ada.example.org>\r\n", Some(another)),
        ("From: \"ada@ada.example\" <bob@bob.example>\r\n", Some(another)),
        ("From: ada\r\n", Some(another)),
        ("From: Ada <ada@ada.example>, Bob <bob@bob.example>\r\n", Some(several)),
        ("From: Ada <ada@ada.example>\r\nFrom: Bob <bob@bob.example>\r\n", Some(several)),
        // Then the outer one speaks, which is somebody else's.
        ("", Some(another)),
    ] {
        let entity = format!("Content-Type: text/plain; protected-headers=\"v1\"\r\n{from}\r\ntext\r\n");
        let entity = entity.as_bytes();
        let post =
            setting.post(&Sent::to("security", &setting.write("security", entity, &[setting.by("ada")])));
        let note = copy_of(&post, "bob", "security").note;
        assert!(note.contains("good, by Ada of the team"), "{from:?}: {note}");
        assert_eq!(note.contains("its From"), remark.is_some(), "{from:?}: {note}");
        assert!(remark.is_none_or(|remark| note.contains(remark)), "{from:?}: {note}");
        assert!(!note.contains("bob@") && !note.contains("ada@"), "quotes nothing: {note}");
        let verdict = if remark.is_some() { "good-foreign-from" } else { "good" };
        assert_eq!((post.verdict.as_str(), post.signer), (verdict, Some(member_id("ada"))), "{from:?}");
        // Nothing is vouched for, so there is nothing to compare.
        let unsigned = ada_reads(&Sent::to("security", &setting.write("security", entity, &[])));
        assert!(!unsigned.note.contains("its From"), "{from:?}: {}", unsigned.note);
    }
}

#[test]
fn what_cannot_be_opened_goes_to_the_team_as_it_came() {
    let setting = setting();
    let to_other = setting.write("distrib", ENTITY, &[setting.by("ada")]);
    let mut damaged = setting.write("security", ENTITY, &[]);
    // In the text, well before the packet with the digest.
    let at = crate::support::reader::find(&damaged, b"-----END PGP").unwrap() - 110;
    damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
    let mut cut = setting.write("security", ENTITY, &[]);
    let at = crate::support::reader::find(&cut, b"-----END PGP").unwrap();
    cut.drain(at - 132..at - 66);
    for (raw, why, name) in [
        (to_other, "not to this list", "closed:no-key"),
        (damaged, "but damaged", "closed:damaged"),
        (cut, "but damaged", "closed:damaged"),
    ] {
        let post = setting.post(&Sent::to("security", &raw));
        assert_eq!((post.verdict.as_str(), &post.signer), (name, &None));
        assert!(post.replay.is_empty());
        let read = copy_of(&post, "bob", "security");
        assert!(read.note.contains(why), "{}", read.note);
        assert_eq!(read.payload_type(), "message/rfc822");
        assert_eq!(read.payload_disposition().as_deref(), Some("attachment"));
        assert_eq!(split(&read.payload).1, raw, "byte for byte");
    }
}

#[test]
fn clear_mail_goes_on_whole_and_marked() {
    let read = ada_reads(&Sent::to("security", CLEAR));
    assert!(read.note.contains("came in the clear"));
    assert_eq!(split(&read.payload).1, CLEAR);
    assert_eq!(read.author_name(), "Rita (unverified) via Example Security");
}

#[test]
fn beyond_the_limits_nothing_is_parsed_and_nothing_is_lost() {
    let setting = setting();
    let wide = [
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".as_slice(),
        &b"--b\r\n\r\nx\r\n".repeat(2000),
        b"--b--\r\n",
    ]
    .concat();
    let long = format!("X-Long: {}\r\n\r\nbody\r\n", "y".repeat(200 << 10)).into_bytes();
    let no_field = b"\r\nthere is no header\r\n".to_vec();
    for raw in [wide, long, no_field] {
        let post = setting.post(&Sent::to("security", &raw));
        assert_eq!((post.verdict.as_str(), post.replay.len()), ("closed:structure-beyond-limits", 0));
        let read = copy_of(&post, "ada", "security");
        assert!(read.note.contains("structure is beyond the list's limits"), "{}", read.note);
        let (fields, body) = split(&read.payload);
        assert_eq!(crate::support::reader::field(&fields, "Content-Transfer-Encoding"), "base64");
        let base64: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        assert!(base64_simd::STANDARD.decode_to_vec(base64).unwrap() == raw, "byte for byte");
        assert_eq!(read.author_name(), "Unknown sender via Example Security");

        assert_eq!(held(setting.relay(&Sent::to("distrib", &raw))).0, Reason::Structure);
    }
}

#[test]
fn a_list_without_a_team_keeps_mail_for_its_admins_from_its_members() {
    let setting = setting();
    let talk = vouchsafe::relay::world::List {
        kind: vouchsafe::mail::directory::Kind::Discuss,
        team: None,
        ..setting.lists["distrib"].0.clone()
    };
    for purpose in [Purpose::Owner, Purpose::Postmaster, Purpose::Request] {
        let outcome = setting.relay_as(&Sent::to("distrib", CLEAR).at(purpose), &talk, &setting.roster);
        assert_eq!(held(outcome).0, Reason::NoTeam);
    }
}

#[test]
fn a_copy_to_the_admins_does_not_make_the_post_a_replay() {
    let setting = setting();
    let raw = setting.write("distrib", ENTITY, &[setting.by("ada")]);
    for purpose in [Purpose::Owner, Purpose::Postmaster] {
        assert!(setting.post(&Sent::to("distrib", &raw).at(purpose)).replay.is_empty());
    }
    // A request of a member's is answered as well; what goes to the team is no replay either.
    let asked = setting.relay(&Sent::to("distrib", &raw).at(Purpose::Request));
    let Ok(Outcome::Request { otherwise, .. }) = asked else { panic!("no request") };
    assert!(matches!(*otherwise, Outcome::Post(post) if post.replay.is_empty()));
    assert_eq!(setting.post(&Sent::to("distrib", &raw)).replay.len(), 1);
}

#[test]
fn mail_for_owner_and_postmaster_goes_to_the_team_alone_in_any_form() {
    let setting = setting();
    for list in ["security", "distrib"] {
        let encrypted = setting.write(list, ENTITY, &[setting.by("mallory")]);
        for (purpose, line) in [
            (Purpose::Owner, "to the list's owner"),
            (Purpose::Postmaster, "to the postmaster"),
            (Purpose::Request, "to the list's address for requests"),
        ] {
            for raw in [&encrypted, CLEAR] {
                let post = setting.post(&Sent::to(list, raw).at(purpose.clone()));
                assert_eq!(readers(&post), ["ada", "bob"], "{list} {line}");
                assert!(copy_of(&post, "ada", list).note.contains(&format!("Addressed:  {line}")));
            }
        }
    }
    let read = ada_reads(&Sent::to("security", CLEAR).at(Purpose::Reporter));
    assert!(read.note.contains("to team and reporter; it went to the team alone"));
}

#[test]
fn a_copy_of_our_own_is_dropped_and_another_relay_s_is_not() {
    let setting = setting();
    let marked = |value: &str| [format!("X-Vouchsafe-List: {value}\r\n").as_bytes(), CLEAR].concat();
    let own = marked("security.lists.example");
    for purpose in [Purpose::Post, Purpose::Owner, Purpose::Request] {
        assert_eq!(dropped(setting.relay(&Sent::to("security", &own).at(purpose))), DropReason::Loop);
    }
    assert_eq!(
        dropped(setting.relay(&Sent::to("security", &own).released(Reason::Unsigned))),
        DropReason::Loop
    );
    // Our own copy as it leaves, coming back unaltered.
    let post = setting.post(&Sent::to("security", CLEAR));
    let wire = crate::support::reader::on_the_wire(&post, 0);
    assert_eq!(dropped(setting.relay(&Sent::to("security", &wire))), DropReason::Loop);
    for other in ["security.lists.another.example", "security.lists.example.evil", ""] {
        assert_eq!(readers(&setting.post(&Sent::to("security", &marked(other)))).len(), 2, "{other}");
    }
    // In the body it is text.
    let quoted = [CLEAR, b"X-Vouchsafe-List: security.lists.example\r\n"].concat();
    assert_eq!(readers(&setting.post(&Sent::to("security", &quoted))).len(), 2);
}

#[test]
fn what_protected_headers_say_of_the_author_beats_the_outside() {
    let setting = setting();
    let entity = b"Content-Type: text/plain; hp=\"cipher\"\r\nFrom: Rita Inside <in@in.example>\r\n\
        Subject: Inside\r\n\r\nx\r\n";
    let read = ada_reads(&Sent::to("security", &setting.write("security", entity, &[])));
    assert_eq!(read.author_name(), "Rita Inside (unverified) via Example Security");
    let bare = b"Content-Type: text/plain\r\n\r\nx\r\n";
    let read = ada_reads(&Sent::to("security", &setting.write("security", bare, &[])));
    assert_eq!(read.author_name(), "Outer Name (unverified) via Example Security");
}

#[test]
fn inline_text_is_a_text_part_of_its_own() {
    let setting = setting();
    let to = [as_openpgp(setting.list_cert("security"))];
    let text = "Größe\nzwei\r\ndrei";
    let message =
        armored(&encrypted(&signed(text.as_bytes(), &[setting.by("ada")]), &to, NOW, Form::default()));
    let raw = [b"Subject: Inline\r\n\r\n".as_slice(), &message].concat();
    let read = ada_reads(&Sent::to("security", &raw));
    assert_eq!(read.subject(), "[Example Security] Inline");
    let (fields, body) = split(&read.payload);
    assert_eq!(fields[0].1, "text/plain; charset=utf-8");
    assert_eq!(body, text.as_bytes());
}

#[test]
fn what_was_not_spooled_for_this_list_or_by_this_relay_is_a_fault() {
    let setting = setting();
    let (list, key) = &setting.lists["security"];
    let world = World {
        applicants: &[],
        list,
        roster: &setting.roster,
        certs: &setting.certs,
        ours: &setting.ours,
        waived: None,
        restored: None,
        came: &|_| None,
        limits: &setting.limits,
    };
    let keys = Keys { spool: &setting.spool, list: key, tags: &setting.tags };
    let entropy = Entropy::kernel();
    let mut envelope = Envelope {
        reverse_path: None,
        recipients: vec![Recipient {
            address: format!("distrib@{DOMAIN}").parse().unwrap(),
            list: "distrib".parse().unwrap(),
            purpose: Purpose::Post,
        }],
        client: String::new(),
        helo: String::new(),
        via: Via::Lmtp,
        tls: false,
        at: NOW,
    };
    let sealed = seal_at_rest(&Arrival::encode(&envelope, CLEAR), &setting.spool.newest()).unwrap();
    let fault = relay(sealed, &keys, &world, &entropy, NOW).err().unwrap();
    assert!(matches!(fault, Fault::NoRecipient), "{fault}");

    let noise = vouchsafe::secret::Plaintext::new(b"Subject: no arrival\r\n\r\n".to_vec());
    let sealed = seal_at_rest(&noise, &setting.spool.newest()).unwrap();
    let fault = relay(sealed, &keys, &world, &entropy, NOW).err().unwrap();
    assert!(matches!(fault, Fault::Arrival(_)) && !fault.to_string().contains("Subject"), "{fault}");

    let dir = tempfile::tempdir().unwrap();
    let other = KeyDir::new(dir.path()).create_spool(&Passphrase::random(&entropy), NOW).unwrap();
    let sealed = seal_at_rest(&Arrival::encode(&envelope, CLEAR), &other).unwrap();
    let fault = relay(sealed, &keys, &world, &entropy, NOW).err().unwrap();
    assert!(matches!(fault, Fault::Unlock(UnlockError::NoKey)), "{fault}");

    // Several addresses of one list make one mail, and a post counts most.
    let at = |purpose| Recipient { address: list.address.clone(), list: list.name.clone(), purpose };
    envelope.recipients.extend([at(Purpose::Owner), at(Purpose::Request), at(Purpose::Post)]);
    let sealed = seal_at_rest(&Arrival::encode(&envelope, CLEAR), &setting.spool.newest()).unwrap();
    let Outcome::Post(post) = relay(sealed, &keys, &world, &entropy, NOW).unwrap() else {
        panic!("not posted")
    };
    assert!(!copy_of(&Posted::of(*post), "ada", "security").note.contains("Addressed"));

    let small =
        Limits { mime: vouchsafe::mime::scan::Limits { size: 100, ..setting.limits.mime }, ..setting.limits };
    let world = World { limits: &small, ..world };
    let large = vec![b'x'; 3 << 20];
    let sealed = seal_at_rest(&Arrival::encode(&envelope, &large), &setting.spool.newest()).unwrap();
    let fault = relay(sealed, &keys, &world, &entropy, NOW).err().unwrap();
    assert!(matches!(fault, Fault::Unlock(UnlockError::TooLarge)), "{fault}");
}

#[test]
fn a_list_whose_readers_all_lack_a_usable_key_keeps_the_mail() {
    let setting = Setting::new();
    let mut roster = setting.roster.clone();
    let distrib = "distrib".parse().unwrap();
    for name in ["dora", "rolf", "vera"] {
        let address = setting.person(name).address.parse().unwrap();
        roster = roster
            .move_member(&distrib, &address, vouchsafe::roster::membership::Standing::Removed, None, NOW)
            .unwrap()
            .0;
    }
    let list = vouchsafe::relay::world::List { team: None, ..setting.lists["distrib"].0.clone() };
    let raw = setting.write("distrib", ENTITY, &[]);
    let outcome = setting.relay_as(&Sent::to("distrib", &raw).released(Reason::Unsigned), &list, &roster);
    // To finish it with no copy at all would lose an accepted mail.
    let Ok(Outcome::Hold { reason, .. }) = outcome else { panic!("not held") };
    assert_eq!(reason, Reason::NoUsableKey);
    assert!(reason.releasable());
}
