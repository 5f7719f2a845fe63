//! What an admin can set about outgoing mail.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::egress::auth::AuthSettings;
use crate::egress::period::Period;
use crate::mail::address::Domain;

mod error;
mod smarthost;

pub use self::error::RouteError;
pub use self::smarthost::{NotASmarthost, Smarthost};

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
    /// The certificate that we show to the next hop (PEM, chain included).
    pub client_cert: Option<PathBuf>,
    /// Its secret key (PEM).
    pub client_key: Option<PathBuf>,
    /// How we log in at the smarthost.
    pub auth: Option<AuthSettings>,
    /// Whether MTA-STS policies count where mail goes to a domain's MX (RFC 8461).
    pub mta_sts: bool,
    /// Other ways for some domains.
    pub domain: BTreeMap<String, DomainSettings>,
    /// Whether copies are signed by DKIM, where there are keys for it.
    pub dkim: bool,
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
            client_cert: None,
            client_key: None,
            auth: None,
            mta_sts: true,
            domain: BTreeMap::new(),
            dkim: true,
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
    /// The files that are named, for those who resolve their paths.
    pub fn files<'a>(&'a mut self) -> impl Iterator<Item = &'a mut PathBuf> {
        let secret =
            |auth: &'a mut Option<AuthSettings>| auth.as_mut().and_then(|a| a.password_file.as_mut());
        let own = [self.ca_file.as_mut(), self.client_cert.as_mut(), self.client_key.as_mut()];
        let theirs = self.domain.values_mut().flat_map(move |of| {
            let files = [of.ca_file.as_mut(), of.client_cert.as_mut(), of.client_key.as_mut()];
            files.into_iter().chain([secret(&mut of.auth)])
        });
        own.into_iter().chain([secret(&mut self.auth)]).chain(theirs).flatten()
    }

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
        self.book().map(drop)
    }
}

/// `[egress.domain."example.org"]`: mail for one domain, or with a dot in front for everything below it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DomainSettings {
    /// The next hop for this domain; without it the domain is asked for its MX.
    pub smarthost: Option<Smarthost>,
    /// Whether connections must be encrypted and verified.
    pub tls: TlsMode,
    /// Certification authorities to trust (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name that the next hop's certificate must bear, where it is not the host's.
    pub server_name: Option<String>,
    /// The certificate that we show (PEM, chain included).
    pub client_cert: Option<PathBuf>,
    /// Its secret key (PEM).
    pub client_key: Option<PathBuf>,
    /// How we log in at the smarthost.
    pub auth: Option<AuthSettings>,
    /// Whether the domain's MTA-STS policy counts; on where mail goes to its MX.
    pub mta_sts: Option<bool>,
    /// Connections at the same time; those of `[egress]` when not set.
    pub connections: Option<usize>,
}

/// Whether connections are encrypted, and from when on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Encrypted, with chain and name verified; never in the clear.
    #[default]
    Required,
    /// The same, with TLS from the first byte instead of STARTTLS (RFC 8314 §3.3); only to a smarthost.
    Implicit,
    /// In the clear; only over loopback addresses and Unix sockets.
    None,
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
