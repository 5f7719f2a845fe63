//! Why a mailbox cannot be attended at the moment, for people. Nothing here is the server's text: it could quote mail,
//! or be made to look like something else.

use std::io;
use std::time::Duration;

use async_imap::error::Error as ImapError;

use super::limited::Overstep;
use super::secret::NoSecret;
use crate::ingress::events::NotTaken;
use crate::store::contract::StoreError;

/// Why a mailbox cannot be attended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Nobody answers.
    #[error("no connection to {host} ({why}); look at the host, the port and the network")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system said.
        why: io::ErrorKind,
    },
    /// The clear is for this machine only, whatever a name leads to.
    #[error("{0} is not on this machine, and tls = \"none\": nothing is said to it")]
    ClearNotLocal(String),
    /// The server is not who it should be.
    #[error("the server is not trusted: {0}; see tls, ca_file and server_name")]
    Tls(String),
    /// It does not greet as RFC 3501 §7.1 wants.
    #[error("it did not greet as an IMAP server does; is this the port of IMAP, and tls right?")]
    Greeting,
    /// Authenticated before anything was said: whoever is on the wire could say so.
    #[error("it greeted with PREAUTH, as if somebody had logged in already; that is not believed")]
    Preauth,
    /// STARTTLS was refused.
    #[error("it refused STARTTLS; set tls = \"implicit\" if it has a port for that")]
    NoStarttls,
    /// More came with the consent to STARTTLS: it would be taken for what was said under encryption.
    #[error("it sent more behind its consent to STARTTLS: somebody on the wire may have injected it")]
    Injected,
    /// Password or token cannot be had.
    #[error(transparent)]
    Secret(#[from] NoSecret),
    /// It does not offer what is set.
    #[error("it does not offer {0}; set auth to what it offers")]
    NoAuth(&'static str),
    /// The login was refused.
    #[error("it refused the login; look at user, auth and the password or token")]
    LoginRefused,
    /// A command was refused.
    #[error("it refused {0}")]
    Refused(&'static str),
    /// The mailbox cannot be changed, so nothing could be removed.
    #[error("the mailbox can only be read there; give its user the right to remove mail")]
    ReadOnly,
    /// There are no lasting names for mails.
    #[error("it gives its mails no UIDs, without which no mail can be removed safely")]
    NoUids,
    /// The names of its mails changed under our hands.
    #[error("the mailbox was made anew meanwhile (another UIDVALIDITY)")]
    Renumbered,
    /// It says goodbye.
    #[error("it ended the session")]
    Bye,
    /// The connection broke off.
    #[error("the connection broke off ({0})")]
    Lost(io::ErrorKind),
    /// It does not answer.
    #[error("it did not answer {doing} within {} seconds", .within.as_secs())]
    Silent {
        /// What was waited for.
        doing: &'static str,
        /// How long.
        within: Duration,
    },
    /// It does not speak IMAP.
    #[error("it answered {0} with something that is no IMAP")]
    Protocol(&'static str),
    /// The tag of a response is none that we wait for.
    #[error("it answered a command that was not given")]
    WrongTag,
    /// It sends mails that nobody asked for.
    #[error("it sent a mail that was not asked for")]
    Unasked,
    /// It sends without end.
    #[error("it sent more responses than any answer has")]
    Flood,
    /// It sends too much at once.
    #[error(transparent)]
    Overstep(#[from] Overstep),
    /// It keeps what it was told to remove.
    #[error("it keeps mails that it was told to remove; until they are gone nothing more is fetched")]
    StillThere,
    /// A reload took the recipient's list away. What it calls for is a restart, not another mark on each mail.
    #[error(
        "the recipient that is set for it is none of the lists' addresses any more: nothing is fetched; mend recipient \
         and restart the daemon"
    )]
    Nobody,
    /// Others hold the memory.
    #[error("there was no memory for its mail within {} seconds; see [limits] max_in_memory", .0.as_secs())]
    NoMemory(Duration),
    /// A mail could not be made durable here; it stays there.
    #[error("mail cannot be taken in here ({0}); it stays in the mailbox")]
    NotTaken(&'static str),
    /// The store.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// A part of ours broke down.
    #[error("its part of the daemon broke down; please report the log")]
    Broken,
}

impl Trouble {
    /// What an error of the library means, while this was done. Its text is not used: it quotes what came.
    pub(super) fn of(error: ImapError, doing: &'static str) -> Self {
        match error {
            ImapError::Io(error) => Self::of_io(&error, doing),
            ImapError::ConnectionLost => Self::Lost(io::ErrorKind::UnexpectedEof),
            ImapError::Bad(_) | ImapError::No(_) => Self::Refused(doing),
            _ => Self::Protocol(doing),
        }
    }

    pub(super) fn of_io(error: &io::Error, doing: &'static str) -> Self {
        if let Some(overstep) = error.get_ref().and_then(|inner| inner.downcast_ref::<Overstep>()) {
            return Self::Overstep(*overstep);
        }
        match error.kind() {
            // The library's own, about what it cannot read.
            io::ErrorKind::Other => Self::Protocol(doing),
            kind => Self::Lost(kind),
        }
    }
}

impl From<NotTaken> for Trouble {
    fn from(why: NotTaken) -> Self {
        Self::NotTaken(match why {
            NotTaken::DiskFull => "the disk is nearly full",
            NotTaken::Storage => "the store failed",
            NotTaken::Memory => "memory is short",
            NotTaken::Busy => "too much mail is waiting",
        })
    }
}
