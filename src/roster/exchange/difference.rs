//! What differs between a roster and one that is to be imported, and the change that each difference is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use toml::{Table, Value};

use super::Portable;
use super::imported::Imported;
use crate::id::{ListName, MemberId, OrgName};
use crate::roster::membership::{Cause, MAX_FURTHER, Member, Role, Standing};
use crate::roster::org::Org;
use crate::roster::{Change, Refusal, Roster, register};
use crate::time::Timestamp;

/// How much of a roster an import speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it: whoever is missing leaves.
    Whole,
    /// The lists in it: whoever is missing there leaves, organisations stay.
    Lists,
    /// Only of whom it has: nobody leaves.
    Added,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An organisation that is new.
    AddOrg(OrgName, Box<Org>),
    /// An organisation of which something else is kept.
    SetOrg(OrgName, Box<Org>),
    /// Somebody who is new.
    Add(ListName, Box<Member>),
    /// Somebody of whom something else is kept. The id is that of the roster.
    Set(ListName, Box<Member>),
    /// Somebody who is missing.
    Remove(ListName, MemberId),
    /// An organisation that is missing.
    DropOrg(OrgName),
}

/// The value of a field before and after; nothing where it is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, from the top.
    pub key: String,
    /// What it was.
    pub before: Option<String>,
    /// What it will be.
    pub after: Option<String>,
}

/// What to do so that the roster becomes the wanted one, in an order in which it can be done: who comes first, who leaves
/// last. `fresh` makes ids for those whose own is taken.
#[must_use]
pub fn steps(
    roster: &Roster,
    wanted: &Portable,
    scope: Scope,
    mut fresh: impl FnMut() -> MemberId,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, org) in &wanted.orgs {
        match roster.orgs.get(name) {
            None => steps.push(Step::AddOrg(name.clone(), Box::new(org.clone()))),
            Some(there) if there != org => steps.push(Step::SetOrg(name.clone(), Box::new(org.clone()))),
            Some(_) => {}
        }
    }
    let (mut sets, mut removes) = (Vec::new(), Vec::new());
    let mut ids: BTreeSet<MemberId> = roster.everyone().map(|(_, member)| member.id.clone()).collect();
    for (list, members) in &wanted.lists {
        let mut missing: Vec<&Member> =
            roster.members(list).iter().filter(|m| m.standing != Standing::Removed).collect();
        for member in members {
            // Whoever asks to come with the same address is somebody else.
            let there = missing.iter().position(|m| m.id == member.id).or_else(|| {
                missing.iter().position(|m| m.belongs() && m.address.same_mailbox(&member.address))
            });
            let mut member = Box::new(member.clone());
            let Some(there) = there.map(|at| missing.swap_remove(at)) else {
                if !ids.insert(member.id.clone()) {
                    member.id = fresh();
                }
                steps.push(Step::Add(list.clone(), member));
                continue;
            };
            member.id = there.id.clone();
            if *there != *member {
                sets.push(Step::Set(list.clone(), member));
            }
        }
        // Who only asks to come is in no export.
        missing.retain(|member| member.belongs());
        missing.sort_by(|a, b| a.address.cmp(&b.address));
        removes.extend(missing.into_iter().map(|m| Step::Remove(list.clone(), m.id.clone())));
    }
    steps.extend(sets);
    if scope != Scope::Added {
        steps.extend(removes);
    }
    if scope == Scope::Whole {
        let applies = |name: &OrgName| {
            let asks = |m: &Member| m.standing != Standing::Removed && !m.belongs();
            roster.everyone().any(|(_, m)| asks(m) && m.contact_of() == Some(name))
        };
        let gone = roster.orgs.keys().filter(|name| !wanted.orgs.contains_key(*name) && !applies(name));
        steps.extend(gone.map(|name| Step::DropOrg(name.clone())));
    }
    steps
}

/// Why a step would let somebody in again whom a decision here keeps out: what was signed before it must not undo it
/// unnoticed.
#[must_use]
pub fn brought_back(roster: &Roster, step: &Step) -> Option<String> {
    match step {
        Step::Add(list, member) => {
            let same = |m: &&Member| {
                m.standing == Standing::Removed
                    && (m.address.same_mailbox(&member.address)
                        || member.certs().any(|cert| m.signs_with(cert)))
            };
            let gone = roster.members(list).iter().filter(same).max_by_key(|m| m.since)?;
            Some(format!("was removed here at {}; --bring-back lets them in again", gone.since))
        }
        Step::Set(list, member) if member.is_active() => {
            let before = roster.by_id(list, &member.id)?;
            let cause = before.file.cause.filter(|_| before.standing == Standing::Suspended)?;
            let decided = matches!(cause, Cause::Vote | Cause::Breach | Cause::Criterion);
            decided.then(|| format!("is suspended here ({}); --bring-back ends that", cause.as_str()))
        }
        _ => None,
    }
}

/// The fields in which two records differ.
#[must_use]
pub fn fields<T: Serialize>(before: &T, after: &T) -> Vec<Field> {
    let flat = |record: &T| {
        let mut flat = BTreeMap::new();
        if let Ok(table) = Table::try_from(record) {
            flatten("", &Value::Table(table), &mut flat);
        }
        flat
    };
    let (mut was, mut found) = (flat(before), Vec::new());
    for (key, after) in flat(after) {
        let before = was.remove(&key);
        if before.as_ref() != Some(&after) {
            found.push(Field { key, before, after: Some(after) });
        }
    }
    found.extend(was.into_iter().map(|(key, before)| Field { key, before: Some(before), after: None }));
    found
}

fn flatten(at: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let key = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                flatten(&key, value, into);
            }
        }
        Value::String(text) => _ = into.insert(at.to_owned(), text.clone()),
        other => _ = into.insert(at.to_owned(), other.to_string()),
    }
}

impl Roster {
    /// The roster after one step of an import, and what the journal says of it.
    ///
    /// # Errors
    /// The rule against it.
    pub fn import(&self, step: &Step, reason: &str, now: Timestamp) -> Result<(Self, Vec<Change>), Refusal> {
        let mut new = self.clone();
        match step {
            Step::AddOrg(name, org) => {
                org.fits(name)?;
                if new.orgs.insert(name.clone(), (**org).clone()).is_some() {
                    return Err(Refusal::OrgKnown(name.clone()));
                }
                Ok((new, vec![Change::OrgAdded { org: name.clone() }]))
            }
            Step::SetOrg(name, org) => {
                org.fits(name)?;
                let before = new.orgs.insert(name.clone(), (**org).clone());
                let before = before.ok_or_else(|| Refusal::OrgUnknown(name.clone()))?;
                let fields = keys(&before, org);
                Ok((new, vec![Change::Imported { what: Imported::Org { org: name.clone(), fields } }]))
            }
            Step::DropOrg(name) => {
                let belongs = |m: &Member| matches!(&m.role, Role::Contact { org } if org == name);
                if self.everyone().any(|(_, m)| m.standing != Standing::Removed && belongs(m)) {
                    return Err(Refusal::OrgInUse(name.clone()));
                }
                new.orgs.remove(name);
                Ok((new, vec![Change::Imported { what: Imported::OrgDropped { org: name.clone() } }]))
            }
            Step::Add(list, member) => {
                self.unique(list, member)?;
                let (new, added) = self.add_member(list, (**member).clone())?;
                let mut changes = vec![added];
                if member.standing != Standing::Active {
                    let (member, fields) = (member.id.clone(), vec!["standing".to_owned()]);
                    changes.push(Change::Imported { what: Imported::Member { member, fields } });
                }
                Ok((new, changes))
            }
            Step::Set(list, member) => self.set_member(list, member, reason, now),
            Step::Remove(list, id) => {
                let why = (Cause::Admin, Some(reason.to_owned()));
                let (new, change) = self.move_to(list, id, Standing::Removed, why, now)?;
                Ok((new, vec![change]))
            }
        }
    }

    fn set_member(
        &self,
        list: &ListName,
        member: &Member,
        reason: &str,
        now: Timestamp,
    ) -> Result<(Self, Vec<Change>), Refusal> {
        let roster = self.without_applicants(list, &self.overtaken(list, member));
        let before = self.by_id(list, &member.id).ok_or_else(|| Refusal::NoMember(list.clone()))?.clone();
        // Who asks to come, comes by a vote and not by a file.
        if !before.belongs() {
            return Err(Refusal::NoStep { from: before.standing, to: member.standing });
        }
        if let Role::Contact { org } = &member.role
            && !self.orgs.contains_key(org)
        {
            return Err(Refusal::OrgUnknown(org.clone()));
        }
        self.unique(list, member)?;
        let (mut roster, mut changes) = (roster, Vec::new());
        if before.standing != member.standing {
            let why = (member.file.cause.unwrap_or(Cause::Admin), Some(reason.to_owned()));
            let (moved, change) = roster.move_to(list, &member.id, member.standing, why, now)?;
            roster = moved;
            changes.push(change);
        }
        if before.fingerprint != member.fingerprint {
            let (before, after) = (before.fingerprint, member.fingerprint);
            changes.push(Change::CertSet { member: member.id.clone(), before, after });
        }
        let said = |key: &String| {
            !changes.is_empty() && matches!(key.as_str(), "fingerprint" | "standing" | "since")
        };
        let fields: Vec<String> = keys(&before, member).into_iter().filter(|key| !said(key)).collect();
        if !fields.is_empty() {
            changes.push(Change::Imported { what: Imported::Member { member: member.id.clone(), fields } });
        }
        let new = roster.with_member(list, &member.id, |there| there.clone_from(member));
        let reads = |roster: &Self| roster.active(list).any(Member::gets_copies);
        if matches!(member.role, Role::Team { .. }) && reads(self) && !reads(&new) {
            return Err(Refusal::LastReader(list.clone()));
        }
        Ok((new, changes))
    }

    /// Whether addresses and certificates are this member's alone, and the texts fit.
    fn unique(&self, list: &ListName, member: &Member) -> Result<(), Refusal> {
        if let Role::Team { name, role } = &member.role {
            for (field, given) in [("name", Some(name)), ("role", role.as_ref())] {
                let fits = |given: &String| {
                    register::text(field, given.clone()).is_ok_and(|text| text.as_ref() == Some(given))
                };
                if given.is_some_and(|given| given.contains('\n') || !fits(given)) {
                    return Err(Refusal::OrgText(field));
                }
            }
        }
        let others = self.members(list).iter();
        // Who asks to come gives way.
        for other in others.filter(|m| m.belongs() && m.id != member.id) {
            let mut addresses = std::iter::once(&member.address).chain(&member.file.aliases);
            if addresses.any(|address| other.is_called(address)) {
                return Err(Refusal::AddressTaken(list.clone()));
            }
            if let Some(taken) = member.certs().find(|cert| other.signs_with(*cert)) {
                return Err(Refusal::CertTaken(taken));
            }
        }
        if member.file.aliases.len().max(member.file.certs.len()) > MAX_FURTHER {
            return Err(Refusal::TooManyFurther);
        }
        Ok(())
    }
}

/// Of what differs only the names: values are addresses and names of people.
fn keys<T: Serialize>(before: &T, after: &T) -> Vec<String> {
    fields(before, after).into_iter().map(|field| field.key).collect()
}

#[cfg(test)]
mod tests;
