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
//! let _ = seal_to_readers(post, &[], Timestamp::from_secs(0));
//! ```
//! ```compile_fail
//! use vouchsafe::{pgp::seal::Signed, secret::Plaintext};
//! let entity = Plaintext::new(b"unsigned".to_vec()).into();
//! let forged = Signed { entity, announced: Vec::new(), signature: Vec::new() };
//! ```

use std::io::Write;
use std::sync::Arc;

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::crypto::SessionKey;
use openpgp::crypto::aead::{self, SEIPv2Schedule};
use openpgp::packet::header::{BodyLength, CTB};
use openpgp::packet::key::{PublicParts, UnspecifiedRole};
use openpgp::packet::pkesk::{PKESK3, PKESK6};
use openpgp::packet::{Key, OnePassSig, PKESK, Tag};
use openpgp::parse::Parse;
use openpgp::serialize::stream::{Encryptor, Message, Signer};
use openpgp::serialize::{Marshal, SerializeInto};
use openpgp::types::{AEADAlgorithm, HashAlgorithm, SymmetricAlgorithm};

use super::cert::{Cert, CertProblem, Format};
use super::keys::{ListKey, SpoolCert};
use super::sealed::{AtRest, Sealed, ToReaders, WrappedKey};
use crate::secret::Plaintext;
use crate::time::Timestamp;

const CIPHER: SymmetricAlgorithm = SymmetricAlgorithm::AES256;
const AEAD: AEADAlgorithm = AEADAlgorithm::OCB;
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
    seal_parts_at_rest(&[content], to)
}

/// The same for content in parts, which are never put together in the clear.
///
/// # Errors
/// As [`seal_at_rest`].
pub fn seal_parts_at_rest(parts: &[&Plaintext], to: &SpoolCert) -> Result<Sealed<AtRest>, SealError> {
    let session = session_key()?;
    let key = wrap(&session, &to.key, Format::V2).map_err(|_| SealError::Library("wrap a key"))?;
    let len = parts.iter().map(|part| part.len()).sum();
    let begin = literal(len)?;
    let parts: Vec<&[u8]> = [begin.as_slice()].into_iter().chain(parts.iter().map(|p| p.expose())).collect();
    let bytes = encrypt(key, &parts, session, Format::V2)?;
    Sealed::<AtRest>::from_store(bytes).map_err(|_| SealError::Library("frame a mail"))
}

/// A signed post, not yet encrypted. Made only by [`sign`].
///
/// Entity and signature stay apart until they are encrypted: the entity is large, and as a signed message it would be in
/// memory twice.
pub struct Signed {
    entity: Arc<Plaintext>,
    /// The one-pass signature packet that stands before the entity.
    announced: Vec<u8>,
    signature: Vec<u8>,
}

/// Signs a complete MIME entity with the list's key.
///
/// `intended` goes into Intended Recipient subpackets (RFC 9580 §5.2.3.36); it stays empty on bodies that readers
/// share, or each of them would learn who the others are.
///
/// # Errors
/// [`SealError::NoSigningKey`] when the key has expired or is revoked, [`SealError::Library`] otherwise.
pub fn sign(
    entity: &Arc<Plaintext>,
    key: &ListKey,
    at: Timestamp,
    intended: &[&Cert],
) -> Result<Signed, SealError> {
    let signer = key.signer(at).ok_or(SealError::NoSigningKey)?;
    let mut signature = Vec::new();
    let announced = (|| {
        // RFC 9580 §5.2.1.1: a signature over literal data covers its body alone, as a detached one covers a file.
        let mut signer = Signer::new(Message::new(&mut signature), signer)?
            .detached()
            .hash_algo(HashAlgorithm::SHA512)?
            .creation_time(at.system());
        for cert in intended {
            signer = signer.add_intended_recipient(cert.openpgp());
        }
        let mut message = signer.build()?;
        message.write_all(entity.expose())?;
        message.finalize()?;
        let Packet::Signature(made) = Packet::from_bytes(&signature)? else {
            return Err(openpgp::Error::MalformedPacket(String::new()).into());
        };
        let mut announced = OnePassSig::try_from(&made)?;
        // RFC 9580 §5.4: what follows is the message, not another signature around it.
        match &mut announced {
            OnePassSig::V3(announced) => announced.set_last(true),
            OnePassSig::V6(announced) => announced.set_last(true),
            _ => return Err(openpgp::Error::MalformedPacket(String::new()).into()),
        };
        Packet::from(announced).to_vec()
    })();
    let announced = announced.map_err(|_: openpgp::anyhow::Error| SealError::Library("sign"))?;
    Ok(Signed { entity: Arc::clone(entity), announced, signature })
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
    /// The reader's place, as it was given.
    pub reader: usize,
    /// The body's session key, wrapped to this reader alone.
    pub key: WrappedKey,
}

/// Readers who can share a body, and its session key, wrapped to each of them. It waits to be made.
pub struct Addressed {
    signed: Arc<Signed>,
    format: Format,
    session: SessionKey,
    copies: Vec<SealedCopy>,
}

/// A sealed body with the copies that it is for. Nobody but their readers can open it any more.
pub struct SealedClass {
    /// The body.
    pub body: Sealed<ToReaders>,
    /// One for each reader.
    pub copies: Vec<SealedCopy>,
}

/// Who gets no copy, each by his place, and why.
pub type Missed = Vec<(usize, CertProblem)>;

/// Draws a session key for each format that is needed and wraps it once per reader; each reader has a place, by which he
/// is known afterwards. One whose certificate cannot be used at that time is in the second list and is no error for the
/// others.
///
/// # Errors
/// [`SealError::Library`] when there is no randomness.
pub fn address(
    signed: Signed,
    readers: &[(usize, Reader<'_>)],
    at: Timestamp,
) -> Result<(Vec<Addressed>, Missed), SealError> {
    let signed = Arc::new(signed);
    let (mut classes, mut missed) = (Vec::new(), Vec::new());
    for format in [Format::V1, Format::V2] {
        let session = session_key()?;
        let mut copies = Vec::new();
        for (place, Reader { cert, .. }) in readers.iter().filter(|(_, r)| r.cert.format(r.format) == format)
        {
            match wrapped_to(cert, &session, format, at) {
                Ok(key) => copies.push(SealedCopy { reader: *place, key }),
                Err(problem) => missed.push((*place, problem)),
            }
        }
        if !copies.is_empty() {
            classes.push(Addressed { signed: Arc::clone(&signed), format, session, copies });
        }
    }
    missed.sort_by_key(|(reader, _)| *reader);
    Ok((classes, missed))
}

fn wrapped_to(
    cert: &Cert,
    session: &SessionKey,
    format: Format,
    at: Timestamp,
) -> Result<WrappedKey, CertProblem> {
    let key = cert.encryption_key(at)?;
    let bytes = wrap(session, &key, format).map_err(|_| CertProblem::Unusable)?;
    WrappedKey::from_bytes(bytes).map_err(|_| CertProblem::Unusable)
}

impl Addressed {
    /// Encrypts the body. The session key is consumed here, and wiped when the encryptor is dropped.
    ///
    /// # Errors
    /// [`SealError::Library`] when encryption fails.
    pub fn seal(self) -> Result<SealedClass, SealError> {
        let Self { signed, format, session, mut copies } = self;
        let begin = literal(signed.entity.len())?;
        let parts = [&signed.announced, &begin, signed.entity.expose(), &signed.signature];
        let bytes = encrypt(Vec::new(), &parts, session, format)?;
        let body = Sealed::<ToReaders>::from_store(bytes).map_err(|_| SealError::Library("frame a body"))?;
        for copy in &mut copies {
            copy.key = copy.key.clone().padded_before(body.len());
        }
        let class = SealedClass { body, copies };
        if class.keeps_to(format) { Ok(class) } else { Err(SealError::Library("keep to a body's format")) }
    }
}

impl SealedClass {
    /// Looks at the bytes as they will leave. RFC 9580 §5.1: PKESK version 3 goes with SEIPD version 1, and 6 with 2; no
    /// reader's program opens any other pair, and the library would write one.
    fn keeps_to(&self, format: Format) -> bool {
        let (pkesk, seipd) = match format {
            Format::V1 => (3, 1),
            Format::V2 => (6, 2),
        };
        self.body.version() == Some(seipd) && self.copies.iter().all(|copy| copy.key.version() == Some(pkesk))
    }
}

/// Addresses and seals at once; a reader's place is that among `readers`. At most one class for each format.
///
/// # Errors
/// As [`address`] and [`Addressed::seal`].
pub fn seal_to_readers(
    signed: Signed,
    readers: &[Reader<'_>],
    at: Timestamp,
) -> Result<(Vec<SealedClass>, Missed), SealError> {
    let places: Vec<_> = readers.iter().copied().enumerate().collect();
    let (classes, missed) = address(signed, &places, at)?;
    let sealed = classes.into_iter().map(Addressed::seal).collect::<Result<_, _>>()?;
    Ok((sealed, missed))
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

/// What stands before the content in a literal data packet (RFC 9580 §5.9): binary, without a name or a date.
fn literal(len: usize) -> Result<Vec<u8>, SealError> {
    const FIELDS: [u8; 6] = [b'b', 0, 0, 0, 0, 0];
    packet(Tag::Literal, len.saturating_add(FIELDS.len()))
        .map(|header| [header.as_slice(), &FIELDS].concat())
        .map_err(|_| SealError::Library("frame a mail"))
}

fn packet(tag: Tag, len: usize) -> openpgp::Result<Vec<u8>> {
    let mut header = Vec::new();
    CTB::new(tag).serialize(&mut header)?;
    BodyLength::Full(u32::try_from(len)?).serialize(&mut header)?;
    Ok(header)
}

/// Encrypts these parts, one behind the other: one SEIPD packet without any recipients, behind `front`. Whoever is to open
/// it gets the session key elsewhere.
fn encrypt(
    front: Vec<u8>,
    parts: &[&[u8]],
    session: SessionKey,
    format: Format,
) -> Result<Vec<u8>, SealError> {
    let mut out = front;
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    // SEIPD version 2 adds a tag per chunk: far below a hundredth.
    out.reserve_exact(len.saturating_add(len / 100).saturating_add(OVERHEAD));
    let encrypted = match format {
        Format::V1 => encrypt_v1(&mut out, parts, session),
        Format::V2 => encrypt_v2(&mut out, len, parts, &session),
    };
    encrypted.map_err(|_| SealError::Library("encrypt"))?;
    Ok(out)
}

fn encrypt_v1(out: &mut Vec<u8>, parts: &[&[u8]], session: SessionKey) -> openpgp::Result<()> {
    let mut message = Encryptor::with_session_key(Message::new(out), CIPHER, session)?.build()?;
    parts.iter().try_for_each(|part| message.write_all(part))?;
    message.finalize()
}

/// SEIPD version 2 (RFC 9580 §5.13.2), with the library's schedule of keys and nonces and its encryptor. Its own writer
/// does not know the length and takes four buffers of 4 MiB for each message, which are wiped afterwards: for a small mail
/// that is most of the work.
fn encrypt_v2(out: &mut Vec<u8>, len: usize, parts: &[&[u8]], session: &SessionKey) -> openpgp::Result<()> {
    const VERSION: u8 = 2;
    /// The chunk size is 2^(this + 6).
    const CHUNK_OCTET: u8 = 10;
    const CHUNK: usize = 1 << (CHUNK_OCTET + 6);
    let mut salt = [0; 32];
    openpgp::crypto::random(&mut salt)?;
    let schedule = SEIPv2Schedule::new(session, CIPHER, AEAD, CHUNK, &salt)?;
    let fields = [VERSION, CIPHER.into(), AEAD.into(), CHUNK_OCTET];
    // A tag for each chunk, and one for the whole.
    let tags = len.div_ceil(CHUNK).saturating_add(1).saturating_mul(AEAD.digest_size()?);
    let body = fields.len().saturating_add(salt.len()).saturating_add(len).saturating_add(tags);
    out.extend(packet(Tag::SEIP, body)?);
    let begin = out.len();
    out.extend(fields);
    out.extend(salt);
    let mut encryptor = aead::Encryptor::new(CIPHER, AEAD, CHUNK, schedule, &mut *out)?;
    parts.iter().try_for_each(|part| encryptor.write_all(part))?;
    encryptor.finalize()?;
    if out.len().checked_sub(begin) != Some(body) {
        return Err(openpgp::Error::InvalidOperation(String::new()).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_body_of_one_class_are_of_one_format() {
        let class = |seipd: u8, pkesks: &[u8]| SealedClass {
            body: Sealed::<ToReaders>::from_store(vec![0xD2, 4, seipd, 9, 9, 9]).unwrap(),
            copies: (0..)
                .zip(pkesks)
                .map(|(reader, version)| SealedCopy {
                    reader,
                    key: WrappedKey::from_bytes(vec![0xC1, 3, *version, 0, 0]).unwrap(),
                })
                .collect(),
        };
        for (seipd, pkesks, v1, v2) in [
            (1, &[3, 3][..], true, false),
            (2, &[6, 6], false, true),
            (1, &[3, 6], false, false),
            (2, &[6, 3], false, false),
            (1, &[6], false, false),
            (2, &[3], false, false),
        ] {
            let class = class(seipd, pkesks);
            assert_eq!(
                (class.keeps_to(Format::V1), class.keeps_to(Format::V2)),
                (v1, v2),
                "{seipd} {pkesks:?}"
            );
        }
    }
}
