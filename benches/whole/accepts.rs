//! Mail taken in for good, each second: SMTP clients at the daemon's socket, beside the same durable write done bare.
//!
//! Ours is everything up to the 250: the dialog on loopback, the checks, sealing at rest, body and record durable. Bare is
//! the last of these alone: mail that was sealed before is put into a store on the same disk by as many threads.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use vouchsafe::id::{Entropy, ListName};
use vouchsafe::ledger::spool::Spool;
use vouchsafe::pgp::keyring::{KeyDir, Passphrase, SpoolCert};
use vouchsafe::pgp::seal::seal_at_rest;
use vouchsafe::secret::Plaintext;

use super::home::{self, Crowd, SECURITY, address_of, now};
use super::measure::{Pair, per_second};
use super::peer::Sink;
use super::{Plan, say, text};
use crate::outside::daemon::Daemon;
use crate::outside::install::Install;
use crate::outside::smtp::{Client, dotted};
use crate::outside::until;

/// One size over one number of connections, in mails each second.
pub(crate) struct Row {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    /// Whether the worker relayed meanwhile; otherwise the list was paused.
    pub(crate) relaying: bool,
    pub(crate) rate: Pair,
}

pub(crate) fn measure(plan: &Plan, crowd: &Crowd) -> Vec<Row> {
    let Some(sink) = Sink::start() else { return Vec::new() };
    let mut rows = Vec::new();
    for relaying in [false, true] {
        // One of its own for each: what a paused list gathers would have to be relayed first.
        let install = home::install(crowd, 1, &sink.address.to_string());
        let daemon = Daemon::start(&install);
        if !relaying {
            install.ok(&["list", "pause", SECURITY]);
        }
        for &size in plan.arrivals {
            for &connections in plan.connections {
                say(&format!("accepts: {size} bytes over {connections} connections, relaying: {relaying}"));
                let raw = text::report(&address_of(SECURITY), size);
                let bare = Bare::new(&raw);
                let ours = || {
                    if relaying {
                        drained(&install);
                    }
                    accepted(daemon.smtp(), &raw, connections, plan.window)
                };
                let rounds = plan.rounds.min(5);
                let rate = Pair::in_turns(rounds, ours, || bare.written(connections, plan.window));
                rows.push(Row { size, connections, relaying, rate });
            }
        }
    }
    rows
}

/// Waits until what came before is relayed and sent.
fn drained(install: &Install) {
    until("the relay has nothing to do", || {
        let status = install.json(&["status"]);
        ["arrivals", "due", "claimed"].iter().all(|key| status[*key] == 0).then_some(())
    });
}

/// So many threads work until the time is up; how many times each second.
fn at_once(threads: usize, window: Duration, work: impl Fn(&mut dyn FnMut() -> bool) + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let count: usize = thread::scope(|scope| {
        let one = || {
            barrier.wait();
            let (start, mut done) = (Instant::now(), 0);
            // Asked before each mail: whether there is time for it.
            work(&mut || {
                let more = start.elapsed() < window;
                done += usize::from(more);
                more
            });
            done
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    per_second(count, window)
}

/// Clients that send the same mail again and again.
fn accepted(smtp: SocketAddr, raw: &[u8], connections: usize, window: Duration) -> f64 {
    let envelope =
        format!("MAIL FROM:<rita@reporter.example>\r\nRCPT TO:<{}>\r\nDATA\r\n", address_of(SECURITY));
    let content = dotted(raw);
    at_once(connections, window, |more| {
        let mut client = Client::tcp(smtp).ehlo();
        while more() {
            client.say(envelope.as_bytes());
            let said = [client.reply().code, client.reply().code, client.reply().code];
            assert_eq!(said, [250, 250, 354]);
            client.say(&content);
            let reply = client.reply();
            assert_eq!(reply.code, 250, "{reply:?}");
        }
        client.quit();
    })
}

/// A store beside the daemon's, and a sealed mail.
struct Bare {
    _dir: tempfile::TempDir,
    spool: Spool,
    cert: SpoolCert,
    content: Plaintext,
    list: ListName,
}

impl Bare {
    fn new(raw: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (keys, entropy) = (KeyDir::new(dir.path().join("keys")), Entropy::kernel());
        let pass = Passphrase::random(&entropy);
        keys.create_spool(&pass, now()).unwrap();
        let settings = vouchsafe::store::Settings { path: dir.path().join("data"), ..Default::default() };
        Self {
            spool: Spool::new(vouchsafe::store::open(&settings).unwrap()),
            cert: keys.load_spool(&pass).unwrap().newest(),
            _dir: dir,
            content: Plaintext::new(raw.to_vec()),
            list: SECURITY.parse().unwrap(),
        }
    }

    fn written(&self, threads: usize, window: Duration) -> f64 {
        let sealed = seal_at_rest(&self.content, &self.cert).unwrap();
        let (sealed, entropy) = (Arc::new(sealed), Entropy::kernel());
        at_once(threads, window, |more| {
            while more() {
                let lists = std::slice::from_ref(&self.list);
                self.spool.put(&sealed, lists, self.cert.fingerprint(), now(), &entropy).unwrap();
            }
        })
    }
}
