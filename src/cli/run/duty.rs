//! What is asked about members' duties: acceptances, addresses that are read, breaches.

use std::path::{Path, PathBuf};

use super::super::failure::Failure;
use super::super::input;
use super::super::names::{Who, Why};
use super::super::nouns::{Breach, Staff, Told};
use super::super::show;
use super::{Desk, Shown};
use crate::control::wire::{Answer, DutyRequest, Request, Told as Answers};

impl Desk<'_> {
    pub(super) fn accept(&self, who: Who, statement: &Path, why: Why) -> Result<Shown, Failure> {
        let statement = input::certificate(statement)?;
        let Who { list, address } = who;
        self.order(&why.of(Request::Duty(DutyRequest::Accept { list, address, statement })))
    }

    pub(super) fn ask_alias(&self, who: Who) -> Result<Shown, Failure> {
        self.order(&Request::Duty(DutyRequest::AskAlias { list: who.list, address: who.address }))
    }

    pub(super) fn staff(&self, verb: Staff) -> Result<Shown, Failure> {
        let (request, why) = match verb {
            Staff::Add { who, name, statement, cert, why } => {
                let statement = input::certificate(&statement)?;
                let cert = cert.as_deref().map(input::certificate).transpose()?;
                let Who { list, address } = who;
                (DutyRequest::StaffAdd { list, address, name, statement, cert }, why)
            }
            Staff::Remove { who: Who { list, address }, person: staff, why } => {
                (DutyRequest::StaffRemove { list, address, staff }, why)
            }
        };
        self.order(&why.of(Request::Duty(request)))
    }

    pub(super) fn breach(&self, verb: Breach) -> Result<Shown, Failure> {
        let request = match verb {
            Breach::Open { list, org, told, known_since } => {
                DutyRequest::BreachOpen { list: list.0, org, known_since, told: read(told)? }
            }
            Breach::Answer { id, told } => DutyRequest::BreachAnswer { id, told: read(told)? },
            Breach::Ls { list, json } => {
                let request = Request::Duty(DutyRequest::BreachLs { list: list.0 });
                let rows = expect!(self.ask(&request), Answer::Breaches(rows) => rows);
                return Ok(show::rows(&rows, &show::BREACHES, json).into());
            }
            Breach::Show { id, json } => {
                let request = Request::Duty(DutyRequest::BreachShow { id });
                let row = expect!(self.ask(&request), Answer::Breach(row) => row);
                return Ok(show::one(&*row, show::breach, json).into());
            }
            Breach::Close { id, org, strike, .. } => DutyRequest::BreachClose { id, org, strike },
        };
        self.order(&Request::Duty(request))
    }
}

fn read(told: Told) -> Result<Answers, Failure> {
    let read = |file: Option<PathBuf>| file.as_deref().map(input::secret).transpose();
    Ok(Answers { what: read(told.what)?, to_whom: read(told.to_whom)?, prevention: read(told.prevention)? })
}
