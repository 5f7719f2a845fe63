//! What each letter brings along: its tokens, its name, and whether it outlives a membership.

use super::{About, Enclosed, Errand};
use crate::roster::aim::Aim;
use crate::roster::moderation::HeldMail;
use crate::time::Timestamp;

impl Errand {
    /// Until when each of its tokens counts, in the order of [`About::aims`]: what is decided without it ends its token, and
    /// what has no end of its own that of the letter.
    #[must_use]
    pub fn ends(&self) -> Vec<Option<Timestamp>> {
        match &self.about {
            About::Held { mails, .. } => {
                let each = |mail: &HeldMail| vec![mail.expires.or(self.until); decided(mail).count()];
                mails.iter().flat_map(each).collect()
            }
            about => vec![self.until; about.aims().len()],
        }
    }
}

impl About {
    /// The tokens that the letter carries, in the order in which its text takes them.
    #[must_use]
    pub fn aims(&self) -> Vec<Aim> {
        match self {
            Self::FormatAsked => vec![Aim::Probe],
            Self::VoteWanted { ballot, .. } => {
                vec![Aim::Approve { ballot: ballot.clone() }, Aim::Object { ballot: ballot.clone() }]
            }
            Self::AcceptWanted { edition, .. } => vec![Aim::Accept { edition: edition.clone() }],
            Self::Accepted { .. } | Self::StaffRecorded { .. } | Self::StaffRefused { .. } => {
                vec![Aim::Staff]
            }
            Self::AliasProbe { round, .. }
            | Self::AliasSuspended { round, back: true, .. }
            | Self::AliasSuspended { round, cure_until: Some(_), .. } => {
                vec![Aim::Alias { round: *round }]
            }
            Self::BreachTaken { breach, missing, .. } if !missing.is_empty() => {
                vec![Aim::Leak { breach: Some(breach.clone()) }]
            }
            Self::AliasAnswered
            | Self::AliasSuspended { .. }
            | Self::AliasSilent { .. }
            | Self::BreachOpened { .. }
            | Self::BreachTaken { .. }
            | Self::BreachOverdue { .. } => Vec::new(),
            Self::Voted { .. } => Vec::new(),
            Self::ConfirmWanted(who) => vec![Aim::Confirm { application: who.application.clone() }],
            Self::VouchWanted(who) => vec![Aim::Vouch { application: who.application.clone() }],
            Self::FormReturned { .. }
            | Self::ApplicationRefused { .. }
            | Self::ApplicationTaken(_)
            | Self::ApplicationCame(_)
            | Self::ColleagueApplies(_)
            | Self::VouchCounted { .. }
            | Self::VouchRefused { .. }
            | Self::ApplicationWent { .. }
            | Self::JournalHead { .. } => Vec::new(),
            Self::Held { mails, .. } => mails.iter().flat_map(decided).collect(),
            Self::Help { offers, .. } => offers.clone(),
            Self::HeldExpired { .. } | Self::SignerIgnored { .. } => Vec::new(),
            Self::Answered { .. } | Self::CertReplaced { .. } => Vec::new(),
            Self::BallotTold { .. }
            | Self::RemovalAsked { .. }
            | Self::RemovalWithdrawn
            | Self::Farewell { .. }
            | Self::TermEnds { .. } => Vec::new(),
        }
    }

    /// The name that all letters share of which a person needs the newest alone: the tokens of the one before are void.
    #[must_use]
    pub const fn replaces(&self) -> Option<&'static str> {
        match self {
            Self::Help { .. } => Some("help"),
            _ => None,
        }
    }

    /// What goes along with the letter.
    #[must_use]
    pub const fn enclosed(&self) -> Option<&Enclosed> {
        match self {
            Self::BreachOpened { sealed, .. } => sealed.as_ref(),
            _ => None,
        }
    }

    /// Its name, for logs and the journal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FormatAsked => "format-asked",
            Self::VoteWanted { .. } => "vote-wanted",
            Self::Voted { .. } => "voted",
            Self::FormReturned { .. } => "form-returned",
            Self::ApplicationRefused { .. } => "application-refused",
            Self::ConfirmWanted(_) => "confirm-wanted",
            Self::ApplicationTaken(_) => "application-taken",
            Self::ApplicationCame(_) => "application-came",
            Self::VouchWanted(_) => "vouch-wanted",
            Self::ColleagueApplies(_) => "colleague-applies",
            Self::VouchCounted { .. } => "vouch-counted",
            Self::VouchRefused { .. } => "vouch-refused",
            Self::ApplicationWent { .. } => "application-went",
            Self::JournalHead { .. } => "journal-head",
            Self::Held { reminder: false, .. } => "held",
            Self::Held { reminder: true, .. } => "held-reminder",
            Self::HeldExpired { .. } => "held-expired",
            Self::SignerIgnored { .. } => "signer-ignored",
            Self::Answered { .. } => "answered",
            Self::Help { .. } => "help",
            Self::CertReplaced { .. } => "cert-replaced",
            Self::AcceptWanted { .. } => "accept-wanted",
            Self::Accepted { .. } => "accepted",
            Self::StaffRecorded { .. } => "staff-recorded",
            Self::StaffRefused { .. } => "staff-refused",
            Self::AliasProbe { .. } => "alias-probe",
            Self::AliasAnswered => "alias-answered",
            Self::AliasSuspended { .. } => "alias-suspended",
            Self::AliasSilent { .. } => "alias-silent",
            Self::BreachOpened { .. } => "breach-opened",
            Self::BreachTaken { .. } => "breach-taken",
            Self::BreachOverdue { .. } => "breach-overdue",
            Self::BallotTold { .. } => "ballot-told",
            Self::RemovalAsked { .. } => "removal-asked",
            Self::RemovalWithdrawn => "removal-withdrawn",
            Self::Farewell { .. } => "farewell",
            Self::TermEnds { .. } => "term-ends",
        }
    }

    /// Whether it still goes to somebody who has been removed meanwhile.
    #[must_use]
    pub const fn outlives_membership(&self) -> bool {
        match self {
            Self::FormatAsked | Self::VoteWanted { .. } | Self::Voted { .. } => false,
            Self::ConfirmWanted(_)
            | Self::ApplicationTaken(_)
            | Self::ApplicationCame(_)
            | Self::VouchWanted(_)
            | Self::ColleagueApplies(_)
            | Self::VouchCounted { .. }
            | Self::VouchRefused { .. } => false,
            // Who applied again after a removal is gone by the roster; what ends an application removes the applicant.
            Self::FormReturned { .. } | Self::ApplicationRefused { .. } | Self::ApplicationWent { .. } => {
                true
            }
            Self::JournalHead { .. } => false,
            Self::Held { .. } | Self::HeldExpired { .. } => false,
            Self::SignerIgnored { .. } | Self::Help { .. } => false,
            // Who has left by a command hears that it is so.
            Self::Answered { .. } | Self::CertReplaced { .. } => true,
            Self::AcceptWanted { .. }
            | Self::Accepted { .. }
            | Self::StaffRecorded { .. }
            | Self::StaffRefused { .. }
            | Self::AliasProbe { .. }
            | Self::AliasAnswered
            | Self::AliasSuspended { .. }
            | Self::AliasSilent { .. }
            | Self::BreachOpened { .. }
            | Self::BreachTaken { .. }
            | Self::BreachOverdue { .. } => false,
            Self::BallotTold { .. } | Self::RemovalAsked { .. } | Self::RemovalWithdrawn => false,
            Self::TermEnds { .. } => false,
            Self::Farewell { .. } => true,
        }
    }
}

/// What a letter offers about a held mail.
fn decided(mail: &HeldMail) -> impl Iterator<Item = Aim> + use<> {
    let id = mail.id;
    mail.decisions().map(move |decision| Aim::Hold { mail: id, decision })
}
