//! The rooms of a daemon, wired and at work. Only here do the pure relay and the durable ledger meet.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::control::desk::Desk;
use crate::control::server::Server;
use crate::daemon::catch_up;
use crate::daemon::fatal::Fatal;
use crate::daemon::housekeeping::Housekeeping;
use crate::daemon::worker::Worker;
use crate::egress::courier::Courier;
use crate::failpoint::{self, Point};
use crate::id::{Entropy, ListName};
use crate::ingress::intake::Intake;
use crate::ingress::listener::{Listeners, TakeIn};
use crate::ingress::tls_config;
use crate::ledger::certs::CertBook;
use crate::ledger::hold::Holds;
use crate::ledger::journal::Journal;
use crate::ledger::queue::Queue;
use crate::ledger::registry::Registry;
use crate::ledger::spool::Spool;
use crate::mail::directory::Directory;
use crate::pgp::keychain::Keychain;
use crate::pgp::keyring::{KeyDir, KeyError, Passphrase};
use crate::pgp::open::Limits;
use crate::relay::world::List;
use crate::store::contract::Store;
use crate::time::Clock;

/// Unlocks every key that the settings ask for.
///
/// # Errors
/// As [`Keychain::open`].
pub fn unlock(config: &Config, passphrase: Passphrase) -> Result<Arc<Keychain>, KeyError> {
    Ok(Arc::new(Keychain::open(KeyDir::new(&config.keys.path), passphrase, &with_keys(config))?))
}

/// The lists that have a key.
fn with_keys(config: &Config) -> Vec<ListName> {
    config.lists.iter().filter(|l| l.kind.takes_mail()).map(|l| l.name.clone()).collect()
}

/// What the daemon is built of.
pub struct Rooms {
    store: Arc<dyn Store>,
    keys: Arc<Keychain>,
    lists: Vec<List>,
    directory: Arc<Directory>,
    journal: Journal,
    /// One for all, so that each certificate is parsed once.
    certs: CertBook,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    /// A mail arrived.
    arrived: Arc<Notify>,
    /// A copy was queued.
    queued: Arc<Notify>,
}

impl Rooms {
    /// Rooms over this store, in which the claims of the process before are void from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn build(
        config: &Config,
        keys: Arc<Keychain>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fatal> {
        let journal = Journal::new(Arc::clone(&store));
        let now = clock.now();
        let spool = Spool::new(Arc::clone(&store));
        let spooled = spool.recover(now)?;
        // What was parked may have a reader by now, and a clock that was ahead must not keep mail waiting.
        spool.hurry(None, now)?;
        let queued = Queue::new(Arc::clone(&store), journal.clone()).recover(now)?;
        let registry = Registry::new(Arc::clone(&store));
        catch_up::journal_keys(&keys, &with_keys(config), &registry, &journal, now)?;
        failpoint::hit(Point::Recovered);
        if spooled + queued > 0 {
            tracing::info!(spooled, queued, "claims of the process before are void; their mail goes on");
        }
        Ok(Self {
            certs: CertBook::new(registry),
            store,
            keys,
            lists: lists(config),
            directory: Arc::new(config.directory()),
            journal,
            clock,
            entropy: Arc::new(Entropy::kernel()),
            arrived: Arc::default(),
            queued: Arc::default(),
        })
    }

    /// Binds every socket and starts every part. What can fail comes first; nothing is served before everything
    /// stands.
    ///
    /// # Errors
    /// When a socket cannot be had, or the way out is none.
    pub async fn start(self, config: &Config) -> Result<Running, Fatal> {
        let listeners = self.listeners(config).await?;
        let server = Server::bind(&config.control)?;
        let courier = Courier::new(self.queue(), &config.egress, &config.dns, Arc::clone(&self.clock))?;
        let addresses = listeners.addresses();
        let (stop, stopped) = watch::channel(false);
        let mut parts = JoinSet::new();
        let desk = Arc::new(self.desk(config));
        let handler = Arc::new(move |request, peer| desk.answer(request, &peer));
        parts.spawn(server.serve(handler, stopped.clone()));
        parts.spawn(self.housekeeping(config).run(stopped.clone()));
        parts.spawn(courier.run(Arc::clone(&self.queued), stopped.clone()));
        parts.spawn(self.worker(config).run(Arc::clone(&self.arrived), stopped.clone()));
        let take_in = self.take_in();
        parts.spawn(listeners.run(Arc::clone(&self.directory), take_in, Arc::clone(&self.clock), stopped));
        Ok(Running { addresses, stop, parts })
    }

    async fn listeners(&self, config: &Config) -> Result<Listeners, Fatal> {
        let tls = match (&config.smtp.tls_cert, &config.smtp.tls_key) {
            (Some(cert), Some(key)) => Some(tls_config(cert, key)?),
            _ => None,
        };
        Ok(Listeners::bind(&config.smtp, &config.lmtp, &config.limits, &config.folder, tls).await?)
    }

    fn queue(&self) -> Queue {
        Queue::new(Arc::clone(&self.store), self.journal.clone())
    }

    fn desk(&self, config: &Config) -> Desk {
        Desk::new(
            &self.store,
            self.certs.clone(),
            config.store.kind.to_string(),
            (self.lists.clone(), Arc::clone(&self.directory)),
            Arc::clone(&self.keys),
            self.journal.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
            (Arc::clone(&self.arrived), Arc::clone(&self.queued)),
        )
    }

    fn housekeeping(&self, config: &Config) -> Arc<Housekeeping> {
        Arc::new(Housekeeping {
            store: Arc::clone(&self.store),
            keys: Arc::clone(&self.keys),
            certs: self.certs.clone(),
            spool: Spool::new(Arc::clone(&self.store)),
            holds: Holds::new(Arc::clone(&self.store)),
            journal: self.journal.clone(),
            clock: Arc::clone(&self.clock),
            rotate_after: config.keys.spool_rotate,
            drained: Mutex::default(),
        })
    }

    fn worker(&self, config: &Config) -> Arc<Worker> {
        Arc::new(Worker {
            store: Arc::clone(&self.store),
            lists: self.lists.iter().map(|l| (l.name.clone(), l.clone())).collect(),
            keys: Arc::clone(&self.keys),
            certs: self.certs.clone(),
            registry: Registry::new(Arc::clone(&self.store)),
            spool: Spool::new(Arc::clone(&self.store)),
            journal: self.journal.clone(),
            limits: limits(config),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            queued: Arc::clone(&self.queued),
        })
    }

    fn take_in(&self) -> TakeIn {
        let intake = Intake::new(
            Arc::clone(&self.store),
            self.keys.front_door(),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
            Arc::clone(&self.arrived),
        );
        Arc::new(move |envelope, raw| -> Pin<Box<dyn Future<Output = _> + Send>> {
            let intake = intake.clone();
            Box::pin(async move { intake.take_in(envelope, raw).await })
        })
    }
}

/// A daemon at work. Dropped, it ends at once, as if it were killed.
pub struct Running {
    addresses: Vec<String>,
    stop: watch::Sender<bool>,
    parts: JoinSet<()>,
}

impl Running {
    /// Where mail comes in, as [`Listeners::addresses`] has it.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Comes back when a part ended that was not told to: a daemon without it would answer and do nothing.
    pub async fn broken(&mut self) {
        let _ = self.parts.join_next().await;
    }

    /// Takes nothing more, and lets what is under way come to its end.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.parts.join_next().await.is_some() {}
    }
}

fn lists(config: &Config) -> Vec<List> {
    // Distributors may not post to an announce list: who answers a copy, answers to its team.
    let team = |l: &crate::config::List| {
        let team = l.team.as_ref().and_then(|team| config.lists.iter().find(|other| other.name == *team));
        team.map_or_else(|| l.address.clone(), |team| team.address.clone())
    };
    let list = |l: &crate::config::List| List {
        name: l.name.clone(),
        title: l.display.clone(),
        address: l.address.clone(),
        answer_to: team(l),
        kind: l.kind,
        team: l.team.clone(),
        individual: l.individual,
    };
    config.lists.iter().map(list).collect()
}

/// The limits of opening, from those of the front door.
fn limits(config: &Config) -> Limits {
    let mut limits = Limits::default();
    limits.mime.size = config.limits.max_message;
    limits.mime.header_bytes = config.limits.max_headers;
    // Decompressed at most four times the message limit.
    limits.decompressed = config.limits.max_message.saturating_mul(4);
    limits
}
