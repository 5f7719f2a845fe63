//! A fixed next hop, as it is written.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::mail::address::Domain;

/// The next hop for all mail: `host:port`, `[host]:port`, `[ip]:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Smarthost {
    /// A host by name or address, and a port.
    Tcp {
        /// Its name, or an address without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Smarthost {
    /// Whether mail for it cannot leave this machine by its name alone; addresses are checked again when connecting.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(ip) => ip.to_canonical().is_loopback(),
                // RFC 6761 §6.3: "localhost" always means this machine.
                Err(_) => host.eq_ignore_ascii_case("localhost"),
            },
        }
    }
}

/// A text that names no next hop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no smarthost; write \"mail.example.org:25\", \"[192.0.2.1]:25\" or \"unix:/run/mail.sock\""
)]
pub struct NotASmarthost(String);

impl FromStr for Smarthost {
    type Err = NotASmarthost;

    fn from_str(text: &str) -> Result<Self, NotASmarthost> {
        let wrong = || NotASmarthost(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(PathBuf::from(path))) } else { Err(wrong()) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let bracketed_ip = bare.and_then(|h| h.parse::<IpAddr>().ok());
        if let Some(ip) = bracketed_ip {
            return Ok(Self::Tcp { host: ip.to_string(), port });
        }
        let name: Domain = bare.unwrap_or(host).parse().map_err(|_| wrong())?;
        Ok(Self::Tcp { host: name.as_str().to_owned(), port })
    }
}

impl TryFrom<String> for Smarthost {
    type Error = NotASmarthost;
    fn try_from(text: String) -> Result<Self, NotASmarthost> {
        text.parse()
    }
}

impl From<Smarthost> for String {
    fn from(smarthost: Smarthost) -> Self {
        smarthost.to_string()
    }
}

impl fmt::Display for Smarthost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}
