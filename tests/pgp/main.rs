//! The OpenPGP door from outside: real keys, other programs' messages, and messages made to deceive.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests end loudly"
)]

mod certs;
mod common;
mod gpg;
mod keys;
mod life;
mod oracle;
mod packets;
mod seal;
mod signed_text;
mod tamper;
mod unpack;
mod update;
mod verdict;
