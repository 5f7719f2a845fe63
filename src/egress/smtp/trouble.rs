//! What can go wrong with a delivery, and what that means for the copy.

use std::fmt;
use std::io;

use lettre::transport::smtp::response::{Response, Severity};

use crate::egress::smtp::reply::{printable, shown};

/// The steps of a delivery, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Finding the way.
    Route,
    /// Reaching the host.
    Connect,
    /// Its greeting.
    Greeting,
    /// EHLO.
    Ehlo,
    /// STARTTLS.
    Starttls,
    /// The TLS handshake.
    Handshake,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The message itself.
    Content,
    /// The reply to the final dot.
    Dot,
    /// RSET, between two transactions.
    Reset,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Route => "looking up the way",
            Self::Connect => "connecting",
            Self::Greeting => "the greeting",
            Self::Ehlo => "EHLO",
            Self::Starttls => "STARTTLS",
            Self::Handshake => "the TLS handshake",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "the message",
            Self::Dot => "the final dot",
            Self::Reset => "RSET",
        })
    }
}

/// Why a copy was not taken.
#[derive(Debug)]
pub enum Trouble {
    /// The next hop said no, for now or for good.
    Refused {
        /// To what.
        at: Step,
        /// In which words.
        reply: Response,
    },
    /// It did not answer in time.
    Timeout(Step),
    /// It closed the connection.
    Closed(Step),
    /// The network failed.
    Io(Step, io::ErrorKind),
    /// It said something that is no reply, or none to this step.
    Malformed(Step, &'static str),
    /// Encryption is required and not offered.
    NoStarttls,
    /// Something stood in the clear behind the reply to STARTTLS.
    Injected,
    /// The peer is not who it should be.
    Untrusted(String),
    /// We cannot log in: the host offers no way that we may use, or there is no password.
    NoLogin(String),
    /// In the clear only within this machine.
    NotLocal,
    /// This copy cannot travel over this hop, whatever it says.
    CannotCarry(String),
    /// The stored body could not be read.
    Body(String),
    /// The copy could not be signed.
    Unsigned(String),
}

impl Trouble {
    /// Whether trying again is useless: the hop refused this copy for good. Before MAIL a 5yz concerns the host and not
    /// the copy (RFC 5321 §4.5.4.2: other hosts may take it, and later this one).
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { at, reply } => {
                *at >= Step::Mail && reply.code().severity == Severity::PermanentNegativeCompletion
            }
            Self::CannotCarry(_) => true,
            _ => false,
        }
    }

    /// Whether a further host may be tried at once. Once content was sent a second host could mean a second copy.
    #[must_use]
    pub fn may_try_next(&self) -> bool {
        match self {
            Self::Body(_) | Self::Unsigned(_) => false,
            _ => !self.is_permanent() && self.step() < Step::Content,
        }
    }

    /// Whether a connection that was kept for reuse had died meanwhile: nothing of this copy was taken by it.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        match self {
            Self::Closed(Step::Mail) | Self::Io(Step::Mail, _) => true,
            // RFC 5321 §3.8: a server that times out says 421 to whatever comes next.
            Self::Refused { at: Step::Mail, reply } => is_421(reply),
            _ => false,
        }
    }

    /// Whether the host could not be had, so that no copy would have fared better. What it says to MAIL may be meant for
    /// this sender.
    #[must_use]
    pub fn is_about_the_host(&self) -> bool {
        self.step() < Step::Mail
    }

    /// Whether this may be because there are other connections to the host: it is not there for one more, or says so.
    #[must_use]
    pub fn may_be_full(&self) -> bool {
        match self {
            Self::Refused { reply, .. } => reply.code().severity == Severity::TransientNegativeCompletion,
            _ => self.step() <= Step::Greeting,
        }
    }

    /// Whether the session itself was in order.
    #[must_use]
    pub fn is_about_the_copy(&self) -> bool {
        self.step() >= Step::Mail
    }

    /// The reply code, where there was one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { reply, .. } => Some(reply.code().into()),
            _ => None,
        }
    }

    /// Why, in our own words only: unlike the text for people this never repeats what the next hop said, which may name
    /// the recipient.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Refused { at, .. } => format!("refused at {at}"),
            other => other.to_string(),
        }
    }

    /// What it happened at.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Refused { at, .. }
            | Self::Timeout(at)
            | Self::Closed(at)
            | Self::Io(at, _)
            | Self::Malformed(at, _) => *at,
            Self::NoStarttls | Self::Injected => Step::Starttls,
            Self::Untrusted(_) => Step::Handshake,
            Self::NoLogin(_) => Step::Auth,
            Self::NotLocal => Step::Connect,
            Self::CannotCarry(_) => Step::Mail,
            Self::Body(_) | Self::Unsigned(_) => Step::Content,
        }
    }
}

/// RFC 5321 §3.8: with 421 the server closes the connection.
pub(crate) fn is_421(reply: &Response) -> bool {
    reply.has_code(421)
}

/// At most 500 printable characters, for the ledger and the admin.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Refused { at: Step::Auth, reply } => format!("the login was refused: {}", shown(reply)),
            Self::Refused { reply, .. } => shown(reply),
            Self::Timeout(at) => format!("timeout after {at}"),
            Self::Closed(at) => format!("connection closed after {at}"),
            Self::Io(at, kind) => format!("{kind} at {at}"),
            Self::Malformed(at, why) => format!("no proper reply to {at}: {why}"),
            Self::NoStarttls => "STARTTLS is not offered, and mail must not travel in the clear".to_owned(),
            Self::Injected => {
                "bytes in the clear behind the reply to STARTTLS: someone may be tampering".to_owned()
            }
            Self::Untrusted(why) => format!("TLS: {why}"),
            Self::NoLogin(why) => format!("cannot log in: {why}"),
            Self::NotLocal => "tls = \"none\" allows only addresses of this machine".to_owned(),
            Self::CannotCarry(why) => why.clone(),
            Self::Body(why) => format!("the stored body cannot be read: {why}"),
            Self::Unsigned(why) => format!("the copy cannot be signed by DKIM: {why}"),
        };
        let lost = self.step() == Step::Dot && !matches!(self, Self::Refused { .. });
        let prefix = if lost { "reply lost, the copy may arrive twice: " } else { "" };
        f.write_str(&printable(&format!("{prefix}{what}")))
    }
}
