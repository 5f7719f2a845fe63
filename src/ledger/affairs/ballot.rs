//! Ballots: opened by what needs a decision, voted in by mail or at the desk, carried out when they are carried.

use super::{Step, Trouble, admission};
use crate::id::{BallotId, ListName, MemberId};
use crate::ledger::journal::Event;
use crate::ledger::shelf::Shelf;
use crate::roster::application::Stage;
use crate::roster::ballot::{Ballot, Change as BallotChange, Choice, Motion, Outcome, Refusal};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::Member;
use crate::roster::{Change, Refusal as AnyRefusal};
use crate::time::Timestamp;

/// A motion that is to be decided.
pub struct Wanted {
    /// The list that it is about.
    pub list: ListName,
    /// What is to be decided.
    pub motion: Motion,
    /// What it is about, in words made of the roster.
    pub title: String,
    /// How many have to approve.
    pub quorum: u32,
    /// Whether the people of one organisation count once.
    pub one_per_org: bool,
    /// Who may not vote, because it is about them.
    pub concerned: Vec<MemberId>,
    /// Until when votes count.
    pub closes: Option<Timestamp>,
}

/// Opens a ballot, and asks everybody who may vote by mail.
///
/// # Errors
/// When the store fails, or nobody could ever carry it.
pub fn open(step: &mut Step<'_>, wanted: Wanted) -> Result<BallotId, Trouble> {
    let id = BallotId::random(&step.affairs().entropy);
    let Wanted { list, motion, title, quorum, one_per_org, concerned, closes } = wanted;
    let ballot = Ballot {
        id: id.clone(),
        list: list.clone(),
        motion: motion.clone(),
        title: title.clone(),
        opened: step.now(),
        closes,
        quorum,
        one_per_org,
        concerned,
        votes: Vec::new(),
        outcome: Outcome::Open,
    };
    let voters = ballot.electorate(step.deciders(&list));
    if voters < quorum {
        return Err(AnyRefusal::Ballot(Refusal::CannotCarry { quorum, voters }).into());
    }
    Shelf::add(step.batch(), &ballot)?;
    tell(step, &list, BallotChange::Opened { ballot: id.clone(), motion: motion.clone(), quorum });
    let asked: Vec<Reached> =
        step.deciders(&list).filter(|m| !ballot.concerned.contains(&m.id)).map(Reached::from).collect();
    for to in asked {
        let about =
            About::VoteWanted { motion: motion.clone(), ballot: id.clone(), title: title.clone(), quorum };
        step.write(&Errand { list: list.clone(), to, about, until: closes })?;
    }
    Ok(id)
}

/// Counts a vote, and carries out what it decides.
///
/// # Errors
/// When the store fails, there is no such ballot, or a rule is against it.
pub fn cast(step: &mut Step<'_>, id: &BallotId, voter: &Member, choice: Choice) -> Result<Ballot, Trouble> {
    let shelf = Shelf::<Ballot>::new(&step.affairs().store);
    let Some(taken) = shelf.ballot(id)? else { return Err(AnyRefusal::NoBallot(id.clone()).into()) };
    let list = taken.it.list.clone();
    let ballot =
        taken.it.cast(voter, choice, step.deciders(&list), step.now()).map_err(AnyRefusal::Ballot)?;
    taken.put_back(step.batch(), &ballot)?;
    tell(step, &list, BallotChange::Voted { ballot: id.clone(), by: voter.id.clone(), choice });
    if ballot.outcome != Outcome::Open {
        tell(step, &list, BallotChange::Closed { ballot: id.clone(), outcome: ballot.outcome });
        decided(step, &ballot)?;
    }
    Ok(ballot)
}

/// What follows from a ballot that is decided.
fn decided(step: &mut Step<'_>, ballot: &Ballot) -> Result<(), Trouble> {
    match (&ballot.motion, ballot.outcome) {
        (Motion::Admit { application }, Outcome::Carried) => admission::admitted(step, application),
        (Motion::Admit { application }, Outcome::Rejected) => {
            admission::refused(step, application, Stage::Refused)
        }
        (Motion::Admit { application }, Outcome::Lapsed) => {
            admission::refused(step, application, Stage::Lapsed)
        }
        (_, Outcome::Open | Outcome::Rejected | Outcome::Lapsed) => Ok(()),
        (Motion::Remove { .. }, Outcome::Carried) => Ok(()),
    }
}

fn tell(step: &mut Step<'_>, list: &ListName, what: BallotChange) {
    step.tell(Some(list), Event::Roster { change: Change::Ballot { what } });
}
