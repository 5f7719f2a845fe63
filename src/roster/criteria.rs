//! What a criterion of membership is judged to be, for one organisation on one list.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Whether a criterion is met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Met,
    /// It is not.
    Unmet,
    /// Nobody can say.
    #[default]
    Unknown,
}

impl State {
    /// The word of it, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unmet => "unmet",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Met, Self::Unmet, Self::Unknown];
        all.into_iter().find(|state| state.as_str() == text).ok_or("it is met, unmet or unknown")
    }
}

/// What somebody, or the relay itself, found of a criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// Whether it is met.
    pub state: State,
    /// Who says so: a name, or `relay`.
    pub by: String,
    /// When that was.
    pub at: Timestamp,
    /// On what ground.
    #[serde(default)]
    pub evidence: Option<String>,
    /// When it is to be looked at again.
    #[serde(default)]
    pub review: Option<Timestamp>,
    /// Whether the admins know that this day has passed.
    #[serde(default)]
    pub told: bool,
}

impl Assessment {
    /// Whether the day has passed on which it was to be looked at again.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.review.is_some_and(|review| review <= now)
    }
}

/// Who the relay is, among those who assess.
pub const RELAY: &str = "relay";

/// A criterion as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its name in the policy.
    pub criterion: String,
    /// What was found last; nothing: nobody has looked.
    pub assessment: Option<Assessment>,
    /// Whether the day has passed on which it was to be looked at again.
    pub overdue: bool,
}

impl Judged {
    /// Whether it is met.
    #[must_use]
    pub fn state(&self) -> State {
        self.assessment.as_ref().map_or(State::Unknown, |found| found.state)
    }

    /// Whether it is not met.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.state() == State::Unmet
    }

    /// What makes it stand out, in words.
    #[must_use]
    pub fn mark(&self) -> Option<&'static str> {
        match (self.is_failing(), self.overdue) {
            (true, true) => Some("FAILING, OVERDUE"),
            (true, false) => Some("FAILING"),
            (false, true) => Some("OVERDUE"),
            (false, false) => None,
        }
    }
}
