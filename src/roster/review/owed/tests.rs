//! What is found of contacts who owe an acceptance or an answer.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::id::{Fingerprint, OrgName};
use crate::mail::directory::Kind;
use crate::policy::{Policy, TermsText, TextHash};
use crate::roster::Roster;
use crate::roster::alias::{Alias, Open};
use crate::roster::criteria::Judged;
use crate::roster::membership::{MemberFile, Role};
use crate::roster::review::{Count, troubled};
use crate::roster::terms::{Acceptance, Accepted, Asked, How};

const DAY: Duration = Duration::from_secs(86_400);

fn day(n: u32) -> Timestamp {
    Timestamp::from_secs(1_800_000_000).after(DAY.saturating_mul(n))
}

/// A list whose policy has both criteria; `terms`: the text that is accepted; `probe`: whether contacts are asked.
fn list(terms: Option<&str>, probe: bool) -> List {
    let probe = if probe { "alias_probe_every = \"90d\"\nalias_probe_answer = \"7d\"\n" } else { "" };
    let criteria = "criteria = [\"accept-embargo\", \"monitored-alias\"]";
    let text = format!("[policy]\nid = \"x\"\nversion = \"1\"\n[membership]\n{criteria}\n{probe}");
    let mut policy = Policy::parse(&text).unwrap();
    policy.terms_text = terms.map(|text| TermsText {
        version: "1".to_owned(),
        hash: TextHash::of(text),
        text: text.to_owned(),
    });
    List {
        name: "distrib".parse().unwrap(),
        title: "Distributors".to_owned(),
        address: "distrib@lists.example".parse().unwrap(),
        answer_to: "security@lists.example".parse().unwrap(),
        kind: Kind::Announce,
        team: None,
        individual: false,
        policy: Some(Arc::new(policy)),
    }
}

fn acme() -> OrgName {
    "acme".parse().unwrap()
}

/// Contacts of Acme, and what a person wrote of both criteria.
fn with(list: &List, contacts: &[(Standing, MemberFile)]) -> Roster {
    let mut roster = Roster::default().add_org(&acme(), "Acme".to_owned(), day(0)).unwrap().0;
    for (n, (standing, file)) in (1..).zip(contacts) {
        let member = Member {
            id: format!("m-{n}").parse().unwrap(),
            address: format!("psirt{n}@acme.example").parse().unwrap(),
            fingerprint: Fingerprint::V4([n; 20]),
            role: Role::Contact { org: acme() },
            standing: *standing,
            since: day(0),
            format: None,
            file: file.clone(),
        };
        roster = roster.add_member(&list.name, member).unwrap().0;
    }
    for criterion in ["accept-embargo", "monitored-alias"] {
        let (at, by) = (day(0), "ada".to_owned());
        let found = Assessment { state: State::Met, by, at, evidence: None, review: None, told: false };
        roster = roster.assess(&acme(), list, criterion, found).unwrap().0;
    }
    roster
}

fn judged(list: &List, contacts: &[(Standing, MemberFile)], now: Timestamp) -> Vec<Judged> {
    with(list, contacts).judged(&acme(), list, now)
}

fn edition(text: &str) -> Edition {
    Edition { version: "1".to_owned(), hash: TextHash::of(text) }
}

fn accepted(text: &str) -> MemberFile {
    let accepted = Accepted { edition: edition(text), at: day(3), how: How::Mail };
    let terms = Acceptance { accepted: Some(accepted), ..Acceptance::default() };
    MemberFile { terms, ..MemberFile::default() }
}

fn asked(text: &str, withheld: bool) -> MemberFile {
    let asked = Asked { edition: edition(text), at: day(4), due: Some(day(34)), reminded: 0, withheld };
    let mut file = accepted("of before");
    file.terms.asked = Some(asked);
    file
}

fn told(one: &Judged) -> (State, &str, Option<&str>) {
    let found = one.assessment.as_ref().unwrap();
    (found.state, found.by.as_str(), found.evidence.as_deref())
}

#[test]
fn who_accepted_the_text_that_holds_meets_it_and_who_did_not_fails_once_the_time_is_over() {
    let list = list(Some("text"), false);
    let embargo = |contacts: &[(Standing, MemberFile)], now| judged(&list, contacts, now).remove(0);
    let active = |file| (Standing::Active, file);

    let met = embargo(&[active(accepted("text"))], day(9));
    assert_eq!(told(&met), (State::Met, RELAY, Some("m-1 accepted version 1 by signed mail")));
    assert_eq!(met.assessment.unwrap().at, day(3), "the day of the acceptance");
    let other = embargo(&[active(accepted("another text"))], day(9));
    assert_eq!(told(&other), (State::Unmet, RELAY, Some("m-1 has not accepted version 1")));

    let asked_anew = [active(asked("text", false))];
    let waits = embargo(&asked_anew, day(33));
    assert_eq!(told(&waits), (State::Unknown, RELAY, Some("m-1 is asked to accept version 1")));
    assert_eq!((waits.mark(), embargo(&asked_anew, day(34)).mark()), (None, Some("OVERDUE")));
    assert_eq!(embargo(&[active(asked("text", true))], day(9)).mark(), Some("FAILING"), "it reads nothing");
    let mut lapsed = asked("text", false);
    lapsed.cause = Some(Cause::NotAccepted);
    assert_eq!(embargo(&[(Standing::Suspended, lapsed)], day(35)).mark(), Some("FAILING"));

    // One of two is enough to fail, and is named alone.
    let two = [active(accepted("text")), active(accepted("another text"))];
    assert_eq!(told(&embargo(&two, day(9))), (State::Unmet, RELAY, Some("m-2 has not accepted version 1")));
    let roster = with(&list, &two);
    assert_eq!(troubled(&roster, &list, day(9))[&acme()], Count { overdue: 0, failing: 1 });
}

#[test]
fn an_address_that_answers_is_monitored_and_one_that_missed_a_question_is_not() {
    let list = list(None, true);
    let alias = |alias: Alias| MemberFile { alias, ..MemberFile::default() };
    let probed = |contacts: &[(Standing, MemberFile)], now| judged(&list, contacts, now).remove(1);
    let active = |file| (Standing::Active, file);

    let answered = Alias { round: 1, answered: Some(day(90)), next: Some(day(180)), ..Alias::default() };
    let met = probed(&[active(alias(answered.clone()))], day(100));
    assert_eq!(told(&met), (State::Met, RELAY, Some("m-1 answered")));
    let found = met.assessment.unwrap();
    assert_eq!((found.at, found.review), (day(90), Some(day(180))), "and the next question's day");
    let asks = Open { asked: day(180), due: day(187), reminded: 0 };
    let open = probed(&[active(alias(Alias { open: Some(asks), ..answered.clone() }))], day(181));
    assert_eq!((open.state(), open.overdue), (State::Met, false), "there is time to answer");

    let missed = Alias { missed: 1, next: Some(day(187)), ..answered.clone() };
    let fails = probed(&[active(alias(answered.clone())), active(alias(missed))], day(188));
    assert_eq!(told(&fails), (State::Unmet, RELAY, Some("m-2 did not answer 1 question")));
    assert_eq!(fails.mark(), Some("FAILING"));
    let mut silent = alias(Alias { missed: 2, ..answered.clone() });
    silent.cause = Some(Cause::Unanswered);
    let silent = probed(&[(Standing::Suspended, silent)], day(200));
    assert_eq!(told(&silent), (State::Unmet, RELAY, Some("m-1 did not answer 2 questions in a row")));

    // Who is suspended for something else is not asked, and so not late.
    let mut away = alias(answered);
    away.cause = Some(Cause::Admin);
    assert_eq!(probed(&[(Standing::Suspended, away)], day(999)).mark(), None);
}

#[test]
fn where_there_are_no_terms_and_no_questions_a_person_judges() {
    let nothing = list(None, false);
    let mut file = accepted("text");
    file.alias = Alias { round: 1, missed: 1, ..Alias::default() };
    for one in judged(&nothing, &[(Standing::Active, file)], day(9)) {
        assert_eq!(told(&one), (State::Met, "ada", None), "{}", one.criterion);
    }
    // Who was never asked is judged by a person as well, and so is who has no contact.
    let both = list(Some("text"), true);
    let new = judged(&both, &[(Standing::Active, accepted("text"))], day(9)).remove(1);
    assert_eq!(told(&new), (State::Met, "ada", None));
    for one in judged(&both, &[], day(9)) {
        assert_eq!(told(&one), (State::Met, "ada", None), "{}", one.criterion);
    }
}
