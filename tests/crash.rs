//! The second promise, from outside: an accepted mail is never lost. The release binary gets SIGKILL at random moments
//! under load and is started again on the same folder; whatever was answered with 250 must reach every reader.
//!
//! Beside it the debug build dies at each named place of `failpoint.rs`, on the first and on later visits.
//!
//! `VOUCHSAFE_CRASH_ROUNDS` sets how often (1,000 with `CI=true`, else 100), `VOUCHSAFE_TEST_BINARY` which program,
//! `VOUCHSAFE_CRASH_STORE` on which store ("redb" when not set). Several installations die side by side: a round mostly
//! waits.
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

#[path = "crash/changes.rs"]
mod changes;
#[path = "crash/cheap.rs"]
mod cheap;
#[path = "crash/keys.rs"]
mod keys;
#[path = "crash/lane.rs"]
mod lane;
#[path = "crash/load.rs"]
mod load;
#[path = "crash/maildir.rs"]
mod maildir;
#[path = "crash/notices.rs"]
mod notices;
#[path = "crash/points.rs"]
mod points;
#[path = "crash/verdict.rs"]
mod verdict;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use keys::Tally;
use lane::{Lane, Total};
use outside::in_ci;
use outside::install::{binary, built};
use outside::release::{release, use_release};
use points::{Stage, Visit, stage};
use vouchsafe::failpoint::Point;

/// The installations that get SIGKILL: the store of each, and its share of the rounds.
const KILLED: &[(&str, usize)] = &[("redb", 3), ("redb", 3), ("redb", 3), ("sled", 1)];
/// How many installations of the debug build die at named places.
const WALKERS: usize = 3;
/// How many visits to a place that is not reached are too many.
const VISITS: usize = 12;

fn rounds() -> usize {
    let set = std::env::var("VOUCHSAFE_CRASH_ROUNDS").ok();
    let usual = if in_ci() { 1000 } else { 100 };
    set.map_or(usual, |text| text.parse().expect("VOUCHSAFE_CRASH_ROUNDS is a number"))
}

/// The store that everything is to run on, if one was chosen.
fn chosen_store() -> Option<String> {
    std::env::var("VOUCHSAFE_CRASH_STORE").ok()
}

/// The store of each installation that gets SIGKILL, and how many of the rounds it has.
fn killed(rounds: usize) -> Vec<(String, usize)> {
    let shares: usize = KILLED.iter().map(|(_, share)| share).sum();
    let store = |usual: &str| chosen_store().unwrap_or_else(|| usual.to_owned());
    KILLED.iter().map(|(usual, share)| (store(usual), (rounds * share).div_ceil(shares))).collect()
}

#[test]
fn what_was_acknowledged_survives_death_at_any_moment() {
    use_release();
    let (start, rounds) = (Instant::now(), rounds());
    // Every place once at least, and a third of all rounds.
    let elsewhere = |point: &Point| matches!(stage(*point), Stage::Keys | Stage::Mailbox);
    let places: Vec<Point> = Point::ALL.iter().copied().filter(|point| !elsewhere(point)).collect();
    let turns = (rounds / 3).div_ceil(places.len());
    let visits =
        Mutex::new((0..turns).flat_map(|turn| places.iter().map(move |p| Visit::new(*p, turn))).collect());
    let (mut reached, mut totals) = (BTreeSet::new(), Vec::new());
    std::thread::scope(|scope| {
        let visits = &visits;
        let keys = scope.spawn(keys_die);
        let walkers: Vec<_> = (0..WALKERS).map(|_| scope.spawn(move || walk(visits))).collect();
        let killed: Vec<_> = killed(rounds - rounds / 3)
            .into_iter()
            .map(|(store, rounds)| scope.spawn(move || kill(&store, rounds)))
            .collect();
        for (n, lane) in killed.into_iter().enumerate() {
            totals.push(tell(&format!("killed {n}"), end(lane), start));
        }
        for (n, lane) in walkers.into_iter().enumerate() {
            let (there, total) = end(lane);
            reached.extend(there);
            totals.push(tell(&format!("walker {n}"), total, start));
        }
        let keys = end(keys);
        eprintln!("keys: died {} times, {:.0?} after the start", keys.deaths, start.elapsed());
        reached.extend(keys.reached);
    });
    let ours = Point::ALL.iter().filter(|point| stage(**point) != Stage::Mailbox);
    let missed: Vec<&Point> = ours.filter(|point| !reached.contains(point)).collect();
    assert!(missed.is_empty(), "these places were never reached: {missed:?}");
    let sum = |of: fn(&Total) -> usize| totals.iter().map(of).sum::<usize>();
    eprintln!(
        "in all {} rounds, {} kills, {} mails sent, {} acknowledged, {} admin changes, {} of them answered, in {:.0?}",
        sum(|t| t.rounds),
        sum(|t| t.kills),
        sum(|t| t.figures.sent),
        sum(|t| t.figures.acknowledged),
        sum(|t| t.changes),
        sum(|t| t.answered),
        start.elapsed()
    );
    assert!(sum(|t| t.rounds) >= rounds, "no round is left out");
    assert!(sum(|t| t.figures.acknowledged) >= rounds, "the load is worth the name");
}

/// The release build, at random moments.
fn kill(store: &str, rounds: usize) -> Total {
    let mut lane = Lane::set_up(binary(), store, 20);
    for _ in 0..rounds {
        lane.random_round();
    }
    lane.judge()
}

/// The debug build, at the places that are left.
fn walk(visits: &Mutex<Vec<Visit>>) -> (BTreeSet<Point>, Total) {
    let mut lane = Lane::set_up(built(), chosen_store().as_deref().unwrap_or("redb"), 4);
    let mut reached = BTreeSet::new();
    loop {
        let Some(visit) = visits.lock().unwrap().pop() else { break };
        for _ in 0..VISITS {
            if lane.visit(visit) {
                reached.insert(visit.point);
                break;
            }
            eprintln!("{} was not reached this time", visit.text());
        }
    }
    (reached, lane.judge())
}

/// The debug build, while keys change, and a maildir is emptied.
fn keys_die() -> Tally {
    let destroyed = [Point::SpoolKeyWithdrawn, Point::SpoolKeyOverwritten, Point::SpoolKeyDestroyed];
    std::thread::scope(|scope| {
        let slow: Vec<_> = destroyed.map(|point| scope.spawn(move || keys::destruction(point))).into();
        let parts =
            [keys::init, keys::key_new, keys::key_import, keys::rotation, keys::first_start, maildir::deaths];
        let quick: Vec<_> = parts.map(|part| scope.spawn(part)).into();
        let mut tally = Tally::default();
        quick.into_iter().chain(slow).for_each(|part| tally.add(end(part)));
        tally
    })
}

/// What a thread came to; its panic is ours.
fn end<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn tell(name: &str, total: Total, start: Instant) -> Total {
    eprintln!(
        "{name}: {} rounds, {} kills, {} mails released from hold, {} of {} admin changes answered, {:.0?} after the start",
        total.rounds,
        total.kills,
        total.released,
        total.answered,
        total.changes,
        start.elapsed()
    );
    eprintln!("    {}", total.figures);
    total
}

#[test]
fn a_release_build_has_no_failpoints() {
    let has =
        |program: &Path| outside::copy::contains(&std::fs::read(program).unwrap(), b"VOUCHSAFE_FAILPOINT");
    assert!(has(&built()), "this is how it would be found");
    match release() {
        Some(release) => assert!(!has(&release), "{} looks for failpoints", release.display()),
        None => assert!(!in_ci(), "there is no release binary: cargo build --release"),
    }
}
