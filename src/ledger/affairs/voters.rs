//! How a ballot stands: its voters hear of it.

use super::{Step, Trouble};
use crate::id::MemberId;
use crate::roster::ballot::Ballot;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::Member;

/// Tells those who may vote how a ballot stands.
pub(super) fn told(step: &mut Step<'_>, ballot: &Ballot, except: Option<&MemberId>) -> Result<(), Trouble> {
    let whom = |m: &&Member| !ballot.concerned.contains(&m.id) && except != Some(&m.id);
    let team: Vec<Reached> = step.deciders(&ballot.list).filter(whom).map(Reached::from).collect();
    for to in team {
        let (id, title) = (ballot.id.clone(), ballot.title.clone());
        let (outcome, rule) = (ballot.outcome, ballot.barred.clone());
        let about = About::BallotTold { ballot: id, title, outcome, rule };
        step.write(&Errand { list: ballot.list.clone(), to, about, until: None })?;
    }
    Ok(())
}
