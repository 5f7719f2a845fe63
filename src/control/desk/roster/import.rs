//! An import: shown first, then done as one change, if it is still what was shown.

use super::source::Wanted;
use crate::control::desk::acting::Acting;
use crate::control::desk::refusal::Refused;
use crate::control::desk::{Desk, Reply};
use crate::control::wire::{Answer, ErrorKind, PlanItem, RosterAnswer, RosterSource};
use crate::ledger::affairs;
use crate::ledger::journal::Event;

impl Desk {
    pub(super) fn roster_import(
        &self,
        source: RosterSource,
        (skip, bring_back): (bool, bool),
        agreed: Option<&str>,
        actor: &Acting,
    ) -> Reply {
        let wanted = Wanted { bring_back, ..self.wanted(source)? };
        let Some(agreed) = agreed else {
            let roster = self.registry.roster()?.roster;
            let plan = self.plan(&roster, &wanted, self.clock.now())?;
            return Ok(Answer::Roster(Box::new(RosterAnswer::Plan(plan.row))));
        };
        let (changes, left, withdrawn, unreachable) = self.step(actor, |step| {
            let plan = self.plan(step.roster(), &wanted, step.now())?;
            if plan.row.digest != agreed {
                return Err(changed_meanwhile());
            }
            let left = plan.row.items.iter().filter(|item| item.rule.is_some()).count();
            if left > 0 && !skip {
                return Err(against(&plan.row.items));
            }
            let withdrawn = affairs::imported::all(step, &plan.steps, &wanted.reason)?;
            for cert in &plan.certs {
                affairs::certs::merged(step, cert)??;
            }
            let changes = plan.row.items.len() - left;
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let (reason, changes_made, left_out) = (wanted.reason.clone(), count(changes), count(left));
            step.tell(None, Event::RosterImported { reason, changes: changes_made, left: left_out });
            Ok((changes, left, withdrawn, plan.row.unreachable.len()))
        })?;
        // Mail that waited for a reader can go on.
        self.hurry(None);
        let mut remarks = Vec::new();
        if left > 0 {
            remarks.push(format!("left out, because a rule is against it: {left}"));
        }
        if withdrawn > 0 {
            remarks.push(format!("withdrawn: {}", crate::control::desk::copies(withdrawn)));
        }
        if unreachable > 0 {
            remarks.push(format!("cannot receive mail today: {unreachable}"));
        }
        Ok(Answer::Done { what: format!("the roster was imported; changes made: {changes}"), remarks })
    }
}

fn changed_meanwhile() -> Refused {
    let why = "what would change is not what you agreed to: the roster or a certificate changed meanwhile";
    Refused::new(ErrorKind::Busy, "nothing was imported", why, "look at the difference again")
}

fn against(items: &[PlanItem]) -> Refused {
    let first = items.iter().find_map(|item| Some(format!("{}: {}", item.who, item.rule.as_ref()?)));
    let next = "mend what is named, or leave it out with --skip";
    Refused::new(ErrorKind::Data, "nothing was imported", first.unwrap_or_default(), next)
}
