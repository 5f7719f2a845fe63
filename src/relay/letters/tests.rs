//! What holds for every letter.

use super::*;
use crate::id::{BreachId, Fingerprint, MemberId, SpoolId};
use crate::mail::address::Address;
use crate::mail::directory::Kind;
use crate::policy::{BreachField, TextHash};
use crate::relay::command::said;
use crate::roster::aim::Aim;
use crate::roster::application::Stage;
use crate::roster::ballot::{Choice, Motion, Outcome};
use crate::roster::errand::{Answer, ChainHead, Reached, Who};
use crate::roster::moderation::HeldMail;
use crate::roster::removal::Reason;
use crate::roster::term::TermStage;
use crate::roster::terms::{Asking, Edition};

fn list() -> List {
    let address: Address = "distrib@lists.example".parse().unwrap();
    List {
        name: "distrib".parse().unwrap(),
        title: "Distribution".to_owned(),
        address: address.clone(),
        answer_to: address,
        kind: Kind::Announce,
        team: None,
        individual: false,
        policy: None,
    }
}

fn held(open: bool) -> HeldMail {
    HeldMail {
        id: SpoolId::from_bytes([7; 16]),
        reason: "bad-signature:expired-when-signing".to_owned(),
        since: Timestamp::from_secs(0),
        size: 12_345_678,
        signer: open.then_some(Fingerprint::V6([7; 32])),
        releasable: open,
        ignorable: open,
        expires: open.then_some(Timestamp::from_secs(9)),
    }
}

fn voted(title: &str) -> About {
    let rule = Some("this is the last person of the team".to_owned());
    let (choice, outcome, title) = (Choice::Approve, Outcome::Barred, title.to_owned());
    About::Voted { choice, title, outcome, split: true, rule }
}

fn barred(title: &str) -> About {
    let rule = Some("this is the last person of the team".to_owned());
    let (ballot, outcome, title) = ("b-1".parse().unwrap(), Outcome::Barred, title.to_owned());
    About::BallotTold { ballot, title, outcome, rule }
}

/// One of each, so that whoever adds a letter adds it here: the compiler says so below.
fn every() -> Vec<About> {
    let motion = Motion::Admit { application: "a-1".parse().unwrap() };
    let ballot = "b-1".parse().unwrap();
    let title = "Acme".to_owned();
    vec![
        About::FormatAsked,
        About::VoteWanted {
            motion,
            ballot,
            title: title.clone(),
            quorum: 2,
            remarks: vec![
                "Vouched for by psirt@beta.example (m-1) of Beta (beta), by signed mail.".repeat(2),
            ],
        },
        voted(&title),
        barred(&title),
        About::RemovalAsked {
            whom: Some(title.clone()),
            reason: Reason::Criterion,
            words: Some("No fixes were published by it since May, and nobody there answers.".repeat(3)),
            since: Timestamp::from_secs(0),
            cure_until: Some(Timestamp::from_secs(9)),
        },
        About::RemovalAsked {
            whom: None,
            reason: Reason::Breach,
            words: None,
            since: Timestamp::from_secs(0),
            cure_until: None,
        },
        About::RemovalWithdrawn,
        About::Farewell { reason: Some(Reason::Idle), team: false },
        About::Farewell { reason: None, team: true },
        About::TermEnds {
            whose: Some(title),
            ends: Timestamp::from_secs(0),
            grace_until: Timestamp::from_secs(9),
            stage: TermStage::Ended,
        },
        About::JournalHead { heads: heads(), at: Timestamp::from_secs(0) },
        About::Held { mails: vec![held(true), held(false)], more: 7, reminder: false },
        About::Held { mails: vec![held(true)], more: 0, reminder: true },
        About::HeldExpired { mails: vec![held(true)], more: 1 },
        About::Answered { aim: Some("leave".to_owned()), answer: Answer::Done("You are gone. ".repeat(20)) },
        About::Answered {
            aim: Some("leave".to_owned()),
            answer: Answer::Refused("it is the last one".to_owned()),
        },
        About::SignerIgnored { signer: Fingerprint::V6([7; 32]), by: Some("Ada ".repeat(60)) },
        About::Answered { aim: None, answer: Answer::Worthless },
        About::Help {
            facts: vec![("standing".to_owned(), "active ".repeat(30))],
            offers: vec![Aim::Leave, Aim::Certificate],
        },
        About::CertReplaced { before: Fingerprint::V6([7; 32]), after: Fingerprint::V6([8; 32]) },
    ]
    .into_iter()
    .chain(applications())
    .chain(of_duties())
    .collect()
}

fn applications() -> Vec<About> {
    let who = || {
        Box::new(Who {
            application: "a-abcdefgh".parse().unwrap(),
            org: "acme".to_owned(),
            title: format!("Acme {}", "x".repeat(200)),
            website: format!("https://acme.example/{}", "y".repeat(200)),
            address: "psirt@acme.example".parse().unwrap(),
            fingerprint: Fingerprint::V6([9; 32]),
            remarks: vec![
                "A sentence that is said of it, and that goes on for more than one line of text.".to_owned(),
            ],
        })
    };
    let application = || "a-abcdefgh".parse().unwrap();
    let rule = || "a rule that is against it".to_owned();
    let mut all = vec![
        About::FormReturned { faults: vec!["Title: is missing".to_owned()], lines: "Title:\n".to_owned() },
        About::ApplicationRefused { rule: rule() },
        About::ConfirmWanted(who()),
        About::ApplicationTaken(who()),
        About::ApplicationCame(who()),
        About::VouchWanted(who()),
        About::ColleagueApplies(who()),
        About::VouchCounted { title: "Acme".to_owned(), missing: 2 },
        About::VouchRefused { application: application(), rule: rule() },
    ];
    let stages = [Stage::Approved, Stage::Admitted, Stage::Refused, Stage::Withdrawn, Stage::Lapsed];
    all.extend(stages.map(|stage| About::ApplicationWent { application: application(), stage }));
    all
}

fn heads() -> Vec<ChainHead> {
    let of = |list| ChainHead { list, seq: 12, hash: "0f".repeat(32) };
    vec![of(None), of(Some("distrib".parse().unwrap()))]
}

fn of_duties() -> Vec<About> {
    let edition = Edition { version: "2".to_owned(), hash: TextHash::of("terms") };
    let at = Timestamp::from_secs(0);
    let wanted = |asking| About::AcceptWanted { edition: edition.clone(), due: Some(at), asking, staff: 3 };
    let breach: BreachId = "x-1".parse().unwrap();
    let opened = |missing: &[BreachField]| About::BreachOpened {
        breach: breach.clone(),
        org: Some("acme".parse().unwrap()),
        answered: vec![BreachField::What],
        missing: missing.to_vec(),
        due: Some(at),
        sealed: None,
    };
    let missing = vec![BreachField::ToWhom, BreachField::Prevention];
    let taken = |missing| About::BreachTaken { breach: breach.clone(), missing, due: Some(at) };
    let mut all: Vec<About> =
        [Asking::First, Asking::Anew, Asking::Again, Asking::Over].into_iter().map(wanted).collect();
    all.extend([
        About::Accepted { edition: edition.clone() },
        About::StaffRecorded { name: "Erin".to_owned() },
        About::StaffRefused { why: "the name is missing".to_owned() },
        About::AliasProbe { round: 1, due: at, again: false },
        About::AliasProbe { round: 1, due: at, again: true },
        About::AliasAnswered,
        About::AliasSuspended { round: 1, missed: 2, back: true, cure_until: None },
        About::AliasSuspended { round: 1, missed: 2, back: true, cure_until: Some(at) },
        About::AliasSuspended { round: 1, missed: 2, back: false, cure_until: None },
        About::AliasSuspended { round: 1, missed: 2, back: false, cure_until: Some(at) },
        About::AliasSilent {
            who: "acme (dora@distro.example)".to_owned(),
            missed: 2,
            at: Some("dora@distro.example".parse().unwrap()),
            asked: None,
        },
        opened(&[]),
        opened(&missing),
        taken(missing.clone()),
        taken(Vec::new()),
        About::BreachOverdue { breach: breach.clone(), missing },
    ]);
    all
}

#[test]
fn no_letter_is_an_answer_to_itself_and_each_token_stands_in_it() {
    let (list, at) = (list(), Timestamp::from_secs(0));
    for about in every() {
        let to = Reached {
            id: "m-1".parse::<MemberId>().unwrap(),
            address: "dora@distro.example".parse().unwrap(),
            fingerprint: Fingerprint::V4([7; 20]),
            format: None,
            cert: None,
        };
        let tokens: Vec<Token> =
            (1..).map(|n| Token::random(&Entropy::seeded(n))).take(about.aims().len()).collect();
        let errand = Errand { list: list.name.clone(), to, about, until: Some(at) };
        let Said { subject, text } = Page { list: &list, errand: &errand, tokens: &tokens }.said();
        assert_eq!(said(text.as_bytes()), None, "not even where a program quotes it without a mark: {text}");
        for token in &tokens {
            assert!(text.lines().any(|line| line.trim() == token.as_str()), "{text}");
            assert!(!subject.contains(token.as_str()));
        }
        if !tokens.is_empty() {
            assert!(text.contains("distrib-request@lists.example"), "{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
        assert!(!subject.is_empty() && subject.chars().count() < 120, "{subject}");
    }
}

#[test]
fn each_token_ends_with_its_own_purpose_and_the_letter_says_when() {
    let (soon, late, whole) = (Timestamp::from_secs(9), Timestamp::from_secs(99), Timestamp::from_secs(999));
    let mails = vec![
        HeldMail { expires: Some(soon), ..held(true) },
        HeldMail { expires: Some(late), ..held(false) },
        HeldMail { expires: None, ..held(false) },
    ];
    let about = About::Held { mails, more: 0, reminder: false };
    let to = Reached {
        id: "m-1".parse().unwrap(),
        address: "ada@team.example".parse().unwrap(),
        fingerprint: Fingerprint::V4([7; 20]),
        format: None,
        cert: None,
    };
    let errand = Errand { list: list().name, to, about, until: Some(whole) };
    // Three decisions about the first, and one about each of the others.
    assert_eq!(errand.ends(), [soon, soon, soon, late, whole].map(Some));
    let tokens: Vec<Token> = (1..=5).map(|n| Token::random(&Entropy::seeded(n))).collect();
    let Said { text, .. } = Page { list: &list(), errand: &errand, tokens: &tokens }.said();
    for (token, end) in tokens.iter().zip([soon, soon, soon, late, whole]) {
        let below = text.lines().skip_while(|line| line.trim() != token.as_str()).nth(1);
        assert_eq!(below.map(str::trim), Some(format!("(until {end})").as_str()), "{text}");
    }
}
