//! What the relay must remember: arrivals, held mail, queued copies, roster, journal and replays, as records of a store.
//! Nothing here can name plaintext.

pub mod affairs;
pub mod alert;
pub mod answered;
pub mod certs;
pub mod forewarn;
pub mod hold;
pub mod journal;
pub mod limit;
pub mod mark;
pub mod outbox;
pub mod queue;
pub mod record;
pub mod registry;
pub mod restore;
pub mod rests;
pub mod seen;
pub mod sent;
pub mod shelf;
pub mod spool;
pub mod sts;
pub mod token;
