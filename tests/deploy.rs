//! What stands in `deploy/`, put to the programs that will read it, where they are installed.

// Helpers of tests are tests as well; clippy sees only functions marked as such.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use vouchsafe::mail::directory::{Directory, Kind, ListEntry, Purpose};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// `None`, aloud, where the program is not installed.
fn run(program: &str, args: &[&str]) -> Option<Output> {
    // Where Debian keeps programs of the administrator is not on everybody's path.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(args).env("PATH", path).output();
    if output.is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is not installed");
        eprintln!("SKIPPED: {program} is not installed");
    }
    output.ok()
}

/// What Postfix's table says of an address; `None` without Postfix.
fn looked_up(table: &Path, address: &str) -> Option<Option<String>> {
    let output = run("postmap", &["-q", address, &format!("regexp:{}", table.display())])?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!errors.contains("warning") && !errors.contains("fatal"), "{errors}");
    Some(output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned()))
}

/// The table that `vouchsafe routes` makes of settings with these lines and the lists of [`directory`].
fn table(folder: &Path, listen: &str) -> PathBuf {
    let (config, table) = (folder.join("relay.toml"), folder.join("vouchsafe"));
    let list =
        |name: &str, more: &str| format!("[list.{name}]\naddress = \"{name}@lists.example.org\"\n{more}\n");
    let intake = list("security", "kind = \"intake\"");
    let announce = list("distrib-announce", "kind = \"announce\"\nteam = \"security\"");
    std::fs::write(&config, format!("{listen}\n{intake}{announce}")).unwrap();
    let vouchsafe =
        Command::new(env!("CARGO_BIN_EXE_vouchsafe")).arg("routes").arg("--config").arg(&config).output();
    let made = vouchsafe.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(&table, made.stdout).unwrap();
    table
}

/// The lists that the table is made of.
fn directory() -> Directory {
    let list = |name: &str, kind: Kind| ListEntry {
        name: name.parse().unwrap(),
        address: format!("{name}@lists.example.org").parse().unwrap(),
        kind,
        encrypted_only: kind.encrypted_only(),
    };
    Directory::new(vec![list("security", Kind::Intake), list("distrib-announce", Kind::Announce)])
}

#[test]
fn postfix_hands_over_exactly_what_the_relay_takes() {
    let token = "abcdefghijklmnopqrstuvwx27";
    let directory = directory();
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), "[lmtp]\nlisten = [\"unix:/run/vouchsafe/lmtp.sock\"]");
    let (mut ours, mut theirs) = (0, 0);
    for list in ["security", "distrib-announce", "Security", "postmaster", "somebody", "xsecurity"] {
        for suffix in ["", "-request", "-owner", "-reporter", "-bounces", "-bounces+abc", "-x", "+x"] {
            for end in ["", token] {
                let suffix =
                    if end.is_empty() { suffix.to_owned() } else { format!("{suffix}-bounces+{end}") };
                let address = format!("{list}{suffix}@lists.example.org");
                let Some(found) = looked_up(&table, &address) else { return };
                let taken = directory.resolve(&address.parse().unwrap()).is_some();
                assert_eq!(found.is_some(), taken, "{address}");
                (ours, theirs) = (ours + usize::from(taken), theirs + usize::from(!taken));
                if let Some(way) = found {
                    assert_eq!(way, "vouchsafe:unix:/run/vouchsafe/lmtp.sock");
                }
            }
        }
    }
    assert!(ours > 8 && theirs > 40, "{ours} {theirs}");
    let bounce = format!("security-bounces+{token}@lists.example.org").parse().unwrap();
    assert!(matches!(directory.resolve(&bounce).unwrap().purpose, Purpose::Bounces(_)));
}

#[test]
fn the_way_to_the_relay_is_where_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    for (listen, way) in [
        (
            "[lmtp]\nlisten = [\"unix:lmtp.sock\"]",
            format!("vouchsafe:unix:{}/lmtp.sock", folder.path().display()),
        ),
        ("[lmtp]\nlisten = [\"127.0.0.1:2524\"]", "vouchsafe:inet:127.0.0.1:2524".to_owned()),
        ("[smtp]\nlisten = [\"0.0.0.0:2525\"]", "smtp:[127.0.0.1]:2525".to_owned()),
        ("[smtp]\nlisten = [\"[::1]:2525\"]", "smtp:[::1]:2525".to_owned()),
    ] {
        let table = table(folder.path(), listen);
        let Some(found) = looked_up(&table, "security-request@lists.example.org") else { return };
        assert_eq!(found.as_deref(), Some(way.as_str()), "{listen}");
    }
}

#[test]
fn postfix_understands_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["main.cf", "master.cf"] {
        std::fs::copy(deploy("postfix").join(name), folder.path().join(name)).unwrap();
    }
    let place = folder.path().to_str().unwrap();
    let Some(main) = run("postconf", &["-c", place, "-n"]) else { return };
    let Some(master) = run("postconf", &["-c", place, "-M", "vouchsafe/unix"]) else { return };
    for output in [&main, &master] {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && errors.is_empty(), "{errors}");
    }
    let said = String::from_utf8(main.stdout).unwrap();
    for line in ["relay_domains = lists.example.org", "vouchsafe_destination_recipient_limit = 1"] {
        assert!(said.contains(line), "{said}");
    }
    assert!(String::from_utf8(master.stdout).unwrap().contains("lmtp"));
}

#[test]
fn systemd_understands_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let unit = std::fs::read_to_string(deploy("vouchsafe.service")).unwrap();
    // The program may not be installed on this machine, and the unit must not depend on it for a check of its lines.
    let unit = unit.replace("/usr/bin/vouchsafe", "/bin/true");
    let place = folder.path().join("vouchsafe.service");
    std::fs::write(&place, unit).unwrap();
    let socket = folder.path().join("vouchsafe.socket");
    std::fs::copy(deploy("vouchsafe.socket"), &socket).unwrap();
    for unit in [&place, &socket] {
        let Some(output) = run("systemd-analyze", &["verify", unit.to_str().unwrap()]) else { return };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("vouchsafe."), "{said}");
    }
}

#[test]
fn the_unit_keeps_what_the_daemon_relies_on() {
    let unit = std::fs::read_to_string(deploy("vouchsafe.service")).unwrap();
    let set = |line: &str| unit.lines().any(|found| found == line);
    for line in [
        "LimitMEMLOCK=infinity",
        "LimitCORE=0",
        "MemorySwapMax=0",
        "NoNewPrivileges=yes",
        "Type=notify",
        "WatchdogSec=2min",
    ] {
        assert!(set(line), "{line}");
    }
    assert!(unit.contains("\nExecReload=/usr/bin/vouchsafe reload "), "a reload that waits for its end");
    // Each would take something away that the daemon needs to see.
    for line in ["ProcSubset=pid", "PrivateUsers=yes"] {
        assert!(!set(line), "{line}");
    }
}
