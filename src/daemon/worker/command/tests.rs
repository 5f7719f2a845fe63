//! No token does anything but in its owner's own word, whatever it is for.

mod office;
mod shapes;
#[path = "../../../../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use self::office::{DORA, LIST, Office};
use self::shapes::{SHAPES, Shape};
use crate::id::SpoolId;
use crate::ledger::journal::Event;
use crate::policy::TextHash;
use crate::relay::gate::DropReason;
use crate::roster::aim::Aim;
use crate::roster::moderation::Decision;
use crate::roster::terms::Edition;

/// The aim behind this one, so that whoever adds one adds it here: nothing compiles before.
fn behind(aim: &Aim, mail: SpoolId) -> Option<Aim> {
    let (ballot, application) = (office::ballot().id, office::application());
    let hold = |decision| Aim::Hold { mail, decision };
    Some(match aim {
        Aim::Probe => Aim::Approve { ballot },
        Aim::Approve { .. } => Aim::Object { ballot },
        Aim::Object { .. } => Aim::Confirm { application },
        Aim::Confirm { .. } => Aim::Vouch { application },
        Aim::Vouch { .. } => hold(Decision::Release),
        Aim::Hold { decision: Decision::Release, .. } => hold(Decision::Drop),
        Aim::Hold { decision: Decision::Drop, .. } => hold(Decision::DropAndIgnore),
        Aim::Hold { decision: Decision::DropAndIgnore, .. } => Aim::Leave,
        Aim::Leave => Aim::Certificate,
        Aim::Certificate => {
            Aim::Accept { edition: Edition { version: "1".to_owned(), hash: TextHash::of("terms") } }
        }
        Aim::Accept { .. } => Aim::Staff,
        Aim::Staff => Aim::Alias { round: 1 },
        Aim::Alias { .. } => Aim::Leak { breach: None },
        Aim::Leak { breach: None } => Aim::Leak { breach: Some("x-1".parse().unwrap()) },
        Aim::Leak { breach: Some(_) } => return None,
    })
}

fn every(mail: SpoolId) -> impl Iterator<Item = Aim> {
    std::iter::successors(Some(Aim::Probe), move |aim| behind(aim, mail))
}

/// Whose it is: the team votes and decides about held mail, and a contact does the rest.
fn owner(aim: &Aim) -> &'static str {
    match aim {
        Aim::Approve { .. } | Aim::Object { .. } | Aim::Hold { .. } => "ada",
        _ => DORA,
    }
}

/// What the journal says of the last mail.
fn was_obeyed(events: &[Event], aim: &Aim) -> bool {
    events.iter().any(|event| match event {
        Event::Commanded { aim: done, .. } | Event::CommandRefused { aim: done, .. } => done == aim.name(),
        _ => false,
    })
}

fn was_carried_out(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Commanded { .. }))
}

fn went_to_the_team(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Relayed { copies, .. } if *copies > 0))
}

#[test]
fn a_token_counts_in_its_owners_own_word_alone_whatever_it_is_for() {
    let office = Office::new();
    let aims: Vec<Aim> = every(office.held()).collect();
    let mut written = BTreeMap::new();
    // The same mail for each aim: only the record of its token says what it is for.
    let mut mail = |shape: Shape, by: &'static str| {
        written.entry((shape, by)).or_insert_with(|| office.mail(shape, by, &shape.token())).clone()
    };
    assert_eq!(aims.len(), 15);
    for aim in &aims {
        let desk = office.fresh();
        let by = owner(aim);
        for shape in SHAPES {
            let before = desk.state();
            let issued = desk.issue(aim, by, shape);
            let list = if shape == Shape::ToAnotherList { "security" } else { LIST };
            let events = desk.works(list, &mail(shape, by));
            let what = format!("{aim:?}, {shape:?}: {events:?}");
            assert!(desk.state() == before, "{what}");
            assert!(!was_obeyed(&events, aim), "{what}");
            assert!(went_to_the_team(&events), "{what}");
            let lives = !matches!(shape, Shape::Used | Shape::Expired | Shape::Replaced);
            assert_eq!(desk.counts(&shape.token(), &issued), lives, "{what}");
        }
        // The same token in its owner's own word is heard; and what else that says is read.
        for (shape, desk) in [(Shape::Own, desk), (Shape::OwnAlone, office.fresh())] {
            desk.issue(aim, by, shape);
            let mail = mail(shape, by);
            let events = desk.works(LIST, &mail);
            let what = format!("{aim:?}, {shape:?}: {events:?}");
            assert!(was_obeyed(&events, aim), "{what}");
            assert_eq!(went_to_the_team(&events), shape == Shape::Own, "{what}");
            // The same mail again does nothing.
            let after = desk.state();
            let events = desk.works(LIST, &mail);
            let what = format!("{what}, and again: {events:?}");
            assert!(desk.state() == after && !was_carried_out(&events), "{what}");
            let dropped = |event: &Event| matches!(event, Event::Dropped { reason, .. } if *reason == DropReason::Replay.to_string());
            // Who has left writes as a stranger does, and what strangers write the team reads.
            let drops = shape == Shape::OwnAlone && *aim != Aim::Leave;
            assert_eq!(events.iter().any(dropped), drops, "{what}");
        }
    }
}

#[test]
fn another_certificate_is_pinned_where_both_keys_signed_the_mail() {
    let office = Office::new();
    let desk = office.fresh();
    let (old, new) = (office.fingerprint(DORA), office.fingerprint("mallory"));
    // Attached, and signed by one of the two alone, or by somebody else's beside.
    for signers in [&[DORA][..], &[DORA, "bob"], &["mallory"]] {
        desk.issue(&Aim::Certificate, DORA, Shape::Own);
        desk.works(LIST, &office.hand_in("mallory", signers));
        assert_eq!(desk.pinned(DORA), old, "{signers:?}");
        desk.forget(Shape::Own);
    }
    desk.issue(&Aim::Certificate, DORA, Shape::Own);
    let events = desk.works(LIST, &office.hand_in("mallory", &[DORA, "mallory"]));
    assert_eq!(desk.pinned(DORA), new, "{events:?}");
    // Also where it is known already, because it was pinned on another list before.
    let further = office.fresh();
    further.is_known_elsewhere("mallory", &office.people["mallory"].cert());
    further.issue(&Aim::Certificate, DORA, Shape::Own);
    let events = further.works(LIST, &office.hand_in("mallory", &[DORA, "mallory"]));
    assert_eq!(further.pinned(DORA), new, "{events:?}");
    // What somebody else of the list has pinned nobody takes over.
    let other = office.fresh();
    other.issue(&Aim::Certificate, DORA, Shape::Own);
    other.works(LIST, &office.hand_in("emil", &[DORA, "emil"]));
    assert_eq!(other.pinned(DORA), old);
}
