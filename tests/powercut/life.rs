//! One disk in use: a daemon on it under load, and the power cut again and again. The daemon goes on each time; it is the
//! copies that are judged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::outside::daemon::Daemon;
use crate::outside::image::{FLUSHED_AFTER, Mounted, Shelf};
use crate::outside::install::{ANNOUNCE, Install, SECURITY};
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::openpgp::sign_encrypt;
use crate::outside::sink::{Sink, Taken};
use crate::outside::smtp::Client;
use crate::outside::{PATIENCE, random};
use crate::people::{Stage, send_to};
use crate::record::{After, Cut, Record, Said};

/// How often the power of one disk is cut: a disk is used for a few seconds, so that the kernel writes nothing unasked.
pub(crate) const CUTS: usize = 5;

/// How many clients send at once.
const CLIENTS: usize = 3;

/// What came of it.
pub(crate) struct Life {
    pub(crate) cuts: Vec<Cut>,
    /// What reached the next hop from the daemon that was never stopped.
    pub(crate) taken: Vec<Taken>,
    /// Everything that was sent to the very end.
    pub(crate) sent: Said,
}

impl Life {
    /// Puts a daemon under load and cuts its power so often.
    pub(crate) fn lead(shelf: &Shelf, stage: &Stage, cuts: usize) -> Self {
        Self::lead_with(shelf, stage, cuts, |_| ())
    }

    /// The same with something done to the daemon before the first mail; what that returns lasts as long as it does.
    pub(crate) fn lead_with<T>(
        shelf: &Shelf,
        stage: &Stage,
        cuts: usize,
        to_daemon: impl FnOnce(&Daemon) -> T,
    ) -> Self {
        let sink = Sink::start();
        sink.forget_the_wire();
        let twin = shelf.mount_again(stage.disk.twin(shelf));
        send_to(&Install::found_in(twin.place()), &sink);
        // Used from here on, with nothing left to write.
        let disk = shelf.mount(twin.unmount());
        let used_since = Instant::now();
        let install = Install::found_in(disk.place());
        let daemon = Daemon::spawn(&install, &[]);
        assert!(daemon.wait_for_line("vouchsafe::daemon: ready"), "{}", daemon.log());
        let done = to_daemon(&daemon);
        let (record, over) = (Record::default(), AtomicBool::new(false));
        let cuts = std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| send_until(&over, daemon.smtp(), stage, &record));
            }
            scope.spawn(|| change_until(&over, &install, &record));
            let _over = Over(&over);
            cut(shelf, &disk, &record, cuts)
        });
        let age = used_since.elapsed();
        if age > FLUSHED_AFTER {
            eprintln!(
                "a disk was in use for {age:.0?}: the kernel may have written what the daemon did not sync"
            );
        }
        daemon.kill();
        drop((done, disk));
        Self { cuts, taken: sink.taken(), sent: record.all() }
    }
}

/// Ends the load, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn cut(shelf: &Shelf, disk: &Mounted, record: &Record, cuts: usize) -> Vec<Cut> {
    let one = |n| {
        let (done, cut) = mpsc::channel();
        // The first after the very first acknowledgement: a new spool key is just in use.
        let passing = if n == 0 { 0 } else { below(12) };
        let after = if n % 4 == 3 { After::Command } else { After::Mail };
        record.cut_after(after, passing, disk.disk(), shelf.room(disk.kind()), done);
        cut.recv_timeout(PATIENCE).expect("something is acknowledged")
    };
    (0..cuts).map(one).collect()
}

/// A random number below `limit`.
pub(crate) fn below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    u64::from_le_bytes(bytes) % limit
}

fn send_until(over: &AtomicBool, smtp: SocketAddr, stage: &Stage, record: &Record) {
    let mut client = Client::tcp(smtp).ehlo();
    while !over.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(below(30)));
        let marker = format!("marker-{}.", random(12));
        let announced = below(2) == 0;
        // Mostly short, sometimes of many chunks.
        let text = if below(12) == 0 { format!("{marker}\n").repeat(20_000) } else { marker.clone() };
        let (to, raw) = if announced {
            let inside = entity("ada@team.example", "Power", &text);
            let armored = sign_encrypt(&stage.people[0].1, &stage.announce, &inside);
            (ANNOUNCE, pgp_mime("ada@team.example", ANNOUNCE, &armored))
        } else {
            (SECURITY, clear("rita@reporter.example", SECURITY, "Power", &text))
        };
        let mail = record.begin(&marker, announced);
        let reply = client.mail("ada@team.example", &[to], &raw);
        match reply.code {
            250 => record.acknowledged(mail),
            451 | 452 => {}
            _ => panic!("{reply:?}"),
        }
    }
}

fn change_until(over: &AtomicBool, install: &Install, record: &Record) {
    while !over.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(below(60)));
        let org = format!("org-{}", random(10));
        install.ok(&["org", "add", &org]);
        record.added(org);
    }
}
