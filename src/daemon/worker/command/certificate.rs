//! A certificate that its owner hands in.

use std::sync::Arc;

use super::did::Did;
use crate::daemon::worker::Worker;
use crate::ledger::affairs::certs;
use crate::ledger::affairs::{Step, Trouble};
use crate::ledger::token::Issued;
use crate::pgp::cert::Cert;
use crate::pgp::possession::HandedIn;
use crate::relay::command::Command;
use crate::roster::membership::Member;

impl Worker {
    pub(super) fn certificate(
        &self,
        step: &mut Step<'_>,
        issued: &Issued,
        member: &Member,
        command: &Command,
    ) -> Result<Did, Trouble> {
        let (list, now) = (&issued.list, step.now());
        if step.roster().by_id(list, &member.id).is_none_or(|member| !member.belongs()) {
            return Ok(Did::Nothing);
        }
        let pinned = self.certs.get(member.fingerprint)?;
        let token = command.token.as_str();
        match HandedIn::with(&command.enclosed, (token, command.signed_too), pinned.as_deref(), now) {
            Err(why) => Ok(Did::Refused(why.to_string())),
            Ok(HandedIn::Newer(cert)) => Ok(match certs::renewed(step, list, member, &cert)? {
                Ok(merged) => Did::This(said(&merged, pinned.as_ref(), now)),
                Err(why) => Did::Refused(why.to_string()),
            }),
            Ok(HandedIn::Other(cert)) => {
                if self.is_ours(&cert) {
                    return Ok(Did::Refused("it is the certificate of a list of this relay".to_owned()));
                }
                Ok(match certs::replaced(step, list, member, (pinned.as_deref(), &cert))? {
                    Ok(_) => Did::Something,
                    Err(why) => Did::Refused(why.to_string()),
                })
            }
        }
    }

    /// Whether the relay could open what it seals to this: then it must not.
    fn is_ours(&self, cert: &Cert) -> bool {
        let keys = self.lists.keys().filter_map(|name| self.keys.list(name));
        keys.into_iter().any(|key| key.cert().fingerprint() == cert.fingerprint())
    }
}

/// What is new in it.
fn said(merged: &Cert, before: Option<&Arc<Cert>>, now: crate::time::Timestamp) -> String {
    let new = before.map(|before| merged.differences(before, now)).unwrap_or_default();
    let new: Vec<String> = new.iter().map(ToString::to_string).collect();
    let new = if new.is_empty() { "nothing in it is new".to_owned() } else { new.join("; ") };
    let problem = merged.sealable(now).err();
    let problem = problem.map_or_else(String::new, |p| {
        format!(" Nothing is sent to you from now on: the certificate is {p}.")
    });
    format!("Your certificate {} is taken: {new}.{problem}", merged.fingerprint())
}
