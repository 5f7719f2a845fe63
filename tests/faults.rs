//! The whole relay over a medium that fails: mail in, held, released, deferred, delivered, and the roster changed, with
//! every single step of the store failing once, or failing from there on. Nothing that was acknowledged is lost, nothing
//! is doubled, and whoever asks hears what is wrong.
//!
//! The daemon's rooms, a client, a next hop and an admin run on one thread under tokio's paused clock: pauses between
//! attempts cost nothing. They speak over Unix sockets, which deliver at once, so that time stands still as long as
//! anybody has something to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures"
)]

mod outside;

#[path = "faults/calls.rs"]
mod calls;
#[path = "faults/medium.rs"]
mod medium;
#[path = "faults/peers.rs"]
mod peers;
#[path = "faults/stage.rs"]
mod stage;
#[path = "faults/story.rs"]
mod story;
#[path = "faults/verdict.rs"]
mod verdict;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use medium::{Kind, Medium, Plan};
use story::{Told, run};
use vouchsafe::store::disk::Step;

/// Runs the story with the fault at every place, from the first to behind the last, on a few threads.
fn at_every_place(name: &str, places: &[u64], one: impl Fn(u64) -> Told + Sync) {
    let begun = Instant::now();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(&at) = places.get(next.fetch_add(1, Ordering::SeqCst)) else { return };
                    let place = format!("{name}, place {at}");
                    // Every place gets its turn, so that one run shows all that is wrong.
                    let judged = catch_unwind(AssertUnwindSafe(|| verdict::judge(&one(at), &place)));
                    if judged.is_err() {
                        failed.lock().unwrap().push(at);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{name}: these places failed: {failed:?}");
    stage::no_panics();
    eprintln!("{name}: {} places, {:.1?}", places.len(), begun.elapsed());
}

fn on_a_medium(name: &str, plan: Plan) {
    let sound = Medium::new(u64::MAX, plan);
    let told = run(sound.clone().into());
    verdict::judge(&told, "sound");
    verdict::all_is_well(&told);
    let places = sound.places();
    assert!(places.len() > 100, "the story is worth the name: {} steps", places.len());
    at_every_place(name, &places, |at| run(Medium::new(at, plan).into()));
}

#[test]
fn an_error_at_any_step_loses_and_doubles_nothing() {
    on_a_medium("once", Plan { kind: Kind::Once, why: ErrorKind::Other, hits: |_| true });
}

#[test]
fn a_medium_that_dies_at_any_step_loses_and_doubles_nothing() {
    on_a_medium("dead", Plan { kind: Kind::FromThereOn, why: ErrorKind::Other, hits: |_| true });
}

#[test]
fn a_medium_that_is_full_from_any_step_on_loses_and_doubles_nothing() {
    let grows = |step| matches!(step, Step::Write | Step::Resize | Step::MakeDir);
    on_a_medium("full", Plan { kind: Kind::FromThereOn, why: ErrorKind::StorageFull, hits: grows });
}

#[test]
fn a_store_that_fails_at_any_call_loses_and_doubles_nothing() {
    let calls: Vec<u64> = (0..calls::count(calls::failing)).collect();
    at_every_place("call fails", &calls, |at| run(calls::failing(at).into()));
}

#[test]
fn a_store_whose_answer_is_lost_at_any_call_loses_and_doubles_nothing() {
    let calls: Vec<u64> = (0..calls::count(calls::silent)).collect();
    at_every_place("answer lost", &calls, |at| run(calls::silent(at).into()));
}
