//! Rules of one policy that cannot be kept together, or that lead somewhere their authors may not have seen.

mod duties;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::duration::{Period, show};
use super::file::Policy;
use super::sections::Team;
use super::text::Channel;
use super::words::{CRITERIA, Gate, ListKind, Poster, Strictness};

const DAY: u64 = 86_400;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot work.
    Error,
    /// It works, with a consequence to know.
    Warning,
    /// Good to know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing about a policy that its authors should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The key that it is about, as a path: `["embargo", "min_days"]`.
    pub key: Vec<String>,
    /// What is the matter.
    pub what: String,
    /// What can be done.
    pub remedy: String,
}

pub(super) fn lint(policy: &Policy) -> Vec<Finding> {
    let mut all = Findings(Vec::new());
    intake(policy, &mut all);
    embargo(policy, &mut all);
    notify(policy, &mut all);
    publish(policy, &mut all);
    lists(policy, &mut all);
    team(policy, &mut all);
    membership(policy, &mut all);
    moderation(policy, &mut all);
    for (key, what, remedy) in duties::duties(policy) {
        all.warn(key, what, remedy);
    }
    all.0.sort_by_key(|f| f.severity);
    all.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let key = key.split('.').map(str::to_owned).collect();
        self.0.push(Finding { severity, key, what: what.into(), remedy: remedy.into() });
    }

    fn error(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Error, key, what, remedy);
    }

    fn warn(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, key, what, remedy);
    }
}

fn intake(policy: &Policy, all: &mut Findings) {
    let i = &policy.intake;
    if let (Some(remind), Some(deadline)) = (i.ack_remind_at, i.ack_human_deadline)
        && remind >= deadline
    {
        let what =
            format!("the reminder at {} comes when the {} to answer are over", show(remind), show(deadline));
        all.warn("intake.ack_remind_at", what, "remind earlier");
    }
    if let (Some(remind), Some(escalate)) = (i.ack_remind_at, i.ack_escalate_at)
        && remind > escalate
    {
        all.warn(
            "intake.ack_escalate_at",
            "it escalates before it reminds",
            "escalate later than ack_remind_at",
        );
    }
    if let (Some(escalate), Some(deadline)) = (i.ack_escalate_at, i.ack_human_deadline)
        && escalate > deadline
    {
        let what = format!("it escalates at {}, after the deadline of {}", show(escalate), show(deadline));
        all.warn("intake.ack_escalate_at", what, "escalate at the deadline or before");
    }
}

fn embargo(policy: &Policy, all: &mut Findings) {
    let e = &policy.embargo;
    if let (Some(min), Some(max)) = (e.min_days, e.max_days)
        && min > max
    {
        let what = format!("min_days = {min} is more than max_days = {max}: no day is left to publish on");
        all.error("embargo.min_days", what, "make min_days at most max_days");
    }
    if e.publish_gate.contains(&Gate::DeploymentsAlerted) && policy.notify.is_empty() {
        let what = "publication waits until deployments are alerted, but no [notify.…] section says how";
        all.warn("embargo.publish_gate", what, "add a [notify.deployments] section");
    }
}

fn notify(policy: &Policy, all: &mut Findings) {
    for (audience, n) in &policy.notify {
        let key = |k: &str| format!("notify.{audience}.{k}");
        match (n.first_notice_min, n.final_notice_min) {
            (None, None) => {
                let what = "no lead time is given: a notice right before publication would do";
                all.warn(&format!("notify.{audience}"), what, "set first_notice_min, for example \"7d\"");
            }
            (Some(first), Some(last)) if last > first => {
                let what =
                    format!("the last notice ({}) is due before the first ({})", show(last), show(first));
                all.error(&key("final_notice_min"), what, "make final_notice_min at most first_notice_min");
            }
            _ => {}
        }
        if let Some(first) = n.first_notice_min {
            notice_and_release(policy, first, &key("first_notice_min"), all);
        }
        if n.violation == Some(Strictness::Block) && n.waiver_quorum.is_none() {
            let what = "a date that is too near is refused, and nobody can waive that";
            all.warn(&key("violation"), what, "set waiver_quorum, or violation = \"warn\"");
        }
        if let Some(list) = &n.list {
            match policy.list.get(list).map(|l| l.kind) {
                None => {
                    let what = format!(
                        "the notice goes to the list \"{list}\", which this policy does not describe"
                    );
                    all.warn(&key("list"), what, format!("add [list.{list}] here and in relay.toml"));
                }
                Some(ListKind::Public) => {
                    let what = format!(
                        "the notice goes to \"{list}\", which is public: that is the disclosure itself"
                    );
                    all.error(&key("list"), what, "name an announce list");
                }
                Some(_) => {}
            }
        }
    }
}

/// A release before the notice time is over can never comply, and the last day has a last day for its notice.
fn notice_and_release(policy: &Policy, first: Duration, key: &str, all: &mut Findings) {
    let e = &policy.embargo;
    let days = first.as_secs().div_ceil(DAY);
    let notice = show(first);
    if let Some(max) = e.max_days.map(|d| u64::from(d.get()))
        && max < days
    {
        let what =
            format!("publication is due by day {max} but needs {notice} notice: no release can ever comply");
        all.error(key, what, "raise embargo.max_days or shorten the notice");
        return;
    }
    let mut what = Vec::new();
    if let Some(min) = e.min_days
        && u64::from(min.get()) < days
    {
        what.push(format!("publication is allowed from day {min}, but before day {days} it can never comply with {notice} notice"));
    }
    if let Some(max) = e.max_days.map(|d| u64::from(d.get())) {
        what.push(format!(
            "for publication on day {max} the notice is due by day {}",
            max.saturating_sub(days)
        ));
    }
    if !what.is_empty() {
        all.warn(
            key,
            what.join("; "),
            "plan the notice from the first day; an earlier release needs a waiver",
        );
    }
}

fn publish(policy: &Policy, all: &mut Findings) {
    for channel in &policy.publish.channels {
        let Channel::Mail(list) = channel else { continue };
        match policy.list.iter().find(|(name, _)| name.as_str() == list) {
            Some((_, rules)) if rules.kind == ListKind::Public => {}
            Some(_) => {
                let what = format!("\"mail:{list}\" publishes to a list that is not public");
                all.warn("publish.channels", what, "name a list of kind \"public\"");
            }
            None => {
                let what = format!("\"mail:{list}\" publishes to a list that this policy does not describe");
                all.warn("publish.channels", what, format!("add [list.{list}] with kind = \"public\""));
            }
        }
    }
}

fn lists(policy: &Policy, all: &mut Findings) {
    for (name, rules) in &policy.list {
        let allowed = posters(rules.kind);
        if let Some(wrong) = rules.posters.iter().find(|p| !allowed.contains(p)) {
            let words: Vec<_> = allowed.iter().map(|p| format!("\"{}\"", p.as_str())).collect();
            let what =
                format!("\"{}\" cannot post to a list of kind \"{}\"", wrong.as_str(), rules.kind.as_str());
            all.error(&format!("list.{name}.posters"), what, format!("allowed here: {}", words.join(", ")));
        }
        let Some(team) = &rules.team else { continue };
        let key = format!("list.{name}.team");
        if rules.kind != ListKind::Announce {
            all.error(
                &key,
                "only an announce list names a team",
                "leave the key out, or make it kind = \"announce\"",
            );
        } else if policy.list.get(team).is_some_and(|t| t.kind != ListKind::Intake) {
            all.error(&key, format!("\"{team}\" is no intake list and has no team"), "name an intake list");
        }
    }
}

/// Who may post to a list of this kind at all.
fn posters(kind: ListKind) -> &'static [Poster] {
    match kind {
        ListKind::Intake => &[Poster::Anyone],
        ListKind::Announce => &[Poster::Team],
        ListKind::Discuss => &[Poster::Members],
        ListKind::Public => &[Poster::Relay],
    }
}

fn team(policy: &Policy, all: &mut Findings) {
    let t = &policy.team;
    if t.journal_head_every == Some(Period::Off) {
        let what = "nobody is told where the journal ends: that its tail was cut, or all of it written anew, shows nowhere";
        all.warn("team.journal_head_every", what, "leave it out, for 24 hours, or keep heads yourselves");
    }
    if let (Some(min), Some(max)) = (t.min, t.max)
        && min > max
    {
        let what = format!("min = {min} is more than max = {max}: no team fits");
        all.error("team.min", what, "make min at most max");
    }
    let seats: u64 = t.composition.iter().filter(|s| s.not_same_person).map(|s| u64::from(s.min.get())).sum();
    if let Some(max) = t.max
        && seats > u64::from(max.get())
    {
        let what = format!("the seats for different persons are {seats}, the team has at most {max}");
        all.error("team.composition", what, "raise team.max or ask for fewer seats");
    }
    let m = &policy.membership;
    for (key, what, quorum) in [
        ("membership.removal_quorum", "removal", m.removal_quorum),
        ("membership.approval_quorum", "approval", m.approval_quorum),
    ] {
        if let (Some(quorum), Some(max)) = (quorum, t.max)
            && quorum > max
        {
            let what = format!("{what} needs {quorum} of a team of at most {max}");
            all.error(key, what, "make it at most team.max");
        }
    }
    terms(t, all);
}

fn terms(t: &Team, all: &mut Findings) {
    let Some(term) = t.term else {
        if !t.remind.is_empty() || t.grace.is_some() {
            let what = "the end of a term is spoken of, but there are no terms";
            all.warn("team.remind", what, "set team.term, or leave remind and grace out");
        }
        return;
    };
    if let Some(early) = t.remind.iter().find(|before| **before >= term) {
        let what = format!("a reminder comes {} before the end of a term of {}", show(*early), show(term));
        all.warn("team.remind", what, "make it shorter than team.term");
    }
}

fn moderation(policy: &Policy, all: &mut Findings) {
    let m = &policy.moderation;
    match (m.hold_expires, m.hold_remind) {
        (None, Some(_)) => {
            let what = "the team would be reminded of a time that never runs out";
            all.warn("moderation.hold_remind", what, "set hold_expires, or leave the key out");
        }
        (Some(expires), Some(remind)) if remind >= expires => {
            let what = format!(
                "held mail is dropped after {}, and reminded of {} before",
                show(expires),
                show(remind)
            );
            all.warn("moderation.hold_remind", what, "make it shorter than hold_expires");
        }
        _ => {}
    }
}

fn membership(policy: &Policy, all: &mut Findings) {
    let m = &policy.membership;
    let known = |name: &str| CRITERIA.contains(&name) || m.own.contains_key(name);
    for unknown in m.criteria.iter().filter(|c| !known(c.as_str())) {
        let what = format!("the criterion \"{unknown}\" is unknown, expected one of {}", CRITERIA.join(", "));
        all.error("membership.criteria", what, format!("or give its wording: own = {{ {unknown} = \"…\" }}"));
    }
    let vouched = m.criteria.iter().any(|c| c.as_str() == "vouched");
    if vouched && m.vouchers_required.is_none() {
        all.warn(
            "membership.criteria",
            "\"vouched\" asks for vouchers, but not how many",
            "set vouchers_required",
        );
    }
    if m.vouchers_required.is_some() && !vouched {
        let what = "vouchers are counted, but \"vouched\" is no criterion";
        all.warn("membership.vouchers_required", what, "add \"vouched\" to criteria, or leave the key out");
    }
    if m.vouchers_required.is_some() && m.founding_quorum.is_none() {
        let what = "on a list without members nobody can vouch: its first ones can only be added by hand";
        all.warn("membership.vouchers_required", what, "set founding_quorum, or add them with `member add`");
    }
    if m.role_address_only == Some(true) && m.role_words.is_empty() && m.freemail_domains.is_empty() {
        let what = "role addresses are wanted, but nothing says what makes one: no address is flagged";
        all.warn("membership.role_address_only", what, "set role_words and freemail_domains");
    }
    if m.not_role_address.is_some() && m.role_address_only != Some(true) {
        let what = "it says what an address that is no role address does, but role addresses are not wanted";
        all.warn("membership.not_role_address", what, "set role_address_only = true, or leave the key out");
    }
    if let (Some(every), Some(answer)) = (m.alias_probe_every, m.alias_probe_answer)
        && answer >= every
    {
        let what =
            format!("a probe may be answered for {}, the next comes after {}", show(answer), show(every));
        all.warn("membership.alias_probe_answer", what, "make it shorter than alias_probe_every");
    }
}

#[cfg(test)]
mod tests;
