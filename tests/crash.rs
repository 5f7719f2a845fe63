//! The second promise, from outside: an accepted mail is never lost. The release binary gets SIGKILL at random moments
//! under load and is started again on the same folder; whatever was answered with 250 must reach every reader.
//!
//! `VOUCHSAFE_CRASH_ROUNDS` sets how often (100 when not set), `VOUCHSAFE_TEST_BINARY` which program.
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

#[path = "crash/load.rs"]
mod load;
#[path = "crash/verdict.rs"]
mod verdict;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use load::{Load, Setting, below};
use outside::daemon::Daemon;
use outside::install::use_binary;
use outside::{in_ci, until};

/// The release binary beside the one that cargo has built for this test.
fn release_binary() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_BIN_EXE_vouchsafe"));
    let release = built.parent()?.parent()?.join("release").join(built.file_name()?);
    release.exists().then_some(release)
}

fn choose_binary() {
    if std::env::var_os("VOUCHSAFE_TEST_BINARY").is_some() {
        return;
    }
    match release_binary() {
        Some(release) => use_binary(release),
        None => {
            assert!(!in_ci(), "there is no release binary to kill: cargo build --release");
            eprintln!(
                "there is no release binary (cargo build --release): the debug build is killed instead"
            );
        }
    }
}

fn rounds() -> usize {
    let set = std::env::var("VOUCHSAFE_CRASH_ROUNDS").ok();
    set.map_or(100, |text| text.parse().expect("VOUCHSAFE_CRASH_ROUNDS is a number"))
}

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    choose_binary();
    let (start, rounds) = (Instant::now(), rounds());
    let setting = Setting::set_up();
    let mut sent = Vec::new();
    let mut kills = 0;
    for round in 0..rounds {
        if round % 10 == 9 {
            // In the middle of starting, too.
            let daemon = Daemon::spawn(&setting.install, &[]);
            std::thread::sleep(Duration::from_millis(below(200)));
            daemon.kill();
            kills += 1;
            setting.sink.next_generation();
        }
        let daemon = Daemon::spawn(&setting.install, &[]);
        assert!(daemon.wait_for_line("vouchsafe::daemon: ready"), "round {round}: {}", daemon.log());
        let load = Load::start(&setting, daemon.smtp(), round);
        std::thread::sleep(Duration::from_millis(20 + below(380)));
        daemon.kill();
        kills += 1;
        setting.sink.next_generation();
        sent.extend(load.end());
    }
    let daemon = Daemon::start(&setting.install);
    let quarantined = release_quarantined(&setting);
    until("spool and queue are empty", || {
        let status = setting.install.json(&["status"]);
        let left = ["arrivals", "due", "claimed", "deferred", "failed"].iter().map(|key| &status[*key]);
        left.into_iter().all(|count| *count == 0).then_some(())
    });
    setting.install.ok(&["journal", "verify"]);
    assert_eq!(daemon.stop().0.code(), Some(0));
    let figures = verdict::judge(&setting, &sent);
    eprintln!(
        "{rounds} rounds, {kills} kills in {:.0?}; {quarantined} quarantined and released",
        start.elapsed()
    );
    eprintln!("{figures}");
    assert!(figures.acknowledged >= rounds, "the load is worth the name");
}

/// The third unfinished claim quarantines a mail, as it must: three kills in a row may hit the same one. It is not lost.
fn release_quarantined(setting: &Setting) -> usize {
    until("the spool is empty", || (setting.install.json(&["status"])["arrivals"] == 0).then_some(()));
    let held = setting.install.json(&["hold", "ls"]);
    for row in held.as_array().unwrap() {
        assert_eq!(row["reason"], "quarantined", "nothing else is held");
        setting.install.ok(&["hold", "release", row["id"].as_str().unwrap(), "--yes"]);
    }
    held.as_array().unwrap().len()
}
