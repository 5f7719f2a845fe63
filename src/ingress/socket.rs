//! The sockets that mail comes in by, bound with the group and mode that they need.

use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::inherited::{Handed, Inherited};
use super::settings::ListenAddr;
use crate::group::{Group, GroupError};

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
    /// The service manager holds a socket that no setting names: whoever connected there would wait for ever.
    #[error(
        "the service manager listens on {0} for us, and no setting says what is spoken there: add it to [smtp] listen, \
         [smtp] tls_listen or [lmtp] listen, or take it out of vouchsafe.socket"
    )]
    Unwanted(String),
    /// The limits let no mail in.
    #[error("[limits] {0}")]
    Limits(String),
}

/// One that is listened on.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        path: PathBuf,
        /// Its file, if that is ours to remove.
        _file: Option<SocketFile>,
    },
}

/// A socket's name in the file system; removed when dropped.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever finds it later removes it as stale.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A client at the door.
pub(super) enum Client {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Socket {
    /// Binds one address; a relative path counts from `base`.
    pub(super) async fn bind(
        address: &ListenAddr,
        base: &Path,
        group: Option<&Group>,
        inherited: &mut Inherited,
    ) -> Result<Self, ListenError> {
        if let Some(handed) = inherited.take(address, base) {
            let failed = |why| ListenError::Address { address: address.to_string(), why };
            return Self::taken_over(handed).map_err(failed);
        }
        match address {
            ListenAddr::Tcp(host_port) => match TcpListener::bind(host_port).await {
                Ok(listener) => Ok(Self::Tcp(listener)),
                Err(why) => Err(ListenError::Address { address: host_port.clone(), why }),
            },
            ListenAddr::Unix(path) => bind_unix(base.join(path), group).await,
        }
    }

    /// One that the service manager holds: it stays when we go.
    fn taken_over(handed: Handed) -> io::Result<Self> {
        match handed {
            Handed::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Self::Tcp)
            }
            Handed::Unix(listener) => {
                listener.set_nonblocking(true)?;
                let path = listener.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default();
                Ok(Self::Unix { listener: UnixListener::from_std(listener)?, path, _file: None })
            }
        }
    }

    /// What was bound.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| "?".to_owned(), |a| a.to_string()),
            Self::Unix { path, .. } => format!("unix:{}", path.display()),
        }
    }

    /// The next client.
    pub(super) async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Replies are whole when they are written: waiting for more only delays them.
                stream.set_nodelay(true).ok();
                Ok(Client::Tcp(stream, peer.ip()))
            }
            Self::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Client::Unix(stream)),
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
    Ok(Socket::Unix { listener, path: file.0.clone(), _file: Some(file) })
}
