//! The two policies that come with the program say what the published ones say, and mark what is ours.

use std::collections::BTreeMap;

use vouchsafe::init::Preset;
use vouchsafe::policy::{Policy, Severity};

/// A figure, and whether the published policy has it.
type Figures = &'static [(&'static str, &'static str, bool)];

const PUBLISHED: bool = true;
const OURS: bool = false;

const KUBEEDGE: Figures = &[
    ("breach.report_deadline", "1h", OURS),
    ("breach.strikes_to_removal_vote", "2", OURS),
    ("embargo.max_days", "21", PUBLISHED),
    ("embargo.min_days", "1", PUBLISHED),
    ("intake.ack_escalate_at", "24h", PUBLISHED),
    ("intake.ack_human_deadline", "24h", PUBLISHED),
    ("intake.ack_remind_at", "18h", OURS),
    ("membership.alias_probe_answer", "7d", OURS),
    ("membership.alias_probe_every", "90d", OURS),
    ("membership.alias_probe_misses", "2", OURS),
    ("membership.application_period", "60d", OURS),
    ("membership.approval_quorum", "2", OURS),
    ("membership.ballot_closes", "14d", OURS),
    ("membership.ballot_kept", "1y", OURS),
    ("membership.cure_period", "14d", OURS),
    ("membership.founding_quorum", "2", OURS),
    ("membership.open_applications", "50", OURS),
    ("membership.removal_quorum", "2", OURS),
    ("membership.review_every", "365d", OURS),
    ("membership.stranger_letters_per_day", "50", OURS),
    ("membership.voucher_period", "30d", OURS),
    ("membership.vouchers_required", "1", PUBLISHED),
    ("moderation.hold_expires", "30d", OURS),
    ("moderation.hold_remind", "3d", OURS),
    ("notify.distributors.final_notice_min", "24h", PUBLISHED),
    ("notify.distributors.first_notice_min", "7d", PUBLISHED),
    ("notify.distributors.waiver_quorum", "2", OURS),
    ("publish.backport_minors", "3", PUBLISHED),
    ("terms.deadline", "30d", OURS),
];

const EDGEX: Figures = &[
    ("moderation.hold_expires", "30d", OURS),
    ("moderation.hold_remind", "3d", OURS),
    ("team.approval.quorum", "2", OURS),
    ("team.grace", "14d", OURS),
    ("team.journal_head_every", "24h", OURS),
    ("team.max", "4", PUBLISHED),
    ("team.min", "3", PUBLISHED),
    ("team.term", "1y", PUBLISHED),
    ("third_party.monitor_every", "7d", OURS),
    ("triage.meeting_deadline", "7d", PUBLISHED),
];

/// Every number and duration of a file, by its key.
fn figures(table: &toml::Table, path: &str, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Integer(n) => drop(into.insert(path, n.to_string())),
            toml::Value::String(text) if vouchsafe::policy::duration::parse(text).is_ok() => {
                into.insert(path, text.clone());
            }
            toml::Value::Table(inner) => figures(inner, &path, into),
            _ => {}
        }
    }
}

#[test]
fn every_figure_is_the_published_one_or_marked_as_ours() {
    for (preset, expected) in [(Preset::KubeEdge, KUBEEDGE), (Preset::EdgeX, EDGEX)] {
        let mut found = BTreeMap::new();
        figures(&preset.policy().parse().unwrap(), "", &mut found);
        let all: BTreeMap<_, _> =
            expected.iter().map(|(k, v, _)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(found, all, "{}", preset.name());
        for (key, value, published) in expected {
            let key = key.rsplit('.').next().unwrap();
            let is_set = |l: &&str| l.starts_with(&format!("{key} =")) || l.contains(&format!(", {key} ="));
            let mut lines = preset.policy().lines().filter(is_set);
            let line = lines.find(|l| l.contains(value)).unwrap();
            assert_eq!(line.contains("(ours)"), !published, "{line}");
        }
    }
}

#[test]
fn kubeedge_has_its_eight_criteria_and_edgex_its_seats() {
    let kubeedge = Policy::parse(Preset::KubeEdge.policy()).unwrap();
    let criteria: Vec<_> = kubeedge.membership.criteria.iter().map(|c| c.as_str()).collect();
    assert_eq!(criteria, vouchsafe::policy::CRITERIA);
    assert_eq!(
        kubeedge.team,
        vouchsafe::policy::Team::default(),
        "it says nothing about the size of its team"
    );

    let edgex = Policy::parse(Preset::EdgeX.policy()).unwrap();
    assert_eq!(edgex.embargo.max_days, None, "its team determines the time");
    assert_eq!(edgex.team.composition.iter().map(|s| s.min.get()).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(edgex.policy.approved_on.unwrap().to_string(), "2019-05-20");
    assert!(edgex.membership.criteria.is_empty());
}

#[test]
fn what_does_not_add_up_is_a_warning_and_nothing_else() {
    let findings = |preset: Preset| {
        let all = Policy::parse(preset.policy()).unwrap().lint();
        assert!(all.iter().all(|f| f.severity == Severity::Warning), "{all:?}");
        all.into_iter().map(|f| (f.key.join("."), f.what)).collect::<Vec<_>>()
    };
    let kubeedge = findings(Preset::KubeEdge);
    assert_eq!(kubeedge.len(), 1, "{kubeedge:?}");
    assert_eq!(kubeedge[0].0, "notify.distributors.first_notice_min");
    assert!(kubeedge[0].1.contains("before day 7") && kubeedge[0].1.contains("by day 14"), "{kubeedge:?}");
    let edgex: Vec<_> = findings(Preset::EdgeX).into_iter().map(|(key, _)| key).collect();
    assert_eq!(edgex, ["notify.deployments", "notify.deployments.list"]);
}

#[test]
fn both_go_round_through_the_loader() {
    for preset in [Preset::KubeEdge, Preset::EdgeX] {
        let policy = Policy::parse(preset.policy()).unwrap();
        assert_eq!(Policy::parse(&toml::to_string(&policy).unwrap()).unwrap(), policy);
        assert!(!policy.without_effect().is_empty());
        assert!(!policy.without_effect().contains(&"list.*.kind"));
    }
}
