//! Mail from a mailbox: fetched by IMAP from a private Dovecot, relayed once, and gone there; from servers that behave
//! badly, an error with a name, and another try.
//!
//! `VOUCHSAFE_IMAP_MAILS=10000 cargo test --test imap many -- --nocapture` lets so many mails wait.
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

#[path = "imap/fetching.rs"]
mod fetching;
#[path = "imap/hostile.rs"]
mod hostile;
#[path = "imap/kills.rs"]
mod kills;
#[path = "imap/many.rs"]
mod many;
#[path = "imap/scripted.rs"]
mod scripted;
#[path = "imap/stage.rs"]
mod stage;
