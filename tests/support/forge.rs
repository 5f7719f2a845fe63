//! Ways to write OpenPGP messages and the mails around them, as other people's programs do.

use std::io::Write;

use sequoia_openpgp as openpgp;

use openpgp::KeyHandle;
use openpgp::armor;
use openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use openpgp::crypto::SessionKey;
use openpgp::packet::key::PublicParts;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::stream::{
    Armorer, Compressor, Encryptor, LiteralWriter, Message as Stream, Recipient, Signer,
};
use openpgp::types::{AEADAlgorithm, Features, HashAlgorithm, SymmetricAlgorithm};
use vouchsafe::time::Timestamp;

use super::keys::signing_pair;

/// One signature.
#[derive(Clone)]
pub(crate) struct By<'a> {
    pub(crate) key: &'a openpgp::Cert,
    pub(crate) at: Timestamp,
    /// The Intended Recipient, if any.
    pub(crate) intended: Option<&'a openpgp::Cert>,
}

/// A signature layer around a literal (or the bare literal), not yet encrypted.
pub(crate) fn signed(content: &[u8], by: &[By<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stream = Stream::new(&mut out);
    if let [first, rest @ ..] = by {
        let mut layer = Signer::new(stream, signing_pair(first.key, first.at))
            .unwrap()
            .hash_algo(HashAlgorithm::SHA512)
            .unwrap()
            .creation_time(first.at.system());
        if let Some(to) = first.intended {
            layer = layer.add_intended_recipient(to);
        }
        for other in rest {
            layer = layer.add_signer(signing_pair(other.key, other.at)).unwrap();
        }
        stream = layer.build().unwrap();
    }
    let mut literal = LiteralWriter::new(stream).build().unwrap();
    literal.write_all(content).unwrap();
    literal.finalize().unwrap();
    out
}

pub(crate) fn compressed(packets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut layer = Compressor::new(Stream::new(&mut out)).build().unwrap();
    layer.write_all(packets).unwrap();
    layer.finalize().unwrap();
    out
}

/// How a message is encrypted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Form {
    /// SEIPD version 2.
    pub(crate) v2: bool,
    /// Without the key ids of its recipients.
    pub(crate) hidden: bool,
}

/// Packets, encrypted as they are to the certificates at that time.
pub(crate) fn encrypted(packets: &[u8], to: &[openpgp::Cert], at: Timestamp, form: Form) -> Vec<u8> {
    let policy = StandardPolicy::at(at.system());
    let keys =
        to.iter().flat_map(|cert| cert.keys().with_policy(&policy, at.system()).for_transport_encryption());
    // Not `Recipient::from`: it writes version 2 to whoever's certificate advertises it.
    let recipient = |key: ValidErasedKeyAmalgamation<'_, PublicParts>| {
        let (features, handle) = if form.v2 {
            (Features::empty().set_seipdv2(), KeyHandle::from(key.key().fingerprint()))
        } else {
            (Features::empty().set_seipdv1(), KeyHandle::from(key.key().keyid()))
        };
        (features, (!form.hidden).then_some(handle), key.key().clone())
    };
    let recipients: Vec<_> = keys.map(recipient).collect();
    let recipients: Vec<_> = recipients
        .iter()
        .map(|(features, handle, key)| Recipient::new(features.clone(), handle.clone(), key))
        .collect();
    assert!(!recipients.is_empty(), "somebody to encrypt to");
    let mut out = Vec::new();
    let session = SessionKey::new(32).unwrap();
    let encryptor =
        Encryptor::with_session_key(Stream::new(&mut out), SymmetricAlgorithm::AES256, session).unwrap();
    let encryptor = encryptor.add_recipients(recipients);
    let encryptor = if form.v2 { encryptor.aead_algo(AEADAlgorithm::OCB) } else { encryptor };
    let mut layer = encryptor.build().unwrap();
    layer.write_all(packets).unwrap();
    layer.finalize().unwrap();
    out
}

/// A message in armor, lines ending in CRLF.
pub(crate) fn armored(message: &[u8]) -> Vec<u8> {
    let mut writer = armor::Writer::new(Vec::new(), armor::Kind::Message).unwrap();
    writer.write_all(message).unwrap();
    crlf(&writer.finalize().unwrap())
}

/// A detached signature in armor, lines ending in CRLF.
pub(crate) fn detached(content: &[u8], by: &By<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let armorer = Armorer::new(Stream::new(&mut out)).kind(armor::Kind::Signature).build().unwrap();
    let mut layer = Signer::new(armorer, signing_pair(by.key, by.at))
        .unwrap()
        .hash_algo(HashAlgorithm::SHA512)
        .unwrap()
        .creation_time(by.at.system())
        .detached();
    if let Some(to) = by.intended {
        layer = layer.add_intended_recipient(to);
    }
    let mut layer = layer.build().unwrap();
    layer.write_all(content).unwrap();
    layer.finalize().unwrap();
    crlf(&out)
}

/// RFC 3156 §5: an entity and its signature.
pub(crate) fn multipart_signed(part: &[u8], signature: &[u8]) -> Vec<u8> {
    let head = "Content-Type: multipart/signed; boundary=\"sig\"; micalg=pgp-sha512;\r\n \
                protocol=\"application/pgp-signature\"\r\n\r\n--sig\r\n";
    let middle = "\r\n--sig\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\n";
    [head.as_bytes(), part, middle.as_bytes(), signature, b"\r\n--sig--\r\n"].concat()
}

/// RFC 3156 §5: the two parts alone, for a `multipart/signed` whose header another writes.
pub(crate) fn signed_parts(part: &[u8], signature: &[u8], boundary: &str) -> Vec<u8> {
    let middle = format!(
        "\r\n--{boundary}\r\nContent-Type: application/pgp-signature; name=\"OpenPGP_signature.asc\"\r\n\
         Content-Description: OpenPGP digital signature\r\n\
         Content-Disposition: attachment; filename=\"OpenPGP_signature.asc\"\r\n\r\n"
    );
    [part, middle.as_bytes(), signature].concat()
}

/// RFC 3156 §4: the structural header fields and the body of an encrypted mail.
pub(crate) fn multipart_encrypted(armor: &[u8]) -> Vec<u8> {
    let head = "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n\
                --enc\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
                --enc\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n";
    [head.as_bytes(), armor, b"\r\n--enc--\r\n"].concat()
}

/// What Microsoft Exchange makes of it: `multipart/mixed` with an empty text in front.
pub(crate) fn exchange_mangled(armor: &[u8]) -> Vec<u8> {
    use base64_simd::STANDARD;
    let control = STANDARD.encode_to_string(b"Version: 1\r\n");
    let data = STANDARD.encode_to_string(armor);
    let data: Vec<&str> = data.as_bytes().chunks(76).map(|l| std::str::from_utf8(l).unwrap()).collect();
    let data = data.join("\r\n");
    format!(
        "Content-Type: multipart/mixed; boundary=\"_003_exch_\"\r\n\r\n\
         --_003_exch_\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n\r\n\
         --_003_exch_\r\nContent-Type: application/pgp-encrypted; name=\"ATT00001\"\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"ATT00001\"\r\n\r\n\
         {control}\r\n\
         --_003_exch_\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"encrypted.asc\"\r\n\r\n\
         {data}\r\n--_003_exch_--\r\n"
    )
    .into_bytes()
}

/// A whole PGP/MIME mail; `fields` end in CRLF each.
pub(crate) fn mail(fields: &str, message: &[u8]) -> Vec<u8> {
    [fields.as_bytes(), b"MIME-Version: 1.0\r\n", &multipart_encrypted(&armored(message))].concat()
}

/// Bare line feeds become CRLF.
pub(crate) fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut before = 0;
    for &byte in text {
        if byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        before = byte;
    }
    out
}
