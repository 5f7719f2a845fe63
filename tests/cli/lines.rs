//! Arguments: what each line asks, and which lines ask nothing.

use std::path::{Path, PathBuf};

use assert_cmd::Command as Program;
use serde_json::{Value, json};
use vouchsafe::cli::{self, Admin, Command, Key, Preset};

use super::{Daemon, ID, parsed};

/// What each of these lines asks; all of them ask the same.
fn asks(daemon: &Daemon, lines: &[&str], expected: &Value) {
    for line in lines {
        daemon.run(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(daemon.asked(), vec![expected.clone()], "{line}");
    }
}

#[test]
fn list_and_key_lines_ask_what_they_say() {
    let daemon = Daemon::obliging();
    let of = |verb: &str| json!({ verb: { "list": "sec" } });
    asks(&daemon, &["status", "status --json"], &json!("status"));
    asks(&daemon, &["reload"], &json!("reload"));
    asks(&daemon, &["list ls", "list list", "list ls --json"], &json!("list_ls"));
    asks(&daemon, &["list show sec", "list show --list sec", "list show sec --json"], &of("list_show"));
    asks(&daemon, &["list pause sec"], &of("list_pause"));
    asks(&daemon, &["list resume --list sec"], &of("list_resume"));
    asks(&daemon, &["key ls", "key list"], &json!("key_ls"));
    asks(&daemon, &["key export sec", "key export --list sec"], &of("key_export"));
    let cert = "LS0tLS1CRUdJTiBQR1AgUFVCTElDIEtFWSBCTE9DSy0tLS0t";
    let import = |confirm: bool| {
        json!({ "key_import":
            { "list": "sec", "key": cert, "passphrase": "aHVudGVyMg==", "confirm": confirm } })
    };
    let lines =
        ["key import sec CERT --passphrase-file PASS", "key import --list sec CERT --passphrase-file PASS"];
    asks(&daemon, &lines, &import(false));
    asks(&daemon, &lines.map(|line| format!("{line} --yes")).each_ref().map(String::as_str), &import(true));
}

#[test]
fn org_and_team_lines_ask_what_they_say() {
    let daemon = Daemon::obliging();
    let about = |given: &[(&str, &str)]| {
        let mut about = json!({ "title": null, "kind": null, "upstream": null, "website": null,
                                "user_base": null, "evidence": null });
        given.iter().for_each(|(field, value)| about[field] = json!(value));
        about
    };
    let add = |about: Value| json!({ "org": { "add": { "org": "acme", "about": about } } });
    asks(&daemon, &["org add acme --title Acme"], &add(about(&[("title", "Acme")])));
    asks(&daemon, &["org add acme"], &add(about(&[])));
    let all = [
        ("kind", "vendor"),
        ("upstream", "debian"),
        ("website", "https://acme.example"),
        ("user_base", "many"),
        ("evidence", "see"),
    ];
    let line = "org add acme --kind vendor --upstream debian --website https://acme.example --user-base many \
                --evidence see";
    asks(&daemon, &[line], &add(about(&all)));
    let edit = |about: Value, reason: Value| json!({ "org": { "edit": { "org": "acme", "about": about, "reason": reason } } });
    let lines = ["org edit acme --upstream= --reason told"];
    asks(&daemon, &lines, &edit(about(&[("upstream", "")]), json!("told")));
    asks(&daemon, &["org edit acme --kind other"], &edit(about(&[("kind", "other")]), Value::Null));
    asks(&daemon, &["org ls", "org list", "org ls --overdue"], &json!({ "org": "ls" }));
    asks(&daemon, &["org ls --public", "org ls --public --json"], &json!({ "org": "register" }));
    let assess = |evidence: Value, review: Value, by: Value| {
        json!({ "org": { "assess": { "org": "acme", "list": "d", "criterion": "vouched", "state": "met",
                                     "evidence": evidence, "review": review, "by": by } } })
    };
    let lines = ["org assess acme --list d vouched met", "org assess acme vouched met --list d"];
    asks(&daemon, &lines, &assess(Value::Null, Value::Null, Value::Null));
    let line = "org assess acme --list d vouched met --evidence seen --review 2027-01-31 --by ada";
    asks(&daemon, &[line], &assess(json!("seen"), json!("2027-01-31T00:00:00Z"), json!("ada")));
    asks(&daemon, &["org show acme"], &json!({ "org": { "show": { "org": "acme" } } }));
    let cert = "LS0tLS1CRUdJTiBQR1AgUFVCTElDIEtFWSBCTE9DSy0tLS0t";
    let add = json!({ "team": { "add":
        { "list": "sec", "address": "ada@x.example", "name": "Ada", "cert": cert, "role": "lead" } } });
    let lines = [
        "team add --list sec --address ada@x.example --name Ada --cert CERT --role lead",
        "team add sec ada@x.example --name Ada --cert CERT --role lead",
    ];
    asks(&daemon, &lines, &add);
    asks(&daemon, &["team ls", "team list"], &json!({ "team": { "ls": { "list": null } } }));
    asks(&daemon, &["team ls sec", "team ls --list sec"], &json!({ "team": { "ls": { "list": "sec" } } }));
    let remove = json!({ "team": { "remove": { "list": "sec", "address": "ada@x.example" } } });
    let lines = ["team remove sec ada@x.example --yes", "team rm sec ada@x.example -y"];
    asks(&daemon, &lines, &remove);
}

#[test]
fn member_lines_ask_what_they_say() {
    let daemon = Daemon::obliging();
    let cert = "LS0tLS1CRUdJTiBQR1AgUFVCTElDIEtFWSBCTE9DSy0tLS0t";
    let add = |format: Value| {
        json!({ "member_add":
            { "list": "d", "org": "acme", "address": "p@x.example", "cert": cert, "format": format, "ask": false } })
    };
    let line = "member add --list d --org acme --address p@x.example --cert CERT";
    asks(&daemon, &[line, "member add d p@x.example --org acme --cert CERT"], &add(Value::Null));
    asks(&daemon, &[&format!("{line} --format v2")], &add(json!("v2")));
    asks(&daemon, &["member ls", "member list"], &json!({ "member_ls": { "list": null } }));
    asks(&daemon, &["member ls d", "member ls --list d --json"], &json!({ "member_ls": { "list": "d" } }));
    let show = json!({ "member_show": { "list": "d", "address": "p@x.example" } });
    asks(&daemon, &["member show d p@x.example", "member show --address p@x.example d"], &show);
    let set = |confirm: bool| {
        json!({ "member_set_cert":
            { "list": "d", "address": "p@x.example", "cert": cert, "confirm_other": confirm } })
    };
    asks(&daemon, &["member set-cert d p@x.example --cert CERT"], &set(false));
    asks(&daemon, &["member set-cert d p@x.example --cert CERT --yes"], &set(true));
    let format = |format: Value| json!({ "member_set_format": { "list": "d", "address": "p@x.example", "format": format } });
    asks(&daemon, &["member set-format d p@x.example --format v2"], &format(json!("v2")));
    asks(&daemon, &["member set-format --list d --address p@x.example --format rule"], &format(Value::Null));
    let probe = json!({ "member_probe": { "list": "d", "address": "p@x.example" } });
    asks(&daemon, &["member probe d p@x.example", "member probe --list d --address p@x.example"], &probe);
    let with_reason = |verb: &str, reason: Value| json!({ verb: { "list": "d", "address": "p@x.example", "reason": reason } });
    asks(
        &daemon,
        &["member suspend d p@x.example --reason gone"],
        &with_reason("member_suspend", json!("gone")),
    );
    asks(
        &daemon,
        &["member resume --list d --address p@x.example"],
        &with_reason("member_resume", Value::Null),
    );
    let lines = [
        "member remove d p@x.example --yes",
        "member remove --list d --address p@x.example --yes",
        "member remove --list d p@x.example --yes",
        "member rm d p@x.example --yes",
        "member delete d p@x.example --yes",
    ];
    asks(&daemon, &lines, &with_reason("member_remove", Value::Null));
}

#[test]
fn contact_lines_ask_what_they_say() {
    let daemon = Daemon::obliging();
    let of = |verb: &str, field: &str, value: Value| {
        let mut what = json!({ "list": "d", "address": "p@x.example" });
        what[field] = value;
        json!({ "contact": { verb: what } })
    };
    let lines = [
        "member alias add d p@x.example --alias q@x.example",
        "member alias add --list d --address p@x.example --alias q@x.example",
    ];
    asks(&daemon, &lines, &of("alias_add", "alias", json!("q@x.example")));
    let lines = [
        "member alias remove d p@x.example --alias q@x.example",
        "member alias rm d p@x.example --alias q@x.example",
    ];
    asks(&daemon, &lines, &of("alias_remove", "alias", json!("q@x.example")));
    let cert = "LS0tLS1CRUdJTiBQR1AgUFVCTElDIEtFWSBCTE9DSy0tLS0t";
    asks(&daemon, &["member cert add d p@x.example --cert CERT"], &of("cert_add", "cert", json!(cert)));
    let print = "0123456789ABCDEF0123456789ABCDEF01234567";
    let line = format!("member cert remove d p@x.example --fingerprint {print}");
    asks(&daemon, &[&line], &of("cert_remove", "fingerprint", json!(print)));
    let delivery = |on: bool, reason: Value| {
        let what = json!({ "list": "d", "address": "p@x.example", "on": on, "reason": reason });
        json!({ "contact": { "delivery": what } })
    };
    asks(&daemon, &["member delivery off d p@x.example"], &delivery(false, Value::Null));
    asks(&daemon, &["member delivery on d p@x.example --reason back"], &delivery(true, json!("back")));
}

#[test]
fn whatever_changes_the_roster_may_say_why() {
    let daemon = Daemon::obliging();
    let lines = [
        "member add d p@x.example --org acme --cert CERT",
        "member set-cert d p@x.example --cert CERT --yes",
        "member set-format d p@x.example --format v2",
        "member accept d p@x.example --statement CERT",
        "member alias add d p@x.example --alias q@x.example",
        "member alias remove d p@x.example --alias q@x.example",
        "member cert add d p@x.example --cert CERT",
        "member cert remove d p@x.example --fingerprint 0123456789ABCDEF0123456789ABCDEF01234567",
        "member staff add d p@x.example --name Ada --statement CERT",
        "member staff remove d p@x.example --person m-1",
        "org add acme",
        "org assess acme --list d vouched met",
        "team add sec ada@x.example --name Ada --cert CERT",
        "team term sec ada@x.example",
        "team appoint sec ada@x.example --name Ada --cert CERT --approval CERT",
        "team replace --old ada@x.example sec bob@x.example --name Bob --cert CERT --statement CERT",
        "team body add tsc carol@x.example --cert CERT",
        "team body remove tsc carol@x.example --yes",
        &format!("hold release {ID} --yes"),
        &format!("hold drop {ID} --yes"),
        "hold ignore remove d 0123456789ABCDEF0123456789ABCDEF01234567",
    ];
    for line in lines {
        daemon.run(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let request = daemon.asked().remove(0);
        let because = json!({ "because": { "reason": "told", "request": request } });
        asks(&daemon, &[&format!("{line} --reason told")], &because);
    }
    // These keep it in the change itself.
    let lines = [
        "member suspend d p@x.example",
        "member resume d p@x.example",
        "member remove d p@x.example --yes",
        "member delivery off d p@x.example",
        "org edit acme --kind other",
        "team remove sec ada@x.example --yes",
    ];
    for line in lines {
        daemon.run(&format!("{line} --reason told")).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(daemon.asked()[0].to_string().contains(r#""reason":"told""#), "{line}");
    }
}

#[test]
fn hold_queue_and_journal_lines_ask_what_they_say() {
    let daemon = Daemon::obliging();
    let of = |verb: &str| json!({ verb: { "id": ID } });
    let ls = |list: Value| json!({ "hold_ls": { "list": list, "after": null, "limit": 500 } });
    asks(&daemon, &["hold ls", "hold list"], &ls(Value::Null));
    asks(&daemon, &["hold ls d", "hold ls --list d"], &ls(json!("d")));
    asks(&daemon, &["hold show ID"], &of("hold_show"));
    asks(&daemon, &["hold release ID --yes", "hold release ID -y"], &of("hold_release"));
    asks(&daemon, &["hold drop ID --yes", "hold delete ID --yes"], &of("hold_drop"));
    let ls = |list: Value| json!({ "queue_ls": {"destination": null,  "list": list, "after": null, "limit": 500 } });
    asks(&daemon, &["queue ls", "queue list"], &ls(Value::Null));
    asks(&daemon, &["queue ls --list d", "queue ls d"], &ls(json!("d")));
    asks(&daemon, &["queue show ID"], &of("queue_show"));
    asks(&daemon, &["queue retry ID"], &of("queue_retry"));
    asks(&daemon, &["queue retry --all"], &json!({ "queue_retry_all": { "list": null, "after": null } }));
    asks(
        &daemon,
        &["queue retry --all --list d"],
        &json!({ "queue_retry_all": { "list": "d", "after": null } }),
    );
    asks(&daemon, &["queue drop ID --yes", "queue delete ID -y"], &of("queue_drop"));
    let journal = |list: Value, newest: Value| json!({ "journal_ls": { "list": list, "newest": newest, "after": null, "limit": 500 } });
    asks(&daemon, &["journal ls", "journal list"], &journal(Value::Null, json!(100)));
    asks(&daemon, &["journal ls d --limit 9"], &journal(json!("d"), json!(9)));
    asks(&daemon, &["journal ls --all"], &journal(Value::Null, Value::Null));
    let verify =
        |list: Value, head: Value| json!({ "journal_verify": { "list": list, "head": head, "after": null } });
    asks(&daemon, &["journal verify"], &verify(Value::Null, Value::Null));
    asks(&daemon, &["journal verify d --head abc"], &verify(json!("d"), json!("abc")));
}

#[test]
fn the_programs_own_commands_are_handed_back() {
    let command = |line: &str| parsed(line).unwrap().command;
    assert!(matches!(command("demo"), Command::Demo));
    assert!(matches!(command("serve"), Command::Serve));
    assert!(matches!(command("check --json"), Command::Check { json: true, dns: false }));
    assert!(matches!(command("check --dns"), Command::Check { json: false, dns: true }));
    for line in ["key new sec", "key new --list sec"] {
        assert!(
            matches!(command(line), Command::Admin(Admin::Key(Key::New { list })) if list.0.as_str() == "sec")
        );
    }
    let Command::Init(init) = command("init --dir /d --domain x.example --preset edgex --passphrase-file /p")
    else {
        panic!("not init")
    };
    assert_eq!(
        (init.dir, init.domain.as_str(), init.preset),
        (Some(PathBuf::from("/d")), "x.example", Preset::Edgex)
    );
    assert_eq!((init.passphrase_file, init.preset.name()), (Some(PathBuf::from("/p")), "edgex"));
}

#[test]
fn the_configuration_may_be_named_before_and_after_the_verb() {
    for line in [
        "--config /c serve",
        "serve --config /c",
        "list --config /c ls",
        "list ls --config /c",
        "list ls --config=/c",
    ] {
        assert_eq!(parsed(line).unwrap().config(), PathBuf::from("/c"), "{line}");
    }
}

#[test]
fn what_makes_no_command_is_a_usage_error() {
    for line in [
        "",
        "frobnicate",
        "list",
        "list show",
        "list show a b",
        "list show a --list b",
        "list show Not_A_Name",
        "member remove d",
        "member remove d nobody",
        "member remove d p@x.example extra",
        "member remove --list d --address p@x.example extra",
        "member add d p@x.example --org acme",
        "member add d p@x.example --org acme --cert f --format v3",
        "queue retry",
        "queue retry ID --all",
        "queue retry --list d",
        "hold show short",
        "init --dir d --domain x --preset debian",
        "journal ls --limit many",
        "journal ls --limit 0",
        "journal ls --limit 5 --all",
        "key import d",
        "key new",
    ] {
        let error = parsed(&line.replace("ID", ID)).unwrap_err();
        assert_eq!(cli::exit_code(&error), 64, "{line}");
        assert!(!error.to_string().is_empty(), "{line}");
    }
    for line in ["--help", "member --help", "member add --help", "--version"] {
        assert_eq!(cli::exit_code(&parsed(line).unwrap_err()), 0, "{line}");
    }
}

#[test]
fn the_program_exits_as_sysexits_say() {
    let program = || {
        let mut program = Program::cargo_bin("vouchsafe").unwrap();
        program.env_remove("VOUCHSAFE_CONFIG");
        program
    };
    program().assert().code(64);
    program().args(["member", "remove", "d"]).assert().code(64);
    program().arg("--help").assert().code(0);
    let named =
        |output: assert_cmd::assert::Assert| String::from_utf8(output.get_output().stderr.clone()).unwrap();
    let by_env =
        program().env("VOUCHSAFE_CONFIG", "/nonexistent/env.toml").args(["list", "ls"]).assert().failure();
    assert!(named(by_env).contains("/nonexistent/env.toml"));
    let by_flag = program()
        .env("VOUCHSAFE_CONFIG", "/nonexistent/env.toml")
        .args(["list", "ls", "--config", "/nonexistent/flag.toml"])
        .assert()
        .failure();
    assert!(named(by_flag).contains("/nonexistent/flag.toml"));
    let usual = "/etc/vouchsafe/relay.toml";
    if !Path::new(usual).exists() {
        let by_default = program().env("VOUCHSAFE_CONFIG", "").args(["list", "ls"]).assert().failure();
        assert!(named(by_default).contains(usual), "an empty variable is none");
    }
    let by_rule = program().args(["list", "show"]).assert().code(64);
    assert!(named(by_rule).contains("LIST"));
}
