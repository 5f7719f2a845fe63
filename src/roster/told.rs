//! What letters tell: an applicant, the end of a chain, what came of a command.

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, Fingerprint, ListName};
use crate::mail::address::Address;
use crate::roster::application::Application;

/// An applicant, as far as others have to know to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Their application.
    pub application: ApplicationId,
    /// The organisation's short name.
    pub org: String,
    /// Its name in full.
    pub title: String,
    /// Its website.
    pub website: String,
    /// Their address.
    pub address: Address,
    /// Their certificate.
    pub fingerprint: Fingerprint,
    /// What happens next, or should be known, a sentence each, in words of ours.
    pub remarks: Vec<String>,
}

impl Who {
    /// The applicant of this application.
    #[must_use]
    pub fn of(application: &Application, remarks: Vec<String>) -> Self {
        let form = &application.form;
        Self {
            application: application.id.clone(),
            org: form.org.to_string(),
            title: form.title.clone(),
            website: form.website.clone(),
            address: form.address.clone(),
            fingerprint: application.fingerprint,
            remarks,
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is carried out: what was done, in words made of the roster.
    Done(String),
    /// A rule is against it, in its own words.
    Refused(String),
    /// The token counts for nothing: nobody says whether it was used, too old, or another's.
    Worthless,
}

/// Where a chain of the journal ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Whose chain; none: the relay's own.
    pub list: Option<ListName>,
    /// How many entries it has.
    pub seq: u64,
    /// The last one's hash, in hexadecimal digits.
    pub hash: String,
}
