//! Organisations, members and teams.

use std::collections::BTreeMap;

use super::certs::Receives;
use super::refusal::{Refused, no_member, not_found};
use super::{Desk, Reply, done, journalled};
use crate::control::wire::{Answer, Certificate, ErrorKind, Format as WireFormat, MemberRow, OrgRow};
use crate::id::{Fingerprint, ListName, MemberId, OrgName};
use crate::ledger::certs::Outlooks;
use crate::ledger::journal::{Actor, Event};
use crate::ledger::registry::Registry;
use crate::mail::address::Address;
use crate::mail::directory::Kind;
use crate::pgp::cert::Format;
use crate::roster::membership::{Member, Role, Standing};
use crate::roster::{Change, Org, Roster};
use crate::time::Timestamp;

impl Desk {
    pub(super) fn org_add(&self, org: &OrgName, title: Option<String>, actor: &Actor) -> Reply {
        let title = title.unwrap_or_else(|| org.to_string());
        self.change_roster(None, actor, |roster, now| roster.add_org(org, title.clone(), now))?;
        Ok(done(format!("organisation {org} is on the roster")))
    }

    pub(super) fn org_ls(&self) -> Reply {
        let roster = self.registry.roster()?.roster;
        // Everybody once, and not once for each organisation.
        let contact = |m: &Member| matches!(m.role, Role::Contact { .. });
        let mut contacts: BTreeMap<String, Vec<MemberRow>> = BTreeMap::new();
        for row in self.rows_in(&roster, |_, m| contact(m))? {
            contacts.entry(row.org.clone().unwrap_or_default()).or_default().push(row);
        }
        let with_contacts = |(name, org): (&OrgName, &Org)| {
            let contacts = contacts.remove(name.as_str()).unwrap_or_default();
            org_row(name, org, contacts)
        };
        Ok(Answer::Orgs(roster.orgs().map(with_contacts).collect()))
    }

    pub(super) fn org_show(&self, org: &OrgName) -> Reply {
        let roster = self.registry.roster()?.roster;
        let (name, org) = roster.orgs().find(|(name, _)| *name == org).ok_or_else(|| {
            not_found(
                format!("there is no organisation {org}"),
                "the roster does not have it",
                "see `org ls`",
            )
        })?;
        let contact = |m: &Member| matches!(&m.role, Role::Contact { org } if org == name);
        let members = self.rows_in(&roster, |_, m| contact(m))?;
        Ok(Answer::Org(Box::new(org_row(name, org, members))))
    }

    pub(super) fn member_add(
        &self,
        list: &ListName,
        org: OrgName,
        address: Address,
        cert: &Certificate,
        format: Option<WireFormat>,
        actor: &Actor,
    ) -> Reply {
        self.not_public(list)?;
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
        self.add(list, address, Role::Contact { org }, cert, format, actor)
    }

    pub(super) fn team_add(
        &self,
        list: &ListName,
        address: Address,
        name: String,
        cert: &Certificate,
        role: Option<String>,
        actor: &Actor,
    ) -> Reply {
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
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            let why = "the name is empty or has control characters";
            return Err(Refused::new(ErrorKind::Usage, "nobody was added", why, "give a plain name"));
        }
        self.add(list, address, Role::Team { name, role }, cert, None, actor)
    }

    fn not_public(&self, list: &ListName) -> Result<(), Refused> {
        if self.list(list)?.kind != Kind::Public {
            return Ok(());
        }
        let why = format!("{list} is a public list: it takes no members and no mail");
        let next = "add them to a list that takes mail, see `list ls`";
        Err(Refused::new(ErrorKind::Usage, "nobody was added", why, next))
    }

    fn add(
        &self,
        list: &ListName,
        address: Address,
        role: Role,
        cert: &Certificate,
        format: Option<Format>,
        actor: &Actor,
    ) -> Reply {
        let cert = self.usable(&cert.0)?;
        self.not_ours(&address)?;
        let fingerprint = cert.fingerprint();
        let id = MemberId::random(&self.entropy);
        self.change(|batch, now| {
            let read = self.registry.roster()?;
            let member = Member {
                id: id.clone(),
                address: address.clone(),
                fingerprint,
                role: role.clone(),
                standing: Standing::Active,
                since: now,
                format,
            };
            let (roster, change) = read.roster.add_member(list, member)?;
            Registry::set_roster(batch, &read, &roster)?;
            Registry::set_cert(batch, fingerprint, self.merged(&cert)?.to_bytes());
            Ok(((), vec![journalled(Some(list), actor, Event::Roster { change })]))
        })?;
        // A mail that waited for a first reader can go on.
        self.hurry(None);
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
        Ok(Answer::Done {
            what: format!("{address} is an active member of {list} with key {fingerprint}"),
            remarks,
        })
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
        Ok(Answer::Member(Box::new(row(list, member, &outlooks, now))))
    }

    pub(super) fn suspend(
        &self,
        list: &ListName,
        at: &Address,
        reason: Option<&str>,
        actor: &Actor,
    ) -> Reply {
        self.move_to(list, at, Standing::Suspended, reason, actor)
    }

    pub(super) fn resume(&self, list: &ListName, at: &Address, reason: Option<&str>, actor: &Actor) -> Reply {
        self.move_to(list, at, Standing::Active, reason, actor)
    }

    pub(super) fn remove(&self, list: &ListName, at: &Address, reason: Option<&str>, actor: &Actor) -> Reply {
        self.move_to(list, at, Standing::Removed, reason, actor)
    }

    fn move_to(
        &self,
        list: &ListName,
        address: &Address,
        to: Standing,
        reason: Option<&str>,
        actor: &Actor,
    ) -> Reply {
        self.list(list)?;
        let withdrawn = self.change(|batch, now| {
            let read = self.registry.roster()?;
            let member = read.roster.by_address(list, address).ok_or_else(|| no_member(list))?.id.clone();
            let (roster, change) =
                read.roster.move_member(list, address, to, reason.map(ToOwned::to_owned), now)?;
            Registry::set_roster(batch, &read, &roster)?;
            let mut notes = vec![journalled(Some(list), actor, Event::Roster { change })];
            // Who does not read any more gets nothing of what waits, from this commit on. The team of an intake list
            // also reads the announce lists that name it.
            let mut withdrawn = 0;
            if to != Standing::Active {
                let reading = self.lists.iter().filter(|l| l.name == *list || l.team.as_ref() == Some(list));
                for reads in reading {
                    // Before the look into the queue: a copy that is queued after it makes this commit conflict.
                    batch.expect(self.registry.nothing_queued(&reads.name)?);
                    let gone = self.queue.withdraw(batch, &reads.name, &member)?;
                    withdrawn += gone.len();
                    notes.extend(gone);
                }
            }
            Ok((withdrawn, notes))
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

    fn rows_in(
        &self,
        roster: &Roster,
        wanted: impl Fn(&ListName, &Member) -> bool,
    ) -> Result<Vec<MemberRow>, Refused> {
        let here = roster.everyone().filter(|(l, m)| m.standing != Standing::Removed && wanted(l, m));
        let here: Vec<(&ListName, &Member)> = here.collect();
        let theirs: Vec<Fingerprint> = here.iter().map(|(_, member)| member.fingerprint).collect();
        let now = self.clock.now();
        let outlooks = self.certs.outlooks(&theirs, now)?;
        Ok(here.into_iter().map(|(list, member)| row(list, member, &outlooks, now)).collect())
    }

    /// A copy to an address of ours would come back in.
    fn not_ours(&self, address: &Address) -> Result<(), Refused> {
        let Some(ours) = self.directory.resolve(address) else { return Ok(()) };
        let why = format!("{address} is an address of the list {}", ours.list);
        let next = "give the address where the person or organisation reads its mail";
        Err(Refused::new(ErrorKind::Data, "nobody was added", why, next))
    }

    fn change_roster(
        &self,
        list: Option<&ListName>,
        actor: &Actor,
        decide: impl Fn(&Roster, Timestamp) -> Result<(Roster, Change), crate::roster::Refusal>,
    ) -> Result<(), Refused> {
        self.change(|batch, now| {
            let read = self.registry.roster()?;
            let (roster, change) = decide(&read.roster, now)?;
            Registry::set_roster(batch, &read, &roster)?;
            Ok(((), vec![journalled(list, actor, Event::Roster { change })]))
        })
    }
}

fn row(list: &ListName, member: &Member, outlooks: &Outlooks, now: Timestamp) -> MemberRow {
    let receives = Receives::of(member, outlooks.get(&member.fingerprint).map(|outlook| &**outlook), now);
    let (org, name, role) = match &member.role {
        Role::Contact { org } => (Some(org.to_string()), None, None),
        Role::Team { name, role } => (None, Some(name.clone()), role.clone()),
    };
    MemberRow {
        list: list.to_string(),
        id: member.id.to_string(),
        org,
        name,
        role,
        address: member.address.to_string(),
        fingerprint: member.fingerprint.to_string(),
        standing: member.standing.to_string(),
        since: member.since.to_string(),
        format: member.format.map(|f| if f == Format::V1 { "v1".to_owned() } else { "v2".to_owned() }),
        expires: receives.expires.map(|t| t.to_string()),
        days_left: receives.days_left,
        can_receive: receives.now,
        outlook: receives.words,
        problem: receives.problem,
    }
}

fn org_row(name: &OrgName, org: &Org, members: Vec<MemberRow>) -> OrgRow {
    OrgRow { name: name.to_string(), title: Some(org.title.clone()), since: org.since.to_string(), members }
}
