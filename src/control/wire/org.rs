//! Requests about organisations.

use serde::{Deserialize, Serialize};

use super::{ListName, OrgName};
use crate::time::Timestamp;

/// What is asked about organisations.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrgRequest {
    /// A new organisation. [`super::Answer::Done`].
    Add {
        /// Its short name.
        org: OrgName,
        /// What is known of it.
        about: OrgFields,
    },
    /// Changes what is known of an organisation: what is given. [`super::Answer::Done`].
    Edit {
        /// Which.
        org: OrgName,
        /// What is new; an empty text takes away what was there.
        about: OrgFields,
        /// Why, for the journal.
        reason: Option<String>,
    },
    /// All organisations. [`super::Answer::Orgs`].
    Ls,
    /// What anybody may know of the organisations that belong somewhere. [`super::Answer::Register`].
    Register,
    /// One organisation. [`super::Answer::Org`].
    Show {
        /// Which.
        org: OrgName,
    },
    /// Writes down whether an organisation meets a criterion of a list's policy. [`super::Answer::Done`].
    Assess {
        /// Which.
        org: OrgName,
        /// For which list.
        list: ListName,
        /// Which criterion.
        criterion: String,
        /// `met`, `unmet` or `unknown`.
        state: String,
        /// On what ground.
        evidence: Option<String>,
        /// When it is to be looked at again; nothing: by the policy.
        review: Option<Timestamp>,
        /// Who says so; nothing: whoever asks.
        by: Option<String>,
    },
}

/// What can be said of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrgFields {
    /// Its name in full.
    pub title: Option<String>,
    /// `distribution`, `vendor`, `service`, `project`, `individual` or `other`.
    pub kind: Option<String>,
    /// Whose work it rebuilds.
    pub upstream: Option<String>,
    /// Where it is to be found.
    pub website: Option<String>,
    /// Who uses what it makes.
    pub user_base: Option<String>,
    /// What shows that it belongs here.
    pub evidence: Option<String>,
}

/// An organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgRow {
    /// Its short name.
    pub name: String,
    /// Its name in full.
    pub title: Option<String>,
    /// When it was added.
    pub since: String,
    /// What sort it is.
    #[serde(default)]
    pub kind: Option<String>,
    /// Whose work it rebuilds.
    #[serde(default)]
    pub upstream: Option<String>,
    /// The organisation of the roster that this is.
    #[serde(default)]
    pub upstream_org: Option<String>,
    /// Where it is to be found.
    #[serde(default)]
    pub website: Option<String>,
    /// Who uses what it makes.
    #[serde(default)]
    pub user_base: Option<String>,
    /// What shows that it belongs here.
    #[serde(default)]
    pub evidence: Option<String>,
    /// How many of its criteria were to be looked at again by now, on all lists that it belongs to.
    #[serde(default)]
    pub overdue: u64,
    /// How many of them are not met.
    #[serde(default)]
    pub failing: u64,
    /// Its contacts.
    pub members: Vec<super::MemberRow>,
    /// How it stands by the criteria of each list; only where one organisation is shown.
    #[serde(default)]
    pub criteria: Vec<CriterionRow>,
}

/// How an organisation stands by a criterion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriterionRow {
    /// The list whose policy asks.
    pub list: String,
    /// The criterion.
    pub criterion: String,
    /// Its wording, where the policy gives one.
    pub wording: Option<String>,
    /// `met`, `unmet` or `unknown`.
    pub state: String,
    /// Who says so; `relay`: the relay itself.
    pub by: Option<String>,
    /// When that was.
    pub at: Option<String>,
    /// When it is to be looked at again.
    pub review: Option<String>,
    /// On what ground.
    pub evidence: Option<String>,
    /// `OVERDUE`, `FAILING` or both.
    pub mark: Option<String>,
}

/// What anybody may know of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRow {
    /// Its name in full.
    pub title: String,
    /// Where it is to be found.
    pub website: Option<String>,
    /// The lists that it belongs to.
    pub lists: Vec<String>,
    /// The day since when it is on the roster.
    pub since: String,
}
