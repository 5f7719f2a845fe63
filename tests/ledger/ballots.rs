//! Ballots as durable steps: whom they concern by then, and what comes of one whose effect a rule is against.

use std::sync::Arc;

use vouchsafe::id::{ApplicationId, BallotId, Entropy, MemberId};
use vouchsafe::ledger::affairs::application::{self, Came};
use vouchsafe::ledger::affairs::removal::{self, Asked, Whom};
use vouchsafe::ledger::affairs::{Affairs, Step, Trouble, ballot, clock, members};
use vouchsafe::ledger::alert::{Alerts, Incident};
use vouchsafe::ledger::journal::Actor;
use vouchsafe::ledger::outbox::Outbox;
use vouchsafe::ledger::shelf::Shelf;
use vouchsafe::mail::directory::Kind;
use vouchsafe::mail::list::List;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::person::{Person, Sort};
use vouchsafe::policy::Policy;
use vouchsafe::roster::application::{Application, Stage};
use vouchsafe::roster::ballot::{Ballot, Choice, Given, Outcome};
use vouchsafe::roster::errand::About;
use vouchsafe::roster::membership::{Cause, Member, MemberFile, Role, Standing};
use vouchsafe::roster::removal::Reason;
use vouchsafe::store::contract::Batch;
use vouchsafe::time::Timestamp;

use crate::applications::filled;
use crate::{Bench, T0, at, key, list};

const POLICY: &str = "[policy]\nid = \"x\"\nversion = \"1\"\n[team]\nmin = 3\n[membership]\napproval_quorum = 2\n\
                      removal_quorum = 2\none_vote_per_org = true\nballot_closes = \"30d\"\n";

fn a_list(name: &str, kind: Kind, more: &str) -> List {
    let address: vouchsafe::mail::address::Address = format!("{name}@lists.example").parse().unwrap();
    List {
        name: list(name),
        title: name.to_owned(),
        answer_to: address.clone(),
        address,
        kind,
        team: (kind == Kind::Announce).then(|| list("team")),
        individual: false,
        policy: Some(Arc::new(Policy::parse(&format!("{POLICY}{more}")).unwrap())),
    }
}

fn member(n: u8, role: Role) -> Member {
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

fn contact(n: u8) -> Member {
    member(n, Role::Contact { org: "acme".parse().unwrap() })
}

fn team(n: u8) -> Member {
    member(n, Role::Team { name: format!("P{n}"), role: None })
}

pub(crate) fn person(n: u8) -> MemberId {
    format!("m-{n}").parse().unwrap()
}

/// A team of `m-101` to `m-103`, and `m-1` of Acme on the list.
pub(crate) struct Room {
    pub(crate) bench: Bench,
    pub(crate) affairs: Affairs,
}

impl Room {
    pub(crate) fn new(more: &str) -> Self {
        let bench = Bench::new();
        let affairs = Affairs {
            store: bench.store(),
            registry: bench.registry(),
            queue: bench.queue(),
            entropy: Arc::new(Entropy::seeded(7)),
            lists: Arc::new(vec![a_list("team", Kind::Intake, ""), a_list("a", Kind::Announce, more)]),
        };
        let room = Self { bench, affairs };
        room.step(T0, |step| {
            for n in 101..=103 {
                let changed = step.roster().add_member(&list("team"), team(n))?;
                step.apply(None, changed);
            }
            let changed = step.roster().add_org(&"acme".parse().unwrap(), "Acme".to_owned(), T0)?;
            step.apply(None, changed);
            let changed = step.roster().add_member(&list("a"), contact(1))?;
            step.apply(None, changed);
            Ok(())
        })
        .unwrap();
        room
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

    pub(crate) fn remove(&self, from: &str, whom: &Whom) -> BallotId {
        let asked =
            self.step(T0, |step| removal::propose(step, &list(from), whom, Reason::Breach, None)).unwrap();
        let Asked::Voting(id) = asked else { panic!("{asked:?}") };
        id
    }

    pub(crate) fn vote(&self, id: &BallotId, n: u8, now: Timestamp) -> Result<Ballot, Trouble> {
        self.step(now, |step| {
            let voter = step.roster().by_id(&list("team"), &person(n)).cloned().unwrap();
            ballot::cast(step, id, &voter, (Choice::Approve, Given::Mail))
        })
    }

    /// Somebody of the team gets a further certificate, or has it no more.
    fn further(&self, n: u8, cert: u8, has: bool, now: Timestamp) {
        self.step(now, |step| {
            let (team, address) = (list("team"), format!("p{n}@org{n}.example").parse().unwrap());
            let changed = if has {
                step.roster().add_cert(&team, &address, key(cert))?
            } else {
                step.roster().remove_cert(&team, &address, key(cert))?
            };
            step.apply(Some(&team), changed);
            Ok(())
        })
        .unwrap();
    }

    fn joins(&self, name: &str, who: Member, now: Timestamp) {
        self.step(now, |step| {
            let changed = step.roster().add_member(&list(name), who)?;
            step.apply(Some(&list(name)), changed);
            Ok(())
        })
        .unwrap();
    }

    pub(crate) fn tick(&self, now: Timestamp) {
        clock::tick(&self.affairs, &self.bench.journal(), now).unwrap();
    }

    pub(crate) fn ballot(&self, id: &BallotId) -> Ballot {
        Shelf::<Ballot>::new(&self.affairs.store).ballot(id).unwrap().unwrap().it
    }

    pub(crate) fn stands(&self, name: &str, n: u8) -> Standing {
        let roster = self.bench.registry().roster().unwrap().roster;
        roster.by_id(&list(name), &person(n)).unwrap().standing
    }

    pub(crate) fn letters(&self, to: u8) -> Vec<About> {
        let waiting = Outbox::new(&self.affairs.store).waiting(None, 1000).unwrap();
        waiting.into_iter().filter(|w| w.errand.to.id == person(to)).map(|w| w.errand.about).collect()
    }

    fn told(&self, to: u8) -> usize {
        let barred = |about: &&About| {
            matches!(about, About::BallotTold { outcome: Outcome::Barred, rule: Some(_), .. })
        };
        self.letters(to).iter().filter(barred).count()
    }

    fn alerts(&self, name: &str) -> Vec<String> {
        let waiting = Alerts::new(self.bench.store()).waiting(Some(&list(name)), 100).unwrap();
        waiting
            .into_iter()
            .filter_map(|w| match w.alert.incident {
                Incident::Trouble { part, problem } if part == "ballots" => Some(problem),
                _ => None,
            })
            .collect()
    }
}

/// Whoever works for those concerned by the time of the vote does not vote, whatever was so at the opening.
#[test]
fn whom_a_ballot_concerns_is_judged_when_it_is_voted_on() {
    let room = Room::new("");
    let id = room.remove("a", &Whom::Member(person(1)));
    assert!(room.ballot(&id).concerned.is_empty());
    room.vote(&id, 101, at(1)).unwrap();
    room.further(101, 1, true, at(1));
    let refused = room.vote(&id, 101, at(2)).unwrap_err();
    assert!(refused.to_string().contains("nobody votes in a matter of their own"), "{refused}");
    room.tick(at(3));
    let now = room.ballot(&id);
    assert_eq!((now.concerned, now.votes.len(), now.stuck), (vec![person(101)], 0, false));
    let mut colleague = team(104);
    colleague.file.works_for = Some("acme".parse().unwrap());
    room.joins("team", colleague, at(3));
    room.joins("team", team(105), at(3));
    room.tick(at(4));
    let asked = |n| room.letters(n).iter().filter(|about| about.name() == "vote-wanted").count();
    assert_eq!((asked(104), asked(105)), (0, 1), "who joins is asked, and a colleague of theirs is not");
    assert!(room.vote(&id, 104, at(5)).is_err());
    // Who has nothing to do with it any more is free to vote, and was asked before.
    room.further(101, 1, false, at(5));
    room.tick(at(6));
    assert_eq!(asked(101), 1);
    room.vote(&id, 101, at(7)).unwrap();
    assert_eq!(room.vote(&id, 105, at(8)).unwrap().outcome, Outcome::Carried);
    assert_eq!(room.stands("a", 1), Standing::Removed);
}

/// An organisation that is to go goes with the contacts that it has by then.
#[test]
fn a_removal_of_an_organisation_covers_who_was_added_meanwhile() {
    let room = Room::new("");
    let id = room.remove("a", &Whom::Org("acme".parse().unwrap()));
    room.joins("a", contact(2), at(1));
    // Who only says in a form to be of the organisation hears nothing of its affairs.
    let asks = Member { standing: Standing::Applied, ..contact(9) };
    room.joins("a", asks, at(1));
    room.tick(at(2));
    room.tick(at(3));
    assert!(room.letters(9).is_empty(), "{:?}", room.letters(9));
    let told = room.letters(2).iter().filter(|about| about.name() == "removal-asked").count();
    assert_eq!(told, 1, "who has come hears of it, once");
    room.joins("a", contact(3), at(3));
    room.vote(&id, 101, at(4)).unwrap();
    room.vote(&id, 102, at(5)).unwrap();
    assert_eq!([1, 2, 3].map(|n| room.stands("a", n)), [Standing::Removed; 3]);
    assert_eq!(room.stands("a", 9), Standing::Applied);
}

/// The team votes somebody out, and by then too few would be left: nobody goes, everybody hears why, nothing is stuck.
#[test]
fn a_removal_that_a_rule_keeps_from_its_effect_ends_and_says_so() {
    let room = Room::new("");
    room.joins("team", team(104), T0);
    let id = room.remove("team", &Whom::Member(person(104)));
    room.vote(&id, 101, at(1)).unwrap();
    // The third who stays leaves by another way, and the team is as small as it may be.
    room.step(at(2), |step| {
        members::moved(step, &list("team"), &person(103), Standing::Removed, Cause::Admin, None)
    })
    .unwrap();
    let barred = room.vote(&id, 102, at(3)).unwrap();
    assert_eq!(barred.outcome, Outcome::Barred, "the last vote is counted all the same");
    assert!(barred.barred.is_some_and(|rule| rule.contains("3")), "the minimum");
    assert_eq!(room.stands("team", 104), Standing::Active);
    // The last voter has it in the answer; whom it was about hears that it goes on.
    assert_eq!((room.told(101), room.told(102), room.told(104)), (1, 0, 0));
    assert!(room.letters(104).iter().any(|about| about.name() == "removal-withdrawn"));
    assert_eq!(room.alerts("team").len(), 1);
    room.tick(at(4));
    assert_eq!((room.told(101), room.alerts("team").len()), (1, 1), "once");
    // With another in the team it can be asked for again.
    room.joins("team", team(105), at(5));
    let id = room.remove("team", &Whom::Member(person(104)));
    room.vote(&id, 101, at(6)).unwrap();
    assert_eq!(room.vote(&id, 105, at(7)).unwrap().outcome, Outcome::Carried);
    assert_eq!(room.stands("team", 104), Standing::Removed);
}

#[test]
fn an_admission_that_a_rule_is_against_ends_as_refused_and_the_team_hears_the_rule() {
    let room = Room::new("");
    let made = Person::generate("Wile", "psirt@bell.example", Sort::V4, T0, None).unwrap();
    let cert = Cert::parse(&made.cert().to_bytes()).unwrap();
    let mut form = filled();
    form.org = "bell".parse().unwrap();
    // More than the register takes of an organisation.
    form.users = "x".repeat(100_000);
    let the_list = room.affairs.lists[1].clone();
    let applied: Application = room
        .step(T0, |step| application::take(step, &the_list, Came { form, cert: &cert, mail: None }))
        .unwrap();
    let id = applied.ballot.unwrap();
    room.vote(&id, 101, at(1)).unwrap();
    let barred = room.vote(&id, 102, at(2)).unwrap();
    assert_eq!(barred.outcome, Outcome::Barred, "the last vote is counted all the same");
    assert!(barred.barred.is_some_and(|rule| rule.contains("user-base")));
    assert_eq!(stage(&room, &applied.id), Stage::Refused);
    let roster = room.bench.registry().roster().unwrap().roster;
    assert!(roster.org(&"bell".parse().unwrap()).is_none(), "nothing of it has happened");
    // The last voter has it in the answer.
    assert_eq!((room.told(101), room.told(102), room.told(103)), (1, 0, 1));
    assert_eq!(room.alerts("a").len(), 1);
    room.tick(at(3));
    assert_eq!((room.told(101), room.alerts("a").len()), (1, 1), "once");
}

fn stage(room: &Room, id: &ApplicationId) -> Stage {
    Shelf::<Application>::new(&room.affairs.store).application(id).unwrap().unwrap().it.stage
}
