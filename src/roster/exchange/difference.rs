//! What differs between a roster and one that is to be imported, and the change that each difference is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use toml::{Table, Value};

use super::Portable;
use crate::id::{ListName, MemberId, OrgName};
use crate::mail::address::Address;
use crate::roster::Roster;
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::org::Org;
use crate::roster::term::BodyMember;

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
    /// Somebody who is new in a body, or of whom something else is kept. The id is that of the roster.
    InBody(String, Box<BodyMember>),
    /// Somebody who is missing in a body.
    OutOfBody(String, Address),
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
    let bodies = roster.bodies().map(|(_, member)| member.id.clone());
    let mut ids: BTreeSet<MemberId> =
        roster.everyone().map(|(_, member)| member.id.clone()).chain(bodies).collect();
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
    // Who reads again comes before who does so no more: a team of its smallest size stays one.
    sets.sort_by_key(|step| !matches!(step, Step::Set(_, member) if member.is_active()));
    steps.extend(sets);
    let out = in_bodies(roster, wanted, &mut ids, &mut fresh, &mut steps);
    if scope != Scope::Added {
        steps.extend(removes);
        steps.extend(out);
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

/// Who comes into bodies, and who leaves them, where the wanted roster says anything of bodies.
fn in_bodies(
    roster: &Roster,
    wanted: &Portable,
    ids: &mut BTreeSet<MemberId>,
    mut fresh: impl FnMut() -> MemberId,
    steps: &mut Vec<Step>,
) -> Vec<Step> {
    let Some(bodies) = &wanted.bodies else { return Vec::new() };
    let mut out = Vec::new();
    let none = Vec::new();
    let named: BTreeSet<&String> = bodies.keys().chain(roster.bodies.keys()).collect();
    for body in named {
        let mut missing: Vec<&BodyMember> = roster.body(body).iter().collect();
        for member in bodies.get(body).unwrap_or(&none) {
            let there = missing
                .iter()
                .position(|m| m.id == member.id)
                .or_else(|| missing.iter().position(|m| m.address.same_mailbox(&member.address)));
            let mut member = Box::new(member.clone());
            match there.map(|at| missing.swap_remove(at)) {
                Some(there) => {
                    member.id = there.id.clone();
                    if *there == *member {
                        continue;
                    }
                }
                None if ids.insert(member.id.clone()) => {}
                None => member.id = fresh(),
            }
            steps.push(Step::InBody(body.clone(), member));
        }
        missing.sort_by(|a, b| a.address.cmp(&b.address));
        out.extend(missing.into_iter().map(|m| Step::OutOfBody(body.clone(), m.address.clone())));
    }
    out
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
        // One that ends by itself must not take a decision's place either.
        Step::Set(list, member)
            if member.is_active() || member.file.cause.is_some_and(|cause| !cause.is_decision()) =>
        {
            let before = roster.by_id(list, &member.id)?;
            let cause = before.file.cause.unwrap_or(Cause::Admin);
            let decided = before.standing == Standing::Suspended && cause.is_decision();
            decided.then(|| format!("is suspended here ({}); --bring-back ends that", cause.as_str()))
        }
        // Who left a body leaves no trace of it: it may be anybody whom the body here has not.
        Step::InBody(body, member) => {
            let here = roster.body(body);
            let known = |m: &BodyMember| {
                m.address.same_mailbox(&member.address) && m.fingerprint == member.fingerprint
            };
            let other = !here.is_empty() && !here.iter().any(known);
            other.then(|| format!("is not of {body} here, with that key; --bring-back seats them"))
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

/// Of what differs only the names: values are addresses and names of people.
pub(super) fn keys<T: Serialize>(before: &T, after: &T) -> Vec<String> {
    fields(before, after).into_iter().map(|field| field.key).collect()
}

#[cfg(test)]
mod tests;
