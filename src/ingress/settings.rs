//! What the configuration says about mail that comes in.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `[smtp]`: where SMTP is spoken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpSettings {
    /// Addresses for SMTP, with STARTTLS once a certificate is set.
    pub listen: Vec<ListenAddr>,
    /// Addresses where TLS comes first (RFC 8314 §3.3).
    pub tls_listen: Vec<ListenAddr>,
    /// The name in the greeting; the domain of the first list when not set.
    pub hostname: Option<String>,
    /// The certificate chain, PEM.
    pub tls_cert: Option<PathBuf>,
    /// Its secret key, PEM.
    pub tls_key: Option<PathBuf>,
}

/// `[lmtp]`: where LMTP is spoken (RFC 2033), behind a mail server of one's own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LmtpSettings {
    /// Addresses for LMTP; most often one Unix socket.
    pub listen: Vec<ListenAddr>,
    /// The group whose members may open its Unix sockets, by name or number; the daemon's own when not set.
    pub group: Option<String>,
}

/// What a client may do and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// One command line, in bytes with its line end.
    pub max_command_line: usize,
    /// One message, in bytes.
    pub max_message: usize,
    /// Its header block, in bytes.
    pub max_headers: usize,
    /// `Received` fields in a message; more is a loop.
    pub max_received: usize,
    /// Recipients of one mail.
    pub max_recipients: usize,
    /// Commands that are refused as such before the client is sent away.
    pub max_bad_commands: usize,
    /// Unfinished mail in memory, in bytes over all connections.
    pub max_in_memory: usize,
    /// The part of it that one client address (IPv6: one /64) may hold; clients on a Unix socket have no such limit.
    /// When not set: see [`Limits::in_memory_per_client`].
    pub max_in_memory_per_client: Option<usize>,
    /// Memory of the whole process, in bytes, beyond which no new mail is taken; no limit when not set.
    pub max_memory: Option<u64>,
    /// How much of the disk has to be free, in percent.
    pub min_free_disk: u8,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections at once from one client address (IPv6: from one /64).
    pub max_connections_per_client: usize,
    /// How long a command may take to come, or a reply to be taken, in seconds.
    pub command_timeout: u64,
    /// The same when more than half of all places are taken, for clients that are not on a Unix socket.
    pub crowded_timeout: u64,
    /// How fast a message has to come over each `data_grace`, in bytes per second.
    pub min_data_rate: u64,
    /// Over how long its rate is judged, in seconds; also how long a message may take whatever its rate.
    pub data_grace: u64,
    /// How long a message under way is waited for at the end, in seconds.
    pub shutdown_grace: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_command_line: 2_000,
            max_message: 52_428_800,
            max_headers: 102_400,
            max_received: 50,
            max_recipients: 100,
            max_bad_commands: 10,
            max_in_memory: 268_435_456,
            max_in_memory_per_client: None,
            max_memory: None,
            min_free_disk: 5,
            max_connections: 1_000,
            max_connections_per_client: 50,
            command_timeout: 300,
            crowded_timeout: 10,
            min_data_rate: 500,
            data_grace: 60,
            shutdown_grace: 30,
        }
    }
}

impl Limits {
    /// How much unfinished mail one client address may hold in memory, in bytes: what is set, or a quarter of
    /// `max_in_memory`, but always one whole message.
    #[must_use]
    pub fn in_memory_per_client(&self) -> usize {
        self.max_in_memory_per_client.unwrap_or(self.max_in_memory / 4).max(self.max_message)
    }

    /// What is wrong with these limits, as a sentence with its remedy; `None` when nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        if self.max_message > self.max_in_memory {
            let (message, memory) = (self.max_message, self.max_in_memory);
            return Some(format!(
                "max_in_memory ({memory}) is smaller than max_message ({message}), so the largest mail could never come \
                 in: raise max_in_memory or lower max_message"
            ));
        }
        if let Some(part) = self.max_in_memory_per_client.filter(|part| *part < self.max_message) {
            let message = self.max_message;
            return Some(format!(
                "max_in_memory_per_client ({part}) is smaller than max_message ({message}), so the largest mail could \
                 never come in: raise it, or leave it out for its default"
            ));
        }
        // RFC 5321 §4.5.3.1.4: every server takes command lines of 512 octets.
        if self.max_command_line < 512 {
            return Some("max_command_line has to be at least 512 (RFC 5321 §4.5.3.1.4)".to_owned());
        }
        if self.min_free_disk > 99 {
            return Some("min_free_disk is a percentage: set it to 0 to 99".to_owned());
        }
        let least_one: [(&str, u64); 9] = [
            ("max_message", wide(self.max_message)),
            ("max_headers", wide(self.max_headers)),
            ("max_recipients", wide(self.max_recipients)),
            ("max_connections", wide(self.max_connections)),
            ("max_connections_per_client", wide(self.max_connections_per_client)),
            ("command_timeout", self.command_timeout),
            ("crowded_timeout", self.crowded_timeout),
            ("min_data_rate", self.min_data_rate),
            ("data_grace", self.data_grace),
        ];
        let (name, _) = least_one.into_iter().find(|(_, value)| *value == 0)?;
        Some(format!(
            "{name} is 0, so no mail could come in: leave it out for its default, or set it to 1 or more"
        ))
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddr {
    /// `host:port`; port 0 takes any free one.
    Tcp(String),
    /// `unix:path`; a relative path counts from the folder of the configuration.
    Unix(PathBuf),
}

/// A text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no address to listen on: write \"host:port\" (\"0.0.0.0:25\", \"[::]:25\", \"localhost:2525\") or \
     \"unix:path\" (\"unix:/run/vouchsafe/lmtp\", \"unix:lmtp.sock\")"
)]
pub struct NotAListenAddr(String);

impl FromStr for ListenAddr {
    type Err = NotAListenAddr;

    fn from_str(text: &str) -> Result<Self, NotAListenAddr> {
        let wrong = || NotAListenAddr(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
        let named = !host.is_empty() && !host.contains([':', '/', '[', ']', ' ']);
        // `parse` alone would take "+25".
        let numbered = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
        if (bracketed || named) && numbered { Ok(Self::Tcp(text.to_owned())) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for ListenAddr {
    type Error = NotAListenAddr;
    fn try_from(text: String) -> Result<Self, NotAListenAddr> {
        text.parse()
    }
}

impl From<ListenAddr> for String {
    fn from(address: ListenAddr) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_address_are_known_and_named_in_the_error() {
        for right in
            ["127.0.0.1:25", "[::]:25", "localhost:0", "mx.example.org:465", "unix:/run/x", "unix:lmtp.sock"]
        {
            assert_eq!(right.parse::<ListenAddr>().unwrap().to_string(), right);
        }
        for wrong in [
            "",
            "25",
            ":25",
            "localhost",
            "localhost:",
            "localhost:65536",
            "localhost:+25",
            "::1:25",
            "unix:",
            "a b:25",
        ] {
            let text = wrong.parse::<ListenAddr>().unwrap_err().to_string();
            assert!(text.contains("host:port") && text.contains("unix:path"), "{wrong}: {text}");
        }
    }

    #[test]
    fn settings_are_read_with_their_defaults_and_refuse_unknown_words() {
        let smtp: SmtpSettings = toml::from_str("listen = [\"127.0.0.1:25\", \"unix:x\"]").unwrap();
        assert_eq!(smtp.listen.len(), 2);
        assert!(smtp.tls_listen.is_empty());
        let limits: Limits = toml::from_str("max_message = 1000").unwrap();
        assert_eq!(limits, Limits { max_message: 1000, ..Limits::default() });
        assert!(toml::from_str::<SmtpSettings>("listne = []").is_err());
        assert!(toml::from_str::<LmtpSettings>("tls_listen = []").is_err());
        assert!(toml::from_str::<Limits>("max_mesage = 1").is_err());
    }

    #[test]
    fn limits_that_let_no_mail_in_are_a_problem() {
        assert_eq!(Limits::default().problem(), None);
        let none = Limits { max_connections: 0, ..Limits::default() };
        assert!(none.problem().unwrap().contains("max_connections"));
        let tight = Limits { max_in_memory: 1, ..Limits::default() };
        assert!(tight.problem().unwrap().contains("max_message"));
        let part = Limits { max_in_memory_per_client: Some(1), ..Limits::default() };
        assert!(part.problem().unwrap().contains("max_in_memory_per_client (1)"));
        let full = Limits { min_free_disk: 100, ..Limits::default() };
        assert!(full.problem().unwrap().contains("min_free_disk"));
        let instant = Limits { data_grace: 0, ..Limits::default() };
        assert!(instant.problem().unwrap().contains("data_grace"));
    }

    #[test]
    fn one_client_may_hold_a_quarter_but_always_a_whole_message() {
        assert_eq!(Limits::default().in_memory_per_client(), 64 << 20);
        let of = |max_in_memory, max_message, max_in_memory_per_client| {
            Limits { max_in_memory, max_message, max_in_memory_per_client, ..Limits::default() }
                .in_memory_per_client()
        };
        assert_eq!([of(400, 80, None), of(400, 300, None), of(400, 80, Some(200))], [100, 300, 200]);
    }
}
