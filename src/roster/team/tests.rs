//! Terms, bounds and seats.

use super::*;
use crate::roster::membership::{MemberFile, Role};

const T0: Timestamp = Timestamp::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn edgex() -> Rules {
    crate::policy::Policy::parse(include_str!("../../../config/policies/edgex.toml")).unwrap().team
}

fn person(n: u8, roles: &[&str]) -> Member {
    let mut member = Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("p{n}@team.example").parse().unwrap(),
        fingerprint: Fingerprint::V4([n; 20]),
        role: Role::Team { name: format!("P{n}"), role: None },
        standing: Standing::Active,
        since: T0,
        format: None,
        file: MemberFile::default(),
    };
    member.set_roles(roles.iter().map(|role| (*role).to_owned()).collect());
    member
}

const CHAIR: &str = "security-wg-chair";
const TSC: &str = "tsc-member";
const BACKGROUND: &str = "community-security-background";

fn found(team: &[Member]) -> Vec<String> {
    violations(&edgex(), team.iter()).iter().map(Violation::kind).collect()
}

#[test]
fn three_with_their_seats_are_as_the_policy_wants_them() {
    let team = [person(1, &[CHAIR]), person(2, &[TSC]), person(3, &[BACKGROUND])];
    assert_eq!(found(&team), Vec::<String>::new());
    assert_eq!(found(&team[..2]), ["too-few".to_owned(), format!("seat {BACKGROUND}")]);
    let five: Vec<Member> =
        (1..=5).map(|n| if n <= 3 { team[usize::from(n) - 1].clone() } else { person(n, &[]) }).collect();
    assert_eq!(found(&five), ["too-many"]);
    let mut asleep = team.clone();
    asleep[0].standing = Standing::Suspended;
    assert_eq!(found(&asleep), ["too-few".to_owned(), format!("seat {CHAIR}")], "only who is active counts");
}

#[test]
fn another_member_is_another_person() {
    // The chair is of the TSC too: another one of it has to be there.
    let chair = person(1, &[CHAIR, TSC]);
    let alone = [chair.clone(), person(2, &[BACKGROUND]), person(3, &[])];
    assert_eq!(found(&alone), ["same-person"]);
    let two = [chair.clone(), person(2, &[BACKGROUND, TSC]), person(3, &[BACKGROUND])];
    assert_eq!(found(&two), Vec::<String>::new());
    // The one with the background cannot be the other member of the TSC as well.
    let one = [chair, person(2, &[BACKGROUND, TSC]), person(3, &[])];
    assert_eq!(found(&one), ["same-person"]);
    // A chair with all three roles, and one of the TSC.
    let all = [person(1, &[CHAIR, TSC, BACKGROUND]), person(2, &[TSC]), person(3, &[])];
    assert_eq!(found(&all), Vec::<String>::new());
}

#[test]
fn a_large_team_is_judged_at_once() {
    let text = "[policy]\nid = \"x\"\nversion = \"1\"\n[team]\ncomposition = [\
        { role = \"a\", min = 30, not_same_person = true }, { role = \"b\", min = 30, not_same_person = true }, \
        { role = \"c\", min = 1 }]";
    let rules = crate::policy::Policy::parse(text).unwrap().team;
    let team: Vec<Member> = (1..=60).map(|n| person(n, &["a", "b", "c"])).collect();
    let kinds: Vec<String> = violations(&rules, team.iter()).iter().map(Violation::kind).collect();
    assert_eq!(kinds, ["same-person"], "sixty seats leave nobody for the last");
}

#[test]
fn a_policy_without_a_team_wants_nothing() {
    assert!(violations(&Rules::default(), std::iter::empty()).is_empty());
}

#[test]
fn each_reminder_is_told_once_and_the_nearer_one_alone() {
    let rules = edgex();
    let mut member = person(1, &[CHAIR]);
    let at = |days: u32| T0.after(DAY * days);
    assert_eq!(due(&member, &rules, at(400)), None, "without a term nothing ends");
    member.file.seated.term = term(&rules, T0, T0).unwrap();
    assert_eq!(due(&member, &rules, at(334)), None);
    assert_eq!(due(&member, &rules, at(335)), Some(Due::Tell(DAY * 30)));
    assert_eq!(
        due(&member, &rules, at(360)),
        Some(Due::Tell(DAY * 7)),
        "after an outage the nearer one alone"
    );
    member.file.seated.told = Some((DAY * 30).as_secs());
    assert_eq!(due(&member, &rules, at(336)), None);
    assert_eq!(due(&member, &rules, at(358)), Some(Due::Tell(DAY * 7)));
    member.file.seated.told = Some((DAY * 7).as_secs());
    assert_eq!(due(&member, &rules, at(364)), None);
    assert_eq!(due(&member, &rules, at(365)), Some(Due::Tell(Duration::ZERO)));
    member.file.seated.told = Some(0);
    assert_eq!(due(&member, &rules, at(378)), None, "in the time of grace all goes on");
    assert_eq!(due(&member, &rules, at(379)), Some(Due::Suspend));
    member.standing = Standing::Suspended;
    assert_eq!(due(&member, &rules, at(379)), None);
}

#[test]
fn a_term_begins_no_later_than_now_and_is_not_over() {
    let rules = edgex();
    assert!(matches!(term(&rules, T0.after(DAY), T0), Err(Refusal::NotBegun(_))));
    assert!(matches!(term(&rules, T0, T0.after(DAY * 365)), Err(Refusal::Over(_))));
    assert_eq!(term(&Rules::default(), T0, T0), Ok(None));
}

#[test]
fn a_body_has_each_address_and_certificate_once_and_pins_it() {
    let one = |n: u8| BodyMember {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("t{n}@tsc.example").parse().unwrap(),
        fingerprint: Fingerprint::V4([n; 20]),
        since: T0,
    };
    let (roster, _) = Roster::default().join_body("tsc", one(1)).unwrap();
    assert!(roster.join_body("tsc", one(1)).is_err());
    assert!(roster.join_body("tsc", BodyMember { address: one(2).address, ..one(1) }).is_err());
    assert!(roster.pins(Fingerprint::V4([1; 20])) && !roster.pins(Fingerprint::V4([2; 20])));
    let ((roster, _), cert) = roster.leave_body("tsc", &one(1).address).unwrap();
    assert!(!roster.pins(cert) && roster.bodies().count() == 0);
}
