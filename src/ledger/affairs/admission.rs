//! How an application ends: the team admits or refuses it, it is taken back, or its time runs out. Of whoever is not
//! admitted nothing stays on the roster, and the certificate that came with the application is dropped.

use super::vouchers::{ask, assessed, missing};
use super::{Step, Trouble, asking, voters};
use crate::id::{ApplicationId, ListName, MemberId};
use crate::ledger::journal::Event;
use crate::ledger::registry::Registry;
use crate::ledger::shelf::{Shelf, Taken};
use crate::mail::list::List;
use crate::roster::Change;
use crate::roster::application::{Application, Change as What, Refusal, Stage};
use crate::roster::ballot::{Ballot, Change as BallotChange, Outcome};
use crate::roster::errand::{About, Errand, Reached, Who};
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::org::OrgEdit;
use crate::roster::review::by_itself;

/// The team approved: the applicant is a member, once the terms are accepted. Where a rule is against it, that rule: then it
/// is refused, or others are asked to vouch.
///
/// # Errors
/// When the store fails.
pub fn admitted(step: &mut Step<'_>, id: &ApplicationId) -> Result<Option<String>, Trouble> {
    let Some(taken) = open(step, id)? else { return Ok(None) };
    let mut application = taken.it.clone();
    let Some(list) = step.affairs().list(&application.list).cloned() else { return Ok(None) };
    let member = step.roster().by_id(&list.name, &application.member);
    // What was vouched for and voted on is this person with this key.
    if member.is_none_or(|member| member.fingerprint != application.fingerprint) {
        ended(step, &taken, Stage::Refused)?;
        let rule =
            format!("application {id} was approved for another certificate than the applicant has now");
        return Ok(Some(rule));
    }
    // Whoever vouched may have left while the ballot was open.
    if !application.founding && missing(step, &list, &application) > 0 {
        application.stage = Stage::Vouching;
        application.since = step.now();
        application.ballot = None;
        tell(step, &application);
        ask(step, &list, &application, &[])?;
        taken.put_back(step.batch(), &application)?;
        return Ok(Some("whoever vouched has left: others are asked, and the team then again".to_owned()));
    }
    // Nobody becomes the contact of an organisation that was not there when the team was asked.
    let org = step.roster().org(&application.form.org);
    if org.is_some_and(|org| org.since > application.since) {
        return asked_anew(step, &taken).map(Some);
    }
    let done = step.attempt(|step| {
        registered(step, &list, &application)?;
        application.stage = Stage::Approved;
        if asking::ask(step, &list.name, &application.member)? {
            application.since = step.now();
            went(step, &application)
        } else {
            activate(step, &mut application)
        }
    })?;
    if let Err(rule) = done {
        ended(step, &taken, Stage::Refused)?;
        return Ok(Some(rule.to_string()));
    }
    taken.put_back(step.batch(), &application)?;
    Ok(None)
}

/// The team decides once more, by a ballot that says what it could not know: the clock opens it. Returns why.
fn asked_anew(step: &mut Step<'_>, taken: &Taken<Application>) -> Result<String, Trouble> {
    let mut application = taken.it.clone();
    (application.stage, application.since, application.ballot) = (Stage::Deciding, step.now(), None);
    tell(step, &application);
    colleagues_told(step, &application)?;
    taken.put_back(step.batch(), &application)?;
    let (id, org) = (&application.id, &application.form.org);
    Ok(format!(
        "application {id} was approved, and {org} came onto the roster meanwhile: the team is asked again"
    ))
}

/// The contacts that an organisation has hear that somebody applies for it: whoever comes would stand for it as they do.
///
/// # Errors
/// When a letter cannot be put into the outbox.
pub fn colleagues_told(step: &mut Step<'_>, application: &Application) -> Result<(), Trouble> {
    let theirs = |m: &Member| m.is_active() && m.contact_of() == Some(&application.form.org);
    let mut told: Vec<Reached> = Vec::new();
    for (_, member) in step.roster().everyone().filter(|(_, m)| theirs(m)) {
        // Who is on several lists hears it once.
        let once =
            |to: &Reached| to.fingerprint == member.fingerprint && to.address.same_mailbox(&member.address);
        if !told.iter().any(once) {
            told.push(Reached::from(member));
        }
    }
    for to in told {
        let about = About::ColleagueApplies(Box::new(Who::of(application, Vec::new())));
        step.write(&Errand { list: application.list.clone(), to, about, until: None })?;
    }
    Ok(())
}

/// The organisation comes onto the roster with what its application says, if it is not there; and that it was vouched for
/// is written down, where nobody has judged that.
fn registered(step: &mut Step<'_>, list: &List, application: &Application) -> Result<(), Trouble> {
    let form = &application.form;
    if step.roster().org(&form.org).is_none() {
        let changed = step.roster().add_org(&form.org, form.title.clone(), step.now())?;
        step.apply(None, changed);
        let somebody = |upstream: &&String| {
            !upstream.eq_ignore_ascii_case("none") && !upstream.eq_ignore_ascii_case(form.org.as_str())
        };
        let edit = OrgEdit {
            kind: Some(form.kind),
            upstream: Some(&form.upstream).filter(somebody).cloned(),
            website: Some(form.website.clone()),
            user_base: Some(form.users.clone()),
            ..OrgEdit::default()
        };
        let why = Some(format!("application {}", application.id));
        if let Some(changed) = step.roster().edit_org(&form.org, edit, why)? {
            step.apply(None, changed);
        }
    }
    let by: Vec<&str> = application.vouchers.iter().map(|voucher| voucher.by.as_str()).collect();
    let judged = step.roster().org(&form.org).and_then(|org| org.assessments.get(&list.name));
    if by.is_empty() || judged.is_some_and(|judged| judged.contains_key("vouched")) {
        return Ok(());
    }
    let evidence = format!("application {}: vouched for by {}", application.id, by.join(", "));
    assessed(step, list, &form.org, by_itself(true, step.now(), evidence))
}

/// Whoever was approved and has accepted what had to be accepted becomes active. Does nothing for anybody else.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn try_activate(step: &mut Step<'_>, list: &ListName, member: &MemberId) -> Result<(), Trouble> {
    let by = step.roster().by_id(list, member).and_then(|m| m.file.application.clone());
    let Some(id) = by else { return Ok(()) };
    let Some(taken) = open(step, &id)? else { return Ok(()) };
    if taken.it.stage != Stage::Approved {
        return Ok(());
    }
    let mut application = taken.it.clone();
    activate(step, &mut application)?;
    Ok(taken.put_back(step.batch(), &application)?)
}

fn activate(step: &mut Step<'_>, application: &mut Application) -> Result<(), Trouble> {
    let (list, member) = (application.list.clone(), application.member.clone());
    let why = Some(format!("application {}", application.id));
    let changed = step.roster().move_to(&list, &member, Standing::Active, (Cause::Vote, why), step.now())?;
    step.apply(Some(&list), changed);
    application.stage = Stage::Admitted;
    application.since = step.now();
    went(step, application)
}

/// The team decided against it, or its ballot ran out.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn refused(step: &mut Step<'_>, id: &ApplicationId, stage: Stage) -> Result<(), Trouble> {
    let Some(taken) = open(step, id)? else { return Ok(()) };
    ended(step, &taken, stage).map(|_| ())
}

/// An application ends by the clock or by somebody's wish; the ballot on it with it.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn called_off(
    step: &mut Step<'_>,
    taken: &Taken<Application>,
    stage: Stage,
) -> Result<Application, Trouble> {
    ballot_closed(step, &taken.it, stage)?;
    ended(step, taken, stage)
}

fn ballot_closed(step: &mut Step<'_>, application: &Application, stage: Stage) -> Result<(), Trouble> {
    if let Some(id) = &application.ballot
        && let Some(ballot) = Shelf::<Ballot>::new(&step.affairs().store).ballot(id)?
        && ballot.it.outcome == Outcome::Open
    {
        let outcome = if stage == Stage::Withdrawn { Outcome::Withdrawn } else { Outcome::Lapsed };
        let closed = ballot.it.clone().ended(outcome, step.now());
        ballot.put_back(step.batch(), &closed)?;
        let what = BallotChange::Closed { ballot: id.clone(), outcome, rule: None };
        step.tell(Some(&application.list), Event::Roster { change: Change::Ballot { what } });
        voters::told(step, &closed, None)?;
    }
    Ok(())
}

/// An admin put somebody else in the place of applicants, who had their address or their certificate: what they asked for ends with
/// that.
///
/// # Errors
/// When the store fails.
pub fn overtaken(step: &mut Step<'_>, applicants: &[Member]) -> Result<(), Trouble> {
    for applicant in applicants {
        let Some(id) = &applicant.file.application else { continue };
        let Some(taken) = open(step, id)? else { continue };
        ballot_closed(step, &taken.it, Stage::Withdrawn)?;
        over(step, &taken, Stage::Withdrawn, Some(applicant))?;
    }
    Ok(())
}

/// Ends an application that did not become a membership.
fn ended(step: &mut Step<'_>, taken: &Taken<Application>, stage: Stage) -> Result<Application, Trouble> {
    let applicant = step.roster().by_id(&taken.it.list, &taken.it.member).cloned();
    over(step, taken, stage, applicant.as_ref())
}

fn over(
    step: &mut Step<'_>,
    taken: &Taken<Application>,
    stage: Stage,
    applicant: Option<&Member>,
) -> Result<Application, Trouble> {
    let mut application = taken.it.clone();
    let silent = application.stage == Stage::Confirming;
    application.stage = stage;
    application.since = step.now();
    let (list, member) = (application.list.clone(), application.member.clone());
    tell(step, &application);
    // Where nobody has shown that the address is the applicant's it gets no second letter.
    if let Some(applicant) = applicant.filter(|_| !silent) {
        written(step, &application, applicant)?;
    }
    step.amend(|roster| roster.without_applicant(&list, &member));
    step.withdraw(&list, &member)?;
    // It served this application only, unless somebody on the roster or of a body has it.
    if !step.roster().pins(application.fingerprint) {
        Registry::forget_cert(step.batch(), application.fingerprint);
    }
    taken.put_back(step.batch(), &application)?;
    Ok(application)
}

/// An applicant was removed by another way: the application ends with that.
///
/// # Errors
/// When the store fails.
pub fn applicant_left(step: &mut Step<'_>, member: &Member) -> Result<(), Trouble> {
    let Some(id) = &member.file.application else { return Ok(()) };
    let Some(taken) = open(step, id)? else { return Ok(()) };
    called_off(step, &taken, Stage::Withdrawn).map(|_| ())
}

/// Whoever applies becomes active by the team's decision, and by nothing else.
///
/// # Errors
/// When the store fails, or the application is not decided.
pub fn decided(step: &Step<'_>, list: &ListName, member: &MemberId) -> Result<(), Trouble> {
    let by = step.roster().by_id(list, member).and_then(|m| m.file.application.clone());
    let Some(id) = by else { return Ok(()) };
    match open(step, &id)? {
        Some(_) => Err(Trouble::Refused(Refusal::Undecided(id).into())),
        None => Ok(()),
    }
}

/// Journals how far an application is, and writes to the applicant.
fn went(step: &mut Step<'_>, application: &Application) -> Result<(), Trouble> {
    tell(step, application);
    match step.roster().by_id(&application.list, &application.member).cloned() {
        Some(applicant) => written(step, application, &applicant),
        None => Ok(()),
    }
}

/// Writes to the applicant how far an application is.
fn written(step: &mut Step<'_>, application: &Application, applicant: &Member) -> Result<(), Trouble> {
    let mut to = Reached::from(applicant);
    // When the letter is written, the certificate may be kept no longer.
    to.cert = step.affairs().registry.cert(application.fingerprint)?.map(|(bytes, _)| bytes);
    let about = About::ApplicationWent { application: application.id.clone(), stage: application.stage };
    Ok(step.write(&Errand { list: application.list.clone(), to, about, until: None })?)
}

fn tell(step: &mut Step<'_>, application: &Application) {
    let what = What::Went { application: application.id.clone(), stage: application.stage };
    step.tell(Some(&application.list), Event::Roster { change: Change::Application { what } });
}

/// An application that is not decided.
fn open(step: &Step<'_>, id: &ApplicationId) -> Result<Option<Taken<Application>>, Trouble> {
    let taken = Shelf::<Application>::new(&step.affairs().store).application(id)?;
    Ok(taken.filter(|taken| taken.it.stage.is_open()))
}
