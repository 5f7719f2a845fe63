//! What is asked about ballots and removals.

use super::super::failure::Failure;
use super::super::input;
use super::super::nouns::{Decide, Vote};
use super::super::show;
use super::{Desk, Shown};
use crate::control::wire::{Answer, BallotRequest, Leaving, Request};

impl Desk<'_> {
    pub(super) fn decide(&self, verb: Decide) -> Result<Shown, Failure> {
        match verb {
            Decide::Approve(vote) => self.vote(vote, true),
            Decide::Object(vote) => self.vote(vote, false),
            Decide::Ballots { list, json } => {
                let request = Request::Ballot(BallotRequest::Ls { list });
                let rows = expect!(self.ask(&request), Answer::Ballots(rows) => rows);
                Ok(show::rows(&rows, &show::BALLOTS, json).into())
            }
            Decide::Ballot { id, json } => {
                let request = Request::Ballot(BallotRequest::Show { ballot: id });
                let row = expect!(self.ask(&request), Answer::Ballot(row) => row);
                Ok(show::one(&*row, show::ballot, json).into())
            }
            Decide::Removal { address, list, org, reason, text, withdraw: _ } => {
                let whom = match (address, org) {
                    (Some(address), _) => Leaving::Address(address),
                    (None, Some(org)) => Leaving::Org(org),
                    (None, None) => return Err(Failure::unexpected()),
                };
                // The grammar has one of the two: a reason, or that it is taken back.
                self.order(&Request::Ballot(match reason {
                    Some(reason) => BallotRequest::Removal { list, whom, reason, text },
                    None => BallotRequest::RemovalWithdraw { list, whom },
                }))
            }
        }
    }

    fn vote(&self, vote: Vote, approve: bool) -> Result<Shown, Failure> {
        let statement = vote.statement.map(|file| input::certificate(&file)).transpose()?;
        let (ballot, by) = (vote.ballot, vote.by);
        self.order(&Request::Ballot(BallotRequest::Vote { ballot, by, approve, statement }))
    }
}
