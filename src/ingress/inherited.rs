//! Sockets that the service manager opened for us (sd_listen_fds(3)): connections wait in them while the daemon restarts.

use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::path::Path;

use listenfd::ListenFd;

use super::settings::ListenAddr;

/// What was handed over and nobody has taken yet.
#[derive(Default)]
pub struct Inherited(Vec<Handed>);

/// One of them.
pub(super) enum Handed {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Inherited {
    /// What this process was handed. Once only: who asks again gets the same descriptors a second time.
    #[must_use]
    pub fn from_env() -> Self {
        let mut handed = ListenFd::from_env();
        let each = (0..handed.len()).filter_map(|index| {
            let unix = handed.take_unix_listener(index).ok().flatten().map(Handed::Unix);
            unix.or_else(|| handed.take_tcp_listener(index).ok().flatten().map(Handed::Tcp))
        });
        Self(each.collect())
    }

    /// The one that is bound to this address of the settings.
    pub(super) fn take(&mut self, address: &ListenAddr, base: &Path) -> Option<Handed> {
        let at = self.0.iter().position(|handed| handed.is_at(address, base))?;
        Some(self.0.swap_remove(at))
    }

    /// The addresses of those that nobody took.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

impl Handed {
    fn is_at(&self, address: &ListenAddr, base: &Path) -> bool {
        match (self, address) {
            (Self::Tcp(listener), ListenAddr::Tcp(host_port)) => {
                let wanted = host_port.to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
                listener.local_addr().is_ok_and(|bound| wanted.iter().any(|wanted| same(*wanted, bound)))
            }
            (Self::Unix(listener), ListenAddr::Unix(path)) => {
                let bound = listener.local_addr().ok();
                let bound = bound.as_ref().and_then(|bound| bound.as_pathname());
                bound.is_some_and(|bound| bound == base.join(path))
            }
            _ => false,
        }
    }
}

/// systemd binds `ListenStream=25` to `[::]:25`, which takes IPv4 as well (systemd.socket(5), `BindIPv6Only=`).
fn same(wanted: SocketAddr, bound: SocketAddr) -> bool {
    let any = wanted.ip().is_unspecified() && bound.ip().is_unspecified();
    wanted.port() == bound.port() && (any || wanted.ip().to_canonical() == bound.ip().to_canonical())
}

impl fmt::Display for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str("?"),
            },
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                write!(f, "unix:{}", path.unwrap_or(Path::new("?")).display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handed_socket_is_taken_by_the_address_that_it_is_bound_to() {
        let folder = tempfile::tempdir().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        let unix = UnixListener::bind(folder.path().join("lmtp.sock")).unwrap();
        let mut handed = Inherited(vec![Handed::Tcp(tcp), Handed::Unix(unix)]);
        let mut take = |text: &str| handed.take(&text.parse().unwrap(), folder.path()).is_some();
        assert!(!take("127.0.0.1:1") && !take("unix:other.sock"));
        assert!(take(&address) && !take(&address), "once");
        assert_eq!(handed.left(), [format!("unix:{}", folder.path().join("lmtp.sock").display())]);
        assert!(handed.take(&"unix:lmtp.sock".parse().unwrap(), folder.path()).is_some());
        assert!(handed.left().is_empty());
    }

    #[test]
    fn all_addresses_are_all_addresses() {
        let same = |a: &str, b: &str| super::same(a.parse().unwrap(), b.parse().unwrap());
        assert!(same("0.0.0.0:25", "[::]:25") && same("[::]:25", "[::]:25"));
        assert!(!same("0.0.0.0:25", "[::]:26") && !same("127.0.0.1:25", "[::]:25"));
        assert!(same("127.0.0.1:25", "[::ffff:127.0.0.1]:25"));
    }
}
