//! What a one-time token is for: whoever got it by mail does that by a signed answer, and nothing else.

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, BallotId, BreachId, SpoolId};
use crate::roster::moderation::Decision;
use crate::roster::terms::Edition;

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// Whoever answers has read a mail in SEIPD version 2.
    Probe,
    /// Votes for a motion.
    Approve {
        /// Which ballot.
        ballot: BallotId,
    },
    /// Votes against a motion.
    Object {
        /// Which ballot.
        ballot: BallotId,
    },
    /// Confirms that an applicant reads the contact address.
    Confirm {
        /// In which application.
        application: ApplicationId,
    },
    /// Vouches for an applicant.
    Vouch {
        /// In which application.
        application: ApplicationId,
    },
    // Commands that every member has, and the team's about held mail.
    /// Decides about a held mail.
    Hold {
        /// Which mail.
        mail: SpoolId,
        /// What becomes of it.
        decision: Decision,
    },
    /// Leaves the list.
    Leave,
    /// Hands in a certificate: a newer copy of the pinned one, or another whose key signed for it.
    Certificate,
    /// Accepts a text.
    Accept {
        /// Which.
        edition: Edition,
    },
    /// Names one of one's own people who accepted the text: its lines are `Name:`, `Address:` and `Accepts:`.
    Staff,
    /// Shows that an address is read.
    Alias {
        /// Which question it answers.
        round: u32,
    },
    /// Reports a leak, or answers what a report left open.
    Leak {
        /// Which report; none: a new one.
        breach: Option<BreachId>,
    },
}

impl Aim {
    /// What the journal calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Approve { .. } => "approve",
            Self::Object { .. } => "object",
            Self::Confirm { .. } => "confirm",
            Self::Vouch { .. } => "vouch",
            Self::Hold { decision, .. } => decision.as_str(),
            Self::Leave => "leave",
            Self::Certificate => "certificate",
            Self::Accept { .. } => "accept",
            Self::Staff => "staff",
            Self::Alias { .. } => "alias",
            Self::Leak { .. } => "leak",
        }
    }
}
