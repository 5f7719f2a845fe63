//! What goes into a session and what comes out of it.

use std::pin::Pin;
use std::sync::Arc;

use super::budget::Share;
use super::settings::Limits;
use crate::mail::arrival::{Envelope, Via};
use crate::secret::Plaintext;

/// What happened.
pub enum Event<'a> {
    /// The connection stands, and TLS with it where that comes first.
    Connected,
    /// Bytes came.
    Bytes(&'a [u8]),
    /// The TLS handshake after [`Action::StartTls`] succeeded.
    TlsDone,
    /// The intake took the mail, under this id, or did not.
    Taken(Result<String, NotTaken>),
    /// The client let its time run out.
    Timeout,
    /// The daemon is about to stop.
    ShuttingDown,
}

/// What to do.
pub enum Action {
    /// Send these bytes.
    Reply(Vec<u8>),
    /// Begin the TLS handshake; whatever was read before is already forgotten.
    StartTls,
    /// Take this mail in: 250 is said when [`Event::Taken`] says so, and not before.
    TakeIn {
        /// What the session knows about it.
        envelope: Envelope,
        /// The message.
        raw: Plaintext,
        /// The memory it holds; to be dropped when the intake has answered.
        held: Share,
    },
    /// Close the connection.
    Close,
}

/// Why the intake did not take a mail. The client keeps it and tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The disk is nearly full.
    DiskFull,
    /// It could not be stored.
    Storage,
    /// Too much is waiting already.
    Busy,
    /// The process has all the memory that it may have.
    Memory,
}

impl NotTaken {
    /// A word for log and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk",
            Self::Storage => "storage",
            Self::Busy => "busy",
            Self::Memory => "memory",
        }
    }
}

/// How a connection stands to TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Neither there nor to be had.
    Unavailable,
    /// STARTTLS is offered.
    Offered,
    /// The session is encrypted.
    On,
}

/// What is settled before the first byte.
#[derive(Clone, Debug)]
pub struct Terms {
    /// SMTP or LMTP.
    pub via: Via,
    /// What we call ourselves.
    pub hostname: String,
    /// The client's address, or `unix`.
    pub client: String,
    /// Whether TLS is there or to be had.
    pub tls: Tls,
    /// What the client may do.
    pub limits: Limits,
}

/// What a session waits for, so that the driver can set its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// For a command.
    Command,
    /// For the rest of a message.
    Data,
    /// For the intake, for TLS, or for nothing any more.
    Elsewhere,
}

/// What came of a session, for the log: numbers only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Mails that got their 250.
    pub taken: usize,
    /// Commands that were refused as such.
    pub bad_commands: usize,
}

/// Who takes a mail in: durable when it says `Ok` with the id for the 250.
pub type TakeIn = Arc<
    dyn Fn(Envelope, Plaintext) -> Pin<Box<dyn Future<Output = Result<String, NotTaken>> + Send>>
        + Send
        + Sync,
>;
