//! Members and their standing: who moves from where to where.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, Fingerprint, MemberId, OrgName};
use crate::mail::address::Address;
use crate::pgp::cert::Format;
use crate::roster::alias::Alias;
use crate::roster::term::Seated;
use crate::roster::terms::Acceptance;
use crate::time::Timestamp;

/// The most aliases, and the most further certificates, of one member.
pub const MAX_FURTHER: usize = 20;

/// Where a member stands.
///
/// ```text
/// Applied ─▶ Vouched ─▶ Active ⇄ Suspended
///    └─────────┴──────────┴─────────┴────▶ Removed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Asked to belong.
    Applied,
    /// Somebody speaks for them.
    Vouched,
    /// Belongs: reads, and posts where the list lets members post.
    Active,
    /// Belongs, but reads and posts nothing for now.
    Suspended,
    /// No longer belongs.
    Removed,
}

impl Standing {
    /// Whether the step from here to `to` exists.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        use Standing::{Active, Applied, Removed, Suspended, Vouched};
        matches!(
            (self, to),
            (Applied, Vouched)
                | (Vouched | Suspended, Active)
                | (Active, Suspended)
                | (Applied | Vouched | Active | Suspended, Removed)
        )
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Applied => "applied",
            Self::Vouched => "vouched",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Removed => "removed",
        })
    }
}

/// As what somebody belongs to a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person of the team.
    Team {
        /// How people call them.
        name: String,
        /// Their part in the team, if it has a name.
        role: Option<String>,
    },
    /// A role address of an organisation.
    Contact {
        /// The organisation.
        org: OrgName,
    },
}

/// One person or role address on one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Opaque id: what the journal says.
    pub id: MemberId,
    /// Where copies go.
    pub address: Address,
    /// The pinned certificate: the identity.
    pub fingerprint: Fingerprint,
    /// As what they belong.
    pub role: Role,
    /// Where they stand.
    pub standing: Standing,
    /// Since when they stand there.
    pub since: Timestamp,
    /// The body format their program reads, where it is known to differ from what the certificate says.
    pub format: Option<Format>,
    /// What is kept of them besides.
    #[serde(default)]
    pub file: MemberFile,
}

/// What is kept of a member besides: all of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberFile {
    /// Why a suspended member is suspended.
    pub cause: Option<Cause>,
    /// The organisation that a person of a team works for, where it is known.
    pub works_for: Option<OrgName>,
    /// Further addresses of the same person or role: a From is compared with them. They are no identity.
    pub aliases: Vec<Address>,
    /// Further certificates whose signatures count as this member's. Mail is sealed to the pinned one alone.
    pub certs: Vec<Fingerprint>,
    /// Since when no copies go there, by the member's or the admin's wish.
    pub delivery_off: Option<Timestamp>,
    /// The application by which they came, or want to.
    pub application: Option<ApplicationId>,
    /// Who vouched for them.
    pub vouched_by: Vec<MemberId>,
    /// What is known of its acceptance of the list's terms.
    pub terms: Acceptance,
    /// Whether its address is read.
    pub alias: Alias,
    /// How a person of a team came to it, as what besides, and for how long.
    pub seated: Seated,
}

/// Why a member is suspended: what ends that depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// By the admin's decision.
    Admin,
    /// By a vote.
    Vote,
    /// Questions whether the address is read stayed without an answer.
    Unanswered,
    /// The policy that holds now has not been accepted in time.
    NotAccepted,
    /// The term is over.
    TermOver,
    /// Whoever vouched for them was removed.
    VoucherLost,
    /// A criterion is not met any more.
    Criterion,
    /// The embargo was broken.
    Breach,
}

impl Cause {
    /// Whether people decided it. What a rule of the clock does ends by itself once its ground is gone; what people decided does
    /// not, and takes its place.
    #[must_use]
    pub const fn is_decision(self) -> bool {
        match self {
            Self::Admin | Self::Vote | Self::Criterion | Self::Breach => true,
            Self::Unanswered | Self::NotAccepted | Self::TermOver | Self::VoucherLost => false,
        }
    }

    /// The word of it, for people and the journal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Vote => "vote",
            Self::Unanswered => "unanswered",
            Self::NotAccepted => "not-accepted",
            Self::TermOver => "term-over",
            Self::VoucherLost => "voucher-lost",
            Self::Criterion => "criterion",
            Self::Breach => "breach",
        }
    }
}

impl Member {
    /// Whether this member belongs: its signature counts, and copies go to it unless it wants none.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }

    /// Stands there from now on. The cause is kept with whoever is suspended.
    pub(super) fn stands(&mut self, to: Standing, cause: Cause, now: Timestamp) {
        self.standing = to;
        self.since = now;
        self.file.cause = (to == Standing::Suspended).then_some(cause);
        if to == Standing::Active {
            self.file.alias.begin_anew();
        }
    }

    /// Whether this member is one of the list's, be it suspended for now.
    #[must_use]
    pub const fn belongs(&self) -> bool {
        matches!(self.standing, Standing::Active | Standing::Suspended)
    }

    /// Whether this member is one no longer.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self.standing, Standing::Removed)
    }

    /// The organisation whose contact this is; a person of a team is none.
    #[must_use]
    pub const fn contact_of(&self) -> Option<&OrgName> {
        match &self.role {
            Role::Contact { org } => Some(org),
            Role::Team { .. } => None,
        }
    }

    /// Whether copies go to this member. Who wants none may still post and vote.
    #[must_use]
    pub fn gets_copies(&self) -> bool {
        self.is_active() && self.file.delivery_off.is_none()
    }

    /// The certificates whose signatures count as this member's, the pinned one first.
    pub fn certs(&self) -> impl Iterator<Item = Fingerprint> {
        std::iter::once(self.fingerprint).chain(self.file.certs.iter().copied())
    }

    /// Whether a signature by this certificate is this member's.
    #[must_use]
    pub fn signs_with(&self, signer: Fingerprint) -> bool {
        self.certs().any(|cert| cert == signer)
    }

    /// Whether this is the member's address or an alias of it. It says what a From may name, and not who somebody is.
    #[must_use]
    pub fn is_called(&self, address: &Address) -> bool {
        self.address.same_mailbox(address)
            || self.file.aliases.iter().any(|alias| alias.same_mailbox(address))
    }

    /// The organisation that this member stands for, or works for.
    #[must_use]
    pub fn org(&self) -> Option<&OrgName> {
        match &self.role {
            Role::Contact { org } => Some(org),
            Role::Team { .. } => self.file.works_for.as_ref(),
        }
    }

    /// What a person of a team is there, in one word or several.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let first = match &self.role {
            Role::Team { role, .. } => role.as_deref(),
            Role::Contact { .. } => None,
        };
        first.into_iter().chain(self.file.seated.roles.iter().map(String::as_str))
    }

    /// Sets what a person of a team is there; of a contact nothing changes.
    pub fn set_roles(&mut self, roles: Vec<String>) {
        let mut roles = roles.into_iter();
        if let Role::Team { role, .. } = &mut self.role {
            *role = roles.next();
            self.file.seated.roles = roles.collect();
        }
    }

    /// What other members may be shown: the person's name, or the organisation's.
    #[must_use]
    pub fn display_name(&self) -> &str {
        match &self.role {
            Role::Team { name, .. } => name,
            Role::Contact { org } => org.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Standing::{Active, Applied, Removed, Suspended, Vouched};

    #[test]
    fn nobody_skips_a_step_and_nobody_returns_from_removal() {
        let all = [Applied, Vouched, Active, Suspended, Removed];
        let allowed: Vec<_> =
            all.iter().flat_map(|a| all.iter().filter(|b| a.may_become(**b)).map(|b| (*a, *b))).collect();
        assert_eq!(
            allowed,
            [
                (Applied, Vouched),
                (Applied, Removed),
                (Vouched, Active),
                (Vouched, Removed),
                (Active, Suspended),
                (Active, Removed),
                (Suspended, Active),
                (Suspended, Removed),
            ]
        );
    }
}
