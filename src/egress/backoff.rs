//! When a deferred copy is tried again, and when no more.

use std::time::Duration;

use crate::egress::route::Settings;
use crate::id::Entropy;
use crate::time::Timestamp;

/// The moment of the next attempt after one that failed at `now`, `before` having failed earlier; `None` when the copy was
/// tried for long enough. The pause doubles up to its limit and varies by a tenth, so that copies that failed together do
/// not all come back together (RFC 5321 §4.5.4.1).
pub(crate) fn next_attempt(
    settings: &Settings,
    before: u32,
    queued_at: Timestamp,
    now: Timestamp,
    entropy: &Entropy,
) -> Option<Timestamp> {
    let give_up_after = settings.give_up_after.get();
    if now.since(queued_at) >= give_up_after {
        return None;
    }
    let pause = varied(doubled(settings.retry_first.get(), before).min(settings.retry_max.get()), entropy);
    // The last attempt comes at the very end of the time that was promised.
    Some(now.after(pause).min(queued_at.after(give_up_after)))
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
        next_attempt(&Settings::default(), before, QUEUED, QUEUED, entropy).unwrap().since(QUEUED)
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
    fn the_last_attempt_comes_after_five_days_and_then_it_is_over() {
        let entropy = Entropy::seeded(7);
        let end = QUEUED.after(Duration::from_secs(5 * 86_400));
        let mut now = QUEUED;
        let mut attempts = 0;
        while let Some(next) = next_attempt(&Settings::default(), attempts, QUEUED, now, &entropy) {
            assert!(next > now && next <= end);
            now = next;
            attempts += 1;
        }
        assert_eq!(now, end);
        // 315 minutes to the first long pause, then one attempt each 4 hours of the remaining 6,885 minutes.
        assert!((30..=42).contains(&attempts), "{attempts}");
    }
}
