//! Organisations, members and teams.

use super::acting::Acting;
use super::certs::Receives;
use super::refusal::{Refused, no_member};
use super::{Desk, Reply, done};
use crate::control::wire::{Answer, Certificate, ErrorKind, Format as WireFormat, MemberRow};
use crate::id::{Fingerprint, ListName, MemberId, OrgName};
use crate::ledger::affairs;
use crate::ledger::certs::Outlooks;
use crate::mail::address::Address;
use crate::mail::directory::Kind;
use crate::pgp::cert::{Cert, Format};
use crate::roster::Roster;
use crate::roster::membership::{Cause, Member, MemberFile, Role, Standing};
use crate::roster::terms::{Edition, How, Staff};
use crate::time::Timestamp;

impl Desk {
    pub(super) fn member_add(
        &self,
        list: &ListName,
        org: OrgName,
        address: Address,
        cert: &Certificate,
        (format, ask): (Option<WireFormat>, bool),
        actor: &Acting,
    ) -> Reply {
        self.not_public(list)?;
        let terms = self.list(list)?.terms().map(|terms| terms.version.clone());
        if ask && terms.is_none() {
            return Err(crate::roster::Refusal::NoTerms(list.clone()).into());
        }
        if !matches!(self.list(list)?.kind, Kind::Announce | Kind::Discuss) {
            let next = "persons of a team are added with `team add`";
            return Err(Refused::new(
                ErrorKind::Usage,
                "nobody was added",
                format!("{list} has a team"),
                next,
            ));
        }
        let format = format.map(|f| match f {
            WireFormat::V1 => Format::V1,
            WireFormat::V2 => Format::V2,
        });
        let added = self.add(list, address, Role::Contact { org }, cert, (format, ask), actor)?;
        Ok(match (added, terms) {
            (Answer::Done { what, mut remarks }, Some(version)) => {
                remarks.push(if ask {
                    format!("it is asked to accept version {version} of the terms; nothing is delivered before")
                } else {
                    format!(
                        "version {version} of the terms counts as accepted by your word; with --ask it is asked instead"
                    )
                });
                Answer::Done { what, remarks }
            }
            (added, _) => added,
        })
    }

    pub(super) fn not_public(&self, list: &ListName) -> Result<(), Refused> {
        if self.list(list)?.kind != Kind::Public {
            return Ok(());
        }
        let why = format!("{list} is a public list: it takes no members and no mail");
        let next = "add them to a list that takes mail, see `list ls`";
        Err(Refused::new(ErrorKind::Usage, "nobody was added", why, next))
    }

    pub(super) fn add(
        &self,
        list: &ListName,
        address: Address,
        role: Role,
        cert: &Certificate,
        (format, ask): (Option<Format>, bool),
        actor: &Acting,
    ) -> Reply {
        let cert = self.usable(&cert.0)?;
        self.not_ours(&address)?;
        let flag = self.flag_before(list, &role, &address)?;
        let fingerprint = cert.fingerprint();
        let (id, mut gave_way) = (MemberId::random(&self.entropy), 0);
        self.step(actor, |step| {
            let member = Member {
                id: id.clone(),
                address: address.clone(),
                fingerprint,
                role: role.clone(),
                standing: Standing::Active,
                since: step.now(),
                format,
                file: MemberFile::default(),
            };
            let binds = matches!(member.role, Role::Contact { .. });
            let overtaken = step.roster().overtaken(list, &member);
            let added = step.roster().add_member(list, member)?;
            step.apply(Some(list), added);
            affairs::admission::overtaken(step, &overtaken)?;
            gave_way = overtaken.len();
            affairs::certs::merged(step, &cert)??;
            match affairs::asking::edition(step, list).filter(|_| binds) {
                Some(_) if ask => _ = affairs::asking::ask(step, list, &id)?,
                Some(edition) => affairs::acceptance::accept(step, list, &id, &edition, How::AdminsWord)?,
                None => {}
            }
            Ok(())
        })?;
        // A mail that waited for a first reader can go on.
        self.hurry(None);
        let mut remarks = self.remarks(&address, &cert);
        remarks.extend(flag);
        if gave_way > 0 {
            remarks.push(
                "an open application with this address or key has ended: see `org applications`".to_owned(),
            );
        }
        let what = format!("{address} is an active member of {list} with key {fingerprint}");
        Ok(Answer::Done { what, remarks })
    }

    /// What an admin should know of a certificate that was pinned.
    pub(super) fn remarks(&self, address: &Address, cert: &Cert) -> Vec<String> {
        let named = cert.emails().iter().any(|e| e.eq_ignore_ascii_case(&address.to_string()));
        let mut remarks = Vec::new();
        if !named {
            remarks.push(format!(
                "the certificate has no User ID for {address}; it is pinned by its fingerprint all the same"
            ));
        }
        if let Some(expires) = cert.expires(self.clock.now()) {
            remarks.push(format!("the certificate expires {expires}"));
        }
        remarks
    }

    pub(super) fn member_ls(&self, list: Option<&ListName>, team: bool) -> Reply {
        if let Some(list) = list {
            self.list(list)?;
        }
        let wanted = |member: &Member| matches!(member.role, Role::Team { .. }) == team;
        let mut rows = self.rows(list, wanted)?;
        // Whom somebody has to do something for comes first, the most urgent before all; the others stay in their order.
        rows.sort_by_key(|row| match (&row.problem, row.standing.as_str()) {
            (Some(_), "active") => row.days_left.unwrap_or(0),
            _ => u64::MAX,
        });
        Ok(Answer::Members(rows))
    }

    pub(super) fn member_show(&self, list: &ListName, address: &Address) -> Reply {
        self.list(list)?;
        let roster = self.registry.roster()?.roster;
        let member = roster.by_address(list, address).ok_or_else(|| no_member(list))?;
        let now = self.clock.now();
        let outlooks = self.certs.outlooks(&[member.fingerprint], now)?;
        Ok(Answer::Member(Box::new(self.row(list, member, &outlooks, now))))
    }

    pub(super) fn move_to(
        &self,
        list: &ListName,
        address: &Address,
        to: Standing,
        reason: Option<String>,
        actor: &Acting,
    ) -> Reply {
        self.list(list)?;
        let withdrawn = self.step(actor, |step| {
            let member = step.roster().by_address(list, address).ok_or_else(|| no_member(list))?.clone();
            if to == Standing::Active {
                term_runs(&member)?;
            } else {
                affairs::team::guard(step, list, &member, None)?;
            }
            Ok(affairs::members::moved(step, list, &member.id, to, Cause::Admin, reason.clone())?)
        })?;
        if to == Standing::Active {
            self.hurry(None);
        }
        let queued = match withdrawn {
            0 => String::new(),
            n => format!("; withdrawn: {}", super::copies(n)),
        };
        Ok(done(format!("{address} is {to} on {list}{queued}")))
    }

    /// The rows of all who are wanted and have not been removed.
    pub(super) fn rows(
        &self,
        list: Option<&ListName>,
        wanted: impl Fn(&Member) -> bool,
    ) -> Result<Vec<MemberRow>, Refused> {
        let roster = self.registry.roster()?.roster;
        self.rows_in(&roster, |l, m| list.is_none_or(|list| list == l) && wanted(m))
    }

    pub(super) fn rows_in(
        &self,
        roster: &Roster,
        wanted: impl Fn(&ListName, &Member) -> bool,
    ) -> Result<Vec<MemberRow>, Refused> {
        let here = roster.everyone().filter(|(l, m)| m.standing != Standing::Removed && wanted(l, m));
        let here: Vec<(&ListName, &Member)> = here.collect();
        let theirs: Vec<Fingerprint> = here.iter().map(|(_, member)| member.fingerprint).collect();
        let now = self.clock.now();
        let outlooks = self.certs.outlooks(&theirs, now)?;
        Ok(here.into_iter().map(|(list, member)| self.row(list, member, &outlooks, now)).collect())
    }

    /// A copy to an address of ours would come back in.
    pub(super) fn not_ours(&self, address: &Address) -> Result<(), Refused> {
        let Some(ours) = self.directory.resolve(address) else { return Ok(()) };
        let why = format!("{address} is an address of the list {}", ours.list);
        let next = "give the address where the person or organisation reads its mail";
        Err(Refused::new(ErrorKind::Data, "nobody was added", why, next))
    }

    fn row(&self, list: &ListName, member: &Member, outlooks: &Outlooks, now: Timestamp) -> MemberRow {
        let receives = Receives::of(member, outlooks.get(&member.fingerprint).map(|outlook| &**outlook), now);
        let (org, name, role) = match &member.role {
            Role::Contact { org } => (Some(org.to_string()), None, None),
            Role::Team { name, role } => (None, Some(name.clone()), role.clone()),
        };
        let holds = self.list(list).ok().and_then(|list| list.terms()).map(Edition::from);
        let (term, in_team) = (member.file.seated.term, matches!(member.role, Role::Team { .. }));
        MemberRow {
            list: list.to_string(),
            id: member.id.to_string(),
            org,
            name,
            role,
            roles: member.file.seated.roles.clone(),
            works_for: member.file.works_for.as_ref().map(ToString::to_string),
            term_starts: term.map(|term| term.starts.to_string()),
            term_ends: term.map(|term| term.ends.to_string()),
            term_days: term.map(|term| term.ends.since(now).as_secs() / 86_400),
            appointed: in_team.then(|| member.file.seated.appointed.to_string()),
            address: member.address.to_string(),
            fingerprint: member.fingerprint.to_string(),
            standing: member.standing.to_string(),
            since: member.since.to_string(),
            format: member.format.map(|f| if f == Format::V1 { "v1".to_owned() } else { "v2".to_owned() }),
            expires: receives.expires.map(|t| t.to_string()),
            days_left: receives.days_left,
            terms: member.file.terms.in_words(),
            alias_probe: member.file.alias.in_words(),
            staff: staff(member, holds.as_ref()),
            can_receive: receives.now,
            outlook: receives.words,
            problem: receives.problem,
            delivery_off: member.file.delivery_off.map(|at| at.to_string()),
            aliases: member.file.aliases.iter().map(ToString::to_string).collect(),
            further_certs: member.file.certs.iter().map(ToString::to_string).collect(),
            flag: self.flagged(list, member),
            application: member.file.application.as_ref().map(ToString::to_string),
            vouched_by: member.file.vouched_by.iter().map(ToString::to_string).collect(),
        }
    }
}

fn staff(member: &Member, holds: Option<&Edition>) -> Vec<String> {
    let former = |staff: &Staff| holds.is_some_and(|edition| staff.accepted.edition != *edition);
    let of = |staff: &Staff| {
        let (accepted, mark) = (&staff.accepted, if former(staff) { "; a FORMER text" } else { "" });
        format!("{} {} (version {}, {}{mark})", staff.id, staff.name, accepted.edition.version, accepted.at)
    };
    member.file.terms.staff.iter().map(of).collect()
}

/// Whom the end of a term suspended a new term lets in again.
fn term_runs(member: &Member) -> Result<(), Refused> {
    if member.file.cause != Some(Cause::TermOver) {
        return Ok(());
    }
    let next = "begin a new one: `team term`, or `team appoint` with the body's approvals";
    Err(Refused::new(ErrorKind::Data, "nothing has changed", "the person's term is over", next))
}
