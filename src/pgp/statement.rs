//! Statements: a text that somebody signed, in one file. Only what the signature covers comes out, and only whole.

use std::io::Read;
use std::sync::Arc;

use sequoia_openpgp as openpgp;

use openpgp::KeyHandle;
use openpgp::parse::Parse;
use openpgp::parse::stream::{MessageLayer, MessageStructure, VerificationHelper, VerifierBuilder};

use super::cert::{Cert, identity, standard};
use crate::id::Fingerprint;
use crate::time::Timestamp;

/// The longest statement that is looked at, in bytes.
pub const MAX_STATEMENT: usize = 256 * 1024;

/// A signed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it says.
    pub text: String,
    /// The certificate that signed it.
    pub signer: Fingerprint,
    /// When.
    pub made_at: Timestamp,
}

/// The statement in a file: a message or cleartext signed by one of these certificates (RFC 9580 §7), whose signature counts
/// now. None where it is anything else.
#[must_use]
pub fn statement(file: &[u8], certs: &[Arc<Cert>], now: Timestamp) -> Option<Statement> {
    if file.len() > MAX_STATEMENT {
        return None;
    }
    let policy = standard(now);
    let helper = Found { certs: certs.iter().map(|cert| cert.openpgp().clone()).collect(), good: None };
    let builder = VerifierBuilder::from_bytes(file).ok()?;
    let mut verifier = builder.with_policy(&policy, now.system(), helper).ok()?;
    let limit = u64::try_from(MAX_STATEMENT).unwrap_or(u64::MAX);
    let mut text = String::new();
    verifier.by_ref().take(limit).read_to_string(&mut text).ok()?;
    if !verifier.message_processed() {
        return None;
    }
    let (signer, made_at) = verifier.into_helper().good?;
    Some(Statement { text, signer, made_at })
}

struct Found {
    certs: Vec<openpgp::Cert>,
    good: Option<(Fingerprint, Timestamp)>,
}

impl VerificationHelper for Found {
    fn get_certs(&mut self, ids: &[KeyHandle]) -> openpgp::Result<Vec<openpgp::Cert>> {
        let named = |cert: &&openpgp::Cert| {
            cert.keys().any(|key| ids.iter().any(|id| id.aliases(key.key().key_handle())))
        };
        Ok(self.certs.iter().filter(named).cloned().collect())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            let mut good = results.iter().filter_map(|result| {
                let good = result.as_ref().ok()?;
                let made_at = Timestamp::from_system(good.sig.signature_creation_time()?);
                Some((identity(&good.ka.cert().fingerprint())?, made_at))
            });
            self.good = self.good.or_else(|| good.next());
        }
        match self.good {
            Some(_) => Ok(()),
            None => Err(openpgp::Error::InvalidOperation(String::new()).into()),
        }
    }
}
