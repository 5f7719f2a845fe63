//! What this release does not act on yet. A rule that is written down but not enforced must be known as such.

use toml::Value;

use super::file::Policy;

/// Every key without effect; `*` stands for any name. Whoever makes a key work takes it out here, and nowhere else.
const WITHOUT_EFFECT: &[&str] = &[
    "embargo.clock_start",
    "embargo.max_days",
    "embargo.max_days_is",
    "embargo.min_days",
    "embargo.negotiate",
    "embargo.publish_gate",
    "intake.ack_after",
    "intake.ack_auto",
    "intake.ack_escalate_at",
    "intake.ack_human_deadline",
    "intake.ack_remind_at",
    "intake.publish_member_contacts",
    "intake.required_fields",
    "list.*.reply",
    "meetings.major_levels",
    "meetings.wg_weekly",
    "notify.*.final_notice_min",
    "notify.*.first_notice_min",
    "notify.*.list",
    "notify.*.required",
    "notify.*.violation",
    "notify.*.waiver_quorum",
    "notify.*.wanted",
    "publish.backport_minors",
    "publish.channels",
    "publish.release_known_issues_page",
    "publish.release_notes_link_required",
    "publish.report",
    "publish.required",
    "severity_route.critical",
    "severity_route.high",
    "severity_route.low",
    "severity_route.medium",
    "team.qualifications",
    "team.selection",
    "third_party.feeds",
    "third_party.fix_owner",
    "third_party.monitor_every",
    "third_party.same_procedure",
    "third_party.scanners",
    "tracker.fix_later_assignee",
    "tracker.label",
    "tracker.public_while_embargoed",
    "triage.already_public_route",
    "triage.cvss_versions",
    "triage.levels",
    "triage.meeting_deadline",
    "triage.meeting_deadline_is",
    "triage.reactions",
    "triage.severity_basis",
];

pub(super) fn without_effect(policy: &Policy) -> Vec<&'static str> {
    let Ok(set) = Value::try_from(policy) else {
        return WITHOUT_EFFECT.to_vec();
    };
    WITHOUT_EFFECT.iter().copied().filter(|key| is_set(&set, &mut key.split('.'))).collect()
}

fn is_set<'k>(value: &Value, path: &mut (impl Iterator<Item = &'k str> + Clone)) -> bool {
    match (path.next(), value) {
        (None, Value::Array(items)) => !items.is_empty(),
        (None, Value::Table(table)) => !table.is_empty(),
        (None, _) => true,
        (Some("*"), Value::Table(table)) => table.values().any(|inner| is_set(inner, &mut path.clone())),
        (Some(key), Value::Table(table)) => table.get(key).is_some_and(|inner| is_set(inner, path)),
        (Some(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that do something, or that only name the policy.
    const WITH_EFFECT: &[&str] = &[
        "membership.vouchers_required",
        "membership.voucher_same_org",
        "membership.voucher_period",
        "membership.voucher_removed",
        "membership.open_applications",
        "membership.stranger_letters_per_day",
        "membership.application_period",
        "membership.founding_quorum",
        "membership.criteria",
        "membership.own",
        "moderation.hold_expires",
        "moderation.hold_remind",
        "policy.id",
        "policy.version",
        "policy.approved_by",
        "policy.approved_on",
        "list.*.kind",
        "list.*.team",
        "list.*.posters",
        "team.journal_head_every",
        "membership.review_every",
        "membership.role_address_only",
        "membership.role_words",
        "membership.freemail_domains",
        "membership.not_role_address",
        "breach.report_deadline",
        "breach.report_fields",
        "breach.strikes_to_removal_vote",
        "membership.alias_probe_answer",
        "membership.alias_probe_every",
        "membership.alias_probe_misses",
        "membership.alias_probe_remind",
        "membership.alias_probe_return",
        "membership.alias_probe_removal",
        "terms.text",
        "terms.version",
        "terms.deadline",
        "terms.remind",
        "membership.approval_quorum",
        "membership.one_vote_per_org",
        "membership.ballot_closes",
        "membership.ballot_kept",
        "membership.removal_quorum",
        "membership.cure_period",
        "team.min",
        "team.max",
        "team.term",
        "team.composition",
        "team.approval",
        "team.replacement_by",
        "team.remind",
        "team.grace",
    ];

    /// Every key there is, once.
    const EVERYTHING: &str = include_str!("../../tests/data/every-key.toml");

    fn keys(policy: &Policy) -> Vec<String> {
        let mut all = Vec::new();
        let table = toml::Table::try_from(policy).unwrap();
        for (section, inner) in &table {
            for (key, value) in inner.as_table().unwrap() {
                if matches!(section.as_str(), "list" | "notify") {
                    all.extend(value.as_table().unwrap().keys().map(|k| format!("{section}.*.{k}")));
                } else {
                    all.push(format!("{section}.{key}"));
                }
            }
        }
        all
    }

    #[test]
    fn every_key_either_works_or_is_known_not_to() {
        let policy = Policy::parse(EVERYTHING).unwrap();
        for key in keys(&policy) {
            let (with, without) = (WITH_EFFECT.contains(&&*key), WITHOUT_EFFECT.contains(&&*key));
            assert!(with != without, "{key}: with effect {with}, without {without}");
        }
        assert_eq!(policy.without_effect(), WITHOUT_EFFECT, "a name in the list that is no key");
    }

    #[test]
    fn only_keys_that_are_set_are_named() {
        let policy =
            Policy::parse("[policy]\nid = \"x\"\nversion = \"1\"\n[embargo]\nmax_days = 21\n").unwrap();
        assert_eq!(policy.without_effect(), ["embargo.max_days"]);
    }
}
