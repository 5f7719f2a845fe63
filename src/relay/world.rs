//! What the relay knows when it judges a mail: the list, the roster and the certificates as they were read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::Fingerprint;
use crate::mail::directory::Kind;
pub use crate::mail::list::List;
use crate::pgp::cert::Cert;
use crate::pgp::open::Limits;
use crate::roster::Roster;
use crate::roster::membership::Member;
use crate::time::Timestamp;

/// Certificates by fingerprint.
pub type Certs = BTreeMap<Fingerprint, Arc<Cert>>;

/// All that a judgement rests on.
pub struct World<'a> {
    /// The list that the mail is for.
    pub list: &'a List,
    /// Who belongs where.
    pub roster: &'a Roster,
    /// The certificates of everyone on the roster.
    pub certs: &'a Certs,
    /// The certificates of those who ask to belong to the list: what they answer is verified with them, and nothing else.
    pub applicants: &'a [Arc<Cert>],
    /// The List-Ids of all lists of this installation: by these our own copies are known.
    pub ours: &'a [String],
    /// The reason for which this mail was held and that the admin waived. It waives that one and no other.
    pub waived: Option<&'a str>,
    /// When the store was last restored from a backup: what was relayed before that may have been forgotten.
    pub restored: Option<Timestamp>,
    /// When the mail with this digest first came, of those that no signature tells apart.
    pub came: &'a dyn Fn(&[u8; 32]) -> Option<Timestamp>,
    /// Limits for opening.
    pub limits: &'a Limits,
}

impl World<'_> {
    /// Who receives posts of the list: its active members and, for an announce list, the team it names, without those who
    /// want no copies. An address that is in both gets one copy.
    #[must_use]
    pub fn readers(&self) -> Vec<&Member> {
        Self::readers_of(self.list, self.roster)
    }

    /// The same for any list and roster. Who has to accept the list's terms first gets nothing before.
    #[must_use]
    pub fn readers_of<'r>(list: &List, roster: &'r Roster) -> Vec<&'r Member> {
        let withheld = |m: &Member| list.terms().is_some() && roster.is_withheld(&list.name, m);
        let own = roster.active(&list.name).filter(|m| m.gets_copies() && !withheld(m));
        let mut readers: Vec<&Member> = own.collect();
        if let Some(team) = &list.team {
            for member in roster.active(team).filter(|m| m.gets_copies()) {
                // With two certificates it stays two: if one of them cannot be used, the other one can.
                let same = |r: &&Member| {
                    r.address.same_mailbox(&member.address) && r.fingerprint == member.fingerprint
                };
                if !readers.iter().any(same) {
                    readers.push(member);
                }
            }
        }
        readers
    }

    /// Whom mail for the admins goes to: the team that the list names, or an intake list's own. `None` where there is
    /// no team: the members of a discuss list are not its admins.
    #[must_use]
    pub fn team(&self) -> Option<Vec<&Member>> {
        Self::team_of(self.list, self.roster)
    }

    /// The same for any list and roster.
    #[must_use]
    pub fn team_of<'r>(list: &List, roster: &'r Roster) -> Option<Vec<&'r Member>> {
        let own = (list.kind == Kind::Intake).then_some(&list.name);
        let team = list.team.as_ref().or(own)?;
        Some(roster.active(team).collect())
    }

    /// The active member whose signature lets a mail in here, by the list's kind.
    #[must_use]
    pub fn poster(&self, signer: Fingerprint) -> Option<&Member> {
        match self.list.kind {
            Kind::Announce => self.team_member(signer),
            Kind::Intake | Kind::Discuss => self.roster.active_signer(&self.list.name, signer),
            Kind::Public => None,
        }
    }

    /// Anyone on the roster with this certificate who is active somewhere, those of this list first.
    #[must_use]
    pub fn known(&self, signer: Fingerprint) -> Option<&Member> {
        self.poster(signer).or_else(|| {
            self.roster.everyone().map(|(_, m)| m).find(|m| m.is_active() && m.signs_with(signer))
        })
    }

    /// Whether these certificates are all one person's here, so that a mail with a signature by each is that person's.
    #[must_use]
    pub fn are_one(&self, signers: &[Fingerprint]) -> bool {
        let here = [Some(&self.list.name), self.list.team.as_ref()];
        here.into_iter().flatten().any(|list| self.roster.are_one(list, signers))
    }

    /// The certificates of whoever is on this list or in the team that it names.
    #[must_use]
    pub fn certs_here(&self) -> Vec<Arc<Cert>> {
        let here = std::iter::once(&self.list.name).chain(&self.list.team);
        let people = here.flat_map(|list| self.roster.members(list)).filter(|m| m.belongs());
        people.flat_map(Member::certs).filter_map(|cert| self.certs.get(&cert).cloned()).collect()
    }

    fn team_member(&self, signer: Fingerprint) -> Option<&Member> {
        self.list.team.as_ref().and_then(|team| self.roster.active_signer(team, signer))
    }
}
