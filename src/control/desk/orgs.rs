//! Organisations: what is known of them, how they stand by the criteria, and what of it anybody may know.

use super::acting::{Acting, plain};
use std::collections::BTreeMap;

use super::refusal::{Refused, not_found};
use super::{Desk, Reply, done};
use crate::control::wire::{
    Answer, CriterionRow, ErrorKind, MemberRow, OrgFields, OrgRequest, OrgRow, RegisterRow,
};
use crate::id::OrgName;
use crate::relay::world::List;
use crate::roster::membership::{Member, Role};
use crate::roster::org::OrgEdit;
use crate::roster::review::{Count, troubled};
use crate::roster::{Org, Roster};
use crate::time::Timestamp;

impl Desk {
    pub(super) fn org(&self, request: OrgRequest, actor: &Acting) -> Reply {
        match request {
            OrgRequest::Add { org, about } => self.org_add(&org, about, actor),
            OrgRequest::Edit { org, about, reason } => {
                self.org_edit(&org, about, plain(reason.as_deref())?, actor)
            }
            OrgRequest::Ls => self.org_ls(),
            OrgRequest::Register => self.org_register(),
            OrgRequest::Show { org } => self.org_show(&org),
            OrgRequest::Assess { org, list, criterion, state, evidence, review, by } => {
                let found = self.finding(&state, evidence, review, by, actor)?;
                self.org_assess(&org, &list, &criterion, &found, actor)
            }
        }
    }

    fn org_add(&self, org: &OrgName, about: OrgFields, actor: &Acting) -> Reply {
        let edit = edit(about)?;
        let title = edit.title.clone().unwrap_or_else(|| org.to_string());
        self.step(actor, |step| {
            let changed = step.roster().add_org(org, title.clone(), step.now())?;
            step.apply(None, changed);
            if let Some(changed) = step.roster().edit_org(org, edit.clone(), None)? {
                step.apply(None, changed);
            }
            Ok(())
        })?;
        Ok(done(format!("organisation {org} is on the roster")))
    }

    fn org_edit(&self, org: &OrgName, about: OrgFields, reason: Option<String>, actor: &Acting) -> Reply {
        let edit = edit(about)?;
        if edit.is_empty() {
            let next = "give what is new, see `vouchsafe org edit --help`";
            return Err(Refused::new(ErrorKind::Usage, "nothing was changed", "nothing was given", next));
        }
        let changed = self.step(actor, |step| {
            let changed = step.roster().edit_org(org, edit.clone(), reason.clone())?;
            let changes = changed.is_some();
            if let Some(changed) = changed {
                step.apply(None, changed);
            }
            Ok(changes)
        })?;
        Ok(done(if changed {
            format!("organisation {org} is changed")
        } else {
            format!("organisation {org} says that already")
        }))
    }

    fn org_ls(&self) -> Reply {
        let roster = self.registry.roster()?.roster;
        let now = self.clock.now();
        let mut troubles: BTreeMap<&OrgName, Count> = BTreeMap::new();
        for list in self.lists.iter() {
            for (org, count) in troubled(&roster, list, now) {
                let all = troubles.entry(org).or_default();
                all.overdue += count.overdue;
                all.failing += count.failing;
            }
        }
        // Everybody once, and not once for each organisation.
        let contact = |m: &Member| matches!(m.role, Role::Contact { .. });
        let mut contacts: BTreeMap<String, Vec<MemberRow>> = BTreeMap::new();
        for row in self.rows_in(&roster, |_, m| contact(m))? {
            contacts.entry(row.org.clone().unwrap_or_default()).or_default().push(row);
        }
        let with_contacts = |(name, org): (&OrgName, &Org)| {
            let contacts = contacts.remove(name.as_str()).unwrap_or_default();
            let count = troubles.get(name).copied().unwrap_or_default();
            org_row(&roster, (name, org), contacts, count)
        };
        Ok(Answer::Orgs(roster.orgs().map(with_contacts).collect()))
    }

    fn org_register(&self) -> Reply {
        let roster = self.registry.roster()?.roster;
        let rows = roster.register().into_iter().map(|org| RegisterRow {
            title: org.title.to_owned(),
            website: org.website.map(ToOwned::to_owned),
            lists: org.lists.iter().map(ToString::to_string).collect(),
            since: org.since.day(),
        });
        Ok(Answer::Register(rows.collect()))
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
        let now = self.clock.now();
        let (mut criteria, mut count) = (Vec::new(), Count::default());
        for list in self.lists.iter().filter(|list| is_judged(&roster, name, org, list)) {
            criteria.extend(criterion_rows(&roster, name, list, now));
            let here = troubled(&roster, list, now).get(name).copied().unwrap_or_default();
            count.overdue += here.overdue;
            count.failing += here.failing;
        }
        let members = self.rows_in(&roster, |_, m| m.contact_of() == Some(name))?;
        let row = OrgRow { criteria, ..org_row(&roster, (name, org), members, count) };
        Ok(Answer::Org(Box::new(row)))
    }
}

/// Whether anything can be said of this organisation by the criteria of this list: it has a contact there, in whatever
/// standing, or was assessed.
fn is_judged(roster: &Roster, name: &OrgName, org: &Org, list: &List) -> bool {
    let asks_to_belong = |m: &Member| m.contact_of() == Some(name) && !m.is_gone();
    org.assessments.contains_key(&list.name) || roster.members(&list.name).iter().any(asks_to_belong)
}

fn criterion_rows<'a>(
    roster: &'a Roster,
    name: &'a OrgName,
    list: &'a List,
    now: Timestamp,
) -> impl Iterator<Item = CriterionRow> + 'a {
    let wording = |criterion: &str| list.membership().own.get(criterion).map(ToString::to_string);
    roster.judged(name, list, now).into_iter().map(move |one| CriterionRow {
        list: list.name.to_string(),
        wording: wording(&one.criterion),
        state: one.state().to_string(),
        mark: one.mark().map(ToOwned::to_owned),
        by: one.assessment.as_ref().map(|found| found.by.clone()),
        at: one.assessment.as_ref().map(|found| found.at.to_string()),
        review: one.assessment.as_ref().and_then(|found| found.review).map(|at| at.to_string()),
        evidence: one.assessment.and_then(|found| found.evidence),
        criterion: one.criterion,
    })
}

fn org_row(roster: &Roster, (name, org): (&OrgName, &Org), members: Vec<MemberRow>, count: Count) -> OrgRow {
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    OrgRow {
        name: name.to_string(),
        title: Some(org.title.clone()),
        since: org.since.to_string(),
        kind: org.kind.map(|kind| kind.to_string()),
        upstream: org.upstream.clone(),
        upstream_org: roster.upstream_of(name).map(ToString::to_string),
        website: org.website.clone(),
        user_base: org.user_base.clone(),
        evidence: org.evidence.clone(),
        overdue: number(count.overdue),
        failing: number(count.failing),
        members,
        criteria: Vec::new(),
    }
}

fn edit(about: OrgFields) -> Result<OrgEdit, Refused> {
    let kind = about.kind.map(|kind| kind.parse()).transpose().map_err(|why: &str| {
        Refused::new(ErrorKind::Usage, "that is no kind of organisation", why, "use one of these words")
    })?;
    Ok(OrgEdit {
        title: about.title,
        kind,
        upstream: about.upstream,
        website: about.website,
        user_base: about.user_base,
        evidence: about.evidence,
    })
}
