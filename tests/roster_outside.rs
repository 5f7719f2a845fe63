//! The roster from outside: people with GnuPG who install nothing, an admin with the command line, and a clock that the
//! tests move in the running daemon.
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

#[path = "roster_outside/apply.rs"]
mod apply;
#[path = "roster_outside/clock.rs"]
mod clock;
#[path = "roster_outside/commands.rs"]
mod commands;
#[path = "roster_outside/exchange.rs"]
mod exchange;
#[path = "roster_outside/heads.rs"]
mod heads;
#[path = "roster_outside/moderation.rs"]
mod moderation;
#[path = "roster_outside/orgs.rs"]
mod orgs;
#[path = "roster_outside/quorum.rs"]
mod quorum;
#[path = "roster_outside/team.rs"]
mod team;

#[path = "roster_outside/acceptance.rs"]
mod acceptance;
#[path = "roster_outside/alias.rs"]
mod alias;
#[path = "roster_outside/breach.rs"]
mod breach;
#[path = "roster_outside/whole.rs"]
mod whole;
