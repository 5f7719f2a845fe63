//! The first promise, from outside: no byte of content is stored in plaintext. Mail carries canaries; afterwards
//! everything that the daemon has written or said is searched for them, in every form they could take.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures and skips"
)]

mod outside;

#[path = "leak/crashing.rs"]
mod crashing;
#[path = "leak/journal.rs"]
mod journal;
#[path = "leak/process.rs"]
mod process;
#[path = "leak/proxy.rs"]
mod proxy;
#[path = "leak/scan.rs"]
mod scan;
#[path = "leak/trap.rs"]
mod trap;

use outside::install::{ANNOUNCE, SECURITY};
use outside::mail::pgp_mime;
use outside::sink::Rule;
use outside::smtp::{Client, dotted};
use trap::Trap;

#[test]
fn relayed_mail_leaves_no_trace() {
    let Some(mut trap) = Trap::set(&[]) else { return };
    let (dora, rita) = (trap.scene.people.dora.address.clone(), trap.scene.people.rita.address.clone());
    trap.scene.sink.rule(&dora, Rule::Refuse("451 4.7.1 later"));
    let report = trap.scene.report(&trap.scene.people.rita, &trap.canaries.entity());
    trap.through_the_tap(&rita, SECURITY, &report);
    let announcement = trap.scene.announcement(&trap.scene.people.ada, &trap.canaries.entity());
    trap.through_the_tap("ada@team.example", ANNOUNCE, &announcement);
    trap.scene.taken(&rita, SECURITY, &trap.canaries.clear(SECURITY));
    let copies = trap.scene.sink.wait_for(&trap.scene.people.ada.address, 3);
    for copy in &copies {
        let list = if copy.reverse_path.starts_with("security") {
            &trap.scene.security
        } else {
            &trap.scene.announce
        };
        trap.canaries.are_in(&trap.scene.people.ada.open(&copy.data, list));
    }
    trap.scene.queue("Dora's copy waits", |rows| rows.len() == 1 && rows[0]["state"] == "deferred");
    trap.look_at_every_screen();
    trap.nothing_leaked("while a copy is queued");
    trap.the_search_finds_what_is_planted();

    trap = trap.restarted(&[]);
    trap.scene.sink.obey(&dora);
    trap.scene.install.ok(&["queue", "retry", "--all"]);
    trap.scene.sink.wait_for(&dora, 1);
    trap.scene.queue("an empty queue", <[_]>::is_empty);
    trap.nothing_leaked("after a restart");
}

#[test]
fn a_log_in_json_has_fields_and_no_content() {
    let Some(trap) = Trap::edited(&[("#format = \"text\"", "format = \"json\"")], &[]) else { return };
    let rita = trap.scene.people.rita.address.clone();
    trap.scene.taken(&rita, SECURITY, &trap.canaries.clear(SECURITY));
    let stranger = trap.scene.announcement(&trap.scene.people.rita, &trap.canaries.entity());
    trap.through_the_tap(&rita, ANNOUNCE, &stranger);
    trap.scene.holds(1);
    trap.scene.sink.wait_for(&trap.scene.people.ada.address, 1);
    trap.scene.queue("an empty queue", <[_]>::is_empty);
    trap.nothing_leaked("with a log in JSON");
    let log = trap.scene.daemon.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let held = lines.iter().find(|line| line["message"] == "a mail is held").expect("it is told");
    assert_eq!((held["list"].as_str(), held["level"].as_str()), (Some("distrib-announce"), Some("WARN")));
    let address = trap.scene.people.ada.address.as_str();
    assert!(!log.contains(address), "no reader's address");
    assert!(lines.iter().any(|line| line["message"] == "attempt" && line["code"] == 250), "{log}");
}

#[test]
fn held_refused_and_waiting_mail_leaves_no_trace() {
    let Some(mut trap) = Trap::set(&[]) else { return };
    let rita = trap.scene.people.rita.address.clone();
    let stranger = trap.scene.announcement(&trap.scene.people.rita, &trap.canaries.entity());
    trap.through_the_tap(&rita, ANNOUNCE, &stranger);
    let damaged = pgp_mime(&rita, ANNOUNCE, &trap.damaged());
    trap.through_the_tap(&rita, ANNOUNCE, &damaged);
    trap.scene.holds(2);
    let refused = trap.scene.send(&rita, ANNOUNCE, &trap.canaries.clear(ANNOUNCE));
    assert_eq!(refused.code, 550);
    trap.screens.push(refused.text);

    trap.scene.install.ok(&["list", "pause", "security"]);
    trap.scene.taken(&rita, SECURITY, &trap.canaries.clear(SECURITY));
    let report = trap.scene.report(&trap.scene.people.rita, &trap.canaries.entity());
    trap.through_the_tap(&rita, SECURITY, &report);
    assert_eq!(trap.scene.install.json(&["status"])["arrivals"], 2);
    // Broken off in the middle, and stopped short by bare line feeds.
    let clear = trap.canaries.clear(SECURITY);
    let mut half = data(&trap);
    half.say(&clear);
    let mut smuggling = data(&trap);
    smuggling.say(&dotted(&[&clear, &b"x\ny\r\n"[..]].concat()));
    trap.screens.push(smuggling.reply().text);
    trap.look_at_every_screen();
    trap.nothing_leaked("with mail held and waiting");
    // SIGKILL while one mail is half in.
    trap = trap.killed(&[]);
    drop(half);
    trap.nothing_leaked("after SIGKILL");

    trap.scene.install.ok(&["list", "resume", "security"]);
    let copies = trap.scene.sink.wait_for(&trap.scene.people.ada.address, 2);
    for copy in &copies {
        trap.canaries.are_in(&trap.scene.people.ada.open(&copy.data, &trap.scene.security));
    }
    for row in trap.scene.holds(2) {
        let id = row["id"].as_str().unwrap();
        if row["reason"] == "unknown-signer" {
            trap.scene.install.ok(&["hold", "release", id, "--yes"]);
        } else {
            trap.scene.install.ok(&["hold", "drop", id, "--yes"]);
        }
    }
    trap.scene.sink.wait_for(&trap.scene.people.dora.address, 1);
    trap.nothing_leaked("after release and drop");
}

/// A session in the middle of DATA for security@.
fn data(trap: &Trap) -> Client {
    let mut client = Client::tcp(trap.scene.daemon.smtp()).ehlo();
    assert_eq!(client.command("MAIL FROM:<rita@reporter.example>").code, 250);
    assert_eq!(client.command(&format!("RCPT TO:<{SECURITY}>")).code, 250);
    assert_eq!(client.command("DATA").code, 354);
    client
}
