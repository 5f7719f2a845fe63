//! Requests about the persons of teams.

use serde::{Deserialize, Serialize};

use super::{Address, Certificate, ListName};

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
    },
}
