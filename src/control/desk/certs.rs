//! Members' certificates: what is taken, what is merged, and what a look at one tells a person.

use super::acting::Acting;
use std::time::Duration;

use super::refusal::{Refused, no_member};
use super::{Desk, Reply};
use crate::control::wire::{Answer, Certificate, ErrorKind};
use crate::id::ListName;
use crate::ledger::affairs;
use crate::mail::address::Address;
use crate::pgp::cert::Cert;
use crate::pgp::outlook::Outlook;
use crate::roster::membership::Member;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Desk {
    pub(super) fn member_set_cert(
        &self,
        list: &ListName,
        address: &Address,
        given: &Certificate,
        confirm_other: bool,
        actor: &Acting,
    ) -> Reply {
        self.list(list)?;
        let roster = self.registry.roster()?.roster;
        let old = roster.by_address(list, address).ok_or_else(|| no_member(list))?.fingerprint;
        let pinned = self.certs.get(old)?;
        let cert = self.foreign(Cert::handed_in(&given.0, pinned.as_deref())?)?;
        let new = cert.fingerprint();
        if old != new {
            self.sealable(&cert)?;
            if !confirm_other {
                let what = format!("the certificate pinned for {address} would change from {old} to {new}");
                return Ok(Answer::Confirm { what });
            }
        }
        // A newer copy of the pinned certificate is taken whatever it says: what its owner revoked must not count on.
        let (merged, known) = self.step(actor, |step| {
            let changed = step.roster().set_cert(list, address, new)?;
            step.apply(Some(list), changed);
            let known = self.certs.get(new)?;
            Ok((affairs::certs::merged(step, &cert)??, known))
        })?;
        let now = self.clock.now();
        let mut remarks: Vec<String> = match known.filter(|_| old == new) {
            Some(known) => merged.differences(&known, now).iter().map(ToString::to_string).collect(),
            None => vec![format!("before: {old}"), ends(merged.expires(now))],
        };
        if remarks.is_empty() {
            remarks.push("nothing in it is new".to_owned());
        }
        if let Err(problem) = merged.sealable(now) {
            remarks.push(format!("{address} receives nothing from now on: the certificate is {problem}"));
        }
        // A mail that waited for a reader with a usable key can go on.
        self.hurry(None);
        Ok(Answer::Done { what: format!("{address} has key {new}"), remarks })
    }

    /// A certificate that mail can be sealed to today, and that is no list's.
    pub(super) fn usable(&self, bytes: &[u8]) -> Result<Cert, Refused> {
        let cert = self.foreign(Cert::import(bytes)?)?;
        self.sealable(&cert)?;
        Ok(cert)
    }

    /// A certificate that is no list's: the relay must not be able to open what it has queued, and no list is a poster.
    pub(super) fn foreign(&self, cert: Cert) -> Result<Cert, Refused> {
        let keys = self.lists.iter().filter_map(|l| Some((&l.name, self.keys.list(&l.name)?)));
        for (list, key) in keys {
            if key.is(cert.fingerprint()) {
                let why = format!("it is the certificate of the list {list} itself");
                let next = "give the certificate of the person or organisation that is to read";
                return Err(Refused::new(ErrorKind::Data, "the certificate was not taken", why, next));
            }
        }
        Ok(cert)
    }

    fn sealable(&self, cert: &Cert) -> Result<(), Refused> {
        cert.sealable(self.clock.now()).map_err(|problem| {
            let next = "ask its owner for a certificate that is valid today";
            let why = format!("certificate {} is {problem}", cert.fingerprint());
            Refused::new(ErrorKind::Data, "the certificate was not taken", why, next)
        })
    }

    /// The certificate with what is already known of it: an update never forgets a revocation.
    pub(super) fn merged(&self, cert: &Cert) -> Result<Cert, Refused> {
        match self.certs.get(cert.fingerprint())? {
            Some(known) => Ok(known.merge(cert)?),
            None => Ok(cert.clone()),
        }
    }
}

fn ends(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "it never ends".to_owned(), |at| format!("it ends {at}"))
}

/// Whether a member receives mail, and for how long.
pub(super) struct Receives {
    pub(super) now: bool,
    pub(super) expires: Option<Timestamp>,
    /// Begun days until then; 0 for who receives nothing now, nothing for whom no end is known.
    pub(super) days_left: Option<u64>,
    /// What is wrong, or will be soon.
    pub(super) problem: Option<String>,
    /// The whole in words.
    pub(super) words: String,
}

impl Receives {
    pub(super) fn of(member: &Member, outlook: Option<&Outlook>, now: Timestamp) -> Self {
        let unusable = match outlook {
            Some(outlook) => outlook.problem.as_ref().map(ToString::to_string),
            None => Some("its certificate is missing from the store".to_owned()),
        };
        let inactive = (!member.is_active()).then(|| format!("is {}", member.standing));
        let expires = outlook.and_then(|outlook| outlook.expires);
        if let Some(problem) = inactive.or(unusable) {
            let words = format!("receives nothing: {problem}");
            return Self { now: false, expires, days_left: Some(0), problem: Some(problem), words };
        }
        if let Some(off) = member.file.delivery_off {
            let words = format!("receives no copies: delivery is off since {off}");
            return Self { now: false, expires, days_left: None, problem: None, words };
        }
        let Some(end) = expires else {
            let words = "receives; the certificate has no end".to_owned();
            return Self { now: true, expires, days_left: None, problem: None, words };
        };
        let days = u64::try_from(end.since(now).as_millis().div_ceil(DAY.as_millis())).unwrap_or(u64::MAX);
        let left = if days == 1 { "one day".to_owned() } else { format!("{days} days") };
        let near = outlook.and_then(|outlook| outlook.within(now)).is_some();
        let problem = near.then(|| format!("ends in {left}: ask for the extended certificate"));
        let words = format!("receives until {end}: the certificate ends in {left}");
        Self { now: true, expires, days_left: Some(days), problem, words }
    }
}
