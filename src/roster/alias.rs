//! Whether a contact's address is read: a question on schedule, its answer, and what was missed.

use serde::{Deserialize, Serialize};

use crate::id::MemberId;
use crate::time::Timestamp;

/// What is known of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alias {
    /// The number of the last question.
    pub round: u32,
    /// When the next question is due; none: not reckoned yet.
    pub next: Option<Timestamp>,
    /// The question that waits for its answer.
    pub open: Option<Open>,
    /// When one was answered last.
    pub answered: Option<Timestamp>,
    /// How many in a row were not.
    pub missed: u32,
}

impl Alias {
    /// It in words, for people; none where nobody was asked yet.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let answered = self.answered.map(|at| format!("answered {at}"));
        let missed = (self.missed > 0).then(|| format!("{} missed in a row", self.missed));
        let open = self.open.map(|open| format!("asked {}, due until {}", open.asked, open.due));
        let next = self.next.filter(|_| self.open.is_none()).map(|at| format!("asked next {at}"));
        let all: Vec<String> = [answered, missed, open, next].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Who is active again is asked as one who has just joined.
    pub(crate) fn begin_anew(&mut self) {
        (self.next, self.open, self.missed) = (None, None, 0);
    }
}

/// A question that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Since when.
    pub asked: Timestamp,
    /// Until when.
    pub due: Timestamp,
    /// How many reminders went out.
    pub reminded: u32,
}

/// What the journal says of questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alias", rename_all = "kebab-case")]
pub enum Change {
    /// A question was asked.
    Asked {
        /// Whom.
        member: MemberId,
        /// Which.
        round: u32,
        /// Until when, as RFC 3339 has it.
        due: String,
    },
    /// It was answered.
    Answered {
        /// By whom.
        member: MemberId,
        /// Which.
        round: u32,
    },
    /// It was not.
    Missed {
        /// By whom.
        member: MemberId,
        /// Which.
        round: u32,
        /// How many in a row by now.
        missed: u32,
    },
}
