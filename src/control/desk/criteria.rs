//! Criteria: what an admin writes down, and what of them needs somebody.

use super::acting::Acting;
use super::refusal::Refused;
use super::{Desk, Reply, done};
use crate::control::wire::{Answer, ErrorKind};
use crate::id::{ListName, OrgName};
use crate::ledger::journal::Actor;
use crate::roster::criteria::{Assessment, RELAY, State};
use crate::roster::org::MAX_TEXT;
use crate::roster::review::{found_by_relay, troubled};
use crate::time::Timestamp;

impl Desk {
    /// What an admin found, as it was asked to be written down.
    pub(super) fn finding(
        &self,
        state: &str,
        evidence: Option<String>,
        review: Option<Timestamp>,
        by: Option<String>,
        actor: &Acting,
    ) -> Result<Assessment, Refused> {
        let wrong =
            |why: &str, next: &str| Refused::new(ErrorKind::Usage, "nothing was written down", why, next);
        let state: State = state.parse().map_err(|why: &str| wrong(why, "use one of these words"))?;
        let at = self.clock.now();
        if review.is_some_and(|review| review <= at) {
            return Err(wrong(
                "the day of the next review is not ahead",
                "give a day to come, as 2027-01-31",
            ));
        }
        let plain = |text: &String| {
            !text.trim().is_empty() && text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control)
        };
        if ![&evidence, &by].into_iter().flatten().all(plain) {
            return Err(wrong("a text is empty, too long, or has control characters", "give one plain line"));
        }
        if by.as_deref() == Some(RELAY) {
            return Err(wrong("what the relay finds it finds by itself", "give a person's name"));
        }
        let by = by.unwrap_or_else(|| match &actor.who {
            Actor::Admin(uid) => format!("admin:{uid}"),
            _ => RELAY.to_owned(),
        });
        Ok(Assessment { state, by, at, evidence, review, told: false })
    }

    pub(super) fn org_assess(
        &self,
        org: &OrgName,
        list: &ListName,
        criterion: &str,
        found: &Assessment,
        actor: &Acting,
    ) -> Reply {
        let rules = self.list(list)?;
        let (review, own) = self.step(actor, |step| {
            let changed = step.roster().assess(org, rules, criterion, found.clone())?;
            step.apply(Some(list), changed);
            let written = step.roster().org(org).and_then(|org| org.assessments.get(list)?.get(criterion));
            let own = found_by_relay(step.roster(), org, rules, criterion, step.now());
            Ok((written.and_then(|written| written.review), own))
        })?;
        let review = review.map_or_else(String::new, |at| format!("; to be looked at again on {}", at.day()));
        let mut answer = done(format!("{org} on {list}: {criterion} is {}{review}", found.state));
        if let (Some(own), Answer::Done { remarks, .. }) = (own, &mut answer) {
            let why = own.evidence.unwrap_or_default();
            remarks.push(format!("the relay's own finding goes before it: {}, {why}", own.state));
        }
        Ok(answer)
    }

    /// Which lists have organisations whose criteria need somebody, a sentence each.
    pub(super) fn criteria_problems(&self) -> Result<Vec<String>, Refused> {
        let (roster, now) = (self.registry.roster()?.roster, self.clock.now());
        let mut problems = Vec::new();
        for list in self.lists.iter() {
            let troubled = troubled(&roster, list, now);
            let overdue: usize = troubled.values().map(|count| count.overdue).sum();
            let failing: usize = troubled.values().map(|count| count.failing).sum();
            let parts = [(overdue, "to be looked at again"), (failing, "not met")];
            let parts: Vec<String> =
                parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
            if !parts.is_empty() {
                let orgs = match troubled.len() {
                    1 => "one organisation".to_owned(),
                    n => format!("{n} organisations"),
                };
                let parts = parts.join(", ");
                problems
                    .push(format!("criteria of {orgs} on {}: {parts}; see `org ls --overdue`", list.name));
            }
        }
        Ok(problems)
    }
}
