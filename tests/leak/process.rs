//! What the kernel would give away: core dumps and the memory of the process.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::outside::daemon::{Daemon, without_rights};
use crate::outside::install::{Install, NOBODY};
use crate::outside::{PATIENCE, is_root};
use crate::trap::core_file_below;

/// Whether a process's memory is open to its own user. The kernel gives the files of an undumpable process to root.
fn is_dumpable(pid: u32) -> bool {
    let uid = if is_root() { NOBODY } else { fs::metadata("/proc/self").unwrap().uid() };
    fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid() == uid
}

/// Whether the daemon's user can open the memory of a process.
fn opens_memory(pid: u32) -> bool {
    let mut head = without_rights(Path::new("head"));
    let status = head.args(["-c", "0", &format!("/proc/{pid}/mem")]).stderr(Stdio::null()).status();
    status.unwrap().success()
}

fn sleeper(folder: &Path) -> std::process::Child {
    let mut sleep = without_rights(Path::new("sleep"));
    sleep.arg("1000").current_dir(folder).spawn().unwrap()
}

#[test]
fn its_memory_is_closed_to_its_own_user_and_never_dumped() {
    let install = Install::new("127.0.0.1:9");
    let mut daemon = Daemon::start(&install);
    assert!(!is_dumpable(daemon.pid()), "its files in /proc belong to root");
    assert!(!opens_memory(daemon.pid()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<&str> = core["Max core file size".len()..].split_whitespace().take(2).collect();
    assert_eq!(values, ["0", "0"], "no core file, and no way back");
    daemon.signal("ABRT");
    assert!(daemon.wait(PATIENCE).is_some());
    assert!(!core_file_below(install.whole()));

    // The control: another program of the same user, started in the same way.
    let mut control = sleeper(&install.tmp());
    crate::outside::until("the control sleeps", || {
        let name = fs::read_to_string(format!("/proc/{}/comm", control.id())).ok()?;
        (name.trim() == "sleep").then_some(())
    });
    assert!(is_dumpable(control.id()));
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let sent = Command::new("kill").args(["-s", "ABRT", &control.id().to_string()]).status().unwrap();
    assert!(sent.success());
    control.wait().unwrap();
    if pattern.trim() == "core" {
        assert!(core_file_below(&install.tmp()), "the search finds a core file where there is one");
    } else {
        eprintln!("the kernel puts core files elsewhere here ({}): the control says nothing", pattern.trim());
    }
}
