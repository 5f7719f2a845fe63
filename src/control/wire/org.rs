//! Requests about organisations.

use serde::{Deserialize, Serialize};

use super::OrgName;

/// What is asked about organisations.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrgRequest {
    /// A new organisation. [`super::Answer::Done`].
    Add {
        /// Its short name.
        org: OrgName,
        /// Its name in full.
        title: Option<String>,
    },
    /// All organisations. [`super::Answer::Orgs`].
    Ls,
    /// One organisation. [`super::Answer::Org`].
    Show {
        /// Which.
        org: OrgName,
    },
}
