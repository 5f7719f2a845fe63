//! The roster outside of a store: as the files of a directory, and what differs between one and a roster.
//!
//! What is kept of organisations and members goes out as it is kept, with the names of its fields: whoever adds a field to
//! [`Org`], [`Member`] or [`BodyMember`] finds it in the directory.

pub mod difference;
pub mod directory;
mod enact;
pub mod imported;
pub mod manifest;
pub mod offer;

use std::collections::BTreeMap;

use crate::id::{Fingerprint, ListName, OrgName};
use crate::roster::Roster;
use crate::roster::membership::{Member, Role};
use crate::roster::org::Org;
use crate::roster::term::BodyMember;

/// Files by their paths, which are sorted.
pub type Files = BTreeMap<String, String>;

/// A roster on its way. Who was removed is not in it, nor who only asks to come: their application would be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portable {
    /// Whether it speaks for a whole installation: an organisation that is not in it leaves.
    pub whole: bool,
    /// The organisations.
    pub orgs: BTreeMap<OrgName, Org>,
    /// Who belongs to which list, by address.
    pub lists: BTreeMap<ListName, Vec<Member>>,
    /// Who is of which body that approves persons of teams; nothing where nothing is said of bodies.
    pub bodies: Option<BTreeMap<String, Vec<BodyMember>>>,
    /// Their certificates, armored.
    pub certs: BTreeMap<Fingerprint, String>,
}

impl Portable {
    /// A whole roster, or one list with the organisations of its members. Lists without anybody are in it, too.
    #[must_use]
    pub fn of<'a>(roster: &Roster, lists: impl Iterator<Item = &'a ListName>, whole: bool) -> Self {
        let mut portable = Self { whole, ..Self::default() };
        for list in lists {
            let here = roster.members(list).iter().filter(|member| member.belongs());
            portable.lists.insert(list.clone(), here.cloned().collect());
        }
        let named = portable.lists.values().flatten().filter_map(|member| match &member.role {
            Role::Contact { org } => Some(org),
            Role::Team { .. } => None,
        });
        let named: std::collections::BTreeSet<OrgName> = named.cloned().collect();
        let wanted = roster.orgs().filter(|(name, _)| whole || named.contains(*name));
        portable.orgs = wanted.map(|(name, org)| (name.clone(), org.clone())).collect();
        // A body may approve for several lists: one list's export says nothing of it.
        portable.bodies = whole.then(|| roster.bodies.clone());
        portable.sort();
        portable
    }

    /// The certificates that belong to it.
    pub fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        let bodies = self.bodies.iter().flat_map(BTreeMap::values).flatten().map(|member| member.fingerprint);
        self.lists.values().flatten().flat_map(Member::certs).chain(bodies)
    }

    fn sort(&mut self) {
        for members in self.lists.values_mut() {
            members.sort_by(|a, b| (&a.address, &a.id).cmp(&(&b.address, &b.id)));
        }
        for members in self.bodies.iter_mut().flat_map(BTreeMap::values_mut) {
            members.sort_by(|a, b| (&a.address, &a.id).cmp(&(&b.address, &b.id)));
        }
    }
}
