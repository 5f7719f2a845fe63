//! What an import would change, one by one, and the rules against it: it is tried on a copy of the roster.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::source::{Wanted, Whose};
use crate::control::desk::Desk;
use crate::control::desk::refusal::Refused;
use crate::control::wire::{PlanItem, PlanRow, UnreachableRow};
use crate::id::{Fingerprint, ListName, MemberId};
use crate::ledger::affairs;
use crate::mail::directory::Kind;
use crate::pgp::cert::Cert;
use crate::roster::Roster;
use crate::roster::exchange::difference::{Field, Step, brought_back, fields, steps};
use crate::roster::exchange::{Portable, offer};
use crate::roster::membership::{Member, Role};
use crate::time::Timestamp;

/// What an import does.
pub(super) struct Plan {
    /// The changes that no rule is against, in their order.
    pub(super) steps: Vec<Step>,
    /// Certificates that are new, or of which there is a newer copy.
    pub(super) certs: Vec<Cert>,
    pub(super) row: PlanRow,
}

impl Desk {
    pub(super) fn plan(&self, roster: &Roster, wanted: &Wanted, now: Timestamp) -> Result<Plan, Refused> {
        let fresh = || MemberId::random(&self.entropy);
        let portable = match &wanted.whose {
            Whose::Export(portable) => portable.clone(),
            Whose::Others(offered) => offer::portable(roster, offered.clone(), now, fresh),
        };
        let (mut done, mut items, mut copy) = (Vec::new(), Vec::new(), roster.clone());
        for step in steps(roster, &portable, wanted.scope, fresh) {
            let mut item = item(&copy, &step);
            let returns = brought_back(roster, &step).filter(|_| !wanted.bring_back);
            let tried = match self.rule(&copy, &step, wanted)?.or(returns) {
                Some(rule) => Err(rule),
                None => copy.import(&step, &wanted.reason, now).map_err(|refusal| refusal.to_string()),
            };
            match tried {
                Ok(_) => done.push(step),
                Err(rule) => item.rule = Some(rule),
            }
            items.push(item);
        }
        let certs = self.newer(&copy, wanted, &mut items, now)?;
        items.extend(wanted.left.iter().cloned());
        let unreachable = self.unreachable(&portable, wanted, now)?;
        // Ids are drawn anew each time and do not stand in it.
        let digest = Sha256::digest(serde_json::to_vec(&items).unwrap_or_default());
        let digest = data_encoding::HEXLOWER.encode(&digest);
        let mut remarks = wanted.remarks.clone();
        let newest = roster.everyone().map(|(_, member)| member.since).max();
        if wanted.made_at.zip(newest).is_some_and(|(made_at, newest)| made_at < newest) {
            remarks.push("it is older than the roster here: somebody came, moved or left since".to_owned());
        }
        let row = PlanRow { items, unreachable, remarks, digest };
        Ok(Plan { steps: done, certs, row })
    }

    /// A rule of this installation against a step; those of the roster are asked elsewhere.
    fn rule(&self, roster: &Roster, step: &Step, wanted: &Wanted) -> Result<Option<String>, Refused> {
        if let Some(refusal) = self.team_too_small(roster, step) {
            return Ok(Some(refusal));
        }
        let (list, member) = match step {
            Step::Add(list, member) | Step::Set(list, member) => (list, member),
            Step::InBody(_, member) => return self.cert_rule(member.fingerprint, wanted),
            _ => return Ok(None),
        };
        let Some(rules) = self.lists.iter().find(|rules| rules.name == *list) else {
            return Ok(Some(format!("there is no list {list} here")));
        };
        let fits = match &member.role {
            Role::Team { .. } => rules.kind == Kind::Intake,
            Role::Contact { .. } => matches!(rules.kind, Kind::Announce | Kind::Discuss),
        };
        if !fits {
            return Ok(Some(format!("{list} is of kind {}: such an entry has no place there", rules.kind)));
        }
        let mut addresses = std::iter::once(&member.address).chain(&member.file.aliases);
        if let Some(ours) = addresses.find_map(|address| self.directory.resolve(address)) {
            return Ok(Some(format!("that is an address of the list {}", ours.list)));
        }
        for fingerprint in member.certs() {
            if let Some(rule) = self.cert_rule(fingerprint, wanted)? {
                return Ok(Some(rule));
            }
        }
        Ok(None)
    }

    fn cert_rule(&self, fingerprint: Fingerprint, wanted: &Wanted) -> Result<Option<String>, Refused> {
        let Some(cert) = self.cert_of(fingerprint, wanted)? else {
            return Ok(Some(format!("its certificate {fingerprint} is missing")));
        };
        Ok(self.foreign(cert).err().map(|refused| refused.why().to_owned()))
    }

    /// A team is not made smaller by a file than by a person: whoever means it says so with `team remove`.
    fn team_too_small(&self, roster: &Roster, step: &Step) -> Option<String> {
        let (list, id) = match step {
            Step::Remove(list, id) => (list, id),
            Step::Set(list, member) if !member.is_active() => (list, &member.id),
            _ => return None,
        };
        let rules = self.lists.iter().find(|rules| rules.name == *list)?;
        let refusal = affairs::team::too_few(rules, roster, roster.by_id(list, id)?)?;
        Some(refusal.to_string())
    }

    /// A certificate that came along, with what is known of it here.
    fn cert_of(&self, fingerprint: Fingerprint, wanted: &Wanted) -> Result<Option<Cert>, Refused> {
        match wanted.certs.get(&fingerprint) {
            Some(cert) => self.merged(cert).map(Some),
            None => Ok(self.certs.get(fingerprint)?.map(|cert| (*cert).clone())),
        }
    }

    /// The certificates that are to be kept: of whom the roster will have, and not as they are here.
    fn newer(
        &self,
        roster: &Roster,
        wanted: &Wanted,
        items: &mut Vec<PlanItem>,
        now: Timestamp,
    ) -> Result<Vec<Cert>, Refused> {
        let bodies = roster.bodies().map(|(_, member)| member.fingerprint);
        let pinned: BTreeSet<Fingerprint> = roster.fingerprints().into_iter().chain(bodies).collect();
        let mut newer = Vec::new();
        for (fingerprint, cert) in wanted.certs.iter().filter(|(print, _)| pinned.contains(print)) {
            let Some(known) = self.certs.get(*fingerprint)? else {
                newer.push(cert.clone());
                continue;
            };
            let merged = known.merge(cert)?;
            if merged.to_bytes() != known.to_bytes() {
                let what = merged.differences(&known, now).iter().map(ToString::to_string).collect();
                let who = format!("certificate {fingerprint}");
                items.push(PlanItem { list: None, change: "change".to_owned(), who, what, rule: None });
                newer.push(merged);
            }
        }
        Ok(newer)
    }

    /// Who of those whom the import names cannot receive mail today.
    fn unreachable(
        &self,
        portable: &Portable,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Vec<UnreachableRow>, Refused> {
        let mut found = Vec::new();
        for (list, member) in portable.lists.iter().flat_map(|(list, all)| all.iter().map(move |m| (list, m)))
        {
            let problem = match self.cert_of(member.fingerprint, wanted)? {
                _ if !member.is_active() => Some(format!("is {}", member.standing)),
                _ if !member.gets_copies() => Some("delivery is off".to_owned()),
                Some(cert) => cert.sealable(now).err().map(|problem| format!("the certificate is {problem}")),
                None => Some("the certificate is missing".to_owned()),
            };
            if let Some(problem) = problem {
                let (list, address) = (list.to_string(), member.address.to_string());
                found.push(UnreachableRow { list, address, problem });
            }
        }
        let left = wanted.left.iter().filter(|item| item.list.is_some());
        found.extend(left.map(|item| UnreachableRow {
            list: item.list.clone().unwrap_or_default(),
            address: item.who.clone(),
            problem: item.rule.clone().unwrap_or_default(),
        }));
        Ok(found)
    }
}

fn ends_an_application(roster: &Roster, list: &ListName, member: &Member) -> Option<String> {
    let ends = !roster.overtaken(list, member).is_empty();
    ends.then(|| "ends the open application with this address or certificate".to_owned())
}

fn item(roster: &Roster, step: &Step) -> PlanItem {
    let (list, change, who, what) = match step {
        Step::AddOrg(name, org) => (None, "add", format!("organisation {name}"), vec![org.title.clone()]),
        Step::SetOrg(name, org) => {
            let what = roster.org(name).map(|before| said(&fields(before, &**org))).unwrap_or_default();
            (None, "change", format!("organisation {name}"), what)
        }
        Step::DropOrg(name) => (None, "remove", format!("organisation {name}"), Vec::new()),
        Step::Add(list, member) => {
            let mut what = new(member);
            what.extend(ends_an_application(roster, list, member));
            (Some(list), "add", member.address.to_string(), what)
        }
        Step::Set(list, member) => {
            let before = roster.by_id(list, &member.id);
            let mut what = before.map(|before| said(&fields(before, &**member))).unwrap_or_default();
            what.extend(ends_an_application(roster, list, member));
            let who = before.map_or(&member.address, |before| &before.address).to_string();
            (Some(list), "change", who, what)
        }
        Step::InBody(body, member) => {
            let before = roster.body(body).iter().find(|m| m.id == member.id);
            let change = if before.is_some() { "change" } else { "add" };
            let new = || vec![format!("key {}", member.fingerprint)];
            let what = before.map_or_else(new, |before| said(&fields(before, &**member)));
            (None, change, format!("{} of body {body}", member.address), what)
        }
        Step::OutOfBody(body, address) => (None, "remove", format!("{address} of body {body}"), Vec::new()),
        Step::Remove(list, id) => {
            let who = roster.by_id(list, id).map_or_else(|| id.to_string(), |m| m.address.to_string());
            (Some(list), "remove", who, Vec::new())
        }
    };
    PlanItem { list: list.map(ToString::to_string), change: change.to_owned(), who, what, rule: None }
}

fn new(member: &Member) -> Vec<String> {
    let who = match &member.role {
        Role::Team { name, role: Some(role) } => format!("{name} ({role})"),
        Role::Team { name, role: None } => name.clone(),
        Role::Contact { org } => format!("for {org}"),
    };
    vec![member.standing.to_string(), who, format!("key {}", member.fingerprint)]
}

fn said(fields: &[Field]) -> Vec<String> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    fields.iter().map(|f| format!("{}: {}, before: {}", f.key, value(&f.after), value(&f.before))).collect()
}
