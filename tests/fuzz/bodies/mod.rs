//! What each fuzz target does with the bytes it is given: plain functions, which libFuzzer calls (`make fuzz`) and a test
//! replays over every kept seed and finding (`tests/regress.rs`). Each panics when something is not as it must be.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a finding is a panic, and each target uses one of these"
)]

mod config;
mod control;
mod imap;
mod mime;
mod sealed;
mod smtp;

pub use config::config;
pub use control::control_wire;
pub use imap::imap_responses;
pub use mime::{mime_reader, mime_scan, structure};
pub use sealed::sealed_framing;
pub use smtp::{smtp_data, smtp_replies, smtp_session};

/// A target: what it does with bytes.
pub type Body = fn(&[u8]);

/// All targets, by their names.
pub const ALL: [(&str, Body); 10] = [
    ("smtp_session", smtp_session),
    ("smtp_data", smtp_data),
    ("mime_scan", mime_scan),
    ("mime_reader", mime_reader),
    ("structure", structure),
    ("sealed_framing", sealed_framing),
    ("control_wire", control_wire),
    ("config", config),
    ("smtp_replies", smtp_replies),
    ("imap_responses", imap_responses),
];
