//! Whom a ballot is about, as the roster has it now: who that is may not vote.

use std::collections::BTreeSet;

use crate::id::{Fingerprint, MemberId, OrgName};
use crate::mail::address::Address;
use crate::roster::membership::Member;

/// Those whom a ballot is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    members: BTreeSet<MemberId>,
    orgs: BTreeSet<OrgName>,
    certs: BTreeSet<Fingerprint>,
    addresses: Vec<Address>,
}

impl Subjects {
    /// These members; and the organisation whose contacts they are.
    #[must_use]
    pub fn of<'m>(them: impl Iterator<Item = &'m Member>) -> Self {
        let mut subjects = Self::default();
        for member in them {
            subjects.members.insert(member.id.clone());
            subjects.orgs.extend(member.contact_of().cloned());
            subjects.certs.extend(member.certs());
            subjects.addresses.push(member.address.clone());
        }
        subjects
    }

    /// The same, and this organisation, also while it has no contact.
    #[must_use]
    pub fn and_org(mut self, org: Option<&OrgName>) -> Self {
        self.orgs.extend(org.cloned());
        self
    }

    /// The same, and whoever has this certificate.
    #[must_use]
    pub fn and_cert(mut self, cert: Fingerprint) -> Self {
        self.certs.insert(cert);
        self
    }

    /// Whether it is about this person: themselves, by id, by any certificate or by address, or whom they work for.
    #[must_use]
    pub fn concern(&self, person: &Member) -> bool {
        self.members.contains(&person.id)
            || person.org().is_some_and(|org| self.orgs.contains(org))
            || person.certs().any(|cert| self.certs.contains(&cert))
            || self.addresses.iter().any(|address| person.address.same_mailbox(address))
    }
}
