//! How long the program takes to start, and a command to be answered.

use super::home::Crowd;
use super::measure::{Series, millis};
use super::{Plan, home, say};
use crate::outside::daemon::Daemon;

/// In milliseconds.
#[derive(Default)]
pub(crate) struct Start {
    /// From the start of the process until it has logged that it is ready.
    pub(crate) ready: Series,
    /// A whole `vouchsafe status`.
    pub(crate) status: Series,
    /// How many readers the store holds.
    pub(crate) readers: usize,
}

pub(crate) fn measure(plan: &Plan, crowd: &Crowd) -> Start {
    say("start and command line");
    let mut start = Start { readers: crowd.readers.len(), ..Start::default() };
    // Nothing is sent, so nobody needs to be there.
    let install = home::install(crowd, start.readers, "127.0.0.1:9");
    for _ in 0..plan.rounds.min(5) {
        let mut daemon = None;
        start.ready.push(millis(|| {
            let begun = daemon.insert(Daemon::spawn(&install, &[]));
            assert!(begun.wait_for_line("vouchsafe::daemon: ready"), "{}", begun.log());
        }));
        for _ in 0..5 {
            start.status.push(millis(|| install.ok(&["status"])));
        }
        daemon.map(Daemon::stop);
    }
    start
}
