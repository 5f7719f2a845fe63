//! What goes with a member who is removed, whoever decided it.

use super::{Step, Trouble};
use crate::id::ListName;
use crate::ledger::registry::Registry;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Member, Role, Standing};
use crate::roster::removal::Reason;

/// What goes with a removed member: their certificate, unless somebody else has it too, and a farewell that is sealed to it.
pub(super) fn parted(
    step: &mut Step<'_>,
    list: &ListName,
    member: &Member,
    reason: Option<&str>,
) -> Result<(), Trouble> {
    let cert = step.affairs().registry.cert(member.fingerprint)?.map(|(bytes, _)| bytes);
    // Who never belonged has nothing to take leave of.
    if matches!(member.standing, Standing::Active | Standing::Suspended) && cert.is_some() {
        let team = matches!(member.role, Role::Team { .. });
        let about = About::Farewell { reason: reason.and_then(Reason::of), team };
        let to = Reached { cert, ..Reached::from(member) };
        step.write(&Errand { list: list.clone(), to, about, until: None })?;
    }
    for theirs in member.certs() {
        if !step.roster().pins(theirs) {
            Registry::forget_cert(step.batch(), theirs);
        }
    }
    Ok(())
}
