//! The whole-process bench: the release daemon beside the bare cost of what it cannot avoid, in one run, as ratios.
//!
//! `make bench` runs it after the parts, and it writes `docs/performance.md`. `-- --write FILE` writes elsewhere; without
//! it the page goes to standard output. `-- --only SECTION` measures one section (`fan-out`, `accepts`, `delivery`,
//! `memory`, `start`) and shows it; `signing`, what DKIM costs, is shown this way alone. `BENCH_QUICK=1` measures so little that it only shows that everything runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench ends loudly, and says what it does"
)]

#[path = "../tests/outside/mod.rs"]
mod outside;
#[path = "whole/mod.rs"]
mod whole;

use std::path::PathBuf;

use whole::Plan;

fn main() {
    let (mut write, mut only) = (None::<PathBuf>, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--write" => write = Some(arguments.next().expect("--write FILE").into()),
            "--only" => only = Some(arguments.next().expect("--only SECTION")),
            // Cargo adds this to what it runs as a bench.
            "--bench" => {}
            other => panic!("{other:?} is not known: --write FILE, --only SECTION"),
        }
    }
    if let Some(only) = only {
        return print!("{}", whole::section(Plan::chosen(), &only));
    }
    let page = whole::run(Plan::chosen());
    match write {
        Some(path) => std::fs::write(path, page).expect("the page can be written"),
        None => print!("{page}"),
    }
}
