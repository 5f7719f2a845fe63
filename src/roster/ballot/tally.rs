//! How votes are counted: by person, or by organisation where its people count once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ballot, Choice, Vote};
use crate::id::{MemberId, OrgName};
use crate::roster::membership::Member;

/// What the votes come to. No voice is on two sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many approve.
    pub approve: u32,
    /// How many object.
    pub object: u32,
    /// The organisations whose people disagree: each is on neither side until they agree.
    pub split: Vec<OrgName>,
}

/// What counts once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Voice<'v> {
    Org(&'v OrgName),
    /// Of whom no organisation is known stands for nobody but themselves.
    Person(&'v MemberId),
}

impl Ballot {
    /// What its votes come to.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut voices = BTreeMap::<Voice<'_>, (bool, bool)>::new();
        for vote in &self.votes {
            let said = voices.entry(self.voice(&vote.by, vote.org.as_ref())).or_default();
            match vote.choice {
                Choice::Approve => said.0 = true,
                Choice::Object => said.1 = true,
            }
        }
        let mut tally = Tally::default();
        for (voice, said) in voices {
            match (said, voice) {
                ((true, true), Voice::Org(org)) => tally.split.push(org.clone()),
                ((true, _), _) => tally.approve = tally.approve.saturating_add(1),
                (_, _) => tally.object = tally.object.saturating_add(1),
            }
        }
        tally
    }

    /// Whether the people of this voter's organisation disagree, so that it counts on neither side.
    #[must_use]
    pub fn splits(&self, voter: &MemberId) -> bool {
        let split = self.tally().split;
        let theirs = |vote: &&Vote| vote.by == *voter;
        self.votes
            .iter()
            .find(theirs)
            .and_then(|vote| vote.org.as_ref())
            .is_some_and(|org| split.contains(org))
    }

    /// How many of these could decide together.
    #[must_use]
    pub fn electorate<'m>(&self, team: impl Iterator<Item = &'m Member>) -> u32 {
        let free = team.filter(|m| m.is_active() && !self.concerned.contains(&m.id));
        let voices: BTreeSet<Voice<'m>> = free.map(|m| self.voice(&m.id, m.org())).collect();
        u32::try_from(voices.len()).unwrap_or(u32::MAX)
    }

    fn voice<'v>(&self, who: &'v MemberId, org: Option<&'v OrgName>) -> Voice<'v> {
        org.filter(|_| self.one_per_org).map_or(Voice::Person(who), Voice::Org)
    }
}
