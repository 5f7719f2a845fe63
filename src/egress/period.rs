//! A span of time as people write it in the configuration: "5m", "4h", "5d".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Unit};
use serde::{Deserialize, Serialize};

/// A length of time, read from text such as `"90s"`, `"5m"`, `"4h"` or `"5d"`. A day is 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(Duration);

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no length of time; write a number with its unit, as in \"90s\", \"5m\", \"4h\" or \"5d\""
)]
pub struct NotAPeriod(String);

impl Period {
    /// This many seconds.
    #[must_use]
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// This many minutes.
    #[must_use]
    pub const fn mins(mins: u64) -> Self {
        Self::secs(mins * 60)
    }

    /// This many milliseconds.
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The same length as the standard library's type.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let wrong = || NotAPeriod(text.to_owned());
        let span: Span = text.parse().map_err(|_| wrong())?;
        // Months and years have no length of their own.
        if span.get_years() != 0 || span.get_months() != 0 {
            return Err(wrong());
        }
        let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
        Duration::try_from(signed).map(Self).map_err(|_| wrong())
    }
}

impl TryFrom<String> for Period {
    type Error = NotAPeriod;
    fn try_from(text: String) -> Result<Self, NotAPeriod> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.compact()
    }
}

impl Period {
    fn compact(self) -> String {
        let (count, unit) = self.largest_whole_unit();
        let suffix = match unit {
            Unit::Day => "d",
            Unit::Hour => "h",
            Unit::Minute => "m",
            Unit::Second => "s",
            _ => "ms",
        };
        format!("{count}{suffix}")
    }

    /// How many of the largest unit that divides the period without rest.
    fn largest_whole_unit(self) -> (u128, Unit) {
        const UNITS: [(u128, Unit); 4] =
            [(86_400_000, Unit::Day), (3_600_000, Unit::Hour), (60_000, Unit::Minute), (1000, Unit::Second)];
        let millis = self.0.as_millis();
        let whole = UNITS.into_iter().find(|(length, _)| millis > 0 && millis.is_multiple_of(*length));
        whole.map_or((millis, Unit::Millisecond), |(length, unit)| (millis / length, unit))
    }
}

/// In words: "5 days", "1 minute".
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = self.largest_whole_unit();
        let word = match unit {
            Unit::Day => "day",
            Unit::Hour => "hour",
            Unit::Minute => "minute",
            Unit::Second => "second",
            _ => "millisecond",
        };
        write!(f, "{count} {word}{}", if count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, secs) in
            [("90s", 90), ("5m", 300), ("4h", 14_400), ("5d", 432_000), ("1h 30m", 5400), ("0s", 0)]
        {
            assert_eq!(text.parse::<Period>().unwrap().get().as_secs(), secs, "{text}");
        }
    }

    #[test]
    fn refuses_what_has_no_length() {
        for text in ["", "5", "-5m", "1mo", "1y", "soon", "5 m x"] {
            assert!(text.parse::<Period>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn is_shown_in_its_largest_unit_and_reads_back() {
        for (text, words) in
            [("5d", "5 days"), ("36h", "36 hours"), ("1m", "1 minute"), ("250ms", "250 milliseconds")]
        {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string(), words);
            assert_eq!(String::from(period).parse::<Period>().unwrap(), period);
        }
    }
}
