//! Organisations.

use std::collections::BTreeMap;

use super::refusal::not_found;
use super::{Desk, Reply, done};
use crate::control::wire::{Answer, MemberRow, OrgRequest, OrgRow};
use crate::id::OrgName;
use crate::ledger::journal::Actor;
use crate::roster::Org;
use crate::roster::membership::{Member, Role};

impl Desk {
    pub(super) fn org(&self, request: OrgRequest, actor: &Actor) -> Reply {
        match request {
            OrgRequest::Add { org, title } => self.org_add(&org, title, actor),
            OrgRequest::Ls => self.org_ls(),
            OrgRequest::Show { org } => self.org_show(&org),
        }
    }

    fn org_add(&self, org: &OrgName, title: Option<String>, actor: &Actor) -> Reply {
        let title = title.unwrap_or_else(|| org.to_string());
        self.step(actor, |step| {
            let changed = step.roster().add_org(org, title.clone(), step.now())?;
            step.apply(None, changed);
            Ok(())
        })?;
        Ok(done(format!("organisation {org} is on the roster")))
    }

    fn org_ls(&self) -> Reply {
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

    fn org_show(&self, org: &OrgName) -> Reply {
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
}

fn org_row(name: &OrgName, org: &Org, members: Vec<MemberRow>) -> OrgRow {
    OrgRow { name: name.to_string(), title: Some(org.title.clone()), since: org.since.to_string(), members }
}
