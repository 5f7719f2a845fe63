//! The relay's own keys in memory: made, locked under a passphrase, unlocked. No files here.

use std::io::Write;
use std::sync::Arc;

use sequoia_openpgp as openpgp;

use openpgp::armor::{Kind, Writer};
use openpgp::cert::amalgamation::key::PrimaryKey;
use openpgp::cert::{CertBuilder, CertRevocationBuilder, CipherSuite};
use openpgp::crypto::{Decryptor, Password, S2K, SessionKey, Signer};
use openpgp::packet::key::{PublicParts, SecretKeyMaterial, SecretParts, UnspecifiedRole};
use openpgp::packet::skesk::SKESK4;
use openpgp::packet::{Key, SKESK, UserID};
use openpgp::serialize::stream::{Encryptor, LiteralWriter, Message};
use openpgp::serialize::{Serialize, SerializeInto};
use openpgp::types::{
    AEADAlgorithm, HashAlgorithm, KeyFlags, ReasonForRevocation, RevocationStatus, SymmetricAlgorithm,
};
use openpgp::{Packet, Profile};
use zeroize::Zeroize;

use super::cert::{Cert, identity, standard};
use super::rsa::CrtKey;
use crate::id::Fingerprint;
use crate::time::Timestamp;

/// One unlocked secret key or subkey, made ready once.
pub(super) struct SecretKey {
    key: Key<SecretParts, UnspecifiedRole>,
    /// The same for OpenSSL, four times as fast.
    crt: Option<CrtKey>,
}

impl SecretKey {
    fn new(key: &Key<SecretParts, UnspecifiedRole>) -> Self {
        Self { key: key.clone(), crt: CrtKey::of(key) }
    }

    /// The public half.
    pub(super) fn public(&self) -> &Key<PublicParts, UnspecifiedRole> {
        self.key.parts_as_public()
    }

    /// What unwraps session keys.
    pub(super) fn decryptor(&self) -> Option<Box<dyn Decryptor>> {
        match &self.crt {
            Some(crt) => Some(Box::new(crt.clone())),
            None => self.key.clone().into_keypair().ok().map(|pair| Box::new(pair) as Box<dyn Decryptor>),
        }
    }

    fn signer(&self) -> Option<BoxedSigner> {
        match &self.crt {
            Some(crt) => Some(Box::new(crt.clone())),
            None => self.key.clone().into_keypair().ok().map(|pair| Box::new(pair) as BoxedSigner),
        }
    }
}

/// What makes signatures.
pub(super) type BoxedSigner = Box<dyn Signer + Send + Sync>;

/// A passphrase, held encrypted in memory. It has no `Debug`.
pub struct Passphrase(pub(super) Password);

/// One User ID of a list's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserId {
    /// What mail programs show.
    pub name: String,
    /// The exact address that people write to: mail programs choose keys by it.
    pub address: String,
}

/// A list's certificate with its unlocked secret halves, and those of its former certificates. Neither printed nor
/// copied.
pub struct ListKey {
    cert: Cert,
    pub(super) current: openpgp::Cert,
    /// Current and former certificates: none of them is ever a poster.
    pub(super) own: Vec<Arc<Cert>>,
    pub(super) opening: Vec<SecretKey>,
    /// Those of the current certificate that can sign.
    signing: Vec<SecretKey>,
}

impl ListKey {
    /// The public half.
    #[must_use]
    pub fn cert(&self) -> &Cert {
        &self.cert
    }

    /// Whether this is its certificate, or a former one.
    #[must_use]
    pub fn is(&self, certificate: Fingerprint) -> bool {
        self.own.iter().any(|own| own.fingerprint() == certificate)
    }

    /// The public half and those of the former keys.
    pub(super) fn certs(&self) -> impl Iterator<Item = &Cert> {
        self.own.iter().map(Arc::as_ref)
    }

    /// From unlocked keys, the current one first.
    pub(super) fn assemble(current: openpgp::Cert, former: &[openpgp::Cert]) -> Option<Self> {
        let cert = Cert::from_openpgp(current.clone()).ok()?;
        let mut own = vec![Arc::new(cert.clone())];
        let mut opening = opening_keys(&current);
        for old in former {
            own.push(Arc::new(Cert::from_openpgp(old.clone()).ok()?));
            for key in opening_keys(old) {
                if opening.iter().all(|known| known.public().fingerprint() != key.public().fingerprint()) {
                    opening.push(key);
                }
            }
        }
        let signing = current.keys().unencrypted_secret().filter(|key| key.key().pk_algo().for_signing());
        let signing = signing.map(|key| SecretKey::new(key.key())).collect();
        Some(Self { cert, current, own, opening, signing })
    }

    /// The newest key that may sign at that time.
    pub(super) fn signer(&self, at: Timestamp) -> Option<BoxedSigner> {
        let policy = standard(at);
        let newest = self
            .current
            .keys()
            .with_policy(&policy, at.system())
            .supported()
            .alive()
            .revoked(false)
            .for_signing()
            .unencrypted_secret()
            .max_by_key(|key| key.key().creation_time())?
            .key()
            .fingerprint();
        self.signing.iter().find(|key| key.public().fingerprint() == newest)?.signer()
    }
}

/// All unlocked spool keys, the newest first. Neither printed nor copied.
pub struct SpoolKeys {
    newest: SpoolCert,
    fingerprints: Vec<Fingerprint>,
    pub(super) opening: Vec<SecretKey>,
}

impl SpoolKeys {
    /// What arrivals are sealed to.
    #[must_use]
    pub fn newest(&self) -> SpoolCert {
        self.newest.clone()
    }

    /// Every spool key that is still there, the newest first.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.fingerprints.clone()
    }

    /// From unlocked keys with the time each was made, the newest first.
    pub(super) fn assemble(keys: &[(openpgp::Cert, Timestamp)]) -> Option<Self> {
        let (first, made_at) = keys.first()?;
        Some(Self {
            newest: SpoolCert::new(first, *made_at)?,
            fingerprints: keys.iter().filter_map(|(key, _)| identity(&key.fingerprint())).collect(),
            opening: keys.iter().flat_map(|(key, _)| opening_keys(key)).collect(),
        })
    }
}

/// The public half of a spool key: it seals and cannot open.
#[derive(Clone)]
pub struct SpoolCert {
    fingerprint: Fingerprint,
    made_at: Timestamp,
    pub(super) key: Key<PublicParts, UnspecifiedRole>,
}

impl SpoolCert {
    /// Which key it is.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// When it was made, for rotation.
    #[must_use]
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }

    pub(super) fn new(cert: &openpgp::Cert, made_at: Timestamp) -> Option<Self> {
        let policy = standard(made_at);
        let key = cert.keys().with_policy(&policy, made_at.system()).for_storage_encryption().next()?;
        Some(Self { fingerprint: identity(&cert.fingerprint())?, made_at, key: key.key().clone() })
    }
}

/// Keys message ids and replay digests. Wiped when dropped; neither printed nor copied.
pub struct TagKey(pub(super) [u8; 32]);

impl TagKey {
    /// The key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for TagKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A new list key: version 4, because gpg 2.2 cannot import version 6. An Ed25519 primary that certifies and signs, a
/// Cv25519 subkey for encryption; no expiry, since an address that stops taking reports does more harm than a key
/// that has to be revoked, and the revocation certificate is made with it.
pub(super) fn new_list_key(ids: &[UserId], now: Timestamp) -> openpgp::Result<(openpgp::Cert, Packet)> {
    let mut builder = CertBuilder::new()
        .set_creation_time(now.system())
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_profile(Profile::RFC4880)?
        .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
        .add_subkey(KeyFlags::empty().set_transport_encryption().set_storage_encryption(), None, None);
    for id in ids {
        builder = builder.add_userid(UserID::from_address(id.name.as_str(), None, &id.address)?);
    }
    let (cert, revocation) = builder.generate()?;
    Ok((cert, revocation.into()))
}

/// A new spool key: version 6, X25519, never seen by anybody else.
pub(super) fn new_spool_key(now: Timestamp) -> openpgp::Result<openpgp::Cert> {
    let (cert, _) = CertBuilder::new()
        .set_creation_time(now.system())
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_profile(Profile::RFC9580)?
        .add_storage_encryption_subkey()
        .generate()?;
    Ok(cert)
}

/// A revocation certificate without a reason: whoever needs it does not know the reason yet.
pub(super) fn revocation(key: &openpgp::Cert, now: Timestamp) -> Option<Packet> {
    let primary = key.primary_key().key().clone().parts_into_secret().ok()?;
    let mut signer = primary.into_keypair().ok()?;
    CertRevocationBuilder::new()
        .set_signature_creation_time(now.system())
        .and_then(|builder| builder.set_reason_for_revocation(ReasonForRevocation::Unspecified, b""))
        .and_then(|builder| builder.build(&mut signer, key, None))
        .ok()
        .map(Packet::from)
}

/// Whether a key can do what a list's key must: sign and be encrypted to.
pub(super) fn serves_a_list(key: &openpgp::Cert, now: Timestamp) -> bool {
    let Some(list) = ListKey::assemble(key.clone(), &[]) else { return false };
    let policy = standard(now);
    let living = key.with_policy(&policy, now.system()).is_ok_and(|valid| {
        valid.alive().is_ok() && !matches!(valid.revocation_status(), RevocationStatus::Revoked(_))
    });
    let opens = list
        .cert
        .encryption_key(now)
        .is_ok_and(|to| list.opening.iter().any(|key| key.public().fingerprint() == to.fingerprint()));
    living && opens && list.signer(now).is_some()
}

/// How passphrases become keys: iterated and salted (RFC 9580 §3.7.1.3) over 32 MiB, 17 ms a key with
/// SHA instructions and some 70 without. Argon2
/// would be stronger for a weak passphrase, but gpg 2.2 could not read the file in an emergency; the passphrase that
/// [`Passphrase::random`] makes has 160 bits and needs neither.
pub(super) fn s2k() -> openpgp::Result<S2K> {
    S2K::new_iterated(HashAlgorithm::SHA256, 32 * 1024 * 1024)
}

/// Locks every secret key in it. Keys that are locked already stay as they are.
pub(super) fn lock(cert: openpgp::Cert, pass: &Passphrase) -> openpgp::Result<openpgp::Cert> {
    each_secret(cert, |key, secret| match secret {
        SecretKeyMaterial::Unencrypted(_) => {
            // RFC 9580 §3.7.2.1: version 6 keys are locked by AEAD; version 4 ones so that gpg 2.2 reads them.
            let aead = (key.version() == 6).then_some(AEADAlgorithm::OCB);
            secret.encrypt_with(key, s2k()?, SymmetricAlgorithm::AES256, aead, &pass.0).map(Some)
        }
        SecretKeyMaterial::Encrypted(_) => Ok(Some(secret)),
    })
}

/// A secret that is no OpenPGP key, in a message that a passphrase opens.
pub(super) fn seal_secret(secret: &[u8], pass: &Passphrase) -> openpgp::Result<Vec<u8>> {
    let cipher = SymmetricAlgorithm::AES256;
    let session = SessionKey::new(cipher.key_size()?)?;
    let skesk: SKESK = SKESK4::with_password(cipher, cipher, s2k()?, &session, &pass.0)?.into();
    let mut out = Packet::from(skesk).to_vec()?;
    let message = Encryptor::with_session_key(Message::new(&mut out), cipher, session)?.build()?;
    let mut literal = LiteralWriter::new(message).build()?;
    literal.write_all(secret)?;
    literal.finalize()?;
    Ok(out)
}

pub(super) fn armored_key(locked: &openpgp::Cert) -> openpgp::Result<Vec<u8>> {
    locked.as_tsk().armored().to_vec()
}

/// As gpg wants it for `--import`: armored like a certificate.
pub(super) fn armored_revocation(revocation: &Packet) -> openpgp::Result<Vec<u8>> {
    let comment = [("Comment", "Import this file only to revoke the key for good")];
    let mut writer = Writer::with_headers(Vec::new(), Kind::PublicKey, comment)?;
    revocation.serialize(&mut writer)?;
    Ok(writer.finalize()?)
}

/// Unlocks every secret key in it. Placeholders (a primary key kept offline, a smart card) become public keys.
pub(super) fn unlock(cert: openpgp::Cert, pass: Option<&Passphrase>) -> openpgp::Result<openpgp::Cert> {
    each_secret(cert, |key, secret| match (&secret, pass) {
        (SecretKeyMaterial::Unencrypted(_), _) => Ok(Some(secret)),
        (SecretKeyMaterial::Encrypted(locked), _) if !locked.s2k().is_supported() => Ok(None),
        (SecretKeyMaterial::Encrypted(_), Some(pass)) => secret.decrypt(key, &pass.0).map(Some),
        (SecretKeyMaterial::Encrypted(_), None) => Err(openpgp::Error::InvalidPassword.into()),
    })
}

fn each_secret(
    cert: openpgp::Cert,
    mut change: impl FnMut(
        &Key<PublicParts, UnspecifiedRole>,
        SecretKeyMaterial,
    ) -> openpgp::Result<Option<SecretKeyMaterial>>,
) -> openpgp::Result<openpgp::Cert> {
    let mut changed: Vec<Packet> = Vec::new();
    for ka in cert.keys().secret() {
        let (public, secret) = ka.key().clone().take_secret();
        let secret = change(&public, secret)?;
        changed.push(match (ka.primary(), secret) {
            (true, Some(secret)) => public.role_into_primary().add_secret(secret).0.into(),
            (true, None) => Packet::from(public.role_into_primary()),
            (false, Some(secret)) => public.role_into_subordinate().add_secret(secret).0.into(),
            (false, None) => Packet::from(public.role_into_subordinate()),
        });
    }
    // The later packet wins over the one in the certificate; a public one does not, so strip first.
    Ok(cert.strip_secret_key_material().insert_packets(changed)?.0)
}

/// The unlocked keys that may open: everything meant for encryption, also when expired or revoked meanwhile, since
/// old mail must still open. A key that only signs is never used to decrypt.
fn opening_keys(cert: &openpgp::Cert) -> Vec<SecretKey> {
    cert.keys()
        .unencrypted_secret()
        .filter(|key| key.key().pk_algo().for_encryption())
        .filter(|key| {
            let user_ids = cert.userids().flat_map(|id| id.self_signatures().cloned().collect::<Vec<_>>());
            let own = key.self_signatures().cloned();
            let mut flags =
                own.chain(user_ids.filter(|_| key.primary())).filter_map(|signature| signature.key_flags());
            flags.any(|flags| flags.for_transport_encryption() || flags.for_storage_encryption())
        })
        .map(|key| SecretKey::new(key.key()))
        .collect()
}
