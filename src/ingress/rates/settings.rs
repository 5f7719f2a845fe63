//! `[rates]`: how often a client and a sender may come.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `[rates]`. 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateSettings {
    /// Connections from one client address (IPv6: one /64) in a minute.
    pub connections_per_minute: u32,
    /// Mails from one client address in a minute.
    pub mails_per_minute: u32,
    /// Mails from one client address in an hour.
    pub mails_per_hour: u32,
    /// Recipients that one client address names in a minute.
    pub recipients_per_minute: u32,
    /// Mails with one reverse-path in an hour, whoever brings them.
    pub sender_mails_per_hour: u32,
    /// Mails with reverse-paths of one domain in an hour, whoever brings them.
    pub sender_domain_mails_per_hour: u32,
    /// Clients for whom the limits of clients do not count: mail servers in front.
    pub exempt: Vec<Client>,
}

impl Default for RateSettings {
    fn default() -> Self {
        Self {
            connections_per_minute: 120,
            mails_per_minute: 60,
            mails_per_hour: 600,
            recipients_per_minute: 300,
            // A reverse-path can be forged: with a limit somebody else could use up an honest sender's.
            sender_mails_per_hour: 0,
            sender_domain_mails_per_hour: 0,
            exempt: vec![
                Client::Unix,
                Client::Network { address: [127, 0, 0, 0].into(), prefix: 8 },
                Client::Network { address: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), prefix: 128 },
            ],
        }
    }
}

impl RateSettings {
    /// Whether the limits of clients do not count for this one; `None` is a Unix socket.
    #[must_use]
    pub fn is_exempt(&self, client: Option<IpAddr>) -> bool {
        self.exempt.iter().any(|exempt| exempt.is(client))
    }
}

/// Clients that are named together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Client {
    /// Whoever comes by a Unix socket.
    Unix,
    /// Whose addresses begin alike.
    Network {
        /// The first of them.
        address: IpAddr,
        /// How many bits are alike.
        prefix: u8,
    },
}

impl Client {
    fn is(self, client: Option<IpAddr>) -> bool {
        let (address, prefix, client) = match (self, client.map(|ip| ip.to_canonical())) {
            (Self::Unix, None) => return true,
            (Self::Network { address, prefix }, Some(client)) => (address, prefix, client),
            _ => return false,
        };
        match (address, client) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let differ = u32::from(a) ^ u32::from(b);
                differ.leading_zeros() >= u32::from(prefix)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(prefix)
            }
            _ => false,
        }
    }
}

/// A text that names no clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" names no clients: write \"unix\", an address (\"192.0.2.7\") or a network (\"192.0.2.0/24\", \"2001:db8::/32\")"
)]
pub struct NotClients(String);

impl FromStr for Client {
    type Err = NotClients;

    fn from_str(text: &str) -> Result<Self, NotClients> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let wrong = || NotClients(text.to_owned());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| wrong())?;
        if prefix <= longest { Ok(Self::Network { address, prefix }) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Client {
    type Error = NotClients;
    fn try_from(text: String) -> Result<Self, NotClients> {
        text.parse()
    }
}

impl From<Client> for String {
    fn from(client: Client) -> Self {
        client.to_string()
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix => f.write_str("unix"),
            Self::Network { address, prefix } => write!(f, "{address}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_named_by_address_network_or_socket() {
        for text in ["unix", "127.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Client>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.7".parse::<Client>().unwrap().to_string(), "192.0.2.7/32");
        for wrong in ["", "localhost", "127.0.0.0/33", "::1/129", "127.0.0.1/", "127.0.0.1/-1"] {
            assert!(wrong.parse::<Client>().unwrap_err().to_string().contains("192.0.2.0/24"), "{wrong}");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let holds = |net: &str, ip: &str| net.parse::<Client>().unwrap().is(Some(ip.parse().unwrap()));
        assert!(holds("127.0.0.0/8", "127.255.0.1") && !holds("127.0.0.0/8", "128.0.0.1"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1") && !holds("::/0", "127.0.0.1"));
        assert!(holds("0.0.0.0/0", "192.0.2.1") && holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1") && !holds("unix", "127.0.0.1"));
        let usual = RateSettings::default();
        assert!(usual.is_exempt(None) && usual.is_exempt(Some([127, 0, 0, 9].into())));
        assert!(
            usual.is_exempt(Some("::1".parse().unwrap())) && !usual.is_exempt(Some([192, 0, 2, 1].into()))
        );
    }

    #[test]
    fn settings_are_read_with_their_defaults_and_refuse_unknown_words() {
        let rates: RateSettings = toml::from_str("mails_per_hour = 5\nexempt = [\"192.0.2.0/24\"]").unwrap();
        assert_eq!((rates.mails_per_hour, rates.mails_per_minute, rates.exempt.len()), (5, 60, 1));
        assert!(toml::from_str::<RateSettings>("mail_per_hour = 5").is_err());
        assert!(toml::from_str::<RateSettings>("exempt = [\"everybody\"]").is_err());
    }
}
