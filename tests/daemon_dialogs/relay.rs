//! A running daemon with the lists, limits and name that the dialogs rely on.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use vouchsafe::config::Config;
use vouchsafe::ledger::spool::Spool;
use vouchsafe::mail::arrival::{Arrival, Envelope};
use vouchsafe::mail::directory::Kind;
use vouchsafe::pgp::keyring::{KeyDir, Passphrase};
use vouchsafe::pgp::open::unlock;
use vouchsafe::time::{Clock, SystemClock};

use crate::outside::daemon::Daemon;
use crate::outside::install::Install;
use crate::runner::{Heard, Script, Transport, directory, limits};
use crate::wire::{Connection, certificate};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The two lines of `[smtp]` about TLS.
const TLS: &str = "tls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";

/// A daemon and a certificate that its clients trust. Its lists have no readers: what comes in stays in the spool.
pub(crate) struct Relay {
    install: Install,
    daemon: Daemon,
    tls: Arc<ClientConfig>,
}

/// A mail that lies in the spool, as it was taken in.
pub(crate) type Kept = (Envelope, Vec<u8>);

impl Relay {
    /// With TLS, and LMTP on a Unix socket.
    pub(crate) fn start() -> Self {
        let install = Install::edited(
            "127.0.0.1:9",
            &[
                ("#hostname = \"lists.example.org\"", "hostname = \"mx.example.org\""),
                ("#tls_cert = \"tls/fullchain.pem\"\n#tls_key = \"tls/key.pem\"\n", TLS),
                ("[lmtp]\n#listen", "[lmtp]\nlisten"),
                ("[limits]\n", &format!("[limits]\n{}", toml::to_string(&limits()).unwrap())),
            ],
        );
        let text = fs::read_to_string(install.config()).unwrap();
        install.edit(&text[text.find("[list.security]").unwrap()..], &lists());
        make_keys(&install);
        let tls = certificate(&install.root());
        install.hand_over();
        Self { daemon: Daemon::start(&install), install, tls }
    }

    /// The same with another daemon, which has no certificate.
    pub(crate) fn without_tls(self) -> Self {
        let Self { install, daemon, tls } = self;
        let (status, log) = daemon.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        install.edit(TLS, "");
        Self { daemon: Daemon::start(&install), install, tls }
    }

    /// A connection for one dialog.
    pub(crate) fn connect(&self, script: &Script) -> Client {
        let connection = if script.needs("lmtp") {
            Connection::unix(&self.daemon.lmtp(), &self.tls)
        } else {
            Connection::tcp(&self.daemon.smtp().to_string(), &self.tls)
        };
        Client { connection, went: Went::default() }
    }

    /// Stops the daemon and opens its spool with its keys; the mails by their ids, one for each of a mail's lists.
    pub(crate) fn stopped(self) -> BTreeMap<String, Kept> {
        let (status, log) = self.daemon.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        let config = Config::load(&self.install.config()).unwrap();
        let passphrase = Passphrase::from_file(config.keys.passphrase_file.as_ref().unwrap()).unwrap();
        let keys = KeyDir::new(&config.keys.path).load_spool(&passphrase).unwrap();
        let spool = Spool::new(vouchsafe::store::open(&config.store).unwrap());
        // Tomorrow whatever waits for a reader is due.
        let claimed = spool.claim(SystemClock.now().after(DAY), DAY, 10_000).unwrap();
        let open = |mail| {
            let arrival = unlock(&spool.read(mail).unwrap(), &keys, 1 << 20).unwrap();
            let Ok(Arrival { envelope, raw }) = Arrival::decode(arrival) else { panic!("no arrival") };
            (envelope, raw.expose().to_vec())
        };
        claimed.iter().map(|mail| (mail.id.to_string(), open(mail))).collect()
    }
}

/// The lists of [`directory`], as `relay.toml` has them.
fn lists() -> String {
    let section = |list: &vouchsafe::mail::directory::ListEntry| {
        let further = match list.kind {
            Kind::Intake if list.encrypted_only => "clear = \"refuse\"\n",
            Kind::Announce => "team = \"security\"\n",
            _ => "",
        };
        let (name, address, kind) = (&list.name, &list.address, list.kind);
        format!("[list.{name}]\naddress = \"{address}\"\nkind = \"{kind}\"\n{further}")
    };
    directory().lists().iter().map(section).collect()
}

/// Keys for these lists instead of the preset's.
fn make_keys(install: &Install) {
    let config = Config::load(&install.config()).unwrap();
    for preset in ["security", "distrib-announce"] {
        fs::remove_dir_all(config.keys.path.join(preset)).unwrap();
    }
    let passphrase = Passphrase::from_file(config.keys.passphrase_file.as_ref().unwrap()).unwrap();
    let keys = KeyDir::new(&config.keys.path);
    for list in config.lists.iter().filter(|list| list.kind.takes_mail()) {
        keys.create_list(&list.name, &list.user_ids(), &passphrase, SystemClock.now()).unwrap();
    }
}

/// A client's side of one dialog.
pub(crate) struct Client {
    connection: Connection,
    went: Went,
}

/// What is known of a dialog's mails when it is over.
#[derive(Default)]
pub(crate) struct Went {
    /// The ids that the daemon gave to them.
    pub(crate) ids: Vec<String>,
    /// How many there were at each line of the dialog about them.
    pub(crate) counts: Vec<usize>,
}

impl Client {
    /// Hangs up.
    pub(crate) fn done(self) -> Went {
        self.went
    }
}

impl Transport for Client {
    fn send(&mut self, bytes: &[u8]) {
        self.connection.send(bytes);
    }

    /// The daemon's ids are its own: in the dialogs a connection's mails have the ids 1, 2, 3.
    fn hear(&mut self) -> Heard {
        let heard = self.connection.hear();
        let Heard::Line(line) = &heard else { return heard };
        let Some((front, id)) = line.split_once("Taken in as ") else { return heard };
        let ids = &mut self.went.ids;
        // LMTP says it once for each recipient.
        if ids.last().is_none_or(|last| last != id) {
            assert!(!ids.iter().any(|other| other == id), "{id} was given before");
            ids.push(id.to_owned());
        }
        Heard::Line(format!("{front}Taken in as {}", ids.len()))
    }

    fn start_tls(&mut self) {
        self.connection.start_tls();
    }

    /// What lies in the spool is seen when the daemon has ended.
    fn taken(&mut self) -> Option<Vec<Kept>> {
        self.went.counts.push(self.went.ids.len());
        None
    }
}
