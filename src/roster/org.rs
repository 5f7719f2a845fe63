//! Organisations: the unit of membership in a list of distributors.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::ListName;
use crate::roster::breach::Strike;
use crate::roster::criteria::Assessment;
use crate::time::Timestamp;

/// The longest text that is kept about an organisation, in characters.
pub const MAX_TEXT: usize = 2_000;

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    /// Its full name.
    pub title: String,
    /// Since when it is on the roster.
    pub since: Timestamp,
    /// What sort it is.
    #[serde(default)]
    pub kind: Option<OrgKind>,
    /// Whose work it rebuilds: an organisation's name or title, of the roster or not.
    #[serde(default)]
    pub upstream: Option<String>,
    /// Where it is to be found.
    #[serde(default)]
    pub website: Option<String>,
    /// Who uses what it makes.
    #[serde(default)]
    pub user_base: Option<String>,
    /// What shows that it belongs here.
    #[serde(default)]
    pub evidence: Option<String>,
    /// What was found by the criteria of each list.
    #[serde(default)]
    pub assessments: BTreeMap<ListName, BTreeMap<String, Assessment>>,
    /// The breaches that count against it.
    #[serde(default)]
    pub strikes: Vec<Strike>,
}

impl Org {
    /// An organisation of which nothing else is known.
    #[must_use]
    pub const fn new(title: String, since: Timestamp) -> Self {
        Self {
            title,
            since,
            kind: None,
            upstream: None,
            website: None,
            user_base: None,
            evidence: None,
            assessments: BTreeMap::new(),
            strikes: Vec::new(),
        }
    }
}

/// What sort an organisation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrgKind {
    /// Distributes the software, built by itself.
    Distribution,
    /// Sells what is made of it.
    Vendor,
    /// Runs it for others.
    Service,
    /// A project that builds on it.
    Project,
    /// A single person.
    Individual,
    /// Anything else.
    Other,
}

impl OrgKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Distribution, Self::Vendor, Self::Service, Self::Project, Self::Individual, Self::Other];

    /// The word of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Vendor => "vendor",
            Self::Service => "service",
            Self::Project => "project",
            Self::Individual => "individual",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for OrgKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for OrgKind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or("it is distribution, vendor, service, project, individual or other")
    }
}

/// What is to change of an organisation. What is not given stays; an empty text takes away what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrgEdit {
    /// Its full name; it has always one.
    pub title: Option<String>,
    /// What sort it is.
    pub kind: Option<OrgKind>,
    /// Whose work it rebuilds.
    pub upstream: Option<String>,
    /// Where it is to be found.
    pub website: Option<String>,
    /// Who uses what it makes.
    pub user_base: Option<String>,
    /// What shows that it belongs here.
    pub evidence: Option<String>,
}

impl OrgEdit {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
