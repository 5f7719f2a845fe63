//! What tables and objects look like.

use super::*;
use crate::control::wire::MemberRow;

fn parcels() -> Vec<ParcelRow> {
    let row = |id: &str, recipient: &str, last: Option<&str>| ParcelRow {
        id: id.to_owned(),
        list: "distrib".to_owned(),
        recipient: recipient.to_owned(),
        state: "deferred".to_owned(),
        attempts: 3,
        last: last.map(str::to_owned),
        next: Some("2026-11-18T11:06:40Z".to_owned()),
        ..ParcelRow::default()
    };
    vec![
        row("aaaa", "security@short.example", None),
        row("bbbb", "psirt@a-much-longer-name.example", Some("451 4.7.1 later")),
    ]
}

#[test]
fn a_table_is_one_line_a_row_and_aligned() {
    let expected = "\
ID    LIST     RECIPIENT                         STATE     ATTEMPTS  NEXT                  LAST
aaaa  distrib  security@short.example            deferred  3         2026-11-18T11:06:40Z  -
bbbb  distrib  psirt@a-much-longer-name.example  deferred  3         2026-11-18T11:06:40Z  451 4.7.1 later
";
    assert_eq!(rows(&parcels(), &PARCELS, false), expected);
    assert_eq!(rows(&[], &PARCELS, false), "the queue is empty\n");
    assert_eq!(rows(&[], &PARCELS, true), "[]\n");
}

#[test]
fn a_name_with_escapes_neither_moves_the_cursor_nor_starts_a_row() {
    let mut bad = parcels();
    bad[0].recipient = "a\x1b[2J\nroot@x".to_owned();
    let table = rows(&bad, &PARCELS, false);
    assert_eq!(table.lines().count(), 3);
    assert!(table.contains("a\\u{1b}[2J\\u{a}root@x"), "{table}");
    let json: Value = serde_json::from_str(&rows(&bad, &PARCELS, true)).unwrap();
    assert_eq!(json[0]["recipient"], "a\x1b[2J\nroot@x", "programs get what there is");
}

#[test]
fn an_event_is_its_kind_and_what_belongs_to_it() {
    let value = serde_json::json!({"kind": "delivered", "parcel": "abc", "attempts": 2, "why": null});
    assert_eq!(event(&value), "delivered attempts=2 parcel=abc");
    assert_eq!(event(&Value::Null), "?");
}

#[test]
fn the_persons_columns_are_as_many_as_their_heads() {
    fn check<T: Default>(columns: &Columns<T>) {
        assert_eq!((columns.cells)(&T::default()).len(), columns.heads.len(), "{:?}", columns.heads);
    }
    check(&LISTS);
    check(&KEYS);
    check(&ORGS);
    check(&CRITERIA);
    check(&REGISTER);
    check(&MEMBERS);
    check(&TEAM);
    check(&HOLDS);
    check(&PARCELS);
    check(&JOURNAL);
    check(&CHAINS);
}

#[test]
fn what_is_unset_is_null_for_programs_and_left_out_for_people() {
    let member = MemberRow { org: Some("debian".to_owned()), ..MemberRow::default() };
    let json: Value = serde_json::from_str(&one(&member, super::member, true)).unwrap();
    assert_eq!(json["org"], "debian");
    for unset in ["name", "role", "format", "expires", "problem"] {
        assert_eq!(json.get(unset), Some(&Value::Null), "{unset}");
    }
    assert_eq!(json["can_receive"], false);
    let text = one(&member, super::member, false);
    assert!(text.contains("org          debian\n"), "{text}");
    assert!(text.contains("receives     no\n") && !text.contains("role"), "{text}");
}
