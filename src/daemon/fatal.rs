//! Why the daemon does not start.

use crate::config::NoCertificate;
use crate::control::server::BindError;
use crate::daemon::hygiene;
use crate::egress::dkim::UnusableKey;
use crate::egress::route::RouteError;
use crate::ingress::listener::ListenError;
use crate::pgp::keyring::KeyError;
use crate::store::contract::StoreError;

/// Why the daemon does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// Plaintext could reach a disk.
    #[error(transparent)]
    Unclean(#[from] hygiene::Unclean),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The certificate of an admin.
    #[error(transparent)]
    Admin(#[from] NoCertificate),
    /// The keys of DKIM.
    #[error(transparent)]
    Dkim(#[from] UnusableKey),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The SMTP and LMTP sockets.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin socket.
    #[error(transparent)]
    Control(#[from] BindError),
    /// The way out.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The socket of those who watch.
    #[error(
        "cannot listen for [metrics] on {address}: {why}. Choose another address, or stop what listens there"
    )]
    Metrics {
        /// As it stands in the settings.
        address: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// The runtime or its signals.
    #[error("the daemon cannot run here: {0}")]
    Runtime(#[from] std::io::Error),
    /// A part that nobody can replace broke down while it served.
    #[error(
        "a part of the daemon broke down, and without it no mail goes on: start it again, and report the log"
    )]
    Broken,
}
