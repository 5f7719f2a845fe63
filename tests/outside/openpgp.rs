//! OpenPGP in this process, for tests with more mail than GnuPG could open in their time.

use std::io::{Read, Write};
use std::time::{Duration, SystemTime};

use sequoia_openpgp as openpgp;

use openpgp::cert::{CertBuilder, CertRevocationBuilder};
use openpgp::crypto::SessionKey;
use openpgp::packet::{PKESK, SKESK};
use openpgp::parse::Parse;
use openpgp::parse::stream::{
    DecryptionHelper, DecryptorBuilder, MessageLayer, MessageStructure, VerificationHelper,
};
use openpgp::policy::StandardPolicy;
use openpgp::serialize::SerializeInto;
use openpgp::serialize::stream::{Armorer, Encryptor, LiteralWriter, Message, Recipient, Signer};
use openpgp::types::{ReasonForRevocation, SymmetricAlgorithm};
use openpgp::{Cert, KeyHandle, Packet, armor};

/// A person's key, with its secret halves.
pub fn person(address: &str) -> Cert {
    CertBuilder::general_purpose([format!("<{address}>")]).generate().unwrap().0
}

/// The same with a key that was made days ago and ends so long after now; negative, it has ended.
#[allow(clippy::disallowed_methods, reason = "the daemon under test asks the wall clock too")]
pub fn ending(address: &str, seconds_from_now: i64) -> Cert {
    let days = Duration::from_secs(10 * 24 * 3600);
    let lasts = days.as_secs().checked_add_signed(seconds_from_now).map(Duration::from_secs);
    let builder =
        CertBuilder::general_purpose([format!("<{address}>")]).set_creation_time(SystemTime::now() - days);
    builder.set_validity_period(lasts).generate().unwrap().0
}

/// The public certificate, armored.
pub fn armored(cert: &Cert) -> Vec<u8> {
    cert.armored().to_vec().unwrap()
}

/// The secret key, binary.
pub fn secret(cert: &Cert) -> Vec<u8> {
    cert.as_tsk().to_vec().unwrap()
}

/// The revocation of a key that was lost, by itself, as gpg and sq write one: in a public key block.
pub fn revocation(cert: &Cert) -> Vec<u8> {
    let primary = cert.primary_key().key().clone().parts_into_secret().unwrap();
    let revocation = CertRevocationBuilder::new()
        .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"")
        .unwrap()
        .build(&mut primary.into_keypair().unwrap(), cert, None)
        .unwrap();
    let mut writer = armor::Writer::new(Vec::new(), armor::Kind::PublicKey).unwrap();
    writer.write_all(&Packet::from(revocation).to_vec().unwrap()).unwrap();
    writer.finalize().unwrap()
}

/// A certificate from its armored form.
pub fn cert(armored: &str) -> Cert {
    Cert::from_bytes(armored.as_bytes()).unwrap()
}

/// Signs and encrypts in one layer; armored.
pub fn sign_encrypt(signer: &Cert, to: &Cert, entity: &[u8]) -> Vec<u8> {
    let policy = StandardPolicy::new();
    let recipients = to.keys().with_policy(&policy, None).for_transport_encryption().map(Recipient::from);
    let key = signer.keys().secret().with_policy(&policy, None).for_signing().next().unwrap();
    let pair = key.key().clone().into_keypair().unwrap();
    let mut out = Vec::new();
    let stream = Armorer::new(Message::new(&mut out)).build().unwrap();
    let stream = Encryptor::for_recipients(stream, recipients).build().unwrap();
    let stream = Signer::new(stream, pair).unwrap().build().unwrap();
    let mut literal = LiteralWriter::new(stream).build().unwrap();
    literal.write_all(entity).unwrap();
    literal.finalize().unwrap();
    out
}

/// Opens a copy with a reader's key and sees that `list` signed it.
///
/// # Errors
/// When it cannot be opened, or the signature is not good.
pub fn open(reader: &Cert, list: &Cert, armored: &[u8]) -> openpgp::Result<Vec<u8>> {
    let policy = StandardPolicy::new();
    let helper = Helper { reader, list };
    let mut decryptor = DecryptorBuilder::from_bytes(armored)?.with_policy(&policy, None, helper)?;
    let mut out = Vec::new();
    decryptor.read_to_end(&mut out)?;
    Ok(out)
}

struct Helper<'a> {
    reader: &'a Cert,
    list: &'a Cert,
}

impl VerificationHelper for Helper<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(vec![self.list.clone()])
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        let good = structure.into_iter().any(|layer| match layer {
            MessageLayer::SignatureGroup { results } => results.iter().any(Result::is_ok),
            _ => false,
        });
        if good { Ok(()) } else { Err(std::io::Error::other("no good signature of the list").into()) }
    }
}

impl DecryptionHelper for Helper<'_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        _: &[SKESK],
        cipher: Option<SymmetricAlgorithm>,
        try_key: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> openpgp::Result<Option<Cert>> {
        for key in self.reader.keys().secret() {
            let mut pair = key.key().clone().into_keypair()?;
            for pkesk in pkesks {
                if let Some((algorithm, session)) = pkesk.decrypt(&mut pair, cipher)
                    && try_key(algorithm, &session)
                {
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }
}
