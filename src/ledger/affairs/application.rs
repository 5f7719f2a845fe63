//! Applications: taken when they are complete, vouched for by members, put to the team. What the team's decision does is
//! in `admission.rs`.

use std::num::NonZeroU32;

use super::admission::ended;
use super::ballot::{self, Wanted};
use super::{Step, Trouble};
use crate::id::{ApplicationId, MemberId, SpoolId};
use crate::ledger::journal::Event;
use crate::ledger::registry::Registry;
use crate::ledger::shelf::{Shelf, Taken};
use crate::mail::directory::Kind;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::pgp::cert::Cert;
use crate::roster::application::{Application, Change as What, Filled, MOST_OPEN, Refusal, Stage};
use crate::roster::ballot::Motion;
use crate::roster::errand::{About, Errand, Reached, Who};
use crate::roster::membership::{Cause, Member, MemberFile, Role, Standing};
use crate::roster::{Change, Refusal as AnyRefusal, role_address};

/// A complete application that came.
pub struct Came<'a> {
    /// What it says.
    pub form: Filled,
    /// The certificate that signed it.
    pub cert: &'a Cert,
    /// The mail that brought it; none where the admin did.
    pub mail: Option<SpoolId>,
}

/// Takes an application: the applicant comes onto the roster, applicant and team are told, members are asked to vouch.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn take(step: &mut Step<'_>, list: &List, came: Came<'_>) -> Result<Application, Trouble> {
    if !matches!(list.kind, Kind::Announce | Kind::Discuss) {
        return Err(refused(Refusal::NotThisList(list.name.clone())));
    }
    let fingerprint = came.cert.fingerprint();
    let open = open_on(step, list)?;
    if let Some(earlier) = open.iter().find(|open| open.fingerprint == fingerprint) {
        return Err(refused(Refusal::AlreadyOpen(earlier.id.clone())));
    }
    let belongs = |m: &&Member| m.standing != Standing::Removed && m.signs_with(fingerprint);
    if step.roster().members(&list.name).iter().any(|m| belongs(&m)) {
        return Err(refused(Refusal::AlreadyMember(fingerprint)));
    }
    let limit = list.membership().open_applications.map_or(MOST_OPEN, NonZeroU32::get);
    if u32::try_from(open.len()).unwrap_or(u32::MAX) >= limit {
        return Err(refused(Refusal::TooMany { list: list.name.clone(), limit }));
    }
    let (application, member) = made(step, list, came.form, came.cert, came.mail);
    let changed = step.roster().apply(&list.name, member, &application)?;
    step.apply(Some(&list.name), changed);
    // Merged with what is pinned already for another list, if it is.
    if step.affairs().registry.cert(fingerprint)?.is_none() {
        Registry::set_cert(step.batch(), fingerprint, came.cert.to_bytes());
    }
    announced(step, list, &application)?;
    let application = if needed(list) == 0 || application.founding {
        to_the_team(step, list, application)?
    } else {
        ask_to_vouch(step, list, &application)?;
        application
    };
    Shelf::add(step.batch(), &application)?;
    Ok(application)
}

fn made(
    step: &Step<'_>,
    list: &List,
    form: Filled,
    cert: &Cert,
    mail: Option<SpoolId>,
) -> (Application, Member) {
    let (entropy, rules, now) = (&step.affairs().entropy, list.membership(), step.now());
    let (id, member) = (ApplicationId::random(entropy), MemberId::random(entropy));
    let mut application = Application {
        id: id.clone(),
        list: list.name.clone(),
        member: member.clone(),
        fingerprint: cert.fingerprint(),
        opened: now,
        vouch_until: rules.voucher_period.map(|period| now.after(period)),
        lapses: rules.application_period.map(|period| now.after(period)),
        stage: Stage::Vouching,
        founding: false,
        vouchers: Vec::new(),
        ballot: None,
        mail,
        form,
    };
    // The founding members of an empty list come by the team alone.
    application.founding =
        needed(list) > 0 && !step.roster().active(&list.name).any(|m| application.may_vouch(m, rules));
    let person = Member {
        id: member,
        address: application.form.address.clone(),
        fingerprint: cert.fingerprint(),
        role: Role::Contact { org: application.form.org.clone() },
        standing: Standing::Applied,
        since: now,
        format: None,
        file: MemberFile { application: Some(id), ..MemberFile::default() },
    };
    (application, person)
}

/// Counts a voucher; once there are enough, the team decides. Whoever is suspended because a voucher left is active again.
///
/// # Errors
/// When the store fails, there is no such application, or a rule is against it.
pub fn vouch(
    step: &mut Step<'_>,
    id: &ApplicationId,
    voucher: &Member,
    statement: Option<String>,
) -> Result<Application, Trouble> {
    let taken = found(step, id)?;
    let list = list_of(step, &taken.it)?;
    let voucher = match step.roster().by_id(&list.name, &voucher.id) {
        Some(voucher) => voucher.clone(),
        None => return Err(refused(Refusal::NotAMember(id.clone()))),
    };
    let applicant = step.roster().by_id(&list.name, &taken.it.member).cloned();
    let vouched = taken.it.vouch(&voucher, applicant.as_ref(), list.membership(), statement, step.now());
    let application = vouched.map_err(refused)?;
    if let Some(changed) = step.roster().vouched(&application) {
        step.apply(Some(&list.name), changed);
    }
    let application = match application.stage {
        Stage::Vouching if missing(step, &list, &application) == 0 => to_the_team(step, &list, application)?,
        Stage::Admitted if missing(step, &list, &application) == 0 => {
            let (member, why) = (application.member.clone(), Some("vouched for again".to_owned()));
            let back = (Cause::VoucherLost, why);
            let changed = step.roster().move_to(&list.name, &member, Standing::Active, back, step.now())?;
            step.apply(Some(&list.name), changed);
            application
        }
        _ => application,
    };
    taken.put_back(step.batch(), &application)?;
    Ok(application)
}

/// How many vouchers are missing: those of members who have left count no more.
#[must_use]
pub fn missing(step: &Step<'_>, list: &List, application: &Application) -> u32 {
    let there =
        |by: &MemberId| step.roster().by_id(&list.name, by).is_some_and(|m| m.standing != Standing::Removed);
    let counted = application.vouchers.iter().filter(|voucher| there(&voucher.by)).count();
    needed(list).saturating_sub(u32::try_from(counted).unwrap_or(u32::MAX))
}

fn needed(list: &List) -> u32 {
    list.membership().vouchers_required.map_or(0, NonZeroU32::get)
}

/// Opens the team's ballot. Where nobody could carry it, the application waits, and the admins are told.
fn to_the_team(
    step: &mut Step<'_>,
    list: &List,
    mut application: Application,
) -> Result<Application, Trouble> {
    let why = match (application.founding, needed(list)) {
        (true, _) => Some("a founding member: nobody is there who could vouch".to_owned()),
        (false, 0) => Some("the policy asks for no voucher".to_owned()),
        (false, _) => None,
    };
    let vouched = (Cause::Admin, why);
    let changed =
        step.roster().move_to(&list.name, &application.member, Standing::Vouched, vouched, step.now())?;
    step.apply(Some(&list.name), changed);
    application.stage = Stage::Deciding;
    went(step, &application);
    if !opened(step, list, &mut application)? {
        let problem = format!("application {} has nobody who could approve it", application.id);
        step.alert(&list.name, Incident::Trouble { part: "applications".to_owned(), problem })?;
    }
    Ok(application)
}

/// Opens the ballot if there are people to carry it.
fn opened(step: &mut Step<'_>, list: &List, application: &mut Application) -> Result<bool, Trouble> {
    let rules = list.membership();
    let founding = rules.founding_quorum.filter(|_| application.founding);
    let wanted = Wanted {
        list: list.name.clone(),
        motion: Motion::Admit { application: application.id.clone() },
        title: application.form.title.clone(),
        quorum: founding.map_or(1, NonZeroU32::get),
        one_per_org: false,
        concerned: vec![application.member.clone()],
        closes: application.lapses,
    };
    match ballot::open(step, wanted) {
        Ok(ballot) => application.ballot = Some(ballot),
        Err(Trouble::Refused(AnyRefusal::Ballot(_))) => return Ok(false),
        Err(trouble) => return Err(trouble),
    }
    Ok(true)
}

fn announced(step: &mut Step<'_>, list: &List, application: &Application) -> Result<(), Trouble> {
    let next = match (needed(list), application.founding) {
        (0, _) => "The team decides about it.".to_owned(),
        (_, true) => "Nobody is on the list who could vouch, so the team decides about it alone.".to_owned(),
        (1, false) => "A member of another organisation has to vouch; then the team decides.".to_owned(),
        (more, false) => format!("{more} members have to vouch; then the team decides."),
    };
    let mut remarks = vec![next.clone()];
    remarks.extend(application.ends().map(|end| format!("It lapses {end} if nothing happens.")));
    let about = About::ApplicationTaken(Box::new(Who::of(application, remarks)));
    let to = applicant(step, application)?;
    step.write(&Errand { list: list.name.clone(), to, about, until: None })?;
    let about = About::ApplicationCame(Box::new(Who::of(application, noted(step, application, next))));
    let team: Vec<Reached> = step.deciders(&list.name).map(Reached::from).collect();
    for to in team {
        step.write(&Errand { list: list.name.clone(), to, about: about.clone(), until: None })?;
    }
    Ok(())
}

/// What the team should see at once.
fn noted(step: &Step<'_>, application: &Application, next: String) -> Vec<String> {
    let form = &application.form;
    let mut remarks = vec![next];
    if step.roster().orgs().any(|(name, _)| *name == form.org) {
        remarks.push("The organisation is on the roster already: see that it is the same.".to_owned());
    }
    let rules = step.affairs().list(&application.list).map(List::membership);
    if let Some(flag) = rules.and_then(|rules| role_address::flag(&form.address, rules)) {
        remarks.push(format!("The contact is {flag}."));
    }
    let named = |org: &str| form.upstream.eq_ignore_ascii_case(org);
    if step.roster().orgs().any(|(name, org)| named(name.as_str()) || named(&org.title)) {
        remarks.push("The upstream that it names is on the roster: is it downstream of a member?".to_owned());
    }
    remarks
}

fn ask_to_vouch(step: &mut Step<'_>, list: &List, application: &Application) -> Result<(), Trouble> {
    let able = |m: &&Member| application.may_vouch(m, list.membership());
    let asked: Vec<Reached> = step.roster().active(&list.name).filter(able).map(Reached::from).collect();
    for to in asked {
        let about = About::VouchWanted(Box::new(Who::of(application, Vec::new())));
        step.write(&Errand { list: list.name.clone(), to, about, until: application.vouch_until })?;
    }
    Ok(())
}

/// The applicant or the admin takes an application back.
///
/// # Errors
/// When the store fails, there is no such application, or it is decided.
pub fn withdraw(step: &mut Step<'_>, id: &ApplicationId) -> Result<Application, Trouble> {
    let taken = found(step, id)?;
    if !taken.it.stage.is_open() {
        return Err(refused(Refusal::NotOpen { id: id.clone(), stage: taken.it.stage }));
    }
    ended(step, &taken, Stage::Withdrawn)
}

/// What is due by the clock on a list: what nobody decided in time lapses, and ballots that could not be opened are.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn due(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    for taken in Shelf::<Application>::new(&step.affairs().store).all()? {
        let application = &taken.it;
        if application.list != list.name || !application.stage.is_open() {
            continue;
        }
        if application.ends().is_some_and(|end| step.now() >= end) {
            ended(step, &taken, Stage::Lapsed)?;
        } else if application.stage == Stage::Deciding && application.ballot.is_none() {
            let mut again = application.clone();
            if opened(step, list, &mut again)? {
                taken.put_back(step.batch(), &again)?;
            }
        }
    }
    Ok(())
}

/// Every application to a list that may still become a membership.
fn open_on(step: &Step<'_>, list: &List) -> Result<Vec<Application>, Trouble> {
    let all = Shelf::<Application>::new(&step.affairs().store).all()?;
    let open = all.into_iter().map(|taken| taken.it);
    Ok(open.filter(|it| it.list == list.name && it.stage.is_open()).collect())
}

fn found(step: &Step<'_>, id: &ApplicationId) -> Result<Taken<Application>, Trouble> {
    let shelf = Shelf::<Application>::new(&step.affairs().store);
    shelf.application(id)?.ok_or_else(|| refused(Refusal::NoApplication(id.clone())))
}

fn list_of(step: &Step<'_>, application: &Application) -> Result<List, Trouble> {
    let list = step.affairs().list(&application.list).cloned();
    list.ok_or_else(|| refused(Refusal::NotThisList(application.list.clone())))
}

fn applicant(step: &Step<'_>, application: &Application) -> Result<Reached, Trouble> {
    let member = step.roster().by_id(&application.list, &application.member);
    member.map(Reached::from).ok_or_else(|| refused(Refusal::NoApplication(application.id.clone())))
}

fn went(step: &mut Step<'_>, application: &Application) {
    let what = What::Went { application: application.id.clone(), stage: application.stage };
    step.tell(Some(&application.list), Event::Roster { change: Change::Application { what } });
}

fn refused(refusal: Refusal) -> Trouble {
    Trouble::Refused(AnyRefusal::Application(refusal))
}
