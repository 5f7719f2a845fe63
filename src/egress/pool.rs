//! Open connections that wait for the next copy to their destination.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::egress::smtp::Connection;

/// Idle connections by destination. How many there are is bounded by how many were in use.
pub(crate) struct Pool {
    keep: Duration,
    idle: Mutex<HashMap<String, Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(keep: Duration) -> Self {
        Self { keep, idle: Mutex::default() }
    }

    /// The connection to `destination` that was used last, as the likeliest to be alive.
    pub(crate) fn take(&self, destination: &str) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle.get_mut(destination)?;
        let newest = waiting.pop();
        if waiting.is_empty() {
            idle.remove(destination);
        }
        newest.filter(|idle| idle.since.elapsed() < self.keep).map(|idle| idle.connection)
    }

    /// Keeps a connection, if it is good for another copy.
    pub(crate) fn give(&self, destination: &str, connection: Connection) {
        if connection.is_reusable() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.entry(destination.to_owned()).or_default().push(Idle { connection, since: Instant::now() });
        }
    }

    /// Takes out what was idle for too long.
    pub(crate) fn expired(&self) -> Vec<Connection> {
        self.older_than(self.keep)
    }

    /// Takes out everything.
    pub(crate) fn drain(&self) -> Vec<Connection> {
        self.older_than(Duration::ZERO)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn older_than(&self, age: Duration) -> Vec<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::new();
        for waiting in idle.values_mut() {
            out.extend(
                waiting.extract_if(.., |idle| idle.since.elapsed() >= age).map(|idle| idle.connection),
            );
        }
        idle.retain(|_, waiting| !waiting.is_empty());
        out
    }
}
