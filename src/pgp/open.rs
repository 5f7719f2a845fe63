//! Opening one arrived mail: decrypted to its last byte and verified, or closed with a reason.
//!
//! What comes out is an [`Opened`]: how the mail was protected, whose signature covers it, and the payload. Only
//! [`open_by`] makes one, so holding it proves that integrity was checked to the end before anything was released.
//!
//! ```compile_fail
//! use vouchsafe::{pgp::open::{How, Opened, OwnSignature, Verdict}, secret::Plaintext};
//! let forged = Opened { how: How::PgpMime, verdict: Verdict::Unsigned, payload: Plaintext::new(Vec::new()),
//!     text_beside: false, signatures: Vec::new(), session: None, own: OwnSignature::None };
//! ```

use std::sync::Arc;

use sequoia_openpgp::crypto::SessionKey;
use sha2::{Digest, Sha256};

use super::cert::Cert;
use super::decrypt::{Bounds, Content, Keys, decrypt};
pub use super::detached::{DetachedSignature, Loss, OwnSignature};
use super::keys::{ListKey, SpoolKeys};
pub use super::outcome::{Closed, How, Verdict, Why};
use super::sealed::{AtRest, Sealed};
use super::verdict::Judge;
pub use super::verdict::Signers;
use crate::mime;
use crate::mime::read::{Message, Shape, signed_parts};
use crate::mime::scan::{header, scan};
use crate::mime::signed::inner_signatures;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// What opening one mail may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of decrypted and decompressed payload.
    pub decompressed: usize,
    /// Private key operations for one mail.
    pub pkesks: usize,
    /// How deep OpenPGP packets may lie in each other.
    pub nesting: usize,
    /// Those of the MIME scan, for the decrypted payload, too.
    pub mime: mime::scan::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { decompressed: 200 * 1024 * 1024, pkesks: 32, nesting: 4, mime: mime::scan::Limits::default() }
    }
}

/// Why a spooled mail did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// No spool key fits.
    #[error(
        "no spool key opens this mail: the key it was sealed to is gone; restore keys/spool from a backup"
    )]
    NoKey,
    /// It was altered or cut since it was sealed.
    #[error(
        "the spooled mail is damaged: look at the disk, and restore the data directory from a backup if there is one"
    )]
    Damaged,
    /// Larger than the limit.
    #[error(
        "the spooled mail is larger than the limit: raise the message limit to what it was when the mail came"
    )]
    TooLarge,
}

/// Unlocks a spooled mail with the relay's own keys, at most `limit` bytes of it.
///
/// # Errors
/// [`UnlockError`] says why not; nothing of the mail is released then.
pub fn unlock(sealed: &Sealed<AtRest>, keys: &SpoolKeys, limit: usize) -> Result<Plaintext, UnlockError> {
    let bounds = Bounds { plaintext: limit, attempts: keys.opening.len().max(1), nesting: 1 };
    // The policy of the time when the newest key was made: it allowed what we write.
    let at = keys.newest().made_at();
    match decrypt(sealed.as_bytes(), &Keys::Secret(&keys.opening), bounds, at, None) {
        Ok(content) => Ok(content.bytes),
        Err(Closed::NoKey) => Err(UnlockError::NoKey),
        Err(Closed::TooLarge) => Err(UnlockError::TooLarge),
        Err(_) => Err(UnlockError::Damaged),
    }
}

/// One mail, opened to its end or closed with a reason. Only [`open`] makes one.
pub struct Opened {
    how: How,
    verdict: Verdict,
    payload: Plaintext,
    text_beside: bool,
    signatures: Vec<Vec<u8>>,
    session: Option<SessionKey>,
    own: OwnSignature,
}

/// Opens one mail whose signers have a certificate each: see [`open_by`].
#[must_use]
pub fn open(
    message: &Message<'_>,
    key: &ListKey,
    certs: &[Arc<Cert>],
    arrived: Timestamp,
    limits: &Limits,
) -> Opened {
    open_by(message, key, Signers { certs, are_one: &|_| false }, arrived, limits)
}

/// Opens one mail: decrypts what may be decrypted, reads it to its last byte, verifies against `signers` as of
/// `arrived`. It never fails: what cannot be opened is [`How::Closed`] with the whole mail as payload.
#[must_use]
pub fn open_by(
    message: &Message<'_>,
    key: &ListKey,
    signers: Signers<'_>,
    arrived: Timestamp,
    limits: &Limits,
) -> Opened {
    let judge = Judge::new(&key.own, signers, arrived);
    let (how, opened) = match message.shape() {
        Shape::PgpMime { ciphertext, .. } => {
            (How::PgpMime, opened_mime(ciphertext, key, &judge, arrived, limits))
        }
        Shape::Inline { armor } => (How::Inline, opened_inline(armor, key, &judge, arrived, limits)),
        Shape::Signed => {
            (How::Clear, Ok(clear(message.raw(), multipart_signed(message.raw(), &judge, limits))))
        }
        Shape::Clear => (How::Clear, Ok(clear(message.raw(), Ok(part_signed(message.raw(), limits))))),
        Shape::Mixed => (How::Closed(Closed::Mixed), Err(Closed::Mixed)),
    };
    match opened {
        Ok(Inner { payload, verdict, signatures, session, own }) => {
            let text_beside = matches!(message.shape(), Shape::PgpMime { beside: Some(_), .. });
            Opened { how, verdict, payload, text_beside, signatures, session, own }
        }
        Err(closed) => Opened {
            how: How::Closed(closed),
            verdict: Verdict::Unsigned,
            payload: Plaintext::new(message.raw().to_vec()),
            text_beside: false,
            signatures: Vec::new(),
            session: None,
            own: OwnSignature::None,
        },
    }
}

impl Opened {
    /// How the mail was protected, or why it stayed closed.
    #[must_use]
    pub fn how(&self) -> How {
        self.how
    }

    /// Whose signature covers the payload.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The decrypted MIME entity ([`How::PgpMime`]), the decrypted text ([`How::Inline`]), or the whole mail as it
    /// came ([`How::Clear`], [`How::Closed`]).
    #[must_use]
    pub fn payload(&self) -> &Plaintext {
        &self.payload
    }

    /// Whether a text in the clear came in front of what was opened; it is no part of the payload.
    #[must_use]
    pub fn text_beside(&self) -> bool {
        self.text_beside
    }

    /// The digest of the first valid signature, for recognising a replay. Neither unhashed subpackets nor fresh
    /// encryption change it.
    #[must_use]
    pub fn signature_digest(&self) -> Option<&[u8]> {
        self.signatures.first().map(Vec::as_slice)
    }

    /// The digests of all valid signatures. A replay may carry any one of them.
    pub fn signature_digests(&self) -> impl Iterator<Item = &[u8]> {
        self.signatures.iter().map(Vec::as_slice)
    }

    /// SHA-256 over session key and payload digest: the same ciphertext seen again, signed or not. Computed when it is
    /// asked for: the payload may be large.
    #[must_use]
    pub fn session_digest(&self) -> Option<[u8; 32]> {
        self.session.as_ref().map(|session| session_digest(session, &self.payload))
    }

    /// The author's own signature, where it counts or is by a key that is not known here.
    #[must_use]
    pub fn own_signature(&self) -> &OwnSignature {
        &self.own
    }

    /// The same over exactly the payload, where mail and signature were one message and it can stand beside the payload.
    #[must_use]
    pub fn detached_signature(&self) -> Option<&DetachedSignature> {
        match &self.own {
            OwnSignature::Beside(signature) => Some(signature),
            OwnSignature::None | OwnSignature::Within | OwnSignature::Lost(_) => None,
        }
    }
}

struct Inner {
    payload: Plaintext,
    verdict: Verdict,
    signatures: Vec<Vec<u8>>,
    session: Option<SessionKey>,
    own: OwnSignature,
}

type Judged = (Verdict, Vec<Vec<u8>>);

/// RFC 3156 §6: signed and encrypted in one step (§6.2), or a multipart/signed inside (§6.1), but not both.
fn opened_mime(
    ciphertext: &[u8],
    key: &ListKey,
    judge: &Judge<'_>,
    arrived: Timestamp,
    limits: &Limits,
) -> Result<Inner, Closed> {
    let content = decrypted(ciphertext, key, judge, arrived, limits)?;
    let inner = multipart_signed(content.bytes.expose(), judge, limits)?;
    let (combined, within) = (content.signatures.findings.len(), inner.is_some());
    let (verdict, signatures) = match inner {
        _ if content.signatures.nested => (Verdict::Bad(Why::Nested), Vec::new()),
        Some(_) if combined > 0 => (Verdict::Bad(Why::Nested), Vec::new()),
        Some(judged) => judged,
        None if combined > 0 => judge.combine(content.signatures.findings),
        None => part_signed(content.bytes.expose(), limits).unwrap_or((Verdict::Unsigned, Vec::new())),
    };
    let own = match content.signatures.detached {
        _ if !is_passable(&verdict) => OwnSignature::None,
        _ if within => OwnSignature::Within,
        Some(own) if own.stands_beside(content.bytes.expose()) => OwnSignature::Beside(own),
        Some(_) => OwnSignature::Lost(Loss::LineEnds),
        None if combined > 1 => OwnSignature::Lost(Loss::Several),
        None => OwnSignature::Lost(Loss::Obsolete),
    };
    Ok(Inner { session: Some(content.session), payload: content.bytes, verdict, signatures, own })
}

/// Whether a signature can convince anybody.
const fn is_passable(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Good { .. } | Verdict::UnknownKey(_))
}

fn opened_inline(
    armor: &[u8],
    key: &ListKey,
    judge: &Judge<'_>,
    arrived: Timestamp,
    limits: &Limits,
) -> Result<Inner, Closed> {
    let content = decrypted(armor, key, judge, arrived, limits)?;
    let (verdict, signatures) = if content.signatures.nested {
        (Verdict::Bad(Why::Nested), Vec::new())
    } else {
        judge.combine(content.signatures.findings)
    };
    let own = if is_passable(&verdict) { OwnSignature::Lost(Loss::Inline) } else { OwnSignature::None };
    Ok(Inner { session: Some(content.session), payload: content.bytes, verdict, signatures, own })
}

fn decrypted(
    ciphertext: &[u8],
    key: &ListKey,
    judge: &Judge<'_>,
    arrived: Timestamp,
    limits: &Limits,
) -> Result<Content, Closed> {
    let bounds = Bounds { plaintext: limits.decompressed, attempts: limits.pkesks, nesting: limits.nesting };
    decrypt(ciphertext, &Keys::Secret(&key.opening), bounds, arrived, Some(judge))
}

fn clear(raw: &[u8], judged: Result<Option<Judged>, Closed>) -> Inner {
    let (verdict, signatures) = match judged {
        Ok(Some(judged)) => judged,
        Ok(None) => (Verdict::Unsigned, Vec::new()),
        Err(_) => (Verdict::Bad(Why::Invalid), Vec::new()),
    };
    let own = if is_passable(&verdict) { OwnSignature::Within } else { OwnSignature::None };
    Inner { payload: Plaintext::new(raw.to_vec()), verdict, signatures, session: None, own }
}

/// RFC 3156 §5: the verdict of an entity whose root is multipart/signed; `None` for any other.
fn multipart_signed(entity: &[u8], judge: &Judge<'_>, limits: &Limits) -> Result<Option<Judged>, Closed> {
    let scanned = scan(entity, &limits.mime).map_err(|_| Closed::TooComplex)?;
    match signed_parts(scanned) {
        Some(parts) if parts.nested => Ok(Some((Verdict::Bad(Why::Nested), Vec::new()))),
        Some(parts) => Ok(Some(judge.combine(judge.detached(&parts.signature, parts.signed)))),
        // It says that it is signed, and its form says that the signature does not cover it.
        None if claims_signature(entity) => Ok(Some((Verdict::Bad(Why::PartialCover), Vec::new()))),
        None => Ok(None),
    }
}

/// The verdict of what nobody signed as a whole, where a signature is around some part of it.
fn part_signed(entity: &[u8], limits: &Limits) -> Option<Judged> {
    let inside = inner_signatures(scan(entity, &limits.mime).ok()?);
    inside.parts.then(|| (Verdict::Bad(Why::PartialCover), Vec::new()))
}

fn claims_signature(entity: &[u8]) -> bool {
    let value = header(entity, "Content-Type").unwrap_or_default().to_ascii_lowercase();
    let value = String::from_utf8_lossy(&value);
    value.trim_start().starts_with("multipart/signed") && value.contains("application/pgp-signature")
}

fn session_digest(session: &[u8], payload: &Plaintext) -> [u8; 32] {
    let payload = Sha256::digest(payload.expose());
    Sha256::new().chain_update(session).chain_update(payload).finalize().into()
}
