//! The rules of the roster.

use super::*;

fn list() -> ListName {
    "distrib".parse().unwrap()
}

fn member(n: u8, role: Role) -> Member {
    Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("m{n}@example.org").parse().unwrap(),
        fingerprint: Fingerprint::V4([n; 20]),
        role,
        standing: Standing::Active,
        since: Timestamp::from_secs(0),
        format: None,
        file: crate::roster::membership::MemberFile::default(),
    }
}

fn contact(n: u8) -> Member {
    member(n, Role::Contact { org: "acme".parse().unwrap() })
}

fn with_acme() -> Roster {
    Roster::default().add_org(&"acme".parse().unwrap(), "Acme".to_owned(), Timestamp::from_secs(0)).unwrap().0
}

#[test]
fn a_contact_needs_its_organisation() {
    let refused = Roster::default().add_member(&list(), contact(1)).unwrap_err();
    assert!(matches!(refused, Refusal::OrgUnknown(_)));
    assert!(with_acme().add_member(&list(), contact(1)).is_ok());
}

#[test]
fn address_and_certificate_are_unique_until_removal() {
    let (roster, _) = with_acme().add_member(&list(), contact(1)).unwrap();
    assert!(matches!(roster.add_member(&list(), contact(1)), Err(Refusal::AddressTaken(_))));
    let mut other = contact(2);
    other.fingerprint = Fingerprint::V4([1; 20]);
    assert!(matches!(roster.add_member(&list(), other), Err(Refusal::CertTaken(_))));
    let at = contact(1).address;
    let (roster, _) =
        roster.move_member(&list(), &at, Standing::Removed, None, Timestamp::from_secs(1)).unwrap();
    assert!(roster.add_member(&list(), contact(1)).is_ok(), "the way back is open");
}

#[test]
fn the_suspended_neither_read_nor_sign() {
    let (roster, _) = with_acme().add_member(&list(), contact(1)).unwrap();
    assert!(roster.active_signer(&list(), Fingerprint::V4([1; 20])).is_some());
    let at = contact(1).address;
    let (roster, change) =
        roster.move_member(&list(), &at, Standing::Suspended, None, Timestamp::from_secs(1)).unwrap();
    assert!(matches!(change, Change::Moved { from: Standing::Active, to: Standing::Suspended, .. }));
    assert!(roster.active_signer(&list(), Fingerprint::V4([1; 20])).is_none());
    assert_eq!(roster.active(&list()).count(), 0);
}

#[test]
fn a_format_is_set_for_one_and_told() {
    let (roster, _) = with_acme().add_member(&list(), contact(1)).unwrap();
    let (roster, _) = roster.add_member(&list(), contact(2)).unwrap();
    let (one, other) = (contact(1).id, contact(2));
    let (roster, change) = roster.set_format(&list(), &one, Some(Format::V2)).unwrap();
    assert_eq!(change, Change::FormatSet { member: one.clone(), before: None, after: Some(Format::V2) });
    let format = |at: &Address| roster.by_address(&list(), at).unwrap().format;
    assert_eq!((format(&contact(1).address), format(&other.address)), (Some(Format::V2), None));
    let at = contact(1).address;
    let set = |cert: u8| roster.set_cert(&list(), &at, Fingerprint::V4([cert; 20])).unwrap().0;
    let kept = |roster: &Roster| roster.by_address(&list(), &at).unwrap().format;
    assert_eq!(kept(&set(1)), Some(Format::V2), "the same certificate, renewed");
    assert_eq!(kept(&set(9)), None, "another one, whose owner has shown nothing");
    let gone =
        roster.move_member(&list(), &contact(1).address, Standing::Removed, None, Timestamp::from_secs(1));
    assert!(matches!(gone.unwrap().0.set_format(&list(), &one, None), Err(Refusal::NoMember(_))));
}

#[test]
fn the_last_of_a_team_stays() {
    let role = || Role::Team { name: "Ada".to_owned(), role: None };
    let (one, _) = Roster::default().add_member(&list(), member(1, role())).unwrap();
    let at = member(1, role()).address;
    let gone = |r: &Roster| r.move_member(&list(), &at, Standing::Removed, None, Timestamp::from_secs(1));
    assert!(matches!(gone(&one), Err(Refusal::LastOfTeam(_))));
    let (two, _) = one.add_member(&list(), member(2, role())).unwrap();
    assert!(gone(&two).is_ok());
}

#[test]
fn a_decision_takes_the_place_of_what_the_clock_did_and_not_the_other_way() {
    let (roster, _) = with_acme().add_member(&list(), contact(1)).unwrap();
    let id = contact(1).id;
    let moved = |roster: &Roster, to, cause| {
        roster.move_to(&list(), &id, to, (cause, None), Timestamp::from_secs(1)).map(|(roster, _)| roster)
    };
    let cause = |roster: &Roster| roster.by_id(&list(), &id).unwrap().file.cause;
    let silent = moved(&roster, Standing::Suspended, Cause::Unanswered).unwrap();
    let judged = moved(&silent, Standing::Suspended, Cause::Breach).unwrap();
    assert_eq!((cause(&silent), cause(&judged)), (Some(Cause::Unanswered), Some(Cause::Breach)));
    for weaker in [Cause::NotAccepted, Cause::Admin] {
        let again = moved(&judged, Standing::Suspended, weaker);
        assert!(matches!(again, Err(Refusal::NoStep { .. })), "{weaker:?}: once is enough");
    }
    let back = moved(&judged, Standing::Active, Cause::Admin).unwrap();
    assert_eq!(cause(&back), None);
}
