//! Mail that somebody kept and sends when or where its author did not.

use std::time::Duration;

use sequoia_openpgp as openpgp;

use openpgp::packet::Packet;
use openpgp::packet::signature::subpacket::{Subpacket, SubpacketValue};
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use vouchsafe::mail::directory::Purpose;
use vouchsafe::pgp::open::Why;
use vouchsafe::relay::Outcome;
use vouchsafe::relay::gate::Reason;
use vouchsafe::roster::Roster;
use vouchsafe::roster::membership::Standing;
use vouchsafe::time::Timestamp;

use crate::support::forge::{By, Form, encrypted, mail, signed};
use crate::support::keys::{DAY, as_openpgp};
use crate::support::world::{DOMAIN, NOW, Sent, posted, readers};
use crate::{ENTITY, ada_reads, copy_of, held, setting};

const MINUTE: Duration = Duration::from_secs(60);

/// An entity whose author protected whom it is for.
fn addressed(fields: &str) -> Vec<u8> {
    format!(
        "Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\nFrom: ada@ada.example\r\n{fields}\
         Subject: Overflow\r\n\r\nA heap overflow in the parser.\r\n"
    )
    .into_bytes()
}

/// Ada left the team and came back at that moment.
fn ada_joined(at: Timestamp) -> Roster {
    let (security, ada) = ("security".parse().unwrap(), "ada@ada.example".parse().unwrap());
    [Standing::Suspended, Standing::Active].into_iter().fold(setting().roster.clone(), |roster, to| {
        roster.move_member(&security, &ada, to, None, at).unwrap().0
    })
}

#[test]
fn what_a_member_signed_before_joining_is_held() {
    let setting = setting();
    let list = &setting.lists["distrib"].0;
    let roster = ada_joined(NOW);
    let raw = |at| setting.write("distrib", ENTITY, &[By { at, ..setting.by("ada") }]);
    let early = raw(NOW.before(6 * MINUTE));
    let sent = Sent::to("distrib", &early);
    let (reason, signer) = held(setting.relay_as(&sent, list, &roster));
    assert_eq!((reason, signer), (Reason::SignedBeforeJoining, Some(setting.fingerprint("ada"))));
    assert!(reason.releasable());
    // The same mail of somebody who belonged already.
    assert_eq!(setting.post(&sent).copies.len(), 5);
    // A clock may be a little behind.
    let late = raw(NOW.before(4 * MINUTE));
    assert_eq!(posted(setting.relay_as(&Sent::to("distrib", &late), list, &roster)).copies.len(), 5);
    // Whoever let it through as it was, and whoever did so while its author was a stranger yet.
    for waived in [reason, Reason::NotAPoster, Reason::UnknownSigner] {
        let post = posted(setting.relay_as(&sent.clone().released(waived), list, &roster));
        assert_eq!(post.copies.len(), 5, "{waived}");
    }
    let (again, _) = held(setting.relay_as(&sent.clone().released(Reason::Unsigned), list, &roster));
    assert_eq!(again, reason, "another word than the one that was asked for");
    // Anyone may write to the team, whenever.
    let report = setting.write("security", ENTITY, &[By { at: NOW.before(DAY), ..setting.by("ada") }]);
    let intake = &setting.lists["security"].0;
    assert_eq!(posted(setting.relay_as(&Sent::to("security", &report), intake, &roster)).verdict, "good");
}

#[test]
fn what_was_signed_before_a_restore_is_held_wherever_it_would_be_known_again() {
    let setting = setting();
    let restored = Some(NOW.before(10 * MINUTE));
    for list in ["distrib", "security"] {
        let raw = |at| setting.write(list, ENTITY, &[By { at, ..setting.by("ada") }]);
        let old = raw(NOW.before(11 * MINUTE));
        let sent = Sent { restored, ..Sent::to(list, &old) };
        let (reason, signer) = held(setting.relay(&sent));
        assert_eq!((reason, signer), (Reason::SignedBeforeRestore, Some(setting.fingerprint("ada"))));
        assert!(reason.releasable());
        assert!(
            !setting.post(&sent.clone().released(reason)).replay.is_empty(),
            "let through, it counts as seen"
        );
        assert_eq!(setting.post(&Sent { restored: None, ..sent }).verdict, "good");
        // A signer's clock may have been ahead then.
        let ahead = raw(NOW.before(6 * MINUTE));
        assert_eq!(held(setting.relay(&Sent { restored, ..Sent::to(list, &ahead) })).0, reason);
        let new = raw(NOW.before(5 * MINUTE));
        assert_eq!(setting.post(&Sent { restored, ..Sent::to(list, &new) }).verdict, "good");
    }
    // Nothing tells when these were written, and nothing ever knew them again.
    for by in [vec![], vec![By { at: NOW.before(DAY), ..setting.by("mallory") }]] {
        let raw = setting.write("security", ENTITY, &by);
        assert_eq!(readers(&setting.post(&Sent { restored, ..Sent::to("security", &raw) })), ["ada", "bob"]);
    }
}

#[test]
fn a_command_that_was_signed_before_a_restore_is_none() {
    let setting = setting();
    let entity = format!("Content-Type: text/plain\r\n\r\nVOUCHSAFE {}\r\n", "a".repeat(26));
    let by = By { at: NOW.before(11 * MINUTE), ..setting.by("dora") };
    let raw = setting.write("distrib", entity.as_bytes(), &[by]);
    let sent = Sent { purpose: Purpose::Request, ..Sent::to("distrib", &raw) };
    assert!(matches!(setting.relay(&sent), Ok(Outcome::Request { .. })));
    let restored = Some(NOW.before(10 * MINUTE));
    assert_eq!(readers(&setting.post(&Sent { restored, ..sent })), ["ada", "bob"], "the team reads it");
}

#[test]
fn a_mail_for_one_list_is_not_carried_to_another() {
    let setting = setting();
    let elsewhere = [
        format!("To: security@{DOMAIN}\r\n"),
        "To: Friends <friends@ada.example>\r\nCc: bob@bob.example\r\n".to_owned(),
        "To: friends: a@ada.example, b@ada.example;\r\n".to_owned(),
        format!("To: distrib@{DOMAIN}.evil.example\r\n"),
        "To: not an address at all <@>\r\nCc: x@y.example\r\n".to_owned(),
    ];
    for fields in elsewhere {
        let raw = setting.write("distrib", &addressed(&fields), &[setting.by("ada")]);
        let (reason, signer) = held(setting.relay(&Sent::to("distrib", &raw)));
        assert_eq!((reason, signer), (Reason::ForSomeoneElse, Some(setting.fingerprint("ada"))), "{fields}");
        assert_eq!(reason.to_string(), "for-someone-else");
        let sent = Sent::to("distrib", &raw).released(reason);
        let note = copy_of(&setting.post(&sent), "ada", "distrib").note;
        assert!(note.contains("addressed it to others"), "whoever reads it is told: {note}");
    }
    let here = [
        format!("To: distrib@{DOMAIN}\r\n"),
        format!("To: \"Distributors\" <DISTRIB@{}>\r\n", DOMAIN.to_uppercase()),
        format!("To: friends@ada.example\r\nCc: x@y.example, distrib@{DOMAIN}\r\n"),
        format!("To: distrib-request@{DOMAIN}\r\n"),
        // Nobody is named: a blind copy by a program that says so.
        "To: undisclosed-recipients:;\r\n".to_owned(),
        String::new(),
    ];
    for fields in here {
        let raw = setting.write("distrib", &addressed(&fields), &[setting.by("ada")]);
        let note = copy_of(&setting.post(&Sent::to("distrib", &raw)), "dora", "distrib").note;
        assert!(!note.contains("addressed it to others"), "{fields}: {note}");
    }
}

#[test]
fn a_signature_that_names_another_list_does_not_count_here() {
    let setting = setting();
    let security = as_openpgp(setting.list_cert("security"));
    let by = By { intended: Some(&security), ..setting.by("ada") };
    let raw = setting.write("distrib", ENTITY, &[by]);
    let (reason, _) = held(setting.relay(&Sent::to("distrib", &raw)));
    assert_eq!(reason, Reason::BadSignature(Why::ForSomeoneElse));
}

#[test]
fn anyone_may_pass_a_mail_on_to_the_team_and_the_team_is_told() {
    let setting = setting();
    let fields = "To: other-vendor@vendor.example\r\n";
    for who in ["ada", "mallory"] {
        let raw = setting.write("security", &addressed(fields), &[setting.by(who)]);
        assert!(ada_reads(&Sent::to("security", &raw)).note.contains("addressed it to others"), "{who}");
    }
    // What nobody signed says nothing of what its author wanted.
    let raw = setting.write("security", &addressed(fields), &[]);
    assert!(!ada_reads(&Sent::to("security", &raw)).note.contains("addressed it to others"));
}

#[test]
fn one_mail_that_names_two_lists_reaches_both() {
    let setting = setting();
    let entity = addressed(&format!("To: security@{DOMAIN}\r\nCc: distrib@{DOMAIN}\r\n"));
    let to = ["security", "distrib"].map(|list| as_openpgp(setting.list_cert(list)));
    let raw = mail("", &encrypted(&signed(&entity, &[setting.by("ada")]), &to, NOW, Form::default()));
    let posts = ["security", "distrib"].map(|list| setting.post(&Sent::to(list, &raw)));
    assert_eq!(posts[0].copies.len(), 2);
    assert_eq!(posts[1].copies.len(), 5);
    assert_ne!(posts[0].replay, posts[1].replay, "neither makes a replay of the other");
}

#[test]
fn an_unsigned_mail_that_came_before_is_flagged_and_goes_on() {
    let setting = setting();
    for by in [vec![], vec![setting.by("mallory")], vec![setting.by("ada"), setting.by("bob")]] {
        let raw = setting.write("security", ENTITY, &by);
        let first = setting.post(&Sent::to("security", &raw));
        assert!(first.replay.is_empty());
        let digest = first.came.expect("a digest to know it by");
        assert!(!copy_of(&first, "ada", "security").note.contains("came before"));
        let before = NOW.before(DAY);
        let again = setting.post(&Sent { came: Some((digest, before)), ..Sent::to("security", &raw) });
        assert_eq!(readers(&again), ["ada", "bob"], "it is never dropped");
        assert_eq!(again.came, None, "the first time is remembered");
        let note = copy_of(&again, "bob", "security").note;
        assert!(note.contains(&format!("came before, on {before}")), "{note}");
        // On another list, and under another key, it is another mail.
        assert_ne!(
            setting.post(&Sent::to("security", &setting.write("security", ENTITY, &by))).came,
            Some(digest)
        );
    }
    let raw = setting.write("security", ENTITY, &[setting.by("ada")]);
    assert_eq!(setting.post(&Sent::to("security", &raw)).came, None, "a good signature says more");
}

#[test]
fn nobody_stops_a_mail_by_sending_its_session_key_first() {
    let setting = setting();
    // Mallory was sent Ada's mail, so that she has its session key: she packs what she likes under the same one, to the
    // list, and is quicker.
    let raw = setting.write("distrib", ENTITY, &[setting.by("ada")]);
    let stripped = setting.write("security", ENTITY, &[]);
    let came = setting.post(&Sent::to("security", &stripped)).came.unwrap();
    // Whatever digest of whatever mail was noted before, the signed one goes out, and is known by its signature alone.
    let sent = Sent { came: Some((came, NOW)), ..Sent::to("distrib", &raw) };
    let post = setting.post(&sent);
    assert_eq!((post.verdict.as_str(), post.came, post.replay.len()), ("good", None, 1));
    assert_ne!(post.replay[0], came);
    let sent = Sent { came: Some((came, NOW)), ..Sent::to("security", &stripped) };
    assert!(matches!(setting.relay(&sent), Ok(Outcome::Post(_))), "an unsigned one neither");
}

#[test]
fn an_unhashed_subpacket_more_is_the_same_signature() {
    let setting = setting();
    let to = [as_openpgp(setting.list_cert("distrib"))];
    let packets = signed(ENTITY, &[setting.by("ada")]);
    let send = |packets: &[u8]| {
        setting.post(&Sent::to("distrib", &mail("", &encrypted(packets, &to, NOW, Form::default())))).replay
    };
    let mut children: Vec<_> = openpgp::PacketPile::from_bytes(&packets).unwrap().into_children().collect();
    let Some(Packet::Signature(signature)) = children.last_mut() else { panic!("no signature") };
    let more = SubpacketValue::Unknown {
        tag: openpgp::packet::signature::subpacket::SubpacketTag::Private(105),
        body: vec![7; 40],
    };
    signature.unhashed_area_mut().add(Subpacket::new(more, false).unwrap()).unwrap();
    let changed: Vec<u8> = children.iter().flat_map(|packet| packet.to_vec().unwrap()).collect();
    assert_ne!(changed, packets);
    assert_eq!(send(&changed), send(&packets));
}

#[test]
fn more_recipients_around_the_same_ciphertext_change_nothing() {
    let setting = setting();
    let list = as_openpgp(setting.list_cert("distrib"));
    let packets = signed(ENTITY, &[setting.by("ada")]);
    let message = encrypted(&packets, std::slice::from_ref(&list), NOW, Form::default());
    let others = encrypted(&packets, &[setting.person("mallory").key.clone(), list], NOW, Form::default());
    let pile = openpgp::PacketPile::from_bytes(&others).unwrap();
    let more: Vec<u8> = pile
        .children()
        .filter(|packet| matches!(packet, Packet::PKESK(_)))
        .flat_map(|packet| packet.to_vec().unwrap())
        .collect();
    let replay = |message: &[u8]| setting.post(&Sent::to("distrib", &mail("", message))).replay;
    assert_eq!(replay(&[more, message.clone()].concat()), replay(&message));
}
