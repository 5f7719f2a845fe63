//! Ballots: a team decides by the votes of its members. Pure: a vote gives the ballot with it, or the rule against it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, BallotId, ListName, MemberId, OrgName};
use crate::roster::membership::Member;
use crate::time::Timestamp;

/// What is voted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Motion {
    /// An application becomes a membership.
    Admit {
        /// Which.
        application: ApplicationId,
    },
    /// A member leaves the list against their will.
    Remove {
        /// Whom.
        member: MemberId,
        /// Why, as the one who asked for it says: one of the policy's reasons, or words.
        reason: String,
    },
}

/// A vote's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// For it.
    Approve,
    /// Against it.
    Object,
}

impl Choice {
    /// The word of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Object => "object",
        }
    }
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Whose.
    pub by: MemberId,
    /// For whom they work, where that counts.
    pub org: Option<OrgName>,
    /// Which way.
    pub choice: Choice,
    /// When.
    pub at: Timestamp,
}

/// What came of a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is open.
    Open,
    /// Enough approved.
    Carried,
    /// So many object that it cannot be carried any more.
    Rejected,
    /// Its time ran out.
    Lapsed,
}

/// A ballot and its votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// Its name.
    pub id: BallotId,
    /// The list that the motion is about.
    pub list: ListName,
    /// What is voted on.
    pub motion: Motion,
    /// What it is about, in words made of the roster.
    pub title: String,
    /// Since when.
    pub opened: Timestamp,
    /// Until when votes count; none: until it is decided.
    pub closes: Option<Timestamp>,
    /// How many have to approve.
    pub quorum: u32,
    /// Whether the people of one organisation count once.
    pub one_per_org: bool,
    /// Who may not vote, because it is about them.
    #[serde(default)]
    pub concerned: Vec<MemberId>,
    /// The votes, one of each voter.
    pub votes: Vec<Vote>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What the journal says of ballots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Change {
    /// It was opened.
    Opened {
        /// Which.
        ballot: BallotId,
        /// On what.
        motion: Motion,
        /// How many have to approve.
        quorum: u32,
    },
    /// Somebody voted.
    Voted {
        /// In which.
        ballot: BallotId,
        /// Who.
        by: MemberId,
        /// Which way.
        choice: Choice,
    },
    /// It is decided.
    Closed {
        /// Which.
        ballot: BallotId,
        /// How.
        outcome: Outcome,
    },
}

/// The rule against a vote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is over.
    #[error("ballot {0} is closed")]
    Closed(BallotId),
    /// Only the team votes.
    #[error("only an active member of the team votes in {0}")]
    NotTheTeam(BallotId),
    /// Nobody decides about themselves.
    #[error("nobody votes in a matter of their own ({0})")]
    Concerned(BallotId),
    /// There is nobody to decide, or not enough.
    #[error(
        "the quorum is {quorum} and only {voters} can vote: add to the team, or change the policy's quorum"
    )]
    CannotCarry {
        /// How many have to approve.
        quorum: u32,
        /// How many may vote.
        voters: u32,
    },
}

impl Ballot {
    /// How many approve or object, with the people of one organisation counted once where the policy says so.
    #[must_use]
    pub fn count(&self, choice: Choice) -> u32 {
        let votes = self.votes.iter().filter(|vote| vote.choice == choice);
        count(votes.map(|vote| (&vote.by, vote.org.as_ref())), self.one_per_org)
    }

    /// How many of these could decide together.
    #[must_use]
    pub fn electorate<'m>(&self, team: impl Iterator<Item = &'m Member>) -> u32 {
        let free = team.filter(|m| m.is_active() && !self.concerned.contains(&m.id));
        count(free.map(|m| (&m.id, m.org())), self.one_per_org)
    }

    /// The ballot with one vote more, or with a voter's vote turned; its outcome is counted anew. `team` is everybody who
    /// may vote.
    ///
    /// # Errors
    /// When it is closed, or the voter may not vote.
    pub fn cast<'m>(
        &self,
        voter: &Member,
        choice: Choice,
        team: impl Iterator<Item = &'m Member> + Clone,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if self.outcome != Outcome::Open || self.closes.is_some_and(|closes| now >= closes) {
            return Err(Refusal::Closed(self.id.clone()));
        }
        if !team.clone().any(|m| m.id == voter.id && m.is_active()) {
            return Err(Refusal::NotTheTeam(self.id.clone()));
        }
        if self.concerned.contains(&voter.id) {
            return Err(Refusal::Concerned(self.id.clone()));
        }
        let mut new = self.clone();
        new.votes.retain(|vote| vote.by != voter.id);
        new.votes.push(Vote { by: voter.id.clone(), org: voter.org().cloned(), choice, at: now });
        new.outcome = new.decided(team);
        Ok(new)
    }

    /// What the votes decide by now.
    fn decided<'m>(&self, team: impl Iterator<Item = &'m Member>) -> Outcome {
        let against = self.count(Choice::Object);
        if self.count(Choice::Approve) >= self.quorum {
            Outcome::Carried
        } else if against > 0 && self.electorate(team).saturating_sub(against) < self.quorum {
            Outcome::Rejected
        } else {
            Outcome::Open
        }
    }
}

fn count<'v>(votes: impl Iterator<Item = (&'v MemberId, Option<&'v OrgName>)>, one_per_org: bool) -> u32 {
    let mut orgs = BTreeSet::new();
    // Of whom no organisation is known stands for nobody but themselves.
    let counted = votes.filter(|(_, org)| !one_per_org || org.is_none_or(|org| orgs.insert(org.clone())));
    u32::try_from(counted.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fingerprint;
    use crate::roster::membership::{MemberFile, Role, Standing};

    const T0: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn person(n: u8, org: Option<&str>) -> Member {
        Member {
            id: format!("m-{n}").parse().unwrap(),
            address: format!("p{n}@team.example").parse().unwrap(),
            fingerprint: Fingerprint::V4([n; 20]),
            role: Role::Team { name: format!("P{n}"), role: None },
            standing: Standing::Active,
            since: T0,
            format: None,
            file: MemberFile { works_for: org.map(|org| org.parse().unwrap()), ..MemberFile::default() },
        }
    }

    fn ballot(quorum: u32, one_per_org: bool) -> Ballot {
        Ballot {
            id: "b-1".parse().unwrap(),
            list: "distrib".parse().unwrap(),
            motion: Motion::Admit { application: "a-1".parse().unwrap() },
            title: "Acme".to_owned(),
            opened: T0,
            closes: Some(T0.after(std::time::Duration::from_secs(60))),
            quorum,
            one_per_org,
            concerned: vec!["m-4".parse().unwrap()],
            votes: Vec::new(),
            outcome: Outcome::Open,
        }
    }

    #[test]
    fn enough_carry_it_and_a_voter_counts_once() {
        let team = [person(1, None), person(2, None), person(3, None)];
        let one = ballot(2, false).cast(&team[0], Choice::Approve, team.iter(), T0).unwrap();
        let again = one.cast(&team[0], Choice::Approve, team.iter(), T0).unwrap();
        assert_eq!((again.count(Choice::Approve), again.outcome), (1, Outcome::Open));
        let two = again.cast(&team[1], Choice::Approve, team.iter(), T0).unwrap();
        assert_eq!(two.outcome, Outcome::Carried);
        assert_eq!(two.cast(&team[2], Choice::Object, team.iter(), T0), Err(Refusal::Closed(two.id.clone())));
    }

    #[test]
    fn so_many_objections_that_it_cannot_be_carried_reject_it() {
        let team = [person(1, None), person(2, None), person(3, None)];
        let one = ballot(2, false).cast(&team[0], Choice::Object, team.iter(), T0).unwrap();
        assert_eq!(one.outcome, Outcome::Open, "the two others can still carry it");
        let turned = one.cast(&team[0], Choice::Approve, team.iter(), T0).unwrap();
        assert_eq!(turned.count(Choice::Object), 0, "who thinks again has one vote");
        let two = one.cast(&team[1], Choice::Object, team.iter(), T0).unwrap();
        assert_eq!(two.outcome, Outcome::Rejected);
    }

    #[test]
    fn one_organisations_people_count_once_where_the_policy_says_so() {
        let team = [person(1, Some("acme")), person(2, Some("acme")), person(3, None)];
        let all = |per_org: bool| {
            let one = ballot(2, per_org).cast(&team[0], Choice::Approve, team.iter(), T0).unwrap();
            one.cast(&team[1], Choice::Approve, team.iter(), T0).unwrap()
        };
        assert_eq!(all(false).outcome, Outcome::Carried);
        assert_eq!((all(true).outcome, all(true).count(Choice::Approve)), (Outcome::Open, 1));
        assert_eq!(ballot(2, true).electorate(team.iter()), 2);
    }

    #[test]
    fn strangers_the_concerned_and_the_late_do_not_vote() {
        let team = [person(1, None), person(4, None)];
        let cast = |who: &Member, at| ballot(1, false).cast(who, Choice::Approve, team.iter(), at);
        let id: BallotId = "b-1".parse().unwrap();
        assert_eq!(cast(&person(9, None), T0), Err(Refusal::NotTheTeam(id.clone())));
        assert_eq!(cast(&team[1], T0), Err(Refusal::Concerned(id.clone())));
        let late = T0.after(std::time::Duration::from_secs(60));
        assert_eq!(cast(&team[0], late), Err(Refusal::Closed(id)));
        let mut asleep = team[0].clone();
        asleep.standing = Standing::Suspended;
        assert!(ballot(1, false).cast(&asleep, Choice::Approve, [asleep.clone()].iter(), T0).is_err());
    }
}
