//! A member's certificate: parsed with bounded work, public parts only. Whether it can be encrypted to: `usable.rs`.

use std::fmt;

use sequoia_openpgp as openpgp;

use openpgp::packet::Signature;
use openpgp::parse::{PacketParserBuilder, PacketParserResult, Parse};
use openpgp::policy::StandardPolicy;
use openpgp::serialize::{Serialize as _, SerializeInto};
use openpgp::{KeyHandle, Packet};
use serde::{Deserialize, Serialize};

use super::subpackets::is_overloaded;
use crate::id::Fingerprint;
use crate::time::Timestamp;

/// The largest certificate that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Keys and User IDs of one certificate, and its own signatures: more are a denial of service, not a person.
const MAX_KEYS: usize = 32;
const MAX_USER_IDS: usize = 128;
const MAX_SIGNATURES: usize = 1000;
/// Revocations without their certificate.
const MAX_ALONE: usize = 32;

/// The last second that OpenPGP can express: seen from there, the newest self-signatures speak.
pub(super) const END: Timestamp = Timestamp::from_secs(u32::MAX as i64);

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
    /// A key of more bits than are verified in bounded time.
    #[error(
        "the certificate has too large a key (RSA above 8192 bits, DSA above 3072): make a new key of a usual size"
    )]
    TooLargeKey,
    /// Secret key material. It is dropped and not kept.
    #[error(
        "this is a secret key, and the relay must never see one: export the public certificate (gpg --export --armor), and consider whether the secret key has now been exposed"
    )]
    SecretKey,
    /// More than one certificate.
    #[error("there are {0} certificates where one belongs: export exactly one, by its full fingerprint")]
    Several(usize),
    /// Several certificates, and the pinned one is none of them.
    #[error(
        "there are {count} certificates, and none of them is {pinned}, which is pinned: export exactly one, by its full fingerprint"
    )]
    NoneOf {
        /// How many there are.
        count: usize,
        /// The one that is on the roster.
        pinned: Fingerprint,
    },
    /// A revocation that the certificate's key did not make.
    #[error("the revocation was not made by the key {0}: it revokes nothing here")]
    NotItsRevocation(Fingerprint),
    /// The pinned certificate's revocation together with another certificate.
    #[error(
        "there is a revocation of {pinned}, which is pinned, together with the certificate {other}: set the revocation first, then the certificate, each from a file of its own"
    )]
    Transition {
        /// The one that is on the roster.
        pinned: Fingerprint,
        /// The other one.
        other: Fingerprint,
    },
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
        let Held { mut certs, alone } = Held::read(bytes)?;
        match (certs.pop(), certs.len()) {
            (None, _) => Err(CertError::NotOpenPgp),
            (Some(only), 0) if alone.is_empty() => Self::from_own(only),
            // In a block of its own beside the certificate: whoever wrote it meant it.
            (Some(only), 0) => Self::from_own(only)?.revoked_by(alone),
            (Some(_), more) => Err(CertError::Several(more.saturating_add(1))),
        }
    }

    /// The packets of one certificate, without other people's signatures, and without what its owner did not bind to it:
    /// keys and User IDs can be appended by anybody, and would pass for the owner's.
    pub(super) fn from_own(packets: Vec<Packet>) -> Result<Self, CertError> {
        let inner =
            openpgp::Cert::from_packets(own(packets)?.into_iter()).map_err(|_| CertError::NotOpenPgp)?;
        let inner = inner
            .retain_userids(|id| {
                id.self_signatures().next().is_some() || id.self_revocations().next().is_some()
            })
            .retain_subkeys(|key| {
                key.self_signatures().next().is_some() || key.self_revocations().next().is_some()
            });
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

    /// Whether this fingerprint or key id, in hex, is of one of its keys.
    #[must_use]
    pub fn has_key(&self, hex: &str) -> bool {
        let Ok(handle) = hex.parse::<KeyHandle>() else { return false };
        self.inner.keys().any(|key| key.key().key_handle().aliases(&handle))
    }

    /// When its primary key was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        Timestamp::from_system(self.inner.primary_key().key().creation_time())
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

/// What a file holds, counted before anything is computed over it.
pub(super) struct Held {
    /// Each certificate by itself.
    pub(super) certs: Vec<Vec<Packet>>,
    /// Signatures that stand alone, in front of any certificate: a revocation may.
    pub(super) alone: Vec<Signature>,
}

impl Held {
    /// Reads armored blocks one behind the other, or binary packets.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, CertError> {
        if bytes.len() > MAX_BYTES {
            return Err(CertError::TooLarge);
        }
        let mut held = Self { certs: Vec::new(), alone: Vec::new() };
        for block in blocks(bytes) {
            held.block(block)?;
        }
        Ok(held)
    }

    fn block(&mut self, bytes: &[u8]) -> Result<(), CertError> {
        let mut cert: Option<Vec<Packet>> = None;
        let (mut keys, mut ids) = (0, 0);
        // Depth 0: nothing is decompressed or entered.
        let mut next = PacketParserBuilder::from_bytes(bytes)
            .and_then(|builder| builder.max_recursion_depth(0).build())
            .map_err(|_| CertError::NotOpenPgp)?;
        while let PacketParserResult::Some(parser) = next {
            let (packet, rest) = parser.next().map_err(|_| CertError::NotOpenPgp)?;
            next = rest;
            match &packet {
                Packet::SecretKey(_) | Packet::SecretSubkey(_) => return Err(CertError::SecretKey),
                Packet::PublicKey(_) => {
                    self.certs.extend(cert.replace(Vec::new()));
                    (keys, ids) = (1, 0);
                }
                Packet::PublicSubkey(_) => keys += 1,
                Packet::UserID(_) | Packet::UserAttribute(_) => ids += 1,
                Packet::Signature(_) if is_overloaded(&packet) => {
                    return Err(CertError::TooMany("subpackets"));
                }
                Packet::Signature(_) => {}
                Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_) => continue,
                Packet::Unknown(unknown) if !unknown.tag().is_critical() => continue,
                Packet::Unknown(unknown) if unknown.tag() == openpgp::packet::Tag::Signature => continue,
                _ => return Err(CertError::NotOpenPgp),
            }
            check_counts(keys, ids)?;
            match (&mut cert, packet) {
                (Some(cert), packet) => cert.push(packet),
                (None, Packet::Signature(signature)) if self.alone.len() < MAX_ALONE => {
                    self.alone.push(signature);
                }
                (None, _) => return Err(CertError::NotOpenPgp),
            }
        }
        self.certs.extend(cert);
        Ok(())
    }
}

/// The armored blocks, each from its first line on; else the whole, which is binary.
pub(super) fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN PGP ";
    // RFC 9580 §6.2: it begins a line. What GnuPG keeps against a lost key has a colon in front, lest it be used.
    let begins = |at: &usize| at.checked_sub(1).is_none_or(|before| bytes.get(before) == Some(&b'\n'));
    let found = bytes.windows(BEGIN.len()).enumerate().filter(|(_, window)| *window == BEGIN);
    let mut starts: Vec<usize> = found.map(|(at, _)| at).filter(begins).collect();
    if starts.is_empty() {
        starts.push(0);
    }
    let ends = starts.iter().copied().skip(1).chain([bytes.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| bytes.get(*start..end)).collect()
}

/// Leaves other people's signatures out.
pub(super) fn own(packets: Vec<Packet>) -> Result<Vec<Packet>, CertError> {
    let handles = |packet: &Packet| match packet {
        Packet::PublicKey(key) => Some(key.key_handle()),
        Packet::PublicSubkey(key) => Some(key.key_handle()),
        _ => None,
    };
    let keys: Vec<KeyHandle> = packets.iter().filter_map(handles).collect();
    let mut signatures = 0;
    let own = |packet: &Packet| {
        let Packet::Signature(signature) = packet else { return true };
        let issuers = signature.get_issuers();
        let own = issuers.is_empty() || issuers.iter().any(|issuer| keys.iter().any(|k| k.aliases(issuer)));
        signatures += usize::from(own);
        own
    };
    let kept = packets.into_iter().filter(own).collect();
    if signatures > MAX_SIGNATURES { Err(CertError::TooMany("signatures")) } else { Ok(kept) }
}

fn check_counts(keys: usize, ids: usize) -> Result<(), CertError> {
    match (keys, ids) {
        (0..=MAX_KEYS, 0..=MAX_USER_IDS) => Ok(()),
        (0..=MAX_KEYS, _) => Err(CertError::TooMany("User IDs")),
        _ => Err(CertError::TooMany("keys")),
    }
}
