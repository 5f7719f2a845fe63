//! What is asked about organisations.

use super::super::failure::Failure;
use super::super::nouns::Org;
use super::super::show;
use super::{Desk, Shown};
use crate::control::wire::{Answer, OrgRequest, Request};

impl Desk<'_> {
    pub(super) fn org(&self, verb: Org) -> Result<Shown, Failure> {
        match verb {
            Org::Add { name, title } => self.order(&Request::Org(OrgRequest::Add { org: name, title })),
            Org::Ls { json } => {
                let rows = expect!(self.ask(&Request::Org(OrgRequest::Ls)), Answer::Orgs(rows) => rows);
                Ok(show::rows(&rows, &show::ORGS, json).into())
            }
            Org::Show { name, json } => {
                let row =
                    expect!(self.ask(&Request::Org(OrgRequest::Show { org: name })), Answer::Org(row) => row);
                Ok(show::one(&*row, show::org, json).into())
            }
        }
    }
}
