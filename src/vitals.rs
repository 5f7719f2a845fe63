//! Signs of life: each part of the daemon says that it goes on, and somebody else looks whether it has said so lately.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::time::Timestamp;

/// A part that waits wakes up this often, to say that it is there.
pub const BEAT: Duration = Duration::from_secs(2);
/// A part that has said nothing for so long hangs.
pub const SILENCE: Duration = Duration::from_secs(60);

/// The pulse of one part. Cheap to clone; all clones are one part.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Instant,
    next: u64,
    /// Until when each piece of work has to be done.
    work: BTreeMap<u64, Instant>,
}

/// A piece of work under way; done when dropped.
#[derive(Debug)]
pub struct Work {
    pulse: Pulse,
    id: u64,
}

impl Default for Pulse {
    fn default() -> Self {
        let state = State { last: Instant::now(), next: 0, work: BTreeMap::new() };
        Self(Arc::new(Inner { state: Mutex::new(state) }))
    }
}

impl Pulse {
    /// The part goes on.
    pub fn beat(&self) {
        self.state().last = Instant::now();
    }

    /// Waits for what may take long for good reasons, with signs of life.
    pub async fn while_waiting<T>(&self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = std::pin::pin!(awaited);
        loop {
            self.beat();
            if let Ok(done) = tokio::time::timeout(BEAT, &mut awaited).await {
                self.beat();
                return done;
            }
        }
    }

    /// A piece of work begins, which hangs when it is not done within this time.
    #[must_use]
    pub fn work(&self, within: Duration) -> Work {
        let mut state = self.state();
        let id = state.next;
        state.next = id.wrapping_add(1);
        state.work.insert(id, Instant::now() + within);
        Work { pulse: self.clone(), id }
    }

    /// Whether the part goes on: it has said so within `silence`, and none of its work is overdue.
    #[must_use]
    pub fn is_fresh(&self, silence: Duration) -> bool {
        self.is_fresh_at(Instant::now(), silence)
    }

    fn is_fresh_at(&self, now: Instant, silence: Duration) -> bool {
        let state = self.state();
        now.saturating_duration_since(state.last) < silence && state.work.values().all(|until| now < *until)
    }

    /// The state is right after every statement, so a panic elsewhere spoils nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.pulse.state().work.remove(&self.id);
    }
}

/// When something happened last.
#[derive(Debug, Default)]
pub struct Last(AtomicI64);

impl Last {
    /// It happened now.
    pub fn happened(&self, now: Timestamp) {
        self.0.fetch_max(now.millis(), Ordering::Relaxed);
    }

    /// When; `None` if it has not happened.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Timestamp::from_millis)
    }
}

/// The signs of life of a daemon since its start.
#[derive(Clone, Debug, Default)]
pub struct Vitals {
    /// The worker.
    pub worker: Pulse,
    /// The courier.
    pub courier: Pulse,
    /// The listeners.
    pub listeners: Pulse,
    /// When a mail was taken in.
    pub arrival: Arc<Last>,
    /// When a copy was delivered.
    pub delivery: Arc<Last>,
}

impl Vitals {
    /// Every part by name.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, &Pulse); 3] {
        [("worker", &self.worker), ("courier", &self.courier), ("listeners", &self.listeners)]
    }

    /// The parts that have given no sign of life within `silence`.
    #[must_use]
    pub fn hanging(&self, silence: Duration) -> Vec<&'static str> {
        self.parts().into_iter().filter(|(_, pulse)| !pulse.is_fresh(silence)).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_silent_for_too_long_hangs() {
        let pulse = Pulse::default();
        let now = Instant::now();
        assert!(pulse.is_fresh_at(now, SILENCE) && pulse.is_fresh_at(now + SILENCE / 2, SILENCE));
        assert!(!pulse.is_fresh_at(now + SILENCE * 2, SILENCE));
    }

    #[test]
    fn work_that_is_not_done_in_time_hangs_although_the_part_goes_on() {
        let pulse = Pulse::default();
        let now = Instant::now();
        let (short, long) = (pulse.work(Duration::from_secs(10)), pulse.work(Duration::from_secs(50)));
        assert!(
            pulse.is_fresh_at(now, SILENCE) && !pulse.is_fresh_at(now + Duration::from_secs(20), SILENCE)
        );
        drop(short);
        assert!(pulse.is_fresh_at(now + Duration::from_secs(20), SILENCE));
        drop(long);
        assert!(pulse.is_fresh_at(now + Duration::from_secs(55), SILENCE));
    }

    #[test]
    fn the_last_time_is_the_latest() {
        let last = Last::default();
        assert_eq!(last.at(), None);
        last.happened(Timestamp::from_secs(7));
        last.happened(Timestamp::from_secs(5));
        assert_eq!(last.at(), Some(Timestamp::from_secs(7)));
    }
}
