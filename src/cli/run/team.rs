//! What is asked about the persons of teams.

use super::super::failure::Failure;
use super::super::input;
use super::super::nouns::Team;
use super::super::show;
use super::super::text::one_line;
use super::{Desk, Shown, members};
use crate::control::wire::{Answer, Request, TeamRequest};

impl Desk<'_> {
    pub(super) fn team(&self, verb: Team) -> Result<Shown, Failure> {
        match verb {
            Team::Add { who, name, cert, role } => {
                let cert = input::certificate(&cert)?;
                self.order(&Request::Team(TeamRequest::Add {
                    list: who.list,
                    address: who.address,
                    name,
                    cert,
                    role,
                }))
            }
            Team::Ls { list, json, within } => {
                let request = Request::Team(TeamRequest::Ls { list: list.0 });
                let rows = expect!(self.ask(&request), Answer::Members(rows) => rows);
                Ok(members(rows, &show::TEAM, within, json))
            }
            Team::Remove { who, yes } => {
                let what = format!("{} leaves the team of {}.", who.address, who.list);
                let request = Request::Team(TeamRequest::Remove { list: who.list, address: who.address });
                self.after_consent(&request, yes, &one_line(&what))
            }
        }
    }
}
