//! The daemon: plain memory kept off the disk, the rooms built and started, signals obeyed, settings read again.

mod alarm;
mod audience;
mod catch_up;
mod clerk;
mod fatal;
mod health;
mod housekeeping;
pub mod hygiene;
mod known;
mod mailboxes;
mod maildirs;
mod manager;
mod measured;
mod memory;
mod moderators;
mod posted;
mod reload;
mod restored;
pub mod rooms;
mod running;
mod watcher;
mod web;
mod worker;

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::control::wire::Answer;
pub use crate::daemon::fatal::Fatal;
use crate::daemon::measured::Measured;
pub use crate::daemon::reload::{NotReloaded, Reloaded};
use crate::daemon::rooms::{Rooms, unlock};
pub use crate::daemon::running::{Next, Running};
use crate::daemon::web::Door;
use crate::failpoint::{self, Point};
use crate::id::Entropy;
use crate::ingress::inherited::Inherited;
use crate::logging::Filter;
use crate::meter;
use crate::pgp::caught::is_caught;
use crate::pgp::keyring::Passphrase;
use crate::store::contract::Store;
use crate::store::disk::{Disk, Step};
use crate::store::place::Place;
use crate::time::{Clock, SystemClock};

/// Threads for store and cryptography.
const BLOCKING_THREADS: usize = 32;

/// Serves in the foreground until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// What keeps it from starting.
pub fn serve(config: &Config, passphrase: Passphrase, filter: Filter) -> Result<(), Fatal> {
    quiet_panics();
    // Before any thread starts, and before a descriptor of ours could be taken for one that was handed over.
    let inherited = Inherited::from_env();
    let hygiene = hygiene::apply(config.process.allow_swap)?;
    tracing::info!(locked = hygiene.locked, swap = hygiene.swap, "memory");
    let (files, needed) = (hygiene::open_files(config.open_files()), config.open_files());
    if files < needed {
        tracing::warn!(
            files,
            needed,
            "fewer files than max_connections and connections_total need: raise LimitNOFILE"
        );
    }
    if let Some(shortcoming) = config.store.kind.shortcoming() {
        tracing::warn!(kind = %config.store.kind, "{shortcoming}");
    }
    // First the store: it admits one daemon, and what is swept from the keys belongs to none that runs.
    let store = crate::store::open_on(&config.store, medium())?;
    let recorder = config.metrics.listen.as_ref().and_then(|_| watcher::recorder());
    let store: Arc<dyn Store> = if recorder.is_some() { Arc::new(Measured(store)) } else { store };
    let keys = unlock(config, passphrase)?;
    let place = Place::of(&config.store.path, medium());
    restored::notice(&store, &place, &Entropy::kernel(), SystemClock.now())?;
    let mut rooms = Rooms::build(config, keys, store, Arc::new(SystemClock))?;
    rooms.inherited = inherited;
    // Each thread keeps a heap and a stack of its own, locked: so the threads that may block are few.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    runtime.block_on(until_told(rooms, config, filter, recorder))
}

async fn until_told(
    rooms: Rooms,
    config: &Config,
    filter: Filter,
    recorder: Option<PrometheusHandle>,
) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let door = config.metrics.listen.as_ref().map(Door::bind).transpose()?;
    let mut running = rooms.start(config).await?;
    running.known.filter = filter;
    for address in running.addresses() {
        tracing::info!(%address, "listening");
    }
    let store = config.store.kind.to_string();
    meter::identity(env!("CARGO_PKG_VERSION"), store, running.rooms.since.system());
    config.lists.iter().for_each(|list| meter::begin_list(list.name.as_str()));
    running.watched(door, recorder);
    tracing::info!("ready");
    manager::ready();
    let broken = loop {
        tokio::select! {
            _ = terminate.recv() => break false,
            _ = interrupt.recv() => break false,
            _ = hangup.recv() => drop(reload(&mut running).await),
            next = running.next() => match next {
                Next::Broken => break true,
                // Whoever asked may have gone; it is done all the same.
                Next::Reload(reply) => drop(reply.send(reload(&mut running).await)),
            },
        }
    };
    tracing::info!("stopping: what is under way comes to its end");
    manager::stopping();
    manager::draining(running.stop()).await;
    tracing::info!("stopped");
    if broken { Err(Fatal::Broken) } else { Ok(()) }
}

/// Reads the settings again, and says what came of it.
async fn reload(running: &mut Running) -> Answer {
    manager::reloading();
    let reloaded = reload::reload(running).await;
    meter::reload(reloaded.is_ok());
    manager::ready();
    match &reloaded {
        Ok(Reloaded { changed, waiting }) => {
            tracing::info!(changed = changed.join(", "), needs_restart = waiting.join(", "), "reloaded");
        }
        Err(error @ NotReloaded::HalfWay) => {
            tracing::error!(%error, "some of the settings may be in force, and others not");
        }
        Err(error) => tracing::error!(%error, "the settings were not taken, and nothing has changed"),
    }
    reload::answer(reloaded)
}

/// A panic says where, never what: its message could quote bytes of a mail.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        if is_caught() {
            // Anybody can send what the OpenPGP library panics over.
            tracing::debug!(%place, "a mail could not be read");
            return;
        }
        tracing::error!(%place, "a part of the daemon broke down");
    }));
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
