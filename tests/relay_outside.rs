//! The whole program from outside: mail in by SMTP and LMTP, copies out, admin commands between, and GnuPG at both ends.
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

#[path = "relay_outside/bad_input.rs"]
mod bad_input;
#[path = "relay_outside/engines.rs"]
mod engines;
#[path = "relay_outside/hanging.rs"]
mod hanging;
#[path = "relay_outside/holding.rs"]
mod holding;
#[path = "relay_outside/keys.rs"]
mod keys;
#[path = "relay_outside/lifecycle.rs"]
mod lifecycle;
#[path = "relay_outside/oracle.rs"]
mod oracle;
#[path = "relay_outside/postfix.rs"]
mod postfix;
#[path = "relay_outside/probe.rs"]
mod probe;
#[path = "relay_outside/queueing.rs"]
mod queueing;
#[path = "relay_outside/reading.rs"]
mod reading;
#[path = "relay_outside/restored.rs"]
mod restored;
#[path = "relay_outside/roster.rs"]
mod roster;
#[path = "relay_outside/threads.rs"]
mod threads;
