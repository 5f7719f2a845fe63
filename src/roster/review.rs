//! How an organisation stands by the criteria of a list's policy: what people found, and what the relay finds by itself.

mod owed;

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Refusal, Roster};
use crate::id::{MemberId, OrgName};
use crate::mail::list::List;
use crate::policy::VoucherRemoved;
use crate::roster::criteria::{Assessment, Judged, RELAY, State};
use crate::roster::membership::Member;
use crate::roster::remarks::voices;
use crate::time::Timestamp;

impl Roster {
    /// How an organisation stands by each criterion of a list's policy, in the policy's order. What the relay finds by
    /// itself goes before what a person wrote.
    #[must_use]
    pub fn judged(&self, org: &OrgName, list: &List, now: Timestamp) -> Vec<Judged> {
        let written = self.org(org).and_then(|org| org.assessments.get(&list.name));
        let judged = |criterion: &str| {
            let written = written.and_then(|written| written.get(criterion)).cloned();
            let assessment = found_by_relay(self, org, list, criterion, now).or(written);
            let overdue = assessment.as_ref().is_some_and(|found| found.is_overdue(now));
            Judged { criterion: criterion.to_owned(), assessment, overdue }
        };
        list.membership().criteria.iter().map(|criterion| judged(criterion.as_str())).collect()
    }

    /// Writes down what somebody found of a criterion. Without a day for the next look the policy's period counts.
    ///
    /// # Errors
    /// When the organisation is unknown, or the list's policy has no such criterion.
    pub fn assess(
        &self,
        org: &OrgName,
        list: &List,
        criterion: &str,
        mut found: Assessment,
    ) -> Result<(Self, Change), Refusal> {
        let mut new = self.org(org).ok_or_else(|| Refusal::OrgUnknown(org.clone()))?.clone();
        has_criterion(list, criterion)?;
        if found.review.is_none() {
            found.review = list.membership().review_every.map(|every| found.at.after(every));
        }
        let change = Change::Assessed {
            org: org.clone(),
            criterion: criterion.to_owned(),
            state: found.state,
            evidence: found.evidence.clone(),
            review: found.review.map(|review| review.to_string()),
        };
        new.assessments.entry(list.name.clone()).or_default().insert(criterion.to_owned(), found);
        Ok((self.with_org(org, new), change))
    }

    /// The criteria that were to be looked at again by now, of organisations that belong to the list, and that the admins
    /// have not been told of: at most `most`.
    #[must_use]
    pub fn reviews_missed(
        &self,
        list: &List,
        now: Timestamp,
        most: usize,
    ) -> Vec<(OrgName, String, Timestamp)> {
        let criteria = &list.membership().criteria;
        let mut missed = Vec::new();
        for (name, org) in self.orgs.iter() {
            let Some(written) = org.assessments.get(&list.name) else { continue };
            let due = written.iter().filter(|(criterion, found)| {
                let asked = criteria.iter().any(|asked| asked.as_str() == *criterion);
                asked && found.is_overdue(now) && !found.told
            });
            let due = due.filter_map(|(criterion, found)| Some((criterion, found.review?)));
            let mut due = due.peekable();
            if due.peek().is_some() && self.contacts(name, &list.name).next().is_some() {
                missed.extend(due.map(|(criterion, review)| (name.clone(), criterion.clone(), review)));
            }
            if missed.len() >= most {
                break;
            }
        }
        missed.truncate(most);
        missed
    }

    /// Notes that the admins are told of a review that was missed.
    #[must_use]
    pub fn review_told(&self, org: &OrgName, list: &List, criterion: &str) -> Option<(Self, Change)> {
        let mut new = self.org(org)?.clone();
        new.assessments.get_mut(&list.name)?.get_mut(criterion)?.told = true;
        let change = Change::ReviewMissed { org: org.clone(), criterion: criterion.to_owned() };
        Some((self.with_org(org, new), change))
    }
}

fn has_criterion(list: &List, criterion: &str) -> Result<(), Refusal> {
    let criteria = &list.membership().criteria;
    if criteria.is_empty() {
        return Err(Refusal::NoCriteria(list.name.clone()));
    }
    if criteria.iter().any(|known| known.as_str() == criterion) {
        return Ok(());
    }
    let known: Vec<&str> = criteria.iter().map(crate::policy::Text::as_str).collect();
    Err(Refusal::NoCriterion { list: list.name.clone(), name: criterion.to_owned(), known: known.join(", ") })
}

/// What the relay finds of a criterion by itself at this moment; none where it cannot tell.
#[must_use]
pub fn found_by_relay(
    roster: &Roster,
    org: &OrgName,
    list: &List,
    criterion: &str,
    now: Timestamp,
) -> Option<Assessment> {
    match criterion {
        "not-downstream" => not_downstream(roster, org, list, now),
        "vouched" => vouched(roster, org, list),
        "accept-embargo" => owed::accept_embargo(roster.contacts(org, &list.name), list, now),
        "monitored-alias" => owed::monitored_alias(roster.contacts(org, &list.name), list, now),
        _ => None,
    }
}

/// A rebuild whose upstream belongs to the list hears of everything from there. Where the upstream does not belong,
/// a person has to judge.
fn not_downstream(roster: &Roster, org: &OrgName, list: &List, now: Timestamp) -> Option<Assessment> {
    let upstream = roster.upstream_of(org)?;
    let belongs = roster.contacts(upstream, &list.name).next().is_some();
    belongs.then(|| by_relay(State::Unmet, now, format!("its upstream {upstream} is a member of this list")))
}

/// Who came by vouchers is vouched for; who came another way, a person has to judge.
fn vouched(roster: &Roster, org: &OrgName, list: &List) -> Option<Assessment> {
    let wanted = usize::try_from(list.membership().vouchers_required?.get()).ok()?;
    // Where the policy has it looked at again, whoever was removed meanwhile speaks for nobody.
    let again = list.membership().voucher_removed.is_some_and(|removed| removed != VoucherRemoved::Keep);
    let counts = |by: &&MemberId| !again || roster.by_id(&list.name, by).is_some_and(Member::belongs);
    let found = roster.contacts(org, &list.name).find_map(|contact| {
        let by: Vec<&MemberId> = contact.file.vouched_by.iter().filter(counts).collect();
        let org = |by: &MemberId| roster.by_id(&list.name, by).and_then(Member::org);
        let enough = voices(by.iter().map(|by| (*by, org(by)))) >= wanted;
        enough.then(|| (contact.since, by.iter().map(|by| by.as_str()).collect::<Vec<_>>()))
    });
    let (since, by) = found?;
    Some(by_relay(State::Met, since, format!("vouched for by {}", by.join(", "))))
}

/// What the relay can say of a yes or no that it keeps itself.
#[must_use]
pub fn by_itself(met: bool, at: Timestamp, evidence: String) -> Assessment {
    by_relay(if met { State::Met } else { State::Unmet }, at, evidence)
}

fn by_relay(state: State, at: Timestamp, evidence: String) -> Assessment {
    Assessment { state, by: RELAY.to_owned(), at, evidence: Some(evidence), review: None, told: false }
}

/// How often something is overdue and how often it fails, of all of an organisation's criteria.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Criteria that were to be looked at again.
    pub overdue: usize,
    /// Criteria that are not met.
    pub failing: usize,
}

/// The organisations of a list with something overdue or failing, with how much.
#[must_use]
pub fn troubled<'r>(roster: &'r Roster, list: &List, now: Timestamp) -> BTreeMap<&'r OrgName, Count> {
    let belonging: BTreeSet<&OrgName> =
        roster.members(&list.name).iter().filter(|m| m.belongs()).filter_map(Member::contact_of).collect();
    let counted = |name: &'r OrgName| {
        let judged = roster.judged(name, list, now);
        let count = Count {
            overdue: judged.iter().filter(|one| one.overdue).count(),
            failing: judged.iter().filter(|one| one.is_failing()).count(),
        };
        (count != Count::default()).then_some((name, count))
    };
    belonging.into_iter().filter_map(counted).collect()
}

#[cfg(test)]
mod tests;
