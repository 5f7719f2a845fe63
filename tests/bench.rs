//! The bench runs, and `docs/performance.md` is what it writes. How fast anything is is not asserted here: a busy machine
//! would decide.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod outside;
#[path = "../benches/whole/mod.rs"]
#[allow(dead_code, reason = "the bench itself uses the rest")]
mod whole;

use std::path::Path;

use whole::Plan;

/// Titles of sections and of tables: what does not change from one run to the next.
fn frame(page: &str) -> Vec<&str> {
    let lines: Vec<&str> = page.lines().collect();
    let is_title = |n: usize| {
        let rule = |line: &&str| line.starts_with("| ---");
        lines[n].starts_with('#') || (lines[n].starts_with('|') && lines.get(n + 1).is_some_and(rule))
    };
    (0..lines.len()).filter(|n| is_title(*n)).map(|n| lines[n]).collect()
}

#[test]
fn the_bench_runs_and_the_page_is_what_it_writes() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let page = &std::fs::read_to_string(page).expect("docs/performance.md: `make bench` writes it");
    assert!(!page.contains("quick run") && !page.contains("Not measured"), "the page is a whole run's");
    let quick = whole::run(&Plan::QUICK);
    assert!(quick.contains("A quick run"), "it does not pass for a whole one");
    if quick.contains("smtp-sink is missing") {
        return; // that was said aloud
    }
    assert!(!quick.contains("NaN") && !quick.contains("inf "), "every figure was measured:\n{quick}");
    // The parts and the command line are measured by other programs, which the quick run does not start.
    let page = page.split_once("\n## Command line\n").expect("the command line has its section").0;
    let whole =
        |page| frame(page).into_iter().filter(|line| !line.starts_with("| part ")).collect::<Vec<_>>();
    assert_eq!(whole(&quick), whole(page), "run `make bench` and commit what it writes");
}
