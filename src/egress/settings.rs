//! What an admin can set about outgoing mail.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::egress::period::Period;
use crate::mail::address::Domain;

/// How copies leave.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The one next hop for all mail; without it each recipient's domain is asked for its MX.
    pub smarthost: Option<Smarthost>,
    /// Whether connections must be encrypted and verified.
    pub tls: TlsMode,
    /// Certification authorities to trust (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name that the next hop's certificate must bear, where it is not the host's.
    pub server_name: Option<String>,
    /// The name we give in EHLO; without it the domain of the return path.
    pub helo: Option<String>,
    /// Connections to one destination at the same time.
    pub connections: usize,
    /// Connections in all at the same time.
    pub connections_total: usize,
    /// How long a claimed copy is ours alone; no delivery lasts longer.
    pub lease: Period,
    /// The pause after the first attempt; it doubles with each further one.
    pub retry_first: Period,
    /// The longest pause between attempts.
    pub retry_max: Period,
    /// How long a copy is tried before it has failed.
    pub give_up_after: Period,
    /// How long running deliveries may take at shutdown.
    pub drain: Period,
    /// How long an unused connection is kept for the next copy.
    pub keep_idle: Period,
    /// How many copies go over one connection before it is closed.
    pub messages_per_connection: usize,
    /// How old a connection may be when a copy is begun over it.
    pub connection_age: Period,
    /// How long each step of a delivery may take.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            smarthost: None,
            tls: TlsMode::Required,
            ca_file: None,
            server_name: None,
            helo: None,
            connections: 10,
            connections_total: 100,
            lease: Period::mins(15),
            retry_first: Period::mins(5),
            retry_max: Period::mins(4 * 60),
            // RFC 5321 §4.5.4.1: "the give-up time generally needs to be at least 4-5 days".
            give_up_after: Period::mins(5 * 24 * 60),
            drain: Period::secs(30),
            keep_idle: Period::secs(20),
            messages_per_connection: 100,
            connection_age: Period::mins(5),
            timeouts: Timeouts::default(),
        }
    }
}

impl Settings {
    /// Looks for settings that contradict each other or the promise that mail travels encrypted.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), RouteError> {
        if !(1..=1000).contains(&self.connections) || !(1..=10_000).contains(&self.connections_total) {
            return Err(RouteError::Connections);
        }
        if self.messages_per_connection == 0 {
            return Err(RouteError::NoMessages);
        }
        // The lease is shared out in tenths; below this nothing could be delivered in time.
        let schedule_right = self.lease >= Period::millis(10)
            && self.retry_first > Period::secs(0)
            && self.retry_max >= self.retry_first;
        if !schedule_right {
            return Err(RouteError::Schedule);
        }
        if let Some(helo) = &self.helo {
            helo.parse::<Domain>().map_err(|_| RouteError::Helo(helo.clone()))?;
        }
        match (self.tls, &self.smarthost) {
            (TlsMode::None, None) => Err(RouteError::ClearToTheWorld),
            (TlsMode::None, Some(next)) if !next.is_local() => Err(RouteError::ClearNotLocal(next.clone())),
            (TlsMode::Required, Some(Smarthost::Unix(_))) if self.server_name.is_none() => {
                Err(RouteError::NoServerName)
            }
            _ => Ok(()),
        }
    }
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Encrypted, with chain and name verified; never in the clear.
    #[default]
    Required,
    /// In the clear; only over loopback addresses and Unix sockets.
    None,
}

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

/// How names are looked up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DnsSettings {
    /// The resolver to ask, as `address:port`; without it the system's.
    pub resolver: Option<SocketAddr>,
}

/// How long each step may take (RFC 5321 §4.5.3.2, which names the least that a client should wait).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// TCP connect, and the TLS handshake.
    pub connect: Period,
    /// The greeting (RFC 5321 §4.5.3.2.1).
    pub greeting: Period,
    /// EHLO, STARTTLS, MAIL and RCPT (RFC 5321 §4.5.3.2.2, §4.5.3.2.3).
    pub command: Period,
    /// The reply to DATA (RFC 5321 §4.5.3.2.4).
    pub data: Period,
    /// Each block of content (RFC 5321 §4.5.3.2.5).
    pub block: Period,
    /// The reply to the final dot (RFC 5321 §4.5.3.2.6).
    pub dot: Period,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Period::secs(30),
            greeting: Period::mins(5),
            command: Period::mins(5),
            data: Period::mins(2),
            block: Period::mins(3),
            dot: Period::mins(10),
        }
    }
}

/// Settings that no mail could leave by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// In the clear to a host elsewhere.
    #[error(
        "tls = \"none\" would send mail in the clear to {0}, which is not on this machine; \
         remove it, or name a smarthost on a loopback address or a Unix socket"
    )]
    ClearNotLocal(Smarthost),
    /// In the clear to everyone's MX.
    #[error(
        "tls = \"none\" without a smarthost would send mail in the clear to the whole world; \
         remove it, or name a smarthost on a loopback address or a Unix socket"
    )]
    ClearToTheWorld,
    /// A Unix socket has no name that a certificate could bear.
    #[error(
        "a smarthost on a Unix socket has no name to verify; \
         set server_name to the name in its certificate, or tls = \"none\""
    )]
    NoServerName,
    /// Nothing could be sent, or more at once than any host has ports for.
    #[error("connections must be 1 to 1000 and connections_total 1 to 10000")]
    Connections,
    /// A connection that carries nothing.
    #[error("messages_per_connection must be at least 1, the copy that the connection was opened for")]
    NoMessages,
    /// Retrying could not work.
    #[error("retry_first must be above zero, retry_max at least as long, and lease at least 10 ms")]
    Schedule,
    /// EHLO needs a name.
    #[error("helo = \"{0}\" is no domain name; give the name under which this host is known")]
    Helo(String),
    /// Certificates bear names.
    #[error("server_name = \"{0}\" is no host name; give the name in the next hop's certificate")]
    ServerName(String),
    /// No authority could be read.
    #[error(
        "no certification authority can be read from {place} ({why}); set ca_file to a PEM file with at least one"
    )]
    Authorities {
        /// The file, or the system's store.
        place: String,
        /// What was wrong.
        why: String,
    },
    /// The TLS library refused its configuration.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// There is no name service.
    #[error("the name service cannot be set up ({0}); set [dns] resolver, as in resolver = \"127.0.0.1:53\"")]
    Resolver(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_empty_table_is_the_default() {
        let read = settings("");
        assert_eq!((read.tls, read.connections), (TlsMode::Required, 10));
        assert_eq!(read.retry_first.to_string(), "5 minutes");
        assert_eq!(read.give_up_after.to_string(), "5 days");
        assert!(read.check().is_ok());
    }

    #[test]
    fn a_misspelt_key_is_not_ignored() {
        assert!(toml::from_str::<Settings>("smart_host = \"a:25\"").is_err());
        assert!(toml::from_str::<Settings>("[timeouts]\ngreetings = \"5m\"").is_err());
    }

    #[test]
    fn smarthosts_are_written_in_four_ways() {
        let tcp = |host: &str, port| Smarthost::Tcp { host: host.to_owned(), port };
        for (text, is) in [
            ("mail.example.org:25", tcp("mail.example.org", 25)),
            ("[mail.example.org]:587", tcp("mail.example.org", 587)),
            ("[::1]:2525", tcp("::1", 2525)),
            ("[192.0.2.1]:25", tcp("192.0.2.1", 25)),
            ("unix:/run/mail.sock", Smarthost::Unix("/run/mail.sock".into())),
        ] {
            assert_eq!(text.parse::<Smarthost>().unwrap(), is);
            assert_eq!(is.to_string().parse::<Smarthost>().unwrap(), is);
        }
        for bad in ["", "mail.example.org", "a:0", "a:b", ":25", "::1:25", "unix:run", "a b:25", "[::1:25"] {
            assert!(bad.parse::<Smarthost>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn mail_leaves_in_the_clear_only_within_this_machine() {
        let clear =
            |smarthost: &str| settings(&format!("tls = \"none\"\nsmarthost = \"{smarthost}\"")).check();
        for local in
            ["127.0.0.1:25", "[::1]:25", "localhost:25", "unix:/run/mail.sock", "[::ffff:127.0.0.1]:25"]
        {
            assert_eq!(clear(local), Ok(()), "{local}");
        }
        for far in ["mail.example.org:25", "192.0.2.1:25", "[2001:db8::1]:25", "localhost.example.org:25"] {
            assert!(matches!(clear(far), Err(RouteError::ClearNotLocal(_))), "{far}");
        }
        assert_eq!(settings("tls = \"none\"").check(), Err(RouteError::ClearToTheWorld));
    }

    #[test]
    fn contradictions_are_named() {
        assert_eq!(settings("smarthost = \"unix:/s\"").check(), Err(RouteError::NoServerName));
        assert_eq!(settings("connections = 0").check(), Err(RouteError::Connections));
        assert_eq!(settings("messages_per_connection = 0").check(), Err(RouteError::NoMessages));
        assert_eq!(settings("retry_max = \"1m\"").check(), Err(RouteError::Schedule));
        assert!(matches!(settings("helo = \"a b\"").check(), Err(RouteError::Helo(_))));
    }
}
