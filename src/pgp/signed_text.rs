//! A signed text that an admin records: cleartext-signed (RFC 9580 §7), signed inline, or with a detached signature.

use std::io::Read;
use std::sync::Arc;

use sequoia_openpgp as openpgp;

use openpgp::KeyHandle;
use openpgp::parse::Parse;
use openpgp::parse::stream::{MessageLayer, MessageStructure, VerificationHelper, VerifierBuilder};
use sha2::{Digest, Sha256};

use super::cert::{Cert, standard};
use super::outcome::Why;
use super::verdict::{Finding, Judge, Signers};
use crate::id::Fingerprint;
use crate::time::Timestamp;

/// The longest text, in bytes.
const MOST: usize = 64 * 1024;

/// A text, and who signed it.
#[derive(Debug)]
pub struct Statement {
    /// The text, as far as it is one.
    pub text: String,
    /// The certificate that signed it.
    pub signer: Fingerprint,
    /// When that was.
    pub made_at: Timestamp,
    /// SHA-256 of the file or files as they came, in hex: what the journal says.
    pub digest: String,
}

/// Why a signed text does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Worthless {
    /// It is no signed text.
    #[error("it is no signed text: gpg --clearsign makes one")]
    Unsigned,
    /// It is long.
    #[error("it has more than 64 KiB")]
    TooLarge,
    /// Nobody on the roster signed it.
    #[error("no key that is known here signed it")]
    UnknownKey,
    /// The signature is not valid, or was not when it was made.
    #[error("its signature is not valid, or its key was not when it signed")]
    Bad,
    /// Several people signed it.
    #[error("several keys signed it: each has to sign a text of its own")]
    Several,
}

/// Reads a signed text. How old the signature is does not matter: what the text names binds it.
///
/// # Errors
/// [`Worthless`] says why it does not count.
pub fn read(
    signed: &[u8],
    signature: Option<&[u8]>,
    certs: &[Arc<Cert>],
    at: Timestamp,
) -> Result<Statement, Worthless> {
    if signed.len().max(signature.map_or(0, <[u8]>::len)) > MOST {
        return Err(Worthless::TooLarge);
    }
    let judge = Judge::new(&[], Signers { certs, are_one: &|_| false }, at);
    let (text, findings) = match signature {
        Some(signature) => (signed.to_vec(), judge.detached(signature, signed)),
        None => inline(signed, &judge, at)?,
    };
    let (mut signers, mut bad) = (Vec::new(), false);
    for finding in findings {
        match finding {
            Finding::Valid { signer, made_at, flaw: None | Some(Why::Stale), .. } => {
                signers.push((signer, made_at))
            }
            Finding::Valid { .. } | Finding::Bad(_) => bad = true,
            Finding::Unknown(_) => {}
        }
    }
    signers.sort_unstable();
    signers.dedup_by_key(|(signer, _)| *signer);
    let (signer, made_at) = match signers.as_slice() {
        [one] => *one,
        [] if bad => return Err(Worthless::Bad),
        [] => return Err(Worthless::UnknownKey),
        _ => return Err(Worthless::Several),
    };
    let digest = Sha256::new().chain_update(signed).chain_update(signature.unwrap_or_default()).finalize();
    Ok(Statement {
        text: String::from_utf8_lossy(&text).into_owned(),
        signer,
        made_at,
        digest: data_encoding::HEXLOWER.encode(&digest),
    })
}

fn inline(signed: &[u8], judge: &Judge<'_>, at: Timestamp) -> Result<(Vec<u8>, Vec<Finding>), Worthless> {
    let policy = standard(at);
    let mut layers = Layers { judge, findings: Vec::new() };
    let mut text = Vec::new();
    let read = VerifierBuilder::from_bytes(signed)
        .and_then(|builder| builder.with_policy(&policy, judge.latest().system(), &mut layers))
        .map_err(|_| Worthless::Unsigned)?
        .take(u64::try_from(MOST).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut text);
    if read.is_err() {
        return Err(Worthless::Bad);
    }
    if text.len() > MOST {
        return Err(Worthless::TooLarge);
    }
    Ok((text, layers.findings))
}

struct Layers<'a, 'j> {
    judge: &'a Judge<'j>,
    findings: Vec<Finding>,
}

impl VerificationHelper for &mut Layers<'_, '_> {
    fn get_certs(&mut self, ids: &[KeyHandle]) -> openpgp::Result<Vec<openpgp::Cert>> {
        Ok(self.judge.candidates(ids))
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            if let MessageLayer::SignatureGroup { results } = layer {
                self.findings.extend(results.into_iter().map(|result| self.judge.find(result)));
            }
        }
        Ok(())
    }
}
