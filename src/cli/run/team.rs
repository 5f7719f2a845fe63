//! What is asked about the persons of teams.

use super::super::failure::Failure;
use super::super::input;
use super::super::nouns::{Body, NewPerson, Team};
use super::super::show;
use super::super::text::one_line;
use super::{Desk, Shown, members};
use crate::control::wire::{Answer, Request, Seat, TeamRequest};

impl Desk<'_> {
    pub(super) fn team(&self, verb: Team) -> Result<Shown, Failure> {
        match verb {
            Team::Add { person, term_starts: starts } => {
                let Seat { list, address, name, cert, roles, org } = seat(person)?;
                let mut roles = roles.into_iter();
                let (role, roles) = (roles.next(), roles.collect());
                self.order(&Request::Team(TeamRequest::Add {
                    list,
                    address,
                    name,
                    cert,
                    role,
                    roles,
                    org,
                    starts,
                }))
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
            Team::Term { who, starts } => {
                let (list, address) = (who.list, who.address);
                self.order(&Request::Team(TeamRequest::Term { list, address, starts }))
            }
            Team::Appoint { person, approval } => {
                let approvals = approval.iter().map(|file| input::certificate(file));
                let approvals = approvals.collect::<Result<_, _>>()?;
                self.order(&Request::Team(TeamRequest::Appoint { who: seat(person)?, approvals }))
            }
            Team::Replace { old, person, statement } => {
                let statement = input::certificate(&statement)?;
                self.order(&Request::Team(TeamRequest::Replace { old, who: seat(person)?, statement }))
            }
            Team::Body(verb) => self.body(verb),
            Team::Remove { who, reason, below_minimum, yes } => {
                let what = format!("{} leaves the team of {}.", who.address, who.list);
                let (list, address) = (who.list, who.address);
                let request = Request::Team(TeamRequest::Remove { list, address, reason, below_minimum });
                self.after_consent(&request, yes, &one_line(&what))
            }
        }
    }

    fn body(&self, verb: Body) -> Result<Shown, Failure> {
        match verb {
            Body::Add { body, address, cert } => {
                let cert = input::certificate(&cert)?;
                self.order(&Request::Team(TeamRequest::BodyAdd { body, address, cert }))
            }
            Body::Ls { json } => {
                let request = Request::Team(TeamRequest::BodyLs);
                let rows = expect!(self.ask(&request), Answer::Body(rows) => rows);
                Ok(show::rows(&rows, &show::BODY, json).into())
            }
            Body::Remove { body, address, yes } => {
                let what = format!("{address} is no longer of {body}.");
                let request = Request::Team(TeamRequest::BodyRemove { body, address });
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
