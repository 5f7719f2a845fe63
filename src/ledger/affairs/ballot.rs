//! Ballots: opened by what needs a decision, voted in by mail or at the desk, carried out when they are carried.

use super::{Step, Trouble, admission, concern, expulsion, voters};
use crate::id::{BallotId, ListName, MemberId};
use crate::ledger::journal::Event;
use crate::ledger::shelf::{Shelf, Taken};
use crate::ledger::token::ENDLESS;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::roster::application::{Application, Stage};
use crate::roster::ballot::{Ballot, Change as BallotChange, Choice, Given, Motion, Outcome, Refusal};
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
    /// Until when votes count.
    pub closes: Option<Timestamp>,
}

impl Wanted {
    /// A motion, with what the list's policy says of ballots from `begins` on.
    #[must_use]
    pub fn by_policy(list: &List, motion: Motion, title: String, quorum: u32, begins: Timestamp) -> Self {
        let rules = list.membership();
        Self {
            list: list.name.clone(),
            motion,
            title,
            quorum,
            one_per_org: rules.one_vote_per_org.unwrap_or_default(),
            closes: rules.ballot_closes.map(|open| begins.after(open)),
        }
    }
}

/// Opens a ballot, and asks everybody who may vote by mail.
///
/// # Errors
/// When the store fails, or nobody could ever carry it.
pub fn open(step: &mut Step<'_>, wanted: Wanted) -> Result<BallotId, Trouble> {
    open_from(step, wanted, None, None)
}

/// The same, with words about it; and where `from` is given, votes count and are asked for only then.
///
/// # Errors
/// As [`open`].
pub fn open_from(
    step: &mut Step<'_>,
    wanted: Wanted,
    words: Option<String>,
    from: Option<Timestamp>,
) -> Result<BallotId, Trouble> {
    let Wanted { list, motion, title, quorum, one_per_org, closes } = wanted;
    let concerned = concern::concerned(step, &list, &motion);
    let ballot = Ballot {
        id: BallotId::random(&step.affairs().entropy),
        list: list.clone(),
        motion: motion.clone(),
        title,
        words,
        opened: step.now(),
        from,
        closes,
        quorum,
        one_per_org,
        concerned,
        asked: Vec::new(),
        votes: Vec::new(),
        outcome: Outcome::Open,
        closed: None,
        stuck: false,
        barred: None,
    };
    let voters = ballot.electorate(step.deciders(&list));
    if voters < quorum {
        return Err(AnyRefusal::Ballot(Refusal::CannotCarry { quorum, voters }).into());
    }
    let id = ballot.id.clone();
    tell(step, &list, BallotChange::Opened { ballot: id.clone(), motion, quorum });
    let ballot = asked(step, ballot)?;
    Shelf::add(step.batch(), &ballot)?;
    Ok(id)
}

/// Asks by mail whoever may vote and has not been asked, once votes count.
fn asked(step: &mut Step<'_>, mut ballot: Ballot) -> Result<Ballot, Trouble> {
    if ballot.waits(step.as_of()) {
        return Ok(ballot);
    }
    let may = |m: &&Member| !ballot.concerned.contains(&m.id) && !ballot.asked.contains(&m.id);
    let new: Vec<Reached> = step.deciders(&ballot.list).filter(may).map(Reached::from).collect();
    for to in new {
        ballot.asked.push(to.id.clone());
        let about = About::VoteWanted {
            motion: ballot.motion.clone(),
            ballot: ballot.id.clone(),
            title: ballot.title.clone(),
            quorum: ballot.quorum,
            // Why somebody is to be removed the team has read before.
            remarks: match &ballot.motion {
                Motion::Admit { .. } => lines(ballot.words.as_deref()),
                Motion::Remove { .. } => Vec::new(),
            },
        };
        let until = ballot.closes.unwrap_or_else(|| step.now().after(ENDLESS));
        step.write(&Errand { list: ballot.list.clone(), to, about, until: Some(until) })?;
    }
    Ok(ballot)
}

fn lines(words: Option<&str>) -> Vec<String> {
    words.unwrap_or_default().lines().map(ToOwned::to_owned).collect()
}

/// Counts a vote, and carries out what it decides.
///
/// # Errors
/// When the store fails, there is no such ballot, or a rule is against it.
pub fn cast(
    step: &mut Step<'_>,
    id: &BallotId,
    voter: &Member,
    (choice, given): (Choice, Given),
) -> Result<Ballot, Trouble> {
    let taken = find(step, id)?;
    let list = taken.it.list.clone();
    // Whoever has left meanwhile counts no more, also where the clock has not noticed.
    let wide = concern::widened(step, &taken.it)?;
    let (current, lost) = concern::anew(step, &wide);
    if current.outcome != Outcome::Open {
        return Err(AnyRefusal::Ballot(Refusal::Closed(id.clone())).into());
    }
    told_lost(step, &current, lost);
    let new = current
        .cast(voter, (choice, given), step.deciders(&list), step.as_of())
        .map_err(AnyRefusal::Ballot)?;
    tell(step, &list, BallotChange::Voted { ballot: id.clone(), by: voter.id.clone(), choice, given });
    // Whoever voted by mail is told what came of it in the answer.
    kept(step, &taken, new, (given == Given::Mail).then_some(&voter.id))
}

/// Takes a ballot back: it is closed, and nothing follows.
///
/// # Errors
/// When the store fails, there is no such ballot, or it is closed.
pub fn withdraw(step: &mut Step<'_>, id: &BallotId) -> Result<Ballot, Trouble> {
    let taken = find(step, id)?;
    if taken.it.outcome != Outcome::Open {
        return Err(AnyRefusal::Ballot(Refusal::Closed(id.clone())).into());
    }
    let new = taken.it.clone().ended(Outcome::Withdrawn, step.now());
    kept(step, &taken, new, None)
}

/// The ballots that are open, of all lists.
///
/// # Errors
/// When the store fails.
pub fn open_ones(step: &Step<'_>) -> Result<Vec<Ballot>, Trouble> {
    let all = Shelf::<Ballot>::new(&step.affairs().store).all()?;
    Ok(all.into_iter().map(|taken| taken.it).filter(|ballot| ballot.outcome == Outcome::Open).collect())
}

/// What the clock and the team change about a list's ballots: they begin, lapse, lose the votes of those who left, and go
/// in the end.
pub(super) fn due(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    let all = Shelf::<Ballot>::new(&step.affairs().store).all()?;
    for taken in all.into_iter().filter(|taken| taken.it.list == list.name) {
        if taken.it.outcome == Outcome::Open {
            look(step, &taken)?;
        } else if let (Some(closed), Some(kept)) = (taken.it.closed, list.membership().ballot_kept)
            && step.now() >= closed.after(kept)
        {
            taken.remove(step.batch());
        }
    }
    Ok(())
}

/// Looks at an open ballot.
fn look(step: &mut Step<'_>, taken: &Taken<Ballot>) -> Result<(), Trouble> {
    let before = &taken.it;
    let wide = concern::widened(step, before)?;
    let (new, lost) = if expulsion::is_moot(step, &wide) || is_moot(step, &wide)? {
        (wide.ended(Outcome::Withdrawn, step.now()), Vec::new())
    } else {
        concern::anew(step, &wide)
    };
    told_lost(step, &new, lost);
    let new = if new.outcome == Outcome::Open { asked(step, new)? } else { new };
    if new == *before {
        return Ok(());
    }
    if new.stuck && !before.stuck && new.outcome == Outcome::Open {
        let problem = format!(
            "ballot {} needs {} who approve, and fewer are left who may vote: add to the team, or take it back",
            new.id, new.quorum
        );
        step.alert(&new.list, Incident::Trouble { part: "ballots".to_owned(), problem })?;
        voters::told(step, &new, None)?;
    }
    kept(step, taken, new, None).map(|_| ())
}

/// Whether the application that a ballot is about has ended by another way.
fn is_moot(step: &Step<'_>, ballot: &Ballot) -> Result<bool, Trouble> {
    let Motion::Admit { application } = &ballot.motion else { return Ok(false) };
    let taken = Shelf::<Application>::new(&step.affairs().store).application(application)?;
    Ok(taken.is_none_or(|taken| !taken.it.stage.is_open()))
}

/// Keeps a ballot as it has become; and where it is not open any more, does what follows, and tells the team.
fn kept(
    step: &mut Step<'_>,
    taken: &Taken<Ballot>,
    mut ballot: Ballot,
    except: Option<&MemberId>,
) -> Result<Ballot, Trouble> {
    if ballot.outcome != Outcome::Open {
        if let Some(rule) = followed(step, &ballot)? {
            let problem =
                format!("ballot {} is carried, and a rule is against what follows: {rule}", ballot.id);
            step.alert(&ballot.list, Incident::Trouble { part: "ballots".to_owned(), problem })?;
            ballot.outcome = Outcome::Barred;
            ballot.barred = Some(rule);
        }
        let (id, outcome, rule) = (ballot.id.clone(), ballot.outcome, ballot.barred.clone());
        tell(step, &ballot.list, BallotChange::Closed { ballot: id, outcome, rule });
        voters::told(step, &ballot, except)?;
    }
    taken.put_back(step.batch(), &ballot)?;
    Ok(ballot)
}

/// Does what follows from a ballot that is decided. What it decided may have no effect by a rule: returns that.
fn followed(step: &mut Step<'_>, ballot: &Ballot) -> Result<Option<String>, Trouble> {
    match (&ballot.motion, ballot.outcome) {
        (_, Outcome::Open | Outcome::Barred) | (Motion::Admit { .. }, Outcome::Withdrawn) => Ok(None),
        (Motion::Admit { application }, Outcome::Carried) => admission::admitted(step, application),
        (Motion::Admit { application }, Outcome::Rejected) => {
            admission::refused(step, application, Stage::Refused).map(|()| None)
        }
        (Motion::Admit { application }, Outcome::Lapsed) => {
            admission::refused(step, application, Stage::Lapsed).map(|()| None)
        }
        (Motion::Remove { members, reason, .. }, Outcome::Carried) => {
            expulsion::carried(step, &ballot.list, members, *reason)
        }
        (Motion::Remove { members, .. }, Outcome::Rejected | Outcome::Lapsed | Outcome::Withdrawn) => {
            expulsion::dropped(step, &ballot.list, members).map(|()| None)
        }
    }
}

fn find(step: &Step<'_>, id: &BallotId) -> Result<Taken<Ballot>, Trouble> {
    let shelf = Shelf::<Ballot>::new(&step.affairs().store);
    shelf.ballot(id)?.ok_or_else(|| AnyRefusal::NoBallot(id.clone()).into())
}

fn told_lost(step: &mut Step<'_>, ballot: &Ballot, of: Vec<MemberId>) {
    if !of.is_empty() {
        tell(step, &ballot.list, BallotChange::VotesLost { ballot: ballot.id.clone(), of });
    }
}

fn tell(step: &mut Step<'_>, list: &ListName, what: BallotChange) {
    step.tell(Some(list), Event::Roster { change: Change::Ballot { what } });
}
