//! The gates from outside: mail through a mail server's pipe, mail that lies in a maildir, and a front door that many
//! push against.
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

#[path = "gates/flood.rs"]
mod flood;
#[path = "gates/limits.rs"]
mod limits;
#[path = "gates/maildir.rs"]
mod maildir;
#[path = "gates/pipe.rs"]
mod pipe;
#[path = "gates/postfix.rs"]
mod postfix;
