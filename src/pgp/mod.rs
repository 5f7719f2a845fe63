//! The OpenPGP door: the only room that names Sequoia.
//!
//! In: [`open::open`] decrypts and verifies one arrived mail to its very end and gives an [`open::Opened`] with a
//! named outcome; [`open::unlock`] does the same for the relay's own spool. Out: [`seal::sign`] once, then
//! [`seal::seal_to_readers`] encrypts once per class and wraps the session key to each reader.
//! [`keyring`] keeps the relay's own secret keys, [`cert`] a member's certificate, [`sealed`] is what storage sees.

pub mod caught;
pub mod cert;
mod decrypt;
mod detached;
mod import;
mod key_error;
pub mod keychain;
pub mod keyring;
mod keys;
mod life;
pub mod open;
pub mod outcome;
pub mod outlook;
pub mod person;
pub mod possession;
pub mod ring;
mod rsa;
pub mod seal;
pub mod sealed;
pub mod signed_text;
mod subpackets;
pub mod text;
mod unpack;
mod update;
mod usable;
mod verdict;

pub use open::{open, unlock};
pub use seal::{seal_at_rest, seal_to_readers, sign};
