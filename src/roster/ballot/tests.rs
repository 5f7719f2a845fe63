//! What votes decide, and when.

use super::tally::Tally;
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
        barred: None,
    }
}

fn nobody(_: &Member) -> bool {
    false
}

fn by_mail(choice: Choice) -> (Choice, Given) {
    (choice, Given::Mail)
}

#[test]
fn enough_carry_it_and_a_voter_counts_once() {
    let team = [person(1, None), person(2, None), person(3, None)];
    let one = ballot(2, false).cast(&team[0], by_mail(Choice::Approve), team.iter(), T0).unwrap();
    let again = one.cast(&team[0], by_mail(Choice::Approve), team.iter(), T0).unwrap();
    assert_eq!((again.tally().approve, again.outcome), (1, Outcome::Open));
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
    assert_eq!(turned.tally().object, 0, "who thinks again has one vote");
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
    assert_eq!((all(true).outcome, all(true).tally().approve), (Outcome::Open, 1));
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
    let (same, lost) = one.anew(team.iter(), nobody, T0);
    assert_eq!((same, lost), (Ballot { concerned: vec![], ..one.clone() }, vec![]), "nothing happened");
    let (left, lost) = one.anew(team[1..].iter(), nobody, T0);
    assert_eq!((left.votes.len(), lost), (0, vec![team[0].id.clone()]));
    assert!(!left.stuck, "two are left, and two can carry it");
    assert!(left.anew(team[2..].iter(), nobody, T0).0.stuck);
    assert!(
        !left.anew(team[2..].iter(), nobody, T0).0.anew(team.iter(), nobody, T0).0.stuck,
        "somebody came again"
    );
}

#[test]
fn the_objection_that_is_left_of_a_smaller_team_rejects() {
    let team = [person(1, None), person(2, None), person(3, None)];
    let one = ballot(2, false).cast(&team[0], by_mail(Choice::Object), team.iter(), T0).unwrap();
    assert_eq!(one.anew(team[..2].iter(), nobody, T0).0.outcome, Outcome::Rejected);
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
    let (lapsed, _) = later.anew(team.iter(), nobody, end);
    assert_eq!((lapsed.outcome, lapsed.closed), (Outcome::Lapsed, Some(end)));
    assert_eq!(lapsed.anew(team.iter(), nobody, end.after(std::time::Duration::from_secs(1))).0, lapsed);
}

#[test]
fn an_organisation_whose_people_disagree_is_on_neither_side_until_they_agree() {
    let team = [person(1, Some("acme")), person(2, Some("acme")), person(3, None)];
    let cast = |ballot: &Ballot, who: usize, choice| {
        ballot.cast(&team[who], by_mail(choice), team.iter(), T0).unwrap()
    };
    let split = cast(&cast(&ballot(2, true), 0, Choice::Approve), 1, Choice::Object);
    let acme: OrgName = "acme".parse().unwrap();
    assert_eq!(split.tally(), Tally { approve: 0, object: 0, split: vec![acme] });
    assert_eq!(split.outcome, Outcome::Open, "they may agree yet");
    assert!(split.splits(&team[0].id) && !split.splits(&team[2].id));
    let waits = cast(&split, 2, Choice::Approve);
    assert_eq!((waits.tally().approve, waits.outcome), (1, Outcome::Open), "half of acme is not acme");
    assert_eq!(cast(&waits, 1, Choice::Approve).outcome, Outcome::Carried);
    assert_eq!(cast(&waits, 0, Choice::Object).outcome, Outcome::Rejected);
    assert_eq!(cast(&split, 2, Choice::Object).outcome, Outcome::Rejected, "acme alone cannot carry it");
    let apart = cast(&cast(&ballot(1, false), 1, Choice::Object), 0, Choice::Approve);
    assert_eq!(
        (apart.outcome, apart.tally().object),
        (Outcome::Carried, 1),
        "where heads count, heads count"
    );
}

#[test]
fn whom_it_concerns_and_for_whom_somebody_works_is_as_of_now() {
    let mut team = [person(1, None), person(2, None), person(3, None)];
    let one = ballot(2, true).cast(&team[0], by_mail(Choice::Object), team.iter(), T0).unwrap();
    let two = one.cast(&team[1], by_mail(Choice::Approve), team.iter(), T0).unwrap();
    assert_eq!((two.outcome, two.tally().object), (Outcome::Open, 1));
    team[0].file.works_for = Some("acme".parse().unwrap());
    team[1].file.works_for = Some("acme".parse().unwrap());
    let (merged, lost) = two.anew(team.iter(), nobody, T0);
    assert_eq!((merged.tally().split.len(), merged.tally().approve, lost.len()), (1, 0, 0));
    let (concerned, lost) = two.anew(team.iter(), |m| m.id == team[0].id, T0);
    assert_eq!((concerned.concerned, lost), (vec![team[0].id.clone()], vec![team[0].id.clone()]));
}

#[test]
fn a_ballot_concerns_whoever_shares_id_certificate_address_or_organisation() {
    let mut them = person(1, None);
    them.role = Role::Contact { org: "acme".parse().unwrap() };
    them.file.certs = vec![Fingerprint::V4([77; 20])];
    let about = concern::Subjects::of([&them].into_iter());
    assert!(about.concern(&person(1, None)) && !about.concern(&person(2, Some("other"))));
    assert!(about.concern(&person(2, Some("acme"))), "a colleague");
    let mut further = person(3, None);
    further.file.certs = vec![Fingerprint::V4([77; 20])];
    assert!(about.concern(&further), "the same key");
    let mut moved = person(4, None);
    moved.address = "P1@TEAM.example".parse().unwrap();
    assert!(about.concern(&moved), "the same mailbox with another key");
    let colleague = concern::Subjects::of([&person(5, Some("acme"))].into_iter());
    assert!(!colleague.concern(&person(6, Some("acme"))), "of a team each is one's own matter");
    let org = "acme".parse().unwrap();
    let applies = concern::Subjects::default().and_org(Some(&org)).and_cert(Fingerprint::V4([9; 20]));
    assert!(applies.concern(&person(6, Some("acme"))) && applies.concern(&person(9, None)));
}

proptest::proptest! {
    /// Whatever is voted, in whatever order: no voice counts twice, what is decided follows from the last votes alone, and
    /// what is open can be carried still.
    #[test]
    fn no_voice_is_on_two_sides(
        orgs in proptest::collection::vec(0..4_u8, 1..7),
        votes in proptest::collection::vec((0..7_usize, proptest::bool::ANY), 0..20),
        quorum in 1..4_u32,
    ) {
        let org = |n: u8| [None, Some("acme"), Some("bell"), Some("corp")][usize::from(n)];
        let team: Vec<Member> = (10..).zip(&orgs).map(|(n, of)| person(n, org(*of))).collect();
        let mut now = ballot(quorum, true);
        for (who, approve) in votes {
            let choice = if approve { Choice::Approve } else { Choice::Object };
            let Some(voter) = team.get(who) else { continue };
            let Ok(next) = now.cast(voter, by_mail(choice), team.iter(), T0) else { break };
            now = next;
        }
        let (tally, electorate) = (now.tally(), now.electorate(team.iter()));
        let split = u32::try_from(tally.split.len()).unwrap();
        proptest::prop_assert!(tally.approve + tally.object + split <= electorate);
        proptest::prop_assert_eq!(now.outcome == Outcome::Carried, tally.approve >= quorum);
        if now.outcome == Outcome::Rejected {
            proptest::prop_assert!(electorate - tally.object < quorum);
        }
        if now.outcome == Outcome::Open && electorate >= quorum {
            // Everybody but those whose whole voice objects approves: it is carried.
            let against = |m: &&Member| now.votes.iter().any(|v| v.by == m.id && v.choice == Choice::Object)
                && !now.splits(&m.id);
            let yielding: Vec<&Member> = team.iter().filter(|m| !against(m)).collect();
            let mut end = now.clone();
            for voter in yielding {
                let Ok(next) = end.cast(voter, by_mail(Choice::Approve), team.iter(), T0) else { break };
                end = next;
            }
            proptest::prop_assert_eq!(end.outcome, Outcome::Carried);
        }
    }
}
