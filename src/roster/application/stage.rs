//! How far an application is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Whoever reads the contact address is asked to confirm it.
    Confirming,
    /// Members are asked to vouch.
    Vouching,
    /// The team decides.
    Deciding,
    /// The team approved it, and what the policy asks of a member besides is still missing.
    Approved,
    /// The applicant is a member.
    Admitted,
    /// The team decided against it.
    Refused,
    /// The applicant or the admin took it back.
    Withdrawn,
    /// Its time ran out.
    Lapsed,
}

impl Stage {
    /// Whether it may still become a membership.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Confirming | Self::Vouching | Self::Deciding | Self::Approved)
    }

    /// The word of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirming => "confirming",
            Self::Vouching => "vouching",
            Self::Deciding => "deciding",
            Self::Approved => "approved",
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
