//! Whose turn it is: one delivery at a time for each recipient, and those that hang on half of the connections.
//!
//! A next hop that never answers for one recipient holds a connection until the timeout. Without turns the copies for
//! that one recipient would soon hold all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::mail::address::Address;

/// A recipient whose delivery lasts longer than this hangs, as far as its other copies are concerned.
const HANGING: Duration = Duration::from_secs(10);

/// The pause between two copies that are put back for the same recipient: the shortest, the first after it hung, and the
/// longest that any copy is put back for.
const SHORTEST: Duration = Duration::from_millis(20);
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);

/// After this time without a delivery a recipient that hung is like any other.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// Who is being sent a copy, how quickly it went the last time, and who hung.
#[derive(Clone)]
pub(crate) struct Turns {
    known: Arc<Mutex<HashMap<Address, Known>>>,
    hanging_after: Duration,
}

struct Known {
    /// Since when a delivery is under way.
    begun: Option<Instant>,
    /// How often in a row it hung.
    hung: u32,
    /// How long the last delivery took.
    took: Duration,
    /// Until when copies that were put back are spread out.
    booked: Instant,
    /// When its last delivery ended.
    seen: Instant,
}

impl Turns {
    /// `command` is how long a next hop may take for an answer.
    pub(crate) fn new(command: Duration) -> Self {
        Self { known: Arc::default(), hanging_after: HANGING.min(command / 4) }
    }

    /// Begins the turn of a recipient that has none, over these connections; the first permit is the destination's.
    pub(crate) fn begin(&self, recipient: &Address, permits: Vec<OwnedSemaphorePermit>) -> Turn {
        let now = Instant::now();
        let mut known = self.lock();
        let entry = known.entry(recipient.clone()).or_insert_with(|| Known::at(now));
        entry.begun = Some(now);
        Turn { turns: self.clone(), recipient: recipient.clone(), permits }
    }

    /// Whether a delivery to it is under way.
    pub(crate) fn is_taken(&self, recipient: &Address) -> bool {
        self.lock().get(recipient).is_some_and(|known| known.begun.is_some())
    }

    /// Whether its last delivery hung.
    pub(crate) fn is_slow(&self, recipient: &Address) -> bool {
        self.lock().get(recipient).is_some_and(|known| known.hung > 0)
    }

    /// Whether waiting for it is useless: a delivery to it is under way and hangs, or did the last time.
    pub(crate) fn is_hanging(&self, recipient: &Address) -> bool {
        self.until_hanging(recipient).is_some_and(|left| left.is_zero())
    }

    /// Whether a delivery that has taken so long hangs.
    pub(crate) fn is_hanging_after(&self, time: Duration) -> bool {
        time >= self.hanging_after
    }

    /// How long until the delivery that is under way counts as hanging; none if there is no such delivery.
    pub(crate) fn until_hanging(&self, recipient: &Address) -> Option<Duration> {
        let known = self.lock();
        let known = known.get(recipient)?;
        let elapsed = known.begun?.elapsed();
        Some(if known.hung > 0 { Duration::ZERO } else { self.hanging_after.saturating_sub(elapsed) })
    }

    /// How long a further copy for this recipient rests in the queue. Copies are spread out at the pace at which the
    /// recipient takes them, so that each comes back about when it can be sent; the longer it hangs, the slower.
    pub(crate) fn pause(&self, recipient: &Address) -> Duration {
        let now = Instant::now();
        let mut known = self.lock();
        let Some(entry) = known.get_mut(recipient) else { return FIRST };
        let step = entry.step(self.hanging_after);
        entry.booked = (entry.booked.max(now) + step).min(now + LONGEST);
        entry.booked.duration_since(now)
    }

    /// Forgets who was not seen for long.
    pub(crate) fn tidy(&self) {
        self.lock().retain(|_, known| {
            let remembered = if known.hung > 0 { FORGOTTEN } else { LONGEST };
            known.begun.is_some() || known.seen.elapsed() < remembered
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn at(now: Instant) -> Self {
        Self { begun: None, hung: 0, took: Duration::ZERO, booked: now, seen: now }
    }

    fn step(&self, hanging_after: Duration) -> Duration {
        let elapsed = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        if self.hung > 0 || elapsed >= hanging_after {
            let doubled = FIRST.saturating_mul(2u32.saturating_pow(self.hung.min(5)));
            return doubled.max(elapsed).min(LONGEST);
        }
        self.took.max(elapsed).clamp(SHORTEST, FIRST)
    }
}

/// The right to deliver to one recipient; it ends when this is dropped.
pub(crate) struct Turn {
    turns: Turns,
    recipient: Address,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Turn {
    /// The connection's permit, for the copy that follows over the same connection.
    pub(crate) fn hand_over(&mut self) -> Vec<OwnedSemaphorePermit> {
        self.permits.drain(..self.permits.len().min(1)).collect()
    }

    /// Takes the connection's permit back from the copy that was to follow, whose turn ends.
    pub(crate) fn take_back(&mut self, mut follower: Turn) {
        self.permits.splice(0..0, follower.permits.drain(..));
    }

    /// Says how it went: whether the next hop let us wait until time was up.
    pub(crate) fn ended(&self, hung: bool) {
        if let Some(known) = self.turns.lock().get_mut(&self.recipient) {
            known.hung = if hung { known.hung.saturating_add(1) } else { 0 };
            if !hung {
                known.booked = Instant::now();
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut all = self.turns.lock();
        if let Some(known) = all.get_mut(&self.recipient) {
            known.took = known.begun.take().map_or(Duration::ZERO, |begun| begun.elapsed());
            known.seen = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Address {
        "ada@example.org".parse().unwrap()
    }

    fn turns() -> Turns {
        Turns::new(Duration::from_secs(300))
    }

    #[tokio::test(start_paused = true)]
    async fn a_recipient_hangs_after_a_while_and_is_slow_until_it_answers() {
        let (turns, ada) = (turns(), ada());
        for hangs in [true, true, false] {
            let slow = turns.is_slow(&ada);
            let turn = turns.begin(&ada, Vec::new());
            assert!(turns.is_taken(&ada));
            assert_eq!(turns.is_hanging(&ada), slow, "who hung the last time gets no credit");
            tokio::time::advance(HANGING).await;
            assert!(turns.is_hanging(&ada));
            turn.ended(hangs);
            drop(turn);
            assert!(!turns.is_taken(&ada) && !turns.is_hanging(&ada));
            assert_eq!(turns.is_slow(&ada), hangs);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn copies_are_put_back_at_the_pace_at_which_they_are_taken() {
        let (turns, ada) = (turns(), ada());
        let turn = turns.begin(&ada, Vec::new());
        let millis = |_| turns.pause(&ada).as_millis();
        assert_eq!((0..3).map(millis).collect::<Vec<_>>(), [20, 40, 60]);
        turn.ended(false);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(turn);
        let _turn = turns.begin(&ada, Vec::new());
        assert_eq!((0..3).map(millis).collect::<Vec<_>>(), [1000, 2000, 3000]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longer_it_hangs_the_longer_the_pause() {
        let (turns, ada) = (turns(), ada());
        let mut before = Duration::ZERO;
        for _ in 0..4 {
            let turn = turns.begin(&ada, Vec::new());
            tokio::time::advance(HANGING).await;
            let pause = turns.pause(&ada);
            assert!(pause > before && pause <= LONGEST, "{pause:?}");
            before = pause;
            tokio::time::advance(LONGEST).await;
            turn.ended(true);
        }
        assert_eq!((0..40).map(|_| turns.pause(&ada)).max(), Some(LONGEST), "however many there are");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_remembered_for_ever() {
        let (turns, ada) = (turns(), ada());
        turns.begin(&ada, Vec::new()).ended(false);
        tokio::time::advance(LONGEST).await;
        turns.tidy();
        assert!(turns.lock().is_empty());
        turns.begin(&ada, Vec::new()).ended(true);
        turns.tidy();
        assert!(turns.is_slow(&ada));
        let turn = turns.begin(&ada, Vec::new());
        tokio::time::advance(FORGOTTEN).await;
        turns.tidy();
        assert!(turns.is_taken(&ada), "not while it has its turn");
        drop(turn);
        tokio::time::advance(FORGOTTEN).await;
        turns.tidy();
        assert!(turns.lock().is_empty());
    }
}
