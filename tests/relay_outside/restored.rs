//! A store that was put back from a backup: nothing leaves until somebody has looked.

use std::fs;
use std::process::Command;
use std::time::Duration;

use vouchsafe::time::{Clock, SystemClock};

use crate::outside::daemon::Daemon;
use crate::outside::install::ANNOUNCE;
use crate::outside::mail::{entity, pgp_mime};
use crate::outside::scene::Scene;

/// As people copy: other files with the same bytes, owners and modes.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn stopped(daemon: Daemon) -> String {
    let (status, log) = daemon.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    log
}

fn waits(scene: &Scene) -> bool {
    let status = scene.install.json(&["status"]);
    status["problems"].as_array().unwrap().iter().any(|p| p.as_str().unwrap().contains("store resume"))
}

#[test]
fn a_restored_store_takes_mail_and_waits_and_what_was_signed_before_is_held() {
    let Some(scene) = Scene::set() else { return };
    let people = scene.people.clone();
    let written = |subject: &str| entity(&people.ada.address, subject, "Update by Monday.");
    scene.announce("Before the backup");
    assert_eq!(scene.sink.wait_for_all(4).len(), 4);
    let backup = scene.install.whole().join("backup");
    let data = scene.install.data();
    let (scene, _) = scene.followed(&[], |daemon| {
        let log = stopped(daemon);
        copy(&data, &backup);
        log
    });
    assert!(!waits(&scene), "a restart is no restore");
    let seen = scene.announcement(&people.ada, &written("After the backup"));
    scene.taken(&people.ada.address, ANNOUNCE, &seen);
    assert_eq!(scene.sink.wait_for_all(8).len(), 8);
    // Signed before the restore, and on its way while there was no daemon.
    let late = scene.announcement(&people.ada, &written("Late"));

    let (scene, _) = scene.followed(&[], |daemon| {
        let log = stopped(daemon);
        fs::remove_dir_all(&data).unwrap();
        copy(&backup, &data);
        log
    });
    assert!(waits(&scene));
    scene.taken("mallory@elsewhere.example", ANNOUNCE, &seen);
    scene.taken(&people.ada.address, ANNOUNCE, &late);
    // Another start, by which nothing is resumed.
    let (scene, log) = scene.followed(&[], stopped);
    assert!(log.contains("vouchsafe store resume"), "{log}");
    assert!(waits(&scene));
    let checked = scene.install.run(&["check"]);
    assert!(checked.out.contains("store resume"), "{checked:?}");
    let status = scene.install.json(&["status"]);
    assert_eq!((&status["arrivals"], &status["held"]), (&2.into(), &0.into()), "{status}");
    assert_eq!(scene.events("restored", 1).len(), 1);
    // Five minutes are allowed for clocks, so that the first mail that is surely new has a clock ahead.
    std::thread::sleep(Duration::from_secs(3));
    let ahead = (SystemClock.now().secs() + 298).to_string();
    let (ada, to) = (people.ada.fingerprint.as_str(), scene.announce.as_str());
    let args = ["--faked-system-time", &ahead, "--armor", "-u", ada, "-r", to, "--sign", "--encrypt"];
    let new = pgp_mime(&people.ada.address, ANNOUNCE, &people.ada.ok(&args, &written("After the restore")));
    scene.taken(&people.ada.address, ANNOUNCE, &new);
    assert_eq!(scene.sink.taken().len(), 8, "nothing leaves");

    let said = scene.install.ok(&["store", "resume", "--yes"]);
    assert!(said.contains("signed before"), "{said}");
    let held = scene.holds(2);
    assert!(held.iter().all(|row| row["reason"] == "signed-before-restore"), "{held:?}");
    assert!(held.iter().all(|row| row["signer"] == people.ada.fingerprint.as_str()));
    assert_eq!(scene.sink.wait_for_all(12).len(), 12, "what was signed since goes out");
    assert!(!waits(&scene));
    let id = held[1]["id"].as_str().unwrap();
    scene.install.ok(&["hold", "release", id, "--yes"]);
    assert_eq!(scene.sink.wait_for_all(16).len(), 16);
    // Released, it is known again.
    scene.taken("mallory@elsewhere.example", ANNOUNCE, &late);
    scene.holds(2);
    assert_eq!(scene.install.run(&["store", "resume", "--yes"]).code, 65, "nothing waits any more");
    assert_eq!(scene.events("resumed-after-restore", 1).len(), 1);
    scene.install.ok(&["journal", "verify"]);
}

#[test]
fn copies_that_were_queued_wait_too_until_the_roster_was_looked_at() {
    let sink = crate::outside::sink::Sink::start();
    let smarthost = sink.smarthost();
    drop(sink);
    // Nobody listens there: the copies stay in the queue.
    let Some(scene) = Scene::with_smarthost(&smarthost) else { return };
    scene.announce("Queued");
    // A destination that cannot be had is asked with one copy for all.
    let most = |rows: &[serde_json::Value]| rows.iter().filter_map(|row| row["attempts"].as_u64()).max();
    scene.queue("four copies, and an attempt", |rows| rows.len() == 4 && most(rows) > Some(0));
    let consent = scene.install.run(&["store", "restored"]);
    assert_eq!(consent.code, 64, "nobody agreed: {}", consent.err);
    scene.install.ok(&["store", "restored", "--yes"]);
    assert!(waits(&scene));
    scene.install.ok(&["queue", "retry", "--all"]);
    let tried = || most(scene.install.json(&["queue", "ls"]).as_array().unwrap());
    let before = tried();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(tried(), before, "no copy is tried");
    // Who was removed after the backup is removed again, and gets nothing of it.
    let dora = scene.people.dora.address.clone();
    scene.install.ok(&["member", "remove", "distrib-announce", &dora, "--yes"]);
    scene.install.ok(&["store", "resume", "--yes"]);
    scene.install.ok(&["queue", "retry", "--all"]);
    let posts =
        |rows: &[serde_json::Value]| rows.iter().filter(|row| row["recipient"] != dora.as_str()).count();
    scene.queue("another attempt", |rows| posts(rows) == 3 && most(rows) > before);
    let to_dora = scene.install.json(&["queue", "ls"]).as_array().unwrap().len() - 3;
    assert!(to_dora <= 1, "no post, a farewell alone");
}
