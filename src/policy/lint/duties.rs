//! Rules about what members accept, whether their addresses are read, and leaks.

use std::time::Duration;

use crate::policy::Policy;
use crate::policy::duration::show;

/// Warnings about what members accept and whether their addresses are read: the key, what is the matter, what can be done.
pub(super) fn duties(policy: &Policy) -> Vec<(&'static str, String, &'static str)> {
    let mut all = Vec::new();
    let mut warn = |key, what: String, remedy| all.push((key, what, remedy));
    let (m, t) = (&policy.membership, &policy.terms);
    if t.text.is_none() && m.criteria.iter().any(|c| c.as_str() == "accept-embargo") {
        let what = "\"accept-embargo\" is a criterion, but no text is named that is accepted".to_owned();
        warn("membership.criteria", what, "name it: [terms] text = \"FILE\"");
    }
    if t.text.is_none() && (t.version.is_some() || t.deadline.is_some()) {
        warn(
            "terms",
            "no text is named, so nobody is asked to accept any".to_owned(),
            "set terms.text, or leave the section out",
        );
    }
    let late = |remind: &[Duration], all: Option<Duration>| {
        remind.iter().copied().find(|r| all.is_none_or(|all| *r >= all))
    };
    if let Some(remind) = late(&t.remind, t.deadline) {
        let what = format!("a reminder {} before the deadline would come before the question", show(remind));
        warn("terms.remind", what, "make it shorter than terms.deadline");
    }
    if let Some(remind) = late(&m.alias_probe_remind, m.alias_probe_answer) {
        let what = format!("a reminder {} before the end would come before the question", show(remind));
        warn("membership.alias_probe_remind", what, "make it shorter than alias_probe_answer");
    }
    if m.alias_probe_every.is_some() && m.alias_probe_answer.is_none() {
        let what = "it is not said how long an answer may take, so nobody is asked".to_owned();
        warn("membership.alias_probe_every", what, "set alias_probe_answer");
    }
    if m.alias_probe_removal == Some(true) && m.removal_quorum.is_none() {
        let what = "no quorum decides on a removal, so none is asked for".to_owned();
        warn("membership.alias_probe_removal", what, "set removal_quorum");
    }
    if m.alias_probe_every.is_some() && m.alias_probe_misses.is_none() {
        let what = "whoever never answers stays a member all the same".to_owned();
        warn("membership.alias_probe_every", what, "set alias_probe_misses");
    }
    if policy.breach.report_deadline.is_some() && policy.breach.report_fields.is_empty() {
        let what = "a report of a leak is due in time, but nothing is demanded of it".to_owned();
        warn("breach.report_deadline", what, "set breach.report_fields");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let policy = Policy::parse(&format!("[policy]\nid = \"x\"\nversion = \"1\"\n{text}")).unwrap();
        duties(&policy).into_iter().map(|(key, what, _)| format!("warning {key}: {what}\n")).collect()
    }

    #[test]
    fn duties_without_an_end_are_named() {
        let told_of = |text: &str, key: &str| told(text).contains(&format!("warning {key}"));
        assert!(told_of("[membership]\ncriteria = [\"accept-embargo\"]", "membership.criteria"));
        assert!(told_of("[terms]\ndeadline = \"7d\"", "terms"));
        assert!(told("[membership]\nalias_probe_every = \"90d\"").contains("so nobody is asked"));
        assert!(told("[membership]\nalias_probe_removal = true").contains("none is asked for"));
        let probe = "[membership]\nalias_probe_every = \"90d\"\nalias_probe_answer = \"7d\"\nalias_probe_remind = [\"7d\"]";
        assert_eq!(told(probe).lines().count(), 2, "no misses, and a late reminder: {}", told(probe));
        assert!(told_of("[breach]\nreport_deadline = \"1h\"", "breach.report_deadline"));
    }
}
