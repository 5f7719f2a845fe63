//! What is asked about the persons of teams.

use super::super::failure::Failure;
use super::super::input;
use super::super::names::Why;
use super::super::nouns::{Body, NewPerson, Team};
use super::super::show;
use super::super::text::one_line;
use super::{Desk, Shown, members};
use crate::control::wire::{Answer, Request, Seat, TeamRequest};

impl Desk<'_> {
    pub(super) fn team(&self, verb: Team) -> Result<Shown, Failure> {
        match verb {
            Team::Add { person, term_starts: starts, why } => {
                let Seat { list, address, name, cert, roles, org } = seat(person)?;
                let mut roles = roles.into_iter();
                let (role, roles) = (roles.next(), roles.collect());
                let request = TeamRequest::Add { list, address, name, cert, role, roles, org, starts };
                self.order(&why.of(Request::Team(request)))
            }
            Team::Ls { list, json, within } => {
                let request = Request::Team(TeamRequest::Ls { list: list.0 });
                let rows = expect!(self.ask(&request), Answer::Members(rows) => rows);
                Ok(members(rows, &show::TEAM, within, json))
            }
            Team::Show { who, json } => {
                let request = Request::MemberShow { list: who.list, address: who.address };
                let row = expect!(self.ask(&request), Answer::Member(row) => row);
                Ok(show::one(&*row, show::person, json).into())
            }
            Team::Term { who, starts, why } => {
                let (list, address) = (who.list, who.address);
                self.order(&why.of(Request::Team(TeamRequest::Term { list, address, starts })))
            }
            Team::Appoint { person, approval, why } => {
                let approvals = approval.iter().map(|file| input::certificate(file));
                let approvals = approvals.collect::<Result<_, _>>()?;
                let request = TeamRequest::Appoint { who: seat(person)?, approvals };
                self.order(&why.of(Request::Team(request)))
            }
            Team::Replace { old, person, statement, why } => {
                let statement = input::certificate(&statement)?;
                let request = TeamRequest::Replace { old, who: seat(person)?, statement };
                self.order(&why.of(Request::Team(request)))
            }
            Team::Body(verb) => self.body(verb),
            Team::Remove { who, why: Why { reason }, below_minimum, yes } => {
                let what = format!("{} leaves the team of {}.", who.address, who.list);
                let (list, address) = (who.list, who.address);
                let request = Request::Team(TeamRequest::Remove { list, address, reason, below_minimum });
                self.after_consent(&request, yes, &one_line(&what))
            }
        }
    }

    fn body(&self, verb: Body) -> Result<Shown, Failure> {
        match verb {
            Body::Add { body, address, cert, why } => {
                let cert = input::certificate(&cert)?;
                self.order(&why.of(Request::Team(TeamRequest::BodyAdd { body, address, cert })))
            }
            Body::Ls { json } => {
                let request = Request::Team(TeamRequest::BodyLs);
                let rows = expect!(self.ask(&request), Answer::Body(rows) => rows);
                Ok(show::rows(&rows, &show::BODY, json).into())
            }
            Body::Remove { body, address, why, yes } => {
                let what = format!("{address} is no longer of {body}.");
                let request = why.of(Request::Team(TeamRequest::BodyRemove { body, address }));
                self.after_consent(&request, yes, &one_line(&what))
            }
        }
    }
}

fn seat(person: NewPerson) -> Result<Seat, Failure> {
    let NewPerson { who, name, cert, role, org } = person;
    let cert = input::certificate(&cert)?;
    Ok(Seat { list: who.list, address: who.address, name, cert, roles: role, org })
}
