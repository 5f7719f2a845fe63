//! What the journal says of a change of the roster.

use serde::{Deserialize, Serialize};

use crate::id::{Fingerprint, MemberId, OrgName};
use crate::pgp::cert::Format;
use crate::roster::application::Change as ApplicationChange;
use crate::roster::ballot::Change as BallotChange;
use crate::roster::criteria::State;
use crate::roster::exchange::imported::Imported;
use crate::roster::membership::Standing;
use crate::roster::{alias, breach, term, terms};

/// One change of the roster, as the journal keeps it: no addresses and no names of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// An organisation came onto the roster.
    OrgAdded {
        /// Which.
        org: OrgName,
    },
    /// A member was added by the admin, active at once.
    MemberAdded {
        /// Whom.
        member: MemberId,
        /// For which organisation; none for a person of the team.
        org: Option<OrgName>,
        /// The pinned certificate.
        fingerprint: Fingerprint,
    },
    /// Another certificate was pinned, or the pinned one updated.
    CertSet {
        /// Whose.
        member: MemberId,
        /// The one before.
        before: Fingerprint,
        /// The one from now on.
        after: Fingerprint,
    },
    /// The format of a member's copies was set, or left to the rule again.
    FormatSet {
        /// Whose.
        member: MemberId,
        /// The one before; none: by the rule.
        before: Option<Format>,
        /// The one from now on.
        after: Option<Format>,
    },
    /// The standing changed.
    Moved {
        /// Whose.
        member: MemberId,
        /// From where.
        from: Standing,
        /// To where.
        to: Standing,
        /// The reason that was given.
        reason: Option<String>,
    },
    /// A ballot was opened, voted in, or closed.
    Ballot {
        /// What of it.
        #[serde(flatten)]
        what: BallotChange,
    },
    /// Somebody applied, was vouched for, or was decided on.
    Application {
        /// What of it.
        #[serde(flatten)]
        what: ApplicationChange,
    },
    /// Terms and appointments of a team's persons, and the bodies that approve them.
    Team {
        /// What of it.
        #[serde(flatten)]
        what: term::Change,
    },
    // Organisations, their contacts and their criteria.
    /// What is known of an organisation changed; not what it says.
    OrgEdited {
        /// Which.
        org: OrgName,
        /// What of it, by the fields' names.
        fields: Vec<String>,
        /// The reason that was given.
        reason: Option<String>,
    },
    /// A further address of a member became known, or is none any more.
    AliasSet {
        /// Whose.
        member: MemberId,
        /// Whether it is one from now on.
        known: bool,
    },
    /// Signatures by a further certificate count as a member's, or do not any more.
    CertAlso {
        /// Whose.
        member: MemberId,
        /// Which certificate.
        fingerprint: Fingerprint,
        /// Whether they count from now on.
        counts: bool,
    },
    /// A member gets no copies, or gets them again.
    DeliverySet {
        /// Whose.
        member: MemberId,
        /// Whether it gets them from now on.
        on: bool,
        /// The reason that was given.
        reason: Option<String>,
    },
    /// An organisation was judged by a criterion of the list's policy.
    Assessed {
        /// Which.
        org: OrgName,
        /// By which criterion.
        criterion: String,
        /// What came of it.
        state: State,
        /// On what ground.
        evidence: Option<String>,
        /// When it is to be looked at again.
        review: Option<String>,
    },
    /// The day passed on which an assessment was to be looked at again, and the admins are told.
    ReviewMissed {
        /// Whose.
        org: OrgName,
        /// Of which criterion.
        criterion: String,
    },
    // -- exchange
    /// An import set what is kept.
    Imported {
        /// Of whom.
        #[serde(flatten)]
        what: Imported,
    },
    /// The list's terms: who is asked, who accepted.
    Terms {
        /// What of them.
        #[serde(flatten)]
        what: terms::Change,
    },
    /// Whether an address is read: asked, answered, missed.
    Alias {
        /// What of it.
        #[serde(flatten)]
        what: alias::Change,
    },
    /// A breach of the embargo.
    Breach {
        /// What of it.
        #[serde(flatten)]
        what: breach::Change,
    },
}
