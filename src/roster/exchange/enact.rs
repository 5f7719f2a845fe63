//! Each difference, made on the roster, or the rule against it.

use super::difference::{Step, keys};
use super::imported::Imported;
use crate::id::{ListName, MemberId};
use crate::roster::membership::{Cause, MAX_FURTHER, Member, Role, Standing};
use crate::roster::term::{self, BodyMember};
use crate::roster::{Change, Refusal, Roster, register};
use crate::time::Timestamp;

impl Roster {
    /// Makes one step of an import on this very roster, since a copy for each of thousands would take minutes; returns what
    /// the journal says of it.
    ///
    /// # Errors
    /// The rule against it: then nothing has changed.
    pub fn import(&mut self, step: &Step, reason: &str, now: Timestamp) -> Result<Vec<Change>, Refusal> {
        match step {
            Step::AddOrg(name, org) => {
                org.fits(name)?;
                if self.orgs.contains_key(name) {
                    return Err(Refusal::OrgKnown(name.clone()));
                }
                self.orgs.insert(name.clone(), (**org).clone());
                Ok(vec![Change::OrgAdded { org: name.clone() }])
            }
            Step::SetOrg(name, org) => {
                org.fits(name)?;
                let there = self.orgs.get_mut(name).ok_or_else(|| Refusal::OrgUnknown(name.clone()))?;
                let fields = keys(there, org);
                there.clone_from(org);
                Ok(vec![Change::Imported { what: Imported::Org { org: name.clone(), fields } }])
            }
            Step::DropOrg(name) => {
                let belongs = |m: &Member| matches!(&m.role, Role::Contact { org } if org == name);
                if self.everyone().any(|(_, m)| m.standing != Standing::Removed && belongs(m)) {
                    return Err(Refusal::OrgInUse(name.clone()));
                }
                self.orgs.remove(name);
                Ok(vec![Change::Imported { what: Imported::OrgDropped { org: name.clone() } }])
            }
            Step::Add(list, member) => {
                self.unique(list, member)?;
                let overtaken = self.overtaken(list, member);
                let added = match overtaken.as_slice() {
                    [] => self.may_add(list, member)?,
                    _ => self.without_applicants(list, &overtaken).may_add(list, member)?,
                };
                let mut changes = vec![added];
                self.drop_applicants(list, &overtaken);
                self.lists.entry(list.clone()).or_default().push((**member).clone());
                if member.standing != Standing::Active {
                    let (member, fields) = (member.id.clone(), vec!["standing".to_owned()]);
                    changes.push(Change::Imported { what: Imported::Member { member, fields } });
                }
                Ok(changes)
            }
            Step::Set(list, member) => self.set_member(list, member, reason),
            Step::Remove(list, id) => {
                let why = (Cause::Admin, Some(reason.to_owned()));
                let change = self.may_move(list, id, Standing::Removed, why)?;
                self.edit_member(list, id, |m| m.stands(Standing::Removed, Cause::Admin, now));
                Ok(vec![change])
            }
            Step::InBody(body, member) => self.in_body(body, member),
            Step::OutOfBody(body, address) => {
                let ((new, change), _) = self.leave_body(body, address)?;
                *self = new;
                Ok(vec![change])
            }
        }
    }

    fn set_member(&mut self, list: &ListName, member: &Member, reason: &str) -> Result<Vec<Change>, Refusal> {
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
        let mut changes = Vec::new();
        if before.standing != member.standing {
            let why = (member.file.cause.unwrap_or(Cause::Admin), Some(reason.to_owned()));
            changes.push(self.may_move(list, &member.id, member.standing, why)?);
        }
        let others_read = || self.active(list).any(|m| m.id != member.id && m.gets_copies());
        let read = before.is_active() && before.gets_copies();
        let reads = member.is_active() && member.gets_copies();
        if matches!(member.role, Role::Team { .. }) && read && !reads && !others_read() {
            return Err(Refusal::LastReader(list.clone()));
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
        let overtaken = self.overtaken(list, member);
        self.drop_applicants(list, &overtaken);
        self.edit_member(list, &member.id, |there| there.clone_from(member));
        Ok(changes)
    }

    /// Somebody is of a body as it is kept elsewhere; who is there already left it and comes again.
    fn in_body(&mut self, body: &str, member: &BodyMember) -> Result<Vec<Change>, Refusal> {
        if body.contains('\n') || !fits("body", body) {
            return Err(Refusal::OrgText("body"));
        }
        let there: Option<MemberId> =
            self.body(body).iter().find(|m| m.id == member.id).map(|there| there.id.clone());
        let mut others = self.body(body).iter().filter(|m| Some(&m.id) != there.as_ref());
        let same =
            |m: &BodyMember| m.address.same_mailbox(&member.address) || m.fingerprint == member.fingerprint;
        if others.any(same) {
            return Err(term::Refusal::BodyKnown(body.to_owned()).into());
        }
        let (id, fingerprint, body) = (member.id.clone(), member.fingerprint, body.to_owned());
        let members = self.bodies.entry(body.clone()).or_default();
        members.retain(|m| m.id != member.id);
        members.push(member.clone());
        let left = there.map(|member| term::Change::BodyLeft { body: body.clone(), member });
        let joined = term::Change::BodyJoined { body, member: id, fingerprint };
        Ok(left.into_iter().chain([joined]).map(|what| Change::Team { what }).collect())
    }

    /// Whether addresses and certificates are this member's alone, and the texts fit.
    fn unique(&self, list: &ListName, member: &Member) -> Result<(), Refusal> {
        if let Role::Team { name, role } = &member.role {
            let roles = role.iter().chain(&member.file.seated.roles).map(|role| ("role", role));
            for (field, given) in std::iter::once(("name", name)).chain(roles) {
                if given.contains('\n') || !fits(field, given) {
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

/// Whether a text is one that could have been typed here.
fn fits(field: &'static str, given: &str) -> bool {
    register::text(field, given.to_owned()).is_ok_and(|text| text.as_deref() == Some(given))
}
