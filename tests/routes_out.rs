//! The way out, with a name service, mail hosts, policy hosts and authorities of the test's own: who is trusted with a copy,
//! who is not and why, and what becomes of the copy then.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test fails by panicking, and says aloud what it skips"
)]

mod outside;

#[path = "routes_out/distrust.rs"]
mod distrust;
#[path = "routes_out/host.rs"]
mod host;
#[path = "routes_out/login.rs"]
mod login;
#[path = "routes_out/overrides.rs"]
mod overrides;
#[path = "routes_out/policies.rs"]
mod policies;
#[path = "routes_out/postfix.rs"]
mod postfix;
#[path = "routes_out/stage.rs"]
mod stage;
#[path = "routes_out/web.rs"]
mod web;
