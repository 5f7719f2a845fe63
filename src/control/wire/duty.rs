//! Requests about what members owe: acceptance of the terms, an address that is read, the embargo.

use serde::{Deserialize, Serialize};

use super::{Address, Certificate, ListName, OrgName, Secret};
use crate::id::{BreachId, MemberId};

/// What is asked about members' duties. It has no `Debug`: what leaked is content.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyRequest {
    /// Records a member's signed acceptance. [`super::Answer::Done`].
    Accept {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
        /// The signed file.
        statement: Certificate,
    },
    /// Asks a member now whether its address is read. [`super::Answer::Done`].
    AskAlias {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
    },
    /// Records one of a member's own people. [`super::Answer::Done`].
    StaffAdd {
        /// Of which list.
        list: ListName,
        /// The contact.
        address: Address,
        /// The person's name.
        name: String,
        /// The file that the person or the contact signed.
        statement: Certificate,
        /// The person's certificate; without it the contact signed.
        cert: Option<Certificate>,
    },
    /// Forgets one of a member's own people. [`super::Answer::Done`].
    StaffRemove {
        /// Of which list.
        list: ListName,
        /// The contact.
        address: Address,
        /// The person, as `member show` names it.
        staff: MemberId,
    },
    /// Opens a breach. [`super::Answer::Done`].
    BreachOpen {
        /// Of which list's embargo.
        list: ListName,
        /// Who broke it, where that is known.
        org: Option<OrgName>,
        /// Since when the leak is known, as RFC 3339 has it; without it, now.
        known_since: Option<String>,
        /// The answers.
        told: Told,
    },
    /// More is known of a breach. [`super::Answer::Done`].
    BreachAnswer {
        /// Which.
        id: BreachId,
        /// The answers.
        told: Told,
    },
    /// The breaches. [`super::Answer::Breaches`].
    BreachLs {
        /// Of which list only.
        list: Option<ListName>,
    },
    /// One breach. [`super::Answer::Breach`].
    BreachShow {
        /// Which.
        id: BreachId,
    },
    /// The team decided. [`super::Answer::Done`].
    BreachClose {
        /// Which.
        id: BreachId,
        /// Who broke the embargo, where the report does not say it.
        org: Option<OrgName>,
        /// Whether it counts against them.
        strike: bool,
    },
}

/// What is told of a leak: sealed before anything of it is stored.
#[derive(Default, Serialize, Deserialize)]
pub struct Told {
    /// What leaked.
    pub what: Option<Secret>,
    /// To whom.
    pub to_whom: Option<Secret>,
    /// What prevents the next one.
    pub prevention: Option<Secret>,
}

/// A breach, as far as it is shown: never what leaked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreachRow {
    /// Its id.
    pub id: String,
    /// The list.
    pub list: String,
    /// Who broke the embargo, where that is known.
    pub org: Option<String>,
    /// Who reported it: an opaque id, or `admin`.
    pub by: String,
    /// When it was reported.
    pub opened: String,
    /// Since when the leak is known.
    pub known_since: String,
    /// Until when every question is to be answered.
    pub due: Option<String>,
    /// The questions without an answer.
    pub missing: Vec<String>,
    /// Whether that is overdue.
    pub overdue: bool,
    /// `open`, `strike` or `no strike`.
    pub state: String,
    /// How many breaches count against that organisation on this list.
    pub strikes: u64,
}
