//! Opening one arrived mail: decrypted to its last byte and verified, or closed with a reason.
//!
//! What comes out is an [`Opened`]: how the mail was protected, whose signature covers it, and the payload. Only
//! [`open`] makes one, so holding it proves that integrity was checked to the end before anything was released.
//!
//! ```compile_fail
//! use vouchsafe::{pgp::open::{How, Opened, Verdict}, secret::Plaintext};
//! let forged = Opened { how: How::PgpMime, verdict: Verdict::Unsigned, payload: Plaintext::new(Vec::new()),
//!     text_beside: false, signatures: Vec::new(), session: None, detached: None };
//! ```

use std::sync::Arc;

use sequoia_openpgp::crypto::SessionKey;
use sha2::{Digest, Sha256};

use super::cert::Cert;
use super::decrypt::{Bounds, Content, Keys, decrypt};
pub use super::detached::DetachedSignature;
use super::detached::is_canonical;
use super::keys::{ListKey, SpoolKeys};
pub use super::outcome::{Closed, How, Verdict, Why};
use super::sealed::{AtRest, Sealed};
use super::verdict::{Judge, combine};
use crate::mime;
use crate::mime::read::{Message, Shape, signed_parts};
use crate::mime::scan::{header, scan};
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
    detached: Option<DetachedSignature>,
}

/// Opens one mail: decrypts what may be decrypted, reads it to its last byte, verifies against `certs` as of
/// `arrived`. It never fails: what cannot be opened is [`How::Closed`] with the whole mail as payload.
#[must_use]
pub fn open(
    message: &Message<'_>,
    key: &ListKey,
    certs: &[Arc<Cert>],
    arrived: Timestamp,
    limits: &Limits,
) -> Opened {
    let judge = Judge::new(&key.own, certs, arrived);
    let (how, opened) = match message.shape() {
        Shape::PgpMime { ciphertext, .. } => {
            (How::PgpMime, opened_mime(ciphertext, key, &judge, arrived, limits))
        }
        Shape::Inline { armor } => (How::Inline, opened_inline(armor, key, &judge, arrived, limits)),
        Shape::Signed => {
            (How::Clear, Ok(clear(message.raw(), multipart_signed(message.raw(), &judge, limits))))
        }
        Shape::Clear => (How::Clear, Ok(clear(message.raw(), Ok(None)))),
        Shape::Mixed => (How::Closed(Closed::Mixed), Err(Closed::Mixed)),
    };
    match opened {
        Ok(Inner { payload, verdict, signatures, session, detached }) => {
            let text_beside = matches!(message.shape(), Shape::PgpMime { beside: Some(_), .. });
            Opened { how, verdict, payload, text_beside, signatures, session, detached }
        }
        Err(closed) => Opened {
            how: How::Closed(closed),
            verdict: Verdict::Unsigned,
            payload: Plaintext::new(message.raw().to_vec()),
            text_beside: false,
            signatures: Vec::new(),
            session: None,
            detached: None,
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

    /// The author's own signature over exactly the payload, where mail and signature were one message (RFC 3156 §6.2)
    /// and it can stand beside the payload: the only signature, one that counts or is by a key that is not known
    /// here, over text in canonical form.
    #[must_use]
    pub fn detached_signature(&self) -> Option<&DetachedSignature> {
        self.detached.as_ref()
    }
}

struct Inner {
    payload: Plaintext,
    verdict: Verdict,
    signatures: Vec<Vec<u8>>,
    session: Option<SessionKey>,
    detached: Option<DetachedSignature>,
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
    let combined = !content.signatures.findings.is_empty();
    let (verdict, signatures) = match inner {
        _ if content.signatures.nested => (Verdict::Bad(Why::Nested), Vec::new()),
        Some(_) if combined => (Verdict::Bad(Why::Nested), Vec::new()),
        Some(judged) => judged,
        None => combine(content.signatures.findings),
    };
    let passable = matches!(verdict, Verdict::Good { .. } | Verdict::UnknownKey(_))
        && is_canonical(content.bytes.expose());
    Ok(Inner {
        session: Some(content.session),
        payload: content.bytes,
        verdict,
        signatures,
        // Beside a multipart/signed inside there is none, or the verdict is bad.
        detached: content.signatures.detached.filter(|_| passable),
    })
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
        combine(content.signatures.findings)
    };
    Ok(Inner {
        session: Some(content.session),
        payload: content.bytes,
        verdict,
        signatures,
        // Bare text is no entity that a multipart/signed could hold as it is.
        detached: None,
    })
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
    Inner { payload: Plaintext::new(raw.to_vec()), verdict, signatures, session: None, detached: None }
}

/// RFC 3156 §5: the verdict of an entity whose root is multipart/signed; `None` for any other.
fn multipart_signed(entity: &[u8], judge: &Judge<'_>, limits: &Limits) -> Result<Option<Judged>, Closed> {
    let scanned = scan(entity, &limits.mime).map_err(|_| Closed::TooComplex)?;
    match signed_parts(scanned) {
        Some(parts) => Ok(Some(combine(judge.detached(&parts.signature, parts.signed)))),
        // It says that it is signed, and its form says that the signature does not cover it.
        None if claims_signature(entity) => Ok(Some((Verdict::Bad(Why::PartialCover), Vec::new()))),
        None => Ok(None),
    }
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
