//! An installation whose mail goes where the test's own name service says.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::outside::authority::Authority;
use crate::outside::daemon::Daemon;
use crate::outside::dns::{Data, Dns};
use crate::outside::install::{Install, SECURITY};
use crate::outside::mail::clear;
use crate::outside::openpgp::{armored, person};
use crate::outside::smtp::Client;
use crate::outside::{in_ci, is_root, until};

pub struct Stage {
    pub daemon: Daemon,
    pub install: Install,
    pub dns: Dns,
    pub authority: Authority,
}

/// Whether the mail hosts of a test can be had, said aloud if not: mail hosts on port 25 are only for root.
pub fn can_listen() -> bool {
    if !is_root() {
        assert!(!in_ci(), "mail hosts on port 25 are only for root");
        eprintln!("SKIPPED: mail hosts on port 25 are only for root");
    }
    is_root()
}

impl Stage {
    /// Mail goes by MX, and hosts are trusted that the stage's authority has signed.
    pub fn by_mx() -> Self {
        Self::with(Authority::new("The stage"), "tls = \"required\"\nca_file = \"ca.pem\"", "", &[])
    }

    /// With these lines in `[egress]`, further tables, and files beside `relay.toml` that the daemon alone can read. The
    /// authority is `ca.pem`.
    pub fn with(authority: Authority, egress: &str, tables: &str, files: &[(&str, &str)]) -> Self {
        let dns = Dns::start();
        let resolver = format!("resolver = \"{}\"", dns.address());
        let changes = [
            ("smarthost = \"127.0.0.1:1\"\n", "\n"),
            ("tls = \"none\"\n", &format!("{egress}\n")),
            ("#resolver = \"127.0.0.1:53\"", &resolver),
        ];
        let install = Install::edited("127.0.0.1:1", &changes);
        let settings = fs::read_to_string(install.config()).unwrap();
        fs::write(install.config(), format!("{settings}\n{tables}\n")).unwrap();
        for (name, content) in files.iter().chain(&[("ca.pem", authority.pem.as_str())]) {
            secret(&install, name, content);
        }
        install.hand_over();
        let daemon = Daemon::start(&install);
        Self { daemon, install, dns, authority }
    }

    /// A domain with one mail host of its own at this address: `mx.` and the domain.
    pub fn mail_domain(&self, domain: &str, ip: &str) {
        self.exchangers(domain, &[&format!("mx.{domain}")]);
        self.address(&format!("mx.{domain}"), ip);
    }

    /// A domain has these mail hosts and no others, the preferred one first.
    pub fn exchangers(&self, domain: &str, hosts: &[&str]) {
        let records = (1..).zip(hosts).map(|(n, host)| Data::Mx(n * 10, (*host).to_owned()));
        self.dns.set(domain, records.collect());
    }

    /// A host has this address and no other.
    pub fn address(&self, host: &str, ip: &str) {
        self.dns.set(host, vec![Data::A(ip.parse().unwrap())]);
    }

    /// Adds a reader in the team.
    pub fn reader(&self, address: &str) {
        self.install.team(address, &armored(&person(address)));
    }

    /// Brings a report in the clear, which goes to every reader.
    pub fn report(&self, subject: &str) {
        let raw = clear("rita@reporter.example", SECURITY, subject, "It overflows.");
        let mut client = Client::tcp(self.daemon.smtp()).ehlo();
        let reply = client.mail("rita@reporter.example", &[SECURITY], &raw);
        assert_eq!(reply.code, 250, "{reply:?}");
        client.quit();
    }

    /// The queue, once it holds so many copies that were tried.
    pub fn deferred(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} deferred copies"), || {
            let rows = self.install.json(&["queue", "ls"]).as_array().unwrap().clone();
            (rows.len() == count && rows.iter().all(was_tried)).then_some(rows)
        })
    }

    /// The queue, once it holds so many copies and at least one was tried: the others wait for its destination as well.
    pub fn waiting(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} copies that wait"), || {
            let rows = self.install.json(&["queue", "ls"]).as_array().unwrap().clone();
            (rows.len() == count && rows.iter().any(was_tried)).then_some(rows)
        })
    }

    /// Waits until no copy is left.
    pub fn drained(&self) {
        until("an empty queue", || {
            self.install.json(&["queue", "ls"]).as_array().unwrap().is_empty().then_some(())
        });
    }

    /// Another daemon on the same installation.
    pub fn restarted(self) -> Self {
        let Self { daemon, install, dns, authority } = self;
        let (status, log) = daemon.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        Self { daemon: Daemon::start(&install), install, dns, authority }
    }
}

/// Puts a file beside `relay.toml` that its owner alone can read.
pub fn secret(install: &Install, name: &str, content: &str) {
    let path = install.root().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

pub fn was_tried(row: &Value) -> bool {
    row["state"] == "deferred" && row["last"].is_string()
}

/// Why a copy was not delivered that was tried.
pub fn any_why(rows: &[Value]) -> &str {
    rows.iter().find(|row| was_tried(row)).unwrap()["last"].as_str().unwrap()
}

/// Why the copy for this reader was not delivered.
pub fn why(rows: &[Value], reader: &str) -> String {
    let row = rows.iter().find(|row| row["recipient"] == reader);
    let row = row.unwrap_or_else(|| panic!("no copy for {reader}: {rows:#?}"));
    row["last"].as_str().unwrap_or_else(|| panic!("{row}")).to_owned()
}
