//! What is asked about organisations.

use super::super::failure::Failure;
use super::super::names::Why;
use super::super::nouns::Org;
use super::super::show;
use super::{Desk, Shown};
use crate::control::wire::{Answer, ErrorKind, OrgRequest, OrgRow, Request};

impl Desk<'_> {
    pub(super) fn org(&self, verb: Org) -> Result<Shown, Failure> {
        match verb {
            Org::Applications(verb) => self.apply(verb),
            Org::Decide(verb) => self.decide(verb),
            Org::Add { name, about, why } => {
                self.order(&why.of(Request::Org(OrgRequest::Add { org: name, about: about.into() })))
            }
            Org::Edit { name, about, why: Why { reason } } => {
                self.order(&Request::Org(OrgRequest::Edit { org: name, about: about.into(), reason }))
            }
            Org::Ls { public: true, json, .. } => {
                let request = Request::Org(OrgRequest::Register);
                let rows = expect!(self.ask(&request), Answer::Register(rows) => rows);
                Ok(show::rows(&rows, &show::REGISTER, json).into())
            }
            Org::Ls { overdue, json, .. } => {
                let rows = expect!(self.ask(&Request::Org(OrgRequest::Ls)), Answer::Orgs(rows) => rows);
                Ok(if overdue { troubled(rows, json) } else { show::rows(&rows, &show::ORGS, json).into() })
            }
            Org::Show { name, json } => {
                let request = Request::Org(OrgRequest::Show { org: name });
                let row = expect!(self.ask(&request), Answer::Org(row) => row);
                let mut text = show::one(&*row, show::org, json);
                if !json && !row.criteria.is_empty() {
                    text = text + "\n" + &show::rows(&row.criteria, &show::CRITERIA, false);
                }
                Ok(text.into())
            }
            Org::Assess { name, list, criterion, state, evidence, review, by, why } => {
                let org = name;
                let request = OrgRequest::Assess { org, list, criterion, state, evidence, review, by };
                self.order(&why.of(Request::Org(request)))
            }
        }
    }
}

/// Those whose criteria need somebody: that is what a timer asks, so the exit code tells it too.
fn troubled(mut rows: Vec<OrgRow>, json: bool) -> Shown {
    rows.retain(|row| row.overdue > 0 || row.failing > 0);
    let verdict = (!rows.is_empty()).then(|| {
        let failing = rows.iter().filter(|row| row.failing > 0).count();
        let what = match rows.len() {
            1 => format!("one organisation needs a look at its criteria; failing: {failing}"),
            count => format!("{count} organisations need a look at their criteria; failing: {failing}"),
        };
        let why = "a criterion is not met, or its day of review has passed";
        let next = "see each with `vouchsafe org show`, then `vouchsafe org assess`";
        Failure::new(ErrorKind::Data, &what, why, next)
    });
    Shown { text: show::rows(&rows, &show::ORGS, json), verdict }
}
