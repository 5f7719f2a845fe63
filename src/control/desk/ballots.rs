//! Ballots and removals.

use super::acting::Acting;
use super::refusal::{Refused, no_member, not_found};
use super::{Desk, Reply, copies, done};
use crate::control::wire::{
    Address, Answer, BallotRequest, BallotRow, Certificate, ErrorKind, Leaving, Reason, VoteRow,
};
use crate::id::{BallotId, ListName};
use crate::ledger::affairs::removal::{self, Asked, Whom};
use crate::ledger::affairs::{Step, ballot};
use crate::ledger::shelf::Shelf;
use crate::roster::Roster;
use crate::roster::ballot::{Ballot, Choice, Given, Motion, Outcome};
use crate::roster::statement::{Says, Signed, said};

impl Desk {
    pub(super) fn ballot(&self, request: BallotRequest, actor: &Acting) -> Reply {
        match request {
            BallotRequest::Ls { list } => self.ballot_ls(list.as_ref()),
            BallotRequest::Show { ballot } => self.ballot_show(&ballot),
            BallotRequest::Vote { ballot, by, approve, statement } => {
                let choice = if approve { Choice::Approve } else { Choice::Object };
                self.vote(&ballot, &by, choice, statement.as_ref(), actor)
            }
            BallotRequest::Removal { list, whom, reason, text } => {
                self.removal(&list, &whom, reason, text.as_deref(), actor)
            }
            BallotRequest::RemovalWithdraw { list, whom } => self.removal_withdraw(&list, &whom, actor),
        }
    }

    fn ballot_ls(&self, list: Option<&ListName>) -> Reply {
        if let Some(list) = list {
            self.list(list)?;
        }
        let roster = self.registry.roster()?.roster;
        let mut all: Vec<Ballot> =
            Shelf::<Ballot>::new(&self.store).all()?.into_iter().map(|taken| taken.it).collect();
        all.retain(|ballot| list.is_none_or(|list| *list == ballot.list));
        // What waits for somebody comes first, then the newest.
        all.sort_by_key(|ballot| (ballot.outcome != Outcome::Open, std::cmp::Reverse(ballot.opened)));
        Ok(Answer::Ballots(all.iter().map(|ballot| row(ballot, &roster)).collect()))
    }

    fn ballot_show(&self, id: &BallotId) -> Reply {
        let roster = self.registry.roster()?.roster;
        let taken = Shelf::<Ballot>::new(&self.store).ballot(id)?.ok_or_else(|| no_ballot(id))?;
        Ok(Answer::Ballot(Box::new(row(&taken.it, &roster))))
    }

    fn vote(
        &self,
        id: &BallotId,
        by: &Address,
        choice: Choice,
        statement: Option<&Certificate>,
        actor: &Acting,
    ) -> Reply {
        let taken = Shelf::<Ballot>::new(&self.store).ballot(id)?.ok_or_else(|| no_ballot(id))?;
        let list = taken.it.list.clone();
        let signed = statement.map(|bytes| self.statement_of_team(&list, bytes)).transpose()?;
        let ballot = self.step(actor, |step| {
            let voter = step.deciders(&list).find(|m| m.address.same_mailbox(by)).cloned();
            let voter = voter.ok_or_else(|| {
                let why = format!("the team that decides for {list} has nobody active with that address");
                not_found("no vote was counted".to_owned(), why, "see `team ls`")
            })?;
            let given = match &signed {
                None => Given::Word,
                Some(signed) if !voter.signs_with(signed.signer) => {
                    return Err(unsigned(&format!("{} signed it, and not {by}", signed.signer)));
                }
                Some(signed) if said(&signed.text) != [Says::Vote(choice, id.clone())] => {
                    let line = format!("{} {id}", choice.as_str().to_uppercase());
                    return Err(unsigned(&format!("it does not say `{line}`, once and nothing else")));
                }
                Some(_) => Given::Statement,
            };
            Ok(ballot::cast(step, id, &voter, (choice, given))?)
        })?;
        let tally = ballot.tally();
        let split: String = tally.split.iter().map(|org| format!(", {org} is split")).collect();
        let (quorum, state) = (ballot.quorum, ballot.outcome.as_str());
        let so_far =
            format!("{} of {quorum} approve, {} object{split}: {state}", tally.approve, tally.object);
        let rule = ballot.barred.map_or_else(String::new, |rule| format!(" ({rule})"));
        Ok(done(format!("the vote of {by} is counted ({}): {so_far}{rule}", choice.as_str())))
    }

    /// A statement that somebody of the team that decides for a list has signed.
    fn statement_of_team(&self, list: &ListName, bytes: &Certificate) -> Result<Signed, Refused> {
        let team = self.list(list)?.deciding().cloned().unwrap_or_else(|| list.clone());
        let roster = self.registry.roster()?.roster;
        self.statement(bytes, roster.active(&team).flat_map(|m| m.certs().collect::<Vec<_>>()))
    }

    fn removal(
        &self,
        list: &ListName,
        whom: &Leaving,
        reason: Reason,
        text: Option<&str>,
        actor: &Acting,
    ) -> Reply {
        self.list(list)?;
        let asked = self.step(actor, |step| {
            let whom = meant(step, list, whom)?;
            Ok(removal::propose(step, list, &whom, reason, text)?)
        })?;
        Ok(done(match asked {
            Asked::Voting(id) => format!("the team votes on it: ballot {id}"),
            Asked::Curing(id, until) => {
                format!("there is time until {until} to mend it, then the team votes: ballot {id}")
            }
            Asked::Already(id) => format!("that is asked for already: ballot {id}"),
            Asked::Left(0) => format!("they have left {list}"),
            Asked::Left(n) => format!("they have left {list}; withdrawn: {}", copies(n)),
        }))
    }

    fn removal_withdraw(&self, list: &ListName, whom: &Leaving, actor: &Acting) -> Reply {
        self.list(list)?;
        let id = self.step(actor, |step| {
            let whom = meant(step, list, whom)?;
            Ok(removal::withdraw(step, list, &whom)?)
        })?;
        Ok(done(format!("it is taken back, and the membership goes on (ballot {id})")))
    }
}

fn meant(step: &Step<'_>, list: &ListName, whom: &Leaving) -> Result<Whom, Refused> {
    match whom {
        Leaving::Org(org) => Ok(Whom::Org(org.clone())),
        Leaving::Address(at) => {
            let member = step.roster().by_address(list, at).ok_or_else(|| no_member(list))?;
            Ok(Whom::Member(member.id.clone()))
        }
    }
}

fn no_ballot(id: &BallotId) -> Refused {
    not_found(format!("there is no ballot {id}"), "the store does not have it", "see `org ballots`")
}

pub(super) fn unsigned(why: &str) -> Refused {
    let next = "have it signed by the right person: `gpg --clearsign` over one line as docs/roster.md has it";
    Refused::new(ErrorKind::Data, "the statement does not count", why, next)
}

fn row(ballot: &Ballot, roster: &Roster) -> BallotRow {
    let (motion, reason) = match &ballot.motion {
        Motion::Admit { .. } => ("admit", None),
        Motion::Remove { reason, .. } => ("remove", Some(reason.to_string())),
    };
    let name = |id| {
        let found = roster.everyone().find(|(_, m)| m.id == id);
        found.map(|(_, m)| m.display_name().to_owned())
    };
    let given = |given| match given {
        Given::Mail => "mail",
        Given::Statement => "statement",
        Given::Word => "word",
    };
    let votes = ballot.votes.iter().map(|vote| VoteRow {
        by: vote.by.to_string(),
        name: name(vote.by.clone()),
        org: vote.org.as_ref().map(ToString::to_string),
        choice: vote.choice.as_str().to_owned(),
        given: given(vote.given).to_owned(),
        at: vote.at.to_string(),
    });
    let tally = ballot.tally();
    BallotRow {
        id: ballot.id.to_string(),
        list: ballot.list.to_string(),
        motion: motion.to_owned(),
        title: ballot.title.clone(),
        reason,
        words: ballot.words.as_ref().map(|words| words.replace('\n', " ")),
        opened: ballot.opened.to_string(),
        from: ballot.from.map(|at| at.to_string()),
        closes: ballot.closes.map(|at| at.to_string()),
        quorum: ballot.quorum.into(),
        one_per_org: ballot.one_per_org,
        approve: tally.approve.into(),
        object: tally.object.into(),
        split: tally.split.iter().map(ToString::to_string).collect(),
        votes: votes.collect(),
        outcome: ballot.outcome.as_str().to_owned(),
        rule: ballot.barred.clone(),
        closed: ballot.closed.map(|at| at.to_string()),
        stuck: ballot.stuck,
    }
}
