//! How the daemon is watched and led while it works: settings read again, logs, metrics, health, the service manager.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures and skips"
)]

mod outside;

#[path = "observe/activation.rs"]
mod activation;
#[path = "observe/http.rs"]
mod http;
#[path = "observe/manager.rs"]
mod manager;
#[path = "observe/metrics.rs"]
mod metrics;
#[path = "observe/reload.rs"]
mod reload;
#[path = "observe/tls.rs"]
mod tls;
#[path = "observe/watch.rs"]
mod watch;
