//! What fuzzing is given and what it found, replayed through the functions that it runs (`tests/fuzz/bodies/`), without
//! the fuzzer: a finding comes back red wherever the tests run.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests end loudly"
)]

#[path = "fuzz/bodies/mod.rs"]
mod bodies;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bodies::ALL;

/// The longest that one input may take in a debug build on a busy machine: fuzzing calls what takes a second a finding.
const MOST: Duration = Duration::from_secs(5);

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Runs the inputs of one kind through all targets; returns how many there were.
fn replayed(kind: &str) -> usize {
    let mut count = 0;
    for (target, body) in ALL {
        let inputs = folder(kind).join(target);
        for name in names(&inputs) {
            let data = fs::read(inputs.join(&name)).unwrap();
            let start = Instant::now();
            let ran = std::panic::catch_unwind(|| body(&data));
            assert!(ran.is_ok(), "{kind}/{target}/{name}");
            assert!(start.elapsed() < MOST, "{kind}/{target}/{name} took {:?}", start.elapsed());
            count += 1;
        }
    }
    count
}

#[test]
fn every_seed_runs() {
    for (target, _) in ALL {
        assert!(!names(&folder("seeds").join(target)).is_empty(), "{target} has no seed");
    }
    eprintln!("{} seeds", replayed("seeds"));
}

#[test]
fn every_finding_stays_fixed() {
    eprintln!("{} findings", replayed("findings"));
}

/// A target that nobody runs finds nothing; neither do inputs that belong to none.
#[test]
fn targets_seeds_and_findings_are_of_one_list() {
    let all: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let programs = names(&folder("targets"));
    assert_eq!(programs, all.iter().map(|name| format!("{name}.rs")).collect());
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &all {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name} is not built");
        let program = fs::read_to_string(folder("targets").join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("bodies::{name}(data)")), "{name} runs something else");
    }
    assert_eq!(names(&folder("seeds")), all);
    assert!(names(&folder("findings")).is_subset(&all));
}
