//! What the clock takes away: never while an answer that came in time waits to be read, and never put off by a stuck mail.

use vouchsafe::ledger::affairs::removal::{self, Asked, Whom};
use vouchsafe::ledger::affairs::{Trouble, alias, ballot, members};
use vouchsafe::ledger::shelf::Shelf;
use vouchsafe::ledger::spool::{RETRY, Spool, Spooled};
use vouchsafe::roster::ballot::{Ballot, Choice, Given, Motion, Outcome};
use vouchsafe::roster::errand::About;
use vouchsafe::roster::membership::Cause;
use vouchsafe::roster::membership::Standing::{Active, Removed, Suspended};
use vouchsafe::roster::removal::Reason;
use vouchsafe::store::contract::{Batch, Space};
use vouchsafe::time::Timestamp;

use crate::ballots::{Room, person};
use crate::{LEASE, T0, at, key, list, sealed};

const DAY: u64 = 86_400;
const PROBE: &str = "alias_probe_every = \"90d\"\nalias_probe_answer = \"7d\"\nalias_probe_misses = 1\n\
                     alias_probe_return = true\n";

impl Room {
    /// Asks `m-1` whether its address is read.
    fn asks(&self, now: Timestamp) {
        let the_list = self.affairs.lists[1].clone();
        self.step(now, |step| {
            let member = step.roster().by_id(&list("a"), &person(1)).cloned().unwrap();
            alias::ask(step, &the_list, &member)
        })
        .unwrap();
    }

    fn answers(&self, now: Timestamp) {
        self.answer(now).unwrap();
    }

    fn answer(&self, now: Timestamp) -> Result<(), Trouble> {
        let the_list = self.affairs.lists[1].clone();
        self.step(now, |step| {
            let member = step.roster().by_id(&list("a"), &person(1)).cloned().unwrap();
            alias::answered(step, &the_list, &member, member.file.alias.round)
        })
    }

    fn arrives(&self, name: &str, now: Timestamp) {
        self.bench.spool().put(&sealed(10), &[list(name)], key(1), now, &self.bench.entropy).unwrap();
    }

    fn claim(&self, name: &str, now: Timestamp) -> Spooled {
        let claimed = self.bench.spool().claim(now, LEASE, 10).unwrap();
        claimed.into_iter().find(|spooled| spooled.list == list(name)).unwrap()
    }

    fn ballots(&self) -> Vec<Ballot> {
        let all = Shelf::<Ballot>::new(&self.affairs.store).all().unwrap();
        all.into_iter().map(|taken| taken.it).collect()
    }
}

#[test]
fn nobody_is_suspended_while_an_answer_that_came_in_time_waits_to_be_read() {
    let room = Room::new(PROBE);
    room.asks(T0);
    room.arrives("team", at(7 * DAY - 60));
    room.arrives("a", at(7 * DAY - 60));
    room.tick(at(7 * DAY + 30));
    assert_eq!(room.stands("a", 1), Active, "it waits");
    let spooled = room.claim("a", at(7 * DAY + 35));
    room.tick(at(7 * DAY + 40));
    assert_eq!(room.stands("a", 1), Active, "it is being read");
    room.bench.commit(|batch| Spool::finish(batch, &spooled)).unwrap();
    room.tick(at(7 * DAY + 45));
    assert_eq!(
        room.stands("a", 1),
        Suspended,
        "it was no answer; the mail of another list counts for nothing"
    );
}

#[test]
fn no_late_mail_and_no_stuck_one_stops_the_clock() {
    let late = Room::new(PROBE);
    late.asks(T0);
    late.arrives("a", at(7 * DAY));
    late.tick(at(7 * DAY + 1));
    assert_eq!(late.stands("a", 1), Suspended, "an answer would have been too late");

    let stuck = Room::new(PROBE);
    stuck.asks(T0);
    stuck.arrives("a", at(7 * DAY - 60));
    stuck.tick(at(7 * DAY + 3500));
    assert_eq!(stuck.stands("a", 1), Active);
    stuck.tick(at(7 * DAY + 3600));
    assert_eq!(stuck.stands("a", 1), Suspended, "nobody reads it");

    let damaged = Room::new(PROBE);
    damaged.asks(T0);
    let due = at(7 * DAY).millis();
    let mut batch = Batch::new();
    batch.put_due(Space::Spool, [9; 16], b"?".to_vec(), due);
    damaged.bench.store().commit(batch).unwrap();
    damaged.tick(at(7 * DAY + 1));
    assert_eq!(damaged.stands("a", 1), Suspended, "what cannot be read stops nothing");

    // While the daemon stood still nobody could read it.
    let restarted = Room::new(PROBE);
    restarted.asks(T0);
    restarted.arrives("a", at(7 * DAY - 60));
    restarted.bench.spool().recover(at(9 * DAY)).unwrap();
    restarted.tick(at(9 * DAY + 5));
    assert_eq!(restarted.stands("a", 1), Active);
    let spooled = restarted.claim("a", at(9 * DAY + 6));
    restarted.bench.spool().give_back(&spooled, at(10 * DAY), false).unwrap();
    restarted.tick(at(9 * DAY + 10));
    assert_eq!(restarted.stands("a", 1), Suspended, "it waits for something else");
}

#[test]
fn no_clock_comes_between_the_end_of_a_wait_and_what_arrived_meanwhile() {
    let (asked, over) = (7 * DAY - 60, 10 * DAY);
    let resumed = |room: &Room, of: Option<&str>| {
        let list = of.map(list);
        room.bench
            .commit(|batch| room.bench.spool().resume(batch, list.as_ref(), at(over)).unwrap())
            .unwrap();
    };
    // Nobody could read it while the restored store waited.
    let restored = Room::new(PROBE);
    restored.asks(T0);
    restored.arrives("a", at(asked));
    resumed(&restored, None);
    restored.tick(at(over + 5));
    assert_eq!(restored.stands("a", 1), Active);
    let spooled = restored.claim("a", at(over + 6));
    resumed(&restored, None);
    restored.bench.commit(|batch| Spool::finish(batch, &spooled)).expect("what is being read is left alone");
    restored.tick(at(over + 9));
    assert_eq!(restored.stands("a", 1), Suspended);

    // The worker had found the list paused, and given it back for an hour.
    let paused = Room::new(PROBE);
    paused.asks(T0);
    paused.arrives("a", at(asked));
    paused.arrives("team", at(asked));
    for spooled in paused.bench.spool().claim(at(over - 600), LEASE, 10).unwrap() {
        paused.bench.spool().give_back(&spooled, at(over + 3000), false).unwrap();
    }
    resumed(&paused, Some("team"));
    assert_eq!(paused.bench.spool().claim(at(over), LEASE, 10).unwrap().len(), 1, "that of one list");
    resumed(&paused, Some("a"));
    paused.tick(at(over + 5));
    assert_eq!(paused.stands("a", 1), Active);
    // What nobody reads though it could be read is no younger by it.
    resumed(&paused, Some("a"));
    paused.tick(at(over + 3601));
    assert_eq!(paused.stands("a", 1), Suspended);
}

#[test]
fn what_could_not_be_read_just_now_is_waited_for() {
    let room = Room::new(PROBE);
    room.asks(T0);
    room.arrives("a", at(7 * DAY - 60));
    let mut spooled = room.claim("a", at(7 * DAY - 50));
    // As when the list's key is not loaded.
    for failed in [7 * DAY - 1, 7 * DAY + 3600, 7 * DAY + 7200] {
        room.bench.spool().give_back(&spooled, at(failed).after(RETRY), false).unwrap();
        room.tick(at(failed));
        assert_eq!(room.stands("a", 1), Active, "it is tried again");
        spooled = room.claim("a", at(failed).after(RETRY));
    }
    room.bench.commit(|batch| Spool::finish(batch, &spooled)).unwrap();
    room.tick(at(7 * DAY + 7210));
    assert_eq!(room.stands("a", 1), Suspended);
}

#[test]
fn a_vote_that_came_in_time_is_counted_however_long_it_waited() {
    let room = Room::new("");
    let id = room.remove("a", &Whom::Member(person(1)));
    room.vote(&id, 101, at(1)).unwrap();
    let (sent, read) = (at(30 * DAY - 60), at(30 * DAY + 20));
    room.arrives("a", sent);
    room.tick(at(30 * DAY + 10));
    assert_eq!(room.ballot(&id).outcome, Outcome::Open);
    let cast = |n, as_of| {
        room.step(read, |step| {
            step.judge_as_of(as_of);
            let voter = step.roster().by_id(&list("team"), &person(n)).cloned().unwrap();
            ballot::cast(step, &id, &voter, (Choice::Approve, Given::Mail))
        })
    };
    assert!(cast(102, at(30 * DAY)).is_err(), "this one came too late");
    assert_eq!(cast(103, sent).unwrap().outcome, Outcome::Carried);
    assert_eq!(room.stands("a", 1), Removed);
}

#[test]
fn from_a_missed_question_there_is_a_way_to_removal_and_an_answer_in_time_takes_it_back() {
    let by_hand = Room::new(PROBE);
    by_hand.asks(T0);
    by_hand.tick(at(7 * DAY));
    assert_eq!((by_hand.stands("a", 1), by_hand.ballots().len()), (Suspended, 0));
    let whom = Whom::Member(person(1));
    let asked = by_hand
        .step(at(7 * DAY), |step| removal::propose(step, &list("a"), &whom, Reason::Probe, None))
        .unwrap();
    assert!(matches!(asked, Asked::Voting(_)), "{asked:?}");

    let room = Room::new(&format!("{PROBE}alias_probe_removal = true\ncure_period = \"14d\"\n"));
    room.asks(T0);
    room.tick(at(7 * DAY));
    let [asked] = &room.ballots()[..] else { panic!("{:?}", room.ballots()) };
    assert!(matches!(&asked.motion, Motion::Remove { reason: Reason::Probe, .. }));
    assert_eq!(asked.from, Some(at(21 * DAY)), "there is the time to mend it");
    let names =
        |about: &&About| matches!(about, About::AliasSilent { asked: Some(id), .. } if *id == asked.id);
    assert_eq!(room.letters(101).iter().filter(names).count(), 1);
    room.answers(at(8 * DAY));
    assert_eq!((room.stands("a", 1), room.ballot(&asked.id).outcome), (Active, Outcome::Withdrawn));

    room.asks(at(9 * DAY));
    room.tick(at(16 * DAY));
    room.tick(at(30 * DAY));
    let open = room.ballots().into_iter().find(|ballot| ballot.outcome == Outcome::Open).unwrap();
    room.vote(&open.id, 101, at(31 * DAY)).unwrap();
    room.vote(&open.id, 102, at(31 * DAY)).unwrap();
    assert_eq!(room.stands("a", 1), Removed);
}

#[test]
fn an_answer_takes_the_relay_s_own_removal_back_also_where_an_admin_ends_the_suspension() {
    let policy = PROBE.replace("alias_probe_return = true\n", "");
    let room = Room::new(&format!("{policy}alias_probe_removal = true\ncure_period = \"14d\"\n"));
    let silent = |asked: u64| {
        room.asks(at(asked * DAY));
        room.tick(at((asked + 7) * DAY));
        assert_eq!(room.stands("a", 1), Suspended);
        room.ballots().into_iter().find(|ballot| ballot.outcome == Outcome::Open).unwrap().id
    };
    let id = silent(0);
    let letters = room.letters(1);
    let letter = letters.iter().rfind(|about| matches!(about, About::AliasSuspended { .. })).unwrap();
    assert_eq!(letter.aims().len(), 1, "there is a token to answer with: {letter:?}");
    let round = |room: &Room| {
        let roster = room.bench.registry().roster().unwrap().roster;
        roster.by_id(&list("a"), &person(1)).unwrap().file.alias.clone()
    };
    room.answers(at(20 * DAY));
    assert_eq!((room.stands("a", 1), room.ballot(&id).outcome), (Suspended, Outcome::Withdrawn));
    assert_eq!((round(&room).answered, round(&room).missed), (Some(at(20 * DAY)), 0));
    assert!(room.letters(1).iter().any(|about| matches!(about, About::RemovalWithdrawn)));
    assert!(room.answer(at(20 * DAY + 1)).is_err(), "nothing hangs on it any more");

    room.step(at(21 * DAY), |step| members::moved(step, &list("a"), &person(1), Active, Cause::Admin, None))
        .unwrap();
    let id = silent(22);
    assert!(room.answer(at(43 * DAY)).is_err(), "the team votes");
    assert_eq!((room.ballot(&id).outcome, round(&room).missed), (Outcome::Open, 1), "no half of it is kept");
}
