//! `vouchsafe status --watch` across a restart.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::outside::daemon::Daemon;
use crate::outside::install::Install;

#[test]
fn the_status_is_watched_across_a_restart_and_ends_by_ctrl_c() {
    let install = Install::new("127.0.0.1:9");
    let daemon = Daemon::start(&install);
    let mut watch = Command::new(install.program())
        .arg("--config")
        .arg(install.config())
        .args(["status", "--watch", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut until = |right: &dyn Fn(&Value) -> bool| {
        let read = |line: std::io::Result<String>| serde_json::from_str::<Value>(&line.unwrap()).unwrap();
        lines.by_ref().take(60).map(read).find(|object| right(object)).expect("a line like that")
    };
    let first = until(&|o| o["reachable"] == true);
    assert_eq!(first["status"]["pid"], daemon.pid());
    assert_eq!(first["status"]["last_arrival"], Value::Null);
    daemon.kill();
    let gone = until(&|o| o["reachable"] == false);
    assert_eq!(gone["why"], "the daemon is not running");
    let next = Daemon::start(&install);
    let again = until(&|o| o["reachable"] == true);
    assert_eq!(again["status"]["pid"], next.pid());
    let sent = Command::new("kill").args(["-s", "INT", &watch.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn a_watched_status_is_for_people_without_escapes_where_no_terminal_is() {
    let install = Install::new("127.0.0.1:9");
    let watched = |lines: usize| {
        let mut watch = Command::new(install.program())
            .arg("--config")
            .arg(install.config())
            .args(["status", "--watch=1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let read = BufReader::new(watch.stdout.take().unwrap()).lines().take(lines).map(Result::unwrap);
        let text = read.collect::<Vec<_>>().join("\n");
        // Nobody reads on: like `| head`.
        assert_eq!(watch.wait().unwrap().code(), Some(0));
        text
    };
    assert_eq!(watched(1), "not reachable: the daemon is not running");
    let daemon = Daemon::start(&install);
    let text = watched(16);
    assert!(text.contains("last arrival") && text.contains("for ") && !text.contains('\x1b'), "{text}");
    assert_eq!(daemon.stop().0.code(), Some(0));
    assert_eq!(install.run(&["status", "--watch=0"]).code, 64);
}
