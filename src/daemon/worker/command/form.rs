//! An application that came by mail: taken, or returned to whoever signed it.

use std::sync::Arc;

use super::{finish, worked};
use crate::daemon::worker::beside::{Asked, Beside};
use crate::daemon::worker::{Stay, Worker};
use crate::id::MemberId;
use crate::ledger::affairs::application::{self, Came};
use crate::ledger::affairs::{Step, Trouble};
use crate::ledger::answered;
use crate::ledger::journal::{Actor, Event};
use crate::ledger::limit::Limit;
use crate::ledger::registry::Read;
use crate::ledger::seen;
use crate::ledger::spool::Spooled;
use crate::mail::list::List;
use crate::meter;
use crate::relay::applicant::Applying;
use crate::relay::gate::DropReason;
use crate::roster::application::Change as What;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::{Change, Refusal, form};
use crate::store::contract::{Batch, StoreError};
use crate::time::Timestamp;

impl Worker {
    /// Takes it, and lets the mail go on to the team; or returns it. Where it may not be answered it is a mail as any other.
    pub(super) fn applied(
        &self,
        spooled: &Spooled,
        applying: &Applying,
        read: &Read,
        now: Timestamp,
    ) -> Result<Asked, Stay> {
        let affairs = self.affairs();
        let Some(list) = affairs.list(&spooled.list).cloned() else {
            return Ok(Asked::GoesOn(Beside::default()));
        };
        for digest in &applying.replay {
            if seen::is_known(&*self.store, &spooled.list, digest)? {
                self.drop_mail(spooled, DropReason::Replay, now)?;
                return Ok(Asked::Done);
            }
        }
        let mut batch = Batch::new();
        let mut step = affairs.begin_from(read.clone(), &mut batch, Actor::Relay, now);
        let taken = match received(&mut step, &list, spooled, applying)? {
            Received::Taken => true,
            Received::Returned => false,
            Received::Unanswered => return Ok(Asked::GoesOn(Beside::default())),
        };
        let notes = step.finish()?;
        // What is complete goes to the team, and so do words beside the form.
        let goes_on = taken || applying.more;
        if goes_on {
            seen::mark(&mut batch, &spooled.list, &worked(spooled), now)?;
            for digest in &applying.replay {
                seen::mark(&mut batch, &spooled.list, digest, now)?;
            }
        } else {
            finish(&mut batch, spooled, &applying.replay, now)?;
        }
        self.made(spooled, &batch, &notes, now)?;
        meter::relay(spooled.list.as_str(), "command", "apply");
        tracing::info!(list = %spooled.list, mail = %spooled.id, taken, "an application came by mail");
        Ok(if goes_on { Asked::AndMore } else { Asked::Done })
    }
}

enum Received {
    Taken,
    Returned,
    /// Whoever signed was answered today already, or as many strangers as the policy lets.
    Unanswered,
}

/// Whether one more letter of a kind may go to a stranger: keys and addresses cost nothing, so all of a list count together.
fn is_left(step: &mut Step<'_>, list: &List, kind: &'static str) -> Result<bool, StoreError> {
    let Some(most) = list.membership().stranger_letters_per_day else { return Ok(true) };
    let (store, now) = (Arc::clone(&step.affairs().store), step.now());
    let limit = Limit { name: kind, most: most.get(), span: answered::PERIOD };
    limit.take_for_strangers(&*store, step.batch(), &list.name, now)
}

/// Whether the certificate is somebody's who belongs somewhere here.
fn is_known(step: &Step<'_>, applying: &Applying) -> bool {
    let signer = applying.cert.fingerprint();
    step.roster().everyone().any(|(_, m)| m.belongs() && m.signs_with(signer))
}

fn received(
    step: &mut Step<'_>,
    list: &List,
    spooled: &Spooled,
    applying: &Applying,
) -> Result<Received, StoreError> {
    let (about, address, missing) = match &applying.form {
        Ok(filled) => {
            let came = Came { form: filled.clone(), cert: &applying.cert, mail: Some(spooled.id) };
            match application::take(step, list, came) {
                Ok(_) if is_known(step, applying) || is_left(step, list, "confirmations")? => {
                    return Ok(Received::Taken);
                }
                Ok(_) => return Ok(Received::Unanswered),
                Err(Trouble::Store(error)) => return Err(error),
                // Whose address that is nobody tells a stranger, nor anybody there that a stranger named it.
                Err(Trouble::Refused(Refusal::AddressTaken(_))) => return Ok(Received::Unanswered),
                Err(Trouble::Refused(rule)) => {
                    let about = About::ApplicationRefused { rule: rule.to_string() };
                    (about, Some(filled.address.clone()), Vec::new())
                }
            }
        }
        Err(faults) => {
            let missing: Vec<String> = faults.iter().map(|fault| fault.key().to_owned()).collect();
            let wanted = form::keys(list).into_iter().filter(|key| missing.contains(&key.name));
            let lines = wanted.map(|key| form::lines_for(&key)).collect();
            let faults = faults.iter().map(ToString::to_string).collect();
            (About::FormReturned { faults, lines }, applying.signer.reached(), missing)
        }
    };
    let fingerprint = applying.cert.fingerprint();
    let known = step.roster().members(&list.name).iter();
    let known = known.filter(|m| m.belongs()).find(|m| m.signs_with(fingerprint));
    let to = match (known.map(Reached::from), address) {
        (Some(known), _) => known,
        (None, Some(address)) => {
            let (store, now) = (Arc::clone(&step.affairs().store), step.now());
            if !answered::answer(&*store, step.batch(), &address, now)? || !is_left(step, list, "forms")? {
                return Ok(Received::Unanswered);
            }
            let (id, cert) = (MemberId::of_stranger(fingerprint), Some(applying.cert.to_bytes()));
            Reached { id, address, fingerprint, format: None, cert }
        }
        (None, None) => return Ok(Received::Unanswered),
    };
    let what = What::Returned { fingerprint, missing };
    step.tell(Some(&list.name), Event::Roster { change: Change::Application { what } });
    step.write(&Errand { list: list.name.clone(), to, about, until: None })?;
    Ok(Received::Returned)
}
