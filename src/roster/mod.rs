//! The roster: organisations and members. Every change is one pure function that returns the new roster and what to
//! write into the journal, or a refusal that names the rule against it.

pub mod aim;
pub mod alias;
pub mod application;
pub mod ballot;
pub mod breach;
mod change;
mod contacts;
pub mod criteria;
pub mod duties;
pub mod enclosed;
pub mod errand;
pub mod exchange;
pub mod form;
pub mod membership;
pub mod moderation;
pub mod org;
mod refusal;
mod register;
pub mod remarks;
pub mod removal;
pub mod review;
pub mod role_address;
pub mod statement;
pub mod team;
pub mod term;
pub mod terms;
pub mod told;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Fingerprint, ListName, MemberId, OrgName};
use crate::mail::address::Address;
use crate::pgp::cert::Format;
use crate::roster::application::{Application, Change as ApplicationChange};
pub use crate::roster::change::Change;
use crate::roster::membership::{Cause, Member, Role, Standing};
pub use crate::roster::org::Org;
pub use crate::roster::refusal::{MAX_MEMBERS, Refusal};
use crate::time::Timestamp;

/// Who belongs where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    orgs: BTreeMap<OrgName, Org>,
    lists: BTreeMap<ListName, Vec<Member>>,
    /// The texts in force, of the lists that have one.
    #[serde(default)]
    terms: BTreeMap<ListName, terms::InForce>,
    /// The bodies that approve persons of teams, by name.
    #[serde(default)]
    bodies: BTreeMap<String, Vec<term::BodyMember>>,
}

impl Roster {
    /// The organisations.
    pub fn orgs(&self) -> impl Iterator<Item = (&OrgName, &Org)> {
        self.orgs.iter()
    }

    /// The members of a list in any standing, removed ones included.
    #[must_use]
    pub fn members(&self, list: &ListName) -> &[Member] {
        self.lists.get(list).map_or(&[], Vec::as_slice)
    }

    /// Every member of every list with its list.
    pub fn everyone(&self) -> impl Iterator<Item = (&ListName, &Member)> {
        self.lists.iter().flat_map(|(list, members)| members.iter().map(move |m| (list, m)))
    }

    /// Those of a list whom copies go to.
    pub fn active(&self, list: &ListName) -> impl Iterator<Item = &Member> {
        self.members(list).iter().filter(|m| m.is_active())
    }

    /// The member of a list with this address who has not been removed.
    #[must_use]
    pub fn by_address(&self, list: &ListName, address: &Address) -> Option<&Member> {
        self.members(list).iter().find(|m| m.standing != Standing::Removed && m.address.same_mailbox(address))
    }

    /// The member of a list with this id, in any standing.
    #[must_use]
    pub fn by_id(&self, list: &ListName, id: &MemberId) -> Option<&Member> {
        self.members(list).iter().find(|m| m.id == *id)
    }

    /// The active member of a list whose signature this is.
    #[must_use]
    pub fn active_signer(&self, list: &ListName, signer: Fingerprint) -> Option<&Member> {
        self.active(list).find(|m| m.signs_with(signer))
    }

    /// The certificates of everyone who belongs somewhere, each once. Who asks to belong is a stranger still.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        let mut all: Vec<_> =
            self.everyone().filter(|(_, m)| m.belongs()).flat_map(|(_, m)| m.certs()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether anybody who has not been removed has this certificate, applicants included.
    #[must_use]
    pub fn has_cert(&self, cert: Fingerprint) -> bool {
        self.everyone().any(|(_, m)| m.standing != Standing::Removed && m.signs_with(cert))
    }

    /// The certificates of those who ask to belong to a list: nobody knows them but for that.
    pub fn applicants(&self, list: &ListName) -> impl Iterator<Item = Fingerprint> {
        let asks = |m: &&Member| matches!(m.standing, Standing::Applied | Standing::Vouched);
        self.members(list).iter().filter(asks).map(|m| m.fingerprint)
    }

    /// Takes an applicant off, who was never a member: nothing of strangers stays.
    #[must_use]
    pub fn without_applicant(&self, list: &ListName, id: &MemberId) -> Self {
        let mut new = self.clone();
        if let Some(members) = new.lists.get_mut(list) {
            members.retain(|m| m.id != *id);
        }
        new
    }

    /// The applicants who have an address or a certificate of somebody whom an admin puts onto the list: whoever asks to belong keeps
    /// nobody out.
    #[must_use]
    pub fn overtaken(&self, list: &ListName, by: &Member) -> Vec<Member> {
        let asks = |m: &&Member| matches!(m.standing, Standing::Applied | Standing::Vouched) && m.id != by.id;
        let same = |m: &&Member| {
            let mut addresses = std::iter::once(&by.address).chain(&by.file.aliases);
            addresses.any(|address| m.is_called(address)) || by.certs().any(|cert| m.signs_with(cert))
        };
        self.members(list).iter().filter(asks).filter(same).cloned().collect()
    }

    fn without_applicants(&self, list: &ListName, these: &[Member]) -> Self {
        let mut new = self.clone();
        new.drop_applicants(list, these);
        new
    }

    fn drop_applicants(&mut self, list: &ListName, these: &[Member]) {
        if let Some(members) = self.lists.get_mut(list).filter(|_| !these.is_empty()) {
            members.retain(|m| these.iter().all(|gone| gone.id != m.id));
        }
    }

    /// Adds an organisation.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn add_org(&self, name: &OrgName, title: String, now: Timestamp) -> Result<(Self, Change), Refusal> {
        if self.orgs.contains_key(name) {
            return Err(Refusal::OrgKnown(name.clone()));
        }
        let mut new = self.clone();
        new.orgs.insert(name.clone(), Org::new(title, now));
        Ok((new, Change::OrgAdded { org: name.clone() }))
    }

    /// Adds an active member: the admin's decision. Applicants with the same address or certificate go.
    ///
    /// # Errors
    /// When the organisation is unknown, or address or certificate are taken.
    pub fn add_member(&self, list: &ListName, member: Member) -> Result<(Self, Change), Refusal> {
        let mut new = self.without_applicants(list, &self.overtaken(list, &member));
        let change = new.may_add(list, &member)?;
        new.lists.entry(list.clone()).or_default().push(member);
        Ok((new, change))
    }

    /// What the journal says of somebody who is added, if no rule is against it.
    fn may_add(&self, list: &ListName, member: &Member) -> Result<Change, Refusal> {
        let org = match &member.role {
            Role::Contact { org } if !self.orgs.contains_key(org) => {
                return Err(Refusal::OrgUnknown(org.clone()));
            }
            Role::Contact { org } => Some(org.clone()),
            Role::Team { .. } => None,
        };
        self.has_room(list, member)?;
        Ok(Change::MemberAdded { member: member.id.clone(), org, fingerprint: member.fingerprint })
    }

    /// Adds an applicant, who neither reads nor posts. The organisation comes onto the roster when it is admitted.
    ///
    /// # Errors
    /// When address or certificate are taken.
    pub fn apply(
        &self,
        list: &ListName,
        member: Member,
        by: &Application,
    ) -> Result<(Self, Change), Refusal> {
        self.has_room(list, &member)?;
        let what = ApplicationChange::Taken {
            application: by.id.clone(),
            member: member.id.clone(),
            org: by.form.org.clone(),
            fingerprint: member.fingerprint,
            founding: by.founding,
        };
        let mut new = self.clone();
        let applied = Member { standing: Standing::Applied, ..member };
        new.lists.entry(list.clone()).or_default().push(applied);
        Ok((new, Change::Application { what }))
    }

    /// Notes who vouched last for the applicant of this application.
    #[must_use]
    pub fn vouched(&self, application: &Application) -> Option<(Self, Change)> {
        let last = application.vouchers.last()?;
        let by = application.vouchers.iter().map(|voucher| voucher.by.clone()).collect();
        let new = self.with_member(&application.list, &application.member, |m| m.file.vouched_by = by);
        let what = ApplicationChange::Vouched {
            application: application.id.clone(),
            by: last.by.clone(),
            statement: last.statement.clone(),
        };
        Some((new, Change::Application { what }))
    }

    /// Whether somebody may be added here with this address and certificate.
    fn has_room(&self, list: &ListName, member: &Member) -> Result<(), Refusal> {
        self.address_is_free(list, &member.address)?;
        self.cert_is_free(list, member.fingerprint, None)?;
        if self.members(list).len() >= MAX_MEMBERS { Err(Refusal::Full(list.clone())) } else { Ok(()) }
    }

    /// Pins another certificate, or notes that the pinned one was updated. What the owner of another key reads nobody has
    /// shown: the format of copies goes back to the rule.
    ///
    /// # Errors
    /// When nobody has that address, or the certificate is another member's.
    pub fn set_cert(
        &self,
        list: &ListName,
        address: &Address,
        fingerprint: Fingerprint,
    ) -> Result<(Self, Change), Refusal> {
        let member = self.by_address(list, address).ok_or_else(|| Refusal::NoMember(list.clone()))?;
        self.cert_is_free(list, fingerprint, Some(&member.id))?;
        let change =
            Change::CertSet { member: member.id.clone(), before: member.fingerprint, after: fingerprint };
        let new = self.with_member(list, &member.id.clone(), |m| {
            if m.fingerprint != fingerprint {
                m.format = None;
            }
            m.fingerprint = fingerprint;
            m.file.certs.retain(|further| *further != fingerprint);
        });
        Ok((new, change))
    }

    /// Sets the format of a member's copies, or leaves it to the rule.
    ///
    /// # Errors
    /// When nobody of that list has that id, or has been removed.
    pub fn set_format(
        &self,
        list: &ListName,
        id: &MemberId,
        format: Option<Format>,
    ) -> Result<(Self, Change), Refusal> {
        let here = |m: &&Member| m.id == *id && m.standing != Standing::Removed;
        let member = self.members(list).iter().find(here);
        let before = member.ok_or_else(|| Refusal::NoMember(list.clone()))?.format;
        let change = Change::FormatSet { member: id.clone(), before, after: format };
        Ok((self.with_member(list, id, |m| m.format = format), change))
    }

    /// Moves a member to another standing.
    ///
    /// # Errors
    /// When nobody has that address, the step does not exist, or the team would be left without anyone.
    pub fn move_member(
        &self,
        list: &ListName,
        address: &Address,
        to: Standing,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        let member = self.by_address(list, address).ok_or_else(|| Refusal::NoMember(list.clone()))?;
        self.move_to(list, &member.id.clone(), to, (Cause::Admin, reason), now)
    }

    /// Moves the member with this id to another standing. The cause is kept with whoever is suspended.
    ///
    /// # Errors
    /// As [`Roster::move_member`].
    pub fn move_to(
        &self,
        list: &ListName,
        id: &MemberId,
        to: Standing,
        (cause, reason): (Cause, Option<String>),
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        let change = self.may_move(list, id, to, (cause, reason))?;
        Ok((self.with_member(list, id, |m| m.stands(to, cause, now)), change))
    }

    /// What the journal says of somebody who moves, if no rule is against it.
    fn may_move(
        &self,
        list: &ListName,
        id: &MemberId,
        to: Standing,
        (cause, reason): (Cause, Option<String>),
    ) -> Result<Change, Refusal> {
        let here = |m: &&Member| m.id == *id && m.standing != Standing::Removed;
        let member = self.members(list).iter().find(here).ok_or_else(|| Refusal::NoMember(list.clone()))?;
        let from = member.standing;
        // Who is suspended by the clock comes back by a mere answer. Whoever decides on it does not wait for that.
        let by_the_clock = member.file.cause.is_some_and(|held| !held.is_decision());
        let taken_over =
            (from, to) == (Standing::Suspended, Standing::Suspended) && by_the_clock && cause.is_decision();
        if !from.may_become(to) && !taken_over {
            return Err(Refusal::NoStep { from, to });
        }
        let in_team = matches!(member.role, Role::Team { .. });
        if in_team && member.is_active() && self.active(list).count() == 1 {
            return Err(Refusal::LastOfTeam(list.clone()));
        }
        Ok(Change::Moved { member: member.id.clone(), from, to, reason })
    }

    fn with_member(&self, list: &ListName, id: &MemberId, edit: impl FnOnce(&mut Member)) -> Self {
        let mut new = self.clone();
        new.edit_member(list, id, edit);
        new
    }

    fn edit_member(&mut self, list: &ListName, id: &MemberId, edit: impl FnOnce(&mut Member)) {
        if let Some(member) = self.lists.get_mut(list).and_then(|ms| ms.iter_mut().find(|m| m.id == *id)) {
            edit(member);
        }
    }

    fn cert_is_free(
        &self,
        list: &ListName,
        cert: Fingerprint,
        except: Option<&MemberId>,
    ) -> Result<(), Refusal> {
        let taken = self
            .members(list)
            .iter()
            .any(|m| m.standing != Standing::Removed && m.signs_with(cert) && Some(&m.id) != except);
        if taken { Err(Refusal::CertTaken(cert)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
