//! DKIM from outside: what readers' mail servers verify, by two verifiers that are not ours; keys that are renewed; and what
//! `check --dns` says of DNS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it skips"
)]

mod outside;

#[path = "dkim/checking.rs"]
mod checking;
#[path = "dkim/keys.rs"]
mod keys;
#[path = "dkim/signing.rs"]
mod signing;
#[path = "dkim/verify.rs"]
mod verify;
