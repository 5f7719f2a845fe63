//! What a mail to a list's address for requests asks the relay itself for.

use crate::mail::directory::Purpose;
use crate::mail::tags::Tags;
use crate::pgp::open::Opened;
use crate::relay::command::{self, Command};
use crate::relay::world::World;

/// What is asked for. It may still be worth nothing: that the ledger knows.
pub enum Request {
    /// A one-time token comes back.
    Command(Command),
}

/// What an opened mail asks for, if it came to the address for requests and asks for anything.
#[must_use]
pub fn heard(opened: &Opened, purpose: &Purpose, tags: &Tags<'_>, world: &World<'_>) -> Option<Request> {
    if *purpose != Purpose::Request {
        return None;
    }
    command::heard(opened, tags, world).map(Request::Command)
}
