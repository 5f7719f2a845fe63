//! Ballots: a team decides by the votes of its members. Pure: a vote gives the ballot with it, or the rule against it.

pub mod concern;
pub mod tally;

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, BallotId, ListName, MemberId, OrgName};
use crate::roster::membership::Member;
use crate::roster::removal::Reason;
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
    /// Members leave the list against their will: one, or all contacts of an organisation.
    Remove {
        /// Whom; of an organisation its contacts as they were when somebody last looked.
        members: Vec<MemberId>,
        /// The organisation, where it is about all of its contacts, whoever they are by then.
        #[serde(default)]
        org: Option<OrgName>,
        /// Why.
        reason: Reason,
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

/// How a vote was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Given {
    /// By signed mail, with the voter's token.
    #[default]
    Mail,
    /// By a statement that the voter has signed, handed in by the admin.
    Statement,
    /// By the admin's word for the voter.
    Word,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Whose.
    pub by: MemberId,
    /// For whom they work by now, as far as that is known.
    pub org: Option<OrgName>,
    /// Which way.
    pub choice: Choice,
    /// When.
    pub at: Timestamp,
    /// How.
    #[serde(default)]
    pub given: Given,
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
    /// It was taken back, or there is nothing left to decide.
    Withdrawn,
    /// Enough approved, and a rule is against what would follow from it.
    Barred,
}

impl Outcome {
    /// The word of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Carried => "carried",
            Self::Rejected => "rejected",
            Self::Lapsed => "lapsed",
            Self::Withdrawn => "withdrawn",
            Self::Barred => "barred",
        }
    }
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
    /// What was said besides by whoever asked for it.
    #[serde(default)]
    pub words: Option<String>,
    /// Since when.
    pub opened: Timestamp,
    /// From when on votes count, where those concerned have time until then; none: at once.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until when votes count; none: until it is decided.
    pub closes: Option<Timestamp>,
    /// How many have to approve.
    pub quorum: u32,
    /// Whether the people of one organisation count once.
    pub one_per_org: bool,
    /// Who may not vote, because it is about them: as it was when somebody last looked.
    #[serde(default)]
    pub concerned: Vec<MemberId>,
    /// Who was asked to vote.
    #[serde(default)]
    pub asked: Vec<MemberId>,
    /// The votes, one of each voter.
    pub votes: Vec<Vote>,
    /// What came of it.
    pub outcome: Outcome,
    /// Since when it is not open any more.
    #[serde(default)]
    pub closed: Option<Timestamp>,
    /// Whether it was told that too few are left to carry it.
    #[serde(default)]
    pub stuck: bool,
    /// The rule against what would have followed.
    #[serde(default)]
    pub barred: Option<String>,
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
        /// How.
        #[serde(default)]
        given: Given,
    },
    /// Votes of people who have left the team, or whom it concerns by now, do not count any more.
    VotesLost {
        /// In which.
        ballot: BallotId,
        /// Whose.
        of: Vec<MemberId>,
    },
    /// It is decided.
    Closed {
        /// Which.
        ballot: BallotId,
        /// How.
        outcome: Outcome,
        /// The rule against what would have followed.
        #[serde(default)]
        rule: Option<String>,
    },
}

/// The rule against a vote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is over.
    #[error("ballot {0} is closed")]
    Closed(BallotId),
    /// It has not begun.
    #[error("ballot {0} takes no votes before {1}: those concerned have time until then")]
    NotYet(BallotId, Timestamp),
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
    /// Whether it takes no votes yet.
    #[must_use]
    pub fn waits(&self, now: Timestamp) -> bool {
        self.outcome == Outcome::Open && self.from.is_some_and(|from| now < from)
    }

    /// The ballot with one vote more, or with a voter's vote turned; its outcome is counted anew. `team` is everybody who
    /// may vote.
    ///
    /// # Errors
    /// When it is closed or has not begun, or the voter may not vote.
    pub fn cast<'m>(
        &self,
        voter: &Member,
        (choice, given): (Choice, Given),
        team: impl Iterator<Item = &'m Member> + Clone,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if self.outcome != Outcome::Open || self.closes.is_some_and(|closes| now >= closes) {
            return Err(Refusal::Closed(self.id.clone()));
        }
        if let Some(from) = self.from.filter(|from| now < *from) {
            return Err(Refusal::NotYet(self.id.clone(), from));
        }
        if !team.clone().any(|m| m.id == voter.id && m.is_active()) {
            return Err(Refusal::NotTheTeam(self.id.clone()));
        }
        if self.concerned.contains(&voter.id) {
            return Err(Refusal::Concerned(self.id.clone()));
        }
        let mut new = self.clone();
        new.votes.retain(|vote| vote.by != voter.id);
        new.votes.push(Vote { by: voter.id.clone(), org: voter.org().cloned(), choice, at: now, given });
        Ok(new.counted(team, now))
    }

    /// The same ballot as roster and clock have it now: whom it concerns, by `concern`, and who has left the team has no vote
    /// any more, an organisation is the one that somebody works for now, and what nobody decided in time lapses. Also says
    /// whose votes are lost.
    #[must_use]
    pub fn anew<'m>(
        &self,
        team: impl Iterator<Item = &'m Member> + Clone,
        concern: impl Fn(&Member) -> bool,
        now: Timestamp,
    ) -> (Self, Vec<MemberId>) {
        let mut new = self.clone();
        if self.outcome != Outcome::Open {
            return (new, Vec::new());
        }
        new.concerned = team.clone().filter(|m| concern(m)).map(|m| m.id.clone()).collect();
        let voter = |vote: &Vote| team.clone().find(|m| m.id == vote.by && m.is_active() && !concern(m));
        let lost: Vec<MemberId> =
            self.votes.iter().filter(|vote| voter(vote).is_none()).map(|vote| vote.by.clone()).collect();
        new.votes.retain_mut(|vote| voter(vote).map(|by| vote.org = by.org().cloned()).is_some());
        if self.closes.is_some_and(|closes| now >= closes) {
            return (new.ended(Outcome::Lapsed, now), lost);
        }
        new.stuck = new.electorate(team.clone()) < new.quorum;
        (new.counted(team, now), lost)
    }

    /// The ballot, closed with this outcome.
    #[must_use]
    pub fn ended(mut self, outcome: Outcome, now: Timestamp) -> Self {
        self.outcome = outcome;
        self.closed = Some(now);
        self
    }

    fn counted<'m>(self, team: impl Iterator<Item = &'m Member>, now: Timestamp) -> Self {
        match self.decided(team) {
            Outcome::Open => self,
            outcome => self.ended(outcome, now),
        }
    }

    /// What the votes decide by now.
    fn decided<'m>(&self, team: impl Iterator<Item = &'m Member>) -> Outcome {
        let tally = self.tally();
        // Whoever is split may agree yet: that voice is neither for nor lost.
        if tally.approve >= self.quorum {
            Outcome::Carried
        } else if tally.object > 0 && self.electorate(team).saturating_sub(tally.object) < self.quorum {
            Outcome::Rejected
        } else {
            Outcome::Open
        }
    }
}

#[cfg(test)]
mod tests;
