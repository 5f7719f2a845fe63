//! The second promise against the power: what was acknowledged is on the disk when the power is cut the moment after.
//! Each round cuts it right after a 250 or the success of a command, starts the daemon on what the disk then holds, and
//! counts what was acknowledged and what is found. `outside/image.rs` says how a cut is made and why it is a true one.
//!
//! `VOUCHSAFE_POWERCUT_ROUNDS` sets how often (50 when not set), `VOUCHSAFE_TEST_BINARY` which program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures and skips"
)]

mod outside;

#[path = "powercut/controls.rs"]
mod controls;
#[path = "powercut/keys.rs"]
mod keys;
#[path = "powercut/life.rs"]
mod life;
#[path = "powercut/people.rs"]
mod people;
#[path = "powercut/record.rs"]
mod record;
#[path = "powercut/verdict.rs"]
mod verdict;

use std::sync::Mutex;
use std::time::Instant;

use life::Life;
use outside::image::{Kind, Shelf, in_own_namespace};
use outside::release::use_release;
use people::{Engine, Stage};
use verdict::Figures;

/// The engines, and whether they keep what they acknowledged. Of one that does not, the figures are shown.
const ENGINES: &[Engine] = &[Engine { name: "redb", keeps: true }, Engine { name: "sled", keeps: false }];

/// How often an engine is cut that does not keep its word: enough to see it.
const ROUNDS_TO_SHOW: usize = 10;

/// The disks that are cut, all at the same time.
const DISKS: [Kind; 2] = [Kind::Journal, Kind::NoJournal];

fn rounds(engine: &Engine) -> usize {
    let set = std::env::var("VOUCHSAFE_POWERCUT_ROUNDS").ok();
    let set = set.map_or(50, |text| text.parse().expect("VOUCHSAFE_POWERCUT_ROUNDS is a number"));
    if engine.keeps { set } else { ROUNDS_TO_SHOW }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    if !in_own_namespace("what_was_acknowledged_survives_a_power_cut") {
        return;
    }
    use_release();
    let shelf = Shelf::set_up();
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for kind in DISKS {
            let (shelf, broken) = (&shelf, &broken);
            scope.spawn(move || {
                ENGINES.iter().for_each(|engine| cut_again_and_again(shelf, engine, kind, broken))
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn cut_again_and_again(shelf: &Shelf, engine: &Engine, kind: Kind, broken: &Mutex<Vec<String>>) {
    let (start, rounds) = (Instant::now(), rounds(engine).div_ceil(DISKS.len()));
    let stage = Stage::set_up(shelf, engine, kind);
    let mut figures = Figures::default();
    let mut left = rounds;
    while left > 0 {
        let cuts = left.min(life::CUTS);
        left -= cuts;
        figures.add(Life::lead(shelf, &stage, cuts).judge(shelf, &stage));
    }
    let took = start.elapsed();
    eprintln!("{} on ext4, {kind:?}: {rounds} power cuts in {took:.0?}: {figures}", engine.name);
    assert!(figures.acknowledged >= rounds, "the load is worth the name");
    if engine.keeps {
        broken.lock().unwrap().extend(figures.wrong);
    }
}

#[test]
fn what_was_not_synced_is_lost_and_the_loss_is_found() {
    if !in_own_namespace("what_was_not_synced_is_lost_and_the_loss_is_found") {
        return;
    }
    use_release();
    let shelf = Shelf::set_up();
    DISKS.iter().for_each(|kind| controls::files(&shelf, *kind));
    controls::daemon_whose_syncs_do_nothing(&shelf);
}

#[test]
fn a_new_installation_and_its_keys_survive_a_power_cut() {
    if !in_own_namespace("a_new_installation_and_its_keys_survive_a_power_cut") {
        return;
    }
    use_release();
    let shelf = Shelf::set_up();
    std::thread::scope(|scope| {
        for kind in DISKS {
            let shelf = &shelf;
            scope.spawn(move || {
                keys::first_day(shelf, kind);
                keys::imports(shelf, kind);
            });
        }
    });
}
