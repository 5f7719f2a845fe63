//! Certificates that their owners hand in.

use super::{Step, Trouble};
use crate::id::ListName;
use crate::ledger::registry::Registry;
use crate::mail::incident::Incident;
use crate::pgp::cert::{Cert, CertError, CertProblem};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::Member;
use crate::store::contract::StoreError;

/// Why a certificate is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It does not go together with what is known of it.
    #[error(transparent)]
    Unmergeable(#[from] CertError),
    /// Nothing could be sealed to it.
    #[error("the certificate is {0}")]
    Unusable(CertProblem),
}

/// A newer copy of the pinned one, taken with all that was known of it before: an update never forgets a revocation, nor
/// one that comes at the same moment. Returns what it is now.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn renewed(
    step: &mut Step<'_>,
    list: &ListName,
    member: &Member,
    handed_in: &Cert,
) -> Result<Result<Cert, Unfit>, Trouble> {
    let merged = match merged(step, handed_in)? {
        Ok(merged) => merged,
        Err(error) => return Ok(Err(error.into())),
    };
    let changed = step.roster().set_cert(list, &member.address, merged.fingerprint())?;
    step.apply(Some(list), changed);
    Ok(Ok(merged))
}

/// Another one takes the place of the pinned one: its owner hears of it at both, and the admins do. Returns what it is now.
///
/// # Errors
/// As [`renewed`].
pub fn replaced(
    step: &mut Step<'_>,
    list: &ListName,
    member: &Member,
    (old, new): (Option<&Cert>, &Cert),
) -> Result<Result<Cert, Unfit>, Trouble> {
    if let Err(problem) = new.sealable(step.now()) {
        return Ok(Err(Unfit::Unusable(problem)));
    }
    let merged = match renewed(step, list, member, new)? {
        Ok(merged) => merged,
        Err(unfit) => return Ok(Err(unfit)),
    };
    // What is known of it, such as a revocation, may be more than what came.
    if let Err(problem) = merged.sealable(step.now()) {
        return Ok(Err(Unfit::Unusable(problem)));
    }
    let (before, after) = (member.fingerprint, new.fingerprint());
    let about = About::CertReplaced { before, after };
    // The old one is sealed to as it was: nobody on the roster may have it any more.
    let at_old = Reached { cert: old.map(Cert::to_bytes), ..Reached::from(member) };
    let at_new = Reached { fingerprint: after, format: None, ..Reached::from(member) };
    for to in [at_old, at_new] {
        step.write(&Errand { list: list.clone(), to, about: about.clone(), until: None })?;
    }
    let (id, recipient) = (member.id.clone(), member.address.clone());
    step.alert(list, Incident::CertificateReplaced { member: id, recipient, before, after })?;
    Ok(Ok(merged))
}

/// Puts the certificate with what is known of it, if nobody changes that meanwhile.
///
/// # Errors
/// When the store fails.
pub fn merged(step: &mut Step<'_>, handed_in: &Cert) -> Result<Result<Cert, CertError>, StoreError> {
    let (fingerprint, registry) = (handed_in.fingerprint(), step.affairs().registry.clone());
    let known = registry.cert(fingerprint)?;
    let version = known.as_ref().map(|(_, version)| *version);
    let merged = match known {
        Some((bytes, _)) => Cert::parse(&bytes).and_then(|known| known.merge(handed_in)),
        None => Ok(handed_in.clone()),
    };
    if let Ok(merged) = &merged {
        Registry::put_cert(step.batch(), fingerprint, version, merged.to_bytes());
    }
    Ok(merged)
}
