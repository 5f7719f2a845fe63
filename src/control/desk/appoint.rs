//! Persons of teams whom others appoint by their signatures, and the bodies that do.

use super::acting::Acting;
use super::ballots::unsigned;
use super::refusal::Refused;
use super::{Desk, Reply, copies, done};
use crate::control::wire::{Answer, BodyRow, Certificate, ErrorKind, Seat};
use crate::id::{Fingerprint, MemberId};
use crate::ledger::affairs::{self, appoint};
use crate::ledger::registry::Registry;
use crate::mail::address::Address;
use crate::pgp::signed_text;
use crate::roster::statement::Signed;
use crate::roster::term::BodyMember;

impl Desk {
    pub(super) fn team_appoint(&self, who: &Seat, approvals: &[Certificate], actor: &Acting) -> Reply {
        let list = self.list(&who.list)?;
        let (person, cert) = self.person(who)?;
        let roster = self.registry.roster()?.roster;
        let bodies: Vec<Fingerprint> = roster.bodies().map(|(_, member)| member.fingerprint).collect();
        let signed = approvals.iter().map(|bytes| self.statement(bytes, bodies.iter().copied()));
        let signed = signed.collect::<Result<Vec<_>, _>>()?;
        let term = self.step(actor, |step| {
            let term = appoint::appoint(step, list, &person, &signed)?;
            affairs::certs::merged(step, &cert)??;
            Ok(term)
        })?;
        self.hurry(None);
        let mut remarks = self.remarks(&who.address, &cert);
        remarks.extend(term.map(|term| format!("the term ends {}", term.ends)));
        let what = format!("{} is appointed to the team of {}", who.address, who.list);
        Ok(Answer::Done { what, remarks })
    }

    pub(super) fn team_replace(
        &self,
        old: &Address,
        who: &Seat,
        statement: &Certificate,
        actor: &Acting,
    ) -> Reply {
        let list = self.list(&who.list)?;
        let (person, cert) = self.person(who)?;
        let roster = self.registry.roster()?.roster;
        let team = roster.active(&who.list).flat_map(|member| member.certs().collect::<Vec<_>>());
        let signed = self.statement(statement, team)?;
        let withdrawn = self.step(actor, |step| {
            let withdrawn = appoint::replace(step, list, old, &person, &signed)?;
            affairs::certs::merged(step, &cert)??;
            Ok(withdrawn)
        })?;
        self.hurry(None);
        let queued =
            if withdrawn == 0 { String::new() } else { format!("; withdrawn: {}", copies(withdrawn)) };
        let what = format!("{} came in the place of {old} for the rest of the term{queued}", who.address);
        Ok(Answer::Done { what, remarks: self.remarks(&who.address, &cert) })
    }

    /// A text that one of these certificates has signed.
    pub(super) fn statement(
        &self,
        bytes: &Certificate,
        signers: impl Iterator<Item = Fingerprint>,
    ) -> Result<Signed, Refused> {
        let mut certs = Vec::new();
        for signer in signers {
            certs.extend(self.certs.get(signer)?);
        }
        let read = signed_text::read(&bytes.0, None, &certs, self.clock.now());
        let read = read.map_err(|_| unsigned("nobody whose word counts here has signed it"))?;
        Ok(Signed { signer: read.signer, made_at: read.made_at, text: read.text })
    }

    pub(super) fn body_add(&self, body: &str, address: Address, cert: &Certificate, actor: &Acting) -> Reply {
        if body.trim().is_empty() || body.chars().any(char::is_control) {
            let why = "the body's name is empty or has control characters";
            let next = "name it as `team.approval` of the policy does";
            return Err(Refused::new(ErrorKind::Usage, "nobody was added", why, next));
        }
        let cert = self.usable(&cert.0)?;
        let (id, fingerprint) = (MemberId::random(&self.entropy), cert.fingerprint());
        self.step(actor, |step| {
            let new = BodyMember { id: id.clone(), address: address.clone(), fingerprint, since: step.now() };
            let changed = step.roster().join_body(body, new)?;
            step.apply(None, changed);
            affairs::certs::merged(step, &cert)??;
            Ok(())
        })?;
        Ok(Answer::Done {
            what: format!("{address} is of {body}, with key {fingerprint}"),
            remarks: self.remarks(&address, &cert),
        })
    }

    pub(super) fn body_ls(&self) -> Reply {
        let roster = self.registry.roster()?.roster;
        let row = |(body, member): (&str, &BodyMember)| BodyRow {
            body: body.to_owned(),
            id: member.id.to_string(),
            address: member.address.to_string(),
            fingerprint: member.fingerprint.to_string(),
            since: member.since.to_string(),
        };
        Ok(Answer::Body(roster.bodies().map(row).collect()))
    }

    pub(super) fn body_remove(&self, body: &str, address: &Address, actor: &Acting) -> Reply {
        self.step(actor, |step| {
            let (changed, cert) = step.roster().leave_body(body, address)?;
            step.apply(None, changed);
            if !step.roster().pins(cert) {
                Registry::forget_cert(step.batch(), cert);
            }
            Ok(())
        })?;
        Ok(done(format!("{address} is no longer of {body}")))
    }
}
