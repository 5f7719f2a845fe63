//! An installation that attends a mailbox: Ada in the team, Rita who reports.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crate::outside::daemon::Daemon;
use crate::outside::dovecot::{Dovecot, NAME, PASSWORD, USER};
use crate::outside::gpg::People;
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::sink::Sink;
use crate::outside::until;

/// Everything that a test needs but the mail server and the daemon.
pub(crate) struct Stage {
    pub(crate) install: Install,
    pub(crate) sink: Sink,
    pub(crate) people: Arc<People>,
    /// The fingerprint of security@.
    security: String,
}

/// What a mailbox at this Dovecot is attended with, and `more`.
pub(crate) fn at(dovecot: &Dovecot, more: &str) -> String {
    let (port, ca) = (dovecot.imaps.port(), dovecot.ca());
    let ca = ca.display();
    format!("port = {port}\nserver_name = \"{NAME}\"\nca_file = \"{ca}\"\npoll = \"1h\"\n{more}")
}

impl Stage {
    /// An installation with one mailbox, `[imap.inbox]` with `settings`, and no daemon yet. None, aloud, without gpg.
    pub(crate) fn set(settings: &str) -> Option<Self> {
        Self::with_mailboxes(&[("inbox", settings)])
    }

    pub(crate) fn with_mailboxes(mailboxes: &[(&str, &str)]) -> Option<Self> {
        let people = People::gather()?;
        let mut sections = String::new();
        for (name, settings) in mailboxes {
            sections += &format!(
                "[imap.{name}]\nhost = \"127.0.0.1\"\nuser = \"{USER}\"\nretry_first = \"50ms\"\nretry_max = \"200ms\"\n\
                 {settings}\n"
            );
            if !settings.contains("recipient") {
                sections += &format!("recipient = \"{SECURITY}\"\n");
            }
            if !settings.contains("xoauth2") {
                sections += "password_file = \"password\"\n";
            }
        }
        let sink = Sink::start();
        let install =
            Install::edited(&sink.smarthost(), &[("[lmtp]\n#listen", &format!("{sections}[lmtp]\n#listen"))]);
        let password = install.root().join("password");
        fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
        install.hand_over();
        let daemon = Daemon::start(&install);
        install.team(&people.ada.address, &people.ada.cert());
        let cert = install.ok(&["key", "export", "security"]);
        [&people.ada, &people.rita].iter().for_each(|person| person.import(cert.as_bytes()));
        let keys = install.json(&["key", "ls"]);
        let row = keys.as_array().unwrap().iter().find(|row| row["list"] == "security").unwrap();
        let security = row["fingerprint"].as_str().unwrap().to_owned();
        daemon.stop();
        Some(Self { install, sink, people, security })
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start(&self.install)
    }

    /// A report by Rita, signed and encrypted; the mail, and the entity that she wrote.
    pub(crate) fn report(&self, subject: &str) -> (Vec<u8>, Vec<u8>) {
        let rita = &self.people.rita;
        let entity = entity(&rita.address, subject, "It overflows.");
        (pgp_mime(&rita.address, SECURITY, &rita.sign_encrypt(&self.security, &entity)), entity)
    }

    /// The subjects of all posts of which Ada got a copy, once there are `count` and nothing more is under way. A copy
    /// that was sent again when the daemon died at its 250 is the same to the last byte; a mail that was relayed again is
    /// encrypted anew.
    pub(crate) fn subjects(&self, count: usize) -> Vec<String> {
        self.sink.wait_for(&self.people.ada.address, count);
        self.quiet();
        let copies = self.sink.taken_for(&self.people.ada.address);
        let posts: BTreeSet<Vec<u8>> = copies.into_iter().map(|copy| copy.data).collect();
        let subject = |data: Vec<u8>| {
            let subject = self.people.ada.open(&data, &self.security).subject();
            subject.strip_prefix("[Security Team] ").expect("the list names itself").to_owned()
        };
        let mut subjects: Vec<String> = posts.into_iter().map(subject).collect();
        subjects.sort();
        subjects
    }

    /// Waits until no mail and no copy is under way.
    pub(crate) fn quiet(&self) {
        until("a relay without mail", || {
            let status = self.install.json(&["status"]);
            let busy = ["arrivals", "due", "claimed", "deferred"].iter().any(|key| status[key] != 0);
            (!busy).then_some(())
        });
    }

    /// What `status` says about mailboxes.
    pub(crate) fn problems(&self) -> Vec<String> {
        let status = self.install.json(&["status"]);
        let problems = status["problems"].as_array().unwrap().iter().map(|p| p.as_str().unwrap().to_owned());
        problems.filter(|problem| problem.contains("mailbox")).collect()
    }
}

/// A report that nobody encrypted or signed: nothing in it would be known again.
pub(crate) fn unsigned(subject: &str) -> Vec<u8> {
    clear("rita@reporter.example", SECURITY, subject, "It overflows.")
}
