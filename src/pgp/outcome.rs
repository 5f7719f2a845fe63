//! The names of what opening a mail can come to.

use crate::id::Fingerprint;
use crate::time::Timestamp;

/// Why a mail was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Encrypted, but to no key of this list.
    NoKey,
    /// It did not decrypt intact to its end. One name for every kind of tampering: details would make an oracle.
    Damaged,
    /// Decompresses to more than the limit.
    TooLarge,
    /// Asks for more private key operations than the limit.
    TooManyKeys,
    /// An encrypted message inside the encrypted message.
    Nested,
    /// Encrypted and clear parts side by side, or several encrypted ones: never decrypted.
    Mixed,
    /// No encrypted OpenPGP message.
    NotOpenPgp,
    /// Packets or MIME parts too many or too deep.
    TooComplex,
    /// Encrypted without integrity protection, or with a cipher that is not safe or not known here.
    Weak,
}

/// How a mail was protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// PGP/MIME (RFC 3156 §4), opened.
    PgpMime,
    /// Inline armor as the sole content, opened.
    Inline,
    /// Not encrypted.
    Clear,
    /// Encrypted in some way and not opened.
    Closed(Closed),
}

/// Whose signature covers the whole payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid, by one known certificate, over everything.
    Good {
        /// The certificate.
        signer: Fingerprint,
        /// When it signed.
        made_at: Timestamp,
    },
    /// No signature.
    Unsigned,
    /// By keys that are not known here: their fingerprints or key ids, in hex.
    UnknownKey(Vec<String>),
    /// A signature that does not count.
    Bad(Why),
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It does not match, or cannot be read.
    Invalid,
    /// The certificate or its signing key had expired when signing.
    ExpiredWhenSigning,
    /// The certificate or its signing key expired between signing and arrival.
    ExpiredSince,
    /// The signature has a term of its own, which was over at arrival.
    SignatureExpired,
    /// The certificate or its signing key was superseded or retired when signing.
    RevokedWhenSigning,
    /// The certificate or its signing key was superseded or retired between signing and arrival.
    RevokedSince,
    /// The certificate or its signing key is revoked as compromised, or without a reason, whenever that was: nothing that
    /// it ever signed counts (RFC 9580 §5.2.3.31).
    RevokedHard,
    /// The certificate did not hold the key at that time: it was bound later, or without its own consent (RFC 9580
    /// §5.2.1.9).
    Unbound,
    /// The key is not one for signing mail (RFC 9580 §5.2.3.29).
    NotForSigning,
    /// An obsolete hash or a short key.
    Weak,
    /// It says that it does not count for whoever does not know some term in it, which is not known here (RFC 9580
    /// §5.2.3.7).
    Condition,
    /// It covers only a part.
    PartialCover,
    /// Valid signatures of several certificates.
    SeveralSigners,
    /// Signed in several layers.
    Nested,
    /// Its Intended Recipients do not include this list: somebody passed it on.
    ForSomeoneElse,
    /// Made more than 7 days before arrival.
    Stale,
    /// Made more than 5 minutes after arrival.
    Future,
    /// Made by the list itself, which posts nothing.
    NotASigner,
}

impl Why {
    /// Every one.
    pub const ALL: [Self; 18] = [
        Self::Invalid,
        Self::ExpiredWhenSigning,
        Self::ExpiredSince,
        Self::SignatureExpired,
        Self::RevokedWhenSigning,
        Self::RevokedSince,
        Self::RevokedHard,
        Self::Unbound,
        Self::NotForSigning,
        Self::Weak,
        Self::Condition,
        Self::PartialCover,
        Self::SeveralSigners,
        Self::Nested,
        Self::ForSomeoneElse,
        Self::Stale,
        Self::Future,
        Self::NotASigner,
    ];
}

impl Closed {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::NoKey,
        Self::Damaged,
        Self::TooLarge,
        Self::TooManyKeys,
        Self::Nested,
        Self::Mixed,
        Self::NotOpenPgp,
        Self::TooComplex,
        Self::Weak,
    ];
}
