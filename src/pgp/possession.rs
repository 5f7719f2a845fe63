//! A certificate that somebody hands in by mail for himself: a newer copy of the pinned one, or another whose key signed
//! that it is meant, or the mail itself.

use std::io::Read;

use sequoia_openpgp as openpgp;

use openpgp::KeyHandle;
use openpgp::parse::Parse;
use openpgp::parse::stream::{MessageLayer, MessageStructure, VerificationHelper, VerifierBuilder};

use super::caught::caught;
use super::cert::{Cert, CertError, standard};
use crate::id::Fingerprint;
use crate::mime::enclosed::Enclosed;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// The longest signed text that is read: it holds a token and not much else.
const MAX_TEXT: usize = 64 << 10;

/// What was handed in.
#[derive(Debug)]
pub enum HandedIn {
    /// A newer copy of the pinned one, or its revocation.
    Newer(Cert),
    /// Another one, whose key vouched for itself.
    Other(Cert),
}

/// Why nothing was handed in.
#[derive(Debug, thiserror::Error)]
pub enum NotHandedIn {
    /// The mail has no certificate with it.
    #[error("no certificate came with the mail: attach it, or write it into the text, armored")]
    Nothing,
    /// What came is none that can be used.
    #[error(transparent)]
    Unusable(#[from] CertError),
    /// It is another one, and nothing shows that its key is at hand.
    #[error(
        "the certificate is another one, and nothing shows that its key is at hand: sign the mail with both keys, or sign \
         the letters and digits of the token with the new one in a text of their own (what gpg calls clearsign), and attach \
         that beside the certificate"
    )]
    Unproven,
}

impl HandedIn {
    /// What came along with a mail whose token is this one, and which the keys of these certificates signed, too.
    ///
    /// # Errors
    /// [`NotHandedIn`] says what is missing.
    pub fn with(
        enclosed: &Enclosed,
        (token, signed_too): (&str, Option<Fingerprint>),
        pinned: Option<&Cert>,
        at: Timestamp,
    ) -> Result<Self, NotHandedIn> {
        if enclosed.keys.is_empty() {
            return Err(NotHandedIn::Nothing);
        }
        let is_pinned = |cert: &Cert| pinned.is_some_and(|pinned| pinned.fingerprint() == cert.fingerprint());
        // Many programs send the present certificate along with whatever they sign: another one is what is meant.
        let others = enclosed.keys.iter().filter_map(|key| Cert::import(key.expose()).ok());
        let proven = others.into_iter().filter(|cert| !is_pinned(cert)).find(|cert| {
            signed_too == Some(cert.fingerprint())
                || enclosed.signed.iter().any(|text| cert.vouches(text, token, at))
        });
        if let Some(cert) = proven {
            return Ok(Self::Other(cert));
        }
        let all: Vec<u8> = enclosed.keys.iter().flat_map(|key| key.expose().iter().copied()).collect();
        let cert = Cert::handed_in(&all, pinned)?;
        if is_pinned(&cert) { Ok(Self::Newer(cert)) } else { Err(NotHandedIn::Unproven) }
    }
}

impl Cert {
    /// Whether its key signed a text that holds the token on a line of its own (RFC 9580 §7).
    fn vouches(&self, text: &Plaintext, token: &str, at: Timestamp) -> bool {
        if text.len() > MAX_TEXT {
            return false;
        }
        let signed = caught(|| signed_by(self.openpgp(), text.expose(), at)).flatten();
        let text = signed.map(|text| String::from_utf8_lossy(text.expose()).into_owned()).unwrap_or_default();
        text.lines().any(|line| line.trim().eq_ignore_ascii_case(token))
    }
}

/// What this certificate's key signed of a message, read to its end.
fn signed_by(cert: &openpgp::Cert, message: &[u8], at: Timestamp) -> Option<Plaintext> {
    let policy = standard(at);
    let builder = VerifierBuilder::from_bytes(message).ok()?;
    let mut verifier = builder.with_policy(&policy, at.system(), By { cert, good: false }).ok()?;
    let mut text = Vec::new();
    verifier.read_to_end(&mut text).ok()?;
    let text = Plaintext::new(text);
    verifier.into_helper().good.then_some(text)
}

struct By<'a> {
    cert: &'a openpgp::Cert,
    good: bool,
}

impl VerificationHelper for By<'_> {
    fn get_certs(&mut self, _ids: &[KeyHandle]) -> openpgp::Result<Vec<openpgp::Cert>> {
        Ok(vec![self.cert.clone()])
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        self.good = structure.into_iter().any(|layer| match layer {
            MessageLayer::SignatureGroup { results } => results.into_iter().any(|result| result.is_ok()),
            _ => false,
        });
        Ok(())
    }
}
