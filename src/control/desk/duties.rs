//! What members owe: acceptances on file, addresses asked for now, breaches.

use super::acting::Acting;
use std::sync::Arc;

use super::refusal::{Refused, no_member, not_found};
use super::{Desk, Reply, done};
use crate::control::wire::{Answer, BreachRow, Certificate, DutyRequest, ErrorKind, Told};
use crate::id::{BreachId, ListName, MemberId, OrgName};
use crate::ledger::affairs::breach::{self, Report};
use crate::ledger::affairs::{acceptance, alias};
use crate::ledger::shelf::Shelf;
use crate::mail::address::Address;
use crate::mime::write::text_part;
use crate::pgp::cert::Cert;
use crate::pgp::seal::seal_at_rest;
use crate::pgp::signed_text::{self, Statement};
use crate::policy::BreachField;
use crate::roster::Roster;
use crate::roster::breach::Breach;
use crate::roster::enclosed::Enclosed;
use crate::roster::membership::{Member, Role};
use crate::roster::terms::{Accepted, Edition, How, Staff};
use crate::secret::Plaintext;
use crate::time::Timestamp;

impl Desk {
    pub(super) fn duty(&self, request: DutyRequest, actor: &Acting) -> Reply {
        use DutyRequest as D;
        match request {
            D::Accept { list, address, statement } => self.accepted(&list, &address, &statement, actor),
            D::AskAlias { list, address } => self.ask_alias(&list, &address, actor),
            D::StaffAdd { list, address, name, statement, cert } => {
                self.staff_add(&list, &address, &name, (&statement, cert.as_ref()), actor)
            }
            D::StaffRemove { list, address, staff } => self.staff_remove(&list, &address, &staff, actor),
            D::BreachOpen { list, org, known_since, told } => {
                self.breach_open(&list, org.as_ref(), known_since.as_deref(), &told, actor)
            }
            D::BreachAnswer { id, told } => self.breach_answer(&id, &told, actor),
            D::BreachLs { list } => self.breach_ls(list.as_ref()),
            D::BreachShow { id } => self.breach_show(&id),
            D::BreachClose { id, org, strike } => self.breach_close(&id, org.as_ref(), strike, actor),
        }
    }

    fn accepted(&self, list: &ListName, address: &Address, file: &Certificate, actor: &Acting) -> Reply {
        let edition = self.edition(list)?;
        let member = self.member(list, address)?;
        let cert = self.certs.get(member.fingerprint)?.into_iter().collect::<Vec<_>>();
        let said = self.stated(file, &cert)?;
        says(&said, list, &edition, None)?;
        self.step(actor, |step| Ok(acceptance::accept(step, list, &member.id, &edition, How::Statement)?))?;
        self.hurry(None);
        Ok(done(format!("{address} accepted version {} of the terms of {list}", edition.version)))
    }

    fn ask_alias(&self, list: &ListName, address: &Address, actor: &Acting) -> Reply {
        let rules = self.list(list)?;
        let due = self.step(actor, |step| {
            let member = step.roster().by_address(list, address).ok_or_else(|| no_member(list))?.clone();
            if !member.is_active() || !matches!(member.role, Role::Contact { .. }) {
                let why = format!("it is no active contact of {list}");
                return Err(Refused::new(ErrorKind::Data, "nobody was asked", why, "see `member show`"));
            }
            Ok(alias::ask(step, rules, &member)?)
        })?;
        Ok(done(format!("{address} is asked whether it is read; an answer is due until {due}")))
    }

    fn staff_add(
        &self,
        list: &ListName,
        address: &Address,
        name: &str,
        (file, cert): (&Certificate, Option<&Certificate>),
        actor: &Acting,
    ) -> Reply {
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            let why = "the name is empty or has control characters";
            return Err(Refused::new(ErrorKind::Usage, "nobody was recorded", why, "give a plain name"));
        }
        let edition = self.edition(list)?;
        let contact = self.member(list, address)?;
        let certs = match cert {
            Some(cert) => vec![Arc::new(Cert::parse(&cert.0)?)],
            None => self.certs.get(contact.fingerprint)?.into_iter().collect(),
        };
        let said = self.stated(file, &certs)?;
        says(&said, list, &edition, Some(name))?;
        let id = MemberId::random(&self.entropy);
        self.step(actor, |step| {
            let accepted = Accepted { edition: edition.clone(), at: step.now(), how: How::Statement };
            let name = name.trim().to_owned();
            let staff = Staff { id: id.clone(), name, address: None, accepted, signer: said.signer };
            Ok(acceptance::staff(step, list, &contact.id, staff)?)
        })?;
        Ok(done(format!("{} is recorded among the people of {address}", name.trim())))
    }

    fn staff_remove(&self, list: &ListName, address: &Address, staff: &MemberId, actor: &Acting) -> Reply {
        self.list(list)?;
        self.step(actor, |step| {
            let id = step.roster().by_address(list, address).ok_or_else(|| no_member(list))?.id.clone();
            let changed = step.roster().remove_staff(list, &id, staff)?;
            step.apply(Some(list), changed);
            Ok(())
        })?;
        Ok(done(format!("{staff} is not among the people of {address} any more")))
    }

    fn breach_open(
        &self,
        list: &ListName,
        org: Option<&OrgName>,
        known_since: Option<&str>,
        told: &Told,
        actor: &Acting,
    ) -> Reply {
        let rules = self.list(list)?;
        let known = known_since.map(|at| self.known_since(at)).transpose()?;
        let (answered, sealed) = self.sealed(told)?;
        let missing: Vec<BreachField> =
            breach::demanded(rules).iter().copied().filter(|field| !answered.contains(field)).collect();
        if known.is_none() && !missing.is_empty() {
            let why = format!("a report of a leak has to say also: {}", flags(&missing));
            let next = "give them; or, if only that something leaked is known so far, --known-since TIME";
            return Err(Refused::new(ErrorKind::Usage, "no breach was opened", why, next));
        }
        let breach = self.step(actor, |step| {
            if let Some(org) = org.filter(|org| step.roster().org(org).is_none()) {
                return Err(crate::roster::Refusal::OrgUnknown(org.clone()).into());
            }
            let (answered, sealed) = (answered.clone(), sealed.clone());
            let known_since = known.unwrap_or_else(|| step.now());
            Ok(breach::open(
                step,
                rules,
                Report { org: org.cloned(), by: None, known_since, answered, sealed },
            )?)
        })?;
        let mut remarks = vec!["the team has a letter; nothing of the answers is kept here".to_owned()];
        remarks.extend(still(&breach, &missing));
        Ok(Answer::Done { what: format!("breach {} is open", breach.id), remarks })
    }

    fn breach_answer(&self, id: &BreachId, told: &Told, actor: &Acting) -> Reply {
        let (answered, sealed) = self.sealed(told)?;
        if answered.is_empty() {
            let next = "give --what FILE, --to-whom FILE or --prevention FILE";
            return Err(Refused::new(ErrorKind::Usage, "nothing was answered", "nothing was told", next));
        }
        let breach =
            self.step(actor, |step| Ok(breach::answer(step, id, answered.clone(), sealed.clone(), None)?))?;
        let missing = self.list(&breach.list).map(|list| breach.missing(breach::demanded(list)))?;
        let remarks = still(&breach, &missing).into_iter().collect();
        Ok(Answer::Done { what: format!("the team has what is told of breach {id}"), remarks })
    }

    fn breach_ls(&self, list: Option<&ListName>) -> Reply {
        if let Some(list) = list {
            self.list(list)?;
        }
        let roster = self.registry.roster()?.roster;
        let all = Shelf::<Breach>::new(&self.store).all()?.into_iter().map(|taken| taken.it);
        let mut all: Vec<Breach> = all.filter(|b| list.is_none_or(|list| b.list == *list)).collect();
        all.sort_by_key(|breach| (breach.closed.is_some(), breach.opened));
        Ok(Answer::Breaches(all.iter().map(|breach| self.breach_row(breach, &roster)).collect()))
    }

    fn breach_show(&self, id: &BreachId) -> Reply {
        let found = Shelf::<Breach>::new(&self.store).get(id.as_str())?;
        let breach = found.ok_or_else(|| crate::roster::Refusal::NoBreach(id.clone()))?.it;
        let roster = self.registry.roster()?.roster;
        Ok(Answer::Breach(Box::new(self.breach_row(&breach, &roster))))
    }

    fn breach_close(&self, id: &BreachId, org: Option<&OrgName>, strike: bool, actor: &Acting) -> Reply {
        let decided = self.step(actor, |step| Ok(breach::close(step, id, org.cloned(), strike)?))?;
        let org = decided.breach.org.as_ref().map_or("nobody", OrgName::as_str);
        let what = match strike {
            true => format!("breach {id} is closed; against {org} count {}", decided.strikes),
            false => format!("breach {id} is closed, and counts against nobody"),
        };
        let mut remarks: Vec<String> = decided
            .ballots
            .iter()
            .map(|ballot| format!("the team votes on removal: ballot {ballot}"))
            .collect();
        remarks.extend(decided.no_ballot.map(|why| format!("no vote on removal was opened: {why}")));
        Ok(Answer::Done { what, remarks })
    }

    /// What `status` says of breaches.
    pub(super) fn overdue_reports(&self) -> Result<Vec<String>, Refused> {
        let roster = self.registry.roster()?.roster;
        let all = Shelf::<Breach>::new(&self.store).all()?;
        let rows = all.iter().map(|taken| self.breach_row(&taken.it, &roster)).filter(|row| row.overdue);
        Ok(rows
            .map(|row| {
                let (id, list, missing) = (row.id, row.list, row.missing.join(", "));
                format!("the report of breach {id} on {list} is overdue ({missing}): see `breach show {id}`")
            })
            .collect())
    }

    fn breach_row(&self, breach: &Breach, roster: &Roster) -> BreachRow {
        let list = self.lists.iter().find(|list| list.name == breach.list);
        let demanded = list.map_or(&[][..], breach::demanded);
        BreachRow {
            id: breach.id.to_string(),
            list: breach.list.to_string(),
            org: breach.org.as_ref().map(ToString::to_string),
            by: breach.by.as_ref().map_or_else(|| "admin".to_owned(), ToString::to_string),
            opened: breach.opened.to_string(),
            known_since: breach.known_since.to_string(),
            due: breach.due.map(|due| due.to_string()),
            missing: breach.missing(demanded).iter().map(|field| field.as_str().to_owned()).collect(),
            overdue: breach.is_overdue(demanded, self.clock.now()),
            state: match breach.closed {
                None => "open",
                Some(closed) if closed.strike => "strike",
                Some(_) => "no strike",
            }
            .to_owned(),
            strikes: breach.org.as_ref().map_or(0, |org| u64::from(roster.strikes(&breach.list, org))),
        }
    }

    /// Which questions are answered, and the answers, sealed like an arrival: nothing of them is stored in the clear.
    fn sealed(&self, told: &Told) -> Result<(Vec<BreachField>, Option<Enclosed>), Refused> {
        let all = [
            (BreachField::What, "What", &told.what),
            (BreachField::ToWhom, "To whom", &told.to_whom),
            (BreachField::Prevention, "Prevention", &told.prevention),
        ];
        let (mut answered, mut text) = (Vec::new(), String::new());
        for (field, label, answer) in all {
            let Some(answer) = answer else { continue };
            let answer = String::from_utf8_lossy(answer.bytes());
            if !answer.trim().is_empty() {
                text.push_str(label);
                text.push_str(":\n\n");
                text.push_str(answer.trim());
                text.push_str("\n\n");
                answered.push(field);
            }
        }
        if answered.is_empty() {
            return Ok((answered, None));
        }
        let entity = Plaintext::new(text_part(&text));
        let front_door = self.keys.front_door();
        let spool = front_door.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let sealed = seal_at_rest(&entity, &spool).map_err(|error| {
            Refused::new(ErrorKind::Internal, "the answers were not taken", error.to_string(), "try again")
        })?;
        Ok((answered, Some(Enclosed::new(&sealed, spool.fingerprint()))))
    }

    fn known_since(&self, at: &str) -> Result<Timestamp, Refused> {
        let read = at.parse::<jiff::Timestamp>().ok().map(|at| Timestamp::from_millis(at.as_millisecond()));
        read.filter(|at| *at <= self.clock.now()).ok_or_else(|| {
            let why = "--known-since is no time of the past";
            let next = "write it as 2026-01-31T12:00:00Z";
            Refused::new(ErrorKind::Usage, "no breach was opened", why, next)
        })
    }

    fn edition(&self, list: &ListName) -> Result<Edition, Refused> {
        let terms = self.list(list)?.terms();
        Ok(terms.map(Edition::from).ok_or_else(|| crate::roster::Refusal::NoTerms(list.clone()))?)
    }

    fn member(&self, list: &ListName, address: &Address) -> Result<Member, Refused> {
        let roster = self.registry.roster()?.roster;
        let contact = roster.by_address(list, address).filter(|m| matches!(m.role, Role::Contact { .. }));
        contact.cloned().ok_or_else(|| no_member(list))
    }

    /// What a signed file says.
    fn stated(&self, file: &Certificate, certs: &[Arc<Cert>]) -> Result<Statement, Refused> {
        signed_text::read(&file.0, None, certs, self.clock.now()).map_err(|_| {
            Refused::new(
                ErrorKind::Data,
                "the statement was not taken",
                "it carries no good signature of that certificate over the whole text",
                "have it signed with `gpg --clearsign`, by the certificate that is pinned (`member show`)",
            )
        })
    }
}

/// A statement is about one list and one text, each on a line of its own: what merely mentions the digest is none.
fn says(said: &Statement, list: &ListName, edition: &Edition, name: Option<&str>) -> Result<(), Refused> {
    let mut wanted = vec![
        format!("List: {list}"),
        format!("Version: {}", edition.version),
        format!("Accepts: {}", edition.hash),
    ];
    wanted.extend(name.map(|name| format!("Name: {}", name.trim())));
    let lines: Vec<&str> = said.text.lines().map(str::trim).collect();
    let missing: Vec<String> = wanted.into_iter().filter(|line| !lines.contains(&line.as_str())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!("the signed text lacks, each on a line of its own: {}", missing.join(" / "));
    Err(not_found("the statement was not taken".to_owned(), why, "have it written and signed anew"))
}

fn flags(fields: &[BreachField]) -> String {
    fields.iter().map(|field| format!("--{}", field.as_str())).collect::<Vec<_>>().join(", ")
}

fn still(breach: &Breach, missing: &[BreachField]) -> Option<String> {
    let due = breach.due.map_or_else(String::new, |due| format!(", due until {due}"));
    (!missing.is_empty()).then(|| format!("not answered yet{due}: {} (`breach answer`)", flags(missing)))
}
