//! Copies to the next hop, each second: the daemon to smtp-sink, beside smtp-source to the same sink.
//!
//! The sink is stopped while the queue fills, and the clock runs from the moment it goes on until the last copy is
//! acknowledged. Both send messages of the same length over as many connections at once. smtp-source makes its messages
//! up; the daemon reads them from its store and records every outcome durably.

use std::time::Instant;

use sequoia_openpgp as openpgp;

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
    // smtp-source signs nothing either; what signing costs has a section of its own.
    let hop = Hop::new(crowd, readers, &sink, false);
    let mut delivery =
        Delivery { copies: readers * MAILS, length: 0, kept: Pair::default(), anew: Pair::default() };
    for round in 0..=plan.rounds.min(5) {
        say(&format!("delivery: round {round} of {} copies", delivery.copies));
        let ours = hop.rate(crowd, &sink, (MAILS, SIZE), &mut delivery.length);
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

/// What DKIM costs: copies each second with two signatures each, beside the same without.
pub(crate) struct Signing {
    pub(crate) copies: usize,
    /// The length of a copy on the wire, in bytes.
    pub(crate) length: usize,
    pub(crate) rate: Pair,
}

/// Many small copies, and large ones to fewer readers.
pub(crate) fn signing(plan: &Plan, crowd: &Crowd) -> Option<Vec<Signing>> {
    let sink = Sink::start()?;
    let mut rows = Vec::new();
    for (readers, size) in [(plan.copies / MAILS, SIZE), (plan.large.1, plan.sizes[plan.sizes.len() - 1])] {
        let (signed, unsigned) =
            (Hop::new(crowd, readers, &sink, true), Hop::new(crowd, readers, &sink, false));
        let mut row = Signing { copies: readers * MAILS, length: 0, rate: Pair::default() };
        for round in 0..=plan.rounds.min(5) {
            say(&format!("signing: round {round} of {} copies of {size} bytes", row.copies));
            let ours = signed.rate(crowd, &sink, (MAILS, size), &mut row.length);
            let bare = unsigned.rate(crowd, &sink, (MAILS, size), &mut row.length);
            if round > 0 {
                row.rate.ours.push(ours);
                row.rate.bare.push(bare);
            }
        }
        rows.push(row);
    }
    Some(rows)
}

/// A daemon in front of the sink.
struct Hop {
    install: Install,
    daemon: Daemon,
    list: openpgp::Cert,
    readers: usize,
}

impl Hop {
    fn new(crowd: &Crowd, readers: usize, sink: &Sink, signs: bool) -> Self {
        let install = home::install(crowd, readers - 1, &sink.address.to_string());
        install.edit("#dkim = true", &format!("dkim = {signs}"));
        let daemon = Daemon::start(&install);
        let list = list_cert(&install, ANNOUNCE);
        Self { install, daemon, list, readers }
    }

    /// Copies each second of so many mails by Ada of so many bytes to everybody.
    fn rate(&self, crowd: &Crowd, sink: &Sink, (mails, size): (usize, usize), length: &mut usize) -> f64 {
        let Self { install, daemon, list, readers } = self;
        let copies = readers * mails;
        sink.hold();
        let before = daemon.count_lines("outcome=Delivered");
        for _ in 0..mails {
            let raw =
                text::announcement(&crowd.ada.address, &crowd.ada.key, (&address_of(ANNOUNCE), list), size);
            let mut client = Client::tcp(daemon.smtp()).ehlo();
            let reply = client.mail(&crowd.ada.address, &[&address_of(ANNOUNCE)], &raw);
            assert_eq!(reply.code, 250, "{reply:?}");
            client.quit();
        }
        until("all copies are queued", || {
            let status = install.json(&["status"]);
            let queued = ["due", "claimed"].iter().filter_map(|key| status[*key].as_u64()).sum::<u64>();
            (queued == copies as u64).then_some(())
        });
        *length = wire_length(install);
        let start = Instant::now();
        sink.go_on();
        daemon.wait_for_lines("outcome=Delivered", before + copies);
        let rate = per_second(copies, start.elapsed());
        until("the queue is empty", || {
            (install.json(&["queue", "ls"]) == serde_json::json!([])).then_some(())
        });
        rate
    }
}

/// About how long a copy on the wire is, from the body that the copies share: base64 in lines, and the header.
fn wire_length(install: &Install) -> usize {
    let bodies = std::fs::read_dir(install.root().join("data/bodies")).unwrap();
    let largest = bodies.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap();
    usize::try_from(largest).unwrap() * 4 / 3 * 66 / 64 + HEAD
}
