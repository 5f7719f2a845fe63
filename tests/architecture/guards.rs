//! Each guard fails on a house that breaks its rule, and passes one that keeps it.

use crate::house::House;
use crate::rules;

fn house(files: &[(&str, &str)]) -> House {
    let root = ("lib.rs", "pub mod low; pub mod mid; pub mod top;");
    let all = std::iter::once(&root).chain(files);
    House::of(all.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
}

const FLOORS: &[(&str, u8)] = &[("low", 1), ("mid", 2), ("top", 3)];

fn sound() -> House {
    house(&[
        ("low.rs", "//! Low.\npub struct L; pub fn f() {}"),
        ("mid/mod.rs", "//! Mid.\nmod inner; pub use inner::M; use crate::low::L;"),
        ("mid/inner.rs", "//! Inner.\npub struct M; use crate::low;"),
        ("top.rs", "//! Top.\nuse crate::mid::M; use std::net::IpAddr;"),
    ])
}

#[test]
fn a_sound_house_passes() {
    let house = sound();
    assert_eq!(rules::floors(&house, FLOORS), Vec::<String>::new());
    assert_eq!(rules::circles(&house), Vec::<String>::new());
    assert_eq!(rules::doors(&house, &[("std::net", &["top"])]), Vec::<String>::new());
    assert_eq!(rules::never_reaches(&house, &["mid/"], &["top", "std::net"]), Vec::<String>::new());
    assert_eq!(rules::only_imported_by(&house, &["low.rs"], &["mid/"]), Vec::<String>::new());
}

#[test]
fn floors_are_kept() {
    let house = house(&[("low.rs", "use crate::top::T;"), ("mid.rs", ""), ("top.rs", "pub struct T;")]);
    assert_eq!(rules::floors(&house, FLOORS), ["low.rs (floor 1) imports top.rs, which is not below it"]);
    let unknown = rules::floors(&sound(), &FLOORS[1..]);
    assert!(unknown.contains(&"low.rs: the room low has no floor".to_owned()), "{unknown:?}");
    let gone = rules::floors(&sound(), &[FLOORS, &[("cellar", 0)]].concat());
    assert_eq!(gone, ["the table has the room cellar, the house has not"]);
}

#[test]
fn circles_are_found_within_a_room_and_through_a_macro() {
    let house = house(&[
        ("low.rs", ""),
        ("mid/mod.rs", "mod a; mod b;"),
        ("mid/a.rs", "use super::b::B; pub struct A;"),
        ("mid/b.rs", "pub struct B; fn f() { vec![super::a::A]; }"),
        ("top.rs", ""),
    ]);
    assert_eq!(rules::circles(&house), ["these import each other in a circle: mid/a.rs, mid/b.rs"]);
}

#[test]
fn a_crate_at_the_wrong_door_is_named() {
    let doors: &[(&str, &[&str])] = &[("clap", &["top"]), ("std::fs", &["low.rs"])];
    let house = house(&[
        ("low.rs", "use std::fs;"),
        ("mid.rs", "#[derive(clap::Parser)] struct A; fn f() { std::fs::read(0); }"),
        ("top.rs", "use clap::Parser;"),
    ]);
    let found = rules::doors(&house, doors);
    assert_eq!(
        found,
        ["mid.rs names clap::Parser, which belongs to top", "mid.rs names std::fs, which belongs to low.rs"]
    );
}

#[test]
fn reach_is_transitive_and_shows_the_way() {
    let house = house(&[
        ("low.rs", "use tokio::net; pub struct L;"),
        ("mid.rs", "use crate::low::L; pub struct M;"),
        ("top.rs", "use crate::mid::M;"),
    ]);
    assert_eq!(
        rules::never_reaches(&house, &["top"], &["low.rs"]),
        ["top.rs > mid.rs > low.rs reaches low.rs"]
    );
    assert_eq!(
        rules::never_reaches(&house, &["top"], &["tokio"]),
        ["top.rs > mid.rs > low.rs reaches tokio"]
    );
    assert_eq!(rules::only_imported_by(&house, &["low.rs"], &["top.rs"]), ["mid.rs imports low.rs"]);
}

#[test]
fn calls_and_traits_are_on_their_lists() {
    let house = house(&[
        ("low.rs", "fn f() { a.expose(); }"),
        ("mid.rs", "trait New { fn f(); }\nfn f() { a.unwrap(); b.expect(\"why\"); c.expect(Expect::X); }"),
        (
            "top.rs",
            "fn expect() { own.expect(\"220\"); }\n#[cfg(test)] mod tests { fn f() { a.unwrap().expose(); } }",
        ),
    ]);
    let found = rules::callers(&house, "expose", &[("top.rs", "")]);
    let expected = [
        "low.rs calls .expose() and is not on the list",
        "top.rs is on the list and does not call .expose()",
    ];
    assert_eq!(found, expected);
    assert_eq!(
        rules::uncalled(&house, &["unwrap", "expect"]),
        ["mid.rs:2 calls .unwrap()", "mid.rs:2 calls .expect()"]
    );
    let found = rules::traits(&house, &[("low.rs", "Old")]);
    assert_eq!(found, ["mid.rs defines the trait New", "low.rs does not define the trait Old"]);
}

#[test]
fn long_files_and_functions_are_named() {
    let house = house(&[
        ("low.rs", "fn short() {\n    // why\n\n    a();\n}\n"),
        ("mid.rs", "fn long() {\n    a();\n    b();\n}\n"),
        ("top.rs", "\n\n\n\n\n\n"),
    ]);
    let found = rules::sizes(&house, 5, 1);
    assert_eq!(found, ["mid.rs: long has 2 lines of code, at most 1", "top.rs has 6 lines, at most 5"]);
    let headless = rules::heads(&house);
    assert_eq!(headless.len(), 4, "{headless:?}");
}

#[test]
fn words_are_found_with_their_place() {
    let texts = [("a.md".to_owned(), "fine\nsee the PLAN\n".to_owned())];
    assert_eq!(rules::words(&texts, &["PLAN".to_owned()]), ["a.md:2: PLAN"]);
    assert!(rules::words(&texts, &["PLANT".to_owned()]).is_empty());
}

#[test]
fn the_map_must_fit_the_house() {
    let whole = "`low.rs` `mid/` `mid/inner.rs` and `top.rs`";
    assert!(rules::map(&sound(), whole, 1).is_empty());
    let found = rules::map(&sound(), "`low.rs`\n`mid/`\n`mid/gone.rs`", 2);
    let expected = [
        "the map has 3 lines, at most 2",
        "the map does not name the room top",
        "the map names mid/gone.rs, which is not there",
    ];
    assert_eq!(found, expected);
}

#[test]
fn who_reads_bytes_without_proof_is_named() {
    let with = "//! Low.\npub fn a(entity: Scanned<'_>) -> Vec<u8> {}\nfn b(bytes: &[u8]) {}\n";
    let house = house(&[
        ("low.rs", with),
        ("mid.rs", "//! Mid.\npub fn c<'a>(bytes: &'a [u8]) {}\n"),
        ("top.rs", ""),
    ]);
    assert_eq!(rules::takes(&house, &["low.rs"], "Scanned<"), Vec::<String>::new());
    let wrong = rules::takes(&house, &["mid.rs", "gone.rs"], "Scanned<");
    assert_eq!(wrong, ["mid.rs: c takes something else than Scanned<", "gone.rs is not there"]);
    assert_eq!(rules::only_in(&house, "Scanned<", &["low.rs"]), Vec::<String>::new());
    let wrong = rules::only_in(&house, "[u8]", &["low.rs", "top.rs"]);
    assert_eq!(wrong, ["mid.rs has [u8]", "top.rs has no [u8]"]);
}
