//! Requests about the persons of teams.

use serde::{Deserialize, Serialize};

use super::{Address, Certificate, ListName, OrgName};

/// What is asked about persons of teams.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeamRequest {
    /// A person joins the team of a list. [`super::Answer::Done`].
    Add {
        /// Of which list.
        list: ListName,
        /// The person's address.
        address: Address,
        /// The person's name.
        name: String,
        /// The person's certificate.
        cert: Certificate,
        /// What the person does.
        role: Option<String>,
        /// What the person does besides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
        /// For whom the person works.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        org: Option<OrgName>,
        /// The day that the term began, as `2026-05-20`; none: today.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        starts: Option<String>,
    },
    /// The team of one list or of all. [`super::Answer::Members`].
    Ls {
        /// Of which list only.
        list: Option<ListName>,
    },
    /// A person leaves the team. [`super::Answer::Done`].
    Remove {
        /// Of which list.
        list: ListName,
        /// Who.
        address: Address,
        /// Why, for the journal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Also where the team becomes smaller than its policy wants it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        below_minimum: bool,
    },
    /// A person's term begins anew. [`super::Answer::Done`].
    Term {
        /// Of which list.
        list: ListName,
        /// Whose.
        address: Address,
        /// The day that it began; none: today.
        starts: Option<String>,
    },
    /// The body that the policy names appoints a person, or appoints anew. [`super::Answer::Done`].
    Appoint {
        /// Whom.
        who: Seat,
        /// The signed approvals.
        approvals: Vec<Certificate>,
    },
    /// A person comes in the place of another one for the rest of the term. [`super::Answer::Done`].
    Replace {
        /// In whose place.
        old: Address,
        /// Who comes.
        who: Seat,
        /// The signed statement of whoever may do that.
        statement: Certificate,
    },
    /// Somebody is of a body that approves. [`super::Answer::Done`].
    BodyAdd {
        /// Which body.
        body: String,
        /// Who.
        address: Address,
        /// The certificate.
        cert: Certificate,
    },
    /// Who is of a body that approves. [`super::Answer::Body`].
    BodyLs,
    /// Somebody is no longer of a body. [`super::Answer::Done`].
    BodyRemove {
        /// Which body.
        body: String,
        /// Who.
        address: Address,
    },
}

/// Somebody who comes into a team by the signatures of others.
#[derive(Serialize, Deserialize)]
pub struct Seat {
    /// Of which list.
    pub list: ListName,
    /// The address.
    pub address: Address,
    /// The name.
    pub name: String,
    /// The certificate.
    pub cert: Certificate,
    /// What the person is there.
    pub roles: Vec<String>,
    /// For whom the person works.
    pub org: Option<OrgName>,
}

/// Somebody of a body that approves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyRow {
    /// The body.
    pub body: String,
    /// The id that the journal uses.
    pub id: String,
    /// The address.
    pub address: String,
    /// The pinned certificate.
    pub fingerprint: String,
    /// Since when.
    pub since: String,
}
