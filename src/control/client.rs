//! The other end of the admin socket: one request, one answer, and a plain word when there is nobody.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::wire::{self, Answer, ErrorKind, FrameError, HELLO_LEN, Hello, PREFIX_LEN, Request, VERSION};

/// A little longer than the daemon allows itself for one request.
const ANSWER_TIME: Duration = Duration::from_secs(130);
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Why there is no answer. As text: what happened, why, and what to do next.
#[derive(Debug)]
pub enum ClientError {
    /// No socket, or nobody behind it.
    NotRunning(PathBuf),
    /// The file system does not let us at it.
    NoPermission(PathBuf),
    /// A daemon of another age.
    Version {
        /// The daemon's.
        theirs: u8,
    },
    /// Something else listens there.
    Stranger(PathBuf),
    /// No answer in time.
    Slow,
    /// The connection broke.
    Broken(io::Error),
    /// The request cannot be sent: nothing has been.
    Request(FrameError),
    /// The answer cannot be read.
    Answer(FrameError),
}

impl ClientError {
    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotRunning(_) | Self::Version { .. } | Self::Stranger(_) => ErrorKind::Unavailable,
            Self::NoPermission(_) => ErrorKind::NoPermission,
            Self::Slow => ErrorKind::Busy,
            Self::Broken(_) => ErrorKind::Io,
            Self::Request(_) => ErrorKind::Data,
            Self::Answer(_) => ErrorKind::Internal,
        }
    }

    /// What happened.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::NotRunning(_) => "the daemon is not running",
            Self::NoPermission(_) => "you may not open the admin socket",
            Self::Version { .. } => "the daemon is of another release than this program",
            Self::Stranger(_) => "what answers on the admin socket is not vouchsafe",
            Self::Slow => "the daemon did not answer in time",
            Self::Broken(_) => "the connection to the daemon broke off",
            Self::Request(_) => "the request cannot be sent",
            Self::Answer(_) => "the daemon's answer cannot be read",
        }
    }

    /// Why.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::NotRunning(socket) => format!("nobody answers on {}", socket.display()),
            Self::NoPermission(socket) => {
                format!("{} belongs to the daemon's user and its admin group", socket.display())
            }
            Self::Version { theirs } => {
                format!(
                    "it speaks version {theirs} of the admin protocol, and this program version {VERSION}"
                )
            }
            Self::Stranger(socket) => format!("{} leads to another program", socket.display()),
            Self::Slow => format!("it had {} s", ANSWER_TIME.as_secs()),
            Self::Broken(error) => error.to_string(),
            Self::Request(error) | Self::Answer(error) => error.to_string(),
        }
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::NotRunning(_) => {
                "start it with `systemctl start vouchsafe` or `vouchsafe serve`; if it runs, see that --config names \
                 its configuration"
            }
            Self::NoPermission(_) => "run it with sudo, or have root add you to that group ([control] group)",
            Self::Version { .. } => {
                "restart the daemon after an upgrade, or use the program that belongs to its release"
            }
            Self::Stranger(_) => "see that --config names the right configuration",
            Self::Slow | Self::Broken(_) => {
                "the request may have been carried out: look before asking again, and see the daemon's log \
                 (journalctl -u vouchsafe)"
            }
            Self::Request(_) => "give a smaller file: a certificate or key has at most 1 MiB",
            Self::Answer(_) => "use the vouchsafe program that belongs to the daemon's release",
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.what(), self.why(), self.next())
    }
}

impl std::error::Error for ClientError {}

/// Asks the daemon behind `socket`, and waits for its answer.
///
/// # Errors
/// When there is none: each [`ClientError`] says what to do.
pub fn ask(socket: &Path, request: &Request) -> Result<Answer, ClientError> {
    let frame = wire::encode(request).map_err(ClientError::Request)?;
    let mut stream = UnixStream::connect(socket).map_err(|e| unreached(e, socket))?;
    stream.set_read_timeout(Some(ANSWER_TIME)).map_err(ClientError::Broken)?;
    stream.set_write_timeout(Some(WRITE_TIME)).map_err(ClientError::Broken)?;
    greet(&mut stream, socket)?;
    // A daemon that refuses us has answered and hung up: then writing fails, but the answer is there to be read.
    let written = stream.write_all(&frame);
    match (read_answer(&mut stream), written) {
        (Ok(answer), _) => Ok(answer),
        (Err(_), Err(error)) | (Err(Unread::Io(error)), Ok(())) => Err(broken(error)),
        (Err(Unread::Frame(error)), Ok(())) => Err(ClientError::Answer(error)),
    }
}

fn greet(stream: &mut UnixStream, socket: &Path) -> Result<(), ClientError> {
    let mut theirs = [0; HELLO_LEN];
    stream
        .write_all(&Hello::OURS.to_bytes())
        .and_then(|()| stream.read_exact(&mut theirs))
        .map_err(broken)?;
    match Hello::from_bytes(theirs) {
        Some(hello) if hello.is_ours() => Ok(()),
        Some(Hello { version }) => Err(ClientError::Version { theirs: version }),
        None => Err(ClientError::Stranger(socket.to_owned())),
    }
}

enum Unread {
    Io(io::Error),
    Frame(FrameError),
}

fn read_answer(stream: &mut UnixStream) -> Result<Answer, Unread> {
    let mut prefix = [0; PREFIX_LEN];
    stream.read_exact(&mut prefix).map_err(Unread::Io)?;
    let mut json = Zeroizing::new(vec![0; wire::length(prefix).map_err(Unread::Frame)?]);
    stream.read_exact(&mut json).map_err(Unread::Io)?;
    wire::decode(&json).map_err(Unread::Frame)
}

fn unreached(error: io::Error, socket: &Path) -> ClientError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ClientError::NotRunning(socket.to_owned())
        }
        io::ErrorKind::PermissionDenied => ClientError::NoPermission(socket.to_owned()),
        _ => broken(error),
    }
}

fn broken(error: io::Error) -> ClientError {
    match error.kind() {
        // A read that ran into its timeout is told as the first of these on Unix.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Slow,
        _ => ClientError::Broken(error),
    }
}
