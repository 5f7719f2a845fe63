//! Servers that behave badly: each time an error with a name, a pause, and another try; memory stays bounded; and once all
//! is well the mail comes through.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::outside::until;
use crate::scripted::{Bad, Scripted};
use crate::stage::{Stage, unsigned};

/// A server in the clear on this machine, which may be silent for a second.
fn clear(server: &Scripted, more: &str) -> String {
    format!("port = {}\ntls = \"none\"\ntimeout = \"1s\"\npoll = \"100ms\"\n{more}", server.address.port())
}

#[test]
fn each_misbehaviour_has_its_name_and_ends_in_another_try() {
    let server = Scripted::start();
    let Some(stage) = Stage::set(&clear(&server, "")) else { return };
    server.deliver(5, &unsigned("one"));
    let daemon = stage.start();
    assert_eq!(stage.subjects(1), ["one"]);
    until("it is removed there", || (server.mails() == 0).then_some(()));
    // Its session waits in IDLE: the next one begins when the daemon does.
    daemon.stop();
    server.deliver(6, &unsigned("two"));
    let cases = [
        (Bad::EndlessGreeting, "a response of more than 65536 bytes"),
        (Bad::Silence, "it did not answer the login within 1 seconds"),
        (Bad::Preauth, "it greeted with PREAUTH"),
        (Bad::Bye, "it ended the session"),
        (Bad::WrongTag, "it answered a command that was not given"),
        (Bad::OldTag, "it answered a command that was not given"),
        (Bad::Rubbish, "it answered SELECT of the mailbox with something that is no IMAP"),
        (Bad::Hidden, "a literal outside the body of a mail"),
        (Bad::Deep, "more than 16 opening parentheses"),
        (Bad::Flood, "it sent more responses than any answer has"),
        (Bad::Renumbers, "the mailbox was made anew meanwhile"),
        (Bad::Huge, "it announced 4294967295 bytes"),
        (Bad::Unasked, "it sent a mail that was not asked for"),
        (Bad::HalfMail, "the connection broke off"),
        (Bad::Keeps, "it keeps mails that it was told to remove"),
    ];
    server.misbehave(&cases.map(|(bad, _)| bad));
    let daemon = stage.start();
    until("each was met", || server.is_done().then_some(()));
    until("it is removed there", || (server.mails() == 0).then_some(()));
    for (bad, named) in cases {
        let count = cases.iter().filter(|(_, other)| *other == named).count();
        assert_eq!(daemon.count_lines(named), count, "{bad:?}: {}", daemon.log());
    }
    assert_eq!(
        stage.subjects(2),
        ["one", "two"],
        "it was fetched and marked once, however often it was there"
    );
    until("no problem is left", || stage.problems().is_empty().then_some(()));
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    eprintln!("after {} misbehaviours: VmHWM {peak}", cases.len());
    assert!(peak.split(' ').next().unwrap().parse::<usize>().unwrap() < 512 << 10, "{peak}");
}

#[test]
fn a_slow_server_is_waited_for_and_one_that_drops_idle_is_looked_at_all_the_same() {
    let server = Scripted::start();
    let Some(stage) = Stage::set(&clear(&server, "idle_renew = \"300ms\"")) else { return };
    server.misbehave(&[Bad::DropsIdle]);
    let daemon = stage.start();
    until("it was asked again", || (server.idles() >= 3).then_some(()));
    server.deliver(5, &unsigned("one"));
    assert_eq!(stage.subjects(1), ["one"]);
    daemon.stop();
    server.misbehave(&[Bad::Slow]);
    server.deliver(6, &unsigned("two"));
    let before = server.idles();
    let daemon = stage.start();
    assert_eq!(stage.subjects(2), ["one", "two"]);
    until("IDLE is issued again and again", || (server.idles() >= before + 4).then_some(()));
    assert_eq!(daemon.count_lines("no mail comes"), 0, "{}", daemon.log());
}

#[test]
fn a_server_that_denies_a_mail_and_keeps_it_has_it_relayed_once() {
    let server = Scripted::start();
    let Some(stage) = Stage::set(&clear(&server, "idle_renew = \"200ms\"")) else { return };
    server.deliver(5, &unsigned("one"));
    server.misbehave(&[Bad::Denies]);
    let daemon = stage.start();
    until("it was looked at again and again", || (server.idles() >= 4).then_some(()));
    assert_eq!((server.mails(), stage.subjects(1)), (1, vec!["one".to_owned()]));
    daemon.stop();
    let _daemon = stage.start();
    until("it is removed there", || (server.mails() == 0).then_some(()));
    assert_eq!(stage.subjects(1), ["one"]);
}

#[test]
fn a_mail_that_comes_empty_or_cut_off_stays_and_is_relayed_once_it_is_whole() {
    let server = Scripted::start();
    let Some(stage) = Stage::set(&clear(&server, "idle_renew = \"200ms\"")) else { return };
    let long = |subject| [unsigned(subject), b"It still overflows.\r\n".repeat(500)].concat();
    server.deliver(5, &long("cut off"));
    server.deliver(6, &long("empty"));
    server.misbehave(&[Bad::Truncates]);
    let daemon = stage.start();
    let named = "2 mails in the mailbox inbox could not be taken in";
    until("they are named", || stage.problems().iter().any(|p| p.starts_with(named)).then_some(()));
    assert_eq!((server.mails(), daemon.count_lines("could not give it, or not whole")), (2, 2));
    daemon.stop();
    let _daemon = stage.start();
    assert_eq!(stage.subjects(2), ["cut off", "empty"]);
    until("they are removed there", || (server.mails() == 0).then_some(()));
}

#[test]
fn news_that_come_before_the_consent_to_idle_are_heard() {
    let server = Scripted::start();
    let Some(stage) = Stage::set(&clear(&server, "").replace("100ms", "1h")) else { return };
    server.deliver_late(5, &unsigned("one"));
    server.misbehave(&[Bad::TellsEarly]);
    let _daemon = stage.start();
    assert_eq!(stage.subjects(1), ["one"], "nobody told of it again");
}

#[test]
fn nothing_is_believed_that_was_said_before_starttls() {
    let server = Scripted::start();
    let upgraded = clear(&server, "").replace("tls = \"none\"", "tls = \"starttls\"");
    let Some(stage) = Stage::set(&upgraded) else { return };
    let cases = [
        (Bad::Preauth, "it greeted with PREAUTH"),
        (Bad::Injects, "it sent more behind its consent to STARTTLS"),
        (Bad::NoStarttls, "it refused STARTTLS"),
        (Bad::Bye, "it did not greet as an IMAP server does"),
    ];
    server.misbehave(&cases.map(|(bad, _)| bad));
    let daemon = stage.start();
    for (bad, named) in cases {
        assert!(daemon.wait_for_line(named), "{bad:?}: {}", daemon.log());
    }
    assert!(server.logins().is_empty(), "no password was sent in the clear");
}

#[test]
fn a_token_is_asked_for_at_each_login() {
    let server = Scripted::start();
    let folder =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
    let (program, token) = (folder.path().join("token"), folder.path().join("current"));
    fs::write(&program, "#!/bin/sh\nexec cat \"$1\"\n").unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    fs::write(&token, "expired-token\n").unwrap();
    let command =
        format!("auth = \"xoauth2\"\ntoken_command = [\"{}\", \"{}\"]", program.display(), token.display());
    let Some(stage) = Stage::set(&clear(&server, &command)) else { return };
    server.deliver(5, &unsigned("one"));
    let daemon = stage.start();
    assert!(daemon.wait_for_line("it refused the login"));
    fs::write(&token, "ya29.fresh\n").unwrap();
    assert_eq!(stage.subjects(1), ["one"]);
    let last = server.logins().pop().unwrap();
    assert_eq!(last, "XOAUTH2 user=security\u{1}auth=Bearer ya29.fresh\u{1}\u{1}");
    assert!(!daemon.log().contains("expired-token") && !daemon.log().contains("ya29"), "no token in the log");
}
