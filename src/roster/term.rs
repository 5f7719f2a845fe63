//! How a person of a team came to it and for how long, and the bodies that approve them: as it is kept and journalled.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Fingerprint, ListName, MemberId};
use crate::mail::address::Address;
use crate::time::Timestamp;

/// From when to when somebody is appointed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The beginning.
    pub starts: Timestamp,
    /// The end.
    pub ends: Timestamp,
}

/// How far a term's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TermStage {
    /// It comes.
    Ends,
    /// It was, and the time of grace runs.
    Ended,
    /// The time of grace is over too.
    Over,
}

/// Who put a person into the team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Appointed {
    /// The admin.
    #[default]
    Admin,
    /// A body, by so many of its members' signed approvals.
    Body {
        /// Which.
        body: String,
        /// Whose.
        approvals: Vec<MemberId>,
    },
    /// Somebody of the team, in the place of somebody else and for the rest of that term.
    Replacement {
        /// Who appointed.
        of_role: MemberId,
        /// In whose place.
        replaces: MemberId,
    },
}

impl fmt::Display for Appointed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("the admin"),
            Self::Body { body, approvals } => write!(f, "{body}, by {} approvals", approvals.len()),
            Self::Replacement { of_role, replaces } => write!(f, "{of_role}, in the place of {replaces}"),
        }
    }
}

/// How a person of a team came to it, as what besides, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seated {
    /// What the person is besides the first role.
    pub roles: Vec<String>,
    /// The term, where the policy has terms.
    pub term: Option<Term>,
    /// By whom.
    pub appointed: Appointed,
    /// The last that was told of the term's end, in seconds before it.
    pub told: Option<u64>,
}

/// Somebody of a body that approves persons of teams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyMember {
    /// Opaque id: what the journal says.
    pub id: MemberId,
    /// The address.
    pub address: Address,
    /// The pinned certificate.
    pub fingerprint: Fingerprint,
    /// Since when.
    pub since: Timestamp,
}

/// What the journal says of teams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Change {
    /// A term begins, or another one took its place.
    TermSet {
        /// Whose.
        member: MemberId,
        /// From when.
        starts: String,
        /// To when.
        ends: String,
    },
    /// The person was told that the term ends.
    TermTold {
        /// Whose.
        member: MemberId,
        /// So long before the end; `0s`: it is over.
        before: String,
    },
    /// The approving body has appointed somebody.
    Appointed {
        /// Whom.
        member: MemberId,
        /// Which body.
        body: String,
        /// By whose signatures.
        approvals: Vec<MemberId>,
    },
    /// Somebody came in the place of somebody else, for the rest of the term.
    Replaced {
        /// Who came.
        member: MemberId,
        /// In whose place.
        replaces: MemberId,
        /// Who appointed.
        by: MemberId,
    },
    /// Somebody is of a body that approves.
    BodyJoined {
        /// Which.
        body: String,
        /// Who.
        member: MemberId,
        /// The pinned certificate.
        fingerprint: Fingerprint,
    },
    /// Somebody is no longer of it.
    BodyLeft {
        /// Which.
        body: String,
        /// Who.
        member: MemberId,
    },
    /// A team became smaller than its policy wants it, by the admin's decision.
    BelowMinimum {
        /// Who left it.
        member: MemberId,
        /// Why.
        reason: String,
    },
}

/// The rule against a change of a team.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The team would become too small.
    #[error("the policy wants at least {min} in the team of {list}, and {left} would be left")]
    BelowMinimum {
        /// Whose team.
        list: ListName,
        /// How many there have to be.
        min: u32,
        /// How many there would be.
        left: u32,
    },
    /// Terms do not begin in the future.
    #[error("the term begins {0}: add them on that day")]
    NotBegun(Timestamp),
    /// The term is over, counted from when it began.
    #[error("the term was over {0}: give when the present one began")]
    Over(Timestamp),
    /// The policy has none.
    #[error("the policy of {list} has no {key}")]
    NoRule {
        /// Of which list.
        list: ListName,
        /// The key.
        key: &'static str,
    },
    /// Nobody is known of the body.
    #[error("nobody is recorded of the body \"{0}\"")]
    NoBody(String),
    /// The address or certificate is there.
    #[error("the body \"{0}\" has that address or certificate already")]
    BodyKnown(String),
    /// Not enough approve.
    #[error("{quorum} of \"{body}\" have to approve, and {given} did{}", why(.unheeded))]
    TooFew {
        /// Which body.
        body: String,
        /// How many have to.
        quorum: u32,
        /// How many did.
        given: u32,
        /// Why the other statements do not count.
        unheeded: Vec<String>,
    },
    /// Whoever replaces signs.
    #[error("nobody who is {role} in the team has signed that statement{}", why(.unheeded))]
    NotTheRole {
        /// The role.
        role: String,
        /// Why the statement does not count.
        unheeded: Vec<String>,
    },
    /// Somebody came in their place already.
    #[error("somebody came in that place already")]
    Replaced,
    /// The address is of somebody with another certificate.
    #[error("that address is in the team of {0} with another certificate")]
    OtherCert(ListName),
}

fn why(unheeded: &[String]) -> String {
    unheeded.iter().map(|why| format!("; {why}")).collect()
}
