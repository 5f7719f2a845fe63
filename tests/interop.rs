//! Other people's programs at both ends of the running program: OpenPGP of every kind that they write and read, mail
//! servers, mail clients.
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

#[path = "interop/bench.rs"]
mod bench;
#[path = "interop/clients.rs"]
mod clients;
#[path = "interop/gpg_keys.rs"]
mod gpg_keys;
#[path = "interop/gpg_options.rs"]
mod gpg_options;
#[path = "interop/mutt.rs"]
mod mutt;
#[path = "interop/postfix.rs"]
mod postfix;
#[path = "interop/sq.rs"]
mod sq;
