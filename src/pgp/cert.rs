//! A member's certificate: parsed with bounded work, public parts only, and whether it can be encrypted to.

use std::fmt;

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::cert::amalgamation::ValidAmalgamation;
use openpgp::crypto::mpi::PublicKey;
use openpgp::packet::Key;
use openpgp::packet::key::{PublicParts, UnspecifiedRole};
use openpgp::parse::{PacketParserBuilder, PacketParserResult, Parse};
use openpgp::policy::{Policy, StandardPolicy};
use openpgp::serialize::{Serialize as _, SerializeInto};
use openpgp::types::{Curve, RevocationStatus};
use serde::{Deserialize, Serialize};

use crate::id::Fingerprint;
use crate::time::Timestamp;

/// The largest certificate that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Keys and User IDs of one certificate, and its own signatures: more are a denial of service, not a person.
const MAX_KEYS: usize = 32;
const MAX_USER_IDS: usize = 128;
const MAX_SIGNATURES: usize = 1000;

/// The last second that OpenPGP can express: seen from there, the newest self-signatures speak.
const END: Timestamp = Timestamp::from_secs(u32::MAX as i64);

/// Why bytes are not a certificate that can be used. For people: what, why, what next.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// More than [`MAX_BYTES`].
    #[error(
        "the certificate is larger than 1 MiB, which is more than the relay reads: export it without other people's signatures (gpg --export-options export-minimal)"
    )]
    TooLarge,
    /// More keys, User IDs or signatures than a certificate can sensibly have.
    #[error("the certificate has too many {0} to be checked in bounded time: export a minimal one")]
    TooMany(&'static str),
    /// Secret key material. It is dropped and not kept.
    #[error(
        "this is a secret key, and the relay must never see one: export the public certificate (gpg --export --armor), and consider whether the secret key has now been exposed"
    )]
    SecretKey,
    /// More than one certificate.
    #[error("there are {0} certificates where one belongs: export exactly one, by its full fingerprint")]
    Several(usize),
    /// Nothing that reads as an OpenPGP certificate.
    #[error("this is not an OpenPGP certificate: it should start with -----BEGIN PGP PUBLIC KEY BLOCK-----")]
    NotOpenPgp,
    /// A key version other than 4 and 6.
    #[error("the certificate is of a version that is not in use: make a new key (version 4 or 6)")]
    Version,
    /// An update for another certificate.
    #[error("the update is for {update}, not for {ours}: a different key has to be set, not merged")]
    Different {
        /// The certificate to be updated.
        ours: Fingerprint,
        /// What the update is for.
        update: Fingerprint,
    },
}

/// Why a certificate cannot be encrypted to at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum CertProblem {
    /// The certificate or its last encryption key has expired.
    #[error("expired since {since}: ask for the extended certificate")]
    Expired {
        /// When it expired.
        since: Timestamp,
    },
    /// The certificate or its last encryption key is revoked.
    #[error("revoked by its owner: ask for the new certificate")]
    Revoked,
    /// Made for a time that has not come yet.
    #[error("not valid yet: check the clocks")]
    NotYetValid,
    /// Nothing in it is meant for encryption.
    #[error("without a key for encryption: ask for a certificate with an encryption subkey")]
    NoEncryptionKey,
    /// Its algorithms are no longer safe.
    #[error("too weak (an obsolete algorithm, a short key, or bound by an obsolete hash): ask for a new key")]
    Weak,
    /// The library refused the key for another reason, for instance an unsupported algorithm.
    #[error("of a kind that cannot be encrypted to: ask for another key")]
    Unusable,
}

/// How a copy for a certificate is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// PKESK version 3 and SEIPD version 1: what everybody reads.
    V1,
    /// PKESK version 6 and SEIPD version 2 (AES-256, OCB): what version 6 certificates demand.
    V2,
}

/// One certificate, public parts only. `Debug` shows the fingerprint.
#[derive(Clone)]
pub struct Cert {
    inner: openpgp::Cert,
    fingerprint: Fingerprint,
}

impl Cert {
    /// Reads exactly one public certificate, armored or binary.
    ///
    /// Work is bounded before anything is verified: size, number of components, no nested packets. Other people's
    /// signatures are left out, they are never looked at. So are revocations by designated revokers.
    ///
    /// # Errors
    /// [`CertError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertError> {
        if bytes.len() > MAX_BYTES {
            return Err(CertError::TooLarge);
        }
        let armors = count(bytes, b"-----BEGIN PGP ");
        if armors > 1 {
            return Err(CertError::Several(armors));
        }
        let packets = own_packets(bytes)?;
        let inner = openpgp::Cert::from_packets(packets.into_iter()).map_err(|_| CertError::NotOpenPgp)?;
        Self::from_openpgp(inner)
    }

    /// The identity.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Binary, for storing.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing to memory cannot fail, and what was parsed can be written.
        let _ = self.inner.serialize(&mut out);
        out
    }

    /// ASCII-armored, for people. The checksum is optional since RFC 9580 §6.1, old readers take both.
    #[must_use]
    pub fn armored(&self) -> String {
        let bytes = self.inner.armored().to_vec().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The addresses in its User IDs, each once, as written there; that of the primary User ID first.
    #[must_use]
    pub fn emails(&self) -> Vec<String> {
        let policy = lenient();
        let primary =
            self.inner.with_policy(&policy, END.system()).and_then(|valid| valid.primary_userid()).ok();
        let ids = primary.iter().map(|id| id.userid()).chain(self.inner.userids().map(|id| id.userid()));
        let mut emails = Vec::new();
        for email in ids.filter_map(|id| id.email().ok().flatten()) {
            if !emails.iter().any(|known| known == email) {
                emails.push(email.to_owned());
            }
        }
        emails
    }

    /// Whether it can be encrypted to at that time under the standard policy.
    ///
    /// # Errors
    /// [`CertProblem`] says why not.
    pub fn sealable(&self, at: Timestamp) -> Result<(), CertProblem> {
        self.encryption_key(at).map(|_| ())
    }

    /// When its primary key was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        Timestamp::from_system(self.inner.primary_key().key().creation_time())
    }

    /// When it stops being of use: the earlier of its own expiry and that of its longest-lived encryption key.
    /// `None`: never.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        let policy = lenient();
        let valid = self.inner.with_policy(&policy, END.system()).ok()?;
        let own = valid.primary_key().key_expiration_time().map(Timestamp::from_system);
        let ends: Vec<_> = valid
            .keys()
            .for_transport_encryption()
            .for_storage_encryption()
            .map(|key| key.key_expiration_time().map(Timestamp::from_system))
            .collect();
        let keys = if ends.iter().any(Option::is_none) { None } else { ends.into_iter().flatten().max() };
        own.into_iter().chain(keys).min()
    }

    /// The format of copies for it: version 6 certificates take [`Format::V2`] only (RFC 9580 §5.1), version 4 ones
    /// [`Format::V1`] unless the contact chose otherwise. What the certificate advertises does not count: some
    /// programs advertise what their keys' other users cannot read.
    #[must_use]
    pub fn format(&self, chosen: Option<Format>) -> Format {
        match self.fingerprint {
            Fingerprint::V6(_) => Format::V2,
            Fingerprint::V4(_) => chosen.unwrap_or(Format::V1),
        }
    }

    /// The certificate with what is new in `update`: extended expiry, new subkeys, revocations.
    ///
    /// # Errors
    /// [`CertError::Different`] for another certificate; the limits of [`Cert::parse`] hold for the result.
    pub fn merge(&self, update: &Self) -> Result<Self, CertError> {
        let different = CertError::Different { ours: self.fingerprint, update: update.fingerprint };
        if self.fingerprint != update.fingerprint {
            return Err(different);
        }
        let merged = self.inner.clone().merge_public(update.inner.clone()).map_err(|_| different)?;
        Self::parse(&Self::from_openpgp(merged)?.to_bytes())
    }

    pub(super) fn from_openpgp(inner: openpgp::Cert) -> Result<Self, CertError> {
        let fingerprint = identity(&inner.fingerprint()).ok_or(CertError::Version)?;
        Ok(Self { inner: inner.strip_secret_key_material(), fingerprint })
    }

    pub(super) fn openpgp(&self) -> &openpgp::Cert {
        &self.inner
    }

    /// The newest living encryption key at that time: a copy gets exactly one PKESK.
    pub(super) fn encryption_key(
        &self,
        at: Timestamp,
    ) -> Result<Key<PublicParts, UnspecifiedRole>, CertProblem> {
        let policy = standard(at);
        if Timestamp::from_system(self.inner.primary_key().key().creation_time()) > at {
            return Err(CertProblem::NotYetValid);
        }
        let valid = self.inner.with_policy(&policy, at.system()).map_err(|_| self.why_refused())?;
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
            .max_by_key(|key| key.key().creation_time())
            .map(|key| key.key().clone())
            .ok_or_else(|| self.why_no_key(&policy, at))
    }

    /// A curve that the library does not know, such as secp256k1, is not weak.
    fn why_refused(&self) -> CertProblem {
        let primary = self.inner.primary_key();
        match primary.key().mpis() {
            PublicKey::ECDSA { curve: Curve::Unknown(_), .. }
            | PublicKey::EdDSA { curve: Curve::Unknown(_), .. } => CertProblem::Unusable,
            _ => CertProblem::Weak,
        }
    }

    fn why_no_key(&self, policy: &dyn Policy, at: Timestamp) -> CertProblem {
        let all = |policy: &dyn Policy| -> Vec<(bool, Option<Timestamp>)> {
            let Ok(valid) = self.inner.with_policy(policy, at.system()) else { return Vec::new() };
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
        let keys = all(policy);
        let expired = keys.iter().filter(|(revoked, _)| !revoked).filter_map(|(_, end)| *end).max();
        match expired {
            Some(since) if since <= at => CertProblem::Expired { since },
            _ if keys.iter().any(|(revoked, _)| *revoked) => CertProblem::Revoked,
            _ if !keys.is_empty() => CertProblem::Unusable,
            _ if !all(&lenient()).is_empty() => CertProblem::Weak,
            _ => CertProblem::NoEncryptionKey,
        }
    }
}

impl fmt::Debug for Cert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cert({})", self.fingerprint)
    }
}

/// Sequoia's standard policy as it stands at `at`: it never asks the wall clock.
pub(super) fn standard(at: Timestamp) -> StandardPolicy<'static> {
    StandardPolicy::at(at.system())
}

/// The standard policy as it would have been at the epoch, before anything was obsolete: only ever to tell *why* the
/// present one refuses, and where nothing depends on the answer's strength.
pub(super) fn lenient() -> StandardPolicy<'static> {
    standard(Timestamp::from_secs(0))
}

pub(super) fn identity(fingerprint: &openpgp::Fingerprint) -> Option<Fingerprint> {
    match fingerprint {
        openpgp::Fingerprint::V4(_) | openpgp::Fingerprint::V6(_) => {
            Fingerprint::from_bytes(fingerprint.as_bytes())
        }
        _ => None,
    }
}

/// The packets of one certificate without foreign signatures, counted before anything is computed over them.
fn own_packets(bytes: &[u8]) -> Result<Vec<Packet>, CertError> {
    let (mut keys, mut ids, mut signatures) = (Vec::new(), 0, Vec::new());
    let mut primaries = 0;
    let mut kept = Vec::new();
    // Depth 0: nothing is decompressed or entered.
    let mut next = PacketParserBuilder::from_bytes(bytes)
        .and_then(|builder| builder.max_recursion_depth(0).build())
        .map_err(|_| CertError::NotOpenPgp)?;
    while let PacketParserResult::Some(parser) = next {
        let (packet, rest) = parser.next().map_err(|_| CertError::NotOpenPgp)?;
        next = rest;
        match &packet {
            Packet::SecretKey(_) | Packet::SecretSubkey(_) => return Err(CertError::SecretKey),
            Packet::PublicKey(key) => {
                primaries += 1;
                keys.push(key.key_handle());
            }
            Packet::PublicSubkey(key) => keys.push(key.key_handle()),
            Packet::UserID(_) | Packet::UserAttribute(_) => ids += 1,
            Packet::Signature(signature) => signatures.push((kept.len(), signature.get_issuers())),
            Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_) => continue,
            Packet::Unknown(unknown) if !unknown.tag().is_critical() => continue,
            Packet::Unknown(unknown) if unknown.tag() == openpgp::packet::Tag::Signature => continue,
            _ => return Err(CertError::NotOpenPgp),
        }
        kept.push(Some(packet));
        check_counts(primaries, keys.len(), ids)?;
    }
    let mut own = 0;
    for (index, issuers) in signatures {
        if issuers.is_empty() || issuers.iter().any(|issuer| keys.iter().any(|key| key.aliases(issuer))) {
            own += 1;
        } else if let Some(packet) = kept.get_mut(index) {
            *packet = None;
        }
    }
    match (primaries, own) {
        (0, _) => Err(CertError::NotOpenPgp),
        (1, 0..=MAX_SIGNATURES) => Ok(kept.into_iter().flatten().collect()),
        (1, _) => Err(CertError::TooMany("signatures")),
        (several, _) => Err(CertError::Several(several)),
    }
}

fn check_counts(primaries: usize, keys: usize, ids: usize) -> Result<(), CertError> {
    // Several certificates are counted to their end, so that the message can say how many there are.
    match (primaries, keys, ids) {
        (2.., ..) => Ok(()),
        (_, 0..=MAX_KEYS, 0..=MAX_USER_IDS) => Ok(()),
        (_, 0..=MAX_KEYS, _) => Err(CertError::TooMany("User IDs")),
        _ => Err(CertError::TooMany("keys")),
    }
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}
