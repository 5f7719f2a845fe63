//! Open connections, and those that wait for the next copy to their destination.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::egress::health::Standing;
use crate::egress::settings::Settings;
use crate::egress::smtp::Connection;

/// A connection that stands: how old it is, and how many copies it was used for.
pub(crate) struct Line {
    pub(crate) connection: Connection,
    /// Copies that were begun over it.
    pub(crate) copies: usize,
    opened: Instant,
    _standing: Standing,
}

impl Line {
    pub(crate) fn new(connection: Connection, standing: Standing) -> Self {
        Self { connection, copies: 0, opened: Instant::now(), _standing: standing }
    }
}

/// Idle connections by destination.
pub(crate) struct Pool {
    /// How long one may be idle.
    keep: Duration,
    /// How old one may be, and how many copies may go over it.
    age: Duration,
    copies: usize,
    idle: Mutex<HashMap<String, Vec<Idle>>>,
    /// Whether nothing is kept any more.
    closed: AtomicBool,
}

struct Idle {
    line: Line,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(settings: &Settings) -> Self {
        let Settings { keep_idle, connection_age, messages_per_connection, .. } = settings;
        let (keep, age) = (keep_idle.get(), connection_age.get());
        Self {
            keep,
            age,
            copies: *messages_per_connection,
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The connection to `destination` that was used last, as the likeliest to be alive.
    pub(crate) fn take(&self, destination: &str) -> Option<Line> {
        let mut idle = self.lock();
        let waiting = idle.get_mut(destination)?;
        let newest = waiting.pop();
        if waiting.is_empty() {
            idle.remove(destination);
        }
        newest.filter(|idle| idle.since.elapsed() < self.keep).map(|idle| idle.line)
    }

    /// Whether a further copy may be begun over a connection: some hops end a session that carried many, or is old.
    pub(crate) fn has_room(&self, line: &Line) -> bool {
        !self.closed.load(Ordering::SeqCst) && line.copies < self.copies && line.opened.elapsed() < self.age
    }

    /// Keeps a connection, if it is good for another copy; takes leave of one that was used enough, and returns when it is
    /// closed, so that a hop never sees more connections than it should.
    pub(crate) async fn give(&self, destination: &str, line: Line) {
        if !line.connection.is_reusable() {
            return;
        }
        if self.has_room(&line) {
            let idle = Idle { line, since: Instant::now() };
            self.lock().entry(destination.to_owned()).or_default().push(idle);
        } else {
            line.connection.quit().await;
        }
    }

    /// Takes out what was idle for too long.
    pub(crate) fn expired(&self) -> Vec<Line> {
        self.older_than(self.keep)
    }

    /// Keeps nothing from now on, and gives out what was kept.
    pub(crate) fn close(&self) -> Vec<Line> {
        self.closed.store(true, Ordering::SeqCst);
        self.older_than(Duration::ZERO)
    }

    /// Takes out what was idle longest, where more than `most` are.
    pub(crate) fn surplus(&self, most: usize) -> Vec<Line> {
        let mut idle = self.lock();
        let mut out = Vec::new();
        while idle.values().map(Vec::len).sum::<usize>() > most {
            // The newest of each destination stands last.
            let oldest =
                idle.iter().filter_map(|(name, waiting)| Some((waiting.first()?.since, name.clone())));
            let Some((_, name)) = oldest.min() else { break };
            let Some(waiting) = idle.get_mut(&name) else { break };
            out.push(waiting.remove(0).line);
            if waiting.is_empty() {
                idle.remove(&name);
            }
        }
        out
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn older_than(&self, age: Duration) -> Vec<Line> {
        let mut idle = self.lock();
        let mut out = Vec::new();
        for waiting in idle.values_mut() {
            out.extend(waiting.extract_if(.., |idle| idle.since.elapsed() >= age).map(|idle| idle.line));
        }
        idle.retain(|_, waiting| !waiting.is_empty());
        out
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
