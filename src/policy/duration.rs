//! Durations as people write them in files: `7d`, `24h`, `1h 30m`.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use jiff::{SpanRelativeTo, Unit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const DAY: u64 = 86_400;
const UNITS: [(u64, &str); 4] = [(DAY, "d"), (3600, "h"), (60, "m"), (1, "s")];

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not a duration: write for example \"7d\", \"24h\", \"1h 30m\" or \"1y\" (365 days), and more than zero"
)]
pub struct NotADuration(String);

/// Reads a duration. A day has 24 hours and a year 365 days; months are refused, since they have no length.
///
/// # Errors
/// When the text is no duration, is zero or negative, or counts months.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let wrong = || NotADuration(text.chars().take(40).collect());
    let span = SpanParser::new().parse_span(text).map_err(|_| wrong())?;
    if span.get_months() != 0 {
        return Err(wrong());
    }
    let rest = span.try_years(0).map_err(|_| wrong())?;
    let rest = rest.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).map_err(|_| wrong())?;
    let rest = Duration::try_from_secs_f64(rest).map_err(|_| wrong())?;
    let years = u64::try_from(span.get_years()).map_err(|_| wrong())?;
    let all = Duration::from_secs(years.saturating_mul(365 * DAY)).saturating_add(rest);
    if all.is_zero() { Err(wrong()) } else { Ok(all) }
}

/// Shows a duration the way it is read: `7d`, `1d 12h`.
#[must_use]
pub fn show(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut parts = Vec::new();
    for (size, unit) in UNITS {
        if let Some(n) = rest.checked_div(size).filter(|n| *n > 0) {
            parts.push(format!("{n}{unit}"));
            rest %= size;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// How often something is done by itself; `off`: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Never.
    Off,
    /// So often.
    Every(Duration),
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => to.serialize_str("off"),
            Self::Every(duration) => to.serialize_str(&show(*duration)),
        }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let every = |text: &str| parse(text).map(Self::Every).map_err(serde::de::Error::custom);
        if text == "off" { Ok(Self::Off) } else { every(&text) }
    }
}

/// For `#[serde(deserialize_with)]`: a duration that must be there.
///
/// # Errors
/// What [`parse`] refuses.
pub fn required<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For `#[serde(with)]`: a duration that may be left out.
pub(crate) mod optional {
    use super::{Deserializer, Duration, Serializer, required, show};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        required(from).map(Some)
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => to.serialize_str(&show(*duration)),
            None => to.serialize_none(),
        }
    }
}

/// For `#[serde(with)]`: durations, in any order.
pub(crate) mod many {
    use serde::ser::SerializeSeq as _;

    use super::{Deserialize, Deserializer, Duration, Serializer, parse, show};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Duration>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| parse(text).map_err(serde::de::Error::custom)).collect()
    }

    #[expect(clippy::ptr_arg, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(value: &Vec<Duration>, to: S) -> Result<S::Ok, S::Error> {
        let mut all = to.serialize_seq(Some(value.len()))?;
        value.iter().try_for_each(|duration| all.serialize_element(&show(*duration)))?;
        all.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, secs) in [
            ("7d", 7 * DAY),
            ("24h", DAY),
            ("1h", 3600),
            ("1h 30m", 5400),
            ("2w", 14 * DAY),
            ("1y", 365 * DAY),
            ("300s", 300),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(secs), "{text}");
        }
    }

    #[test]
    fn refuses_what_has_no_length() {
        for text in ["", "7", "0d", "-1h", "1mo", "seven days", "7d ago"] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.contains("24h"), "{text}: {told}");
        }
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["7d", "1d 12h", "1h 30m", "90d", "1m 1s"] {
            assert_eq!(show(parse(text).unwrap()), text);
        }
    }
}
