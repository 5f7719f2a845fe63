//! Applications: taken when they are complete, vouched for by members, put to the team. What the team's decision does is
//! in `admission.rs`.

use std::num::NonZeroU32;

use super::admission::{called_off, colleagues_told};
use super::ballot::{self, Wanted};
use super::vouchers::{ask, counted, missing, needed};
use super::{Step, Trouble};
use crate::id::{ApplicationId, MemberId, OrgName, SpoolId};
use crate::ledger::journal::Event;
use crate::ledger::registry::Registry;
use crate::ledger::shelf::{Shelf, Taken};
use crate::mail::directory::Kind;
use crate::mail::incident::Incident;
use crate::mail::list::List;
use crate::pgp::cert::Cert;
use crate::roster::application::{Application, Change as What, Filled, KEPT, MOST_OPEN, Refusal, Stage};
use crate::roster::ballot::Motion;
use crate::roster::errand::{About, Errand, Reached, Who};
use crate::roster::form::is_ours;
use crate::roster::membership::{Cause, Member, MemberFile, Role, Standing};
use crate::roster::remarks::{Beside, of_applicant, of_vouchers};
use crate::roster::{Change, Refusal as AnyRefusal};

/// A complete application that came.
pub struct Came<'a> {
    /// What it says.
    pub form: Filled,
    /// The certificate that signed it.
    pub cert: &'a Cert,
    /// The mail that brought it; none where the admin did.
    pub mail: Option<SpoolId>,
}

/// Takes an application: the applicant comes onto the roster as one who applies, and is asked to confirm the contact
/// address. Nobody else hears of it before; what the admin hands in is confirmed by that.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn take(step: &mut Step<'_>, list: &List, came: Came<'_>) -> Result<Application, Trouble> {
    free(step, list, &came)?;
    let by_mail = came.mail.is_some();
    let (mut application, member) = made(step, list, came.form, came.cert, came.mail);
    let changed = step.roster().apply(&list.name, member, &application)?;
    step.apply(Some(&list.name), changed);
    if step.affairs().registry.cert(application.fingerprint)?.is_none() {
        Registry::new_cert(step.batch(), application.fingerprint, came.cert.to_bytes());
    }
    if by_mail {
        let about = About::ConfirmWanted(Box::new(Who::of(&application, Vec::new())));
        let (to, until) = (applicant(step, &application)?, application.ends());
        step.write(&Errand { list: list.name.clone(), to, about, until })?;
    } else {
        application = goes_on(step, list, application)?;
    }
    Shelf::add(step.batch(), &application)?;
    Ok(application)
}

/// Whether an application may be taken: the first rule against it.
fn free(step: &Step<'_>, list: &List, came: &Came<'_>) -> Result<(), Trouble> {
    if !matches!(list.kind, Kind::Announce | Kind::Discuss) {
        return Err(refused(Refusal::NotThisList(list.name.clone())));
    }
    let fingerprint = came.cert.fingerprint();
    let open = open_on(step, list)?;
    if let Some(earlier) = open.iter().find(|open| open.fingerprint == fingerprint) {
        return Err(refused(Refusal::AlreadyOpen(earlier.id.clone())));
    }
    if step.roster().members(&list.name).iter().any(|m| m.belongs() && m.signs_with(fingerprint)) {
        return Err(refused(Refusal::AlreadyMember(fingerprint)));
    }
    if is_founding(step, list) && list.membership().founding_quorum.is_none() {
        return Err(refused(Refusal::NobodyVouches(list.name.clone())));
    }
    let limit = list.membership().open_applications.map_or(MOST_OPEN, NonZeroU32::get);
    if u32::try_from(open.len()).unwrap_or(u32::MAX) >= limit {
        return Err(refused(Refusal::TooMany { list: list.name.clone(), limit }));
    }
    // What goes to a list of ours would come back in.
    if step.affairs().lists.iter().any(|ours| is_ours(&ours.address, &came.form.address)) {
        return Err(Trouble::Refused(AnyRefusal::AddressTaken(list.name.clone())));
    }
    // A person of a team, or another list's member: nobody takes somebody's place by a form.
    let theirs = |m: &Member| m.belongs() && !m.signs_with(fingerprint) && m.is_called(&came.form.address);
    if step.roster().everyone().any(|(_, m)| theirs(m)) {
        return Err(Trouble::Refused(AnyRefusal::AddressTaken(list.name.clone())));
    }
    Ok(())
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
    let person = Member {
        id: member.clone(),
        address: form.address.clone(),
        fingerprint: cert.fingerprint(),
        role: Role::Contact { org: form.org.clone() },
        standing: Standing::Applied,
        since: now,
        format: None,
        file: MemberFile { application: Some(id.clone()), ..MemberFile::default() },
    };
    let application = Application {
        id,
        list: list.name.clone(),
        member,
        fingerprint: cert.fingerprint(),
        opened: now,
        vouch_until: rules.voucher_period.map(|period| now.after(period)),
        lapses: rules.application_period.map(|period| now.after(period)),
        stage: Stage::Confirming,
        since: now,
        // The founding members of an empty list come by the team alone.
        founding: is_founding(step, list),
        vouchers: Vec::new(),
        ballot: None,
        mail,
        form,
    };
    (application, person)
}

/// Whether vouchers are asked for, and nobody is there who could give one.
fn is_founding(step: &Step<'_>, list: &List) -> bool {
    needed(list) > 0 && step.roster().active(&list.name).next().is_none()
}

/// Whoever reads the contact address confirmed it, with the certificate that signed the application.
///
/// # Errors
/// When the store fails, there is no such application, or it is confirmed already.
pub fn confirmed(step: &mut Step<'_>, id: &ApplicationId) -> Result<(), Trouble> {
    let taken = found(step, id)?;
    if taken.it.stage != Stage::Confirming {
        return Err(refused(Refusal::NotOpen { id: id.clone(), stage: taken.it.stage }));
    }
    let list = list_of(step, &taken.it)?;
    let application = goes_on(step, &list, taken.it.clone())?;
    Ok(taken.put_back(step.batch(), &application)?)
}

/// Applicant and team are told, and members are asked to vouch; or the team decides alone.
fn goes_on(step: &mut Step<'_>, list: &List, mut application: Application) -> Result<Application, Trouble> {
    // Until the address was confirmed others may have come, who can vouch.
    application.founding &= is_founding(step, list);
    announced(step, list, &application)?;
    if needed(list) == 0 || application.founding {
        return to_the_team(step, list, application);
    }
    application.stage = Stage::Vouching;
    application.since = step.now();
    went(step, &application);
    ask(step, list, &application, &[])?;
    Ok(application)
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
    let Some(voucher) = step.roster().by_id(&list.name, &voucher.id).cloned() else {
        return Err(refused(Refusal::NotAMember(id.clone())));
    };
    let vouched = counted(step, &list, &taken.it, &voucher, statement);
    let mut application = vouched.map_err(refused)?;
    if let Some(changed) = step.roster().vouched(&application) {
        step.apply(Some(&list.name), changed);
    }
    if missing(step, &list, &application) == 0 {
        if application.stage == Stage::Vouching {
            application = to_the_team(step, &list, application)?;
        } else {
            let back = (Cause::VoucherLost, Some("vouched for again".to_owned()));
            let member = application.member.clone();
            let changed = step.roster().move_to(&list.name, &member, Standing::Active, back, step.now())?;
            step.apply(Some(&list.name), changed);
        }
    }
    taken.put_back(step.batch(), &application)?;
    Ok(application)
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
    // Whose voucher left after the first ballot is vouched for already.
    let standing = step.roster().by_id(&list.name, &application.member).map(|m| m.standing);
    if standing == Some(Standing::Applied) {
        let vouched = (Cause::Admin, why);
        let changed =
            step.roster().move_to(&list.name, &application.member, Standing::Vouched, vouched, step.now())?;
        step.apply(Some(&list.name), changed);
    }
    application.stage = Stage::Deciding;
    application.since = step.now();
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
        title: motion_title(application),
        quorum: founding.or(rules.approval_quorum).map_or(1, NonZeroU32::get),
        one_per_org: rules.one_vote_per_org.unwrap_or_default(),
        closes: application.lapses,
    };
    // Who speaks for them, and what is like somebody else's: what a voter has to weigh.
    let words = remarked(step, list, application, true)?.join("\n");
    match ballot::open_from(step, wanted, Some(words).filter(|words| !words.is_empty()), None) {
        Ok(ballot) => application.ballot = Some(ballot),
        Err(Trouble::Refused(AnyRefusal::Ballot(_))) => return Ok(false),
        Err(trouble) => return Err(trouble),
    }
    Ok(true)
}

/// Who it is, and who speaks for them.
fn motion_title(application: &Application) -> String {
    let by: Vec<&str> =
        application.vouchers.iter().map(|v| v.org.as_ref().map_or(v.by.as_str(), OrgName::as_str)).collect();
    let by = if by.is_empty() { "nobody".to_owned() } else { by.join(" and ") };
    format!("{} ({}), vouched for by {by}", application.form.title, application.form.org)
}

fn announced(step: &mut Step<'_>, list: &List, application: &Application) -> Result<(), Trouble> {
    let next = match (needed(list), application.founding) {
        (0, _) => "The team decides about it.".to_owned(),
        (_, true) => "Nobody is on the list who could vouch, so the team decides about it alone.".to_owned(),
        (1, false) => "A member of another organisation has to vouch; then the team decides.".to_owned(),
        (more, false) => format!("{more} other organisations have to vouch; then the team decides."),
    };
    let lapses = application.lapses.map(|end| format!("It lapses {end} if it is not decided."));
    let about = About::ApplicationTaken(Box::new(Who::of(application, lapses.into_iter().collect())));
    let to = applicant(step, application)?;
    step.write(&Errand { list: list.name.clone(), to, about, until: None })?;
    let mut remarks = vec![next];
    remarks.extend(remarked(step, list, application, false)?);
    let about = About::ApplicationCame(Box::new(Who::of(application, remarks)));
    let team: Vec<Reached> = step.deciders(&list.name).map(Reached::from).collect();
    for to in team {
        step.write(&Errand { list: list.name.clone(), to, about: about.clone(), until: None })?;
    }
    colleagues_told(step, application)
}

/// What the team should see: of the applicant, and of those who vouched.
fn remarked(
    step: &Step<'_>,
    list: &List,
    application: &Application,
    vouched: bool,
) -> Result<Vec<String>, Trouble> {
    let all = Shelf::<Application>::new(&step.affairs().store).all()?;
    let all: Vec<Application> = all.into_iter().map(|taken| taken.it).collect();
    let beside = Beside { roster: step.roster(), rules: list.membership(), all: &all };
    let mut said = if vouched { of_vouchers(application, beside) } else { Vec::new() };
    said.extend(of_applicant(application, beside));
    Ok(said)
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
    called_off(step, &taken, Stage::Withdrawn)
}

/// What is due by the clock on a list: what nobody decided in time lapses, and ballots that could not be opened are.
///
/// # Errors
/// When the store fails, or a rule is against it.
pub fn due(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    for taken in Shelf::<Application>::new(&step.affairs().store).all()? {
        let application = &taken.it;
        if application.list != list.name {
            continue;
        }
        let over = !application.stage.is_open() && application.stage != Stage::Admitted;
        if over && step.now() >= application.since.after(KEPT) {
            taken.remove(step.batch());
        } else if application.ends().is_some_and(|end| step.as_of() >= end) {
            called_off(step, &taken, Stage::Lapsed)?;
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
