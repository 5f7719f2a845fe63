//! What differs, and what is done about it.

use super::*;
use crate::id::Fingerprint;
use crate::roster::membership::{MemberFile, Role};
use crate::roster::term;
use crate::roster::{Change, Refusal};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

fn list() -> ListName {
    "announce".parse().unwrap()
}

fn member(n: u8) -> Member {
    Member {
        id: format!("m-{n}").parse().unwrap(),
        address: format!("m{n}@acme.example").parse().unwrap(),
        fingerprint: Fingerprint::V4([n; 20]),
        role: Role::Contact { org: "acme".parse().unwrap() },
        standing: Standing::Active,
        since: NOW,
        format: None,
        file: MemberFile::default(),
    }
}

/// Acme with the members 1 to 3.
fn roster() -> Roster {
    let (mut roster, _) =
        Roster::default().add_org(&"acme".parse().unwrap(), "Acme".to_owned(), NOW).unwrap();
    for n in 1..=3 {
        roster = roster.add_member(&list(), member(n)).unwrap().0;
    }
    roster
}

fn whole(roster: &Roster) -> Portable {
    Portable::of(roster, std::iter::once(&list()), true)
}

fn all_steps(roster: &Roster, wanted: &Portable, scope: Scope) -> Vec<Step> {
    steps(roster, wanted, scope, || "m-fresh".parse().unwrap())
}

/// Does all that differs, and returns what the journal says.
#[track_caller]
fn done(roster: &Roster, wanted: &Portable, scope: Scope) -> (Roster, Vec<Change>) {
    let (mut now, mut said) = (roster.clone(), Vec::new());
    for step in all_steps(roster, wanted, scope) {
        let changes = now.import(&step, "import of a test", NOW).unwrap();
        assert!(!changes.is_empty(), "{step:?} is not journalled");
        said.extend(changes);
    }
    (now, said)
}

#[test]
fn nothing_differs_from_oneself() {
    let roster = roster();
    assert_eq!(all_steps(&roster, &whole(&roster), Scope::Whole), []);
}

#[test]
fn an_import_makes_the_roster_the_wanted_one() {
    let before = roster();
    let mut wanted = whole(&before);
    let zenith: OrgName = "zenith".parse().unwrap();
    wanted.orgs.insert(zenith.clone(), Org::new("Zenith".to_owned(), NOW));
    wanted.orgs.get_mut(&"acme".parse().unwrap()).unwrap().title = "Acme Linux".to_owned();
    let members = wanted.lists.get_mut(&list()).unwrap();
    members[0].standing = Standing::Suspended;
    members[0].file.cause = Some(Cause::Unanswered);
    members[1].fingerprint = Fingerprint::V4([9; 20]);
    members[1].address = "new@acme.example".parse().unwrap();
    members.remove(2);
    members.push(Member { role: Role::Contact { org: zenith }, ..member(4) });
    wanted.sort();
    let (after, said) = done(&before, &wanted, Scope::Whole);
    assert_eq!(whole(&after), wanted);
    let reason = Some("import of a test".to_owned());
    let moved = |n: u8, from, to| Change::Moved { member: member(n).id, from, to, reason: reason.clone() };
    assert!(said.contains(&moved(1, Standing::Active, Standing::Suspended)), "{said:?}");
    assert!(said.contains(&moved(3, Standing::Active, Standing::Removed)), "{said:?}");
    let keys = |before: u8, after: u8| (Fingerprint::V4([before; 20]), Fingerprint::V4([after; 20]));
    let (old, new) = keys(2, 9);
    assert!(said.contains(&Change::CertSet { member: member(2).id, before: old, after: new }), "{said:?}");
    let text = format!("{said:?}");
    assert!(!text.contains("new@acme.example"), "the journal has no addresses: {text}");
}

#[test]
fn who_is_missing_leaves_only_where_the_import_speaks_for_all() {
    let before = roster();
    let mut wanted = whole(&before);
    wanted.orgs.clear();
    wanted.lists.get_mut(&list()).unwrap().clear();
    assert_eq!(all_steps(&before, &wanted, Scope::Added), []);
    assert_eq!(all_steps(&before, &wanted, Scope::Lists).len(), 3);
    let (after, _) = done(&before, &wanted, Scope::Whole);
    assert_eq!(after.orgs().count(), 0);
    assert_eq!(after.active(&list()).count(), 0);
    assert_eq!(after.members(&list()).len(), 3, "the journal's ids still name somebody");
    wanted.lists.clear();
    assert_eq!(all_steps(&before, &wanted, Scope::Lists), [], "a list that is not in it is not spoken of");
}

#[test]
fn who_was_removed_comes_back_as_somebody_new() {
    let before = roster();
    let wanted = whole(&before);
    let removed = before.move_member(&list(), &member(1).address, Standing::Removed, None, NOW).unwrap().0;
    let (after, _) = done(&removed, &wanted, Scope::Whole);
    let back = after.by_address(&list(), &member(1).address).unwrap();
    assert_eq!((back.id.as_str(), back.standing), ("m-fresh", Standing::Active));
    assert_eq!(after.by_id(&list(), &member(1).id).unwrap().standing, Standing::Removed);
}

#[test]
fn the_rules_hold_for_an_import_as_well() {
    let roster = roster();
    let refused = |step: &Step| {
        let mut copy = roster.clone();
        let refusal = copy.import(step, "", NOW).unwrap_err();
        assert_eq!(copy, roster, "{refusal}: nothing has changed");
        refusal
    };
    let set = |edit: fn(&mut Member)| {
        let mut changed = member(1);
        edit(&mut changed);
        refused(&Step::Set(list(), Box::new(changed)))
    };
    assert!(matches!(set(|m| m.fingerprint = Fingerprint::V4([2; 20])), Refusal::CertTaken(_)));
    assert!(matches!(set(|m| m.address = "m2@acme.example".parse().unwrap()), Refusal::AddressTaken(_)));
    assert!(matches!(
        set(|m| m.role = Role::Contact { org: "nobody".parse().unwrap() }),
        Refusal::OrgUnknown(_)
    ));
    assert!(matches!(set(|m| m.standing = Standing::Applied), Refusal::NoStep { .. }));
    assert!(matches!(set(|m| m.id = "m-none".parse().unwrap()), Refusal::NoMember(_)));
    assert!(matches!(refused(&Step::DropOrg("acme".parse().unwrap())), Refusal::OrgInUse(_)));
    assert!(matches!(refused(&Step::Add(list(), Box::new(member(1)))), Refusal::AddressTaken(_)));
}

#[test]
fn an_old_export_does_not_undo_a_decision_unnoticed() {
    let before = roster();
    let wanted = whole(&before);
    let moved = |n: u8, to, cause| {
        let (list, id) = (list(), member(n).id);
        move |roster: Roster| roster.move_to(&list, &id, to, (cause, None), NOW).unwrap().0
    };
    let decided = moved(1, Standing::Removed, Cause::Admin)(before);
    let decided = moved(2, Standing::Suspended, Cause::Breach)(decided);
    let decided = moved(3, Standing::Suspended, Cause::Unanswered)(decided);
    let steps = all_steps(&decided, &wanted, Scope::Whole);
    let said: Vec<_> = steps.iter().map(|step| brought_back(&decided, step)).collect();
    let [Some(removed), Some(breach), None] = said.as_slice() else { panic!("{said:?}") };
    assert!(removed.contains("was removed here"), "{removed}");
    assert!(breach.contains("suspended here (breach)"), "{breach}");
    // Whoever decided, and also where the file has a suspension that an answer ends.
    let by_admin = moved(2, Standing::Suspended, Cause::Admin)(roster());
    let by_clock = moved(2, Standing::Suspended, Cause::Unanswered)(roster());
    for wanted in [whole(&roster()), whole(&by_clock)] {
        let said: Vec<_> = all_steps(&by_admin, &wanted, Scope::Whole)
            .iter()
            .filter_map(|step| brought_back(&by_admin, step))
            .collect();
        assert!(matches!(said.as_slice(), [why] if why.contains("suspended here (admin)")), "{said:?}");
    }
    assert!(
        all_steps(&by_clock, &whole(&by_admin), Scope::Whole)
            .iter()
            .all(|step| brought_back(&by_clock, step).is_none())
    );
    // Neither another address nor another certificate hides who it is.
    let other = Member { address: "else@acme.example".parse().unwrap(), ..member(1) };
    assert!(brought_back(&decided, &Step::Add(list(), Box::new(other))).is_some());
    let other = Member { fingerprint: Fingerprint::V4([8; 20]), ..member(1) };
    assert!(brought_back(&decided, &Step::Add(list(), Box::new(other))).is_some());
    assert!(brought_back(&decided, &Step::Add(list(), Box::new(member(7)))).is_none());
}

#[test]
fn who_only_asks_to_come_is_in_no_export_and_comes_by_none() {
    let asks = |standing| Member { standing, ..member(4) };
    for standing in [Standing::Applied, Standing::Vouched] {
        let roster = roster().add_member(&list(), asks(standing)).unwrap().0;
        let wanted = whole(&roster);
        assert_eq!(wanted.lists[&list()].len(), 3, "the application would be missing");
        assert_eq!(all_steps(&roster, &wanted, Scope::Whole), [], "and it does not leave by an import");
        let refused = roster.clone().import(&Step::Set(list(), Box::new(asks(Standing::Active))), "", NOW);
        assert!(matches!(refused, Err(Refusal::NoStep { .. })), "{refused:?}");
    }
}

#[test]
fn two_entries_of_one_id_are_two_people() {
    let roster = roster();
    let mut wanted = whole(&roster);
    let twice = [member(5), Member { id: member(5).id, ..member(6) }];
    wanted.lists.get_mut(&list()).unwrap().extend(twice);
    let (after, _) = done(&roster, &wanted, Scope::Whole);
    let mut ids: Vec<&str> = after.members(&list()).iter().map(|m| m.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["m-1", "m-2", "m-3", "m-5", "m-fresh"]);
}

#[test]
fn texts_from_elsewhere_are_what_could_have_been_typed_here() {
    let roster = roster();
    let acme: OrgName = "acme".parse().unwrap();
    let org = |title: &str| Box::new(Org::new(title.to_owned(), NOW));
    for title in ["", " x", "\u{1b}[2J", &"x".repeat(2001)] {
        let step = Step::SetOrg(acme.clone(), org(title));
        assert!(matches!(roster.clone().import(&step, "", NOW), Err(Refusal::OrgText("title"))), "{title:?}");
    }
    let own = Org { upstream: Some("ACME".to_owned()), ..*org("Acme") };
    let step = Step::SetOrg(acme, Box::new(own));
    assert!(matches!(roster.clone().import(&step, "", NOW), Err(Refusal::OwnUpstream(_))));
    let team = |name: &str, role: Option<&str>| {
        let role = Role::Team { name: name.to_owned(), role: role.map(ToOwned::to_owned) };
        roster.clone().import(
            &Step::Add("team".parse().unwrap(), Box::new(Member { role, ..member(7) })),
            "",
            NOW,
        )
    };
    assert!(team("Ada", Some("chair")).is_ok());
    for (name, role) in [("", None), ("A\nB", None), ("Ada", Some("\u{7}")), ("Ada", Some(""))] {
        assert!(matches!(team(name, role), Err(Refusal::OrgText(_))), "{name:?} {role:?}");
    }
}

#[test]
fn each_field_that_differs_is_named() {
    let mut after = member(1);
    after.standing = Standing::Suspended;
    after.file.cause = Some(Cause::Breach);
    let found = fields(&member(1), &after);
    let said: Vec<_> =
        found.iter().map(|f| (f.key.as_str(), f.before.as_deref(), f.after.as_deref())).collect();
    assert_eq!(said, [("file.cause", None, Some("breach")), ("standing", Some("active"), Some("suspended"))]);
}

fn carol(n: u8) -> BodyMember {
    BodyMember {
        id: format!("m-tsc-{n}").parse().unwrap(),
        address: format!("carol{n}@tsc.example").parse().unwrap(),
        fingerprint: Fingerprint::V4([100 + n; 20]),
        since: NOW,
    }
}

#[test]
fn bodies_come_change_and_leave_where_the_import_says_anything_of_them() {
    let tsc = "the technical steering committee";
    let before = (1..=3).fold(roster(), |roster, n| roster.join_body(tsc, carol(n)).unwrap().0);
    let mut wanted = whole(&before);
    assert_eq!(all_steps(&before, &wanted, Scope::Whole), []);
    let bodies = wanted.bodies.as_mut().unwrap();
    let members = bodies.get_mut(tsc).unwrap();
    members[0].fingerprint = Fingerprint::V4([9; 20]);
    members.remove(1);
    // Another relay's id of somebody who is here, and an id that is a member's.
    members[1].id = "m-other".parse().unwrap();
    members.push(BodyMember { id: member(1).id, ..carol(4) });
    bodies.insert("board".to_owned(), vec![carol(5)]);
    let (after, said) = done(&before, &wanted, Scope::Whole);
    let mut there: Vec<_> = after.bodies().map(|(body, m)| (body, m.id.as_str(), m.fingerprint)).collect();
    let mut expected = [
        ("board", "m-tsc-5", carol(5).fingerprint),
        (tsc, "m-fresh", carol(4).fingerprint),
        (tsc, "m-tsc-1", Fingerprint::V4([9; 20])),
        (tsc, "m-tsc-3", carol(3).fingerprint),
    ];
    there.sort();
    expected.sort();
    assert_eq!(there, expected);
    let left = Change::Team { what: term::Change::BodyLeft { body: tsc.to_owned(), member: carol(2).id } };
    assert!(said.contains(&left), "{said:?}");
    // One that speaks of lists alone, or was written before bodies went out, leaves them as they are.
    wanted.bodies = None;
    let (after, _) = done(&before, &wanted, Scope::Whole);
    assert_eq!(after.body(tsc).len(), 3);
    assert_eq!(Portable::of(&before, std::iter::once(&list()), false).bodies, None);
    // The rules hold.
    let refused = |body: &str, new: BodyMember| {
        before.clone().import(&Step::InBody(body.to_owned(), Box::new(new)), "", NOW).unwrap_err()
    };
    let known = |refusal| matches!(refusal, Refusal::Team(term::Refusal::BodyKnown(_)));
    assert!(known(refused(tsc, BodyMember { address: carol(1).address, ..carol(7) })));
    assert!(known(refused(tsc, BodyMember { fingerprint: carol(1).fingerprint, ..carol(7) })));
    for name in ["", " x", "a\nb", "\u{1b}"] {
        assert!(matches!(refused(name, carol(7)), Refusal::OrgText("body")), "{name:?}");
    }
}

#[test]
fn who_reads_again_comes_before_who_does_so_no_more() {
    let before = roster();
    let wanted = whole(&before);
    let asleep = before.move_member(&list(), &member(3).address, Standing::Suspended, None, NOW).unwrap().0;
    let mut swapped = wanted.clone();
    swapped.lists.get_mut(&list()).unwrap()[0].standing = Standing::Suspended;
    let steps = all_steps(&asleep, &swapped, Scope::Whole);
    let ids: Vec<&str> =
        steps.iter().map(|s| if let Step::Set(_, m) = s { m.id.as_str() } else { "?" }).collect();
    assert_eq!(ids, ["m-3", "m-1"]);
}
