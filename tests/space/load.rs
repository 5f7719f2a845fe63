//! Mail in large amounts, and in large numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sequoia_openpgp::Cert;

use crate::outside::daemon::Daemon;
use crate::outside::install::{ANNOUNCE, Install, SECURITY};
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::openpgp::{armored, cert, person, sign_encrypt};
use crate::outside::sink::{Rule, Sink};
use crate::outside::smtp::Client;

/// How many clients send large mail at once.
const CLIENTS: u64 = 3;
/// How long a load may take to be delivered, on a busy machine and with a debug build.
const WHILE: Duration = Duration::from_secs(900);

/// A daemon, its readers, and a next hop that counts.
pub(crate) struct Setting {
    pub(crate) install: Install,
    pub(crate) sink: Sink,
    pub(crate) kind: &'static str,
    /// How many read the intake list.
    pub(crate) team: usize,
    daemon: Daemon,
    ada: Cert,
    announce: Cert,
    addresses: Vec<String>,
}

impl Setting {
    pub(crate) fn set_up(kind: &'static str, team: usize, distributors: usize) -> Self {
        let sink = Sink::start();
        sink.only_count();
        // What is refused comes when it is told to, not in between.
        let changes = [("#retry_first = \"5m\"", "retry_first = \"1h\"")];
        let install = Install::on(kind, &sink.smarthost(), &changes);
        let daemon = Daemon::start(&install);
        let member = |n: usize| format!("reader{n}@team.example");
        let distributor = |n: usize| format!("distributor{n}@distro.example");
        let addresses: Vec<String> =
            (0..team).map(member).chain((0..distributors).map(distributor)).collect();
        let keys: Vec<Cert> = addresses.iter().map(|address| person(address)).collect();
        for (n, (address, key)) in addresses.iter().zip(&keys).enumerate() {
            if n < team {
                install.team(address, &armored(key));
            } else {
                install.distributor(address, &armored(key));
            }
        }
        let announce = cert(&install.ok(&["key", "export", "distrib-announce"]));
        let ada = keys.first().unwrap().clone();
        Self { install, sink, kind, team, daemon, ada, announce, addresses }
    }

    pub(crate) fn client(&self) -> Client {
        Client::tcp(self.daemon.smtp()).ehlo()
    }

    /// A small mail; returns how long its 250 took.
    pub(crate) fn knock(&self, client: &mut Client) -> Duration {
        let raw = clear("rita@reporter.example", SECURITY, "Knock", "Is anybody in?");
        let start = Instant::now();
        assert_eq!(client.mail("rita@reporter.example", &[SECURITY], &raw).code, 250);
        start.elapsed()
    }

    /// Posts to everybody until at least so many copies wait in the queue; returns how many.
    pub(crate) fn fill_the_queue(&self, copies: u64) -> usize {
        let copies = usize::try_from(copies).unwrap();
        for address in &self.addresses {
            self.sink.rule(address, Rule::Refuse("451 4.3.0 not now"));
        }
        let mut client = self.client();
        let posts = copies.div_ceil(self.addresses.len());
        for n in 0..posts {
            let inside = entity(&self.addresses[0], "Space", &format!("post {n}"));
            let raw =
                pgp_mime(&self.addresses[0], ANNOUNCE, &sign_encrypt(&self.ada, &self.announce, &inside));
            assert_eq!(client.mail(&self.addresses[0], &[ANNOUNCE], &raw).code, 250);
        }
        let copies = posts * self.addresses.len();
        self.wait("every copy was refused once", || self.count("deferred") == copies as u64);
        copies
    }

    /// The next hop takes everything, and everything is tried now.
    pub(crate) fn let_go(&self) {
        self.addresses.iter().for_each(|address| self.sink.obey(address));
        self.install.ok(&["queue", "retry", "--all"]);
    }

    pub(crate) fn wait_until_empty(&self) {
        let counts = ["arrivals", "due", "claimed", "deferred", "failed"];
        self.wait("spool and queue are empty", || counts.iter().all(|count| self.count(count) == 0));
    }

    fn count(&self, what: &str) -> u64 {
        self.install.json(&["status"])[what].as_u64().unwrap()
    }

    fn wait(&self, what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + WHILE;
        while !done() {
            assert!(Instant::now() < deadline, "not within {WHILE:?}: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Nothing went wrong on the way.
    pub(crate) fn end(self) {
        self.install.ok(&["journal", "verify"]);
        let (status, log) = self.daemon.stop();
        assert_eq!(status.code(), Some(0));
        assert!(!log.contains("ERROR"), "{log}");
    }
}

/// Relays mail of `size` bytes until at least `bytes` were accepted; returns the number of mails.
pub(crate) fn relay(setting: &Setting, size: usize, bytes: u64) -> usize {
    let mails = bytes.div_ceil(size as u64);
    let line = "All work and no play makes a mail that is long enough to matter to a disk.\n";
    let raw = clear("rita@reporter.example", SECURITY, "Large", &line.repeat(size / line.len()));
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = setting.client();
                while next.fetch_add(1, Ordering::Relaxed) < mails {
                    let reply = client.mail("rita@reporter.example", &[SECURITY], &raw);
                    assert_eq!(reply.code, 250, "{reply:?}");
                }
            });
        }
    });
    usize::try_from(mails).unwrap()
}
