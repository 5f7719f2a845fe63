//! Copies to the next hop, each second: the daemon to smtp-sink, beside smtp-source to the same sink.
//!
//! The sink is stopped while the queue fills, and the clock runs from the moment it goes on until the last copy is
//! acknowledged. Both send messages of the same length over as many connections at once. smtp-source makes its messages
//! up; the daemon reads them from its store and records every outcome durably.

use std::time::Instant;

use super::home::{self, ANNOUNCE, Crowd, address_of, list_cert};
use super::measure::{Pair, per_second};
use super::peer::Sink;
use super::{KIB, Plan, say, text};
use crate::outside::daemon::Daemon;
use crate::outside::install::Install;
use crate::outside::smtp::Client;
use crate::outside::until;

/// How many mails fill the queue: each goes to all readers.
pub(crate) const MAILS: usize = 2;
/// The size of what Ada writes, in bytes.
const SIZE: usize = 10 * KIB;
/// About how long header, MIME frame and wrapped key of a copy are, in bytes.
const HEAD: usize = 1500;
/// Connections at once: what the daemon does when nothing is set.
const SESSIONS: usize = 10;

/// In messages each second.
pub(crate) struct Delivery {
    pub(crate) copies: usize,
    /// The length of a copy on the wire, in bytes.
    pub(crate) length: usize,
    /// Beside smtp-source that keeps its connections, as the daemon does.
    pub(crate) kept: Pair,
    /// Beside smtp-source that connects for each message.
    pub(crate) anew: Pair,
}

pub(crate) fn measure(plan: &Plan, crowd: &Crowd) -> Option<Delivery> {
    let sink = Sink::start()?;
    let readers = plan.copies / MAILS;
    let install = home::install(crowd, readers - 1, &sink.address.to_string());
    let daemon = Daemon::start(&install);
    let list = list_cert(&install, ANNOUNCE);
    let mut delivery =
        Delivery { copies: readers * MAILS, length: 0, kept: Pair::default(), anew: Pair::default() };
    for round in 0..=plan.rounds.min(5) {
        say(&format!("delivery: round {round} of {} copies", delivery.copies));
        sink.hold();
        let before = daemon.count_lines("outcome=Delivered");
        for _ in 0..MAILS {
            let raw =
                text::announcement(&crowd.ada.address, &crowd.ada.key, (&address_of(ANNOUNCE), &list), SIZE);
            let mut client = Client::tcp(daemon.smtp()).ehlo();
            let reply = client.mail(&crowd.ada.address, &[&address_of(ANNOUNCE)], &raw);
            assert_eq!(reply.code, 250, "{reply:?}");
            client.quit();
        }
        until("all copies are queued", || {
            let status = install.json(&["status"]);
            let queued = ["due", "claimed"].iter().filter_map(|key| status[*key].as_u64()).sum::<u64>();
            (queued == delivery.copies as u64).then_some(())
        });
        delivery.length = wire_length(&install);
        let start = Instant::now();
        sink.go_on();
        daemon.wait_for_lines("outcome=Delivered", before + delivery.copies);
        let ours = per_second(delivery.copies, start.elapsed());
        until("the queue is empty", || {
            (install.json(&["queue", "ls"]) == serde_json::json!([])).then_some(())
        });
        let feed =
            |keep| per_second(delivery.copies, sink.feed(delivery.copies, delivery.length, SESSIONS, keep));
        let (kept, anew) = (feed(true), feed(false));
        // The first round does not count.
        if round > 0 {
            for (pair, bare) in [(&mut delivery.kept, kept), (&mut delivery.anew, anew)] {
                pair.ours.push(ours);
                pair.bare.push(bare);
            }
        }
    }
    Some(delivery)
}

/// About how long a copy on the wire is, from the body that the copies share: base64 in lines, and the header.
fn wire_length(install: &Install) -> usize {
    let bodies = std::fs::read_dir(install.root().join("data/bodies")).unwrap();
    let largest = bodies.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap();
    usize::try_from(largest).unwrap() * 4 / 3 * 66 / 64 + HEAD
}
