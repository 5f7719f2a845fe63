//! Whether a key was alive at some time, and if not, how far that reaches.

use std::time::SystemTime;

use sequoia_openpgp as openpgp;

use openpgp::cert::amalgamation::ValidAmalgamation;
use openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use openpgp::packet::Signature;
use openpgp::packet::key::PublicParts;
use openpgp::types::{RevocationStatus, RevocationType};

use super::outcome::Why;

/// A key of a certificate, as it was at some time.
pub(super) type Ka<'a> = ValidErasedKeyAmalgamation<'a, PublicParts>;

/// What a revocation takes away (RFC 9580 §5.2.3.31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Superseded or retired: what was signed before still counts.
    Soft,
    /// Compromised, or no reason given: nothing counts that it ever signed.
    Hard,
}

impl Reach {
    /// What it means for a signature that was made after it.
    pub(super) const fn when_signing(self) -> Why {
        match self {
            Self::Soft => Why::RevokedWhenSigning,
            Self::Hard => Why::RevokedHard,
        }
    }

    /// What it means for a signature that was made before it and arrived after it.
    pub(super) const fn since(self) -> Why {
        match self {
            Self::Soft => Why::RevokedSince,
            Self::Hard => Why::RevokedHard,
        }
    }
}

/// Whether certificate or key is revoked at the time of `ka`. A hard revocation reaches back from wherever it is.
pub(super) fn revoked(ka: &Ka<'_>) -> Option<Reach> {
    let reach = |status: RevocationStatus<'_>| match status {
        RevocationStatus::Revoked(by) if by.iter().any(|by| is_hard(by)) => Some(Reach::Hard),
        RevocationStatus::Revoked(_) => Some(Reach::Soft),
        RevocationStatus::CouldBe(_) | RevocationStatus::NotAsFarAsWeKnow => None,
    };
    let found = [reach(ka.valid_cert().revocation_status()), reach(ka.revocation_status())];
    found.into_iter().flatten().max_by_key(|reach| *reach == Reach::Hard)
}

/// RFC 9580 §5.2.3.31: without a reason it may be the worst one.
fn is_hard(by: &Signature) -> bool {
    by.reason_for_revocation().is_none_or(|(reason, _)| reason.revocation_type() == RevocationType::Hard)
}

/// Whether certificate or key is over at the time of `ka`.
pub(super) fn expired(ka: &Ka<'_>) -> bool {
    ka.valid_cert().alive().is_err() || ka.alive().is_err()
}

/// Whether any of these signatures, or what speaks for the certificate's User IDs, had a term that was over at that time.
pub(super) fn ran_out<'a>(
    bindings: impl Iterator<Item = &'a Signature>,
    cert: &'a openpgp::Cert,
    at: SystemTime,
) -> bool {
    let over = |signature: &Signature| {
        let end = signature.signature_creation_time().zip(signature.signature_validity_period());
        end.and_then(|(made_at, term)| made_at.checked_add(term)).is_some_and(|end| end <= at)
    };
    bindings.chain(cert.userids().flat_map(|id| id.self_signatures())).any(over)
}
