//! The rules against a change of the roster.

use crate::id::{BallotId, BreachId, Fingerprint, ListName, MemberId, OrgName};
use crate::roster::membership::Standing;
use crate::roster::{application, ballot, membership, org, removal, term};

/// The largest number of members of one list, removed ones included: a limit against runaway scripts.
pub const MAX_MEMBERS: usize = 20_000;

/// The rule against a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An organisation of that name is there.
    #[error("organisation {0} is on the roster already")]
    OrgKnown(OrgName),
    /// No organisation of that name is there.
    #[error("organisation {0} is not on the roster; add it with `org add {0}`")]
    OrgUnknown(OrgName),
    /// The address belongs to a member of this list.
    #[error("that address is a member of {0} already")]
    AddressTaken(ListName),
    /// The certificate belongs to another member of this list: identity would be ambiguous.
    #[error("certificate {0} is pinned to another member of this list")]
    CertTaken(Fingerprint),
    /// Nobody on the list has that address.
    #[error("nobody on {0} has that address")]
    NoMember(ListName),
    /// The step does not exist.
    #[error("a member who is {from} cannot become {to}")]
    NoStep {
        /// From where.
        from: Standing,
        /// To where.
        to: Standing,
    },
    /// Removing the last active person would leave the list without a reader.
    #[error("this is the last active person of the team of {0}; add another first")]
    LastOfTeam(ListName),
    /// A rule of ballots.
    #[error(transparent)]
    Ballot(#[from] ballot::Refusal),
    /// A rule of removals.
    #[error(transparent)]
    Removal(#[from] removal::Refusal),
    /// A rule of teams.
    #[error(transparent)]
    Team(#[from] term::Refusal),
    /// There is no such ballot.
    #[error("there is no ballot {0}")]
    NoBallot(BallotId),
    /// A rule of applications.
    #[error(transparent)]
    Application(#[from] application::Refusal),
    /// The list is as long as it may be.
    #[error("list {0} has {MAX_MEMBERS} entries, the most there may be")]
    Full(ListName),
    // Organisations, their contacts and their criteria.
    /// A text about an organisation does not serve.
    #[error("the {0} must be one to {most} characters of text without control characters", most = org::MAX_TEXT)]
    OrgText(&'static str),
    /// An organisation that is its own upstream.
    #[error("organisation {0} cannot be its own upstream")]
    OwnUpstream(OrgName),
    /// The address is the member's own already.
    #[error("that is the member's address, or an alias of it, already")]
    AliasKnown,
    /// The member has no such alias.
    #[error("the member has no such alias; see `member show`")]
    NoAlias,
    /// A member has as many aliases or certificates as there may be.
    #[error("a member has at most {max} aliases and {max} further certificates", max = membership::MAX_FURTHER)]
    TooManyFurther,
    /// The certificate is the member's own already.
    #[error("certificate {0} is pinned to this member already")]
    CertKnown(Fingerprint),
    /// The certificate is no further one of the member.
    #[error(
        "certificate {0} is no further one of this member; the main one is changed with `member set-cert`"
    )]
    NoFurtherCert(Fingerprint),
    /// Copies go already, or go not.
    #[error("delivery is {} already", if *.0 { "on" } else { "off" })]
    DeliveryIs(bool),
    /// Nobody of a team would get a copy.
    #[error("this is the last person of the team of {0} who gets copies; switch it on for another first")]
    LastReader(ListName),
    /// The policy has no such criterion.
    #[error("the policy of {list} has no criterion \"{name}\"; it has: {known}")]
    NoCriterion {
        /// Of which list.
        list: ListName,
        /// What was asked for.
        name: String,
        /// Which there are.
        known: String,
    },
    /// The list's policy has no criteria.
    #[error("{0} has no policy with criteria: nothing can be assessed for it")]
    NoCriteria(ListName),
    // -- exchange
    /// Somebody belongs to the organisation.
    #[error("organisation {0} has contacts on a list; remove them first")]
    OrgInUse(OrgName),
    // What members accept, whether their addresses are read, and leaks.
    /// There is no question that this answers.
    #[error("that question does not wait for an answer any more")]
    NoQuestion,
    /// Nobody of the member's own people is called that.
    #[error("{0} is not among that member's own people; see `member show`")]
    NoStaff(MemberId),
    /// More than one contact has people.
    #[error("that member has named as many of its own people as there may be")]
    TooManyStaff,
    /// The list has no terms.
    #[error("the policy of {0} has no [terms] text that could be accepted")]
    NoTerms(ListName),
    /// The text is another by now.
    #[error("that is not the text of {0} that holds now")]
    OtherTerms(ListName),
    /// There is no such breach.
    #[error("there is no breach {0}")]
    NoBreach(BreachId),
    /// It is decided.
    #[error("breach {0} is closed")]
    BreachClosed(BreachId),
    /// It cannot count against anybody.
    #[error("nobody is named who broke the embargo in {0}; close it with --org NAME or --no-strike")]
    NobodysBreach(BreachId),
}
