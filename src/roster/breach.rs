//! Breaches of the embargo as they were reported: which answers there are, until when they are due, and what was decided.
//! Metadata only: what leaked is content, and stands nowhere here.

use serde::{Deserialize, Serialize};

use crate::id::{BreachId, ListName, MemberId, OrgName};
use crate::policy::BreachField;
use crate::time::Timestamp;

/// A breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// Its name.
    pub id: BreachId,
    /// The list whose embargo it is.
    pub list: ListName,
    /// Who broke it, where that is known.
    pub org: Option<OrgName>,
    /// Who reported it; none: an admin.
    pub by: Option<MemberId>,
    /// When it was reported.
    pub opened: Timestamp,
    /// Since when the leak is known: from then the time for the report counts.
    pub known_since: Timestamp,
    /// Until when every question has to be answered.
    pub due: Option<Timestamp>,
    /// The questions that are answered.
    pub answered: Vec<BreachField>,
    /// Whether somebody was told that answers are overdue.
    #[serde(default)]
    pub overdue_told: bool,
    /// What was decided; none: it is open.
    pub closed: Option<Closed>,
}

/// What was decided about a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// Whether it counts against the organisation.
    pub strike: bool,
}

impl Breach {
    /// Which of the questions that the policy demands have no answer yet.
    #[must_use]
    pub fn missing(&self, demanded: &[BreachField]) -> Vec<BreachField> {
        demanded.iter().copied().filter(|field| !self.answered.contains(field)).collect()
    }

    /// Whether answers are missing although the time for them is over.
    #[must_use]
    pub fn is_overdue(&self, demanded: &[BreachField], now: Timestamp) -> bool {
        self.closed.is_none() && self.due.is_some_and(|due| now >= due) && !self.missing(demanded).is_empty()
    }

    /// Takes over which questions are answered besides.
    #[must_use]
    pub fn with_answers(mut self, answered: &[BreachField]) -> Self {
        for field in answered {
            if !self.answered.contains(field) {
                self.answered.push(*field);
            }
        }
        self
    }
}

/// A breach that counts against an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// On which list.
    pub list: ListName,
    /// Which breach.
    pub breach: BreachId,
    /// When it was decided.
    pub at: Timestamp,
}

/// What the journal says of breaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "breach", rename_all = "kebab-case")]
pub enum Change {
    /// It was reported.
    Opened {
        /// Which.
        id: BreachId,
        /// Who broke the embargo.
        org: Option<OrgName>,
        /// Who reported it; none: an admin.
        by: Option<MemberId>,
        /// Which questions were answered.
        answered: Vec<BreachField>,
    },
    /// More questions were answered.
    Answered {
        /// Which.
        id: BreachId,
        /// Which questions.
        answered: Vec<BreachField>,
    },
    /// It was decided.
    Closed {
        /// Which.
        id: BreachId,
        /// Who broke the embargo.
        org: Option<OrgName>,
        /// Whether it counts.
        strike: bool,
        /// How many count against the organisation on this list by now.
        strikes: u32,
    },
}
