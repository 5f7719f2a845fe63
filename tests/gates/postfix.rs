//! A real Postfix in front, which hands mail over by its pipe transport.

use std::fs;
use std::process::Command;

use crate::outside::copy::contains;
use crate::outside::daemon::Daemon;
use crate::outside::install::SECURITY;
use crate::outside::mail::clear;
use crate::outside::postfix::Postfix;
use crate::outside::scene::Scene;
use crate::outside::smtp::Client;
use crate::outside::until;

#[test]
fn postfix_hands_over_by_a_pipe_keeps_what_waits_and_returns_what_is_refused() {
    let Some(postfix) = Postfix::prepare() else { return };
    let Some(scene) = Scene::edited(&[("[lmtp]\n#listen", "[lmtp]\nlisten")]) else { return };
    let (program, socket) = (scene.install.program().display().to_string(), scene.daemon.lmtp());
    // The line of docs/operate.md, with this test's paths.
    let page = include_str!("../../docs/operate.md");
    let line =
        page.lines().skip_while(|l| !l.starts_with("vouchsafe unix")).take(3).collect::<Vec<_>>().join("\n");
    assert!(line.contains("pipe") && line.contains("user=nobody:vouchsafe-ingest"), "{line}");
    let service = line
        .replace("/usr/bin/vouchsafe", &program)
        .replace("/run/vouchsafe/lmtp.sock", socket.to_str().unwrap())
        .replace("user=nobody:vouchsafe-ingest", "user=nobody");
    let more =
        "vouchsafe_destination_recipient_limit = 1\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n";
    postfix.start_serving("vouchsafe:", more, &format!("{service}\n"));
    let send = |from: &str, to: &[&str], subject: &str| {
        let mut client = Client::tcp(postfix.address).ehlo();
        let mail = clear("rita@reporter.example", SECURITY, subject, ".dot\ngr\u{fc}n");
        assert_eq!(client.mail(from, to, &mail).code, 250);
        client.quit();
    };
    let ada = &scene.people.ada;
    send("rita@reporter.example", &[SECURITY], "by the pipe");
    let copies = scene.sink.wait_for(&ada.address, 1);
    assert!(ada.open(&copies[0].data, &scene.security).holds("\r\n.dot\r\ngr\u{fc}n\r\n".as_bytes()));
    send("", &[SECURITY], "from nobody");
    scene.sink.wait_for(&ada.address, 2);

    // Nobody of that name, and a list that wants encrypted mail: both come back with what is to be done.
    send("rita@reporter.example", &["nobody@lists.example", "distrib-announce@lists.example"], "refused");
    until("both are bounced", || (postfix.log().matches("status=bounced").count() == 2).then_some(()));
    let log = postfix.log();
    assert!(log.contains("dsn=5.1.1") && log.contains("dsn=5.7.1"), "{log}");
    let bounces =
        until("one bounce tells both", || Some(postfix.delivered()).filter(|mails| mails.len() == 1));
    assert!(contains(&bounces[0], b"takes encrypted mail only"));
    assert!(contains(&bounces[0], b"There is no such address here"));

    // The program itself is killed while it waits for a daemon that stands still.
    scene.daemon.signal("STOP");
    send("rita@reporter.example", &[SECURITY], "killed half way");
    let pid = until("it was started", || running(socket.to_str().unwrap()));
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    until("Postfix keeps the mail", || postfix.log().contains("status=deferred (Command died").then_some(()));
    scene.daemon.signal("CONT");
    until("it is handed over", || {
        postfix.flush();
        postfix.is_empty().then_some(())
    });
    scene.sink.wait_for(&ada.address, 3);

    // The daemon is gone, then back.
    let (scene, _) = scene.followed(&[], |daemon: Daemon| {
        let log = daemon.kill();
        send("rita@reporter.example", &[SECURITY], "while it was away");
        until("it is put off", || postfix.log().contains("the daemon is not running").then_some(()));
        log
    });
    assert!(postfix.log().contains("dsn=4.3.0"), "{}", postfix.log());
    until("it is handed over", || {
        postfix.flush();
        postfix.is_empty().then_some(())
    });
    let ada = &scene.people.ada;
    until("it is relayed", || {
        let copies = scene.sink.taken_for(&ada.address);
        let is_it = |data: &[u8]| ada.open(data, &scene.security).holds(b"while it was away");
        copies.iter().any(|copy| is_it(&copy.data)).then_some(())
    });
}

/// The process that hands a mail to this socket.
fn running(socket: &str) -> Option<String> {
    let is_it = |pid: &String| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
        words.get(1) == Some(&&b"ingest"[..]) && words.contains(&socket.as_bytes())
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    pids.filter(|name| name.bytes().all(|b| b.is_ascii_digit())).find(is_it)
}
