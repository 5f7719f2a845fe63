//! A mail that was tampered with: one end for every change of it, and nothing of what is inside.

use sequoia_openpgp as openpgp;

use openpgp::PacketPile;
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use vouchsafe::pgp::open::{Closed, Why};
use vouchsafe::relay::gate::Reason;

use crate::support::forge::{Form, encrypted, mail, signed};
use crate::support::keys::as_openpgp;
use crate::support::world::{NOW, Sent, readers};
use crate::{ENTITY, copy_of, held, setting};

const FORMS: [Form; 2] = [Form { v2: false, hidden: false }, Form { v2: true, hidden: false }];

/// Ada's mail to a list, as packets.
fn message(list: &str, form: Form) -> Vec<u8> {
    let packets = signed(ENTITY, &[setting().by("ada")]);
    encrypted(&packets, &[as_openpgp(setting().list_cert(list))], NOW, form)
}

/// Where the encrypted content begins, behind what everybody sees of the container.
fn inside(message: &[u8]) -> usize {
    let pile = PacketPile::from_bytes(message).unwrap();
    let key = pile.children().next().unwrap().to_vec().unwrap().len();
    let head = match message[key + 1] {
        0..192 => 2,
        192..224 => 3,
        _ => 6,
    };
    key + head + if message[key + head] == 1 { 1 } else { 4 }
}

#[test]
fn every_byte_of_an_announcement_that_changes_comes_to_the_same_end() {
    let setting = setting();
    for form in FORMS {
        let whole = message("distrib", form);
        assert_eq!(setting.post(&Sent::to("distrib", &mail("", &whole))).copies.len(), 5);
        for at in inside(&whole)..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1 << (at % 8);
            let end = held(setting.relay(&Sent::to("distrib", &mail("", &bad))));
            assert_eq!(end, (Reason::Closed(Closed::Damaged), None), "byte {at} of {}", whole.len());
        }
    }
}

#[test]
fn the_team_gets_a_tampered_report_as_it_came_under_one_name_and_one_note() {
    let setting = setting();
    for form in FORMS {
        let whole = message("security", form);
        let from = inside(&whole);
        let mut notes = Vec::new();
        for at in [from, from + 17, (from + whole.len()) / 2, whole.len() - 20, whole.len() - 1] {
            let mut bad = whole.clone();
            bad[at] ^= 0x40;
            let raw = mail("", &bad);
            let post = setting.post(&Sent::to("security", &raw));
            assert_eq!((post.verdict.as_str(), post.signer.as_ref()), ("closed:damaged", None));
            assert!(post.replay.is_empty() && post.came.is_none());
            assert_eq!(readers(&post), ["ada", "bob"]);
            let read = copy_of(&post, "bob", "security");
            assert!(!read.payload.windows(8).any(|part| part == b"overflow"), "nothing of the inside");
            notes.push(read.note);
        }
        assert!(notes.iter().all(|note| *note == notes[0] && note.contains("damaged")), "{notes:?}");
    }
}

#[test]
fn nothing_of_a_large_mail_is_released_when_its_last_bytes_are_wrong() {
    let setting = setting();
    let content = [ENTITY, &b"0123456789 0123456789 0123456789\r\n".repeat(900_000)].concat();
    let to = [as_openpgp(setting.list_cert("distrib"))];
    let packets = signed(&content, &[setting.by("ada")]);
    let mut unsigned = packets.clone();
    // The signature stands behind the content, its numbers at its end.
    *unsigned.last_mut().unwrap() ^= 1;
    for form in FORMS {
        let raw = mail("", &encrypted(&unsigned, &to, NOW, form));
        assert!(raw.len() > 40 << 20, "{} bytes", raw.len());
        let (reason, signer) = held(setting.relay(&Sent::to("distrib", &raw)));
        assert_eq!((reason, signer), (Reason::BadSignature(Why::Invalid), None));
        let mut message = encrypted(&packets, &to, NOW, form);
        *message.last_mut().unwrap() ^= 1;
        let (reason, signer) = held(setting.relay(&Sent::to("distrib", &mail("", &message))));
        assert_eq!((reason, signer), (Reason::Closed(Closed::Damaged), None));
    }
}
