//! Letters of the relay itself: what each errand's mail says. The texts quote nothing of any mail.

mod acceptance;
mod alias;
mod application;
mod ballot;
mod breach;
mod cert;
mod help;
mod hold;
mod journal;
mod page;
mod probe;
mod removal;
mod term;

use self::page::{Page, Said, filled};
use crate::id::{Entropy, Token};
use crate::mail::tags::Tags;
use crate::mime::write::keys_part;
use crate::pgp::cert::CertProblem;
use crate::pgp::keyring::ListKey;
use crate::pgp::seal::{Reader, SealError};
use crate::relay::letter::{Letter, Words};
use crate::relay::world::List;
use crate::roster::errand::{About, Errand};
use crate::secret::Plaintext;
use crate::time::Timestamp;

impl Page<'_> {
    /// What the letter says.
    fn said(&self) -> Said {
        let said = match &self.errand.about {
            About::FormatAsked => probe::asked(self),
            About::VoteWanted { motion, ballot, title, quorum, remarks } => {
                ballot::wanted(self, motion, ballot, (title, remarks), *quorum)
            }
            About::Voted { choice, title, outcome, split, rule } => {
                ballot::voted(*choice, title, (*outcome, rule.as_deref()), *split)
            }
            About::FormReturned { faults, lines } => application::returned(self, faults, lines),
            About::ApplicationRefused { rule } => application::not_taken(self, rule),
            About::ConfirmWanted(who) => application::confirm(self, who),
            About::ApplicationTaken(who) => application::taken(self, who),
            About::ApplicationCame(who) => application::came(self, who),
            About::VouchWanted(who) => application::vouch_wanted(self, who),
            About::ColleagueApplies(who) => application::colleague(self, who),
            About::VouchCounted { title, missing } => application::counted(title, *missing),
            About::VouchRefused { application, rule } => application::not_counted(application, rule),
            About::ApplicationWent { application, stage } => application::went(self, application, *stage),
            About::JournalHead { heads, at } => journal::heads(heads, *at),
            About::Held { mails, more, reminder } => hold::held(self, mails, *more, *reminder),
            About::HeldExpired { mails, more } => hold::expired(self, mails, *more),
            About::SignerIgnored { signer, by } => hold::ignored(self, *signer, by.as_deref()),
            About::Answered { aim, answer } => help::answered(self, aim.as_deref(), answer),
            About::Help { facts, offers } => help::help(self, facts, offers),
            About::CertReplaced { before, after } => cert::replaced(self, *before, *after),
            About::AcceptWanted { edition, due, asking, staff } => {
                acceptance::wanted(self, edition, *due, *asking, *staff)
            }
            About::Accepted { edition } => acceptance::accepted(self, edition),
            About::StaffRecorded { name } => acceptance::staff_recorded(self, name),
            About::StaffRefused { why } => acceptance::staff_refused(self, why),
            About::AliasProbe { due, again, .. } => alias::asked(self, *due, *again),
            About::AliasAnswered => alias::answered(self),
            About::AliasSuspended { missed, back, cure_until, .. } => {
                alias::suspended(self, *missed, *back, *cure_until)
            }
            About::AliasSilent { who, missed, at, asked } => {
                alias::silent(self, who, *missed, (at.as_ref(), asked.as_ref()))
            }
            About::BreachOpened { breach, org, answered, missing, due, sealed } => {
                let org = org.as_ref();
                let (due, enclosed) = (*due, sealed.is_some());
                breach::opened(self, &breach::Opened { breach, org, answered, missing, due, enclosed })
            }
            About::BreachTaken { breach, missing, due } => breach::taken(self, breach, missing, *due),
            About::BreachOverdue { breach, missing } => breach::overdue(self, breach, missing),
            About::BallotTold { ballot, title, outcome, rule } => {
                ballot::told(ballot, title, *outcome, rule.as_deref())
            }
            About::RemovalAsked { whom, reason, words, since, cure_until } => {
                removal::asked(self, whom.as_deref(), (*reason, words.as_deref()), *since, *cure_until)
            }
            About::RemovalWithdrawn => removal::withdrawn(self),
            About::Farewell { reason, team } => removal::farewell(self, *reason, *team),
            About::TermEnds { whose, ends, grace_until, stage } => {
                term::ends(self, whose.as_deref(), *stage, *ends, *grace_until)
            }
        };
        Said { text: filled(&said.text), ..said }
    }
}

/// Writes, signs and seals the letter of an errand; or says why that person's certificate cannot be used.
///
/// # Errors
/// When signing or sealing fails for another reason.
pub fn seal(
    list: &List,
    errand: &Errand,
    tokens: &[Token],
    reader: Reader<'_>,
    (key, tags, entropy): (&ListKey, &Tags<'_>, &Entropy),
    enclosed: Option<&Plaintext>,
    at: Timestamp,
) -> Result<Result<Letter, CertProblem>, SealError> {
    let Said { subject, text } = Page { list, errand, tokens }.said();
    let text = format!(
        "[This mail is from the relay of {} ({}), not from a person.]\n\n{text}",
        list.title, list.address
    );
    // Whom an answer reaches: the address for requests, where tokens count.
    let beside = match &errand.about {
        About::Help { .. } => Some(keys_part(&key.cert().armored(), list.name.as_str())),
        _ => None,
    };
    let words =
        Words { list, to: &errand.to.address, answer_to: "-request", subject, text, beside, enclosed, at };
    words.seal(reader, key, tags, entropy)
}

#[cfg(test)]
mod tests;
