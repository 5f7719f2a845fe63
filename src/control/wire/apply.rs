//! Requests about applications, and how an application is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Certificate, ListName};
pub use crate::id::ApplicationId;

/// What is asked about applications.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplyRequest {
    /// An empty form. [`super::Answer::Form`].
    Form {
        /// For which list.
        list: ListName,
    },
    /// A form that was filled in. [`super::Answer::Done`].
    Apply {
        /// For which list.
        list: ListName,
        /// The form.
        form: String,
        /// The applicant's certificate.
        cert: Certificate,
    },
    /// All applications. [`super::Answer::Applications`].
    Ls {
        /// To which list only.
        list: Option<ListName>,
    },
    /// One application. [`super::Answer::Application`].
    Show {
        /// Which.
        id: ApplicationId,
    },
    /// A signed statement by which a member vouches. [`super::Answer::Done`].
    Vouch {
        /// For which application.
        id: ApplicationId,
        /// The signed text.
        statement: Certificate,
        /// The signature, where it is a file of its own.
        signature: Option<Certificate>,
    },
    /// An application is taken back. [`super::Answer::Done`].
    Withdraw {
        /// Which.
        id: ApplicationId,
    },
}

/// An application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationRow {
    /// Its id.
    pub id: String,
    /// To which list.
    pub list: String,
    /// How far it is: `vouching`, `deciding`, `approved`, `admitted`, `refused`, `withdrawn` or `lapsed`.
    pub stage: String,
    /// The organisation's short name.
    pub org: String,
    /// Its name in full.
    pub title: String,
    /// What sort it is.
    pub kind: String,
    /// Its website.
    pub website: String,
    /// Whose product it rebuilds.
    pub upstream: String,
    /// Who uses what it makes.
    pub users: String,
    /// Where copies are to go.
    pub address: String,
    /// The applicant, as journal and roster name them.
    pub member: String,
    /// The applicant's certificate.
    pub fingerprint: String,
    /// Whether it came when nobody could vouch.
    pub founding: bool,
    /// Since when.
    pub opened: String,
    /// Until when members may vouch.
    pub vouch_until: Option<String>,
    /// When it lapses.
    pub lapses: Option<String>,
    /// Who vouched.
    pub vouchers: Vec<VoucherRow>,
    /// The team's ballot on it.
    pub ballot: Option<String>,
    /// What is said to each criterion.
    pub answers: BTreeMap<String, String>,
}

/// A voucher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherRow {
    /// Who.
    pub by: String,
    /// For which organisation they stand.
    pub org: Option<String>,
    /// When.
    pub at: String,
    /// SHA-256 of the signed statement; nothing: by mail.
    pub statement: Option<String>,
}
