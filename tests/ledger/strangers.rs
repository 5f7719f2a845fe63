//! Applications against those who are here: colleagues who vouch together, an address that an admin needs, an organisation that
//! came meanwhile, and letters to strangers.

use std::time::Duration;

use vouchsafe::ledger::affairs::{Trouble, admission, imported};
use vouchsafe::ledger::limit::Limit;
use vouchsafe::ledger::outbox::Outbox;
use vouchsafe::ledger::shelf::Shelf;
use vouchsafe::roster::Refusal;
use vouchsafe::roster::application::{Application, Refusal as Rule, Stage};
use vouchsafe::roster::ballot::{Ballot, Outcome};
use vouchsafe::roster::errand::About;
use vouchsafe::roster::exchange::difference;
use vouchsafe::roster::membership::{Member, Role, Standing};
use vouchsafe::store::contract::Batch;

use crate::applications::{Office, RULES, member};
use crate::{Bench, T0, at, key, list};

const TWO: &str = "criteria = [\"vouched\"]\nvouchers_required = 2\nvoucher_period = \"30d\"\napplication_period = \"60d\"\n";

fn contact(n: u8, org: &str) -> Member {
    member(n, Role::Contact { org: org.parse().unwrap() })
}

impl Office {
    fn has(&self, org: &str, contact: Option<Member>, now: vouchsafe::time::Timestamp) {
        self.step(now, |step| {
            let org = org.parse().unwrap();
            if step.roster().org(&org).is_none() {
                let changed = step.roster().add_org(&org, org.to_string(), now)?;
                step.apply(None, changed);
            }
            if let Some(contact) = contact {
                let changed = step.roster().add_member(&list("a"), contact)?;
                step.apply(Some(&list("a")), changed);
            }
            Ok(())
        })
        .unwrap();
    }

    fn ballot(&self, of: &Application) -> Option<Ballot> {
        let taken = Shelf::<Application>::new(&self.affairs.store).application(&of.id).unwrap().unwrap();
        let ballot = taken.it.ballot?;
        Some(Shelf::<Ballot>::new(&self.affairs.store).ballot(&ballot).unwrap().unwrap().it)
    }

    fn told(&self, about: &str) -> Vec<String> {
        self.letters().into_iter().filter(|(_, name)| name == about).map(|(to, _)| to).collect()
    }
}

#[test]
fn colleagues_are_one_voice_and_the_ballot_says_whose() {
    let office = Office::new(TWO, 2);
    office.has("org1", Some(contact(11, "org1")), T0);
    let applied = office.apply(false, at(1)).unwrap();
    assert_eq!(office.vouch(&applied.id, 1, at(2)).unwrap().stage, Stage::Vouching);
    let colleague = |now| {
        let by = contact(11, "org1");
        office.step(now, |step| vouchsafe::ledger::affairs::application::vouch(step, &applied.id, &by, None))
    };
    let second = colleague(at(3)).unwrap_err();
    let same = matches!(&second, Trouble::Refused(Refusal::Application(Rule::SameVoice { org, .. })) if org.as_str() == "org1");
    assert!(same && second.to_string().contains("count once"), "{second}");
    assert_eq!(office.stage(&applied.id), Some(Stage::Vouching));

    // Once whoever spoke first is gone, the colleague is the voice of them.
    office.remove(1, at(4));
    assert_eq!(colleague(at(5)).unwrap().stage, Stage::Vouching, "the first counts no more");
    assert_eq!(office.vouch(&applied.id, 2, at(6)).unwrap().stage, Stage::Deciding);
    let words = office.ballot(&applied).unwrap().words.unwrap();
    for said in ["p11@org11.example (m-11) of org1 (org1)", "p2@org2.example (m-2) of org2 (org2)"] {
        assert!(words.contains(said), "{words}");
    }
    let waiting = Outbox::new(&office.affairs.store).waiting(None, 1000).unwrap();
    let asked = waiting.iter().find_map(|w| match &w.errand.about {
        About::VoteWanted { remarks, .. } => Some(remarks.clone()),
        _ => None,
    });
    assert!(asked.unwrap().iter().any(|remark| remark.contains("of org2 (org2), by signed mail")));
}

#[test]
fn an_open_application_keeps_nobody_out_whom_an_admin_adds() {
    for (mail, import) in [(true, false), (false, false), (false, true)] {
        let office = Office::new(RULES, 1);
        let applied = office.apply(mail, T0).unwrap();
        let ballot =
            (!mail).then(|| office.vouch(&applied.id, 1, at(1)).unwrap()).map(|it| it.ballot.unwrap());
        office.has("acme", None, at(1));
        let mut real = contact(60, "acme");
        real.address = "PSIRT@acme.example".parse().unwrap();
        office
            .step(at(2), |step| {
                if import {
                    let add = difference::Step::Add(list("a"), Box::new(real.clone()));
                    return imported::all(step, std::slice::from_ref(&add), "from elsewhere").map(|_| ());
                }
                let overtaken = step.roster().overtaken(&list("a"), &real);
                let changed = step.roster().add_member(&list("a"), real.clone())?;
                step.apply(Some(&list("a")), changed);
                admission::overtaken(step, &overtaken)
            })
            .unwrap();
        let there = office.applicant().unwrap();
        assert_eq!(
            (there.id.as_str(), there.standing, there.fingerprint),
            ("m-60", Standing::Active, key(60))
        );
        assert_eq!(office.stage(&applied.id), Some(Stage::Withdrawn));
        assert!(!office.keeps_cert(), "the applicant's certificate goes with the application");
        // Who never confirmed the address gets no letter there.
        let told = office.told("application-went").contains(&applied.member.to_string());
        assert_eq!(told, !mail);
        if let Some(ballot) = ballot {
            let ballot = Shelf::<Ballot>::new(&office.affairs.store).ballot(&ballot).unwrap().unwrap();
            assert_eq!(ballot.it.outcome, Outcome::Withdrawn);
        }
        let admitted = office.step(at(3), |step| admission::admitted(step, &applied.id));
        assert!(admitted.is_ok() && office.applicant().unwrap().id.as_str() == "m-60", "it is over");
    }
}

#[test]
fn the_applicants_own_certificate_stays_where_an_admin_adds_them_by_hand() {
    let office = Office::new(RULES, 1);
    let applied = office.apply(false, T0).unwrap();
    let mut same = contact(60, "acme");
    (same.address, same.fingerprint) = ("psirt@acme.example".parse().unwrap(), applied.fingerprint);
    office.has("acme", None, at(1));
    let add = difference::Step::Add(list("a"), Box::new(same));
    office.step(at(2), |step| imported::all(step, std::slice::from_ref(&add), "by hand")).unwrap();
    assert!(office.keeps_cert() && office.stage(&applied.id) == Some(Stage::Withdrawn));
}

#[test]
fn an_organisation_that_came_meanwhile_is_put_to_the_team_anew() {
    let office = Office::new(RULES, 1);
    let applied = office.apply(false, T0).unwrap();
    office.vouch(&applied.id, 1, at(1)).unwrap();
    let first = office.ballot(&applied).unwrap();
    office.has("acme", Some(contact(60, "acme")), at(2));
    office.step(at(3), |step| admission::admitted(step, &applied.id)).unwrap();
    assert_eq!(office.stage(&applied.id), Some(Stage::Deciding));
    assert_eq!(office.applicant().unwrap().standing, Standing::Vouched, "nobody is its contact unnoticed");
    assert_eq!(office.told("colleague-applies"), ["m-60"], "those who are hear of it");
    office.tick(at(10));
    let second = office.ballot(&applied).unwrap();
    assert!(second.id != first.id && second.outcome == Outcome::Open);
    assert!(second.words.unwrap().contains("acme came onto the roster after this application"));
    office.step(at(20), |step| admission::admitted(step, &applied.id)).unwrap();
    assert_eq!(office.applicant().unwrap().standing, Standing::Active, "now the team knew");
}

#[test]
fn the_contacts_of_an_organisation_hear_who_applies_for_it_once_it_is_confirmed() {
    let office = Office::new(RULES, 1);
    office.has("acme", Some(contact(60, "acme")), T0);
    let applied = office.apply(true, at(1)).unwrap();
    assert!(office.told("colleague-applies").is_empty(), "nobody before");
    office.step(at(2), |step| vouchsafe::ledger::affairs::application::confirmed(step, &applied.id)).unwrap();
    assert_eq!(office.told("colleague-applies"), ["m-60"]);
    let waiting = Outbox::new(&office.affairs.store).waiting(None, 1000).unwrap();
    let came = waiting.iter().find_map(|w| match &w.errand.about {
        About::ApplicationCame(who) => Some(who.remarks.concat()),
        _ => None,
    });
    assert!(came.unwrap().contains("on the roster already: acme (acme)"));
}

#[test]
fn nobody_applies_to_an_empty_list_whose_policy_lets_nobody_in() {
    let office = Office::new(RULES, 0);
    let refused = office.apply(false, T0).unwrap_err();
    assert!(matches!(refused, Trouble::Refused(Refusal::Application(Rule::NobodyVouches(_)))), "{refused}");
    assert!(refused.to_string().contains("founding_quorum") && office.applicant().is_none());
}

#[test]
fn who_applied_to_an_empty_list_is_no_founder_once_somebody_can_vouch() {
    let office = Office::new(&format!("{RULES}founding_quorum = 1\n"), 0);
    let applied = office.apply(true, T0).unwrap();
    assert!(applied.founding);
    office.has("org1", Some(contact(1, "org1")), at(1));
    office.step(at(2), |step| vouchsafe::ledger::affairs::application::confirmed(step, &applied.id)).unwrap();
    assert_eq!(office.stage(&applied.id), Some(Stage::Vouching), "the team does not decide alone");
    assert_eq!(office.told("vouch-wanted"), ["m-1"]);
}

#[test]
fn so_many_letters_go_to_strangers_on_a_day_whoever_they_are() {
    let bench = Bench::new();
    let day = Duration::from_secs(86_400);
    let take = |name: &'static str, of: &str, now| {
        let (mut batch, limit) = (Batch::new(), Limit { name, most: 2, span: day });
        let taken = limit.take_for_strangers(&*bench.store(), &mut batch, &list(of), now).unwrap();
        bench.store().commit(batch).unwrap();
        taken
    };
    assert_eq!([1, 2, 3].map(|n| take("forms", "a", at(n))), [true, true, false]);
    assert!(take("forms", "b", at(4)) && take("confirmations", "a", at(5)), "each counts for itself");
    assert!(!take("forms", "a", at(86_400)) && take("forms", "a", at(86_401)), "a day from the first on");
}
