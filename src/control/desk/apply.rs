//! Applications: the form, what is handed in, who vouches.

use super::acting::Acting;
use std::sync::Arc;

use super::refusal::Refused;
use super::{Desk, Reply, done};
use crate::control::wire::{Answer, ApplicationRow, ApplyRequest, Certificate, ErrorKind, VoucherRow};
use crate::id::{ApplicationId, ListName};
use crate::ledger::affairs::application::{self, Came};
use crate::ledger::shelf::Shelf;
use crate::mail::address::Address;
use crate::pgp::cert::Cert;
use crate::pgp::signed_text;
use crate::roster::Refusal;
use crate::roster::application::{Application, Refusal as Rule, Stage};
use crate::roster::form::{self, Signer};

impl Desk {
    pub(super) fn apply(&self, request: ApplyRequest, actor: &Acting) -> Reply {
        match request {
            ApplyRequest::Form { list } => Ok(Answer::Form(form::text(self.list(&list)?))),
            ApplyRequest::Apply { list, form, cert } => self.applied(&list, &form, &cert, actor),
            ApplyRequest::Ls { list } => self.applications(list.as_ref()),
            ApplyRequest::Show { id } => self.application(&id),
            ApplyRequest::Vouch { id, statement, signature } => {
                self.vouch(&id, &statement, signature.as_ref(), actor)
            }
            ApplyRequest::Withdraw { id } => {
                self.step(actor, |step| Ok(application::withdraw(step, &id)?))?;
                Ok(done(format!("application {id} is withdrawn, and the applicant is told")))
            }
        }
    }

    fn applied(&self, name: &ListName, text: &str, cert: &Certificate, actor: &Acting) -> Reply {
        self.not_public(name)?;
        let list = self.list(name)?;
        let cert = self.usable(&cert.0)?;
        let signer = Signer { emails: cert.emails(), from: None };
        let ours: Vec<&Address> = self.lists.iter().map(|list| &list.address).collect();
        let not_taken = |why: String| {
            let next = "`org form` prints the form; fill in what is named, and run the command again";
            Refused::new(
                ErrorKind::Data,
                "the application is not complete, and nothing is kept of it",
                why,
                next,
            )
        };
        let filled = match form::read(text, list, &signer, &ours).map(|read| read.form) {
            None => return Err(not_taken(format!("it has no line \"Application: {name}\""))),
            Some(Err(faults)) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                return Err(not_taken(faults.join("; ")));
            }
            Some(Ok(filled)) => filled,
        };
        let taken = self.step(actor, |step| {
            Ok(application::take(step, list, Came { form: filled.clone(), cert: &cert, mail: None })?)
        })?;
        Ok(done(format!("application {} to {name} is taken: {}", taken.id, next(&taken))))
    }

    fn applications(&self, list: Option<&ListName>) -> Reply {
        if let Some(list) = list {
            self.list(list)?;
        }
        let all = Shelf::<Application>::new(&self.store).all()?;
        let mut wanted: Vec<Application> = all
            .into_iter()
            .map(|taken| taken.it)
            .filter(|it| list.is_none_or(|list| it.list == *list))
            .collect();
        // What is open comes first, the oldest before all.
        wanted.sort_by_key(|it| (!it.stage.is_open(), it.opened));
        Ok(Answer::Applications(wanted.iter().map(row).collect()))
    }

    fn application(&self, id: &ApplicationId) -> Reply {
        let found = Shelf::<Application>::new(&self.store).application(id)?;
        let found = found.ok_or_else(|| Refusal::Application(Rule::NoApplication(id.clone())))?;
        Ok(Answer::Application(Box::new(row(&found.it))))
    }

    fn vouch(
        &self,
        id: &ApplicationId,
        signed: &Certificate,
        signature: Option<&Certificate>,
        actor: &Acting,
    ) -> Reply {
        let found = Shelf::<Application>::new(&self.store).application(id)?;
        let it = found.ok_or_else(|| Refusal::Application(Rule::NoApplication(id.clone())))?.it;
        let roster = self.registry.roster()?.roster;
        let certs: Vec<Arc<Cert>> = self.certs.of(&roster)?.into_values().collect();
        let signature = signature.map(|signature| signature.0.as_slice());
        let statement = signed_text::read(&signed.0, signature, &certs, self.clock.now())
            .map_err(|worthless| Refusal::Application(Rule::BadStatement(worthless.to_string())))?;
        it.named_in(&statement.text).map_err(Refusal::Application)?;
        let vouched = self.step(actor, |step| {
            let by = step.roster().members(&it.list).iter();
            let by = by.filter(|m| m.signs_with(statement.signer)).min_by_key(|m| !m.is_active()).cloned();
            let by = by.ok_or_else(|| Refusal::Application(Rule::NotAMember(id.clone())))?;
            Ok(application::vouch(step, id, &by, Some(statement.digest.clone()))?)
        })?;
        Ok(done(format!("the voucher for application {id} counts: {}", next(&vouched))))
    }
}

/// What comes next, in words.
fn next(application: &Application) -> &'static str {
    match application.stage {
        Stage::Confirming => "the applicant is asked to confirm the address",
        Stage::Vouching => "members are asked to vouch",
        Stage::Deciding if application.founding => "nobody can vouch yet, so the team decides alone",
        Stage::Deciding => "the team decides",
        Stage::Approved => "the applicant has to accept the embargo policy",
        Stage::Admitted => "the applicant is a member",
        Stage::Refused | Stage::Withdrawn | Stage::Lapsed => "it is over",
    }
}

fn row(it: &Application) -> ApplicationRow {
    let vouchers = it.vouchers.iter().map(|voucher| VoucherRow {
        by: voucher.by.to_string(),
        org: voucher.org.as_ref().map(ToString::to_string),
        at: voucher.at.to_string(),
        statement: voucher.statement.clone(),
    });
    ApplicationRow {
        id: it.id.to_string(),
        list: it.list.to_string(),
        stage: it.stage.to_string(),
        org: it.form.org.to_string(),
        title: it.form.title.clone(),
        kind: it.form.kind.to_string(),
        website: it.form.website.clone(),
        upstream: it.form.upstream.clone(),
        users: it.form.users.clone(),
        address: it.form.address.to_string(),
        member: it.member.to_string(),
        fingerprint: it.fingerprint.to_string(),
        founding: it.founding,
        opened: it.opened.to_string(),
        vouch_until: it.vouch_until.map(|at| at.to_string()),
        lapses: it.lapses.map(|at| at.to_string()),
        vouchers: vouchers.collect(),
        ballot: it.ballot.as_ref().map(ToString::to_string),
        answers: it.form.answers.clone(),
    }
}
