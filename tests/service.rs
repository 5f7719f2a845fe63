//! The path that docs/operate.md begins with, walked as it stands: a machine with Debian's Postfix, the service under a
//! real systemd, people with gpg and Mutt.
//!
//! It runs in a container over a copy-on-write view of this machine (systemd-nspawn on overlayfs), with a network of its
//! own and in a mount namespace of its own, so that nothing of it stays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it skips"
)]

use std::path::Path;
use std::process::Command;

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}

fn has(program: &str) -> bool {
    let folders = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    folders.split(':').any(|folder| Path::new(folder).join(program).exists())
}

/// What this machine lacks for it.
fn missing() -> Option<&'static str> {
    let needed = [
        (is_root(), "root"),
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("target/manual").exists(), "what `make build` makes"),
        (has("systemd-nspawn"), "systemd-nspawn (package systemd-container)"),
        (has("postfix") && has("mutt") && has("gpg"), "postfix, mutt and gpg"),
        (Path::new("/lib/systemd/systemd").exists(), "systemd"),
    ];
    needed.iter().find(|(there, _)| !there).map(|(_, what)| *what)
}

/// The `sh` blocks of the page's first section, in order, without the line that compiles.
fn blocks(page: &str) -> Vec<String> {
    let section = page.split("\n## ").nth(1).expect("a section");
    assert!(section.starts_with("From a clone to a list behind Postfix"), "{section}");
    let path = section.split("\n### ").next().unwrap();
    let blocks = path.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| {
            block.lines().filter(|l| !l.starts_with("make build")).map(|l| format!("{l}\n")).collect()
        })
        .collect()
}

/// The script, with each `#@ N` replaced by that block.
fn journey(script: &str, blocks: &[String]) -> String {
    let mut used = 0;
    let mut out = String::new();
    for line in script.lines() {
        match line.strip_prefix("#@ ") {
            Some(number) => {
                out.push_str(&blocks[number.parse::<usize>().unwrap()]);
                used += 1;
            }
            None => out.push_str(&format!("{line}\n")),
        }
    }
    assert_eq!(used, blocks.len(), "every block of the page is walked");
    out
}

/// What the container differs in from this machine: no network of ours, no waiting for one, and the journey as its task.
fn furnish(upper: &Path, script: &str) {
    let write = |name: &str, text: &str| {
        let path = upper.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("root/journey.sh", script);
    write(
        "etc/systemd/system/journey.service",
        "[Unit]\nAfter=basic.target systemd-user-sessions.service\n[Service]\nEnvironment=CHECKOUT=/srv/checkout \
         HOME=/root\nExecStart=/bin/bash /root/journey.sh\nTimeoutStartSec=300\n",
    );
    write(
        "etc/systemd/system/journey.target",
        "[Unit]\nRequires=basic.target\nWants=journey.service\nAfter=basic.target\n",
    );
    write("etc/machine-id", "uninitialized\n");
    for unit in
        ["systemd-networkd-wait-online.service", "systemd-firstboot.service", "systemd-networkd.service"]
    {
        std::os::unix::fs::symlink("/dev/null", upper.join("etc/systemd/system").join(unit)).unwrap();
    }
}

/// Boots it, and comes back when it is off. The checkout is at /srv/checkout there, wherever it is here, and what is
/// written to it stays there.
fn boot(folder: &Path) -> String {
    let script = "set -e; mount --make-rprivate /; mount -t overlay overlay -o lowerdir=/,upperdir=\"$1/upper\",workdir=\"$1/work\" \
                  \"$1/root\"; mkdir -p \"$1/root/srv/checkout\"; mount -t overlay overlay -o \
                  lowerdir=\"$2\",upperdir=\"$1/own\",workdir=\"$1/aside\" \"$1/root/srv/checkout\"; exec timeout --verbose 240 systemd-nspawn --quiet --directory=\"$1/root\" --boot --register=no --keep-unit \
                  --private-network --link-journal=no --console=pipe \
                  systemd.unit=journey.target";
    let booted = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(folder)
        .arg(env!("CARGO_MANIFEST_DIR"))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&booted.stdout), String::from_utf8_lossy(&booted.stderr))
}

#[test]
fn the_path_from_a_clone_to_a_list_behind_postfix_can_be_walked() {
    if let Some(what) = missing() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has no {what}");
        eprintln!("SKIPPED: this machine has no {what}");
        return;
    }
    let page = include_str!("../docs/operate.md");
    let folder = tempfile::tempdir().unwrap();
    for name in ["upper", "work", "root", "own", "aside"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let upper = folder.path().join("upper");
    furnish(&upper, &journey(include_str!("service/journey.sh"), &blocks(page)));
    let said = boot(folder.path());
    let left = |name: &str| {
        let bytes = std::fs::read(upper.join("root").join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let log = left("journey.log");
    assert_eq!(left("journey.status").trim(), "0", "{said}\n{log}");
    let stored = std::fs::read_dir(upper.join("var/lib/vouchsafe/data")).unwrap().count();
    assert!(stored > 0, "the data lies where the unit has it");
}
