//! Answers: what is shown, what is asked of the person, and which exit code a script sees.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use vouchsafe::cli::{self, Terminal};
use vouchsafe::control::wire::{
    Answer, ChainRow, CriterionRow, ErrorKind, HoldRow, JournalRow, ListRow, MemberRow, OrgRow, Page,
    ParcelRow, Part, RegisterRow, Request, Secret, TeamRequest,
};

use vouchsafe::pgp::open::{Closed, Why};
use vouchsafe::relay::gate::Reason;

use super::{CERT, Daemon, admin};

#[test]
fn what_cannot_be_undone_needs_consent() {
    let daemon = Daemon::obliging();
    for line in [
        "member remove d p@x.example",
        "team remove d p@x.example",
        "hold release ID",
        "hold drop ID",
        "queue drop ID",
    ] {
        let failure = daemon.run(line).unwrap_err();
        assert_eq!(failure.exit_code(), 64, "{line}");
        assert!(failure.to_string().contains("--yes"), "{failure}");
        let no = Terminal::saying(|_| Some(false), |_| None);
        assert_eq!(daemon.run_before(line, &no).unwrap_err().exit_code(), 75, "{line}");
        assert_eq!(daemon.asked(), Vec::<Value>::new(), "{line}: the daemon hears of it only after a yes");
        let yes = Terminal::saying(|question| Some(question.ends_with("Go on?")), |_| None);
        assert_eq!(daemon.run_before(line, &yes).unwrap(), "done\n");
        assert_eq!(daemon.asked().len(), 1, "{line}");
    }
}

#[test]
fn another_fingerprint_needs_consent_and_the_same_one_does_not() {
    let other = Daemon::saying(|request| match request {
        Request::MemberSetCert { confirm_other: false, .. } => {
            Answer::Confirm { what: "AAAA takes the place of BBBB.".to_owned() }
        }
        _ => Answer::Done { what: "set".to_owned(), remarks: vec!["it expires soon".to_owned()] },
    });
    let line = "member set-cert d p@x.example --cert CERT";
    let failure = other.run(line).unwrap_err();
    assert_eq!(failure.exit_code(), 64);
    assert!(failure.to_string().contains("AAAA takes the place of BBBB."), "{failure}");
    assert_eq!(other.asked().len(), 1, "asked, and not asked again");
    let yes = Terminal::saying(|question| Some(question.contains("BBBB")), |_| None);
    assert_eq!(other.run_before(line, &yes).unwrap(), "set\nnote: it expires soon\n");
    let confirmed: Vec<Value> =
        other.asked().iter().map(|r| r["member_set_cert"]["confirm_other"].clone()).collect();
    assert_eq!(confirmed, [json!(false), json!(true)]);
    assert_eq!(Daemon::obliging().run(line).unwrap(), "done\n");
}

#[test]
fn an_encrypted_key_has_its_passphrase_asked_for() {
    let daemon = Daemon::saying(|request| match request {
        Request::KeyImport { passphrase: None, .. } => Answer::PassphraseNeeded,
        _ => Answer::Done { what: "imported".to_owned(), remarks: Vec::new() },
    });
    let failure = daemon.run("key import sec CERT").unwrap_err();
    assert_eq!(failure.exit_code(), 64);
    assert!(failure.to_string().contains("--passphrase-file"), "{failure}");
    daemon.asked();
    let typing = Terminal::saying(|_| None, |_| Some(Secret::new(b"hunter2".to_vec())));
    assert_eq!(daemon.run_before("key import sec CERT", &typing).unwrap(), "imported\n");
    let passphrases: Vec<Value> =
        daemon.asked().iter().map(|r| r["key_import"]["passphrase"].clone()).collect();
    assert_eq!(passphrases, [Value::Null, json!("aHVudGVyMg==")]);
}

#[test]
fn another_key_for_a_list_needs_consent() {
    let daemon = Daemon::saying(|request| match request {
        Request::KeyImport { passphrase: None, .. } => Answer::PassphraseNeeded,
        Request::KeyImport { confirm: false, .. } => {
            Answer::Confirm { what: "Key AAAA takes the place of BBBB.".to_owned() }
        }
        _ => Answer::Done { what: "imported".to_owned(), remarks: Vec::new() },
    });
    let line = "key import sec CERT --passphrase-file PASS";
    let failure = daemon.run(line).unwrap_err();
    assert_eq!(failure.exit_code(), 64);
    assert!(failure.to_string().contains("BBBB") && failure.to_string().contains("--yes"), "{failure}");
    assert_eq!(daemon.asked().len(), 1, "asked, and not asked again");
    assert_eq!(daemon.run(&format!("{line} --yes")).unwrap(), "imported\n");
    let no = Terminal::saying(|_| Some(false), |_| None);
    assert_eq!(daemon.run_before(line, &no).unwrap_err().exit_code(), 75);
    daemon.asked();
    let typing = Terminal::saying(|q| Some(q.contains("BBBB")), |_| Some(Secret::new(b"hunter2".to_vec())));
    assert_eq!(daemon.run_before("key import sec CERT", &typing).unwrap(), "imported\n");
    let confirmed: Vec<Value> = daemon.asked().iter().map(|r| r["key_import"]["confirm"].clone()).collect();
    assert_eq!(confirmed, [json!(false), json!(false), json!(true)], "the passphrase comes first");
}

#[test]
fn a_refusal_is_told_with_its_exit_code() {
    let daemon = Daemon::saying(|_| Answer::Error {
        code: ErrorKind::NotFound,
        what: "there is no list \"\u{1b}[31mx\"".to_owned(),
        why: "lists are in the configuration".to_owned(),
        next: "see `vouchsafe list ls`".to_owned(),
    });
    let failure = daemon.run("list show x").unwrap_err();
    assert_eq!(failure.exit_code(), 66);
    let expected = "error: there is no list \"\\u{1b}[31mx\"\n  why: lists are in the configuration\n  next: see `vouchsafe list ls`";
    assert_eq!(failure.to_string(), expected);
}

#[test]
fn without_a_daemon_the_socket_and_the_remedy_are_named() {
    let socket = Path::new("/nonexistent/control.sock");
    let failure = cli::run_with(admin("list ls"), socket, &mut Vec::new(), &Terminal::none()).unwrap_err();
    assert_eq!(failure.exit_code(), 69);
    let text = failure.to_string();
    assert!(
        text.contains("/nonexistent/control.sock") && text.contains("systemctl start vouchsafe"),
        "{text}"
    );
}

#[test]
fn an_answer_that_does_not_belong_is_a_fault() {
    let daemon = Daemon::saying(|_| Answer::PassphraseNeeded);
    for line in ["list ls", "status", "member show d p@x.example", "list pause d", "queue ls"] {
        assert_eq!(daemon.run(line).unwrap_err().exit_code(), 70, "{line}");
    }
}

/// The names of an object's fields.
fn fields(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has(object: &Value, names: &[&str]) {
    let there = fields(object);
    assert!(names.iter().all(|name| there.contains(name)), "{there:?}");
}

#[test]
fn json_has_the_fields_that_scripts_read() {
    let daemon = Daemon::saying(|request| match request {
        Request::ListLs => Answer::Lists(vec![ListRow::default(), ListRow::default()]),
        Request::ListShow { .. } => Answer::List(Box::default()),
        Request::MemberLs { .. } => {
            Answer::Members(vec![MemberRow { org: Some("acme".to_owned()), ..MemberRow::default() }])
        }
        Request::Team(TeamRequest::Ls { .. }) => {
            let (name, role) = (Some("Ada".to_owned()), Some("lead".to_owned()));
            Answer::Members(vec![MemberRow { name, role, ..MemberRow::default() }])
        }
        Request::HoldLs { .. } => Answer::Holds(Page { rows: vec![HoldRow::default()], more: None }),
        Request::QueueShow { .. } => Answer::Parcel(Box::default()),
        _ => Answer::Journal(Page {
            rows: vec![JournalRow { event: json!({ "kind": "arrived" }), ..JournalRow::default() }],
            more: None,
        }),
    });
    let read = |line: &str| serde_json::from_str::<Value>(&daemon.run(line).unwrap()).unwrap();
    let lists = read("list ls --json");
    assert_eq!(lists.as_array().unwrap().len(), 2);
    has(&lists[0], &["name", "address", "kind", "fingerprint"]);
    has(&read("list show d --json"), &["name", "address", "kind", "fingerprint"]);
    let member = [
        "list",
        "id",
        "address",
        "fingerprint",
        "standing",
        "can_receive",
        "problem",
        "expires",
        "days_left",
        "outlook",
    ];
    has(&read("member ls --json")[0], &member);
    assert_eq!(read("member ls --json")[0]["org"], "acme");
    has(&read("team ls --json")[0], &member);
    has(&read("team ls --json")[0], &["name", "role", "org"]);
    has(&read("hold ls --json")[0], &["id", "list", "reason", "since", "signer", "size"]);
    let parcel = ["id", "list", "member", "recipient", "state", "attempts", "last", "next"];
    has(&read("queue show ID --json"), &parcel);
    has(&read("journal ls d --json")[0], &["list", "seq", "at", "actor", "event", "hash"]);
    assert_eq!(read("journal ls d --json")[0]["event"]["kind"], "arrived");
}

#[test]
fn every_reason_of_a_held_mail_is_explained_to_people() {
    let all = [
        Reason::NotEncrypted,
        Reason::Closed(Closed::NoKey),
        Reason::Structure,
        Reason::Unsigned,
        Reason::UnknownSigner,
        Reason::BadSignature(Why::Stale),
        Reason::NotAPoster,
        Reason::NoTeam,
        Reason::NoUsableKey,
        Reason::Quarantined,
    ];
    for reason in all {
        let daemon = Daemon::saying(move |_| {
            Answer::Hold(Box::new(HoldRow { reason: reason.to_string(), ..HoldRow::default() }))
        });
        let shown = daemon.run("hold show ID").unwrap();
        let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line("meaning").ends_with('.'), "{reason}: {shown}");
        assert_eq!(line("next").contains("hold release"), reason.releasable() && reason != Reason::Structure);
        let json: Value = serde_json::from_str(&daemon.run("hold show ID --json").unwrap()).unwrap();
        assert!(json.get("meaning").is_none());
    }
}

#[test]
fn a_long_queue_comes_page_by_page_as_one_array() {
    let daemon = Daemon::saying(|request| {
        let Request::QueueLs { after, .. } = request else { panic!("another request") };
        let start: u64 = after.as_deref().map_or(0, |a| a.parse().unwrap());
        let rows = (start..start + 500).map(|n| ParcelRow { id: n.to_string(), ..ParcelRow::default() });
        let more = (start < 1_000).then(|| (start + 500).to_string());
        Answer::Parcels(Page { rows: rows.collect(), more })
    });
    let rows: Vec<ParcelRow> = serde_json::from_str(&daemon.run("queue ls --json").unwrap()).unwrap();
    assert_eq!(rows.len(), 1_500);
    assert!(rows.iter().enumerate().all(|(n, row)| row.id == n.to_string()));
    let stuck = Daemon::saying(|_| Answer::Parcels(Page { rows: Vec::new(), more: Some("same".to_owned()) }));
    assert_eq!(stuck.run("queue ls").unwrap_err().exit_code(), 70, "a cursor that stands still ends");
}

#[test]
fn the_newest_entries_of_all_lists_are_in_the_order_of_time() {
    let daemon = Daemon::saying(|_| {
        let row = |list: &str, seq: u64, at: &str| JournalRow {
            list: list.to_owned(),
            seq,
            at: at.to_owned(),
            ..JournalRow::default()
        };
        let rows = vec![
            row("a", 1, "2026-01-01T00:00:00Z"),
            row("a", 2, "2026-01-03T00:00:00Z"),
            row("b", 7, "2026-01-02T00:00:00Z"),
            row("b", 8, "2026-01-03T00:00:00Z"),
        ];
        Answer::Journal(Page { rows, more: None })
    });
    let read = |line: &str| -> Vec<(String, u64)> {
        let rows: Vec<JournalRow> = serde_json::from_str(&daemon.run(line).unwrap()).unwrap();
        rows.into_iter().map(|row| (row.list, row.seq)).collect()
    };
    let expected = [("b".to_owned(), 7), ("a".to_owned(), 2), ("b".to_owned(), 8)];
    assert_eq!(read("journal ls --limit 3 --json"), expected);
}

#[test]
fn why_a_change_was_made_stands_beside_it() {
    let daemon = Daemon::saying(|_| {
        let row = |event: Value, reason: Option<&str>| JournalRow {
            event,
            reason: reason.map(ToOwned::to_owned),
            ..JournalRow::default()
        };
        let rows =
            vec![row(json!({ "kind": "paused" }), None), row(json!({ "kind": "roster" }), Some("told"))];
        Answer::Journal(Page { rows, more: None })
    });
    let text = daemon.run("journal ls").unwrap();
    assert!(text.contains("roster reason=told") && !text.contains("paused reason"), "{text}");
    let rows: Value = serde_json::from_str(&daemon.run("journal ls --json").unwrap()).unwrap();
    assert_eq!((&rows[0]["reason"], &rows[1]["reason"]), (&Value::Null, &json!("told")));
}

#[test]
fn a_broken_chain_or_a_lost_head_is_shown_and_fails() {
    let verify = |sound: bool, head_found: Option<bool>| {
        let daemon = Daemon::saying(move |_| Answer::Verified {
            chains: vec![ChainRow { list: "d".to_owned(), sound, ..ChainRow::default() }],
            head_found,
            done: Part::default(),
        });
        let mut out = Vec::new();
        let socket = daemon.dir.path().join("s");
        let code = cli::run_with(admin("journal verify"), &socket, &mut out, &Terminal::none())
            .map_or_else(|failure| failure.exit_code(), |()| 0);
        assert!(String::from_utf8(out).unwrap().contains('d'), "the table is shown in any case");
        code
    };
    assert_eq!(verify(true, None), 0);
    assert_eq!(verify(true, Some(true)), 0);
    assert_eq!(verify(true, Some(false)), 65);
    assert_eq!(verify(false, Some(true)), 65);
}

/// Goes on behind the cursors 1, 2 and 3.
fn next(after: Option<&String>) -> Option<String> {
    let at: u64 = after.map_or(0, |cursor| cursor.parse().unwrap());
    (at < 3).then(|| (at + 1).to_string())
}

#[test]
fn long_work_is_asked_for_part_by_part_and_added_up() {
    let daemon = Daemon::saying(|request| match request {
        Request::QueueRetryAll { after, .. } => {
            let done = Part { looked: 100, total: 400, more: next(after.as_ref()) };
            Answer::Retried { tried: 10, done }
        }
        Request::JournalVerify { after, .. } => {
            let more = next(after.as_ref());
            // The head is met in the second part, and a chain ends in the first and in the last.
            let ends = after.is_none() || more.is_none();
            let list = after.clone().unwrap_or_default();
            let chains = ends.then(|| ChainRow { list, sound: true, ..ChainRow::default() });
            let head_found = Some(after.as_deref() == Some("1"));
            Answer::Verified {
                chains: chains.into_iter().collect(),
                head_found,
                done: Part { looked: 1, total: 4, more },
            }
        }
        _ => panic!("nothing else is asked"),
    });
    assert_eq!(daemon.run("queue retry --all").unwrap(), "40 copies are tried now\n");
    assert_eq!(daemon.asked().len(), 4);
    let shown = daemon.run("journal verify --head abc --json").unwrap();
    let rows: Vec<ChainRow> = serde_json::from_str(&shown).unwrap();
    assert_eq!(rows.iter().map(|row| row.list.as_str()).collect::<Vec<_>>(), ["", "3"]);
    assert_eq!(daemon.asked().len(), 4);
}

#[test]
fn a_daemon_that_goes_round_in_circles_is_left() {
    let stuck = || Part { looked: 1, total: 4, more: Some("1".to_owned()) };
    let daemon = Daemon::saying(move |_| Answer::Retried { tried: 0, done: stuck() });
    assert_eq!(daemon.run("queue retry --all").unwrap_err().exit_code(), 70);
    assert_eq!(daemon.asked().len(), 2);
}

#[test]
fn an_exported_certificate_is_on_standard_output_and_nothing_else() {
    assert_eq!(Daemon::obliging().run("key export sec").unwrap(), format!("{CERT}\n"));
}

#[test]
fn whose_certificate_ends_is_shown_alone_and_told_by_the_exit_code() {
    let member = |address: &str, standing: &str, days_left| MemberRow {
        address: address.to_owned(),
        standing: standing.to_owned(),
        days_left,
        can_receive: days_left != Some(0),
        ..MemberRow::default()
    };
    let rows = move || {
        vec![
            member("gone@x.example", "active", Some(0)),
            member("soon@x.example", "active", Some(30)),
            member("late@x.example", "active", Some(31)),
            member("ever@x.example", "active", None),
            member("away@x.example", "suspended", Some(0)),
        ]
    };
    let daemon = Daemon::saying(move |_| Answer::Members(rows()));
    for noun in ["member", "team"] {
        assert!(daemon.run(&format!("{noun} ls")).unwrap().contains("ever@x.example"));
        let failure = daemon.run(&format!("{noun} ls --within 30")).unwrap_err();
        assert_eq!(failure.exit_code(), 65);
        assert!(
            failure.to_string().contains("2 cannot receive mail in 30 days, 1 of them not now"),
            "{failure}"
        );
        assert!(daemon.run(&format!("{noun} ls --within 0")).unwrap_err().to_string().contains("1 cannot"));
    }
    let none = Daemon::saying(|_| Answer::Members(vec![MemberRow::default()]));
    assert_eq!(none.run("member ls --within 365").unwrap(), "no members\n");
}

#[test]
fn organisations_that_need_a_look_are_shown_and_fail_the_command() {
    let org = |name: &str, overdue: u64, failing: u64| OrgRow {
        name: name.to_owned(),
        since: "2026-11-28T10:00:00Z".to_owned(),
        overdue,
        failing,
        ..OrgRow::default()
    };
    let all = vec![org("acme", 0, 0), org("late", 2, 0), org("poor", 1, 1)];
    let daemon = Daemon::saying(move |_| Answer::Orgs(all.clone()));
    let table = daemon.run("org ls").unwrap();
    assert_eq!(table.lines().count(), 4, "{table}");
    let marks: Vec<&str> = table.lines().skip(1).map(|line| line.split("  ").last().unwrap()).collect();
    assert_eq!(marks, ["-", "2 OVERDUE", "1 FAILING, 1 OVERDUE"]);
    let failure = daemon.run("org ls --overdue").unwrap_err();
    assert_eq!(failure.exit_code(), 65);
    assert!(failure.to_string().contains("2 organisations need a look"), "{failure}");
    let none = Daemon::saying(|_| Answer::Orgs(Vec::new()));
    assert_eq!(none.run("org ls --overdue").unwrap(), "no organisations\n");
}

#[test]
fn an_organisation_is_shown_with_its_criteria_and_what_fails_stands_out() {
    let criterion = |name: &str, state: &str, mark: Option<&str>| CriterionRow {
        list: "distrib".to_owned(),
        criterion: name.to_owned(),
        state: state.to_owned(),
        by: Some("ada".to_owned()),
        at: Some("2026-11-28T10:00:00Z".to_owned()),
        review: Some("2027-11-28T10:00:00Z".to_owned()),
        mark: mark.map(str::to_owned),
        ..CriterionRow::default()
    };
    let row = OrgRow {
        name: "acme".to_owned(),
        upstream: Some("Debian".to_owned()),
        upstream_org: Some("debian".to_owned()),
        criteria: vec![
            criterion("vouched", "met", None),
            criterion("not-downstream", "unmet", Some("FAILING")),
        ],
        ..OrgRow::default()
    };
    let daemon = Daemon::saying(move |_| Answer::Org(Box::new(row.clone())));
    let text = daemon.run("org show acme").unwrap();
    let expected = "\
LIST     CRITERION       STATE  BY   WHEN        REVIEW      MARK     EVIDENCE
distrib  vouched         met    ada  2026-11-28  2027-11-28  -        -
distrib  not-downstream  unmet  ada  2026-11-28  2027-11-28  FAILING  -
";
    let (pairs, table) = text.split_once("\n\n").unwrap();
    assert_eq!(table, expected);
    assert!(pairs.contains("Debian (debian on the roster)"), "{pairs}");
    let json: Value = serde_json::from_str(&daemon.run("org show acme --json").unwrap()).unwrap();
    assert_eq!(json["criteria"][1]["mark"], "FAILING");
}

#[test]
fn the_register_is_what_anybody_may_know() {
    let row = RegisterRow {
        title: "Acme".to_owned(),
        website: Some("https://acme.example".to_owned()),
        lists: vec!["distrib".to_owned(), "talk".to_owned()],
        since: "2026-11-28".to_owned(),
    };
    let daemon = Daemon::saying(move |_| Answer::Register(vec![row.clone()]));
    let table = daemon.run("org ls --public").unwrap();
    assert_eq!(table.lines().nth(1).unwrap(), "Acme   https://acme.example  distrib,talk  2026-11-28");
    let json: Value = serde_json::from_str(&daemon.run("org ls --public --json").unwrap()).unwrap();
    let keys: Vec<&str> = json[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["lists", "since", "title", "website"], "no address, no person, no id");
}
