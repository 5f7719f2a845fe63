//! What is done with held mail.

use super::super::failure::Failure;
use super::super::nouns::{Hold, Ignore};
use super::super::show;
use super::{Desk, PAGE, Shown};
use crate::control::wire::{Answer, Request};

impl Desk<'_> {
    pub(super) fn hold(&self, verb: Hold) -> Result<Shown, Failure> {
        match verb {
            Hold::Ls { list, json } => {
                let rows = self.pages(
                    |after| Request::HoldLs { list: list.0.clone(), after, limit: PAGE },
                    |answer| if let Answer::Holds(page) = answer { Some(page) } else { None },
                )?;
                Ok(show::rows(&rows, &show::HOLDS, json).into())
            }
            Hold::Show { id, json } => {
                let row = expect!(self.ask(&Request::HoldShow { id }), Answer::Hold(row) => row);
                Ok(show::one(&*row, show::hold, json).into())
            }
            Hold::Release { id, why, yes } => {
                let what = format!(
                    "The held mail {id} is judged again; if only its author is in doubt, all readers get it."
                );
                self.after_consent(&why.of(Request::HoldRelease { id }), yes, &what)
            }
            Hold::Drop { id, ignore, why, yes } => {
                let also =
                    if ignore { ", and what else its key signs and would be held is dropped" } else { "" };
                let what = format!("The held mail {id} is destroyed; nobody will read it{also}.");
                self.after_consent(&why.of(Request::HoldDrop { id, ignore }), yes, &what)
            }
            Hold::Ignore(Ignore::Ls { list, json }) => {
                let request = Request::HoldIgnored { list: list.0 };
                let rows = expect!(self.ask(&request), Answer::Ignored(rows) => rows);
                Ok(show::rows(&rows, &show::IGNORED, json).into())
            }
            Hold::Ignore(Ignore::Remove { list, key, why }) => {
                self.order(&why.of(Request::HoldHeed { list, key }))
            }
        }
    }
}
