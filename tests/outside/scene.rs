//! An installation at work: Ada and Bob in the team, Dora and Emil as distributors, Rita as a reporter.

use std::sync::Arc;

use super::daemon::Daemon;
use super::gpg::{People, Person};
use super::install::{ANNOUNCE, Install, SECURITY};
use super::mail::{entity, pgp_mime};
use super::sink::Sink;
use super::smtp::{Client, Reply};
use super::until;

/// Everything that a test needs; the daemon ends first.
pub struct Scene {
    pub daemon: Daemon,
    pub install: Install,
    pub sink: Sink,
    pub people: Arc<People>,
    /// The fingerprint of security@.
    pub security: String,
    /// The fingerprint of distrib-announce@.
    pub announce: String,
}

impl Scene {
    /// The usual scene; none, aloud, where gpg is missing.
    pub fn set() -> Option<Self> {
        Self::edited(&[])
    }

    /// The same with changes to `relay.toml`.
    pub fn edited(changes: &[(&str, &str)]) -> Option<Self> {
        let sink = Sink::start();
        let smarthost = sink.smarthost();
        Self::between(sink, &smarthost, changes)
    }

    /// The usual scene with LMTP, and another next hop than the sink.
    pub fn with_smarthost(smarthost: &str) -> Option<Self> {
        Self::between(Sink::start(), smarthost, &[("[lmtp]\n#listen", "[lmtp]\nlisten")])
    }

    /// Another next hop than the sink, with changes to `relay.toml` and files beside it.
    pub fn with_files(smarthost: &str, changes: &[(&str, &str)], files: &[(&str, &str)]) -> Option<Self> {
        Self::made(Sink::start(), smarthost, changes, files)
    }

    /// The scene with a daemon that has this environment.
    pub fn with_environment(environment: &[(&str, &str)]) -> Option<Self> {
        let scene = Self::set()?;
        Some(scene.restarted_with(environment))
    }

    /// The usual scene with changes to `relay.toml` and files beside it.
    pub fn beside_sink(changes: &[(&str, &str)], files: &[(&str, &str)]) -> Option<Self> {
        let sink = Sink::start();
        let smarthost = sink.smarthost();
        Self::made(sink, &smarthost, changes, files)
    }

    fn between(sink: Sink, smarthost: &str, changes: &[(&str, &str)]) -> Option<Self> {
        Self::made(sink, smarthost, changes, &[])
    }

    fn made(sink: Sink, smarthost: &str, changes: &[(&str, &str)], files: &[(&str, &str)]) -> Option<Self> {
        let people = People::gather()?;
        let install = Install::edited(smarthost, changes);
        for (name, content) in files {
            std::fs::write(install.root().join(name), content).unwrap();
        }
        install.hand_over();
        let daemon = Daemon::start(&install);
        for person in [&people.ada, &people.bob] {
            install.team(&person.address, &person.cert());
        }
        for person in [&people.dora, &people.emil] {
            install.distributor(&person.address, &person.cert());
        }
        let everyone = [&people.ada, &people.bob, &people.dora, &people.emil, &people.rita];
        for list in ["security", "distrib-announce"] {
            let cert = install.ok(&["key", "export", list]);
            everyone.iter().for_each(|person| person.import(cert.as_bytes()));
        }
        let keys = install.json(&["key", "ls"]);
        let fingerprint = |list: &str| {
            let row = keys.as_array().unwrap().iter().find(|row| row["list"] == list).unwrap();
            row["fingerprint"].as_str().unwrap().to_owned()
        };
        let (security, announce) = (fingerprint("security"), fingerprint("distrib-announce"));
        Some(Self { daemon, install, sink, people, security, announce })
    }

    /// The same installation with another daemon, the first one having ended as it should.
    pub fn restarted(self) -> Self {
        self.restarted_with(&[])
    }

    /// The same, with an environment of its own.
    pub fn restarted_with(self, environment: &[(&str, &str)]) -> Self {
        let stopped = |daemon: Daemon| {
            let (status, log) = daemon.stop();
            assert_eq!(status.code(), Some(0), "{log}");
            log
        };
        self.followed(environment, stopped).0
    }

    /// The same installation with another daemon, the first one ended by `end`, which returns its log.
    pub fn followed(
        self,
        environment: &[(&str, &str)],
        end: impl FnOnce(Daemon) -> String,
    ) -> (Self, String) {
        let Self { daemon, install, sink, people, security, announce } = self;
        let log = end(daemon);
        let daemon = Daemon::start_with(&install, environment);
        (Self { daemon, install, sink, people, security, announce }, log)
    }

    /// Sends a raw mail by SMTP; returns the deciding reply.
    pub fn send(&self, from: &str, to: &str, raw: &[u8]) -> Reply {
        let mut client = Client::tcp(self.daemon.smtp()).ehlo();
        let reply = client.mail(from, &[to], raw);
        client.quit();
        reply
    }

    /// Sends a raw mail that must be taken.
    pub fn taken(&self, from: &str, to: &str, raw: &[u8]) {
        let reply = self.send(from, to, raw);
        assert_eq!(reply.code, 250, "{reply:?}");
    }

    /// A mail to security@, signed and encrypted by this person.
    pub fn report(&self, by: &Person, entity: &[u8]) -> Vec<u8> {
        pgp_mime(&by.address, SECURITY, &by.sign_encrypt(&self.security, entity))
    }

    /// A mail to distrib-announce@, signed and encrypted by this person.
    pub fn announcement(&self, by: &Person, entity: &[u8]) -> Vec<u8> {
        pgp_mime(&by.address, ANNOUNCE, &by.sign_encrypt(&self.announce, entity))
    }

    /// Announces something by Ada; returns the entity that she wrote.
    pub fn announce(&self, subject: &str) -> Vec<u8> {
        let ada = &self.people.ada;
        let entity = entity(&ada.address, subject, "Update by Monday.");
        self.taken(&ada.address, ANNOUNCE, &self.announcement(ada, &entity));
        entity
    }

    /// Reports something by Rita; returns the entity that she wrote.
    pub fn tell(&self, subject: &str) -> Vec<u8> {
        let rita = &self.people.rita;
        let entity = entity(&rita.address, subject, "It overflows.");
        self.taken(&rita.address, SECURITY, &self.report(rita, &entity));
        entity
    }

    /// Waits until this many mails are held; returns their rows.
    pub fn holds(&self, count: usize) -> Vec<serde_json::Value> {
        until(&format!("{count} held mails"), || {
            let rows = self.install.json(&["hold", "ls"]).as_array().unwrap().clone();
            (rows.len() == count).then_some(rows)
        })
    }

    /// Waits until this many events of a kind are in the journal; returns them.
    pub fn events(&self, kind: &str, count: usize) -> Vec<serde_json::Value> {
        until(&format!("{count} journal entries of {kind}"), || {
            let events = self.install.events(kind);
            (events.len() >= count).then_some(events)
        })
    }

    /// The queue, once its rows are as `right` wants them.
    pub fn queue(&self, what: &str, right: impl Fn(&[serde_json::Value]) -> bool) -> Vec<serde_json::Value> {
        until(what, || {
            let rows = self.install.json(&["queue", "ls"]).as_array().unwrap().clone();
            right(&rows).then_some(rows)
        })
    }

    /// Sees that the daemon is the same process and relays still.
    pub fn lives_on(&mut self) {
        assert!(self.daemon.is_alive(), "the daemon has ended");
        let status = self.install.json(&["status"]);
        assert_eq!(status["pid"], self.daemon.pid());
        let ada = self.people.ada.address.clone();
        let before = self.sink.taken_for(&ada).len();
        let entity = self.tell("A sign of life");
        let copies = self.sink.wait_for(&ada, before + 1);
        let open =
            |copy: &super::sink::Taken| self.people.ada.open(&copy.data, &self.security).holds(&entity);
        // Others may be on their way as well.
        assert!(copies.iter().rev().any(open) || self.sink.wait_for(&ada, before + 2).iter().any(open));
    }
}
