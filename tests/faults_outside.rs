//! The program on disks that fail for real: one that is full, one whose sync fails, one that has become read-only.
//!
//! Mounts need root. Each test runs itself again in a mount namespace of its own, so that nothing stays mounted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it skips"
)]

mod outside;

#[path = "faults_outside/mounts.rs"]
mod mounts;

use mounts::{Image, fill, in_own_namespace, memory, resize};
use outside::daemon::{Daemon, serve_to_its_end};
use outside::install::{Install, SECURITY};
use outside::mail::clear;
use outside::openpgp::{armored, person};
use outside::sink::Sink;
use outside::smtp::{Client, Reply};
use outside::until;

const ADA: &str = "ada@team.example";

fn installed(sink: &Sink) -> Install {
    let install = Install::new(&sink.smarthost());
    std::fs::create_dir_all(install.root().join("data")).unwrap();
    install
}

/// Sends a report of about this size.
fn report(daemon: &Daemon, size: usize) -> Reply {
    let text = format!("{}\n", "x".repeat(70)).repeat(size / 71 + 1);
    let raw = clear("rita@reporter.example", SECURITY, "Report", &text);
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    let reply = client.mail("rita@reporter.example", &[SECURITY], &raw);
    client.quit();
    reply
}

/// Without a restart. What was found out of the disk counts for a moment, as for any client that tries again.
fn taken_again(daemon: &Daemon, size: usize) {
    until("mail is taken again", || (report(daemon, size).code == 250).then_some(()));
}

fn nothing_waits(install: &Install) {
    until("nothing waits", || {
        let status = install.json(&["status"]);
        ["arrivals", "due", "claimed", "deferred"].iter().all(|key| status[*key] == 0).then_some(())
    });
    install.ok(&["journal", "verify"]);
}

#[test]
fn a_full_disk_refuses_for_now_and_loses_nothing() {
    if !in_own_namespace("a_full_disk_refuses_for_now_and_loses_nothing") {
        return;
    }
    let sink = Sink::start();
    let install = installed(&sink);
    let data = install.root().join("data");
    memory(&data, "6m");
    let daemon = Daemon::start(&install);
    install.team(ADA, &armored(&person(ADA)));
    assert_eq!(report(&daemon, 1000).code, 250);
    sink.wait_for(ADA, 1);

    // Below a twentieth nothing is tried.
    let filler = fill(&data, 97);
    let reply = report(&daemon, 1000);
    assert_eq!((reply.code, reply.text.contains("No room")), (452, true), "{reply:?}");
    std::fs::remove_file(filler).unwrap();
    taken_again(&daemon, 1000);
    sink.wait_for(ADA, 2);

    // Above it, a mail that is larger than what is left.
    let filler = fill(&data, 88);
    let reply = report(&daemon, 1_500_000);
    assert!(matches!(reply.code, 451 | 452), "{reply:?}");
    install.ok(&["status"]);
    std::fs::remove_file(filler).unwrap();
    resize(&data, "30m");
    taken_again(&daemon, 1_500_000);
    sink.wait_for(ADA, 3);
    nothing_waits(&install);
    assert_eq!(sink.taken_for(ADA).len(), 3, "what was refused is not there");
    assert_eq!(daemon.stop().0.code(), Some(0));
}

#[test]
fn after_a_sync_that_failed_nothing_is_taken_until_a_restart() {
    if !in_own_namespace("after_a_sync_that_failed_nothing_is_taken_until_a_restart") {
        return;
    }
    let sink = Sink::start();
    let install = installed(&sink);
    let Some(image) = Image::mount(&install.root().join("data")) else { return };
    let daemon = Daemon::start(&install);
    install.team(ADA, &armored(&person(ADA)));
    install.ok(&["list", "pause", "security"]);
    assert_eq!(report(&daemon, 1000).code, 250);

    // The worker has given the mail back: no commit of its own is under way while the medium fills.
    let index = install.root().join("data/index.redb");
    let changed = || std::fs::metadata(&index).unwrap().modified().unwrap();
    until("the index is at rest", || {
        let before = changed();
        std::thread::sleep(std::time::Duration::from_millis(300));
        (changed() == before).then_some(())
    });
    // What the file system promised its medium has no room for: that shows when it is synced.
    let filler = image.exhaust();
    let mut size = 400_000;
    let refused = until("a sync fails", || {
        size += 200_000;
        Some(report(&daemon, size)).filter(|reply| reply.code != 250)
    });
    assert!(matches!(refused.code, 451 | 452), "{refused:?}");
    std::fs::remove_file(filler).unwrap();
    assert_eq!(report(&daemon, 1000).code, 451, "a medium that lied once is not trusted again");
    let status = install.run(&["status"]);
    assert_eq!(status.code, 74, "{status:?}");
    assert!(status.err.contains("restart the daemon"), "{}", status.err);
    assert!(daemon.log().contains("restart the daemon when the disk is sound"));
    assert_eq!(daemon.stop().0.code(), Some(0), "it can be stopped");

    let daemon = Daemon::start(&install);
    install.ok(&["list", "resume", "security"]);
    sink.wait_for(ADA, 1);
    assert_eq!(report(&daemon, 1000).code, 250);
    sink.wait_for(ADA, 2);
    nothing_waits(&install);
    daemon.stop();
}

#[test]
fn a_disk_that_became_read_only_is_said() {
    if !in_own_namespace("a_disk_that_became_read_only_is_said") {
        return;
    }
    let sink = Sink::start();
    let install = installed(&sink);
    let Some(image) = Image::mount(&install.root().join("data")) else { return };
    let daemon = Daemon::start(&install);
    install.team(ADA, &armored(&person(ADA)));
    assert_eq!(report(&daemon, 1000).code, 250);
    sink.wait_for(ADA, 1);
    nothing_waits(&install);

    image.break_down();
    assert_eq!(report(&daemon, 1000).code, 451);
    let paused = install.run(&["list", "pause", "security"]);
    assert_eq!(paused.code, 74, "{paused:?}");
    assert!(paused.err.contains("next:") && paused.err.contains("disk"), "{}", paused.err);
    daemon.stop();
    let ran = serve_to_its_end(&install);
    assert_eq!(ran.code, 74, "{ran:?}");
    assert!(ran.err.contains("Read-only file system"), "{}", ran.err);
}
