//! Applications as durable steps: what is kept, what is dropped, and what a removed voucher means.

use std::sync::Arc;
use std::time::Duration;

use vouchsafe::id::{ApplicationId, Entropy, MemberId};
use vouchsafe::ledger::affairs::application::{self, Came};
use vouchsafe::ledger::affairs::{Affairs, Step, Trouble, admission, clock, members};
use vouchsafe::ledger::journal::Actor;
use vouchsafe::ledger::outbox::Outbox;
use vouchsafe::ledger::shelf::Shelf;
use vouchsafe::mail::directory::Kind;
use vouchsafe::mail::list::List;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::person::{Person, Sort};
use vouchsafe::policy::Policy;
use vouchsafe::roster::application::{Application, CONFIRMED_BY, Filled, Refusal as Rule, Stage};
use vouchsafe::roster::membership::{Cause, Member, MemberFile, Role, Standing};
use vouchsafe::roster::org::OrgKind;
use vouchsafe::roster::{Change, Refusal};
use vouchsafe::store::contract::Batch;
use vouchsafe::time::Timestamp;

use crate::{Bench, T0, at, key, list};

const DAY: u64 = 86_400;

fn the_list(rules: &str) -> List {
    let policy = format!("[policy]\nid = \"x\"\nversion = \"1\"\n[membership]\n{rules}");
    let address: vouchsafe::mail::address::Address = "a@lists.example".parse().unwrap();
    List {
        name: list("a"),
        title: "A".to_owned(),
        answer_to: address.clone(),
        address,
        kind: Kind::Announce,
        team: Some(list("team")),
        individual: false,
        policy: Some(Arc::new(Policy::parse(&policy).unwrap())),
    }
}

pub(crate) fn member(n: u8, role: Role) -> Member {
    Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("p{n}@org{n}.example").parse().unwrap(),
        fingerprint: key(n),
        role,
        standing: Standing::Active,
        since: T0,
        format: None,
        file: MemberFile::default(),
    }
}

/// A bench with a team of one, and so many members of organisations of their own.
pub(crate) struct Office {
    bench: Bench,
    pub(crate) affairs: Affairs,
    cert: Cert,
}

impl Office {
    pub(crate) fn new(rules: &str, members: u8) -> Self {
        let bench = Bench::new();
        let affairs = Affairs {
            store: bench.store(),
            registry: bench.registry(),
            queue: bench.queue(),
            entropy: Arc::new(Entropy::seeded(7)),
            lists: Arc::new(vec![the_list(rules)]),
        };
        let person = Person::generate("Wile", "psirt@acme.example", Sort::V4, T0, None).unwrap();
        let office = Self { bench, affairs, cert: Cert::parse(&person.cert().to_bytes()).unwrap() };
        office
            .step(T0, |step| {
                let team = Role::Team { name: "Ada".to_owned(), role: None };
                let changed = step.roster().add_member(&list("team"), member(100, team)).unwrap();
                step.apply(None, changed);
                for n in 1..=members {
                    let org = format!("org{n}").parse().unwrap();
                    let changed = step.roster().add_org(&org, org.to_string(), T0).unwrap();
                    step.apply(None, changed);
                    let changed =
                        step.roster().add_member(&list("a"), member(n, Role::Contact { org })).unwrap();
                    step.apply(None, changed);
                }
                Ok(())
            })
            .unwrap();
        office
    }

    pub(crate) fn step<T>(
        &self,
        now: Timestamp,
        act: impl FnOnce(&mut Step<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut batch = Batch::new();
        let mut step = self.affairs.begin(&mut batch, Actor::Relay, now).unwrap();
        let done = act(&mut step)?;
        let notes = step.finish().unwrap();
        self.bench.journal().commit(&batch, &notes, now).unwrap();
        Ok(done)
    }

    /// Applies as the admin hands it in; `mail`: as a mail does.
    pub(crate) fn apply(&self, mail: bool, now: Timestamp) -> Result<Application, Trouble> {
        let form = filled();
        let mail = mail.then(|| vouchsafe::id::SpoolId::new(now, &Entropy::seeded(9)));
        let list = self.affairs.lists[0].clone();
        self.step(now, |step| application::take(step, &list, Came { form, cert: &self.cert, mail }))
    }

    pub(crate) fn vouch(&self, id: &ApplicationId, n: u8, now: Timestamp) -> Result<Application, Trouble> {
        let org = format!("org{n}").parse().unwrap();
        self.step(now, |step| application::vouch(step, id, &member(n, Role::Contact { org }), None))
    }

    pub(crate) fn remove(&self, n: u8, now: Timestamp) {
        let id: MemberId = format!("m-{n}").parse().unwrap();
        self.step(now, |step| members::moved(step, &list("a"), &id, Standing::Removed, Cause::Admin, None))
            .unwrap();
    }

    pub(crate) fn stage(&self, id: &ApplicationId) -> Option<Stage> {
        let shelf = Shelf::<Application>::new(&self.affairs.store);
        shelf.application(id).unwrap().map(|taken| taken.it.stage)
    }

    pub(crate) fn applicant(&self) -> Option<Member> {
        let roster = self.bench.registry().roster().unwrap().roster;
        roster.by_address(&list("a"), &"psirt@acme.example".parse().unwrap()).cloned()
    }

    pub(crate) fn keeps_cert(&self) -> bool {
        self.bench.registry().cert(self.cert.fingerprint()).unwrap().is_some()
    }

    pub(crate) fn letters(&self) -> Vec<(String, String)> {
        let waiting = Outbox::new(&self.affairs.store).waiting(None, 1000).unwrap();
        waiting.iter().map(|w| (w.errand.to.id.to_string(), w.errand.about.name().to_owned())).collect()
    }

    pub(crate) fn tick(&self, now: Timestamp) {
        clock::tick(&self.affairs, &self.bench.journal(), now).unwrap();
    }
}

pub(crate) const RULES: &str = "criteria = [\"vouched\"]\nvouchers_required = 1\nvoucher_period = \"30d\"\napplication_period = \"60d\"\n";

#[test]
fn nobody_is_asked_anything_before_the_address_is_confirmed_and_silence_leaves_nothing() {
    let office = Office::new(RULES, 2);
    let applied = office.apply(true, T0).unwrap();
    assert_eq!(office.letters(), [(applied.member.to_string(), "confirm-wanted".to_owned())]);
    assert!(office.keeps_cert());
    let roster = office.bench.registry().roster().unwrap().roster;
    assert!(!roster.fingerprints().contains(&office.cert.fingerprint()), "a stranger to everybody still");
    let again = office.apply(true, at(5)).unwrap_err();
    assert!(matches!(again, Trouble::Refused(Refusal::Application(Rule::AlreadyOpen(_)))), "{again}");

    office.tick(T0.after(CONFIRMED_BY));
    assert_eq!(office.stage(&applied.id), Some(Stage::Lapsed));
    assert!(office.applicant().is_none() && !office.keeps_cert());
    assert_eq!(office.letters().len(), 1, "an address that nobody confirmed gets no second letter");
    office.tick(T0.after(CONFIRMED_BY).after(Duration::from_secs(90 * DAY)));
    assert_eq!(office.stage(&applied.id), None, "and in the end the application goes, too");
}

#[test]
fn a_confirmed_application_is_vouched_for_and_admitted_by_the_team() {
    let office = Office::new(RULES, 2);
    let applied = office.apply(true, T0).unwrap();
    office.step(at(1), |step| application::confirmed(step, &applied.id)).unwrap();
    let names: Vec<String> = office.letters().into_iter().map(|(_, name)| name).collect();
    assert_eq!(names.iter().filter(|name| *name == "vouch-wanted").count(), 2);
    assert_eq!(office.applicant().unwrap().standing, Standing::Applied);
    let resumed = office.step(at(2), |step| {
        members::moved(step, &list("a"), &applied.member, Standing::Active, Cause::Admin, None)
    });
    assert!(resumed.is_err(), "the team decides, and nobody beside it");

    let vouched = office.vouch(&applied.id, 1, at(3)).unwrap();
    assert_eq!((vouched.stage, office.applicant().unwrap().standing), (Stage::Deciding, Standing::Vouched));
    assert!(
        matches!(office.vouch(&applied.id, 2, at(4)), Err(Trouble::Refused(_))),
        "it is decided elsewhere now"
    );
    office.step(at(5), |step| admission::admitted(step, &applied.id)).unwrap();
    let acme = office.applicant().unwrap();
    assert_eq!((acme.standing, acme.file.vouched_by), (Standing::Active, vec!["m-1".parse().unwrap()]));
    assert_eq!(office.stage(&applied.id), Some(Stage::Admitted));
    let roster = office.bench.registry().roster().unwrap().roster;
    let org = roster.org(&"acme".parse().unwrap()).unwrap();
    assert_eq!(
        (org.kind, org.website.as_deref()),
        (Some(OrgKind::Distribution), Some("https://acme.example"))
    );
    office.tick(T0.after(Duration::from_secs(400 * DAY)));
    assert_eq!(office.stage(&applied.id), Some(Stage::Admitted), "what became a membership does not lapse");
}

#[test]
fn without_vouchers_in_time_it_lapses_and_the_ballot_ends_with_an_application() {
    let office = Office::new(RULES, 1);
    let applied = office.apply(false, T0).unwrap();
    assert_eq!(applied.stage, Stage::Vouching, "what the admin hands in is confirmed by that");
    office.tick(at(30 * DAY - 1));
    assert_eq!(office.stage(&applied.id), Some(Stage::Vouching));
    office.tick(at(30 * DAY));
    assert_eq!((office.stage(&applied.id), office.keeps_cert()), (Some(Stage::Lapsed), false));

    let again = office.apply(false, at(31 * DAY)).unwrap();
    let vouched = office.vouch(&again.id, 1, at(31 * DAY)).unwrap();
    office.step(at(32 * DAY), |step| application::withdraw(step, &again.id)).unwrap();
    let shelf = Shelf::<vouchsafe::roster::ballot::Ballot>::new(&office.affairs.store);
    let ballot = shelf.ballot(&vouched.ballot.unwrap()).unwrap().unwrap();
    assert_eq!(ballot.it.outcome, vouchsafe::roster::ballot::Outcome::Withdrawn);
    assert_eq!(ballot.it.closed, Some(at(32 * DAY)), "from then on it is kept as long as the policy says");
    assert!(office.applicant().is_none());
}

#[test]
fn who_is_refused_leaves_neither_a_place_nor_a_certificate_and_may_come_again() {
    let office = Office::new(RULES, 1);
    let applied = office.apply(false, T0).unwrap();
    office.vouch(&applied.id, 1, at(1)).unwrap();
    office.step(at(2), |step| admission::refused(step, &applied.id, Stage::Refused)).unwrap();
    assert!(office.applicant().is_none() && !office.keeps_cert());
    assert!(
        office
            .letters()
            .iter()
            .any(|(to, name)| *to == applied.member.to_string() && name == "application-went")
    );
    office.step(at(3), |step| admission::admitted(step, &applied.id)).unwrap();
    assert_eq!(office.stage(&applied.id), Some(Stage::Refused), "it is over");
    assert!(office.apply(false, at(4)).is_ok());
}

#[test]
fn the_first_of_an_empty_list_come_by_the_team_alone() {
    let office = Office::new(&format!("{RULES}founding_quorum = 1\n"), 0);
    let first = office.apply(false, T0).unwrap();
    assert!(first.founding && first.stage == Stage::Deciding && first.ballot.is_some());
    office.step(at(1), |step| admission::admitted(step, &first.id)).unwrap();
    assert_eq!(office.applicant().unwrap().standing, Standing::Active);
    // Where one organisation is there, a second one is no founder, and neither is another of the same.
    let office = Office::new(RULES, 1);
    assert!(!office.apply(false, T0).unwrap().founding);
}

#[test]
fn a_voucher_who_leaves_before_the_decision_counts_no_more() {
    let office = Office::new(RULES, 2);
    let applied = office.apply(false, T0).unwrap();
    office.vouch(&applied.id, 1, at(1)).unwrap();
    office.remove(1, at(2));
    office.step(at(3), |step| admission::admitted(step, &applied.id)).unwrap();
    assert_eq!(office.stage(&applied.id), Some(Stage::Vouching), "others are asked");
    assert_eq!(office.applicant().unwrap().standing, Standing::Vouched);
    office.vouch(&applied.id, 2, at(4)).unwrap();
    office.step(at(5), |step| admission::admitted(step, &applied.id)).unwrap();
    assert_eq!(office.applicant().unwrap().standing, Standing::Active);
}

#[test]
fn another_certificate_than_the_one_that_was_voted_on_is_not_admitted() {
    let office = Office::new(RULES, 1);
    let applied = office.apply(false, T0).unwrap();
    office.vouch(&applied.id, 1, at(1)).unwrap();
    office
        .step(at(2), |step| {
            let at = "psirt@acme.example".parse().unwrap();
            let changed = step.roster().set_cert(&list("a"), &at, key(77))?;
            step.apply(Some(&list("a")), changed);
            Ok(())
        })
        .unwrap();
    office.step(at(3), |step| admission::admitted(step, &applied.id)).unwrap();
    assert_eq!(office.stage(&applied.id), Some(Stage::Refused));
    assert!(office.applicant().is_none());
}

#[test]
fn what_a_removed_voucher_means_is_the_policys() {
    for (policy, standing, cause) in [
        ("", Standing::Active, None),
        ("voucher_removed = \"keep\"", Standing::Active, None),
        ("voucher_removed = \"review\"", Standing::Active, None),
        ("voucher_removed = \"suspend\"", Standing::Suspended, Some(Cause::VoucherLost)),
    ] {
        let office = Office::new(&format!("{RULES}{policy}"), 2);
        let applied = office.apply(false, T0).unwrap();
        office.vouch(&applied.id, 1, at(1)).unwrap();
        office.step(at(2), |step| admission::admitted(step, &applied.id)).unwrap();
        office.remove(1, at(3));
        let acme = office.applicant().unwrap();
        assert_eq!((acme.standing, acme.file.cause), (standing, cause), "{policy}");
        let roster = office.bench.registry().roster().unwrap().roster;
        let judged = roster.judged(&"acme".parse().unwrap(), &office.affairs.lists[0], at(4));
        assert_eq!(judged[0].overdue, policy.contains("review"), "{policy}: {judged:?}");
        if standing == Standing::Suspended {
            assert!(office.letters().iter().any(|(to, name)| to == "m-2" && name == "vouch-wanted"));
            office.vouch(&applied.id, 2, at(100 * DAY)).unwrap();
            assert_eq!(
                office.applicant().unwrap().standing,
                Standing::Active,
                "a new voucher brings it back"
            );
        }
    }
}

#[test]
fn strangers_cannot_fill_the_store_nor_take_somebodys_address() {
    let office = Office::new(&format!("{RULES}open_applications = 1\n"), 1);
    office.apply(true, T0).unwrap();
    let other = Person::generate("Other", "other@other.example", Sort::V4, T0, None).unwrap();
    let cert = Cert::parse(&other.cert().to_bytes()).unwrap();
    let form = |address: &str| Filled {
        address: address.parse().unwrap(),
        org: "other".parse().unwrap(),
        ..filled()
    };
    let apply = |office: &Office, address: &str| {
        let list = office.affairs.lists[0].clone();
        let (form, mail) = (form(address), None);
        office.step(at(1), |step| application::take(step, &list, Came { form, cert: &cert, mail }))
    };
    let full = apply(&office, "other@other.example").unwrap_err();
    assert!(matches!(full, Trouble::Refused(Refusal::Application(Rule::TooMany { limit: 1, .. }))), "{full}");
    let office = Office::new(RULES, 1);
    for taken in ["p1@org1.example", "p100@org100.example", "a-request@lists.example"] {
        let refused = apply(&office, taken).unwrap_err();
        assert!(matches!(refused, Trouble::Refused(Refusal::AddressTaken(_))), "{taken}: {refused}");
    }
}

pub(crate) fn filled() -> Filled {
    Filled {
        org: "acme".parse().unwrap(),
        title: "Acme Linux".to_owned(),
        kind: OrgKind::Distribution,
        website: "https://acme.example".to_owned(),
        upstream: "none".to_owned(),
        users: "many".to_owned(),
        address: "psirt@acme.example".parse().unwrap(),
        answers: std::collections::BTreeMap::new(),
    }
}

#[test]
fn the_journal_tells_the_whole_way_without_an_address() {
    let office = Office::new(RULES, 1);
    let applied = office.apply(false, T0).unwrap();
    office.vouch(&applied.id, 1, at(1)).unwrap();
    let events = office.bench.events("a");
    let told = serde_json::to_string(&events).unwrap();
    assert!(!told.contains("psirt") && told.contains(applied.id.as_str()), "{told}");
    let changes = events.iter().filter(|event| {
        matches!(event, vouchsafe::ledger::journal::Event::Roster { change: Change::Application { .. } })
    });
    assert!(changes.count() >= 3, "taken, vouched, deciding: {told}");
}
