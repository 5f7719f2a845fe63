//! A medium that counts its steps and fails where it is told to.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use vouchsafe::store::disk::{Disk, Step};

/// How long it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Once,
    FromThereOn,
}

/// What fails, and with which error.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) why: io::ErrorKind,
    pub(crate) hits: fn(Step) -> bool,
}

/// The medium; clones are the same one.
#[derive(Clone)]
pub(crate) struct Medium(Arc<State>);

struct State {
    at: u64,
    plan: Plan,
    steps: AtomicU64,
    /// The steps so far that the plan can hit.
    places: Mutex<Vec<u64>>,
    /// The first step that failed.
    fired: OnceLock<Step>,
    poisoned: OnceLock<()>,
}

/// What a failing step says; no error may be made of less.
pub(crate) const SAID: &str = "made to fail";

impl Medium {
    /// A medium whose step number `at` fails, or the first one that the plan hits from there on.
    pub(crate) fn new(at: u64, plan: Plan) -> Self {
        let (steps, places) = (AtomicU64::new(0), Mutex::default());
        Self(Arc::new(State { at, plan, steps, places, fired: OnceLock::new(), poisoned: OnceLock::new() }))
    }

    pub(crate) fn disk(&self) -> Disk {
        let state = Arc::clone(&self.0);
        Disk::with_faults(move |step| {
            let n = state.steps.fetch_add(1, Ordering::SeqCst);
            if (state.plan.hits)(step) {
                state.places.lock().unwrap().push(n);
            }
            let due = match state.plan.kind {
                Kind::Once => n == state.at,
                Kind::FromThereOn => n >= state.at,
            };
            if !due || !(state.plan.hits)(step) {
                return Ok(());
            }
            let _ = state.fired.set(step);
            if matches!(step, Step::Sync | Step::SyncDir) {
                let _ = state.poisoned.set(());
            }
            Err(io::Error::new(state.plan.why, SAID))
        })
    }

    /// The numbers of the steps that the plan can hit.
    pub(crate) fn places(&self) -> Vec<u64> {
        self.0.places.lock().unwrap().clone()
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.0.fired.get().is_some()
    }

    pub(crate) fn lasts(&self) -> bool {
        self.0.plan.kind == Kind::FromThereOn
    }

    /// Whether a sync failed, so that the store must not be trusted any more.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.0.poisoned.get().is_some()
    }
}
