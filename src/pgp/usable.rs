//! The rules for whom mail can be encrypted to: the one place where they stand. Whoever seals asks here, and so does
//! whoever only tells (`check`, `member ls`, the notice to the admins), so both always say the same.
//!
//! At a time `at`, under Sequoia's standard policy as it stands at that time:
//!
//! | about | rule | else |
//! | --- | --- | --- |
//! | age | the primary key was made no later than `at`, and so was what binds it | [`CertProblem::NotYetValid`] |
//! | policy | the primary key and what binds it are not weak: RSA of 2048 bits or more, no SHA-1 | [`CertProblem::Weak`] |
//! | | nor of a kind that the library does not know | [`CertProblem::Unusable`] |
//! | revocation, hard | the owner said "compromised", or gave no reason: it counts from ever on, whatever its date (RFC 9580 §5.2.3.31) | [`CertProblem::Revoked`] |
//! | revocation, soft | "superseded" or "retired": it counts from its date on, until the owner extends the key anew | [`CertProblem::Revoked`] |
//! | expiry | the primary key and the signature that binds it have not expired | [`CertProblem::Expired`] |
//! | the key | among primary key and subkeys one is meant for encryption, in transport or of storage (both flags mean mail: programs set either, RFC 9580 §5.2.3.29), and stands the same tests itself | the nearest of these, or [`CertProblem::NoEncryptionKey`] |
//! | several keys | of those that stand the tests the newest, by its creation time: a copy gets one PKESK. An older one stays in use for as long as the newest is expired, revoked, weak or of an unknown kind | |
//! | format | [`Format::V2`] for version 6; [`Format::V1`] for version 4 unless the contact chose otherwise; what it advertises does not count | |
//!
//! Designated revokers are not heard: only the owner revokes. User IDs and their revocation do not matter, since what is
//! pinned is the fingerprint. `tests/pgp/certs.rs` has a certificate for each line, made by Sequoia and by GnuPG.

use sequoia_openpgp as openpgp;

use openpgp::cert::Preferences as _;
use openpgp::cert::amalgamation::ValidAmalgamation;
use openpgp::crypto::mpi::PublicKey;
use openpgp::packet::key::{PublicParts, UnspecifiedRole};
use openpgp::packet::{Key, Signature};
use openpgp::policy::Policy;
use openpgp::types::{Curve, RevocationStatus};

use super::cert::{Cert, CertProblem, END, Format, lenient, standard};
use crate::id::Fingerprint;
use crate::time::Timestamp;

impl Cert {
    /// Whether it can be encrypted to at that time.
    ///
    /// # Errors
    /// [`CertProblem`] says why not.
    pub fn sealable(&self, at: Timestamp) -> Result<(), CertProblem> {
        self.encryption_key(at).map(|_| ())
    }

    /// The format of copies for it: version 6 certificates take [`Format::V2`] only (RFC 9580 §5.1), version 4 ones
    /// [`Format::V1`] unless the contact chose otherwise. What the certificate advertises does not count: some
    /// programs advertise what their keys' other users cannot read.
    #[must_use]
    pub fn format(&self, chosen: Option<Format>) -> Format {
        match self.fingerprint() {
            Fingerprint::V6(_) => Format::V2,
            Fingerprint::V4(_) => chosen.unwrap_or(Format::V1),
        }
    }

    /// Whether it says that SEIPD version 2 is read (RFC 9580 §5.2.3.32). Not all who say so can: see [`Cert::format`].
    #[must_use]
    pub fn advertises_v2(&self, at: Timestamp) -> bool {
        let policy = standard(at);
        let features =
            self.openpgp().with_policy(&policy, at.system()).ok().and_then(|valid| valid.features());
        features.is_some_and(|features| features.supports_seipdv2())
    }

    /// The newest living encryption key at that time: a copy gets exactly one PKESK.
    pub(super) fn encryption_key(
        &self,
        at: Timestamp,
    ) -> Result<Key<PublicParts, UnspecifiedRole>, CertProblem> {
        let (policy, cert) = (standard(at), self.openpgp());
        if self.created() > at {
            return Err(CertProblem::NotYetValid);
        }
        let valid = cert.with_policy(&policy, at.system()).map_err(|_| self.why_refused(at))?;
        if matches!(valid.revocation_status(), RevocationStatus::Revoked(_)) {
            return Err(CertProblem::Revoked);
        }
        if valid.alive().is_err() {
            let since = valid.primary_key().key_expiration_time().map_or(at, Timestamp::from_system);
            return Err(CertProblem::Expired { since });
        }
        valid
            .keys()
            .supported()
            .alive()
            .revoked(false)
            .for_transport_encryption()
            .for_storage_encryption()
            // Of two that were made in the same second always the same one, however they are ordered.
            .max_by_key(|key| (key.key().creation_time(), key.key().fingerprint()))
            .map(|key| key.key().clone())
            .ok_or_else(|| self.why_no_key(&policy, at))
    }

    /// Nothing that the policy accepts speaks for the primary key at that time.
    fn why_refused(&self, at: Timestamp) -> CertProblem {
        let primary = self.openpgp().primary_key();
        match primary.key().mpis() {
            // A curve that the library does not know, such as secp256k1, is not weak.
            PublicKey::ECDSA { curve: Curve::Unknown(_), .. }
            | PublicKey::EdDSA { curve: Curve::Unknown(_), .. } => return CertProblem::Unusable,
            _ => {}
        }
        if self.openpgp().with_policy(&lenient(), at.system()).is_ok() {
            return CertProblem::Weak;
        }
        let ids = self.openpgp().userids().flat_map(|id| id.self_signatures());
        speechless(primary.self_signatures().chain(ids), at).unwrap_or(CertProblem::Unusable)
    }

    fn why_no_key(&self, policy: &dyn Policy, at: Timestamp) -> CertProblem {
        let all = |policy: &dyn Policy, at: Timestamp| -> Vec<(bool, Option<Timestamp>)> {
            let Ok(valid) = self.openpgp().with_policy(policy, at.system()) else { return Vec::new() };
            valid
                .keys()
                .for_transport_encryption()
                .for_storage_encryption()
                .map(|key| {
                    let revoked = matches!(key.revocation_status(), RevocationStatus::Revoked(_));
                    (revoked, key.key_expiration_time().map(Timestamp::from_system))
                })
                .collect()
        };
        let keys = all(policy, at);
        let expired = keys.iter().filter(|(revoked, _)| !revoked).filter_map(|(_, end)| *end).max();
        match expired {
            Some(since) if since <= at => CertProblem::Expired { since },
            _ if keys.iter().any(|(revoked, _)| *revoked) => CertProblem::Revoked,
            _ if !keys.is_empty() => CertProblem::Unusable,
            _ if !all(&lenient(), at).is_empty() => CertProblem::Weak,
            _ if !all(&lenient(), END).is_empty() => CertProblem::NotYetValid,
            _ => self.why_unbound(at).unwrap_or(CertProblem::NoEncryptionKey),
        }
    }

    /// What once bound subkeys for encryption may have run out itself, or bind what the library does not know.
    fn why_unbound(&self, at: Timestamp) -> Option<CertProblem> {
        let bindings = self.openpgp().keys().subkeys().flat_map(|key| key.self_signatures());
        let encrypting = bindings.filter(|binding| {
            binding
                .key_flags()
                .is_some_and(|flags| flags.for_transport_encryption() || flags.for_storage_encryption())
        });
        let mut encrypting = encrypting.peekable();
        encrypting.peek()?;
        Some(speechless(encrypting, at).unwrap_or(CertProblem::Unusable))
    }
}

/// Why none of these signatures speaks at that time: all have run out (RFC 9580 §5.2.3.18), or are still to come.
fn speechless<'a>(signatures: impl Iterator<Item = &'a Signature>, at: Timestamp) -> Option<CertProblem> {
    let (mut since, mut to_come) = (None, false);
    for signature in signatures {
        let end = signature.signature_expiration_time().map(Timestamp::from_system);
        since = since.max(end.filter(|end| *end <= at));
        to_come |= signature.signature_creation_time().is_some_and(|made| Timestamp::from_system(made) > at);
    }
    match since {
        Some(since) => Some(CertProblem::Expired { since }),
        None => to_come.then_some(CertProblem::NotYetValid),
    }
}
