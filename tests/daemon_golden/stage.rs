//! The world of the golden mails around a running daemon: its lists are `security` and `distrib`, its people the same.

use std::collections::BTreeMap;
use std::path::Path;

use sequoia_openpgp as openpgp;

use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use serde_json::Value;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::time::{Clock, SystemClock};

use crate::outside::daemon::Daemon;
use crate::outside::install::{ANNOUNCE, Install, SECURITY};
use crate::outside::sink::{Sink, Taken};
use crate::outside::smtp::{Client, Reply};
use crate::outside::until;
use crate::support::golden::{Fixture, FixtureList};
use crate::support::keys::{Kind, Person};
use crate::support::pen::Pen;

/// What the daemon calls the list of this name.
pub(crate) fn list_name(golden: &str) -> &str {
    if golden == "distrib" { "distrib-announce" } else { golden }
}

/// The daemon, the next hop, and everybody's keys; the daemon ends first.
pub(crate) struct Stage {
    daemon: Daemon,
    pub(crate) install: Install,
    pub(crate) sink: Sink,
    pub(crate) fixture: Fixture,
    pub(crate) people: BTreeMap<String, Person>,
    /// The lists' certificates, as the daemon exports them.
    pub(crate) certs: BTreeMap<String, Cert>,
}

impl Stage {
    /// Ada and Bob are the team, Dora, Rolf and Vera get announcements, Sue is suspended, Mallory is a stranger. Nobody's
    /// key has expired: the command line takes no such key.
    pub(crate) fn set() -> Self {
        let sink = Sink::start();
        let titles = [
            ("name = \"Security Team\"", "name = \"Example Security\""),
            ("name = \"Distributors\"", "name = \"Example Distributors\""),
        ];
        let install = Install::edited(&sink.smarthost(), &titles);
        let daemon = Daemon::start(&install);
        let (mut lists, mut certs) = (BTreeMap::new(), BTreeMap::new());
        for (name, address) in [("security", SECURITY), ("distrib", ANNOUNCE)] {
            let armored = install.ok(&["key", "export", list_name(name)]);
            let cert = openpgp::Cert::from_bytes(armored.as_bytes()).unwrap();
            lists.insert(name.to_owned(), FixtureList { address: address.to_owned(), cert });
            certs.insert(name.to_owned(), Cert::parse(armored.as_bytes()).unwrap());
        }
        let at = SystemClock.now();
        let person = |(name, kind): (&str, Kind)| (name.to_lowercase(), Person::new(name, kind, at));
        let (v4, rsa, v6) = (Kind::V4, Kind::Rsa, Kind::V6);
        let cast = [("Ada", v4), ("Bob", rsa), ("Dora", v4), ("Rolf", rsa), ("Vera", v6), ("Sue", v4)];
        let people: BTreeMap<_, _> = cast.into_iter().chain([("Mallory", v4)]).map(person).collect();
        let secrets = people.iter().map(|(name, person)| (name.clone(), person.key.clone())).collect();
        let fixture = Fixture { at, lists, people: secrets, pen: Pen::default() };
        let stage = Self { daemon, install, sink, fixture, people, certs };
        stage.enlist();
        stage
    }

    fn enlist(&self) {
        for name in ["ada", "bob"] {
            let person = &self.people[name];
            let (name, cert) = (format!("{} of the team", person.name), self.cert_file(person));
            self.install.ok(&["team", "add", "security", &person.address, "--name", &name, "--cert", &cert]);
        }
        for name in ["dora", "rolf", "vera", "sue"] {
            let person = &self.people[name];
            let cert = self.cert_file(person);
            self.install.ok(&["org", "add", name]);
            let who = ["distrib-announce", &person.address];
            self.install.ok(&[&["member", "add"], &who[..], &["--org", name, "--cert", &cert]].concat());
        }
        self.install.ok(&["member", "suspend", "distrib-announce", &self.people["sue"].address]);
    }

    fn cert_file(&self, person: &Person) -> String {
        let public = person.key.clone().strip_secret_key_material().armored().to_vec().unwrap();
        let file = self.install.file(&format!("{}.asc", person.name), &public);
        Path::to_str(&file).unwrap().to_owned()
    }

    /// Who reads a list, by name.
    pub(crate) fn readers(list: &str) -> &'static [&'static str] {
        if list == "distrib" { &["ada", "bob", "dora", "rolf", "vera"] } else { &["ada", "bob"] }
    }

    /// The opaque id that the roster gave to somebody of the team.
    pub(crate) fn member_id(&self, name: &str) -> Value {
        let team = self.install.json(&["team", "ls", "security"]);
        let row =
            team.as_array().unwrap().iter().find(|row| row["address"] == self.people[name].address.as_str());
        row.unwrap()["id"].clone()
    }

    /// Sends a mail; returns the deciding reply.
    pub(crate) fn send(&self, to: &str, raw: &[u8]) -> Reply {
        let mut client = Client::tcp(self.daemon.smtp()).ehlo();
        let reply = client.mail("rita@reporter.example", &[to], raw);
        client.quit();
        reply
    }

    /// What the journal says became of a mail.
    pub(crate) fn outcome(&self, mail: &str) -> Value {
        until(&format!("something becomes of {mail}"), || {
            self.outcomes().into_iter().find(|e| e["mail"] == mail)
        })
    }

    /// Everything that became of mails.
    pub(crate) fn outcomes(&self) -> Vec<Value> {
        let Value::Array(rows) = self.install.json(&["journal", "ls", "--all"]) else {
            panic!("the journal is a list")
        };
        let events = rows.into_iter().map(|row| row["event"].clone());
        events.filter(|e| ["relayed", "held", "dropped"].iter().any(|kind| e["kind"] == *kind)).collect()
    }

    /// The copies behind the first `before`, once there are `count` of them.
    pub(crate) fn copies(&self, before: usize, count: usize) -> Vec<Taken> {
        self.sink.wait_for_all(before + count).split_off(before)
    }
}
