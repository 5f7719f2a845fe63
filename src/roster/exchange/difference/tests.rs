//! What differs, and what is done about it.

use super::*;
use crate::id::Fingerprint;
use crate::roster::membership::MemberFile;

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
        let (new, changes) = now.import(&step, "import of a test", NOW).unwrap();
        assert!(!changes.is_empty(), "{step:?} is not journalled");
        said.extend(changes);
        now = new;
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
    let refused = |step: &Step| roster.import(step, "", NOW).unwrap_err();
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
fn each_field_that_differs_is_named() {
    let mut after = member(1);
    after.standing = Standing::Suspended;
    after.file.cause = Some(Cause::Breach);
    let found = fields(&member(1), &after);
    let said: Vec<_> =
        found.iter().map(|f| (f.key.as_str(), f.before.as_deref(), f.after.as_deref())).collect();
    assert_eq!(said, [("file.cause", None, Some("breach")), ("standing", Some("active"), Some("suspended"))]);
}
