//! Why a request was not done, on its way to becoming an answer: what, why, and what to do next.

use crate::control::wire::{Answer, ErrorKind};
use crate::id::ListName;
use crate::ledger::affairs::Trouble;
use crate::pgp::cert::CertError;
use crate::pgp::keyring::KeyError;
use crate::roster::term::Refusal::BelowMinimum;
use crate::roster::{Refusal, application};
use crate::store::contract::StoreError;

/// A request that was not done.
pub(super) struct Refused {
    code: ErrorKind,
    what: String,
    why: String,
    next: String,
}

impl Refused {
    pub(super) fn new(code: ErrorKind, what: impl Into<String>, why: impl Into<String>, next: &str) -> Self {
        Self { code, what: what.into(), why: why.into(), next: next.to_owned() }
    }

    pub(super) fn why(&self) -> &str {
        &self.why
    }

    pub(super) fn into_answer(self) -> Answer {
        Answer::Error { code: self.code, what: self.what, why: self.why, next: self.next }
    }
}

pub(super) fn not_found(what: String, why: impl Into<String>, next: &str) -> Refused {
    Refused::new(ErrorKind::NotFound, what, why, next)
}

pub(super) fn no_member(list: &ListName) -> Refused {
    not_found(
        format!("nobody on {list} has that address"),
        "addresses are compared as a whole",
        "see `member ls` and `team ls`",
    )
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let refused = "the request was not carried out";
        let (code, what, next) = match &error {
            StoreError::Conflict(_) => (ErrorKind::Busy, refused, "try again"),
            StoreError::Io { .. } => {
                (ErrorKind::Io, refused, "look at the disk: is it full or failing? Then try again")
            }
            // What was under way may come to light when the store is opened again.
            StoreError::Poisoned(_) => (
                ErrorKind::Io,
                "the store is out of order, and whether a change was made is not known",
                "restart the daemon when the disk is sound, then look whether the change is there",
            ),
            _ => (ErrorKind::Internal, refused, "run `vouchsafe check`; keep a copy of the data directory"),
        };
        Self::new(code, what, error.to_string(), next)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let (code, next) = match &refusal {
            Refusal::OrgKnown(_) => (ErrorKind::Exists, "choose another name"),
            Refusal::OrgUnknown(_) => (ErrorKind::NotFound, "add the organisation first"),
            Refusal::AddressTaken(_) => {
                (ErrorKind::Exists, "to change its certificate use `member set-cert`")
            }
            Refusal::CertTaken(_) => (ErrorKind::Exists, "give each member a certificate of its own"),
            Refusal::NoMember(_) => (ErrorKind::NotFound, "look at `member ls` and `team ls`"),
            Refusal::NoStep { .. } => (ErrorKind::Data, "look at its standing with `member show`"),
            Refusal::LastOfTeam(_) => (ErrorKind::Data, "add another person with `team add` first"),
            Refusal::OrgInUse(_) => (ErrorKind::Data, "see `org show`"),
            Refusal::Full(_) => (ErrorKind::Data, "split the list"),
            Refusal::Ballot(_) => (ErrorKind::Data, "look at `org ballots`"),
            Refusal::Removal(_) => (ErrorKind::Data, "look at `org ballots`, and at the policy"),
            Refusal::Team(BelowMinimum { .. }) => {
                (ErrorKind::Data, "add or replace first; or insist with --below-minimum and --reason")
            }
            Refusal::Team(_) => (ErrorKind::Data, "look at `team ls` and `team body ls`, and at the policy"),
            Refusal::NoBallot(_) => (ErrorKind::NotFound, "look at `org ballots`"),
            Refusal::OrgText(_) => (ErrorKind::Usage, "give a plain text"),
            Refusal::OwnUpstream(_) => (ErrorKind::Usage, "leave the upstream out where there is none"),
            Refusal::AliasKnown | Refusal::CertKnown(_) | Refusal::DeliveryIs(_) => {
                (ErrorKind::Exists, "look at `member show`")
            }
            Refusal::NoAlias | Refusal::NoFurtherCert(_) => (ErrorKind::NotFound, "look at `member show`"),
            Refusal::TooManyFurther => (ErrorKind::Data, "remove what is not used any more"),
            Refusal::LastReader(_) => (ErrorKind::Data, "see `team ls` for who else reads"),
            Refusal::NoCriterion { .. } => (ErrorKind::NotFound, "use one of these names"),
            Refusal::NoCriteria(_) => (ErrorKind::Config, "see `membership.criteria` in the list's policy"),
            Refusal::Application(refusal) => of_application(refusal),
            Refusal::NoQuestion => (ErrorKind::Data, "look at `member show`"),
            Refusal::NoStaff(_) => (ErrorKind::NotFound, "look at `member show`"),
            Refusal::TooManyStaff => (ErrorKind::Data, "remove some with `member staff remove`"),
            Refusal::NoTerms(_) => {
                (ErrorKind::Config, "name a text in the policy file: [terms] text = \"FILE\"")
            }
            Refusal::OtherTerms(_) => {
                (ErrorKind::Data, "have the text that holds now accepted: see `member show`")
            }
            Refusal::NoBreach(_) => (ErrorKind::NotFound, "look at `breach ls`"),
            Refusal::BreachClosed(_) => (ErrorKind::Data, "look at `breach show`"),
            Refusal::NobodysBreach(_) => {
                (ErrorKind::Data, "name the organisation, or close it without a strike")
            }
        };
        Self::new(code, "the roster was not changed", refusal.to_string(), next)
    }
}

fn of_application(refusal: &application::Refusal) -> (ErrorKind, &'static str) {
    use application::Refusal as R;
    match refusal {
        R::NoApplication(_) => (ErrorKind::NotFound, "look at `org applications`"),
        R::NotThisList(_) => (ErrorKind::Usage, "persons of a team are added with `team add`"),
        R::AlreadyOpen(_) | R::AlreadyMember(_) => {
            (ErrorKind::Exists, "look at `org applications` and `member ls`")
        }
        R::TooMany { .. } => (ErrorKind::Data, "decide or withdraw some: `org applications`"),
        R::Undecided(_) => (ErrorKind::Data, "look at `org application`; `org withdraw` ends it"),
        R::NotOpen { .. } | R::TooLate { .. } => (ErrorKind::Data, "the applicant may apply again"),
        R::Oneself(_)
        | R::SameOrg { .. }
        | R::SameVoice { .. }
        | R::NotActive { .. }
        | R::NotAMember(_)
        | R::Twice(_) => (ErrorKind::Data, "ask another active member of the list, of another organisation"),
        R::NobodyVouches(_) => (ErrorKind::Data, "add them with `member add`, or set founding_quorum"),
        R::OtherApplication(_) | R::OtherPerson(_) | R::BadStatement(_) => (
            ErrorKind::Data,
            "ask for a signed text that names application and certificate: `org application ID`",
        ),
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Store(error) => error.into(),
            Trouble::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<CertError> for Refused {
    fn from(error: CertError) -> Self {
        let next = "export the one public certificate with `gpg --armor --export FINGERPRINT` and try again";
        Self::new(ErrorKind::Data, "the certificate was not taken", error.to_string(), next)
    }
}

impl From<KeyError> for Refused {
    fn from(error: KeyError) -> Self {
        let next = "nothing was changed; mend what the reason names and try again";
        Self::new(ErrorKind::Data, "the key was not taken", error.to_string(), next)
    }
}
