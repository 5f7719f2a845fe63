//! Sockets that somebody else holds: systemd's own tool opens them, and starts the daemon when somebody comes.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::outside::daemon::without_rights;
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::clear;
use crate::outside::openpgp::{armored, person};
use crate::outside::sink::Sink;
use crate::outside::smtp::Client;
use crate::outside::{skip, until};

const ADA: &str = "ada@team.example";
const RITA: &str = "rita@reporter.example";

/// Killed when dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Holds this socket, and starts the daemon at the first connection.
fn held(install: &Install, socket: &Path) -> Option<Started> {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        skip("systemd-socket-activate");
        return None;
    }
    let mut command = without_rights(Path::new("systemd-socket-activate"));
    command.arg("-l").arg(socket).arg(install.program()).arg("--config").arg(install.config()).arg("serve");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until("the socket is there", || socket.exists().then_some(()));
    Some(Started(child))
}

fn installed(sink: &Sink) -> (Install, PathBuf) {
    let install = Install::edited(&sink.smarthost(), &[("[lmtp]\n#listen", "[lmtp]\nlisten")]);
    let socket = install.root().join("lmtp.sock");
    (install, socket)
}

#[test]
fn whoever_comes_before_the_daemon_waits_and_is_served() {
    let sink = Sink::start();
    let (install, socket) = installed(&sink);
    let Some(mut daemon) = held(&install, &socket) else { return };
    assert_eq!(install.run(&["status"]).code, 69, "it does not run yet");
    let mut client = Client::unix(&socket).lhlo();
    install.team(ADA, &armored(&person(ADA)));
    let mail = clear(RITA, SECURITY, "Early", "Before the daemon was there.");
    assert_eq!(client.mail(RITA, &[SECURITY], &mail).code, 250);
    sink.wait_for(ADA, 1);
    client.quit();
    let told = Command::new("kill").args(["-s", "TERM", &daemon.0.id().to_string()]).status().unwrap();
    assert!(told.success() && daemon.0.wait().unwrap().success());
    assert!(socket.exists(), "the socket is not ours to remove");
}

#[test]
fn a_socket_that_no_setting_names_is_refused() {
    let sink = Sink::start();
    let (install, _) = installed(&sink);
    let other = install.root().join("other.sock");
    let Some(mut daemon) = held(&install, &other) else { return };
    let _waiting = UnixStream::connect(&other).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut daemon.0.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(daemon.0.wait().unwrap().code(), Some(69), "{said}");
    assert!(said.contains("other.sock") && said.contains("no setting says what is spoken there"), "{said}");
}
