//! Organisations: the unit of membership in a list of distributors.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// Its full name.
    pub title: String,
    /// Since when it is on the roster.
    pub since: Timestamp,
}

impl Org {
    /// An organisation of which nothing else is known.
    #[must_use]
    pub const fn new(title: String, since: Timestamp) -> Self {
        Self { title, since }
    }
}
