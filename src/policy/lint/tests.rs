//! What is found in policies that cannot be kept.

use super::*;

fn told(text: &str) -> String {
    let policy = Policy::parse(&format!("[policy]\nid = \"x\"\nversion = \"1\"\n{text}")).unwrap();
    let lines = policy.lint().into_iter();
    lines.map(|f| format!("{} {}: {}\n", f.severity, f.key.join("."), f.what)).collect()
}

#[test]
fn notice_and_release_days_are_weighed_against_each_other() {
    let text = "[embargo]\nmin_days = 1\nmax_days = 21\n[notify.d]\nfirst_notice_min = \"7d\"";
    let what = told(text);
    assert!(what.starts_with("warning notify.d.first_notice_min"), "{what}");
    assert!(what.contains("before day 7 it can never comply with 7d notice"), "{what}");
    assert!(what.contains("for publication on day 21 the notice is due by day 14"), "{what}");
    let never = told("[embargo]\nmax_days = 5\n[notify.d]\nfirst_notice_min = \"7d\"");
    assert!(never.starts_with("error") && never.contains("no release can ever comply"), "{never}");
    assert_eq!(told("[notify.d]\nfirst_notice_min = \"7d\""), "", "without days there is nothing to weigh");
}

#[test]
fn bounds_that_exclude_each_other_are_errors() {
    assert!(told("[embargo]\nmin_days = 9\nmax_days = 8").starts_with("error embargo.min_days"));
    assert!(told("[team]\nmin = 5\nmax = 4").starts_with("error team.min"));
    let seats = "[team]\nmax = 1\ncomposition = [{ role = \"a\", min = 2, not_same_person = true }]";
    assert!(told(seats).starts_with("error team.composition"));
    assert!(told("[team]\nmax = 1\n[membership]\nremoval_quorum = 2").contains("removal needs 2"));
    let notice = "[notify.d]\nfirst_notice_min = \"1d\"\nfinal_notice_min = \"2d\"";
    assert!(told(notice).starts_with("error notify.d.final_notice_min"));
}

#[test]
fn a_criterion_is_known_or_worded() {
    let unknown = told("[membership]\ncriteria = [\"tall\"]");
    assert!(unknown.starts_with("error") && unknown.contains("monitored-alias"), "{unknown}");
    assert_eq!(told("[membership]\ncriteria = [\"tall\"]\nown = { tall = \"Is tall\" }"), "");
}

#[test]
fn who_wants_vouchers_says_who_lets_the_first_in() {
    let rules = "[membership]\ncriteria = [\"vouched\"]\nvouchers_required = 1";
    let by_hand = told(rules);
    assert!(by_hand.starts_with("warning membership.vouchers_required"), "{by_hand}");
    assert!(by_hand.contains("added by hand") && by_hand.lines().count() == 1, "{by_hand}");
    assert_eq!(told(&format!("{rules}\nfounding_quorum = 2")), "");
    assert_eq!(told("[membership]\ncriteria = [\"accept-embargo\"]\n[terms]\ntext = \"a.md\""), "");
}

#[test]
fn who_wants_role_addresses_says_what_makes_one() {
    let nothing = told("[membership]\nrole_address_only = true");
    assert!(nothing.starts_with("warning membership.role_address_only"), "{nothing}");
    assert_eq!(told("[membership]\nrole_address_only = true\nrole_words = [\"psirt\"]"), "");
    let idle = told("[membership]\nnot_role_address = \"block\"");
    assert!(idle.contains("role addresses are not wanted"), "{idle}");
}

#[test]
fn posters_and_teams_fit_the_kind() {
    assert!(told("[list.a]\nkind = \"announce\"\nposters = [\"anyone\"]").contains("cannot post"));
    assert!(told("[list.a]\nkind = \"discuss\"\nteam = \"b\"").contains("only an announce list"));
    let no_intake = "[list.a]\nkind = \"announce\"\nteam = \"b\"\n[list.b]\nkind = \"discuss\"";
    assert!(told(no_intake).contains("no intake list"));
}

#[test]
fn notices_and_publications_go_to_lists_that_fit() {
    assert!(told("[notify.d]\nfirst_notice_min = \"1d\"\nlist = \"x\"").starts_with("warning notify.d.list"));
    let leak = "[notify.d]\nfirst_notice_min = \"1d\"\nlist = \"x\"\n[list.x]\nkind = \"public\"";
    assert!(told(leak).starts_with("error notify.d.list"));
    let closed = "[publish]\nchannels = [\"mail:x\"]\n[list.x]\nkind = \"intake\"";
    assert!(told(closed).contains("not public"));
}

#[test]
fn clocks_run_in_order() {
    let late = "[intake]\nack_human_deadline = \"24h\"\nack_remind_at = \"30h\"\nack_escalate_at = \"26h\"";
    assert_eq!(told(late).lines().count(), 3, "{}", told(late));
    let probe = "[membership]\nalias_probe_every = \"7d\"\nalias_probe_answer = \"7d\"";
    assert!(told(probe).contains("the next comes after 7d"));
}
