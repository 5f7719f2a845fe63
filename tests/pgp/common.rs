//! People with keys, a list, and ways to write to it: well-formed or not.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use sequoia_openpgp as openpgp;

use openpgp::cert::{CertBuilder, CipherSuite};
use openpgp::crypto::{KeyPair, SessionKey};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Literal, OnePassSig, PKESK, SKESK, Signature};
use openpgp::parse::Parse;
use openpgp::parse::stream::{
    DecryptionHelper, DecryptorBuilder, MessageLayer, MessageStructure, VerificationHelper,
};
use openpgp::policy::StandardPolicy;
use openpgp::serialize::SerializeInto;
use openpgp::serialize::stream::{
    Armorer, Compressor, Encryptor, LiteralWriter, Message as Stream, Recipient, Signer,
};
use openpgp::types::{AEADAlgorithm, DataFormat, Features, HashAlgorithm, SignatureType, SymmetricAlgorithm};
use openpgp::{KeyHandle, Packet, Profile};
use vouchsafe::mime::read::read;
use vouchsafe::mime::scan::scan;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::keyring::{KeyDir, ListKey, Passphrase, UserId};
use vouchsafe::pgp::open::{Limits, Opened, Verdict, open};
use vouchsafe::secret::Plaintext;
use vouchsafe::time::Timestamp;

/// When keys were made.
pub(crate) const BORN: Timestamp = Timestamp::from_secs(1_780_000_000);
/// When mail arrives.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const ENTITY: &[u8] = b"Content-Type: text/plain\r\n\r\nA heap overflow in the parser.\r\n";

pub(crate) fn passphrase() -> Passphrase {
    Passphrase::new(Plaintext::new(b"correct horse".to_vec()))
}

pub(crate) fn ids() -> Vec<UserId> {
    ["security@lists.example", "security-request@lists.example"]
        .map(|address| UserId { name: "Example Security".to_owned(), address: address.to_owned() })
        .to_vec()
}

pub(crate) fn list(born: Timestamp) -> ListKey {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyDir::new(dir.path());
    let name = "security".parse().unwrap();
    keys.create_list(&name, &ids(), &passphrase(), born).unwrap();
    keys.load_list(&name, &passphrase()).unwrap()
}

/// A person's key, with its secret halves.
pub(crate) fn person(name: &str) -> openpgp::Cert {
    with(name, |builder| builder)
}

pub(crate) fn with(name: &str, shape: impl FnOnce(CertBuilder<'_>) -> CertBuilder<'_>) -> openpgp::Cert {
    let builder = CertBuilder::general_purpose([format!("{name} <{name}@example.org>")])
        .set_creation_time(BORN.system())
        .set_validity_period(None);
    shape(builder).generate().unwrap().0
}

pub(crate) fn rsa(name: &str) -> openpgp::Cert {
    with(name, |builder| builder.set_cipher_suite(CipherSuite::RSA3k))
}

pub(crate) fn v6(name: &str) -> openpgp::Cert {
    with(name, |builder| builder.set_profile(Profile::RFC9580).unwrap())
}

pub(crate) fn public(key: &openpgp::Cert) -> Arc<Cert> {
    Arc::new(Cert::parse(&key.clone().strip_secret_key_material().to_vec().unwrap()).unwrap())
}

pub(crate) fn signer(key: &openpgp::Cert, at: Timestamp) -> KeyPair {
    let policy = StandardPolicy::at(at.system());
    let key = key.keys().with_policy(&policy, at.system()).for_signing().secret().next().unwrap();
    key.key().clone().into_keypair().unwrap()
}

/// One signature on a message.
#[derive(Clone)]
pub(crate) struct By<'a> {
    pub key: &'a openpgp::Cert,
    pub at: Timestamp,
    pub intended: Option<&'a openpgp::Cert>,
    pub hash: HashAlgorithm,
}

pub(crate) fn by(key: &openpgp::Cert) -> By<'_> {
    By { key, at: NOW, intended: None, hash: HashAlgorithm::SHA512 }
}

/// The verdict of a signature that counts.
pub(crate) fn good(key: &openpgp::Cert, made_at: Timestamp) -> Verdict {
    Verdict::Good { signer: public(key).fingerprint(), made_at }
}

pub(crate) fn at(key: &openpgp::Cert, at: Timestamp) -> By<'_> {
    By { at, ..by(key) }
}

pub(crate) const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// One signature over `content` made to measure, with what the builder says and a key that may be wrong for it.
pub(crate) fn signature(
    mut pair: KeyPair,
    made_at: Timestamp,
    content: &[u8],
    shape: Shape<'_>,
) -> Signature {
    let builder = SignatureBuilder::new(SignatureType::Binary)
        .set_hash_algo(HashAlgorithm::SHA512)
        .set_signature_creation_time(made_at.system())
        .unwrap();
    shape(builder).sign_message(&mut pair, content).unwrap()
}

pub(crate) type Shape<'a> = &'a dyn Fn(SignatureBuilder) -> SignatureBuilder;

pub(crate) fn literal(content: &[u8]) -> Packet {
    let mut literal = Literal::new(DataFormat::Binary);
    literal.set_body(content.to_vec());
    literal.into()
}

pub(crate) fn serialized(packets: &[Packet]) -> Vec<u8> {
    packets.iter().flat_map(|packet| packet.to_vec().unwrap()).collect()
}

/// RFC 9580 §5.4: one signature around a literal, as programs write it.
pub(crate) fn one_pass(signature: &Signature, content: &[u8]) -> Vec<u8> {
    let opening = OnePassSig::try_from(signature).unwrap();
    serialized(&[opening.into(), literal(content), signature.clone().into()])
}

/// Signatures as one layer around a literal, unencrypted.
pub(crate) fn signed(content: &[u8], by: &[By<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stream = Stream::new(&mut out);
    if let [first, rest @ ..] = by {
        let mut layer = Signer::new(stream, signer(first.key, first.at))
            .unwrap()
            .hash_algo(first.hash)
            .unwrap()
            .creation_time(first.at.system());
        if let Some(to) = first.intended {
            layer = layer.add_intended_recipient(to);
        }
        for other in rest {
            layer = layer.add_signer(signer(other.key, other.at)).unwrap();
        }
        stream = layer.build().unwrap();
    }
    let mut literal = LiteralWriter::new(stream).build().unwrap();
    literal.write_all(content).unwrap();
    literal.finalize().unwrap();
    out
}

pub(crate) fn detached(content: &[u8], by: &By<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let armor = Armorer::new(Stream::new(&mut out)).kind(openpgp::armor::Kind::Signature).build().unwrap();
    let mut layer = Signer::new(armor, signer(by.key, by.at))
        .unwrap()
        .hash_algo(by.hash)
        .unwrap()
        .creation_time(by.at.system())
        .detached();
    if let Some(to) = by.intended {
        layer = layer.add_intended_recipient(to);
    }
    let mut layer = layer.build().unwrap();
    layer.write_all(content).unwrap();
    layer.finalize().unwrap();
    out
}

/// RFC 3156 §5 by hand.
pub(crate) fn multipart_signed(part: &[u8], signature: &[u8]) -> Vec<u8> {
    let head = "Content-Type: multipart/signed; boundary=\"b1\"; micalg=pgp-sha512;\r\n \
                protocol=\"application/pgp-signature\"\r\n\r\n--b1\r\n";
    let middle = "\r\n--b1\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\n";
    let signature =
        String::from_utf8(signature.to_vec()).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
    [head.as_bytes(), part, middle.as_bytes(), signature.as_bytes(), b"\r\n--b1--\r\n"].concat()
}

pub(crate) fn compressed(packets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut layer = Compressor::new(Stream::new(&mut out)).build().unwrap();
    layer.write_all(packets).unwrap();
    layer.finalize().unwrap();
    out
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    V1,
    V2,
    Wildcard,
}

/// Packets, encrypted as they are, to a certificate.
pub(crate) fn encrypted(packets: &[u8], to: &[&Cert], form: Form) -> Vec<u8> {
    let certs: Vec<_> = to.iter().map(|to| openpgp::Cert::from_bytes(&to.to_bytes()).unwrap()).collect();
    let policy = StandardPolicy::at(NOW.system());
    let keys: Vec<_> = certs
        .iter()
        .flat_map(|cert| cert.keys().with_policy(&policy, NOW.system()).for_transport_encryption())
        .collect();
    // Not `Recipient::from`: it writes version 2 to whoever's certificate advertises it, as the lists' do.
    let recipients = keys.iter().map(|key| match form {
        Form::V1 => (Features::empty().set_seipdv1(), Some(KeyHandle::from(key.key().keyid())), key),
        Form::Wildcard => (Features::empty().set_seipdv1(), None, key),
        Form::V2 => (Features::empty().set_seipdv2(), Some(KeyHandle::from(key.key().fingerprint())), key),
    });
    let recipients: Vec<_> =
        recipients.map(|(features, handle, key)| Recipient::new(features, handle, key.key())).collect();
    let mut out = Vec::new();
    let session = SessionKey::new(32).unwrap();
    let encryptor =
        Encryptor::with_session_key(Stream::new(&mut out), SymmetricAlgorithm::AES256, session).unwrap();
    let encryptor = encryptor.add_recipients(recipients);
    let encryptor = if form == Form::V2 { encryptor.aead_algo(AEADAlgorithm::OCB) } else { encryptor };
    let mut layer = encryptor.build().unwrap();
    layer.write_all(packets).unwrap();
    layer.finalize().unwrap();
    out
}

pub(crate) fn armored(ciphertext: &[u8]) -> Vec<u8> {
    let mut writer = openpgp::armor::Writer::new(Vec::new(), openpgp::armor::Kind::Message).unwrap();
    writer.write_all(ciphertext).unwrap();
    let text = String::from_utf8(writer.finalize().unwrap()).unwrap();
    text.replace('\n', "\r\n").into_bytes()
}

/// A whole PGP/MIME mail (RFC 3156 §4).
pub(crate) fn mail(ciphertext: &[u8]) -> Vec<u8> {
    let head = "From: ada@example.org\r\nTo: security@lists.example\r\nSubject: ...\r\nMIME-Version: 1.0\r\n\
                Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"enc\"\r\n\r\n\
                --enc\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
                --enc\r\nContent-Type: application/octet-stream\r\n\r\n";
    [head.as_bytes(), &armored(ciphertext), b"\r\n--enc--\r\n"].concat()
}

pub(crate) fn limits() -> Limits {
    Limits { decompressed: 64 * 1024 * 1024, ..Limits::default() }
}

pub(crate) fn open_raw(raw: &[u8], list: &ListKey, certs: &[Arc<Cert>], arrived: Timestamp) -> Opened {
    let message = read(scan(raw, &limits().mime).unwrap()).ok().unwrap();
    open(&message, list, certs, arrived, &limits())
}

/// A signed entity, encrypted to the list, opened as it arrives at [`NOW`].
pub(crate) fn send(packets: &[u8], list: &ListKey, certs: &[&openpgp::Cert]) -> Opened {
    let certs: Vec<_> = certs.iter().map(|cert| public(cert)).collect();
    open_raw(&mail(&encrypted(packets, &[list.cert()], Form::V1)), list, &certs, NOW)
}

/// What a reader's own program makes of a copy: the content, and whether `from` signed it.
pub(crate) fn read_copy(
    copy: &[u8],
    reader: &openpgp::Cert,
    from: &Cert,
) -> openpgp::Result<(Vec<u8>, bool)> {
    let policy = StandardPolicy::at(NOW.system());
    let from = openpgp::Cert::from_bytes(&from.to_bytes())?;
    let helper = ReaderHelper { reader, from, good: false };
    let mut decryptor = DecryptorBuilder::from_bytes(copy)?.with_policy(&policy, NOW.system(), helper)?;
    let mut out = Vec::new();
    decryptor.read_to_end(&mut out)?;
    Ok((out, decryptor.helper_ref().good))
}

struct ReaderHelper<'a> {
    reader: &'a openpgp::Cert,
    from: openpgp::Cert,
    good: bool,
}

impl VerificationHelper for ReaderHelper<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> openpgp::Result<Vec<openpgp::Cert>> {
        Ok(vec![self.from.clone()])
    }
    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            if let MessageLayer::SignatureGroup { results } = layer {
                self.good = !results.is_empty() && results.iter().all(Result::is_ok);
            }
        }
        Ok(())
    }
}

impl DecryptionHelper for ReaderHelper<'_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        _: &[SKESK],
        cipher: Option<SymmetricAlgorithm>,
        try_key: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> openpgp::Result<Option<openpgp::Cert>> {
        assert_eq!(pkesks.len(), 1, "a copy has exactly one PKESK");
        for key in self.reader.keys().secret() {
            let mut pair = key.key().clone().into_keypair()?;
            if let Some((algorithm, session)) = pkesks[0].decrypt(&mut pair, cipher)
                && try_key(algorithm, &session)
            {
                return Ok(Some(self.reader.clone()));
            }
        }
        Ok(None)
    }
}
