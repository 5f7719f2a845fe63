//! What is asked about applications.

use super::super::failure::Failure;
use super::super::input;
use super::super::nouns::Joining;
use super::super::show;
use super::super::text::lines;
use super::{Desk, Shown};
use crate::control::wire::{Answer, ApplyRequest, Certificate, ErrorKind, Request};

impl Desk<'_> {
    pub(super) fn apply(&self, verb: Joining) -> Result<Shown, Failure> {
        let ask = |request: ApplyRequest| self.ask(&Request::Apply(request));
        match verb {
            Joining::Form { list } => {
                let text = expect!(ask(ApplyRequest::Form { list: list.0 }), Answer::Form(text) => text);
                Ok(lines(&text).into())
            }
            Joining::Apply { list, file, cert } => {
                let form = String::from_utf8(input::text(&file)?).map_err(|_| {
                    let what = format!("{} is no text", file.display());
                    Failure::new(ErrorKind::Data, &what, "it is not UTF-8", "save it as UTF-8")
                })?;
                let cert = input::certificate(&cert)?;
                self.order(&Request::Apply(ApplyRequest::Apply { list, form, cert }))
            }
            Joining::Applications { list, json } => {
                let request = ApplyRequest::Ls { list: list.0 };
                let rows = expect!(ask(request), Answer::Applications(rows) => rows);
                Ok(show::rows(&rows, &show::APPLICATIONS, json).into())
            }
            Joining::Application { id, json } => {
                let row = expect!(ask(ApplyRequest::Show { id }), Answer::Application(row) => row);
                Ok(show::one(&*row, show::application, json).into())
            }
            Joining::Vouch { id, statement, signature } => {
                let statement = Certificate(input::text(&statement)?);
                let signature = signature.map(|file| input::text(&file).map(Certificate)).transpose()?;
                self.order(&Request::Apply(ApplyRequest::Vouch { id, statement, signature }))
            }
            Joining::Withdraw { id, yes } => {
                let what = format!("Application {id} ends, and the applicant's certificate is not kept.");
                self.after_consent(&Request::Apply(ApplyRequest::Withdraw { id }), yes, &what)
            }
        }
    }
}
