//! Whether a team is as its policy wants it: how many they are, and whether they fill the seats.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::Team as Rules;
use crate::roster::membership::Member;

/// What a team is against its policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Violation {
    /// It is too small.
    TooFew {
        /// How many are active.
        are: u32,
        /// How many there have to be.
        min: u32,
    },
    /// It is too large.
    TooMany {
        /// How many are active.
        are: u32,
        /// How many there may be.
        max: u32,
    },
    /// Nobody, or not enough, have a role.
    Seat {
        /// Which.
        role: String,
        /// How many have it.
        are: u32,
        /// How many have to.
        min: u32,
    },
    /// Every role is there, and the same person would have to fill seats that ask for different ones.
    SamePerson,
    /// The last active person's term is over: they are left in the team, since nobody else reads.
    LastTermOver,
}

impl Violation {
    /// What it is about, so that the same is told once.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::TooFew { .. } => "too-few".to_owned(),
            Self::TooMany { .. } => "too-many".to_owned(),
            Self::Seat { role, .. } => format!("seat {role}"),
            Self::SamePerson => "same-person".to_owned(),
            Self::LastTermOver => "last-term-over".to_owned(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { are, min } => write!(f, "{are} active, and the policy wants at least {min}"),
            Self::TooMany { are, max } => write!(f, "{are} active, and the policy wants at most {max}"),
            Self::Seat { role, are, min } => {
                write!(f, "{are} active as {role}, and the policy wants at least {min}")
            }
            Self::SamePerson => {
                f.write_str("the policy wants different persons in seats that the same person fills")
            }
            Self::LastTermOver => f.write_str("the term of its last active person is over"),
        }
    }
}

/// How many there are of each set of roles: who can fill the same seats is the same here.
type Kinds<'m> = Vec<(BTreeSet<&'m str>, u32)>;

/// What the active ones of these are against the policy; nothing where it says nothing.
#[must_use]
pub fn violations<'m>(rules: &Rules, team: impl Iterator<Item = &'m Member>) -> Vec<Violation> {
    let mut kinds: BTreeMap<BTreeSet<&str>, u32> = BTreeMap::new();
    for member in team.filter(|member| member.is_active()) {
        *kinds.entry(member.roles().collect()).or_default() += 1;
    }
    let kinds: Kinds<'_> = kinds.into_iter().collect();
    let are = kinds.iter().fold(0_u32, |all, (_, count)| all.saturating_add(*count));
    let mut found = Vec::new();
    if let Some(min) = rules.min.map(std::num::NonZero::get).filter(|min| are < *min) {
        found.push(Violation::TooFew { are, min });
    }
    if let Some(max) = rules.max.map(std::num::NonZero::get).filter(|max| are > *max) {
        found.push(Violation::TooMany { are, max });
    }
    let before = found.len();
    for seat in &rules.composition {
        let (role, min) = (seat.role.as_str(), seat.min.get());
        let are = having(&kinds, role);
        if are < min {
            found.push(Violation::Seat { role: role.to_owned(), are, min });
        }
    }
    if found.len() == before && !can_be_filled(rules, kinds) {
        found.push(Violation::SamePerson);
    }
    found
}

fn having(kinds: &Kinds<'_>, role: &str) -> u32 {
    let with = kinds.iter().filter(|(roles, _)| roles.contains(role));
    with.fold(0, |all, (_, count)| all.saturating_add(*count))
}

/// Whether there is a way to give each seat that wants somebody of its own (`not_same_person`) a person who fills no other
/// seat, so that those who are left fill the others, where one person may fill several.
///
/// A bipartite match between such seats and persons, with the condition on who is left; persons with the same roles
/// count as one kind, and what was tried is not tried again, so that it ends soon for every team.
fn can_be_filled(rules: &Rules, kinds: Kinds<'_>) -> bool {
    let own: Vec<&str> = rules
        .composition
        .iter()
        .filter(|seat| seat.not_same_person)
        .flat_map(|seat| {
            std::iter::repeat_n(seat.role.as_str(), usize::try_from(seat.min.get()).unwrap_or(usize::MAX))
        })
        .collect();
    let mut tried: BTreeSet<(usize, Vec<u32>)> = BTreeSet::new();
    let mut open = vec![(0_usize, kinds)];
    while let Some((seat, left)) = open.pop() {
        let Some(role) = own.get(seat) else {
            let filled = |role: &str, min: u32| having(&left, role) >= min;
            let shared = rules.composition.iter().filter(|seat| !seat.not_same_person);
            if shared.into_iter().all(|seat| filled(seat.role.as_str(), seat.min.get())) {
                return true;
            }
            continue;
        };
        if !tried.insert((seat, left.iter().map(|(_, count)| *count).collect())) {
            continue;
        }
        for (at, (roles, count)) in left.iter().enumerate() {
            if *count > 0 && roles.contains(role) {
                let mut next = left.clone();
                if let Some((_, count)) = next.get_mut(at) {
                    *count -= 1;
                }
                open.push((seat + 1, next));
            }
        }
    }
    false
}
