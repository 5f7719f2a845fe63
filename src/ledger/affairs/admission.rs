//! How an application ends: the team admits or refuses it, it is taken back, or its time runs out. Whoever is not admitted
//! leaves the roster, and the certificate that came with the application is dropped.

use super::vouchers::assessed;
use super::{Step, Trouble, asking};
use crate::id::{ApplicationId, ListName, MemberId};
use crate::ledger::journal::Event;
use crate::ledger::registry::Registry;
use crate::ledger::shelf::{Shelf, Taken};
use crate::roster::Change;
use crate::roster::application::{Application, Change as What, Stage};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::org::OrgEdit;
use crate::roster::review::by_itself;

/// The team approved: the applicant is a member, or becomes one once it has accepted what the policy wants accepted.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn admitted(step: &mut Step<'_>, id: &ApplicationId) -> Result<(), Trouble> {
    let Some(taken) = open(step, id)? else { return Ok(()) };
    let mut application = taken.it.clone();
    application.stage = Stage::Approved;
    registered(step, &application)?;
    if asking::ask(step, &application.list, &application.member)? {
        went(step, &application)?;
    } else {
        activate(step, &mut application)?;
    }
    Ok(taken.put_back(step.batch(), &application)?)
}

/// The organisation comes onto the roster with what its application says, if it is not there; and that it was vouched for
/// is written down.
fn registered(step: &mut Step<'_>, application: &Application) -> Result<(), Trouble> {
    let form = &application.form;
    if step.roster().org(&form.org).is_none() {
        let changed = step.roster().add_org(&form.org, form.title.clone(), step.now())?;
        step.apply(None, changed);
        let nobody = |upstream: &&String| {
            !upstream.eq_ignore_ascii_case("none") && !upstream.eq_ignore_ascii_case(form.org.as_str())
        };
        let edit = OrgEdit {
            kind: Some(form.kind),
            upstream: Some(&form.upstream).filter(nobody).cloned(),
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
    if by.is_empty() {
        return Ok(());
    }
    let evidence = format!("application {}: vouched for by {}", application.id, by.join(", "));
    assessed(step, &application.list, &form.org, by_itself(true, step.now(), evidence))
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

/// Ends an application that did not become a membership.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn ended(step: &mut Step<'_>, taken: &Taken<Application>, stage: Stage) -> Result<Application, Trouble> {
    let mut application = taken.it.clone();
    application.stage = stage;
    // Before the applicant leaves: afterwards nobody knows the certificate.
    went(step, &application)?;
    let (list, member) = (application.list.clone(), application.member.clone());
    if standing(step, &application).is_some_and(|standing| standing != Standing::Removed) {
        let why = (Cause::Admin, Some(format!("application {} {stage}", application.id)));
        let changed = step.roster().move_to(&list, &member, Standing::Removed, why, step.now())?;
        step.apply(Some(&list), changed);
        step.withdraw(&list, &member)?;
    }
    forget_cert(step, &application);
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
    ended(step, &taken, Stage::Withdrawn).map(|_| ())
}

/// The certificate served this application only, unless somebody on the roster has it still.
fn forget_cert(step: &mut Step<'_>, application: &Application) {
    if !step.roster().fingerprints().contains(&application.fingerprint) {
        Registry::forget_cert(step.batch(), application.fingerprint);
    }
}

/// Journals how far an application is, and writes to the applicant.
fn went(step: &mut Step<'_>, application: &Application) -> Result<(), Trouble> {
    let (list, id, stage) = (application.list.clone(), application.id.clone(), application.stage);
    let what = What::Went { application: id.clone(), stage };
    step.tell(Some(&list), Event::Roster { change: Change::Application { what } });
    let Some(member) = step.roster().by_id(&list, &application.member) else { return Ok(()) };
    let mut to = Reached::from(member);
    to.cert = step.affairs().registry.cert(application.fingerprint)?.map(|(bytes, _)| bytes);
    let about = About::ApplicationWent { application: id, stage };
    Ok(step.write(&Errand { list, to, about, until: None })?)
}

fn standing(step: &Step<'_>, application: &Application) -> Option<Standing> {
    step.roster().by_id(&application.list, &application.member).map(|m| m.standing)
}

/// An application that is not decided.
fn open(step: &Step<'_>, id: &ApplicationId) -> Result<Option<Taken<Application>>, Trouble> {
    let taken = Shelf::<Application>::new(&step.affairs().store).application(id)?;
    Ok(taken.filter(|taken| taken.it.stage.is_open()))
}
