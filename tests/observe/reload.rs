//! `vouchsafe reload` and SIGHUP: what changes is in force for whoever comes next, and nobody is cut off.

use std::net::SocketAddr;

use crate::outside::daemon::Daemon;
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::clear;
use crate::outside::scene::Scene;
use crate::outside::sink::{Rule, Sink};
use crate::outside::smtp::Client;
use crate::outside::until;
use crate::tls::Pair;

const RITA: &str = "rita@reporter.example";

/// The scene with TLS from the first byte on a second address.
fn with_tls(pair: &Pair) -> Option<Scene> {
    let changes = [
        ("#tls_listen = [\"0.0.0.0:465\"]", "tls_listen = [\"127.0.0.1:0\"]"),
        ("#tls_cert = \"tls/fullchain.pem\"", "tls_cert = \"cert.pem\""),
        ("#tls_key = \"tls/key.pem\"", "tls_key = \"key.pem\""),
    ];
    Scene::beside_sink(&changes, &[("cert.pem", &pair.cert), ("key.pem", &pair.key)])
}

/// Where TLS comes first.
fn smtps(daemon: &Daemon) -> SocketAddr {
    let log = daemon.log();
    let all = log.lines().filter_map(|l| l.split_once("listening address=")?.1.trim().parse().ok());
    all.collect::<Vec<_>>()[1]
}

fn put(install: &Install, name: &str, content: &str) {
    std::fs::write(install.root().join(name), content).unwrap();
    install.hand_over();
}

/// A client in the middle of its mail.
fn in_data(daemon: &Daemon) -> Client {
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    assert_eq!(client.command(&format!("MAIL FROM:<{RITA}>")).code, 250);
    assert_eq!(client.command(&format!("RCPT TO:<{SECURITY}>")).code, 250);
    assert_eq!(client.command("DATA").code, 354);
    client
}

fn knows(daemon: &Daemon, address: &str) -> bool {
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    assert_eq!(client.command(&format!("MAIL FROM:<{RITA}>")).code, 250);
    client.command(&format!("RCPT TO:<{address}>")).code == 250
}

#[test]
fn a_reload_is_for_whoever_comes_next_and_cuts_nobody_off() {
    let (old, new) = (Pair::new(), Pair::new());
    let Some(mut scene) = with_tls(&old) else { return };
    let tls = smtps(&scene.daemon);
    assert!(old.is_shown_at(tls) && !new.is_shown_at(tls));
    let dora = scene.people.dora.address.clone();
    scene.sink.rule(&dora, Rule::Hang);
    let announced = scene.announce("Before the reload");
    scene.sink.wait_until_hanging(1);
    let mut idle = Client::tcp(scene.daemon.smtp()).ehlo();
    let mut writing = in_data(&scene.daemon);
    let mail = clear(RITA, SECURITY, "Across the reload", "Not lost on the way.");
    let (first, rest) = mail.split_at(mail.len() / 2);
    writing.say(first);

    put(&scene.install, "cert.pem", &new.cert);
    put(&scene.install, "key.pem", &new.key);
    scene.install.edit("name = \"Security Team\"", "name = \"Security Crew\"");
    let table = "[list.early]\naddress = \"early@lists.example\"\nkind = \"discuss\"\n\n[list.security]";
    scene.install.edit("[list.security]", table);
    scene.install.edit("\nlisten = [\"127.0.0.1:0\"]", "\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]");
    scene.install.ok(&["key", "new", "early"]);
    assert!(!knows(&scene.daemon, "early@lists.example"));
    let said = scene.install.ok(&["reload"]);
    for part in
        ["[list.early] (new)", "[list.security] name", "[smtp] tls_cert (its file)", "tls_key (its file)"]
    {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.contains("note: [smtp] listen needs a restart\n"), "{said}");

    assert!(new.is_shown_at(tls) && !old.is_shown_at(tls), "new handshakes show the new certificate");
    assert!(knows(&scene.daemon, "early@lists.example"));
    assert!(scene.install.ok(&["list", "ls"]).contains("early@lists.example"));
    assert_eq!(idle.command("NOOP").code, 250, "an idle session goes on");
    writing.say(rest);
    writing.say(b".\r\n");
    assert_eq!(writing.reply().code, 250, "a mail that was begun is taken to its end");
    let copies = scene.sink.wait_for(&scene.people.bob.address, 2);
    let subjects: Vec<String> = copies
        .iter()
        .map(|c| {
            scene
                .people
                .bob
                .open(
                    &c.data,
                    if c.reverse_path.starts_with("security") { &scene.security } else { &scene.announce },
                )
                .subject()
        })
        .collect();
    assert!(subjects.contains(&"[Security Crew] Across the reload".to_owned()), "{subjects:?}");
    scene.sink.obey(&dora);
    let copies = scene.sink.wait_for(&dora, 1);
    assert!(scene.people.dora.open(&copies[0].data, &scene.announce).holds(&announced), "a delivery goes on");
    let again = scene.install.ok(&["reload"]);
    assert!(
        again.contains("nothing that can change") && again.contains("note: [smtp] listen needs"),
        "{again}"
    );
    scene.lives_on();
    assert_eq!(scene.sink.taken_for(&dora).len(), 1, "nothing is sent twice");
}

#[test]
fn who_waits_for_a_way_that_was_none_goes_by_the_new_one() {
    let Some(mut scene) = Scene::with_files("127.0.0.1:1", &[], &[]) else { return };
    let announced = scene.announce("By another way");
    let resting = || {
        let rows = scene.install.json(&["queue", "ls"]);
        let rows = rows.as_array().unwrap().clone();
        (rows.len() > 1 && rows.iter().all(|row| row["rests"].is_object())).then_some(rows)
    };
    let before = until("all copies wait for the same rest", resting);
    // What has nothing to do with the way out leaves it as it is.
    scene.install.edit("name = \"Security Team\"", "name = \"Security Crew\"");
    scene.install.ok(&["reload"]);
    let after = until("they still do", resting);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before["rests"], &before["next"]), (&after["rests"], &after["next"]));
    }
    scene.install.edit("smarthost = \"127.0.0.1:1\"", &format!("smarthost = \"{}\"", scene.sink.smarthost()));
    scene.install.ok(&["reload"]);
    for person in [&scene.people.dora, &scene.people.emil] {
        let copies = scene.sink.wait_for(&person.address, 1);
        assert!(person.open(&copies[0].data, &scene.announce).holds(&announced));
    }
    scene.lives_on();
}

#[test]
fn what_does_not_serve_changes_nothing_and_says_where() {
    let pair = Pair::new();
    let Some(mut scene) = with_tls(&pair) else { return };
    let tls = smtps(&scene.daemon);
    let right = std::fs::read_to_string(scene.install.config()).unwrap();
    let new_list = "[list.early]\naddress = \"early@lists.example\"\nkind = \"discuss\"\n\n[list.security]";
    let mut refused = 0;
    for (from, to, told) in [
        ("\n[limits]\n", "\n[limits]\nmax_mesage = 1\n", "relay.toml:"),
        ("[list.security]", new_list, "vouchsafe key new early"),
        ("tls_key = \"key.pem\"", "tls_key = \"none.pem\"", "none.pem"),
        ("tls = \"none\"", "tls = \"required\"\nca_file = \"none.pem\"", "none.pem"),
    ] {
        // With the fault comes a change that would show.
        scene.install.edit("name = \"Security Team\"", "name = \"Somebody Else\"");
        scene.install.edit(from, to);
        let ran = scene.install.run(&["reload"]);
        assert_eq!(ran.code, 78, "{ran:?}");
        assert!(ran.err.contains(told), "{}", ran.err);
        scene.daemon.signal("HUP");
        // What the command line cannot read itself, it does not ask the daemon for.
        refused += if ran.err.contains("nothing has changed") { 2 } else { 1 };
        scene.daemon.wait_for_lines("the settings were not taken, and nothing has changed", refused);
        std::fs::write(scene.install.config(), &right).unwrap();
    }
    assert_eq!(refused, 7);
    assert!(pair.is_shown_at(tls));
    scene.tell("As it was");
    let copies = scene.sink.wait_for(&scene.people.bob.address, 1);
    assert_eq!(
        scene.people.bob.open(&copies[0].data, &scene.security).subject(),
        "[Security Team] As it was"
    );
    scene.lives_on();
}

#[test]
fn a_hangup_reloads_and_the_next_hop_can_change() {
    let Some(scene) = Scene::set() else { return };
    let (first, second) = (scene.sink.smarthost(), Sink::start());
    scene.install.edit(&first, &second.smarthost());
    scene.daemon.signal("HUP");
    assert!(scene.daemon.wait_for_line("changed=\"[egress] smarthost\""), "{}", scene.daemon.log());
    scene.tell("The other way");
    second.wait_for(&scene.people.bob.address, 1);
    assert!(scene.sink.taken_for(&scene.people.bob.address).is_empty());
    let (status, log) = scene.daemon.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_daemon_that_dies_over_a_reload_loses_nothing() {
    for point in ["reload-read", "reload-done"] {
        let failpoint = format!("{point}:abort");
        let Some(scene) = Scene::with_environment(&[("VOUCHSAFE_FAILPOINT", &failpoint)]) else { return };
        let bob = scene.people.bob.address.clone();
        scene.sink.rule(&bob, Rule::Hang);
        let written = scene.tell("While it dies");
        scene.sink.wait_until_hanging(1);
        let asked = scene.install.run(&["reload"]);
        assert_eq!(asked.code, 74, "{asked:?}");
        let Scene { daemon, install, sink, people, security, .. } = scene;
        daemon.kill();
        sink.obey(&bob);
        let next = Daemon::start(&install);
        let copies = sink.wait_for(&bob, 1);
        assert!(people.bob.open(&copies[0].data, &security).holds(&written));
        assert_eq!(next.stop().0.code(), Some(0));
    }
}

#[test]
fn a_daemon_whose_reload_breaks_down_goes_on() {
    for point in ["reload-read", "reload-done"] {
        let failpoint = format!("{point}:panic:1");
        let Some(mut scene) = Scene::with_environment(&[("VOUCHSAFE_FAILPOINT", &failpoint)]) else { return };
        scene.install.edit("name = \"Security Team\"", "name = \"Security Crew\"");
        let asked = scene.install.run(&["reload"]);
        assert_eq!(asked.code, 70, "{asked:?}");
        assert!(asked.err.contains("may be in force") && asked.err.contains("reload again"), "{}", asked.err);
        let again = scene.install.ok(&["reload"]);
        assert!(again.contains("[list.security] name"), "{again}");
        scene.tell("Afterwards");
        let copies = scene.sink.wait_for(&scene.people.bob.address, 1);
        let subject = scene.people.bob.open(&copies[0].data, &scene.security).subject();
        assert_eq!(subject, "[Security Crew] Afterwards");
        scene.lives_on();
    }
}
