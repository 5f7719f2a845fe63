//! A notice of the relay to one admin. It is signed by the list's key, encrypted to the admin's certificate, and quotes
//! nothing of any mail.

mod text;

use std::time::Duration;

use crate::id::Entropy;
use crate::mail::address::Address;
use crate::mail::incident::Incident;
use crate::mail::tags::Tags;
use crate::pgp::cert::CertProblem;
use crate::pgp::keyring::ListKey;
use crate::pgp::seal::{Reader, SealError};
use crate::relay::letter::{Letter, Words};
use crate::relay::world::List;
use crate::time::Timestamp;

/// What an admin is told.
pub struct Notice<'a> {
    /// The list whose notice it is: its key signs.
    pub list: &'a List,
    /// What happened and when, the oldest first.
    pub incidents: &'a [(Timestamp, Incident)],
    /// Admins who cannot be told, and why.
    pub unreached: &'a [(Address, CertProblem)],
    /// The shortest time between two notices.
    pub every: Duration,
    /// When it is written.
    pub at: Timestamp,
}

impl Notice<'_> {
    /// Composes, signs and seals the notice for one admin; or says why that admin's certificate cannot be used.
    ///
    /// # Errors
    /// When signing or sealing fails for another reason.
    pub fn seal(
        &self,
        to: &Address,
        reader: Reader<'_>,
        key: &ListKey,
        tags: &Tags<'_>,
        entropy: &Entropy,
    ) -> Result<Result<Letter, CertProblem>, SealError> {
        let words = Words {
            list: self.list,
            to,
            // Who gets an answer to a notice: the list's admins, never its readers.
            answer_to: "-owner",
            subject: text::subject(self.incidents),
            text: text::body(self.list, self.incidents, self.unreached, self.every),
            beside: None,
            enclosed: None,
            at: self.at,
        };
        words.seal(reader, key, tags, entropy)
    }
}
