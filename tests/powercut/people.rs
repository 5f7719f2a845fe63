//! The installation that every round begins with: made once, on a disk that is copied.

use sequoia_openpgp::Cert;

use crate::outside::daemon::Daemon;
use crate::outside::image::{Image, Kind, Shelf};
use crate::outside::install::Install;
use crate::outside::openpgp::{armored, cert, person};
use crate::outside::sink::Sink;

/// A store engine.
pub(crate) struct Engine {
    /// As `[store] kind` names it.
    pub(crate) name: &'static str,
    /// Whether it keeps what it acknowledged.
    pub(crate) keeps: bool,
}

/// How many of the people are of the team; the others are distributors.
const TEAM: usize = 2;

/// An installation with readers whose keys are at hand.
pub(crate) struct Stage {
    pub(crate) disk: Image,
    pub(crate) keeps: bool,
    pub(crate) people: Vec<(String, Cert)>,
    pub(crate) security: Cert,
    pub(crate) announce: Cert,
}

/// What stands for the next hop in `relay.toml` until a disk gets one of its own.
const NOWHERE: &str = "127.0.0.1:9";

/// Quick retries, and a spool key that is old whenever the daemon starts: then it makes another.
const CHANGES: [(&str, &str); 3] = [
    ("#retry_first = \"5m\"", "retry_first = \"1s\""),
    ("#retry_max = \"4h\"", "retry_max = \"2s\""),
    ("#spool_rotate = \"30d\"", "spool_rotate = \"1s\""),
];

impl Stage {
    pub(crate) fn set_up(shelf: &Shelf, engine: &Engine, kind: Kind) -> Self {
        let disk = shelf.mount(shelf.blank(kind));
        let kind = format!("kind = \"{}\"", engine.name);
        let changes = [&CHANGES[..], &[("kind = \"redb\"", &kind)]].concat();
        let install = Install::made_in(disk.place(), NOWHERE, &changes);
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
        Self { disk: disk.unmount(), keeps: engine.keeps, people, security, announce }
    }

    /// Who reads the mail of a list.
    pub(crate) fn readers(&self, announced: bool) -> &[(String, Cert)] {
        if announced { &self.people } else { &self.people[..TEAM] }
    }
}

/// Lets an installation send to this sink, whatever it sent to before.
pub(crate) fn send_to(install: &Install, sink: &Sink) {
    let text = std::fs::read_to_string(install.config()).unwrap();
    let line = text.lines().find(|line| line.starts_with("smarthost = ")).unwrap().to_owned();
    install.edit(&line, &format!("smarthost = \"{}\"", sink.smarthost()));
}
