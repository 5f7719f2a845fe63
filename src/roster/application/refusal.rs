//! The rules against steps of an application.

use crate::id::{ApplicationId, Fingerprint, ListName, OrgName};
use crate::roster::application::stage::Stage;
use crate::roster::membership::Standing;
use crate::time::Timestamp;

/// The rule against a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such application.
    #[error("there is no application {0}")]
    NoApplication(ApplicationId),
    /// The list takes none.
    #[error("{0} takes no applications: members are added to lists of kind announce and discuss")]
    NotThisList(ListName),
    /// Too many are open.
    #[error("{limit} applications to {list} are open, and more are not taken until some are decided")]
    TooMany {
        /// To which list.
        list: ListName,
        /// How many may be open.
        limit: u32,
    },
    /// One at a time.
    #[error("application {0} of the same certificate is open")]
    AlreadyOpen(ApplicationId),
    /// Who is a member need not apply.
    #[error("the certificate {0} is a member's already")]
    AlreadyMember(Fingerprint),
    /// It is decided, or enough have vouched.
    #[error("application {id} is {stage}")]
    NotOpen {
        /// Which.
        id: ApplicationId,
        /// How far it is.
        stage: Stage,
    },
    /// The voucher period is over.
    #[error("vouchers for application {id} counted until {until}")]
    TooLate {
        /// Which.
        id: ApplicationId,
        /// Until when.
        until: Timestamp,
    },
    /// Nobody vouches for themselves.
    #[error("nobody vouches for themselves ({0})")]
    Oneself(ApplicationId),
    /// The policy wants somebody of another organisation.
    #[error("a voucher for {id} has to come from another organisation than {org}")]
    SameOrg {
        /// For which.
        id: ApplicationId,
        /// Whose.
        org: OrgName,
    },
    /// Only active members vouch.
    #[error("only an active member vouches for {id}, and this one is {standing}")]
    NotActive {
        /// For which.
        id: ApplicationId,
        /// Where the voucher stands.
        standing: Standing,
    },
    /// Only members of the list vouch.
    #[error("only a member of the list vouches for {0}")]
    NotAMember(ApplicationId),
    /// Each counts once.
    #[error("this member has vouched for {0} already")]
    Twice(ApplicationId),
    /// The people of one organisation count once.
    #[error("somebody of {org} has vouched for {id} already: the members of one organisation count once")]
    SameVoice {
        /// For which.
        id: ApplicationId,
        /// Whose.
        org: OrgName,
    },
    /// Nobody is there who could vouch, and the policy lets nobody in without.
    #[error(
        "nobody on {0} could vouch, and its policy names no founding_quorum: its admin adds the first members"
    )]
    NobodyVouches(ListName),
    /// The team has not decided yet.
    #[error("application {0} of this member is not decided: the team does that")]
    Undecided(ApplicationId),
    /// A statement for another application.
    #[error("the statement does not name application {0}: it has to, with all its letters")]
    OtherApplication(ApplicationId),
    /// A statement for another person.
    #[error("the statement does not name the applicant's certificate {0}: it has to, with all its digits")]
    OtherPerson(Fingerprint),
    /// Nobody signed it so that it counts.
    #[error("the statement has no signature that counts: {0}")]
    BadStatement(String),
}
