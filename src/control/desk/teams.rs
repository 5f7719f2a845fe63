//! Persons of teams: added by the admin, for how long, and how they leave. `appoint.rs` has those whom others appoint.

use super::acting::{Acting, plain};
use super::refusal::{Refused, no_member};
use super::{Desk, Reply, copies, done};
use crate::control::wire::{Answer, ErrorKind, Seat, TeamRequest};
use crate::id::{ListName, MemberId, OrgName};
use crate::ledger::affairs;
use crate::ledger::affairs::appoint::Person;
use crate::mail::address::Address;
use crate::mail::directory::Kind;
use crate::pgp::cert::Cert;
use crate::roster::membership::{Cause, Standing};
use crate::time::Timestamp;

impl Desk {
    pub(super) fn team(&self, request: TeamRequest, actor: &Acting) -> Reply {
        match request {
            TeamRequest::Add { list, address, name, cert, role, roles, org, starts } => {
                let roles = role.into_iter().chain(roles).collect();
                let seat = Seat { list, address, name, cert, roles, org };
                self.team_add(&seat, starts.as_deref(), actor)
            }
            TeamRequest::Ls { list } => self.member_ls(list.as_ref(), true),
            TeamRequest::Remove { list, address, reason, below_minimum } => {
                self.team_remove(&list, &address, reason.as_deref(), below_minimum, actor)
            }
            TeamRequest::Term { list, address, starts } => {
                self.team_term(&list, &address, starts.as_deref(), actor)
            }
            TeamRequest::Appoint { who, approvals } => self.team_appoint(&who, &approvals, actor),
            TeamRequest::Replace { old, who, statement } => self.team_replace(&old, &who, &statement, actor),
            TeamRequest::BodyAdd { body, address, cert } => self.body_add(&body, address, &cert, actor),
            TeamRequest::BodyLs => self.body_ls(),
            TeamRequest::BodyRemove { body, address } => self.body_remove(&body, &address, actor),
        }
    }

    fn team_add(&self, seat: &Seat, starts: Option<&str>, actor: &Acting) -> Reply {
        let list = &seat.list;
        let (person, cert) = self.person(seat)?;
        let starts = starts.map(day).transpose()?;
        let term = self.step(actor, |step| {
            let changed = step.roster().add_member(list, person.member(step.now()))?;
            step.apply(Some(list), changed);
            affairs::certs::merged(step, &cert)??;
            Ok(affairs::team::begin_term(step, list, &person.id, starts)?)
        })?;
        // A mail that waited for a first reader can go on.
        self.hurry(None);
        let mut remarks = self.remarks(&seat.address, &cert);
        remarks.extend(term.map(|term| format!("the term ends {}", term.ends)));
        let what = format!("{} is an active member of {list} with key {}", seat.address, person.fingerprint);
        Ok(Answer::Done { what, remarks })
    }

    /// Somebody who may come into a list's team, and the certificate.
    pub(super) fn person(&self, seat: &Seat) -> Result<(Person, Cert), Refused> {
        let list = &seat.list;
        self.not_public(list)?;
        let rules = self.list(list)?;
        if rules.kind != Kind::Intake {
            let next = match &rules.team {
                Some(team) => format!("its team is that of {team}: `team add --list {team} …`"),
                None => "members of this list are added with `member add`".to_owned(),
            };
            let why = format!("{list} is no intake list");
            return Err(Refused::new(ErrorKind::Usage, "nobody was added", why, &next));
        }
        let plain = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
        if !plain(&seat.name) || !seat.roles.iter().all(|role| plain(role)) {
            let why = "the name or a role is empty or has control characters";
            return Err(Refused::new(ErrorKind::Usage, "nobody was added", why, "give a plain name"));
        }
        let cert = self.usable(&seat.cert.0)?;
        self.not_ours(&seat.address)?;
        let person = Person {
            id: MemberId::random(&self.entropy),
            address: seat.address.clone(),
            name: seat.name.clone(),
            roles: seat.roles.clone(),
            works_for: seat.org.clone(),
            fingerprint: cert.fingerprint(),
        };
        self.known_org(seat.org.as_ref())?;
        Ok((person, cert))
    }

    fn known_org(&self, org: Option<&OrgName>) -> Result<(), Refused> {
        let Some(org) = org else { return Ok(()) };
        if self.registry.roster()?.roster.orgs().any(|(name, _)| name == org) {
            return Ok(());
        }
        Err(crate::roster::Refusal::OrgUnknown(org.clone()).into())
    }

    fn team_remove(
        &self,
        list: &ListName,
        address: &Address,
        reason: Option<&str>,
        below_minimum: bool,
        actor: &Acting,
    ) -> Reply {
        self.list(list)?;
        let reason = plain(reason)?;
        let reason = reason.as_deref();
        if below_minimum && reason.is_none() {
            let next = "say why with --reason: it stands in the journal";
            return Err(Refused::new(ErrorKind::Usage, "nobody was removed", "a reason is missing", next));
        }
        let withdrawn = self.step(actor, |step| {
            let member = step.roster().by_address(list, address).ok_or_else(|| no_member(list))?.clone();
            affairs::team::guard(step, list, &member, reason.filter(|_| below_minimum))?;
            let reason = reason.map(ToOwned::to_owned);
            let to = Standing::Removed;
            Ok(affairs::members::moved(step, list, &member.id, to, Cause::Admin, reason)?)
        })?;
        let queued =
            if withdrawn == 0 { String::new() } else { format!("; withdrawn: {}", copies(withdrawn)) };
        Ok(done(format!("{address} is removed on {list}{queued}")))
    }

    /// What teams are against their policies, a sentence each.
    pub(super) fn team_problems(&self) -> Result<Vec<String>, Refused> {
        let found = affairs::team::problems(&self.affairs(), self.clock.now())?;
        Ok(found.into_iter().map(|(list, what)| format!("the team of {list}: {what}")).collect())
    }

    fn team_term(&self, list: &ListName, address: &Address, starts: Option<&str>, actor: &Acting) -> Reply {
        self.list(list)?;
        let starts = starts.map(day).transpose()?;
        let term = self.step(actor, |step| {
            let member = step.roster().by_address(list, address).ok_or_else(|| no_member(list))?.id.clone();
            Ok(affairs::team::begin_term(step, list, &member, starts)?)
        })?;
        self.hurry(None);
        match term {
            Some(term) => Ok(done(format!("the term of {address} on {list} ends {}", term.ends))),
            None => {
                let why = format!("the policy of {list} has no team.term, so that nobody's term ends");
                Err(Refused::new(ErrorKind::Data, "nothing has changed", why, "look at the policy"))
            }
        }
    }
}

/// The beginning of a day, in UTC.
fn day(text: &str) -> Result<Timestamp, Refused> {
    Timestamp::of_day(text).ok_or_else(|| {
        let why = format!("{text:?} is no day");
        Refused::new(ErrorKind::Usage, "nothing has changed", why, "write it as 2026-05-20")
    })
}
