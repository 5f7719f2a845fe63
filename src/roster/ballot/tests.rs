//! What votes decide, and when.

use super::*;
use crate::id::Fingerprint;
use crate::roster::membership::{MemberFile, Role, Standing};

const T0: Timestamp = Timestamp::from_secs(1_800_000_000);

fn person(n: u8, org: Option<&str>) -> Member {
    Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("p{n}@team.example").parse().unwrap(),
        fingerprint: Fingerprint::V4([n; 20]),
        role: Role::Team { name: format!("P{n}"), role: None },
        standing: Standing::Active,
        since: T0,
        format: None,
        file: MemberFile { works_for: org.map(|org| org.parse().unwrap()), ..MemberFile::default() },
    }
}

fn ballot(quorum: u32, one_per_org: bool) -> Ballot {
    Ballot {
        id: "b-1".parse().unwrap(),
        list: "distrib".parse().unwrap(),
        motion: Motion::Admit { application: "a-1".parse().unwrap() },
        title: "Acme".to_owned(),
        words: None,
        opened: T0,
        from: None,
        closes: Some(T0.after(std::time::Duration::from_secs(60))),
        quorum,
        one_per_org,
        concerned: vec!["m-4".parse().unwrap()],
        asked: Vec::new(),
        votes: Vec::new(),
        outcome: Outcome::Open,
        closed: None,
        stuck: false,
    }
}

fn by_mail(choice: Choice) -> (Choice, Given) {
    (choice, Given::Mail)
}

#[test]
fn enough_carry_it_and_a_voter_counts_once() {
    let team = [person(1, None), person(2, None), person(3, None)];
    let one = ballot(2, false).cast(&team[0], by_mail(Choice::Approve), team.iter(), T0).unwrap();
    let again = one.cast(&team[0], by_mail(Choice::Approve), team.iter(), T0).unwrap();
    assert_eq!((again.count(Choice::Approve), again.outcome), (1, Outcome::Open));
    let two = again.cast(&team[1], by_mail(Choice::Approve), team.iter(), T0).unwrap();
    assert_eq!(two.outcome, Outcome::Carried);
    assert_eq!(
        two.cast(&team[2], by_mail(Choice::Object), team.iter(), T0),
        Err(Refusal::Closed(two.id.clone()))
    );
}

#[test]
fn so_many_objections_that_it_cannot_be_carried_reject_it() {
    let team = [person(1, None), person(2, None), person(3, None)];
    let one = ballot(2, false).cast(&team[0], by_mail(Choice::Object), team.iter(), T0).unwrap();
    assert_eq!(one.outcome, Outcome::Open, "the two others can still carry it");
    let turned = one.cast(&team[0], by_mail(Choice::Approve), team.iter(), T0).unwrap();
    assert_eq!(turned.count(Choice::Object), 0, "who thinks again has one vote");
    let two = one.cast(&team[1], by_mail(Choice::Object), team.iter(), T0).unwrap();
    assert_eq!(two.outcome, Outcome::Rejected);
}

#[test]
fn one_organisations_people_count_once_where_the_policy_says_so() {
    let team = [person(1, Some("acme")), person(2, Some("acme")), person(3, None)];
    let all = |per_org: bool| {
        let one = ballot(2, per_org).cast(&team[0], by_mail(Choice::Approve), team.iter(), T0).unwrap();
        one.cast(&team[1], by_mail(Choice::Approve), team.iter(), T0).unwrap()
    };
    assert_eq!(all(false).outcome, Outcome::Carried);
    assert_eq!((all(true).outcome, all(true).count(Choice::Approve)), (Outcome::Open, 1));
    assert_eq!(ballot(2, true).electorate(team.iter()), 2);
}

#[test]
fn strangers_the_concerned_and_the_late_do_not_vote() {
    let team = [person(1, None), person(4, None)];
    let cast = |who: &Member, at| ballot(1, false).cast(who, by_mail(Choice::Approve), team.iter(), at);
    let id: BallotId = "b-1".parse().unwrap();
    assert_eq!(cast(&person(9, None), T0), Err(Refusal::NotTheTeam(id.clone())));
    assert_eq!(cast(&team[1], T0), Err(Refusal::Concerned(id.clone())));
    let late = T0.after(std::time::Duration::from_secs(60));
    assert_eq!(cast(&team[0], late), Err(Refusal::Closed(id)));
    let mut asleep = team[0].clone();
    asleep.standing = Standing::Suspended;
    assert!(ballot(1, false).cast(&asleep, by_mail(Choice::Approve), [asleep.clone()].iter(), T0).is_err());
}

#[test]
fn who_has_left_the_team_has_no_vote_and_too_few_are_told() {
    let team = [person(1, None), person(2, None), person(3, None)];
    let one = ballot(2, false).cast(&team[0], by_mail(Choice::Approve), team.iter(), T0).unwrap();
    let (same, lost) = one.anew(team.iter(), T0);
    assert_eq!((same, lost), (one.clone(), vec![]), "nothing happened");
    let (left, lost) = one.anew(team[1..].iter(), T0);
    assert_eq!((left.votes.len(), lost), (0, vec![team[0].id.clone()]));
    assert!(!left.stuck, "two are left, and two can carry it");
    assert!(left.anew(team[2..].iter(), T0).0.stuck);
    assert!(!left.anew(team[2..].iter(), T0).0.anew(team.iter(), T0).0.stuck, "somebody came again");
}

#[test]
fn the_objection_that_is_left_of_a_smaller_team_rejects() {
    let team = [person(1, None), person(2, None), person(3, None)];
    let one = ballot(2, false).cast(&team[0], by_mail(Choice::Object), team.iter(), T0).unwrap();
    assert_eq!(one.anew(team[..2].iter(), T0).0.outcome, Outcome::Rejected);
}

#[test]
fn a_ballot_begins_when_it_does_and_lapses_when_nobody_decides() {
    let team = [person(1, None), person(2, None)];
    let begins = T0.after(std::time::Duration::from_secs(30));
    let later = Ballot { from: Some(begins), ..ballot(1, false) };
    let cast = |at| later.cast(&team[0], by_mail(Choice::Approve), team.iter(), at);
    assert_eq!(cast(T0), Err(Refusal::NotYet(later.id.clone(), begins)));
    assert_eq!(cast(begins).unwrap().closed, Some(begins));
    let end = T0.after(std::time::Duration::from_secs(60));
    let (lapsed, _) = later.anew(team.iter(), end);
    assert_eq!((lapsed.outcome, lapsed.closed), (Outcome::Lapsed, Some(end)));
    assert_eq!(lapsed.anew(team.iter(), end.after(std::time::Duration::from_secs(1))).0, lapsed);
}
