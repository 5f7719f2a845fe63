//! Outgoing mail: claimed from the queue, carried to the next hop over verified TLS, and its outcome recorded.
//!
//! Read [`courier`] first. It claims what is due; a `delivery` has its `carrier` take one copy after the other to one of the
//! hosts that [`route`] found, over a connection that [`smtp`] opened or the pool kept; `health` knows which destinations
//! rest; and `recorder` commits outcomes in batches.
//!
//! Invariant: nothing here can name plaintext, and nothing here knows lists or rosters. A body is read from the queue
//! piece by piece as ciphertext and goes straight to the wire.

mod backoff;
mod carrier;
pub mod courier;
mod delivery;
mod health;
mod lanes;
pub mod period;
mod pool;
mod recorder;
pub mod route;
#[cfg(test)]
mod scripted;
pub mod settings;
pub mod smtp;
pub mod tls;
mod turns;

use route::{DnsSettings, RouteError, Router, Settings};
use tls::Tls;

/// Everything that can be known about these settings without connecting anywhere: contradictions, authorities that
/// cannot be read, a name service that cannot be set up.
///
/// # Errors
/// The first problem, with its remedy.
pub fn check(settings: &Settings, dns: &DnsSettings) -> Result<(), RouteError> {
    Router::new(settings, dns)?;
    Tls::new(settings).map(|_| ())
}
