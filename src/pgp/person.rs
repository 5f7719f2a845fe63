//! An ordinary OpenPGP user: somebody who writes to a list and reads its copies. For the demo and for tests; the relay
//! itself has no use for it. A person's secret key lives in memory only.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use sequoia_openpgp as openpgp;

use openpgp::armor::Kind;
use openpgp::cert::{CertBuilder, CipherSuite};
use openpgp::packet::{PKESK, SEIP, UserID};
use openpgp::parse::{PacketParser, PacketParserResult, Parse};
use openpgp::serialize::stream::{Armorer, Encryptor, LiteralWriter, Message as Stream, Recipient, Signer};
use openpgp::{KeyID, Packet, Profile};

use super::cert::{Cert, CertError, CertProblem, standard};
use super::keys::ListKey;
use super::open::{Limits, Opened, open};
use crate::id::Fingerprint;
use crate::mime::read::Message;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// Which sort of key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Version 4, Ed25519 and Cv25519: what most people have.
    V4,
    /// Version 6 (RFC 9580), Ed25519 and X25519.
    V6,
}

/// Why a person cannot do that. No text here holds content.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// What was given is no usable secret key.
    #[error(
        "this is not an OpenPGP secret key without a passphrase: export one with gpg --export-secret-keys"
    )]
    NoSecretKey,
    /// The certificate cannot be used here.
    #[error(transparent)]
    Cert(#[from] CertError),
    /// A letter cannot be encrypted to this certificate.
    #[error("{0} is {1}")]
    Unsealable(Fingerprint, CertProblem),
    /// The own key cannot sign at that time.
    #[error("the key {0} cannot sign: it has expired, is revoked, or has no part for signing")]
    NoSigningKey(Fingerprint),
    /// The OpenPGP library failed at a step that does not depend on the content.
    #[error("the OpenPGP library failed to {0}")]
    Library(&'static str),
}

/// Somebody with a secret key. Neither printed nor copied.
///
/// To open a mail a person does what a list does, so both are the same inside; that other programs open the relay's
/// copies too is shown with GnuPG, in the tests.
pub struct Person(ListKey);

impl Person {
    /// Makes a new key, which expires `validity` after `made_at` if that is set.
    ///
    /// # Errors
    /// [`PersonError::Library`] when the library cannot make one.
    pub fn generate(
        name: &str,
        address: &str,
        sort: Sort,
        made_at: Timestamp,
        validity: Option<Duration>,
    ) -> Result<Self, PersonError> {
        let profile = match sort {
            Sort::V4 => Profile::RFC4880,
            Sort::V6 => Profile::RFC9580,
        };
        let key = (|| {
            let builder = CertBuilder::general_purpose([UserID::from_address(name, None, address)?])
                .set_cipher_suite(CipherSuite::Cv25519)
                .set_profile(profile)?
                .set_creation_time(made_at.system())
                .set_validity_period(validity);
            Ok(builder.generate()?.0)
        })();
        let key = key.map_err(|_: openpgp::anyhow::Error| PersonError::Library("make a key"))?;
        ListKey::assemble(key, &[]).map(Self).ok_or(PersonError::Library("make a key"))
    }

    /// Takes over a secret key that is not protected by a passphrase, armored or binary.
    ///
    /// # Errors
    /// [`PersonError::NoSecretKey`] when it is anything else.
    pub fn import(secret_key: &[u8]) -> Result<Self, PersonError> {
        let key = openpgp::Cert::from_bytes(secret_key).map_err(|_| PersonError::NoSecretKey)?;
        let person = ListKey::assemble(key, &[]).ok_or(PersonError::NoSecretKey)?;
        if person.opening.is_empty() { Err(PersonError::NoSecretKey) } else { Ok(Self(person)) }
    }

    /// The certificate: what everybody may have.
    #[must_use]
    pub fn cert(&self) -> &Cert {
        self.0.cert()
    }

    /// A detached signature of a text, armored.
    ///
    /// # Errors
    /// When the own key cannot sign at that time.
    #[cfg(test)]
    pub(super) fn sign_text(&self, text: &str, at: Timestamp) -> Result<String, super::seal::SealError> {
        super::text::sign_text(text, &self.0, at)
    }

    /// Signs and encrypts a complete MIME entity in one step (RFC 3156 §6.2). Returns the armored message with CRLF line
    /// ends, to be the second part of a `multipart/encrypted`.
    ///
    /// # Errors
    /// When the own key cannot sign, or one of the certificates cannot be encrypted to, at that time.
    pub fn write(&self, entity: &Plaintext, to: &[&Cert], at: Timestamp) -> Result<Vec<u8>, PersonError> {
        let me = self.cert().fingerprint();
        let signer = self.0.signer(at).ok_or(PersonError::NoSigningKey(me))?;
        for cert in to {
            cert.sealable(at).map_err(|problem| PersonError::Unsealable(cert.fingerprint(), problem))?;
        }
        let policy = standard(at);
        let keys = to.iter().flat_map(|cert| {
            let keys = cert.openpgp().keys().with_policy(&policy, at.system()).supported().alive();
            keys.revoked(false).for_transport_encryption()
        });
        let recipients: Vec<Recipient<'_>> = keys.map(Recipient::from).collect();
        let mut out = Vec::new();
        let written = (|| {
            let armor = Armorer::new(Stream::new(&mut out)).kind(Kind::Message).build()?;
            let encryptor = Encryptor::for_recipients(armor, recipients).build()?;
            let signer = Signer::new(encryptor, signer)?.creation_time(at.system()).build()?;
            let mut literal = LiteralWriter::new(signer).build()?;
            literal.write_all(entity.expose())?;
            literal.finalize()
        })();
        written.map_err(|_: openpgp::anyhow::Error| PersonError::Library("sign and encrypt"))?;
        Ok(String::from_utf8_lossy(&out).replace("\r\n", "\n").replace('\n', "\r\n").into_bytes())
    }

    /// Opens a mail, and verifies it against the certificates of those it may come from.
    #[must_use]
    pub fn open(&self, mail: &Message<'_>, senders: &[Arc<Cert>], at: Timestamp) -> Opened {
        open(mail, &self.0, senders, at, &Limits::default())
    }
}

/// The packets of an encrypted message, one line each, as `gpg --list-packets` would tell them: everything that can be
/// seen without a key.
///
/// # Errors
/// [`PersonError::Library`] when it is no sequence of packets.
pub fn list_packets(message: &[u8]) -> Result<Vec<String>, PersonError> {
    let broken = |_| PersonError::Library("read the packets");
    let mut lines = Vec::new();
    let mut next = PacketParser::from_bytes(message).map_err(broken)?;
    while let PacketParserResult::Some(parser) = next {
        // Not into it, past it.
        let (packet, rest) = parser.next().map_err(broken)?;
        lines.push(describe(&packet));
        next = rest;
    }
    Ok(lines)
}

fn describe(packet: &Packet) -> String {
    match packet {
        Packet::PKESK(pkesk) => {
            let version = if matches!(pkesk, PKESK::V6(_)) { 6 } else { 3 };
            let to = pkesk.recipient().map_or_else(|| "unnamed".to_owned(), |key| KeyID::from(key).to_hex());
            format!("PKESK version {version}, the session key wrapped for key {to} ({})", pkesk.pk_algo())
        }
        Packet::SEIP(SEIP::V2(seip)) => {
            format!("SEIPD version 2, encrypted data ({}, {})", seip.symmetric_algo(), seip.aead())
        }
        Packet::SEIP(_) => "SEIPD version 1, encrypted data".to_owned(),
        other => format!("{}, not encrypted", other.tag()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::read::read;
    use crate::mime::scan::{self, scan};
    use crate::pgp::open::{Closed, How, Verdict};

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn person(name: &str, sort: Sort) -> Person {
        Person::generate(name, &format!("{name}@example.org"), sort, NOW.before(DAY), None).unwrap()
    }

    fn opened(mail: &[u8], by: &Person, senders: &[&Person]) -> Opened {
        let senders: Vec<_> = senders.iter().map(|s| Arc::new(s.cert().clone())).collect();
        let scanned = scan(mail, &scan::Limits::default()).unwrap();
        by.open(&read(scanned).ok().unwrap(), &senders, NOW)
    }

    fn framed(armor: &[u8]) -> Vec<u8> {
        let head = "Subject: ...\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\
                    \r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n\
                    Content-Type: application/octet-stream\r\n\r\n";
        [head.as_bytes(), armor, b"\r\n--b--\r\n"].concat()
    }

    #[test]
    fn a_letter_opens_for_those_it_is_for_and_for_nobody_else() {
        let (ada, bo, eve) = (person("ada", Sort::V4), person("bo", Sort::V6), person("eve", Sort::V4));
        let entity = Plaintext::new(b"Content-Type: text/plain\r\n\r\nhello\r\n".to_vec());
        for (from, to) in [(&ada, &bo), (&bo, &ada)] {
            let mail = framed(&from.write(&entity, &[to.cert()], NOW).unwrap());
            let letter = opened(&mail, to, &[from]);
            assert_eq!(letter.payload().expose(), entity.expose());
            assert!(
                matches!(letter.verdict(), Verdict::Good { signer, .. } if *signer == from.cert().fingerprint())
            );
            assert_eq!(opened(&mail, &eve, &[from]).how(), How::Closed(Closed::NoKey));
        }
    }

    #[test]
    fn nobody_writes_to_an_expired_certificate_or_with_one() {
        let old =
            Person::generate("old", "old@example.org", Sort::V4, NOW.before(2 * DAY), Some(DAY)).unwrap();
        let (ada, entity) = (person("ada", Sort::V4), Plaintext::new(b"\r\nhello\r\n".to_vec()));
        let to_old = ada.write(&entity, &[old.cert()], NOW);
        assert!(matches!(to_old, Err(PersonError::Unsealable(_, CertProblem::Expired { .. }))));
        assert!(matches!(old.write(&entity, &[ada.cert()], NOW), Err(PersonError::NoSigningKey(_))));
    }

    #[test]
    fn only_a_secret_key_makes_a_person() {
        let public = person("ada", Sort::V4).cert().armored();
        assert!(matches!(Person::import(public.as_bytes()), Err(PersonError::NoSecretKey)));
        assert!(matches!(Person::import(b"hello"), Err(PersonError::NoSecretKey)));
    }

    #[test]
    fn packets_are_listed_as_far_as_anybody_sees_them() {
        let (ada, bo) = (person("ada", Sort::V4), person("bo", Sort::V6));
        let entity = Plaintext::new(b"\r\nhello\r\n".to_vec());
        let lines = list_packets(&ada.write(&entity, &[bo.cert()], NOW).unwrap()).unwrap();
        assert!(lines.len() == 2 && lines[0].starts_with("PKESK version "), "{lines:?}");
        assert!(lines[1].starts_with("SEIPD version "), "{lines:?}");
        assert!(list_packets(b"hello").is_err());
    }
}
