//! The front door: mail comes in by SMTP and LMTP. It can hand mail on to be sealed, but it cannot open any.
//!
//! A connection is read top down: [`listener`] owns the sockets, `connection` moves bytes between one socket and one
//! [`session::Session`], which knows the protocol and has neither socket nor clock. [`data`] and `line` are the
//! only code that looks at line ends.

mod acceptor;
mod admission;
mod budget;
mod command;
mod connection;
pub mod data;
mod events;
pub mod guard;
pub mod imap;
pub mod inherited;
pub mod intake;
mod line;
pub mod listener;
pub mod maildir;
mod pace;
pub mod pickup;
pub mod rates;
pub mod reception;
mod reply;
pub mod session;
pub mod settings;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod transaction;

pub use budget::{Budget, Share};
pub use tls::{certificate_end, tls_config};
