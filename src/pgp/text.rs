//! Public texts with a detached signature, which `gpg --verify` checks: the manifest of an exported roster.

use std::io::Write;

use sequoia_openpgp as openpgp;

use openpgp::KeyHandle;
use openpgp::armor::Kind;
use openpgp::parse::Parse;
use openpgp::parse::stream::{
    DetachedVerifierBuilder, MessageLayer, MessageStructure, VerificationHelper, VerificationResult,
};
use openpgp::serialize::stream::{Armorer, Message, Signer};
use openpgp::types::{HashAlgorithm, RevocationStatus, SignatureType};

use super::cert::{Cert, identity, standard};
use super::keys::ListKey;
use super::seal::SealError;
use crate::id::Fingerprint;
use crate::time::Timestamp;

/// The longest signature that is looked at, in bytes.
const MAX_SIGNATURE: usize = 64 * 1024;

/// Who signed a text, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSignature {
    /// The certificate.
    pub signer: Fingerprint,
    /// When.
    pub made_at: Timestamp,
}

/// A detached signature of a text by a list's key, armored.
///
/// # Errors
/// As [`super::seal::sign`].
pub fn sign_text(text: &str, key: &ListKey, at: Timestamp) -> Result<String, SealError> {
    let signer = key.signer(at).ok_or(SealError::NoSigningKey)?;
    let mut armored = Vec::new();
    let made = (|| {
        let message = Armorer::new(Message::new(&mut armored)).kind(Kind::Signature).build()?;
        let mut message = Signer::new(message, signer)?
            .detached()
            .hash_algo(HashAlgorithm::SHA512)?
            .creation_time(at.system())
            .build()?;
        message.write_all(text.as_bytes())?;
        message.finalize()
    })();
    made.map_err(|_: openpgp::anyhow::Error| SealError::Library("sign"))?;
    Ok(String::from_utf8_lossy(&armored).into_owned())
}

/// Whose good signature of a text this is, of these certificates; each has to be alive and not revoked at that time. None
/// where there is none that counts.
#[must_use]
pub fn signature_of(text: &str, armored: &str, by: &[&Cert], at: Timestamp) -> Option<TextSignature> {
    if armored.len() > MAX_SIGNATURE {
        return None;
    }
    let policy = standard(at);
    // Sequoia judges certificates at the time that the signature names, which whoever stole a key chooses.
    let lives = |cert: &&&Cert| {
        let valid = cert.openpgp().with_policy(&policy, at.system());
        valid.is_ok_and(|valid| {
            let revoked = matches!(valid.revocation_status(), RevocationStatus::Revoked(_));
            valid.alive().is_ok() && !revoked
        })
    };
    let certs = by.iter().filter(lives).map(|cert| cert.openpgp().clone()).collect();
    let mut found = Found { certs, good: None };
    let mut verifier = DetachedVerifierBuilder::from_bytes(armored.as_bytes())
        .and_then(|builder| builder.with_policy(&policy, at.system(), &mut found))
        .ok()?;
    verifier.verify_bytes(text.as_bytes()).ok()?;
    drop(verifier);
    found.good
}

struct Found {
    certs: Vec<openpgp::Cert>,
    good: Option<TextSignature>,
}

impl VerificationHelper for &mut Found {
    fn get_certs(&mut self, ids: &[KeyHandle]) -> openpgp::Result<Vec<openpgp::Cert>> {
        let named = |cert: &&openpgp::Cert| {
            cert.keys().any(|key| ids.iter().any(|id| id.aliases(key.key().key_handle())))
        };
        Ok(self.certs.iter().filter(named).cloned().collect())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            let mut good = results.iter().filter_map(valid);
            self.good = self.good.or_else(|| good.next());
        }
        Ok(())
    }
}

fn valid(result: &VerificationResult<'_>) -> Option<TextSignature> {
    let good = result.as_ref().ok().filter(|good| good.sig.typ() == SignatureType::Binary)?;
    let made_at = Timestamp::from_system(good.sig.signature_creation_time()?);
    Some(TextSignature { signer: identity(&good.ka.cert().fingerprint())?, made_at })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pgp::keys::{UserId, new_list_key};
    use crate::pgp::person::{Person, Sort};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn key(name: &str) -> ListKey {
        let id = UserId { name: name.to_owned(), address: format!("{name}@lists.example") };
        let (cert, _) = new_list_key(&[id], NOW.before(Duration::from_secs(1000))).unwrap();
        ListKey::assemble(cert, &[]).unwrap()
    }

    #[test]
    fn a_signature_counts_for_its_text_and_its_key_alone() {
        let (one, other) = (key("one"), key("other"));
        let armored = sign_text("a text\n", &one, NOW).unwrap();
        assert!(armored.starts_with("-----BEGIN PGP SIGNATURE-----\n"), "{armored}");
        let by = |text: &str, armored: &str, keys: &[&ListKey]| {
            let certs: Vec<&Cert> = keys.iter().map(|key| key.cert()).collect();
            signature_of(text, armored, &certs, NOW)
        };
        let good = Some(TextSignature { signer: one.cert().fingerprint(), made_at: NOW });
        assert_eq!(by("a text\n", &armored, &[&other, &one]), good);
        assert_eq!(by("a text\n", &armored, &[&other]), None);
        assert_eq!(by("a text", &armored, &[&one]), None);
        assert_eq!(by("a text\r\n", &armored, &[&one]), None, "to the byte");
        assert_eq!(by("a text\n", "", &[&one]), None);
        assert_eq!(by("a text\n", &"x".repeat(MAX_SIGNATURE + 1), &[&one]), None);
        let second = sign_text("a text\n", &other, NOW).unwrap();
        assert_eq!(by("a text\n", &second, &[&one, &other]).unwrap().signer, other.cert().fingerprint());
    }

    #[test]
    fn a_signature_of_the_future_does_not_count_yet() {
        let one = key("one");
        let later = NOW.after(Duration::from_secs(100_000));
        let armored = sign_text("a text\n", &one, later).unwrap();
        let at = |at| signature_of("a text\n", &armored, &[one.cert()], at);
        assert_eq!(at(NOW), None);
        assert_eq!(at(later).unwrap().made_at, later);
    }

    #[test]
    fn a_certificate_that_has_ended_signs_nothing_any_more() {
        let day = Duration::from_secs(86_400);
        let made = NOW.before(day * 30);
        let person = Person::generate("Ada", "ada@x.example", Sort::V4, made, Some(day * 20)).unwrap();
        let armored = person.sign_text("a text\n", made.after(day)).unwrap();
        let at = |at| signature_of("a text\n", &armored, &[person.cert()], at);
        assert!(at(made.after(day * 2)).is_some());
        assert_eq!(at(NOW), None, "whoever has its key could have said any day");
    }
}
