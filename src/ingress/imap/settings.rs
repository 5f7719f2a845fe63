//! What the configuration says about one mailbox.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::credential::Source;
use crate::ingress::pickup::{RecipientField, Whom};
use crate::mail::address::{Address, Domain};
use crate::policy::duration;

/// The longest that IDLE may last before it is issued again (RFC 2177: "at least every 29 minutes").
const LONGEST_IDLE: Duration = Duration::from_secs(29 * 60 - 1);

/// `[imap.NAME]`: a mailbox from which mail is fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The server's name or address.
    pub host: String,
    /// Its port; 993, or 143 when the connection starts in the clear.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub tls: Encryption,
    /// Certification authorities to trust (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name that the server's certificate must bear, where it is not the host's.
    pub server_name: Option<String>,
    /// Who logs in.
    pub user: String,
    /// How.
    pub auth: Auth,
    /// A file (mode 0600) that holds the password.
    pub password_file: Option<PathBuf>,
    /// The name of a systemd credential that holds it.
    pub password_credential: Option<String>,
    /// The program, with its arguments, that prints an access token.
    pub token_command: Vec<String>,
    /// How long it may take.
    #[serde(deserialize_with = "duration::required")]
    pub token_timeout: Duration,
    /// The mailbox on the server.
    pub mailbox: String,
    /// Whom its mail is for.
    pub recipient: Option<Address>,
    /// The field that says so.
    pub recipient_from: Option<RecipientField>,
    /// What becomes of a mail that was taken in.
    pub after: After,
    /// Where it is moved.
    pub move_to: Option<String>,
    /// Where mail is moved that is not taken in; it is left where it is when not set.
    pub aside: Option<String>,
    /// Whether the server is asked to tell of new mail (RFC 2177).
    pub idle: bool,
    /// After how long it is asked again.
    #[serde(deserialize_with = "duration::required")]
    pub idle_renew: Duration,
    /// How often the mailbox is looked at where that is not possible.
    #[serde(deserialize_with = "duration::required")]
    pub poll: Duration,
    /// How long the server may take for an answer.
    #[serde(deserialize_with = "duration::required")]
    pub timeout: Duration,
    /// The pause after a first failure; it doubles with each further one, and varies.
    #[serde(deserialize_with = "duration::required")]
    pub retry_first: Duration,
    /// The longest of these pauses.
    #[serde(deserialize_with = "duration::required")]
    pub retry_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: None,
            tls: Encryption::Implicit,
            ca_file: None,
            server_name: None,
            user: String::new(),
            auth: Auth::Plain,
            password_file: None,
            password_credential: None,
            token_command: Vec::new(),
            token_timeout: Duration::from_secs(30),
            mailbox: "INBOX".to_owned(),
            recipient: None,
            recipient_from: None,
            after: After::Delete,
            move_to: None,
            aside: None,
            idle: true,
            idle_renew: Duration::from_secs(15 * 60),
            poll: Duration::from_secs(60),
            timeout: Duration::from_secs(60),
            retry_first: Duration::from_secs(5),
            retry_max: Duration::from_secs(15 * 60),
        }
    }
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// From the first byte (RFC 8314 §3.2), with chain and name verified.
    #[default]
    Implicit,
    /// After STARTTLS (RFC 3501 §6.2.1), with chain and name verified; nothing is said before.
    Starttls,
    /// Not at all; only to this machine.
    None,
}

/// How a user proves to be one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// SASL PLAIN (RFC 4616).
    #[default]
    Plain,
    /// The command LOGIN (RFC 3501 §6.2.3).
    Login,
    /// SASL XOAUTH2, with a token.
    Xoauth2,
}

/// What becomes of a mail that was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// It is removed for good.
    #[default]
    Delete,
    /// It is moved to `move_to`.
    Move,
}

impl Settings {
    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls == Encryption::Implicit { 993 } else { 143 })
    }

    /// Whether its name alone says that the server is this machine; addresses are checked again when connecting.
    fn is_local(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            // RFC 6761 §6.3: "localhost" always means this machine.
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whom the mail is for, by settings that were checked. Where they say nothing nobody is found, and mail is left.
    #[must_use]
    pub fn whom(&self) -> Whom {
        match (&self.recipient, self.recipient_from) {
            (Some(address), _) => Whom::Always(address.clone()),
            (None, field) => Whom::Field(field.unwrap_or(RecipientField::DeliveredTo)),
        }
    }

    /// What is wrong with these settings: the key, and a sentence with its remedy; `None` when nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let named = |key, what: &str| Some((key, what.to_owned()));
        if self.host.is_empty() {
            return named("host", "host is missing: give the name of the IMAP server");
        }
        if self.host.parse::<IpAddr>().is_err() && self.host.parse::<Domain>().is_err() {
            return Some(("host", format!("\"{}\" is no host: give a name or an address", self.host)));
        }
        if self.user.is_empty() || self.user.contains(char::is_control) {
            return named("user", "user is missing: give the name under which the mailbox is known there");
        }
        if self.tls == Encryption::None && !self.is_local() {
            return Some((
                "tls",
                format!(
                    "tls = \"none\" would send the password and fetch mail in the clear from {}, which is not on this \
                     machine: remove it, or name a loopback address",
                    self.host
                ),
            ));
        }
        if self.idle_renew > LONGEST_IDLE {
            return named("idle_renew", "idle_renew has to be less than 29 minutes (RFC 2177)");
        }
        if self.retry_max < self.retry_first {
            return named("retry_max", "retry_max is shorter than retry_first: raise it");
        }
        self.secret_problem().or_else(|| self.mailbox_problem())
    }

    fn secret_problem(&self) -> Option<(&'static str, String)> {
        let named = |key, what: &str| Some((key, what.to_owned()));
        let has_password = self.password_file.is_some() || self.password_credential.is_some();
        match self.auth {
            Auth::Xoauth2 if has_password => {
                named("auth", "auth = \"xoauth2\" takes a token and no password: leave the password out")
            }
            Auth::Xoauth2 if self.token_command.first().is_none_or(|program| !program.starts_with('/')) => {
                named(
                    "token_command",
                    "auth = \"xoauth2\" needs token_command: a list with the whole path of the program that prints an \
                 access token, and its arguments",
                )
            }
            Auth::Xoauth2 => None,
            Auth::Plain | Auth::Login if !self.token_command.is_empty() => named(
                "token_command",
                "token_command is for auth = \"xoauth2\" only: set that, or leave it out",
            ),
            Auth::Plain | Auth::Login => {
                let source = Source::of(self.password_file.as_deref(), self.password_credential.as_deref());
                let key =
                    if self.password_credential.is_some() { "password_credential" } else { "password_file" };
                source.err().map(|what| (key, what.to_owned()))
            }
        }
    }

    fn mailbox_problem(&self) -> Option<(&'static str, String)> {
        let named = |key, what: &str| Some((key, what.to_owned()));
        let all = [
            ("mailbox", Some(&self.mailbox)),
            ("move_to", self.move_to.as_ref()),
            ("aside", self.aside.as_ref()),
        ];
        for (key, name) in all {
            // RFC 3501 §5.1.3: others are written in modified UTF-7, as the server shows them.
            if name.is_some_and(|name| name.is_empty() || !name.bytes().all(|b| matches!(b, b' '..=b'~'))) {
                return Some((
                    key,
                    format!("{key} has to be printable ASCII, as the server names the mailbox"),
                ));
            }
        }
        let same =
            |name: &Option<String>| name.as_ref().is_some_and(|n| n.eq_ignore_ascii_case(&self.mailbox));
        if same(&self.move_to) || same(&self.aside) {
            return named(
                "mailbox",
                "mail would be moved to the mailbox it is fetched from: name another one",
            );
        }
        match (self.after, &self.move_to) {
            (After::Move, None) => {
                named("move_to", "after = \"move\" needs move_to: the mailbox to move mail to")
            }
            (After::Delete, Some(_)) => {
                named("move_to", "move_to is set, and after is not \"move\": set that, or leave it out")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "host = \"imap.example.org\"\nuser = \"a\"\npassword_file = \"p\"\nrecipient = \"security@lists.example.org\"\n";

    fn problem(more: &str) -> Option<&'static str> {
        toml::from_str::<Settings>(&format!("{LEAST}{more}")).unwrap().problem().map(|(key, _)| key)
    }

    #[test]
    fn few_keys_are_enough() {
        assert_eq!(problem(""), None);
        let read: Settings = toml::from_str(LEAST).unwrap();
        assert_eq!((read.port(), read.mailbox.as_str(), read.after), (993, "INBOX", After::Delete));
        assert!(toml::from_str::<Settings>("hots = \"a\"").is_err(), "a misspelt key is not ignored");
    }

    #[test]
    fn what_cannot_work_or_would_harm_is_named() {
        for (more, key) in [
            ("tls = \"none\"", "tls"),
            ("idle_renew = \"29m\"", "idle_renew"),
            ("retry_max = \"1s\"", "retry_max"),
            ("auth = \"xoauth2\"", "auth"),
            ("password_credential = \"b\"", "password_credential"),
            ("token_command = [\"/bin/true\"]", "token_command"),
            ("mailbox = \"a\\nb\"", "mailbox"),
            ("aside = \"inbox\"", "mailbox"),
            ("after = \"move\"", "move_to"),
            ("move_to = \"done\"", "move_to"),
        ] {
            assert_eq!(problem(more), Some(key), "{more}");
        }
        let of = |text: &str| toml::from_str::<Settings>(text).unwrap().problem().map(|(key, _)| key);
        assert_eq!(of(""), Some("host"));
        assert_eq!(of("host = \"a b\""), Some("host"));
        assert_eq!(of("host = \"a\""), Some("user"));
        assert_eq!(of("host = \"a\"\nuser = \"u\""), Some("password_file"));
        let token = "host = \"a\"\nuser = \"u\"\nauth = \"xoauth2\"\n";
        assert_eq!(of(token), Some("token_command"));
        assert_eq!(
            of(&format!("{token}token_command = [\"sh\"]")),
            Some("token_command"),
            "no search in a path"
        );
        assert_eq!(of(&format!("{token}token_command = [\"/bin/t\"]")), None);
    }

    #[test]
    fn a_connection_in_the_clear_stays_on_this_machine() {
        for (host, key) in
            [("127.0.0.1", None), ("::1", None), ("localhost", None), ("192.0.2.1", Some("tls"))]
        {
            let text = format!("host = \"{host}\"\nuser = \"u\"\npassword_file = \"p\"\ntls = \"none\"");
            assert_eq!(toml::from_str::<Settings>(&text).unwrap().problem().map(|(k, _)| k), key, "{host}");
        }
    }
}
