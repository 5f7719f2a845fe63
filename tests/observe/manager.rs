//! The service manager's side of sd_notify(3): what it hears, and what it does not hear when something hangs.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::outside::daemon::Daemon;
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::clear;
use crate::outside::openpgp::{armored, person};
use crate::outside::sink::{Rule, Sink};
use crate::outside::smtp::Client;
use crate::outside::{PATIENCE, until};

const ADA: &str = "ada@team.example";
/// So long may nothing be heard before systemd would start the daemon anew.
const WATCHDOG: Duration = Duration::from_secs(4);

/// In the service manager's place.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn beside(install: &Install) -> Self {
        let path = install.whole().join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        Self { socket, path }
    }

    fn start(&self, install: &Install, more: &[(&str, &str)]) -> Daemon {
        let limit = WATCHDOG.as_micros().to_string();
        let own = [("NOTIFY_SOCKET", self.path.to_str().unwrap()), ("WATCHDOG_USEC", limit.as_str())];
        Daemon::start_with(install, &[&own[..], more].concat())
    }

    fn next(&self, patience: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    }

    /// Waits for a message with this line; returns the whole of it.
    fn hears(&self, line: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.next(PATIENCE).unwrap_or_else(|| panic!("{line} was not said"));
            if message.lines().any(|l| l == line || line.ends_with('=') && l.starts_with(line)) {
                return message;
            }
            assert!(Instant::now() < deadline, "{line} was not said");
        }
    }

    /// Whether nothing reassures it for as long as the watchdog waits, once what is on its way has come.
    fn is_left_alone(&self) -> bool {
        while self.next(Duration::from_millis(50)).is_some() {}
        let deadline = Instant::now() + WATCHDOG;
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            if self.next(left).is_some_and(|message| message.contains("WATCHDOG=1")) {
                return false;
            }
        }
        true
    }
}

#[test]
fn the_service_manager_hears_how_the_daemon_is() {
    let sink = Sink::start();
    let install = Install::new(&sink.smarthost());
    let manager = Manager::beside(&install);
    let daemon = manager.start(&install, &[]);
    manager.hears("READY=1");
    let status = manager.hears("STATUS=");
    assert!(status.contains("0 arrivals wait, 0 copies queued"), "{status}");
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");

    install.ok(&["reload"]);
    let reloading = manager.hears("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.hears("READY=1");

    daemon.signal("STOP");
    assert!(manager.is_left_alone(), "a process that stands still reassures nobody");
    daemon.signal("CONT");
    manager.hears("WATCHDOG=1");

    install.team(ADA, &armored(&person(ADA)));
    sink.rule(ADA, Rule::Hang);
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    let mail = clear("rita@reporter.example", SECURITY, "Long", "It takes its time.");
    assert_eq!(client.mail("rita@reporter.example", &[SECURITY], &mail).code, 250);
    client.quit();
    sink.wait_until_hanging(1);
    daemon.signal("TERM");
    manager.hears("STOPPING=1");
    manager.hears("EXTEND_TIMEOUT_USEC=");
    sink.obey(ADA);
    let mut daemon = daemon;
    assert_eq!(daemon.wait(PATIENCE).unwrap().code(), Some(0));
}

#[test]
fn a_worker_that_hangs_leaves_the_service_manager_alone() {
    let sink = Sink::start();
    let install = Install::new(&sink.smarthost());
    let manager = Manager::beside(&install);
    let daemon = manager.start(&install, &[("VOUCHSAFE_FAILPOINT", "spool-claimed:hang")]);
    install.team(ADA, &armored(&person(ADA)));
    manager.hears("WATCHDOG=1");
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    let mail = clear("rita@reporter.example", SECURITY, "Stuck", "Nobody works on it.");
    assert_eq!(client.mail("rita@reporter.example", &[SECURITY], &mail).code, 250);
    assert!(daemon.wait_for_line("parts=worker"), "{}", daemon.log());
    assert!(manager.is_left_alone(), "it is not told that all is well");
    assert_eq!(install.run(&["status"]).code, 0, "the rest goes on");

    // As systemd would: it is killed and started anew, and the mail goes on.
    daemon.kill();
    let next = manager.start(&install, &[]);
    sink.wait_for(ADA, 1);
    manager.hears("WATCHDOG=1");
    until("the spool is empty", || (install.json(&["status"])["arrivals"] == 0).then_some(()));
    assert_eq!(next.stop().0.code(), Some(0));
}
