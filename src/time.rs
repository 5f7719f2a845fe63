//! Timestamps and the one clock. Nobody else asks the wall clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC, in milliseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339, and written so where people read it
/// (TOML, JSON); records of the store have the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment `secs` seconds after the epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment plus a duration; saturates at the end of time.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment minus a duration; saturates at the beginning of time.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment as the system's own type, for libraries that want one.
    #[must_use]
    pub fn system(self) -> SystemTime {
        let millis = u64::try_from(self.0).unwrap_or(0);
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    /// The moment of a system time; times before the epoch become the epoch.
    #[must_use]
    pub fn from_system(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// The moment as a `Date:` value (RFC 5322 §3.3), in UTC.
    #[must_use]
    pub fn rfc5322(self) -> String {
        self.jiff().map_or_else(
            || "Thu, 01 Jan 1970 00:00:00 +0000".to_owned(),
            |at| at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        )
    }

    /// The first moment of a day in UTC, written as `2027-01-31`.
    #[must_use]
    pub fn of_day(text: &str) -> Option<Self> {
        let day: jiff::civil::Date = text.parse().ok()?;
        let start = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        // The library reads more forms than this one.
        (day.to_string() == text).then(|| Self(start.timestamp().as_millisecond()))
    }

    /// The day in UTC that this moment lies in.
    #[must_use]
    pub fn day(self) -> String {
        self.to_string().chars().take_while(|c| *c != 'T').collect()
    }

    fn jiff(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0).ok()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.jiff().filter(|_| to.is_human_readable()) {
            // To the millisecond, where there are any: what is read is what was written.
            Some(at) => to.collect_str(&at),
            None => to.serialize_i64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Where a record was read into memory first (a tagged enum), serde calls it readable, and it has the number.
        if from.is_human_readable() { from.deserialize_any(Moment) } else { from.deserialize_i64(Moment) }
    }
}

/// Reads either form of a [`Timestamp`].
struct Moment;

impl Visitor<'_> for Moment {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 2026-11-28T09:00:00Z")
    }

    fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(millis))
    }

    fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Timestamp, E> {
        i64::try_from(millis).map(Timestamp).map_err(|_| E::custom("a time beyond the end of time"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        let at: jiff::Timestamp = text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))?;
        Ok(Timestamp(at.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.jiff() {
            Some(at) => write!(f, "{}", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
            None => write!(f, "{} ms after 1970", self.0),
        }
    }
}

/// Where the present comes from.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_system(SystemTime::now())
    }
}

/// A clock that stands still until it is moved, for tests.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.millis())))
    }

    /// Sets the clock, also back.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.0, Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_a_date_and_records_keep_the_number() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        enum Tagged {
            One { at: Timestamp },
        }
        for (millis, text) in [
            (1_700_000_000_000, "2023-11-14T22:13:20Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (0, "1970-01-01T00:00:00Z"),
        ] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(serde_json::to_string(&at).unwrap(), format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Timestamp>(&format!("\"{text}\"")).unwrap(), at);
            assert_eq!(
                serde_json::from_str::<Timestamp>(&millis.to_string()).unwrap(),
                at,
                "as it was before"
            );
            let record = rmp_serde::to_vec_named(&at).unwrap();
            assert_eq!(record, rmp_serde::to_vec_named(&millis).unwrap(), "a store keeps what it kept");
            assert_eq!(rmp_serde::from_slice::<Timestamp>(&record).unwrap(), at);
            let tagged = Tagged::One { at };
            let record = rmp_serde::to_vec_named(&tagged).unwrap();
            assert_eq!(
                rmp_serde::from_slice::<Tagged>(&record).unwrap(),
                tagged,
                "serde reads it into memory first"
            );
        }
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }

    #[test]
    fn shows_utc_in_both_notations() {
        let at = Timestamp::from_secs(1_795_000_000);
        assert_eq!(at.to_string(), "2026-11-18T11:06:40Z");
        assert_eq!(at.rfc5322(), "Wed, 18 Nov 2026 11:06:40 +0000");
    }

    #[test]
    fn a_day_is_read_in_one_form() {
        let day = Timestamp::of_day("2027-01-31").unwrap();
        assert_eq!((day.to_string().as_str(), day.day().as_str()), ("2027-01-31T00:00:00Z", "2027-01-31"));
        for wrong in ["2027-02-30", "20270131", "2027-01-31T00:00:00Z", "31.01.2027", ""] {
            assert_eq!(Timestamp::of_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn differences_never_go_below_zero() {
        let early = Timestamp::from_secs(10);
        let late = early.after(Duration::from_secs(5));
        assert_eq!(late.since(early), Duration::from_secs(5));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.before(Duration::from_secs(5)), early);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::from_secs(1));
        assert_eq!(clock.now(), Timestamp::from_secs(1));
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Timestamp::from_secs(3));
    }
}
