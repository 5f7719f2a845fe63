//! How persons come into a team by others' signatures: the approving body's, or the one of whoever may replace.

use std::collections::BTreeSet;

use super::team::{begin_term, rules, set_term};
use super::{Step, Trouble, members};
use crate::id::{Fingerprint, ListName, MemberId, OrgName};
use crate::mail::address::Address;
use crate::mail::list::List;
use crate::policy::Team as Rules;
use crate::roster::Refusal as AnyRefusal;
use crate::roster::membership::{Cause, Member, MemberFile, Role, Standing};
use crate::roster::statement::{Says, Signed, names, said};
use crate::roster::term::{Appointed, Refusal, Term};
use crate::time::Timestamp;

/// Somebody who is to be of a team.
#[derive(Clone, Debug)]
pub struct Person {
    /// The id, where they are new.
    pub id: MemberId,
    /// The address.
    pub address: Address,
    /// The name.
    pub name: String,
    /// What they are there.
    pub roles: Vec<String>,
    /// For whom they work, where that is known.
    pub works_for: Option<OrgName>,
    /// The certificate.
    pub fingerprint: Fingerprint,
}

impl Person {
    /// As a member who is active from now on.
    #[must_use]
    pub fn member(&self, now: Timestamp) -> Member {
        let mut member = Member {
            id: self.id.clone(),
            address: self.address.clone(),
            fingerprint: self.fingerprint,
            role: Role::Team { name: self.name.clone(), role: None },
            standing: Standing::Active,
            since: now,
            format: None,
            file: MemberFile { works_for: self.works_for.clone(), ..MemberFile::default() },
        };
        member.set_roles(self.roles.clone());
        member
    }
}

/// Appoints somebody by signed approvals of the body that the policy names, or anew who is there; returns the new term.
///
/// # Errors
/// When the store fails, the policy has no body, too few of it approve, or a rule of the roster is against it.
pub fn appoint(
    step: &mut Step<'_>,
    list: &List,
    person: &Person,
    statements: &[Signed],
) -> Result<Option<Term>, Trouble> {
    let name = &list.name;
    let no_rule = || AnyRefusal::from(Refusal::NoRule { list: name.clone(), key: "team.approval" });
    let approval = rules(list).and_then(|rules| rules.approval.as_ref()).ok_or_else(no_rule)?;
    let body = approval.body.as_str();
    let members = step.roster().body(body);
    if members.is_empty() {
        return Err(AnyRefusal::from(Refusal::NoBody(body.to_owned())).into());
    }
    // Where no number is given, more than half of it.
    let most = u32::try_from(members.len() / 2 + 1).unwrap_or(u32::MAX);
    let quorum = approval.quorum.map_or(most, std::num::NonZero::get);
    let since = settled(step, name, person.fingerprint);
    let (mut approvals, mut unheeded) = (BTreeSet::new(), Vec::new());
    for signed in statements {
        let by = members.iter().find(|m| m.fingerprint == signed.signer);
        let wanted = |says: &Says| matches!(says, Says::Appoint(cert, to) if *cert == person.fingerprint && names(list, to));
        match by {
            None => unheeded.push(format!("{} is nobody of \"{body}\"", signed.signer)),
            Some(_) if signed.signer == person.fingerprint => {
                unheeded.push("nobody approves themselves".to_owned());
            }
            Some(by) if !said(&signed.text).iter().any(wanted) => unheeded.push(format!(
                "{} does not say `APPOINT {} TO {}`",
                by.address, person.fingerprint, list.address
            )),
            Some(by) if since.is_some_and(|since| signed.made_at <= since) => {
                unheeded.push(format!("{} signed before the last that happened to them", by.address));
            }
            Some(by) => _ = approvals.insert(by.id.clone()),
        }
    }
    let given = u32::try_from(approvals.len()).unwrap_or(u32::MAX);
    if given < quorum {
        return Err(
            AnyRefusal::from(Refusal::TooFew { body: body.to_owned(), quorum, given, unheeded }).into()
        );
    }
    let appointed = Appointed::Body { body: body.to_owned(), approvals: approvals.into_iter().collect() };
    let id = there_or_new(step, name, person)?;
    let roles = (!person.roles.is_empty()).then(|| person.roles.clone());
    let changed = step.roster().seat(name, &id, appointed, roles);
    step.apply(Some(name), changed);
    begin_term(step, name, &id, None)
}

/// Whoever is in the team already, or came now.
fn there_or_new(step: &mut Step<'_>, list: &ListName, person: &Person) -> Result<MemberId, Trouble> {
    match step.roster().by_address(list, &person.address) {
        Some(there) if there.fingerprint == person.fingerprint => Ok(there.id.clone()),
        Some(_) => Err(AnyRefusal::from(Refusal::OtherCert(list.clone())).into()),
        None => {
            let changed = step.roster().add_member(list, person.member(step.now()))?;
            step.apply(Some(list), changed);
            Ok(person.id.clone())
        }
    }
}

/// When something was last decided about whoever has this certificate: what was signed before it does not count again.
fn settled(step: &Step<'_>, list: &ListName, cert: Fingerprint) -> Option<Timestamp> {
    let theirs = step.roster().members(list).iter().filter(|m| m.fingerprint == cert);
    let last = theirs.filter_map(|m| match (&m.file.seated.appointed, m.standing) {
        (_, Standing::Removed) => Some(m.since),
        (Appointed::Body { .. }, _) => Some(m.file.seated.term.map_or(m.since, |term| term.starts)),
        _ => None,
    });
    last.max()
}

/// Somebody comes in the place of somebody else for the rest of the term, by the signature of whoever has the role that the
/// policy names; returns how many copies were withdrawn from the one who leaves.
///
/// # Errors
/// When the store fails, the policy has no such role, the statement does not suffice, the term is over, or a rule of the
/// roster is against it.
pub fn replace(
    step: &mut Step<'_>,
    list: &List,
    old: &Address,
    person: &Person,
    statement: &Signed,
) -> Result<usize, Trouble> {
    let (name, now) = (&list.name, step.now());
    let Some((rules, role)) = rules(list).and_then(|rules| Some((rules, rules.replacement_by.as_ref()?)))
    else {
        let rule = Refusal::NoRule { list: name.clone(), key: "team.replacement_by" };
        return Err(AnyRefusal::from(rule).into());
    };
    let here = step.roster().members(name).iter().rev().find(|m| m.address.same_mailbox(old));
    let gone = here.ok_or_else(|| AnyRefusal::NoMember(name.clone()))?.clone();
    let replaced = |m: &Member| {
        m.standing != Standing::Removed
            && matches!(&m.file.seated.appointed, Appointed::Replacement { replaces, .. } if *replaces == gone.id)
    };
    if step.roster().members(name).iter().any(replaced) {
        return Err(AnyRefusal::from(Refusal::Replaced).into());
    }
    let rest = rest(rules, name, &gone, now)?;
    let by = step.roster().active(name).find(|m| m.signs_with(statement.signer)).cloned();
    let by = by.filter(|m| m.roles().any(|has| has == role.as_str()));
    let wanted = |says: &Says| {
        matches!(says, Says::Replace(from, to, on)
            if *from == gone.fingerprint && *to == person.fingerprint && names(list, on))
    };
    let refused =
        |why: String| AnyRefusal::from(Refusal::NotTheRole { role: role.to_string(), unheeded: vec![why] });
    let Some(by) = by else { return Err(refused(format!("{} signed it", statement.signer)).into()) };
    if !said(&statement.text).iter().any(wanted) {
        let line = format!("REPLACE {} BY {} ON {}", gone.fingerprint, person.fingerprint, list.address);
        return Err(refused(format!("it does not say `{line}`")).into());
    }
    if rest.is_some_and(|_| gone.file.seated.term.is_some_and(|term| statement.made_at < term.starts)) {
        return Err(refused("it was signed before that term began".to_owned()).into());
    }
    let mut person = person.clone();
    if person.roles.is_empty() {
        person.roles = gone.roles().map(str::to_owned).collect();
    }
    // First the one who comes: a team of its smallest size stays one.
    let changed = step.roster().add_member(name, person.member(now))?;
    step.apply(Some(name), changed);
    let appointed = Appointed::Replacement { of_role: by.id, replaces: gone.id.clone() };
    let changed = step.roster().seat(name, &person.id, appointed, None);
    step.apply(Some(name), changed);
    if let Some(term) = rest {
        set_term(step, name, &person.id, term)?;
    }
    if gone.standing == Standing::Removed {
        return Ok(0);
    }
    let reason = Some(format!("replaced by {}", person.id));
    members::moved(step, name, &gone.id, Standing::Removed, Cause::Vote, reason)
}

/// What is left of the term of whoever goes.
fn rest(rules: &Rules, list: &ListName, gone: &Member, now: Timestamp) -> Result<Option<Term>, AnyRefusal> {
    match (rules.term, gone.file.seated.term) {
        (None, _) => Ok(None),
        (Some(_), None) => {
            Err(Refusal::NoRule { list: list.clone(), key: "team.term for that person" }.into())
        }
        (Some(_), Some(term)) if term.ends <= now => Err(Refusal::Over(term.ends).into()),
        (Some(_), Some(term)) => Ok(Some(Term { starts: now, ends: term.ends })),
    }
}
