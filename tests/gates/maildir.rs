//! A maildir: what a delivery agent puts there, what does not belong there, and a daemon that dies in between.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outside::daemon::Daemon;
use crate::outside::install::{NOBODY, SECURITY};
use crate::outside::scene::Scene;
use crate::outside::{is_root, until};

/// The scene with a maildir; `more` are further lines of its section.
fn scene(more: &str) -> Option<(Scene, PathBuf)> {
    let section = format!("[maildir.reports]\npath = \"mail\"\nevery = \"1s\"\n{more}\n\n[limits]");
    let changes = [("[limits]", section.as_str()), ("#max_message = 52428800", "max_message = 200000")];
    let scene = Scene::edited(&changes)?;
    let mail = scene.install.root().join("mail");
    for name in ["", "new", "cur", "tmp"] {
        let folder = mail.join(name);
        fs::create_dir_all(&folder).unwrap();
        own(&folder);
    }
    Some((scene, mail))
}

fn own(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Delivers as maildir(5) says: written elsewhere, then moved. LF, as delivery agents store.
fn deliver(mail: &Path, name: &str, text: &str) {
    let draft = mail.join("tmp").join(name);
    fs::write(&draft, text).unwrap();
    own(&draft);
    fs::rename(draft, mail.join("new").join(name)).unwrap();
}

fn report(marker: &str) -> String {
    format!(
        "Return-Path: <rita@reporter.example>\nFrom: rita@reporter.example\nSubject: {marker}\n\nIt is {marker}.\n"
    )
}

fn names(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

/// The reports that Ada has got, each by a word of its text.
fn got(scene: &Scene, marker: &str) -> usize {
    let ada = &scene.people.ada;
    let text = format!("It is {marker}.");
    let copies = scene.sink.taken_for(&ada.address);
    copies.iter().filter(|copy| ada.open(&copy.data, &scene.security).holds(text.as_bytes())).count()
}

#[test]
fn what_is_delivered_is_taken_and_what_does_not_belong_there_stays_and_is_named() {
    let Some((mut scene, mail)) = scene("recipient_from = \"delivered-to\"") else { return };
    let (new, to) = (mail.join("new"), format!("Delivered-To: {SECURITY}\n"));
    // First what stays, by name and time: it keeps nothing waiting.
    let outside = scene.install.file("outside", b"Subject: outside\n\nIt is outside.\n");
    symlink(&outside, new.join("0.link")).unwrap();
    fs::create_dir(new.join("0.folder")).unwrap();
    assert!(Command::new("mkfifo").arg(new.join("0.pipe")).status().unwrap().success());
    deliver(&mail, "0.large", &format!("{to}{}", report("large") + &"x\n".repeat(150_000)));
    deliver(&mail, "0.nobody", &report("nobody"));
    deliver(&mail, "0.others", &format!("Delivered-To: x@elsewhere.example\n{}", report("others")));
    deliver(&mail, "0.empty", "");
    let mut stay = vec!["0.empty", "0.folder", "0.large", "0.link", "0.nobody", "0.others", "0.pipe"];
    if is_root() {
        fs::write(new.join("0.foreign"), format!("{to}{}", report("foreign"))).unwrap();
        chown(new.join("0.foreign"), Some(12_345), None).unwrap();
        stay.insert(2, "0.foreign");
    }
    deliver(&mail, "1.first", &format!("{to}{}", report("first")));
    deliver(&mail, "2.second", &format!("{to}{}", report("second")));
    until("both are relayed", || (got(&scene, "first") == 1 && got(&scene, "second") == 1).then_some(()));
    until("the rest is left alone", || (names(&new) == stay).then_some(()));
    stay.sort_unstable();
    until("it is told in the status", || {
        let status = scene.install.ok(&["status"]);
        status.contains(&format!("maildir reports: {} files cannot be taken", stay.len())).then_some(())
    });
    // Two more rounds, and each was named once.
    deliver(&mail, "3.third", &format!("{to}{}", report("third")));
    until("it is relayed", || (got(&scene, "third") == 1).then_some(()));
    for name in &stay {
        let named = scene.daemon.count_lines(&format!("file=\"{name}\""));
        assert_eq!(named, 1, "{name}: {}", scene.daemon.log());
    }
    assert!(!scene.daemon.log().contains("It is"), "no content in the log");
    assert_eq!(names(&new), stay, "nothing of it was removed");
    scene.lives_on();
}

#[test]
fn where_nothing_listens_a_maildir_is_enough() {
    let Some((scene, mail)) = scene(&format!("recipient = \"{SECURITY}\"")) else { return };
    scene.install.edit("listen = [\"127.0.0.1:0\"]", "listen = []");
    let scene = scene.restarted();
    deliver(&mail, "1.only", &report("only"));
    until("it is relayed", || (got(&scene, "only") == 1).then_some(()));
    until("it is gone from the folder", || names(&mail.join("new")).is_empty().then_some(()));
    let checked = scene.install.run(&["check"]);
    assert!(!checked.out.contains("no mail can come in"), "{}", checked.out);
}

#[test]
fn what_is_kept_goes_to_cur_and_is_not_taken_again() {
    let Some((scene, mail)) = scene(&format!("recipient = \"{SECURITY}\"\nthen = \"keep\"")) else { return };
    deliver(&mail, "1.kept", &report("kept"));
    until("it is relayed", || (got(&scene, "kept") == 1).then_some(()));
    until("it is put away", || (names(&mail.join("cur")) == ["1.kept:2,S"]).then_some(()));
    let scene = scene.restarted();
    deliver(&mail, "2.next", &report("next"));
    until("the next is relayed", || (got(&scene, "next") == 1).then_some(()));
    assert_eq!((got(&scene, "kept"), names(&mail.join("new")).len()), (1, 0));
}

#[test]
fn a_daemon_that_dies_at_any_step_neither_loses_a_mail_nor_relays_it_twice() {
    let Some((mut scene, mail)) = scene(&format!("recipient = \"{SECURITY}\"")) else { return };
    let points = [
        "intake-begun",
        "intake-stored",
        "intake-committed",
        "maildir-taken",
        "maildir-removed",
        "maildir-synced",
    ];
    for point in points {
        let arm = format!("{point}:abort");
        scene = scene.restarted_with(&[("VOUCHSAFE_FAILPOINT", arm.as_str())]);
        deliver(&mail, &format!("1.{point}"), &report(point));
        assert!(scene.daemon.wait_for_line(&format!("failpoint {point} reached")));
        scene = scene.followed(&[], Daemon::kill).0;
        until("it is relayed", || (got(&scene, point) == 1).then_some(()));
        until("it is gone from the folder", || names(&mail.join("new")).is_empty().then_some(()));
    }
    // Same name, another mail: no mark that was left makes it vanish.
    deliver(&mail, "1.maildir-taken", &report("again"));
    until("it is relayed", || (got(&scene, "again") == 1).then_some(()));
    for point in points {
        assert_eq!(got(&scene, point), 1, "{point}");
    }
}
