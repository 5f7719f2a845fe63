//! The memory that one mail at the limit costs: `VmHWM`, the most that was ever resident.

use super::home::{self, ANNOUNCE, Crowd, address_of, list_cert};
use super::peer::Sink;
use super::{Plan, say, text};
use crate::outside::daemon::Daemon;
use crate::outside::smtp::Client;
use crate::outside::until;

/// In bytes.
pub(crate) struct Memory {
    /// The mail on the wire.
    pub(crate) mail: usize,
    pub(crate) readers: usize,
    /// Resident when it was ready.
    pub(crate) at_start: u64,
    /// The most until all copies were queued.
    pub(crate) peak_relayed: u64,
    /// The most until all copies were delivered.
    pub(crate) peak: u64,
    /// Resident when all was done.
    pub(crate) after: u64,
}

pub(crate) fn measure(plan: &Plan, crowd: &Crowd) -> Option<Memory> {
    let (wire, readers) = plan.large;
    say(&format!("memory: {wire} bytes to {readers} readers"));
    let sink = Sink::start()?;
    // Ada reads along.
    let install = home::install(crowd, readers - 1, &sink.address.to_string());
    let daemon = Daemon::start(&install);
    let at_start = status(daemon.pid(), "VmRSS");
    let list = list_cert(&install, ANNOUNCE);
    let raw = largest(crowd, &list, wire);
    sink.hold();
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    let reply = client.mail(&crowd.ada.address, &[&address_of(ANNOUNCE)], &raw);
    assert_eq!(reply.code, 250, "{reply:?}");
    client.quit();
    until("all copies are queued", || {
        let status = install.json(&["status"]);
        let queued = ["due", "claimed"].iter().filter_map(|key| status[*key].as_u64()).sum::<u64>();
        (queued == readers as u64).then_some(())
    });
    let peak_relayed = status(daemon.pid(), "VmHWM");
    sink.go_on();
    daemon.wait_for_lines("outcome=Delivered", readers);
    until("the queue is empty", || (install.json(&["queue", "ls"]) == serde_json::json!([])).then_some(()));
    let (peak, after) = (status(daemon.pid(), "VmHWM"), status(daemon.pid(), "VmRSS"));
    Some(Memory { mail: raw.len(), readers, at_start, peak_relayed, peak, after })
}

/// A mail of about this size on the wire: a first small one tells how much encryption and armor add.
fn largest(crowd: &Crowd, list: &sequoia_openpgp::Cert, wire: usize) -> Vec<u8> {
    let mail =
        |size| text::announcement(&crowd.ada.address, &crowd.ada.key, (&address_of(ANNOUNCE), list), size);
    let probe = 1 << 20;
    mail(wire / (mail(probe).len() / 1024) * (probe / 1024))
}

/// A figure of `/proc/PID/status`, in bytes.
fn status(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("a figure in KiB") << 10
}
