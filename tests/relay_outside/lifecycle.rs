//! Start, stop, and what must not start.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::outside::daemon::{Daemon, serve_to_its_end};
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::clear;
use crate::outside::scene::Scene;
use crate::outside::sink::{Rule, Sink};
use crate::outside::smtp::Client;

#[test]
fn sigterm_lets_what_is_under_way_come_to_its_end() {
    let Some(scene) = Scene::set() else { return };
    let dora = scene.people.dora.address.clone();
    scene.sink.rule(&dora, Rule::Hang);
    let written = scene.announce("While it stops");
    scene.sink.wait_until_hanging(1);
    // A client in the middle of its mail.
    let mut client = Client::tcp(scene.daemon.smtp()).ehlo();
    assert_eq!(client.command("MAIL FROM:<rita@reporter.example>").code, 250);
    assert_eq!(client.command(&format!("RCPT TO:<{SECURITY}>")).code, 250);
    assert_eq!(client.command("DATA").code, 354);
    scene.daemon.signal("TERM");
    assert!(scene.daemon.wait_for_line("stopping"));
    client.say(&clear("rita@reporter.example", SECURITY, "Late", "In the last moment."));
    client.say(b".\r\n");
    assert_eq!(client.reply().code, 250, "a mail that was begun is taken to its end");
    scene.sink.obey(&dora);
    let Scene { mut daemon, install, sink, people, announce, security } = scene;
    let status = daemon.wait(Duration::from_secs(45)).expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    let copies = sink.wait_for(&dora, 1);
    assert!(
        people.dora.open(&copies[0].data, &announce).holds(&written),
        "the copy on its way was delivered"
    );
    assert!(!install.root().join("control.sock").exists(), "no stale socket is left");

    let asked = install.run(&["status"]);
    assert_eq!(asked.code, 69);
    assert!(asked.err.contains("the daemon is not running") && asked.err.contains("next:"), "{}", asked.err);
    let daemon = Daemon::start(&install);
    let copies = sink.wait_for(&people.bob.address, 2);
    let late = people.bob.open(&copies[1].data, &security);
    assert_eq!(late.subject(), "[Security Team] Late");
    assert_eq!(sink.taken_for(&dora).len(), 1, "what was delivered is not sent again");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn a_daemon_whose_worker_or_courier_is_gone_ends_and_the_next_one_goes_on() {
    for point in ["spool-claimed", "copies-claimed"] {
        let failpoint = format!("{point}:panic");
        let Some(scene) = Scene::with_environment(&[("VOUCHSAFE_FAILPOINT", &failpoint)]) else { return };
        let Scene { mut daemon, install, sink, people, .. } = scene;
        let mut client = Client::tcp(daemon.smtp()).ehlo();
        let mail = clear("rita@reporter.example", SECURITY, "Onwards", "Whoever is on duty.");
        assert_eq!(client.mail("rita@reporter.example", &[SECURITY], &mail).code, 250);
        let status = daemon.wait(Duration::from_secs(45)).expect("it ends, so that it is started again");
        assert_eq!(status.code(), Some(70), "{}", daemon.log());
        assert!(
            daemon.whole_log().contains("broke down, and without it no mail goes on"),
            "{}",
            daemon.log()
        );
        let next = crate::outside::daemon::Daemon::start(&install);
        sink.wait_for(&people.bob.address, 1);
        assert_eq!(next.stop().0.code(), Some(0));
    }
}

#[test]
fn a_second_daemon_on_the_same_folder_is_refused_and_harms_nothing() {
    let Some(mut scene) = Scene::set() else { return };
    let second = serve_to_its_end(&scene.install);
    assert!(matches!(second.code, 69 | 74), "{second:?}");
    let clear =
        second.err.contains("another") && second.err.contains("running") || second.err.contains("in use");
    assert!(clear && second.err.starts_with("error: ") || second.err.contains("\nerror: "), "{}", second.err);
    scene.lives_on();
}

#[test]
fn what_cannot_be_served_is_said_and_not_tried() {
    let cases = [
        ("tls = \"none\"", "tls = \"required\"\nca_file = \"none.pem\"", "none.pem"),
        ("passphrase_file = \"passphrase\"", "passphrase_file = \"elsewhere\"", "elsewhere"),
        ("path = \"keys\"", "path = \"no-keys\"", "no-keys"),
        ("#max_message = 52428800", "max_mesage = 5", "max_mesage"),
    ];
    for (from, to, named) in cases {
        let install = Install::edited("127.0.0.1:9", &[(from, to)]);
        let ran = serve_to_its_end(&install);
        assert_eq!(ran.code, 78, "{to}: {ran:?}");
        assert!(ran.err.contains(named), "{to}: {}", ran.err);
        let check = install.run(&["check"]);
        assert_eq!(check.code, 78, "check sees it too, {to}: {check:?}");
        assert!(check.out.contains(named), "{to}: {}", check.out);
    }
}

/// `systemctl start` returns when READY=1 came (sd_notify(3)): from then on every command has to work.
#[test]
fn the_service_manager_is_told_when_it_serves_and_when_it_stops() {
    let sink = Sink::start();
    let install = Install::new(&sink.smarthost());
    let place = install.root().join("notify.sock");
    let manager = UnixDatagram::bind(&place).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    std::fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let daemon = Daemon::spawn(&install, &[("NOTIFY_SOCKET", place.to_str().unwrap())]);
    // What it says of itself in words comes whenever there is something to say.
    let hear = || loop {
        let mut told = [0; 1000];
        let length = manager.recv(&mut told).unwrap_or_else(|e| panic!("{e}: {}", daemon.log()));
        let told = String::from_utf8_lossy(&told[..length]).into_owned();
        if let Some(word) = told.lines().find(|line| !line.starts_with("STATUS=")) {
            return word.to_owned();
        }
    };
    assert_eq!(hear(), "READY=1");
    install.ok(&["status"]);
    daemon.signal("TERM");
    assert_eq!(hear(), "STOPPING=1");
}
