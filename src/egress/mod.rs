//! Outgoing mail: claimed from the queue, carried to the next hop over verified TLS, and its outcome recorded.
//!
//! Read [`courier`] first. It claims what is due; a `delivery` has its `carrier` take one copy after the other to one of the
//! hosts that [`route`] found, over a connection that [`smtp`] opened or the pool kept; `health` knows which destinations
//! rest; and `recorder` commits outcomes in batches.
//!
//! Invariant: nothing here can name plaintext, and nothing here knows lists or rosters. A body is read from the queue
//! piece by piece as ciphertext and goes straight to the wire.

pub mod auth;
mod backoff;
mod carrier;
pub mod courier;
mod delivery;
pub mod dkim;
mod health;
mod hop;
mod lanes;
pub mod lookup;
pub mod period;
mod pool;
mod recorder;
pub mod route;
pub mod rules;
#[cfg(test)]
mod scripted;
pub mod settings;
pub mod smtp;
mod sts;
pub mod tls;
mod turns;

use std::path::Path;

use hop::Hop;
use route::{DnsSettings, RouteError, Router, Settings};

use crate::time::Timestamp;

/// Whole days until the certificate in this PEM file expires, negative after that; none when it cannot be told.
#[must_use]
pub fn days_left(certificate: &Path, now: Timestamp) -> Option<i64> {
    tls::days_left(certificate, now)
}

/// Everything that can be known about these settings without connecting anywhere: contradictions, authorities that
/// cannot be read, a name service that cannot be set up.
///
/// # Errors
/// The first problem, with its remedy.
pub fn check(settings: &Settings, dns: &DnsSettings) -> Result<(), RouteError> {
    let router = Router::new(settings, dns)?;
    router.book().try_map(Hop::new).map(drop)
}
