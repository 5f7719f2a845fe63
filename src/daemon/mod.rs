//! The daemon: builds the rooms, wires them, starts, drains. Only here do the pure relay and the durable ledger meet.

mod catch_up;
mod housekeeping;
pub mod hygiene;
mod worker;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::control::desk::Desk;
use crate::control::server::{BindError, Server};
use crate::daemon::housekeeping::Housekeeping;
use crate::daemon::worker::Worker;
use crate::egress::courier::Courier;
use crate::egress::route::RouteError;
use crate::failpoint::{self, Point};
use crate::id::{Entropy, ListName};
use crate::ingress::intake::Intake;
use crate::ingress::listener::{ListenError, Listeners, TakeIn};
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
use crate::store::contract::{Store, StoreError};
use crate::store::disk::{Disk, Step};
use crate::time::{Clock, SystemClock};

/// Threads for store and cryptography.
const BLOCKING_THREADS: usize = 32;

/// Why the daemon does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// Plaintext could reach a disk.
    #[error(transparent)]
    Unclean(#[from] hygiene::Unclean),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The SMTP and LMTP sockets.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin socket.
    #[error(transparent)]
    Control(#[from] BindError),
    /// The way out.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The runtime or its signals.
    #[error("the daemon cannot run here: {0}")]
    Runtime(#[from] std::io::Error),
    /// A part that nobody can replace broke down while it served.
    #[error(
        "a part of the daemon broke down, and without it no mail goes on: start it again, and report the log"
    )]
    Broken,
}

/// Serves in the foreground until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// What keeps it from starting.
pub fn serve(config: &Config, passphrase: Passphrase) -> Result<(), Fatal> {
    quiet_panics();
    let hygiene = hygiene::apply(config.process.allow_swap)?;
    tracing::info!(locked = hygiene.locked, swap = hygiene.swap, "memory");
    let rooms = Rooms::build(config, passphrase)?;
    // Locked memory counts each thread's whole stack, so the threads that may block are few.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    runtime.block_on(rooms.run(config))
}

/// A panic says where, never what: its message could quote bytes of a mail.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(%place, "a part of the daemon broke down");
    }));
}

/// Tells the service manager, where there is one (sd_notify(3)).
fn tell(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// What the daemon is built of.
struct Rooms {
    store: Arc<dyn Store>,
    keys: Arc<Keychain>,
    lists: Vec<List>,
    directory: Arc<Directory>,
    journal: Journal,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    /// A mail arrived.
    arrived: Arc<Notify>,
    /// A copy was queued.
    queued: Arc<Notify>,
}

impl Rooms {
    fn build(config: &Config, passphrase: Passphrase) -> Result<Self, Fatal> {
        let with_keys: Vec<ListName> =
            config.lists.iter().filter(|l| l.kind.takes_mail()).map(|l| l.name.clone()).collect();
        let keys = Arc::new(Keychain::open(KeyDir::new(&config.keys.path), passphrase, &with_keys)?);
        if let Some(shortcoming) = config.store.kind.shortcoming() {
            tracing::warn!(kind = %config.store.kind, "{shortcoming}");
        }
        let store = crate::store::open_on(&config.store, medium())?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let journal = Journal::new(Arc::clone(&store));
        let now = clock.now();
        let spool = Spool::new(Arc::clone(&store));
        let spooled = spool.recover(now)?;
        // What was parked may have a reader by now, and a clock that was ahead must not keep mail waiting.
        spool.hurry(None, now)?;
        let queued = Queue::new(Arc::clone(&store), journal.clone()).recover(now)?;
        catch_up::journal_keys(&keys, &with_keys, &Registry::new(Arc::clone(&store)), &journal, now)?;
        failpoint::hit(Point::Recovered);
        if spooled + queued > 0 {
            tracing::info!(spooled, queued, "claims of the process before are void; their mail goes on");
        }
        Ok(Self {
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

    async fn run(self, config: &Config) -> Result<(), Fatal> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (stop, stopped) = watch::channel(false);
        let mut parts = JoinSet::new();
        // What can fail comes first; nothing is served before everything stands.
        let listeners = self.listeners(config).await?;
        let server = Server::bind(&config.control)?;
        let courier = Courier::new(self.queue(), &config.egress, &config.dns, Arc::clone(&self.clock))?;
        for address in listeners.addresses() {
            tracing::info!(%address, "listening");
        }
        let desk = Arc::new(self.desk(config));
        let handler = Arc::new(move |request, peer| desk.answer(request, &peer));
        parts.spawn(server.serve(handler, stopped.clone()));
        parts.spawn(self.housekeeping(config).run(stopped.clone()));
        parts.spawn(courier.run(Arc::clone(&self.queued), stopped.clone()));
        parts.spawn(self.worker(config).run(Arc::clone(&self.arrived), stopped.clone()));
        let take_in = self.take_in();
        parts.spawn(listeners.run(Arc::clone(&self.directory), take_in, Arc::clone(&self.clock), stopped));
        tracing::info!("ready");
        tell(NotifyState::Ready);
        let broken = tokio::select! {
            _ = terminate.recv() => false,
            _ = interrupt.recv() => false,
            // None of them ends before it is told to: one that did would leave a daemon that answers and does nothing.
            _ = parts.join_next() => true,
        };
        tracing::info!("stopping: what is under way comes to its end");
        tell(NotifyState::Stopping);
        let _ = stop.send(true);
        while parts.join_next().await.is_some() {}
        tracing::info!("stopped");
        if broken { Err(Fatal::Broken) } else { Ok(()) }
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
            spool: Spool::new(Arc::clone(&self.store)),
            holds: Holds::new(Arc::clone(&self.store)),
            journal: self.journal.clone(),
            clock: Arc::clone(&self.clock),
            rotate_after: config.keys.spool_rotate,
            drained: Mutex::default(),
        })
    }

    fn worker(&self, config: &Config) -> Arc<Worker> {
        let registry = Registry::new(Arc::clone(&self.store));
        Arc::new(Worker {
            store: Arc::clone(&self.store),
            lists: self.lists.iter().map(|l| (l.name.clone(), l.clone())).collect(),
            keys: Arc::clone(&self.keys),
            certs: CertBook::new(registry.clone()),
            registry,
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

/// The store's medium; in a debug build with a failpoint before each step that changes it.
fn medium() -> Disk {
    if !failpoint::ENABLED {
        return Disk::default();
    }
    Disk::with_faults(|step| {
        match step {
            Step::Write => failpoint::hit(Point::DiskWrite),
            Step::Resize => failpoint::hit(Point::DiskResize),
            Step::Sync => failpoint::hit(Point::DiskSync),
            Step::Rename => failpoint::hit(Point::DiskRename),
            Step::SyncDir => failpoint::hit(Point::DiskSyncDir),
            Step::Remove => failpoint::hit(Point::DiskRemove),
            Step::MakeDir | Step::List | Step::Open | Step::Read => {}
        }
        Ok(())
    })
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
