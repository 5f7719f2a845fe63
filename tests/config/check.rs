//! What `check` says: nothing but advice about a new installation, and a remedy for each thing that is wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use vouchsafe::check::{AtWork, CannotReceive, Finding, Report, Severity, check};
use vouchsafe::init::{Made, Preset};
use vouchsafe::pgp::keychain::Keychain;
use vouchsafe::pgp::keyring::{KeyDir, Passphrase};
use vouchsafe::pgp::person::{Person, Sort};
use vouchsafe::time::Clock;

use crate::init::{clock, install};

fn installed() -> (TempDir, Made) {
    let dir = tempfile::tempdir().unwrap();
    let made = install(dir.path(), Preset::KubeEdge).unwrap();
    (dir, made)
}

fn report(config: &Path) -> Report {
    check(config, &clock(), None, |_| None)
}

/// The one finding whose text or place has `word`.
fn finding(report: &Report, word: &str) -> Finding {
    let found: Vec<_> =
        report.findings.iter().filter(|f| format!("{} {}", f.place, f.what).contains(word)).collect();
    let [one] = found.as_slice() else { panic!("{} findings with \"{word}\" in\n{report}", found.len()) };
    (*one).clone()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_new_installation_has_no_errors() {
    for preset in [Preset::KubeEdge, Preset::EdgeX] {
        let dir = tempfile::tempdir().unwrap();
        let made = install(dir.path(), preset).unwrap();
        let report = report(&made.config);
        assert_eq!((report.count(Severity::Error), report.exit_code()), (0, 0), "{report}");
        assert_eq!(finding(&report, "one file system").severity, Severity::Warning);
        assert_eq!(finding(&report, "does not act on").severity, Severity::Warning);
        let asleep =
            finding(&report, "who cannot receive mail today, and what else waits for a person, is not known");
        assert_eq!((asleep.severity, asleep.remedy.contains("start it")), (Severity::Note, true));
    }
}

#[test]
fn an_engine_that_can_lose_mail_is_warned_of() {
    let (_dir, made) = installed();
    edit(&made.config, "kind = \"redb\"", "kind = \"sled\"");
    let report = report(&made.config);
    let sled = finding(&report, "sled");
    assert!(sled.what.contains("lose accepted mail when the power is cut"), "{sled:?}");
    assert!(sled.what.contains("gives no disk space back"), "{sled:?}");
    assert!(sled.place.contains("relay.toml:") && sled.remedy.contains("\"redb\""), "{sled:?}");
    assert_eq!((sled.severity, report.exit_code()), (Severity::Warning, 0));
}

#[test]
fn the_policy_is_weighed_with_its_place() {
    let (_dir, made) = installed();
    let notice = finding(&report(&made.config), "by day 14");
    assert!(notice.place.contains("policies/kubeedge.toml:"), "{notice:?}");
    assert_eq!(notice.severity, Severity::Warning);
}

#[test]
fn a_list_that_only_the_policy_has_is_missed() {
    let (_dir, made) = installed();
    let text = fs::read_to_string(&made.config).unwrap();
    fs::write(&made.config, text.split("[list.distrib-announce]").next().unwrap()).unwrap();
    let missed = finding(&report(&made.config), "a list \"distrib-announce\"");
    assert!(
        missed.place.contains("policies/kubeedge.toml:") && missed.remedy.contains("[list.distrib-announce]")
    );
}

#[test]
fn settings_that_do_not_load_are_an_error_with_its_place() {
    let (_dir, made) = installed();
    edit(&made.config, "smarthost = \"127.0.0.1:25\"", "smarthost = \"mail.example.org:25\"");
    let report = report(&made.config);
    assert_eq!(report.exit_code(), 78);
    let clear = finding(&report, "in the clear");
    assert!(clear.place.contains("relay.toml:") && clear.place.ends_with(":1"), "{clear:?}");
}

#[test]
fn a_missing_key_names_the_way_back() {
    type Loss = fn(&Made) -> PathBuf;
    let losses: [(Loss, &str); 5] = [
        (|m| m.keys.join("security/secret.asc"), "security/secret.asc is missing"),
        (|m| m.keys.join("security/cert.asc"), "security/cert.asc is missing"),
        (|m| m.keys.join("tags.pgp"), "tags.pgp is missing"),
        (|m| m.keys.join("spool"), "spool is missing"),
        (|m| m.keys.clone(), "key directory"),
    ];
    for (path, told) in losses {
        let (_dir, made) = installed();
        let path = path(&made);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        let lost = finding(&report(&made.config), told);
        assert_eq!(lost.severity, Severity::Error, "{lost:?}");
        assert!(lost.remedy.contains("backup"), "{lost:?}");
    }
}

#[test]
fn what_others_can_read_gets_its_chmod() {
    let (dir, made) = installed();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let secret = made.keys.join("security/secret.asc");
    let cert = made.keys.join("security/cert.asc");
    for (path, open, shut) in [
        (&made.passphrase, 0o640, "chmod 600"),
        (&secret, 0o644, "chmod 600"),
        (&cert, 0o664, "chmod 644"),
        (&made.keys, 0o755, "chmod 700"),
        (&data, 0o755, "chmod 700"),
    ] {
        let before = fs::metadata(path).unwrap().permissions();
        chmod(path, open);
        let report = report(&made.config);
        let remedy = format!("{shut} {}", path.display());
        assert!(
            report.findings.iter().any(|f| f.severity == Severity::Error && f.remedy == remedy),
            "{report}"
        );
        fs::set_permissions(path, before).unwrap();
    }
}

/// Whether `serve` would take the keys.
fn opens(made: &Made) -> bool {
    let lists = ["security", "distrib-announce"].map(|name| name.parse().unwrap());
    let passphrase = Passphrase::from_file(&made.passphrase).unwrap();
    Keychain::open(KeyDir::new(&made.keys), passphrase, &lists).is_ok()
}

#[test]
fn what_check_calls_an_error_of_the_keys_serve_refuses() {
    type Harm = fn(&Made);
    let harms: [(Harm, &str); 6] = [
        (|m| chmod(&m.keys.join("security"), 0o750), "chmod 700"),
        (|m| chmod(&m.keys.join("security/secret.asc"), 0o640), "chmod 600"),
        (|m| chmod(&m.keys.join("security/revocation.asc"), 0o644), "chmod 600"),
        (|m| chmod(&m.keys.join("tags.pgp"), 0o604), "chmod 600"),
        (
            |m| {
                fs::copy(m.keys.join("distrib-announce/secret.asc"), m.keys.join("security/secret.asc"))
                    .unwrap();
            },
            "is not the key of",
        ),
        (|m| fs::remove_dir_all(m.keys.join("security")).unwrap(), "vouchsafe key new security"),
    ];
    for (harm, told) in harms {
        for source in ["passphrase_file = \"passphrase\"", "passphrase_credential = \"pass\""] {
            let (_dir, made) = installed();
            assert!(opens(&made));
            edit(&made.config, "passphrase_file = \"passphrase\"", source);
            harm(&made);
            let report = report(&made.config);
            let found: Vec<_> = report.findings.iter().filter(|f| f.severity == Severity::Error).collect();
            assert!(!found.is_empty() && report.to_string().contains(told), "{told}:\n{report}");
            assert!(!opens(&made), "{told}");
        }
    }
}

#[test]
fn a_passphrase_that_does_not_fit_is_told_for_each_key() {
    let (_dir, made) = installed();
    fs::write(&made.passphrase, "another\n").unwrap();
    let report = report(&made.config);
    let wrong = report.findings.iter().filter(|f| f.what.contains("does not unlock"));
    assert_eq!(wrong.count(), 5, "two lists, spool, tags and DKIM:\n{report}");

    fs::remove_file(&made.passphrase).unwrap();
    let missing = finding(&self::report(&made.config), "no passphrase file");
    assert!(missing.place.contains("relay.toml:") && missing.severity == Severity::Error, "{missing:?}");
}

#[test]
fn an_address_without_user_id_is_found() {
    let (_dir, made) = installed();
    edit(&made.config, "\"security@lists.example.org\"", "\"reports@lists.example.org\"");
    let report = report(&made.config);
    assert_eq!(finding(&report, "no User ID for reports@").severity, Severity::Error);
    let request = finding(&report, "no User ID for reports-request@");
    assert_eq!(request.severity, Severity::Warning);
    assert!(request.remedy.contains("key import security"), "{request:?}");
}

#[test]
fn a_passphrase_that_nobody_is_asked_for_is_no_error() {
    let (_dir, made) = installed();
    edit(&made.config, "passphrase_file = \"passphrase\"", "passphrase_credential = \"pass\"");
    let unit = finding(&report(&made.config), "systemd credential");
    assert_eq!(unit.severity, Severity::Note);

    let credentials = tempfile::tempdir().unwrap();
    fs::copy(&made.passphrase, credentials.path().join("pass")).unwrap();
    let with = check(&made.config, &clock(), Some(credentials.path()), |_| None);
    assert_eq!(with.exit_code(), 0, "{with}");
    assert!(!with.to_string().contains("not tried"), "{with}");
}

#[test]
fn tls_files_that_are_not_there_have_their_place() {
    let (_dir, made) = installed();
    edit(&made.config, "#tls_cert", "tls_cert");
    edit(&made.config, "#tls_key", "tls_key");
    let report = report(&made.config);
    for key in ["tls_cert", "tls_key"] {
        let gone = finding(&report, &format!("{key} cannot be read"));
        assert!(gone.place.contains("relay.toml:") && gone.severity == Severity::Error, "{gone:?}");
    }
}

/// What `serve` would refuse to start with, told with its place.
#[track_caller]
fn refused(report: &Report, word: &str) {
    let told = finding(report, word);
    assert_eq!(told.severity, Severity::Error, "{told:?}");
    assert!(told.place.contains("relay.toml:") && !told.remedy.is_empty(), "{told:?}");
}

#[test]
fn a_certificate_and_the_key_of_another_do_not_serve() {
    let (dir, made) = installed();
    let pair = || rcgen::generate_simple_self_signed(vec!["lists.example.org".to_owned()]).unwrap();
    let (one, other) = (pair(), pair());
    let write = |name: &str, text: String| fs::write(dir.path().join("tls").join(name), text).unwrap();
    fs::create_dir(dir.path().join("tls")).unwrap();
    write("fullchain.pem", one.cert.pem());
    write("key.pem", other.signing_key.serialize_pem());
    chmod(&dir.path().join("tls/key.pem"), 0o600);
    edit(&made.config, "#tls_cert", "tls_cert");
    edit(&made.config, "#tls_key", "tls_key");
    refused(&report(&made.config), "belong together");
    write("key.pem", one.signing_key.serialize_pem());
    assert_eq!(report(&made.config).count(Severity::Error), 0);
}

#[test]
fn authorities_that_are_none_and_unknown_groups_are_errors() {
    let (dir, made) = installed();
    fs::write(dir.path().join("ca.pem"), "nothing\n").unwrap();
    edit(&made.config, "tls = \"none\"", "tls = \"required\"");
    edit(&made.config, "#ca_file = \"tls/ca.pem\"", "ca_file = \"ca.pem\"");
    refused(&report(&made.config), "mail cannot go out");
    edit(&made.config, "ca_file = \"ca.pem\"", "");
    edit(&made.config, "#group = \"vouchsafe-admin\"", "group = \"no-such-admins\"");
    edit(&made.config, "#group = \"postfix\"", "group = \"no-such-server\"");
    let both = report(&made.config);
    refused(&both, "no-such-admins");
    refused(&both, "no-such-server");
    assert_eq!(both.count(Severity::Error), 2, "{both}");
}

#[test]
fn a_data_directory_that_cannot_be_made_is_an_error() {
    let (dir, made) = installed();
    fs::write(dir.path().join("file"), "").unwrap();
    edit(&made.config, "path = \"data\"", "path = \"file/data\"");
    refused(&report(&made.config), "cannot be made");
    std::os::unix::fs::symlink(dir.path().join("gone"), dir.path().join("link")).unwrap();
    edit(&made.config, "path = \"file/data\"", "path = \"link/data\"");
    refused(&report(&made.config), "leads nowhere");
    edit(&made.config, "path = \"link/data\"", "path = \"new/folders/data\"");
    assert_eq!(report(&made.config).count(Severity::Error), 0);
}

#[test]
fn readers_come_from_the_daemon() {
    let (_dir, made) = installed();
    let missed = CannotReceive {
        list: "distrib-announce".to_owned(),
        address: "security@vendor.example".to_owned(),
        problem: "its certificate expired".to_owned(),
        from: None,
    };
    let soon = |address: &str, days| CannotReceive {
        address: address.to_owned(),
        problem: format!("ends in {days} days"),
        from: Some((format!("2026-12-{days:02}T00:00:00Z"), days)),
        ..missed.clone()
    };
    let who = vec![soon("late@vendor.example", 29), soon("near@vendor.example", 6), missed.clone()];
    let report = check(&made.config, &clock(), None, |_| {
        let flagged = vec![("security".to_owned(), "ada@gmail.example: no role address".to_owned())];
        Some(AtWork { unreached: who, problems: vec!["the store was restored".to_owned()], flagged })
    });
    let near = finding(&report, "near@vendor.example cannot receive mail from 2026-12-06T00:00:00Z on");
    assert_eq!(near.severity, Severity::Warning);
    let late = finding(&report, "late@vendor.example cannot receive mail from 2026-12-29T00:00:00Z on");
    assert_eq!((late.severity, report.exit_code()), (Severity::Note, 0));
    let text = report.to_string();
    let place = |address: &str| text.find(address).unwrap();
    assert!(place("security@vendor.example cannot") < place("near@vendor"), "today comes first: {text}");
    let told = finding(&report, "security@vendor.example cannot receive mail");
    assert_eq!(told.severity, Severity::Warning);
    assert!(told.remedy.contains("set-cert"));
    let flag = finding(&report, "ada@gmail.example: no role address");
    assert!(flag.severity == Severity::Warning && flag.place.contains("security"), "{flag:?}");
    let waits = finding(&report, "the store was restored");
    assert!(waits.severity == Severity::Warning && waits.remedy.contains("status"));
    assert!(!report.to_string().contains("is not known"));
    assert_eq!(check(&made.config, &clock(), None, |_| Some(AtWork::default())).count(Severity::Error), 0);
}

#[test]
fn every_wrong_line_is_named_at_once() {
    let (_dir, made) = installed();
    edit(&made.config, "[smtp]\n", "[smtp]\nhostnam = \"x\"\n");
    edit(&made.config, "[store]\n", "[store]\nkeep = 3\n");
    edit(&made.config, "tls = \"none\"", "tls = \"maybe\"");
    let report = report(&made.config);
    assert_eq!(report.count(Severity::Error), 3, "{report}");
    for (word, allowed) in [("hostnam", "hostname"), ("keep", "kind"), ("maybe", "required")] {
        let found = finding(&report, word);
        assert!(found.what.contains(allowed), "{found:?}");
        assert!(found.place.contains("relay.toml:"), "{found:?}");
    }
}

#[test]
fn what_the_way_out_needs_is_looked_at() {
    let (dir, made) = installed();
    let write = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        chmod(&dir.path().join(name), 0o600);
    };
    let pair = |not_after| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["relay.example.org".to_owned()]).unwrap();
        params.not_after = not_after;
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ymd = |year: i32| rcgen::date_time_ymd(year, 1, 1);
    let ((cert, key), (_, other)) = (pair(ymd(4000)), pair(ymd(4000)));
    // The name service of this machine is none of the test's business.
    edit(&made.config, "#resolver", "resolver");
    let base = fs::read_to_string(&made.config).unwrap();
    write("cert.pem", &cert);
    write("key.pem", &other);
    let client = "client_cert = \"cert.pem\"\nclient_key = \"key.pem\"";
    let with = |lines: &str| {
        let way = "[egress.domain.\"example.net\"]\nsmarthost = \"mx.example.net:465\"\ntls = \"implicit\"\n";
        fs::write(&made.config, format!("{base}\n{way}{lines}\n")).unwrap();
        report(&made.config)
    };
    refused(&with(client), "does not belong to");
    write("key.pem", &key);
    assert_eq!(with(client).count(Severity::Error), 0, "{}", with(client));
    chmod(&dir.path().join("key.pem"), 0o644);
    refused(&with(client), "can be read by everybody");
    refused(&with("client_cert = \"gone.pem\"\nclient_key = \"key.pem\""), "gone.pem");
    refused(&with("ca_file = \"key.pem\""), "it holds no certificate");
    let (old, its) = pair(ymd(2019));
    write("cert.pem", &old);
    write("key.pem", &its);
    refused(&with(client), "has expired");
    let soon = jiff::Timestamp::from_millisecond(vouchsafe::time::Clock::now(&clock()).millis()).unwrap();
    let soon = soon.to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::Span::new().days(11));
    let (month, day) = (u8::try_from(soon.month()).unwrap(), u8::try_from(soon.day()).unwrap());
    let (young, its) = pair(rcgen::date_time_ymd(soon.year().into(), month, day));
    write("cert.pem", &young);
    write("key.pem", &its);
    assert_eq!(finding(&with(client), "expires in 10 days").severity, Severity::Warning);

    let login = "auth = { username = \"lists\", password_file = \"password\" }";
    refused(&with(login), "password is not there");
    write("password", "open sesame\n");
    assert_eq!(with(login).count(Severity::Error), 0, "{}", with(login));
    chmod(&dir.path().join("password"), 0o640);
    refused(&with(login), "can be read by others");
    let unit = finding(
        &with("auth = { username = \"l\", password_credential = \"p\" }"),
        "which only the unit gets",
    );
    assert_eq!(unit.severity, Severity::Note);
}

#[test]
fn ways_out_that_contradict_themselves_are_errors_with_their_place() {
    let (_dir, made) = installed();
    let base = fs::read_to_string(&made.config).unwrap();
    let lines = base.lines().count();
    for (line, told) in [
        ("auth = { username = \"u\", password_file = \"p\" }", "show the password to every mail host"),
        ("tls = \"none\"", "in the clear to the whole world"),
        ("tls = \"implicit\"", "needs a smarthost"),
        ("server_name = \"mx.example.net\"", "set mta_sts = false"),
        ("client_cert = \"cert.pem\"", "set both or none"),
    ] {
        fs::write(&made.config, format!("{base}\n[egress.domain.\"example.net\"]\n{line}\n")).unwrap();
        let found = finding(&report(&made.config), told);
        assert!(found.place.contains(&format!("relay.toml:{}:1", lines + 3)), "{found:?}");
        assert!(found.what.contains("[egress.domain.\"example.net\"]"), "{found:?}");
    }
    let idle = "smarthost = \"127.0.0.1:25\"\ntls = \"none\"\nserver_name = \"mx.example.net\"";
    fs::write(&made.config, format!("{base}\n[egress.domain.\"example.net\"]\n{idle}\n")).unwrap();
    assert_eq!(finding(&report(&made.config), "server_name has no effect").severity, Severity::Warning);
}

#[test]
fn a_mailbox_is_looked_at_before_it_is_attended() {
    let (dir, made) = installed();
    let mailbox = "[imap.inbox]\nhost = \"imap.provider.example\"\nuser = \"security\"\n\
                   password_file = \"imap-password\"\nrecipient = \"security@lists.example.org\"\n";
    edit(&made.config, "[egress]\n", &format!("{mailbox}[egress]\n"));
    let missing = finding(&report(&made.config), "imap-password is not there");
    assert_eq!(missing.severity, Severity::Error, "{missing:?}");
    assert!(missing.place.contains("relay.toml:"), "{missing:?}");
    let password = dir.path().join("imap-password");
    fs::write(&password, "correct horse\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
    finding(&report(&made.config), "imap-password can be read by others; chmod 600");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let told = |report: &Report| report.findings.iter().any(|f| f.what.contains("imap-password"));
    assert!(!told(&report(&made.config)));
    edit(&made.config, "user = \"security\"\n", "user = \"security\"\nca_file = \"provider.pem\"\n");
    let authorities = finding(&report(&made.config), "no certification authority");
    assert_eq!(authorities.severity, Severity::Error, "{authorities:?}");
    edit(
        &made.config,
        "recipient = \"security@lists.example.org\"",
        "recipient = \"else@lists.example.org\"",
    );
    let nobody = finding(&report(&made.config), "is no address of a list here");
    assert!(nobody.place.contains("relay.toml:"), "{nobody:?}");
    edit(&made.config, "recipient = \"else@lists", "tls = \"none\"\nrecipient = \"security@lists");
    finding(&report(&made.config), "would send the password and fetch mail in the clear");
}

#[test]
fn an_admin_s_certificate_that_ends_is_told_before() {
    let (_dir, made) = installed();
    let line = "#notify = [{ address = \"ada@admin.example\", certificate = \"admins/ada.asc\" }]";
    edit(&made.config, line, line.trim_start_matches('#'));
    let place = made.config.parent().unwrap().join("admins");
    fs::create_dir_all(&place).unwrap();
    let day = Duration::from_secs(24 * 3600);
    for (days, severity) in [(61, None), (60, Some(Severity::Note)), (7, Some(Severity::Warning))] {
        let ada =
            Person::generate("Ada", "ada@admin.example", Sort::V4, clock().now(), Some(day * days)).unwrap();
        fs::write(place.join("ada.asc"), ada.cert().armored()).unwrap();
        let report = report(&made.config);
        let told =
            report.findings.iter().find(|f| f.what.contains("the certificate of ada@admin.example ends"));
        assert_eq!(told.map(|finding| finding.severity), severity, "{days} days: {report}");
        assert!(told.is_none_or(|finding| finding.remedy.contains("admins/ada.asc")));
    }
}
