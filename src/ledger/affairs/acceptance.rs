//! Acceptance of a list's terms: asked for, reminded of, given, and what follows when it is not.

use std::time::Duration;

use super::asking::{asked, edition, wanted};
use super::{Step, Trouble, admission, members};
use crate::id::{ListName, MemberId};
use crate::mail::list::List;
use crate::roster::Refusal;
use crate::roster::duties::acceptance::{self as duty, Due, Rules};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::terms::{Accepted, Asking, Edition, How, Staff};
use crate::time::Timestamp;

/// So many members are asked or reminded in one commit; the next look at the clock finds the others.
const AT_ONCE: usize = 100;
/// How long the token counts by which a contact records its own people.
const STAFF: Duration = Duration::from_secs(365 * 24 * 3600);

/// Somebody accepts a text: it has to be the one that holds now. Who was suspended for not accepting is active again.
///
/// # Errors
/// When the store fails, the list has no terms, or these are others.
pub fn accept(
    step: &mut Step<'_>,
    list: &ListName,
    id: &MemberId,
    given: &Edition,
    how: How,
) -> Result<(), Trouble> {
    let Some(edition) = edition(step, list) else { return Err(Refusal::NoTerms(list.clone()).into()) };
    if edition != *given {
        return Err(Refusal::OtherTerms(list.clone()).into());
    }
    let accepted = Accepted { edition: edition.clone(), at: step.now(), how };
    step.alter(Some(list), |roster| Ok(vec![roster.take_acceptance(list, id, accepted)?]))?;
    let Some(member) = step.roster().by_id(list, id).cloned() else { return Ok(()) };
    if member.standing == Standing::Suspended && member.file.cause == Some(Cause::NotAccepted) {
        let why = Some("the terms are accepted".to_owned());
        members::moved(step, list, id, Standing::Active, Cause::NotAccepted, why)?;
    }
    if member.standing == Standing::Vouched {
        admission::try_activate(step, list, id)?;
    }
    if how != How::AdminsWord {
        let until = Some(step.now().after(STAFF));
        write(step, list, &member, About::Accepted { edition }, until)?;
    }
    Ok(())
}

/// Records one of a contact's own people, who accepted the text that holds now.
///
/// # Errors
/// When the store fails, or these are other terms.
pub fn staff(step: &mut Step<'_>, list: &ListName, contact: &MemberId, staff: Staff) -> Result<(), Trouble> {
    match edition(step, list) {
        None => return Err(Refusal::NoTerms(list.clone()).into()),
        Some(edition) if edition != staff.accepted.edition => {
            return Err(Refusal::OtherTerms(list.clone()).into());
        }
        Some(_) => {}
    }
    let changed = step.roster().add_staff(list, contact, staff)?;
    step.apply(Some(list), changed);
    Ok(())
}

/// The clock's part: asks where the text is another, reminds, and suspends whose time is over.
///
/// # Errors
/// When the store fails, or a rule is against a step.
pub fn due(step: &mut Step<'_>, list: &List) -> Result<(), Trouble> {
    let (Some(edition), Some(policy)) = (list.terms().map(Edition::from), &list.policy) else {
        return Ok(());
    };
    if let Some(changed) = step.roster().put_in_force(&list.name, &edition, step.now()) {
        step.apply(Some(&list.name), changed);
    }
    // A former text: it came back by mistake, or another daemon on this store has the newer one. Nobody is asked for it.
    if step.roster().terms_of(&list.name).is_some_and(|terms| terms.edition != edition) {
        return Ok(());
    }
    let rules = Rules { deadline: policy.terms.deadline, remind: &policy.terms.remind };
    let (now, as_of) = (step.now(), step.as_of());
    // Whose answer may wait here still is not suspended before it is read.
    let judged = |m: &Member| match duty::due(m, &edition, rules, now) {
        Due::Suspend if duty::due(m, &edition, rules, as_of) != Due::Suspend => Due::Nothing,
        due => due,
    };
    let dues = step.roster().members(&list.name).iter().map(|m| (judged(m), m));
    let dues = dues.filter(|(due, _)| *due != Due::Nothing).take(AT_ONCE);
    let dues: Vec<(Due, Member)> = dues.map(|(due, member)| (due, member.clone())).collect();
    for (due, member) in dues {
        one(step, &list.name, &edition, due, &member)?;
    }
    Ok(())
}

fn one(
    step: &mut Step<'_>,
    list: &ListName,
    edition: &Edition,
    due: Due,
    member: &Member,
) -> Result<(), Trouble> {
    let id = &member.id;
    match due {
        Due::Nothing => Ok(()),
        Due::Ask => {
            let withheld = step.roster().came_after(list, member);
            asked(step, list, member, edition.clone(), withheld)
        }
        Due::Back => {
            let why = Some("the time to accept the terms is not over".to_owned());
            let changed =
                step.roster().move_to(list, id, Standing::Active, (Cause::NotAccepted, why), step.now())?;
            step.apply(Some(list), changed);
            Ok(())
        }
        Due::Remind(count) => {
            step.amend(|roster| roster.reminded_of_terms(list, id, count));
            let asked = member.file.terms.asked.as_ref();
            let due = asked.and_then(|asked| asked.due);
            let first = asked.is_some_and(|asked| asked.withheld);
            let asking = if first { Asking::First } else { Asking::Again };
            wanted(step, list, member, edition.clone(), due, asking)
        }
        Due::Suspend => {
            let why = Some(format!("version {} of the terms was not accepted in time", edition.version));
            members::moved(step, list, id, Standing::Suspended, Cause::NotAccepted, why)?;
            wanted(step, list, member, edition.clone(), None, Asking::Over)
        }
        Due::Settled => {
            step.amend(|roster| roster.unask_acceptance(list, id));
            if member.file.cause == Some(Cause::NotAccepted) {
                let why = Some("the terms that hold now are accepted".to_owned());
                members::moved(step, list, id, Standing::Active, Cause::NotAccepted, why)?;
            }
            Ok(())
        }
    }
}

fn write(
    step: &mut Step<'_>,
    list: &ListName,
    member: &Member,
    about: About,
    until: Option<Timestamp>,
) -> Result<(), Trouble> {
    Ok(step.write(&Errand { list: list.clone(), to: Reached::from(member), about, until })?)
}
