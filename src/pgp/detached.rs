//! The signature of a message that was signed and encrypted in one step, as a detached one: whoever gets the same bytes
//! without the encryption can verify it himself.

use std::io::Write;

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::armor::{Kind, Writer};
use openpgp::packet::Signature;
use openpgp::packet::signature::subpacket::{Subpacket, SubpacketArea, SubpacketValue};
use openpgp::parse::stream::{VerificationError, VerificationResult};
use openpgp::serialize::Serialize;
use openpgp::types::{HashAlgorithm, SignatureType};

/// Unhashed issuers that are passed on: programs write one.
const MAX_ISSUERS: usize = 4;

/// A signature over a payload that stands for itself (RFC 3156 §5).
pub struct DetachedSignature {
    armored: Vec<u8>,
    micalg: &'static str,
    of_text: bool,
}

/// An author's own signature, as far as readers could verify it themselves.
pub enum OwnSignature {
    /// There is none.
    None,
    /// The payload is or holds a `multipart/signed`, which goes on byte for byte.
    Within,
    /// Mail and signature were one message (RFC 3156 §6.2), and it can stand beside the payload.
    Beside(DetachedSignature),
    /// It cannot stand beside the payload.
    Lost(Loss),
}

/// Why an author's own signature cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The mail is inline PGP: bare text is no entity that a `multipart/signed` could hold.
    Inline,
    /// It is over line ends that verifiers change before they look (RFC 3156 §5).
    LineEnds,
    /// There are several in one message.
    Several,
    /// Its hash is obsolete, or its kind is not one for mail.
    Obsolete,
    /// What was decrypted has no header, so that the relay writes one.
    NoHeader,
    /// The mail is attached whole and not shown.
    Attached,
}

impl Loss {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Inline, Self::LineEnds, Self::Several, Self::Obsolete, Self::NoHeader, Self::Attached];
}

impl DetachedSignature {
    /// ASCII armor, lines ending in CRLF.
    #[must_use]
    pub fn armored(&self) -> &[u8] {
        &self.armored
    }

    /// The hash as the `micalg` parameter names it.
    #[must_use]
    pub const fn micalg(&self) -> &'static str {
        self.micalg
    }

    /// What stands behind a result: a valid signature, or one by a certificate that is not known here.
    pub(super) fn of(result: &VerificationResult<'_>) -> Option<Self> {
        match result {
            Ok(good) => Self::from_packet(good.sig),
            Err(VerificationError::MissingKey { sig }) => Self::from_packet(sig),
            Err(_) => None,
        }
    }

    fn from_packet(signature: &Signature) -> Option<Self> {
        // RFC 9580 §5.2.1.1, §5.2.1.2: both kinds cover the literal's body alone, as if it stood by itself.
        if !matches!(signature.typ(), SignatureType::Binary | SignatureType::Text) {
            return None;
        }
        let micalg = micalg(signature.hash_algo())?;
        let mut bare = signature.clone();
        only_issuers(bare.unhashed_area_mut())?;
        let mut packet = Vec::new();
        Packet::from(bare).serialize(&mut packet).ok()?;
        let mut writer = Writer::new(Vec::new(), Kind::Signature).ok()?;
        writer.write_all(&packet).ok()?;
        let armor = String::from_utf8(writer.finalize().ok()?).ok()?;
        let armored = armor.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
        Some(Self { armored, micalg, of_text: signature.typ() == SignatureType::Text })
    }

    /// Whether it verifies beside this text, whatever it is worth: a verifier makes line ends CRLF before he looks (RFC
    /// 3156 §5). For a signature of text so did the signer (RFC 9580 §5.2.1.2), so that bare line feeds do no harm.
    pub(super) fn stands_beside(&self, text: &[u8]) -> bool {
        let lone = |at: usize| text.get(at + 1) != Some(&b'\n');
        is_canonical(text) || self.of_text && !memchr::memchr_iter(b'\r', text).any(lone)
    }
}

/// The unhashed area is nobody's word: anybody can write there. What stays is by which key a verifier finds the
/// certificate (RFC 9580 §5.2.3.12), which a wrong one does not deceive.
fn only_issuers(area: &mut SubpacketArea) -> Option<()> {
    let is_issuer = |subpacket: &&Subpacket| {
        matches!(subpacket.value(), SubpacketValue::Issuer(_) | SubpacketValue::IssuerFingerprint(_))
    };
    let issuers: Vec<Subpacket> = area.iter().filter(is_issuer).take(MAX_ISSUERS).cloned().collect();
    area.clear();
    issuers.into_iter().try_for_each(|issuer| area.add(issuer)).ok()
}

/// Whether every line ends in CRLF and nothing else looks like a line end. RFC 3156 §5 has verifiers make line ends
/// CRLF before they hash: only then what they hash is what was signed.
fn is_canonical(text: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', text).all(|at| match text.get(at) {
        Some(b'\r') => text.get(at + 1) == Some(&b'\n'),
        _ => at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'\r'),
    })
}

/// RFC 3156 §5: "pgp-" and the hash's name (RFC 9580 §9.5) in lower case. Obsolete ones are not passed on.
const fn micalg(hash: HashAlgorithm) -> Option<&'static str> {
    match hash {
        HashAlgorithm::SHA224 => Some("pgp-sha224"),
        HashAlgorithm::SHA256 => Some("pgp-sha256"),
        HashAlgorithm::SHA384 => Some("pgp-sha384"),
        HashAlgorithm::SHA512 => Some("pgp-sha512"),
        HashAlgorithm::SHA3_256 => Some("pgp-sha3-256"),
        HashAlgorithm::SHA3_512 => Some("pgp-sha3-512"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_is_a_canonical_line_end() {
        for text in ["", "a", "a\r\n", "\r\n\r\na\r\nb"] {
            assert!(is_canonical(text.as_bytes()), "{text:?}");
        }
        for text in ["\n", "\r", "a\n", "a\r", "a\rb", "a\r\nb\n", "\nb", "\r\r\n", "a\r\n\n"] {
            assert!(!is_canonical(text.as_bytes()), "{text:?}");
        }
    }
}
