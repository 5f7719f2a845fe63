//! Sealing: arrivals to the spool, posts to their readers.
//!
//! A post is signed once, encrypted once per class under a fresh session key, and the session key is wrapped to each
//! reader. Then the session key is gone: the relay cannot open its own queue. Each reader's copy is
//! `WrappedKey ++ body`, so nobody sees another reader's key id. Nothing is compressed: compression before encryption
//! is a side channel.
//!
//! Only a [`Signed`] can be sealed to readers, and only [`sign`] makes one:
//!
//! ```compile_fail
//! use vouchsafe::{pgp::seal::seal_to_readers, secret::Plaintext, time::Timestamp};
//! let post = Plaintext::new(b"unsigned".to_vec());
//! let _ = seal_to_readers(&post, &[], Timestamp::from_secs(0));
//! ```
//! ```compile_fail
//! use vouchsafe::{pgp::seal::Signed, secret::Plaintext};
//! let forged = Signed(Plaintext::new(b"unsigned".to_vec()));
//! ```

use std::io::Write;

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::crypto::SessionKey;
use openpgp::packet::key::{PublicParts, UnspecifiedRole};
use openpgp::packet::pkesk::{PKESK3, PKESK6};
use openpgp::packet::{Key, PKESK};
use openpgp::serialize::SerializeInto;
use openpgp::serialize::stream::{Encryptor, LiteralWriter, Message, Signer};
use openpgp::types::{AEADAlgorithm, DataFormat, HashAlgorithm, SymmetricAlgorithm};

use super::cert::{Cert, CertProblem, Format};
use super::keys::{ListKey, SpoolCert};
use super::sealed::{AtRest, Sealed, ToReaders, WrappedKey};
use crate::secret::Plaintext;
use crate::time::Timestamp;

const CIPHER: SymmetricAlgorithm = SymmetricAlgorithm::AES256;
/// What packet headers and tags add to a body, generously: buffers must not grow, growing leaves copies behind.
const OVERHEAD: usize = 64 * 1024;

/// Why something could not be signed or sealed. The texts never hold content.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The list's key cannot sign at this time.
    #[error("the list's key has no living key for signing: see `key ls`, then extend or rotate it")]
    NoSigningKey,
    /// The OpenPGP library failed at a step that does not depend on the content.
    #[error("the OpenPGP library failed to {0}: the mail stays in the spool and is tried again")]
    Library(&'static str),
}

/// Seals an arrived mail to the spool certificate: PKESK version 6 and SEIPD version 2 (AES-256, OCB).
///
/// # Errors
/// [`SealError::Library`] when encryption itself fails.
pub fn seal_at_rest(content: &Plaintext, to: &SpoolCert) -> Result<Sealed<AtRest>, SealError> {
    let session = session_key()?;
    let mut bytes = wrap(&session, &to.key, Format::V2).map_err(|_| SealError::Library("wrap a key"))?;
    let body = encrypt(content.len(), session, Format::V2, |to| {
        let mut literal = LiteralWriter::new(to).format(DataFormat::Binary).build()?;
        literal.write_all(content.expose())?;
        literal.finalize()
    })?;
    bytes.extend_from_slice(&body);
    Sealed::<AtRest>::from_store(bytes).map_err(|_| SealError::Library("frame a mail"))
}

/// A signed OpenPGP message (one-pass signature, literal data, signature), not yet encrypted. Made only by [`sign`].
pub struct Signed(Plaintext);

/// Signs a complete MIME entity with the list's key.
///
/// `intended` goes into Intended Recipient subpackets (RFC 9580 §5.2.3.36); it stays empty on bodies that readers
/// share, or each of them would learn who the others are.
///
/// # Errors
/// [`SealError::NoSigningKey`] when the key has expired or is revoked, [`SealError::Library`] otherwise.
pub fn sign(
    entity: &Plaintext,
    key: &ListKey,
    at: Timestamp,
    intended: &[&Cert],
) -> Result<Signed, SealError> {
    let signer = key.signer(at).ok_or(SealError::NoSigningKey)?;
    let mut out = Vec::with_capacity(entity.len().saturating_add(OVERHEAD));
    let written = (|| {
        let mut signer = Signer::new(Message::new(&mut out), signer)?
            .hash_algo(HashAlgorithm::SHA512)?
            .creation_time(at.system());
        for cert in intended {
            signer = signer.add_intended_recipient(cert.openpgp());
        }
        let mut literal = LiteralWriter::new(signer.build()?).format(DataFormat::Binary).build()?;
        literal.write_all(entity.expose())?;
        literal.finalize()
    })();
    let signed = Signed(Plaintext::new(out));
    written.map(|()| signed).map_err(|_: openpgp::anyhow::Error| SealError::Library("sign"))
}

/// One reader of a post.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// Whom to encrypt to.
    pub cert: &'a Cert,
    /// What the contact chose, if anything: see [`Cert::format`].
    pub format: Option<Format>,
}

/// One reader's copy: `key`, then the body.
pub struct SealedCopy {
    /// Index into the readers that were given.
    pub reader: usize,
    /// Index into [`SealedPost::bodies`].
    pub body: usize,
    /// The body's session key, wrapped to this reader alone.
    pub key: WrappedKey,
}

/// A post, sealed to its readers.
pub struct SealedPost {
    /// At most one per format.
    pub bodies: Vec<Sealed<ToReaders>>,
    /// One per reader with a usable key.
    pub copies: Vec<SealedCopy>,
    /// Readers (indices) without a usable key, and why.
    pub missed: Vec<(usize, CertProblem)>,
}

/// Encrypts once per format and wraps the session key once per reader. A reader whose certificate cannot be used at
/// that time is listed in [`SealedPost::missed`] and is no error for the others.
///
/// # Errors
/// [`SealError::Library`] when encryption of a body fails.
pub fn seal_to_readers(
    signed: &Signed,
    readers: &[Reader<'_>],
    at: Timestamp,
) -> Result<SealedPost, SealError> {
    let mut post = SealedPost { bodies: Vec::new(), copies: Vec::new(), missed: Vec::new() };
    for format in [Format::V1, Format::V2] {
        let class =
            readers.iter().enumerate().filter(|(_, reader)| reader.cert.format(reader.format) == format);
        seal_class(signed, class, format, at, &mut post)?;
    }
    post.copies.sort_by_key(|copy| copy.reader);
    post.missed.sort_by_key(|(reader, _)| *reader);
    Ok(post)
}

fn seal_class<'a>(
    signed: &Signed,
    class: impl Iterator<Item = (usize, &'a Reader<'a>)>,
    format: Format,
    at: Timestamp,
    post: &mut SealedPost,
) -> Result<(), SealError> {
    let session = session_key()?;
    let body = post.bodies.len();
    let mut any = false;
    for (reader, Reader { cert, .. }) in class {
        let wrapped = cert.encryption_key(at).and_then(|key| {
            let bytes = wrap(&session, &key, format).map_err(|_| CertProblem::Unusable)?;
            WrappedKey::from_bytes(bytes).map_err(|_| CertProblem::Unusable)
        });
        match wrapped {
            Ok(key) => {
                post.copies.push(SealedCopy { reader, body, key });
                any = true;
            }
            Err(problem) => post.missed.push((reader, problem)),
        }
    }
    if any {
        // The session key is consumed here, and wiped when the encryptor is dropped.
        let bytes = encrypt(signed.0.len(), session, format, |mut to| {
            to.write_all(signed.0.expose())?;
            to.finalize()
        })?;
        let sealed =
            Sealed::<ToReaders>::from_store(bytes).map_err(|_| SealError::Library("frame a body"))?;
        for copy in post.copies.iter_mut().filter(|copy| copy.body == body) {
            copy.key = copy.key.clone().padded_before(sealed.len());
        }
        post.bodies.push(sealed);
    }
    Ok(())
}

fn session_key() -> Result<SessionKey, SealError> {
    CIPHER.key_size().and_then(SessionKey::new).map_err(|_| SealError::Library("draw a session key"))
}

/// RFC 9580 §5.1: PKESK version 3 goes with SEIPD version 1, PKESK version 6 with SEIPD version 2.
fn wrap(
    session: &SessionKey,
    key: &Key<PublicParts, UnspecifiedRole>,
    format: Format,
) -> openpgp::Result<Vec<u8>> {
    let pkesk: PKESK = match format {
        Format::V1 => PKESK3::for_recipient(CIPHER, session, key)?.into(),
        Format::V2 => PKESK6::for_recipient(session, key)?.into(),
    };
    Packet::from(pkesk).to_vec()
}

/// One SEIPD packet without any recipients: whoever is to open it gets the session key elsewhere.
fn encrypt(
    len: usize,
    session: SessionKey,
    format: Format,
    write: impl FnOnce(Message<'_>) -> openpgp::Result<()>,
) -> Result<Vec<u8>, SealError> {
    // SEIPD version 2 adds a tag per chunk: far below a hundredth.
    let mut out = Vec::with_capacity(len.saturating_add(len / 100).saturating_add(OVERHEAD));
    Encryptor::with_session_key(Message::new(&mut out), CIPHER, session)
        .and_then(|encryptor| match format {
            Format::V1 => encryptor.build(),
            Format::V2 => encryptor.aead_algo(AEADAlgorithm::OCB).build(),
        })
        .and_then(write)
        .map_err(|_| SealError::Library("encrypt"))?;
    Ok(out)
}
