//! Clients that send mail as fast as it is taken, and write down what was answered.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use sequoia_openpgp::Cert;

use crate::outside::daemon::Daemon;
use crate::outside::install::{ANNOUNCE, Install, SECURITY, binary};
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::openpgp::{armored, cert, person, sign_encrypt};
use crate::outside::random;
use crate::outside::sink::Sink;
use crate::outside::smtp::Client;

/// How many clients send at once.
const CLIENTS: usize = 3;

/// A random number below `limit`.
pub(crate) fn below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % limit
}

/// An installation with readers whose keys are at hand.
pub(crate) struct Setting {
    pub(crate) install: Install,
    pub(crate) sink: Sink,
    pub(crate) people: Arc<Vec<(String, Cert)>>,
    pub(crate) security: Cert,
    pub(crate) announce: Cert,
    /// One mail in so many is signed by a stranger, so that it is held until an admin releases it, and as many come
    /// twice; none when zero.
    pub(crate) odd: u64,
}

/// How many of the people are of the team; the others are distributors.
const TEAM: usize = 2;

#[allow(dead_code, reason = "each test program uses a part of it")]
impl Setting {
    pub(crate) fn set_up() -> Self {
        Self::prepared(binary(), &[], |_| ())
    }

    /// The same for a program, with further changes to `relay.toml`, and what else is to be done before its first start.
    pub(crate) fn prepared(
        program: PathBuf,
        changes: &[(&str, &str)],
        prepare: impl FnOnce(&Install),
    ) -> Self {
        let sink = Sink::start();
        sink.forget_the_wire();
        let quick = [
            ("#retry_first = \"5m\"", "retry_first = \"1s\""),
            ("#retry_max = \"4h\"", "retry_max = \"2s\""),
        ];
        let install = Install::of(program, &sink.smarthost(), &[&quick, changes].concat());
        prepare(&install);
        install.hand_over();
        let daemon = Daemon::start(&install);
        let addresses = ["ada@team.example", "bob@team.example", "dora@distro.example"];
        let people: Vec<(String, Cert)> = addresses.map(|a| (a.to_owned(), person(a))).into();
        for (n, (address, key)) in people.iter().enumerate() {
            if n < TEAM {
                install.team(address, &armored(key));
            } else {
                install.distributor(address, &armored(key));
            }
        }
        let list = |name: &str| cert(&install.ok(&["key", "export", name]));
        let (security, announce) = (list("security"), list("distrib-announce"));
        daemon.stop();
        Self { install, sink, people: Arc::new(people), security, announce, odd: 0 }
    }

    /// Who reads the mail of a list.
    pub(crate) fn readers(&self, announced: bool) -> &[(String, Cert)] {
        if announced { &self.people } else { &self.people[..TEAM] }
    }
}

/// A mail that was sent, or at least begun.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) marker: String,
    pub(crate) announced: bool,
    /// Whether its 250 was heard.
    pub(crate) acknowledged: bool,
}

/// Clients at work until their daemon is gone.
pub(crate) struct Load(Vec<JoinHandle<Vec<Sent>>>);

impl Load {
    pub(crate) fn start(setting: &Setting, smtp: SocketAddr, round: usize) -> Self {
        let client = |n: usize| {
            let (ada, announce) = (setting.people[0].1.clone(), setting.announce.clone());
            let stranger = person("ada@elsewhere.example");
            let writer = Writer { ada, stranger, announce, odd: setting.odd };
            std::thread::spawn(move || writer.send_until_it_breaks(smtp, &format!("{round}-{n}")))
        };
        Self((0..CLIENTS).map(client).collect())
    }

    /// What they sent; the daemon is dead, so they have come to their end.
    pub(crate) fn end(self) -> Vec<Sent> {
        self.0.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

struct Writer {
    ada: Cert,
    stranger: Cert,
    announce: Cert,
    odd: u64,
}

impl Writer {
    fn send_until_it_breaks(&self, smtp: SocketAddr, name: &str) -> Vec<Sent> {
        let mut sent = Vec::new();
        let Some(mut client) = Client::try_tcp(smtp) else { return sent };
        if !client.say(b"EHLO client.example\r\n") || client.hear().is_none() {
            return sent;
        }
        for n in 0.. {
            // A pause now and then, so that kills meet an idle daemon too.
            std::thread::sleep(std::time::Duration::from_millis(below(40)));
            let marker = format!("marker-{name}-{n}-{}.", random(10));
            let announced = below(2) == 0;
            // Mostly short, sometimes long enough that writing it takes its time.
            let text = if below(20) == 0 { format!("{marker}\n").repeat(5000) } else { marker.clone() };
            let strange = announced && self.is_odd();
            let (to, raw) = if announced {
                let inside = entity("ada@team.example", "Crash", &text);
                let armored =
                    sign_encrypt(if strange { &self.stranger } else { &self.ada }, &self.announce, &inside);
                (ANNOUNCE, pgp_mime("ada@team.example", ANNOUNCE, &armored))
            } else {
                (SECURITY, clear("rita@reporter.example", SECURITY, "Crash", &text))
            };
            let first = hand_in(&mut client, to, &raw);
            // Once more to the byte: what a member signed is relayed once. (What is held each admin decides for itself.)
            let twice = announced && !strange && first.is_some() && self.is_odd();
            let last = if twice { hand_in(&mut client, to, &raw) } else { first };
            let acknowledged = first == Some(true) || last == Some(true);
            sent.push(Sent { marker, announced, acknowledged });
            if last.is_none() {
                break;
            }
        }
        sent
    }

    fn is_odd(&self) -> bool {
        self.odd > 0 && below(self.odd) == 0
    }
}

/// Whether a mail was taken; none when the connection broke.
fn hand_in(client: &mut Client, to: &str, raw: &[u8]) -> Option<bool> {
    let reply = client.try_mail("ada@team.example", &[to], raw)?;
    assert!(matches!(reply.code, 250 | 421 | 451 | 452), "{reply:?}");
    Some(reply.code == 250)
}
