//! Postfix's smtp-sink and smtp-source, on loopback.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::outside::{is_root, skip, until};

/// A next hop that takes mail and throws it away.
pub(crate) struct Sink {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Sink {
    /// Starts one; none, aloud, where Postfix is missing.
    pub(crate) fn start() -> Option<Self> {
        // Its port is free until it is asked for again; nobody else on this machine asks for that very one.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(tool("smtp-sink")?);
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args([&address.to_string(), "1000"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
        let sink = Self { child: child.unwrap(), address };
        until("smtp-sink listens", || TcpStream::connect(address).ok());
        Some(sink)
    }

    /// It takes connections and says nothing, until it is let go on.
    pub(crate) fn hold(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Has smtp-source send so many messages of so many bytes over so many sessions; how long that took.
    pub(crate) fn feed(&self, messages: usize, length: usize, sessions: usize, keep: bool) -> Duration {
        let mut command = Command::new(tool("smtp-source").expect("where smtp-sink is, smtp-source is"));
        if keep {
            command.arg("-d");
        }
        command.args(["-s", &sessions.to_string(), "-m", &messages.to_string(), "-l", &length.to_string()]);
        command.args(["-f", "list@lists.example", "-t", "reader@distro.example"]);
        command.arg(self.address.to_string());
        let start = Instant::now();
        let status = command.stdin(Stdio::null()).status().unwrap();
        assert!(status.success(), "smtp-source: {status}");
        start.elapsed()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Postfix keeps its tools where only root looks.
fn tool(name: &str) -> Option<String> {
    let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/lib/postfix/sbin"];
    let found =
        places.iter().map(|place| format!("{place}/{name}")).find(|p| std::fs::exists(p).unwrap_or(false));
    if found.is_none() {
        skip(name);
    }
    found
}
