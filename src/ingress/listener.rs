//! Sockets, TLS and limits around the sessions.

use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::admission::{Admission, Full, Place};
use super::budget::Budget;
use super::connection::{Shared, Speech, Stream, refuse, serve, stopped};
pub use super::events::TakeIn;
use super::reception::{Reception, Receptions};
use super::reply::closing;
use super::settings::{ListenAddr, LmtpSettings, SmtpSettings};
use crate::group::{Group, GroupError};
use crate::time::Clock;

/// Why nothing can be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not ours, or below the ports that we may use.
    #[error(
        "cannot listen on {address}: {why}. Choose another address, stop what listens there, or give the service \
         CAP_NET_BIND_SERVICE for ports below 1024"
    )]
    Address {
        /// As it stands in the settings.
        address: String,
        /// What the system said.
        why: io::Error,
    },
    /// The socket's path cannot be used.
    #[error("cannot listen on unix:{path}: {why}. The folder has to exist and be writable for the service")]
    Socket {
        /// The whole path.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Somebody answers on the socket already.
    #[error("cannot listen on unix:{0}: another process answers there. Stop it, or choose another path")]
    InUse(PathBuf),
    /// There is a file of another sort.
    #[error(
        "cannot listen on unix:{0}: a file that is no socket is in its place. Move it away, or choose another path"
    )]
    NotASocket(PathBuf),
    /// The group of `[lmtp] group` is unknown.
    #[error(
        "the LMTP socket has no group: {0}. Name the group of your mail server, or leave [lmtp] group out"
    )]
    Group(GroupError),
    /// The socket cannot be given to the group.
    #[error(
        "the LMTP socket {path} cannot be given to the group {group}: {why}. Make the daemon's user a member of that \
         group (SupplementaryGroups={group} in the unit, or usermod -aG), or change [lmtp] group"
    )]
    Give {
        /// The socket.
        path: PathBuf,
        /// The group, as it is named in the settings.
        group: String,
        /// What the system said.
        why: io::Error,
    },
    /// TLS is wanted without a certificate.
    #[error("[smtp] tls_listen needs a certificate: set tls_cert and tls_key, or leave tls_listen out")]
    NoCertificate,
    /// A PEM file does not serve.
    #[error("cannot use the TLS {what} {path}: {why}. It has to be a PEM file that the service can read")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key do not make a server.
    #[error(
        "the TLS certificate {cert} and the key {key} do not serve: {why}. Check that they belong together"
    )]
    Tls {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        why: String,
    },
    /// The limits let no mail in.
    #[error("[limits] {0}")]
    Limits(String),
}

/// All sockets that mail comes in by, bound but not yet served.
pub struct Listeners {
    sockets: Vec<(Socket, Speech)>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A socket's name in the file system; removed when dropped.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever finds it later removes it as stale.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listeners {
    /// Binds every address of the settings. Relative socket paths count from `base`.
    ///
    /// # Errors
    /// When an address cannot be had, TLS is wanted and `first` has none, or its limits let no mail in.
    pub async fn bind(
        smtp: &SmtpSettings,
        lmtp: &LmtpSettings,
        base: &Path,
        first: &Reception,
    ) -> Result<Self, ListenError> {
        if let Some(problem) = first.limits.problem() {
            return Err(ListenError::Limits(problem));
        }
        if !smtp.tls_listen.is_empty() && !first.has_tls() {
            return Err(ListenError::NoCertificate);
        }
        let group = lmtp.group.as_deref().map(Group::find).transpose().map_err(ListenError::Group)?;
        let plain = smtp.listen.iter().map(|a| (a, Speech::Smtp));
        let wrapped = smtp.tls_listen.iter().map(|a| (a, Speech::Smtps));
        let local = lmtp.listen.iter().map(|a| (a, Speech::Lmtp));
        let mut sockets = Vec::new();
        for (address, speech) in plain.chain(wrapped).chain(local) {
            let group = group.as_ref().filter(|_| speech == Speech::Lmtp);
            sockets.push((Socket::bind(address, base, group).await?, speech));
        }
        Ok(Self { sockets })
    }

    /// The addresses that were bound, `host:port` or `unix:path`, in the order of the settings: `[smtp] listen`,
    /// `[smtp] tls_listen`, `[lmtp] listen`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.sockets.iter().map(|(socket, _)| socket.address()).collect()
    }

    /// Serves until `stop` turns true (or its sender is gone), then lets the mails under way come to their end,
    /// within `shutdown_grace`. Each new connection is received by the newest of `receptions`.
    pub async fn run(
        self,
        mut receptions: Receptions,
        take_in: TakeIn,
        clock: Arc<dyn Clock>,
        stop: watch::Receiver<bool>,
    ) {
        let limits = Arc::clone(&receptions.borrow_and_update().limits);
        let (budget, admission) = (Budget::of(&limits), Admission::new(&limits));
        let mut acceptors = JoinSet::new();
        for (socket, speech) in self.sockets {
            let common = (Arc::clone(&take_in), Arc::clone(&clock), budget.clone(), stop.clone());
            let desk = Desk { receptions: receptions.clone(), admission: admission.clone(), common };
            acceptors.spawn(accept(socket, speech, desk));
        }
        loop {
            tokio::select! {
                ended = acceptors.join_next() => if ended.is_none() { break },
                Ok(()) = receptions.changed() => {
                    let limits = Arc::clone(&receptions.borrow_and_update().limits);
                    budget.obey(&limits);
                    admission.obey(&limits);
                }
            }
        }
    }
}

/// What one socket's clients are received with.
#[derive(Clone)]
struct Desk {
    receptions: Receptions,
    admission: Admission,
    common: (TakeIn, Arc<dyn Clock>, Budget, watch::Receiver<bool>),
}

impl Desk {
    fn shared(&self) -> Shared {
        let Reception { directory, limits, hostname, tls } = Reception::clone(&self.receptions.borrow());
        let (take_in, clock, budget, stop) = self.common.clone();
        Shared { directory, take_in, clock, budget, limits, hostname, tls, stop }
    }
}

/// A client at the door.
enum Client {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Socket {
    async fn bind(address: &ListenAddr, base: &Path, group: Option<&Group>) -> Result<Self, ListenError> {
        match address {
            ListenAddr::Tcp(host_port) => match TcpListener::bind(host_port).await {
                Ok(listener) => Ok(Self::Tcp(listener)),
                Err(why) => Err(ListenError::Address { address: host_port.clone(), why }),
            },
            ListenAddr::Unix(path) => bind_unix(base.join(path), group).await,
        }
    }

    fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| "?".to_owned(), |a| a.to_string()),
            Self::Unix(_, SocketFile(path)) => format!("unix:{}", path.display()),
        }
    }

    async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Replies are whole when they are written: waiting for more only delays them.
                stream.set_nodelay(true).ok();
                Ok(Client::Tcp(stream, peer.ip()))
            }
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Client::Unix(stream)),
        }
    }
}

/// A Unix socket for owner and group (`group`, or else the daemon's own), in place of a stale one.
async fn bind_unix(path: PathBuf, group: Option<&Group>) -> Result<Socket, ListenError> {
    if let Ok(there) = std::fs::symlink_metadata(&path) {
        if !there.file_type().is_socket() {
            return Err(ListenError::NotASocket(path));
        }
        if UnixStream::connect(&path).await.is_ok() {
            return Err(ListenError::InUse(path));
        }
    }
    let bind = || {
        match std::fs::remove_file(&path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        UnixListener::bind(&path)
    };
    let listener = match bind() {
        Ok(listener) => listener,
        Err(why) => return Err(ListenError::Socket { path, why }),
    };
    // From here on it goes when it cannot be made what it has to be.
    let file = SocketFile(path);
    if let Some(Group { name, gid }) = group {
        std::os::unix::fs::chown(&file.0, None, Some(*gid)).map_err(|why| ListenError::Give {
            path: file.0.clone(),
            group: name.clone(),
            why,
        })?;
    }
    // The mode comes last, so that the daemon's own group is not let in meanwhile.
    std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(0o660))
        .map_err(|why| ListenError::Socket { path: file.0.clone(), why })?;
    Ok(Socket::Unix(listener, file))
}

/// Accepts on one socket until the stop, then waits for its connections.
async fn accept(socket: Socket, speech: Speech, desk: Desk) {
    let mut connections = JoinSet::new();
    let mut stop = desk.shared().stop;
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => note(ended),
            client = socket.accept() => match client {
                Ok(Client::Tcp(stream, ip)) => {
                    admit(&mut connections, stream, Some(ip), speech, &desk);
                }
                Ok(Client::Unix(stream)) => admit(&mut connections, stream, None, speech, &desk),
                Err(why) => {
                    // Out of files, most likely: a moment later some are free again.
                    tracing::warn!(kind = ?why.kind(), "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(socket);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            note(ended)
        }
    };
    let grace = Duration::from_secs(desk.shared().limits.shutdown_grace);
    if timeout(grace, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut off at the end");
        connections.shutdown().await;
    }
}

/// Starts a connection's task, or turns the client away.
fn admit<S: Stream + 'static>(
    connections: &mut JoinSet<()>,
    stream: S,
    client: Option<IpAddr>,
    speech: Speech,
    desk: &Desk,
) {
    let shared = desk.shared();
    match desk.admission.enter(client) {
        Ok(place) => {
            connections.spawn(async move {
                let _place: Place = place;
                serve(stream, client, speech, shared).await;
            });
        }
        Err(full) => {
            tracing::warn!(client = ?client, ?full, "connection refused");
            let why = match full {
                Full::All => "has too many connections",
                Full::Client => "has too many connections from you",
            };
            // Before TLS there is no way to say it.
            if speech != Speech::Smtps {
                connections.spawn(refuse(stream, closing(&shared.hostname, "4.7.0", why)));
            }
        }
    }
}

/// A connection that broke down harms nobody else. What it said is not logged: it could quote content.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|e| e.is_panic()) {
        tracing::error!("a connection ended in a panic");
    }
}
