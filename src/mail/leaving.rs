//! Why members leave a list: the words of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a member leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// A criterion is not met any more.
    Criterion,
    /// The embargo was broken.
    Breach,
    /// Questions whether the address is read stayed without an answer.
    Probe,
    /// By their own wish.
    Wish,
    /// They take no part.
    Idle,
    /// As the words beside it say.
    Other,
}

impl Reason {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Criterion, Self::Breach, Self::Probe, Self::Wish, Self::Idle, Self::Other];

    /// The word of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Criterion => "criterion",
            Self::Breach => "breach",
            Self::Probe => "probe",
            Self::Wish => "wish",
            Self::Idle => "idle",
            Self::Other => "other",
        }
    }

    /// What is said of it to people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Criterion => "a criterion of membership is not met any more",
            Self::Breach => "the embargo was broken",
            Self::Probe => "questions whether the address is read stayed without an answer",
            Self::Wish => "by its own wish",
            Self::Idle => "it takes no part",
            Self::Other => "for another reason",
        }
    }

    /// Whether time can mend it: what was told to the wrong people stays told.
    #[must_use]
    pub const fn can_be_cured(self) -> bool {
        matches!(self, Self::Criterion | Self::Probe | Self::Idle | Self::Other)
    }

    /// The reason that a journal's words begin with (`criterion: no fixes since May`).
    #[must_use]
    pub fn of(words: &str) -> Option<Self> {
        words.split(':').next().and_then(|word| word.trim().parse().ok())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is one of criterion, breach, probe, wish, idle, other")]
pub struct NotAReason;

impl FromStr for Reason {
    type Err = NotAReason;
    fn from_str(text: &str) -> Result<Self, NotAReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(NotAReason)
    }
}
