//! Requests about ballots and removals.

use serde::{Deserialize, Serialize};

use super::{Address, Certificate, ListName, OrgName};
pub use crate::id::BallotId;
pub use crate::mail::leaving::Reason;

/// What is asked about ballots and removals.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BallotRequest {
    /// The ballots of one list or of all. [`super::Answer::Ballots`].
    Ls {
        /// Of which list only.
        list: Option<ListName>,
    },
    /// One ballot. [`super::Answer::Ballot`].
    Show {
        /// Which.
        ballot: BallotId,
    },
    /// A vote that the admin records. [`super::Answer::Done`].
    Vote {
        /// In which ballot.
        ballot: BallotId,
        /// Whose.
        by: Address,
        /// Whether for it.
        approve: bool,
        /// The voter's signed statement; none: the admin's word.
        statement: Option<Certificate>,
    },
    /// A removal is asked for. [`super::Answer::Done`].
    Removal {
        /// From which list.
        list: ListName,
        /// Whom.
        whom: Leaving,
        /// Why.
        reason: Reason,
        /// In words.
        text: Option<String>,
    },
    /// A removal that was asked for is taken back. [`super::Answer::Done`].
    RemovalWithdraw {
        /// From which list.
        list: ListName,
        /// Whose.
        whom: Leaving,
    },
}

/// Who is to leave.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaving {
    /// One member.
    Address(Address),
    /// All contacts of an organisation.
    Org(OrgName),
}

/// A ballot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BallotRow {
    /// Its id.
    pub id: String,
    /// The list.
    pub list: String,
    /// `admit` or `remove`.
    pub motion: String,
    /// Whom it is about.
    pub title: String,
    /// The reason, where it is about a removal.
    pub reason: Option<String>,
    /// What was said besides.
    pub words: Option<String>,
    /// When it was opened.
    pub opened: String,
    /// From when on votes count, where that is not at once.
    pub from: Option<String>,
    /// Until when.
    pub closes: Option<String>,
    /// How many have to approve.
    pub quorum: u64,
    /// Whether the people of one organisation count once.
    pub one_per_org: bool,
    /// How many approve.
    pub approve: u64,
    /// How many object.
    pub object: u64,
    /// The organisations whose people disagree: each counts on neither side until they agree.
    pub split: Vec<String>,
    /// The votes.
    pub votes: Vec<VoteRow>,
    /// `open`, `carried`, `rejected`, `lapsed`, `withdrawn` or `barred`.
    pub outcome: String,
    /// The rule against what would have followed, where it is barred.
    pub rule: Option<String>,
    /// When it was closed.
    pub closed: Option<String>,
    /// Whether too few are left to carry it.
    pub stuck: bool,
}

/// A vote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRow {
    /// The voter's id.
    pub by: String,
    /// The voter's name, where the roster has it still.
    pub name: Option<String>,
    /// For whom they work, where that is known.
    pub org: Option<String>,
    /// `approve` or `object`.
    pub choice: String,
    /// `mail`, `statement` or `word`.
    pub given: String,
    /// When.
    pub at: String,
}
