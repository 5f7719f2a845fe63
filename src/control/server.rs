//! The admin socket: a Unix socket that only its owner and one group can open, and a second look at who came.
//!
//! One connection, one request, one answer. Each request is handled on a thread where it may block; one that panics
//! harms no other. Nothing here looks into a request or writes it down.

mod peer;

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use self::peer::{Credentials, Gate};
use super::wire::{self, Answer, ErrorKind, FrameError, HELLO_LEN, Hello, PREFIX_LEN, Peer, Request};

/// How many connections are served at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 32;
/// From connecting to the last byte of the request.
const READ_TIME: Duration = Duration::from_secs(10);
/// For the last byte of the answer to be taken.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// For the work itself; the client waits a little longer.
const WORK_TIME: Duration = Duration::from_secs(120);
/// How long a stop waits for requests that are being worked on.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// After a failed accept, so that a machine out of descriptors is not made to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The `[control]` part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the socket is; relative to the configuration's folder.
    pub socket: PathBuf,
    /// The group whose members may administer, by name or number. Without one, only root and the daemon's user may.
    pub group: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { socket: PathBuf::from("control.sock"), group: None }
    }
}

/// What answers a request. Called on a thread that may block, several at once.
pub type Handler = Arc<dyn Fn(Request, Peer) -> Answer + Send + Sync>;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process answers on it.
    #[error(
        "the admin socket {0} is taken: a process answers on it. Is another vouchsafe running with this configuration? \
         Stop it, or set another [control] socket"
    )]
    Taken(PathBuf),
    /// There is something else in its place.
    #[error("{0} is not a socket, and so it is left alone. Move it away, or set another [control] socket")]
    NotASocket(PathBuf),
    /// Its folder is missing.
    #[error("the folder of the admin socket {0} does not exist. Create it, or set another [control] socket")]
    NoFolder(PathBuf),
    /// The group is unknown.
    #[error(
        "the admin socket has no group: {why}. Create it (groupadd --system NAME), or change [control] group"
    )]
    Group {
        /// Why.
        why: String,
    },
    /// The socket cannot be given to the group.
    #[error(
        "the admin socket {path} cannot be given to the group {group}: {source}. Make the daemon's user a member of \
         that group (usermod -aG), or change [control] group"
    )]
    Give {
        /// The socket.
        path: PathBuf,
        /// The group.
        group: String,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error(
        "the admin socket {path} cannot be made: {source}. See that the daemon's user may write its folder"
    )]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The bound socket.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
    gate: Gate,
}

impl Server {
    /// Binds the socket: mode 0660 with a group, 0600 without. A stale socket, on which nobody answers, is replaced.
    /// To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When somebody answers there, or the file system refuses.
    pub fn bind(settings: &Settings) -> Result<Self, BindError> {
        let path = settings.socket.clone();
        let gate =
            Gate::new(settings.group.as_deref()).map_err(|e| BindError::Group { why: e.to_string() })?;
        let failed = |source| BindError::Io { path: path.clone(), source };
        make_way(&path)?;
        // Bound under another name and renamed when its owner and mode are right: there is no moment at which
        // somebody else could open it, and none at which a client finds no socket in the place of a stale one.
        let fresh = path.with_extension("new");
        make_way(&fresh)?;
        let _ = fs::remove_file(&fresh);
        let listener = StdListener::bind(&fresh).map_err(failed)?;
        let made = secure(&fresh, &path, settings.group.as_deref(), gate.gid()).and_then(|()| {
            fs::rename(&fresh, &path).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            fs::symlink_metadata(&path).map_err(failed)
        });
        let identity = made.as_ref().map(identity).unwrap_or_default();
        if let Err(error) = made {
            let _ = fs::remove_file(&fresh);
            return Err(error);
        }
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self { listener, path, identity, gate })
    }

    /// Serves until `stop` says true or its sender is gone; then takes no more connections, waits a while for the
    /// requests that are being worked on, and removes the socket.
    pub async fn serve(self, handler: Handler, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut visits = JoinSet::new();
        loop {
            while visits.try_join_next().is_some() {}
            let slot = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                slot = Arc::clone(&slots).acquire_owned() => slot,
            };
            let Ok(slot) = slot else { break };
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let visit = visit(stream, self.gate.clone(), Arc::clone(&handler), slot, stop.clone());
                    visits.spawn(visit);
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin socket could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        self.remove_socket();
        let drained = timeout(DRAIN_TIME, async { while visits.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("the admin socket stops while a request is still being worked on");
        }
    }

    /// Removes the socket, unless another process has put its own in the place.
    fn remove_socket(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|m| identity(&m) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// Sees that the place is free, or taken only by a socket on which nobody answers.
fn make_way(path: &Path) -> Result<(), BindError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(BindError::NoFolder(path.to_owned()));
    }
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BindError::Io { path: path.to_owned(), source }),
        Ok(meta) if !meta.file_type().is_socket() => Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => match StdStream::connect(path) {
            // Only a refusal is a proof that nobody listens: a full queue or a missing right is none.
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
                Ok(())
            }
            _ => Err(BindError::Taken(path.to_owned())),
        },
    }
}

fn secure(fresh: &Path, path: &Path, group: Option<&str>, gid: Option<u32>) -> Result<(), BindError> {
    let failed = |source: io::Error| BindError::Io { path: path.to_owned(), source };
    let Some(gid) = gid else {
        return fs::set_permissions(fresh, fs::Permissions::from_mode(0o600)).map_err(failed);
    };
    std::os::unix::fs::chown(fresh, None, Some(gid)).map_err(|source| BindError::Give {
        path: path.to_owned(),
        group: group.unwrap_or_default().to_owned(),
        source,
    })?;
    fs::set_permissions(fresh, fs::Permissions::from_mode(0o660)).map_err(failed)
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it broke off: {0}")]
    Io(#[from] io::Error),
    #[error("it did not speak this protocol")]
    Stranger,
    #[error("it was too slow")]
    Slow,
}

/// One connection, from hello to answer.
async fn visit(
    mut stream: UnixStream,
    gate: Gate,
    handler: Handler,
    slot: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    // Until the request is whole nothing has begun, and a stop may cut it off.
    let asked = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return,
        asked = timeout(READ_TIME, listen(&mut stream, gate)) => asked.unwrap_or(Err(Broken::Slow)),
    };
    let answer = match asked {
        Ok(Asked::Request(request, peer)) => work(handler, request, peer, slot).await,
        Ok(Asked::Refused(answer)) => answer,
        Err(why) => return tracing::debug!(%why, "a connection to the admin socket ended without a request"),
    };
    match timeout(WRITE_TIME, reply(&mut stream, &answer)).await.unwrap_or(Err(Broken::Slow)) {
        Ok(()) => {}
        Err(why) => tracing::debug!(%why, "a connection to the admin socket did not take its answer"),
    }
}

enum Asked {
    Request(Box<Request>, Peer),
    Refused(Answer),
}

/// Hello both ways, who it is, and only then the request: a stranger's megabytes are never read.
async fn listen(stream: &mut UnixStream, gate: Gate) -> Result<Asked, Broken> {
    stream.write_all(&Hello::OURS.to_bytes()).await?;
    let mut hello = [0; HELLO_LEN];
    stream.read_exact(&mut hello).await?;
    // Of another version: it has our hello by now and tells its user itself.
    Hello::from_bytes(hello).filter(|h| h.is_ours()).ok_or(Broken::Stranger)?;
    let credentials = stream.peer_cred()?;
    let credentials = Credentials { uid: credentials.uid(), gid: credentials.gid() };
    let admitted = tokio::task::spawn_blocking(move || gate.admit(credentials)).await;
    let peer = match admitted.map_err(io::Error::other)? {
        Ok(peer) => peer,
        Err(refusal) => {
            tracing::warn!(uid = credentials.uid, "a user without the right asked on the admin socket");
            return Ok(Asked::Refused(refusal));
        }
    };
    let mut prefix = [0; PREFIX_LEN];
    stream.read_exact(&mut prefix).await?;
    let length = match wire::length(prefix) {
        Ok(length) => length,
        Err(error) => return Ok(Asked::Refused(unreadable(error))),
    };
    let mut json = Zeroizing::new(vec![0; length]);
    stream.read_exact(&mut json).await?;
    Ok(match wire::decode(&json) {
        Ok(request) => Asked::Request(Box::new(request), peer),
        Err(error) => Asked::Refused(unreadable(error)),
    })
}

fn unreadable(error: FrameError) -> Answer {
    let next = match error {
        FrameError::TooLong => "give a smaller file: a certificate is at most 1 MiB",
        FrameError::Form => "use the vouchsafe program that belongs to the daemon's version",
    };
    Answer::Error {
        code: ErrorKind::Data,
        what: "the daemon could not read the request".to_owned(),
        why: error.to_string(),
        next: next.to_owned(),
    }
}

/// Has the request handled where it may block. The slot is free only when the work is really over.
async fn work(handler: Handler, request: Box<Request>, peer: Peer, slot: OwnedSemaphorePermit) -> Answer {
    let work = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        handler(*request, peer)
    });
    match timeout(WORK_TIME, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            tracing::error!("a request on the admin socket ended in a fault of the program");
            Answer::Error {
                code: ErrorKind::Internal,
                what: "the request was not carried out, or not wholly".to_owned(),
                why: "the daemon met a fault of its own; it goes on running".to_owned(),
                next: "see its log (journalctl -u vouchsafe), and report the fault".to_owned(),
            }
        }
        Err(_) => Answer::Error {
            code: ErrorKind::Busy,
            what: "the request is not finished yet".to_owned(),
            why: format!("the daemon has been at it for {} s and goes on with it", WORK_TIME.as_secs()),
            next: "look with `vouchsafe status` and `ls` what came of it before asking again".to_owned(),
        },
    }
}

async fn reply(stream: &mut UnixStream, answer: &Answer) -> Result<(), Broken> {
    let frame = wire::encode(answer).or_else(|_| {
        wire::encode(&Answer::Error {
            code: ErrorKind::Internal,
            what: "the answer is too long for the admin socket".to_owned(),
            why: format!("it has more than {} MiB", wire::MAX_FRAME >> 20),
            next: "ask for less: one list, or a --limit".to_owned(),
        })
    });
    stream.write_all(&frame.map_err(io::Error::other)?).await?;
    stream.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests;
