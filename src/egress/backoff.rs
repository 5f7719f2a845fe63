//! When a deferred copy is tried again, and when no more.

use std::time::Duration;

use crate::egress::route::Settings;
use crate::id::Entropy;
use crate::time::Timestamp;

/// The moment of the next attempt after one that failed at `now`, `before` having failed earlier. The pause doubles up to
/// its limit and varies by a tenth, so that copies that failed together do not all come back together (RFC 5321 §4.5.4.1).
pub(crate) fn next_attempt(settings: &Settings, before: u32, now: Timestamp, entropy: &Entropy) -> Timestamp {
    now.after(pause(settings.retry_first.get(), settings.retry_max.get(), before, entropy))
}

/// Whether a copy was tried for long enough.
pub(crate) fn is_over(settings: &Settings, queued_at: Timestamp, now: Timestamp) -> bool {
    now.since(queued_at) >= settings.give_up_after.get()
}

/// The pause after a failure, `before` having come earlier.
pub(crate) fn pause(first: Duration, longest: Duration, before: u32, entropy: &Entropy) -> Duration {
    varied(doubled(first, before).min(longest), entropy)
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times.min(31)))
}

/// Plus or minus up to a tenth.
fn varied(pause: Duration, entropy: &Entropy) -> Duration {
    let drawn = u16::from_be_bytes(entropy.bytes());
    pause.mul_f64(0.9 + 0.2 * f64::from(drawn) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUED: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn pause_after(before: u32, entropy: &Entropy) -> Duration {
        next_attempt(&Settings::default(), before, QUEUED, entropy).since(QUEUED)
    }

    #[test]
    fn pauses_double_from_five_minutes_to_four_hours() {
        let entropy = Entropy::seeded(7);
        for (before, minutes) in
            [(0, 5), (1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 240), (7, 240), (99, 240)]
        {
            let pause = pause_after(before, &entropy).as_secs_f64() / 60.0;
            let wanted = f64::from(minutes);
            assert!((wanted * 0.9..=wanted * 1.1).contains(&pause), "{before}: {pause} minutes");
        }
    }

    #[test]
    fn copies_that_failed_together_do_not_come_back_together() {
        let entropy = Entropy::seeded(7);
        let pauses: std::collections::BTreeSet<Duration> =
            (0..20).map(|_| pause_after(0, &entropy)).collect();
        assert!(pauses.len() > 15, "{pauses:?}");
    }

    #[test]
    fn after_five_days_and_about_forty_attempts_it_is_over() {
        let (entropy, settings) = (Entropy::seeded(7), Settings::default());
        let (mut now, mut attempts) = (QUEUED, 0);
        while !is_over(&settings, QUEUED, now) {
            now = next_attempt(&settings, attempts, now, &entropy);
            attempts += 1;
        }
        assert!(!is_over(&settings, QUEUED, QUEUED.after(Duration::from_secs(5 * 86_400 - 1))));
        // 315 minutes to the first long pause, then one attempt each 4 hours of the remaining 6,885 minutes.
        assert!((30..=42).contains(&attempts), "{attempts}");
    }
}
