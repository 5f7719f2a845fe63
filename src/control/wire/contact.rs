//! Requests about what a member has besides address and certificate.

use serde::{Deserialize, Serialize};

use super::{Address, Certificate, Fingerprint, ListName};

/// What is asked about a member's aliases, further certificates and delivery. Each is answered with
/// [`super::Answer::Done`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactRequest {
    /// A further address of the same person or role.
    AliasAdd {
        /// Of which list.
        list: ListName,
        /// Whose.
        address: Address,
        /// Which.
        alias: Address,
    },
    /// It is none any more.
    AliasRemove {
        /// Of which list.
        list: ListName,
        /// Whose.
        address: Address,
        /// Which.
        alias: Address,
    },
    /// A further certificate, whose signature counts.
    CertAdd {
        /// Of which list.
        list: ListName,
        /// Whose.
        address: Address,
        /// Which.
        cert: Certificate,
    },
    /// Its signature does not count any more.
    CertRemove {
        /// Of which list.
        list: ListName,
        /// Whose.
        address: Address,
        /// Which.
        fingerprint: Fingerprint,
    },
    /// Whether copies go to the member.
    Delivery {
        /// Of which list.
        list: ListName,
        /// Whose.
        address: Address,
        /// Whether they go.
        on: bool,
        /// Why, for the journal.
        reason: Option<String>,
    },
}
