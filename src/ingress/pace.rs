//! Whether a client that sends a message keeps up the pace. Times are given, none is asked for.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::settings::Limits;

/// Into how many slots a window falls. What comes within one slot counts as come at its end, so that a client that
/// sends byte by byte makes us remember no more than one that does not.
const SLOTS: u32 = 16;

/// What came since our last answer.
///
/// The pace is judged over a sliding window: of the last `data_grace` seconds, each such window has to bring what the
/// least rate makes of it. What came earlier earns nothing, or whoever sends much at first could then hold it in our
/// memory for a day without sending more.
pub(super) struct Pace {
    since: Instant,
    window: Duration,
    quota: u64,
    /// The youngest bytes that make up the quota, oldest first, with the time that they count for.
    recent: VecDeque<(Instant, u64)>,
    sum: u64,
}

impl Pace {
    /// The first window is open: it begins as if it had been filled.
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let quota = limits.min_data_rate.saturating_mul(limits.data_grace);
        let window = seconds(limits.data_grace);
        Self { since: now, window, quota, recent: VecDeque::from([(now, quota)]), sum: quota }
    }

    /// When it began.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Notes that bytes came.
    pub(super) fn came(&mut self, bytes: usize, now: Instant) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match self.recent.back_mut().filter(|(at, _)| *at >= now) {
            Some((_, slot)) => *slot = slot.saturating_add(bytes),
            None => self.recent.push_back((now + self.window / SLOTS, bytes)),
        }
        self.sum = self.sum.saturating_add(bytes);
        while let Some((_, oldest)) = self.recent.front()
            && self.recent.len() > 1
            && self.sum.saturating_sub(*oldest) >= self.quota
        {
            self.sum = self.sum.saturating_sub(*oldest);
            self.recent.pop_front();
        }
    }

    /// When a window ends that did not bring enough, unless more comes before.
    pub(super) fn deadline(&self) -> Instant {
        self.recent.front().map_or(self.since, |(at, _)| *at) + self.window
    }
}

/// A duration that no clock overflows on.
pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count.min(u64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { min_data_rate: 500, data_grace: 60, ..Limits::default() }
    }

    /// Sends `bytes` every `step` until it is too late, or a day is over.
    fn lasts(pace: &mut Pace, start: Instant, bytes: usize, step: Duration) -> Option<Duration> {
        let mut now = start;
        while now < start + seconds(86_400) {
            if now + step > pace.deadline() {
                return Some(pace.deadline() - start);
            }
            now += step;
            pace.came(bytes, now);
            assert!(pace.recent.len() <= 2 + SLOTS as usize, "what is remembered has bounds");
        }
        None
    }

    #[test]
    fn the_least_rate_may_go_on_and_half_of_it_not() {
        let start = Instant::now();
        for (bytes, step) in [(500, 1_000), (50, 100), (30_000, 60_000), (15_000, 30_000)] {
            let lasts =
                |bytes| lasts(&mut Pace::new(&limits(), start), start, bytes, Duration::from_millis(step));
            assert_eq!(lasts(bytes), None, "{bytes} every {step} ms");
            let slow = lasts(bytes / 2).expect("half the rate is too slow");
            assert!(slow >= seconds(60) && slow <= seconds(64 + 60), "{bytes} every {step} ms: {slow:?}");
        }
    }

    #[test]
    fn bytes_that_came_early_earn_no_time() {
        let start = Instant::now();
        let mut pace = Pace::new(&limits(), start);
        let mut now = start;
        for _ in 0..1_000 {
            now += Duration::from_millis(1);
            pace.came(50_000, now);
        }
        assert!(pace.deadline() <= now + seconds(64), "{:?}", pace.deadline() - now);
        let silent = lasts(&mut pace, now, 1, seconds(1)).expect("a byte in a second is too slow");
        assert!(silent <= seconds(64), "{silent:?}");
    }

    #[test]
    fn a_pause_shorter_than_the_window_is_forgiven() {
        let start = Instant::now();
        let mut pace = Pace::new(&limits(), start);
        for minute in 0..60 {
            let now = start + seconds(minute * 59);
            assert!(now <= pace.deadline());
            pace.came(40_000, now);
        }
    }
}
