//! What is found of criteria, by whom, and what stands out.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::id::{Fingerprint, ListName};
use crate::mail::directory::Kind;
use crate::policy::Policy;
use crate::roster::membership::{MemberFile, Role, Standing};
use crate::roster::org::OrgEdit;

const DAY: Duration = Duration::from_secs(86_400);
const THREE: &str = r#"
[policy]
id = "three"
version = "1"
[membership]
criteria = ["not-downstream", "fix-track-record", "signed-nda"]
own = { signed-nda = "Has signed the agreement" }
review_every = "30d"
"#;

fn list(policy: &str) -> List {
    List {
        name: "distrib".parse().unwrap(),
        title: "Distributors".to_owned(),
        address: "distrib@lists.example".parse().unwrap(),
        answer_to: "security@lists.example".parse().unwrap(),
        kind: Kind::Announce,
        team: None,
        individual: false,
        policy: Some(Arc::new(Policy::parse(policy).unwrap())),
    }
}

fn name(text: &str) -> OrgName {
    text.parse().unwrap()
}

fn day(n: u32) -> Timestamp {
    Timestamp::from_secs(0).after(DAY.saturating_mul(n))
}

fn member(n: u8, org: &str, standing: Standing) -> Member {
    Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("psirt@{org}.example").parse().unwrap(),
        fingerprint: Fingerprint::V4([n; 20]),
        role: Role::Contact { org: name(org) },
        standing,
        since: day(0),
        format: None,
        file: MemberFile::default(),
    }
}

/// Organisations, each with one contact in this standing.
fn with(orgs: &[(&str, Standing)]) -> Roster {
    let mut roster = Roster::default();
    for (n, (org, standing)) in (1..).zip(orgs) {
        roster = roster.add_org(&name(org), (*org).to_owned(), day(0)).unwrap().0;
        roster =
            roster.add_member(&"distrib".parse::<ListName>().unwrap(), member(n, org, *standing)).unwrap().0;
    }
    roster
}

fn found(state: State, at: Timestamp) -> Assessment {
    let evidence = Some("https://acme.example/advisories".to_owned());
    Assessment { state, by: "ada".to_owned(), at, evidence, review: None, told: false }
}

#[test]
fn what_is_found_is_shown_with_its_day_and_stands_out_when_it_fails_or_is_late() {
    let (list, acme) = (list(THREE), name("acme"));
    let roster = with(&[("acme", Standing::Active)]);
    let (roster, change) =
        roster.assess(&acme, &list, "fix-track-record", found(State::Met, day(1))).unwrap();
    let Change::Assessed { review, evidence, .. } = &change else { panic!("{change:?}") };
    assert_eq!(review.as_deref(), Some(day(31).to_string().as_str()), "the policy's period counts");
    assert_eq!(evidence.as_deref(), Some("https://acme.example/advisories"));
    let (roster, _) = roster.assess(&acme, &list, "signed-nda", found(State::Unmet, day(1))).unwrap();
    let marks = |at: Timestamp| {
        let all = roster.judged(&acme, &list, at);
        all.iter().map(|one| (one.criterion.clone(), one.state(), one.mark())).collect::<Vec<_>>()
    };
    let (downstream, record, nda) =
        ("not-downstream".to_owned(), "fix-track-record".to_owned(), "signed-nda".to_owned());
    let early = [
        (downstream.clone(), State::Unknown, None),
        (record.clone(), State::Met, None),
        (nda.clone(), State::Unmet, Some("FAILING")),
    ];
    assert_eq!(marks(day(30)), early, "in the policy's order");
    let late = [
        (downstream, State::Unknown, None),
        (record, State::Met, Some("OVERDUE")),
        (nda, State::Unmet, Some("FAILING, OVERDUE")),
    ];
    assert_eq!(marks(day(31)), late);
    assert_eq!(troubled(&roster, &list, day(31))[&acme], Count { overdue: 2, failing: 1 });
}

#[test]
fn a_criterion_that_no_policy_names_is_refused() {
    let roster = with(&[("acme", Standing::Active)]);
    let refused = |list: &List, criterion: &str| {
        roster.assess(&name("acme"), list, criterion, found(State::Met, day(1))).unwrap_err().to_string()
    };
    let told = refused(&list(THREE), "vouched");
    assert!(
        told.contains("\"vouched\"") && told.contains("not-downstream, fix-track-record, signed-nda"),
        "{told}"
    );
    let none = refused(&list("[policy]\nid = \"none\"\nversion = \"1\"\n"), "vouched");
    assert!(none.contains("no policy with criteria"), "{none}");
}

#[test]
fn a_rebuild_of_a_member_fails_whatever_was_written_and_of_a_stranger_does_not() {
    let list = list(THREE);
    let state = |upstream: &str, standing: Standing| {
        let roster = with(&[("acme", Standing::Active), ("debian", standing)]);
        let (roster, _) =
            roster.assess(&name("acme"), &list, "not-downstream", found(State::Met, day(1))).unwrap();
        let edit = OrgEdit { upstream: Some(upstream.to_owned()), ..OrgEdit::default() };
        let (roster, _) = roster.edit_org(&name("acme"), edit, None).unwrap().unwrap();
        let judged = roster.judged(&name("acme"), &list, day(2)).remove(0);
        let by = judged.assessment.as_ref().unwrap().by.clone();
        (judged.state(), by)
    };
    let (relay, ada) = (RELAY.to_owned(), "ada".to_owned());
    assert_eq!(state("Debian", Standing::Active), (State::Unmet, relay.clone()));
    assert_eq!(state("debian", Standing::Suspended), (State::Unmet, relay), "it will be back");
    assert_eq!(state("debian", Standing::Applied), (State::Met, ada.clone()), "it hears of nothing");
    assert_eq!(state("fedora", Standing::Active), (State::Met, ada));
}

#[test]
fn who_came_by_enough_vouchers_is_vouched_for() {
    let list = list(
        "[policy]\nid = \"x\"\nversion = \"1\"\n[membership]\ncriteria = [\"vouched\"]\nvouchers_required = 2\n",
    );
    let state = |by: &[&str]| {
        let org = with(&[]).add_org(&name("acme"), "Acme".to_owned(), day(0)).unwrap().0;
        let mut contact = member(1, "acme", Standing::Active);
        contact.file.vouched_by = by.iter().map(|id| id.parse().unwrap()).collect();
        org.add_member(&list.name, contact).unwrap().0.judged(&name("acme"), &list, day(2)).remove(0)
    };
    let met = state(&["m-a", "m-b"]);
    let found = met.assessment.clone().unwrap();
    assert_eq!((met.state(), found.by.as_str()), (State::Met, RELAY));
    assert_eq!(found.evidence.as_deref(), Some("vouched for by m-a, m-b"));
    assert_eq!(state(&["m-a"]).assessment, None, "a person has to judge");
}

#[test]
fn a_missed_review_is_told_once_and_again_only_after_a_new_look() {
    let (list, acme) = (list(THREE), name("acme"));
    let (roster, _) = with(&[("acme", Standing::Active)])
        .assess(&acme, &list, "fix-track-record", found(State::Met, day(1)))
        .unwrap();
    assert_eq!(roster.reviews_missed(&list, day(30), 9), []);
    let missed = [(acme.clone(), "fix-track-record".to_owned(), day(31))];
    assert_eq!(roster.reviews_missed(&list, day(31), 9), missed);
    let (roster, _) = roster.review_told(&acme, &list, "fix-track-record").unwrap();
    assert_eq!(roster.reviews_missed(&list, day(99), 9), []);
    let (roster, _) = roster.assess(&acme, &list, "fix-track-record", found(State::Met, day(40))).unwrap();
    assert_eq!(roster.reviews_missed(&list, day(70), 9).len(), 1);
}

#[test]
fn nobody_is_told_of_who_has_left_or_of_what_the_policy_does_not_ask() {
    let (list, acme) = (list(THREE), name("acme"));
    let assessed = |standing: Standing| {
        let roster = with(&[("acme", standing)]);
        roster.assess(&acme, &list, "fix-track-record", found(State::Unmet, day(1))).unwrap().0
    };
    let left = assessed(Standing::Removed);
    assert!(left.reviews_missed(&list, day(99), 9).is_empty() && troubled(&left, &list, day(99)).is_empty());
    let asked_no_more =
        self::list("[policy]\nid = \"x\"\nversion = \"2\"\n[membership]\ncriteria = [\"vouched\"]\n");
    let active = assessed(Standing::Active);
    assert!(active.reviews_missed(&asked_no_more, day(99), 9).is_empty());
    assert!(troubled(&active, &asked_no_more, day(99)).is_empty());
}
