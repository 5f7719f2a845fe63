//! Breaches of the embargo: reported, answered in full, decided, and what follows when they repeat.

use super::removal::{Asked, Whom, propose};
use super::{Step, Trouble};
use crate::id::{BallotId, BreachId, ListName, OrgName};
use crate::ledger::alert::Incident;
use crate::ledger::journal::Event;
use crate::ledger::shelf::{Kept, Shelf, Taken};
use crate::mail::list::List;
use crate::policy::BreachField;
use crate::roster::breach::{Breach, Change as BreachChange, Closed};
use crate::roster::errand::{About, Enclosed, Errand, Reached};
use crate::roster::membership::{Member, Standing};
use crate::roster::removal::Reason;
use crate::roster::{Change, Refusal};
use crate::time::Timestamp;

impl Kept for Breach {
    const SHELF: &'static str = "breach/";
    fn name(&self) -> &str {
        self.id.as_str()
    }
}

/// A report as it comes: which questions it answers, and the answers as ciphertext where they do not come as a mail.
pub struct Report {
    /// Who broke the embargo, where that is known.
    pub org: Option<OrgName>,
    /// Who reports it; none: an admin.
    pub by: Option<Member>,
    /// Since when the leak is known.
    pub known_since: Timestamp,
    /// The questions that are answered.
    pub answered: Vec<BreachField>,
    /// The answers.
    pub sealed: Option<Enclosed>,
}

/// Opens a breach, and alarms the team. Whoever reported it by mail is told at once what is missing.
///
/// # Errors
/// When the store fails.
pub fn open(step: &mut Step<'_>, list: &List, report: Report) -> Result<Breach, Trouble> {
    let Report { org, by, known_since, answered, sealed } = report;
    let deadline = list.policy.as_ref().and_then(|policy| policy.breach.report_deadline);
    let breach = Breach {
        id: BreachId::random(&step.affairs().entropy),
        list: list.name.clone(),
        org,
        by: by.as_ref().map(|member| member.id.clone()),
        opened: step.now(),
        known_since,
        due: deadline.map(|deadline| known_since.after(deadline)),
        answered: Vec::new(),
        overdue_told: false,
        closed: None,
    }
    .with_answers(&answered);
    Shelf::add(step.batch(), &breach)?;
    let (id, org, reporter) = (breach.id.clone(), breach.org.clone(), breach.by.clone());
    tell(step, &list.name, BreachChange::Opened { id, org, by: reporter, answered });
    step.alert(&list.name, Incident::BreachReported { breach: breach.id.clone() })?;
    alarm(step, list, &breach, sealed)?;
    if let Some(member) = &by {
        taken(step, list, &breach, member)?;
    }
    Ok(breach)
}

/// More of the questions are answered.
///
/// # Errors
/// When the store fails, there is no such breach, or it is closed.
pub fn answer(
    step: &mut Step<'_>,
    id: &BreachId,
    answered: Vec<BreachField>,
    sealed: Option<Enclosed>,
    by: Option<&Member>,
) -> Result<Breach, Trouble> {
    let (shelved, list) = opened(step, id)?;
    let breach = shelved.it.clone().with_answers(&answered);
    shelved.put_back(step.batch(), &breach)?;
    tell(step, &list.name, BreachChange::Answered { id: id.clone(), answered });
    alarm(step, &list, &breach, sealed)?;
    if let Some(member) = by {
        taken(step, &list, &breach, member)?;
    }
    Ok(breach)
}

/// What came of a breach that was closed.
pub struct Decided {
    /// As it stands now.
    pub breach: Breach,
    /// How many breaches count against the organisation by now.
    pub strikes: u32,
    /// The ballots about its removal that were opened.
    pub ballots: Vec<BallotId>,
    /// Why there is none although there should be one.
    pub no_ballot: Option<String>,
}

/// Closes a breach by the team's decision. So many that count as the policy says open a vote on removal.
///
/// # Errors
/// When the store fails, there is no such breach, it is closed, or nobody is named against whom it could count.
pub fn close(
    step: &mut Step<'_>,
    id: &BreachId,
    org: Option<OrgName>,
    strike: bool,
) -> Result<Decided, Trouble> {
    let (shelved, list) = opened(step, id)?;
    let mut breach = shelved.it.clone();
    breach.org = org.or(breach.org);
    breach.closed = Some(Closed { at: step.now(), strike });
    let changed = step.roster().close_breach(&breach, strike, step.now())?;
    step.apply(Some(&list.name), changed);
    shelved.put_back(step.batch(), &breach)?;
    let strikes = breach.org.as_ref().map_or(0, |org| step.roster().strikes(&list.name, org));
    let mut decided = Decided { breach, strikes, ballots: Vec::new(), no_ballot: None };
    let most = list.policy.as_ref().and_then(|policy| policy.breach.strikes_to_removal_vote);
    if strike && most.is_some_and(|most| strikes >= most.get()) {
        vote(step, &list, &mut decided)?;
        if let Some(why) = &decided.no_ballot {
            let problem = format!("breach {id}: no vote on removal could be opened: {why}");
            step.alert(&list.name, Incident::Trouble { part: "breaches".to_owned(), problem })?;
        }
    }
    Ok(decided)
}

/// Opens a vote on each of the organisation's contacts on the list. What is against a vote does not undo the strike.
fn vote(step: &mut Step<'_>, list: &List, decided: &mut Decided) -> Result<(), Trouble> {
    let here = |m: &&Member| {
        m.org() == decided.breach.org.as_ref() && matches!(m.standing, Standing::Active | Standing::Suspended)
    };
    let theirs: Vec<Member> = step.roster().members(&list.name).iter().filter(here).cloned().collect();
    for member in theirs {
        match removal(step, list, &member, decided.strikes) {
            Ok(ballot) => decided.ballots.extend(ballot),
            Err(Trouble::Refused(refusal)) => decided.no_ballot = Some(refusal.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn removal(
    step: &mut Step<'_>,
    list: &List,
    member: &Member,
    strikes: u32,
) -> Result<Option<BallotId>, Trouble> {
    let words = format!("The embargo was broken {strikes} times.");
    let whom = Whom::Member(member.id.clone());
    Ok(match propose(step, &list.name, &whom, Reason::Breach, Some(&words))? {
        Asked::Voting(ballot) | Asked::Curing(ballot, _) | Asked::Already(ballot) => Some(ballot),
        Asked::Left(_) => None,
    })
}

/// The clock's part: answers that are overdue are told once.
///
/// # Errors
/// When the store fails.
pub fn due(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    let Some(policy) = list.policy.as_ref().filter(|policy| policy.breach.report_deadline.is_some()) else {
        return Ok(());
    };
    let (demanded, now) = (&policy.breach.report_fields, step.now());
    let late = |b: &Breach| b.list == list.name && !b.overdue_told && b.is_overdue(demanded, now);
    let all = Shelf::<Breach>::new(&step.affairs().store).all()?;
    for shelved in all.into_iter().filter(|shelved| late(&shelved.it)) {
        let breach = Breach { overdue_told: true, ..shelved.it.clone() };
        shelved.put_back(step.batch(), &breach)?;
        step.alert(&list.name, Incident::BreachOverdue { breach: breach.id.clone() })?;
        let (id, missing) = (breach.id.clone(), breach.missing(demanded));
        let about = About::BreachOverdue { breach: id, missing };
        to_team(step, &list.name, &about)?;
    }
    Ok(())
}

fn alarm(step: &mut Step<'_>, list: &List, breach: &Breach, sealed: Option<Enclosed>) -> Result<(), Trouble> {
    let about = About::BreachOpened {
        breach: breach.id.clone(),
        org: breach.org.clone(),
        answered: breach.answered.clone(),
        missing: breach.missing(demanded(list)),
        due: breach.due,
        sealed,
    };
    to_team(step, &list.name, &about)
}

fn taken(step: &mut Step<'_>, list: &List, breach: &Breach, member: &Member) -> Result<(), Trouble> {
    let (missing, due) = (breach.missing(demanded(list)), breach.due);
    let about = About::BreachTaken { breach: breach.id.clone(), missing, due };
    let (list, to) = (list.name.clone(), Reached::from(member));
    Ok(step.write(&Errand { list, to, about, until: None })?)
}

fn to_team(step: &mut Step<'_>, list: &ListName, about: &About) -> Result<(), Trouble> {
    let team: Vec<Reached> = step.deciders(list).map(Reached::from).collect();
    for to in team {
        step.write(&Errand { list: list.clone(), to, about: about.clone(), until: None })?;
    }
    Ok(())
}

/// What a report of a leak has to answer.
#[must_use]
pub fn demanded(list: &List) -> &[BreachField] {
    list.policy.as_ref().map_or(&[], |policy| &policy.breach.report_fields)
}

/// A breach that is open, and its list.
fn opened(step: &Step<'_>, id: &BreachId) -> Result<(Taken<Breach>, List), Trouble> {
    let found = Shelf::<Breach>::new(&step.affairs().store).get(id.as_str())?;
    let shelved = found.ok_or_else(|| Refusal::NoBreach(id.clone()))?;
    if shelved.it.closed.is_some() {
        return Err(Refusal::BreachClosed(id.clone()).into());
    }
    let list = step.affairs().list(&shelved.it.list).cloned();
    let list = list.ok_or_else(|| Refusal::NoBreach(id.clone()))?;
    Ok((shelved, list))
}

fn tell(step: &mut Step<'_>, list: &ListName, what: BreachChange) {
    step.tell(Some(list), Event::Roster { change: Change::Breach { what } });
}
