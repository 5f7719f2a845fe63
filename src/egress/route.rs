//! Where a copy goes: the smarthost, or the hosts that a recipient's domain names (RFC 5321 §5.1).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::MX;

use crate::egress::rules::{Book, Rules};
pub use crate::egress::settings::{DnsSettings, RouteError, Settings, Smarthost, Timeouts, TlsMode};
use crate::egress::sts::Pin;
use crate::id::Entropy;
use crate::mail::address::Domain;

/// RFC 5321 §4.5.4.2 and IANA: mail between hosts goes to port 25.
const SMTP: u16 = 25;

/// How many hosts of one domain are tried in one attempt; a domain with more still has its best ones tried.
const HOSTS: usize = 5;

/// How many addresses of one host are tried (RFC 5321 §5.1: "SHOULD try at least two addresses").
const ADDRESSES: usize = 4;

/// The way to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What connections are pooled by: the smarthost, or the recipient's domain.
    pub destination: String,
    /// The hosts to try, best first; never empty.
    pub candidates: Vec<Host>,
    /// Whether they must be reached encrypted.
    pub tls: TlsMode,
}

/// One host that takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name, which its certificate must bear.
    pub name: String,
    /// Where it listens, in the order to try.
    pub endpoints: Vec<Endpoint>,
}

/// One place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Address and port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why there is no way to a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// It takes no mail, and will not later.
    #[error("{0}")]
    Never(String),
    /// Not now.
    #[error("{0}")]
    NotNow(String),
}

/// Finds the way to each destination.
pub struct Router {
    book: Book<Rules>,
    own_name: Option<String>,
    resolver: Option<TokioResolver>,
    port: u16,
}

impl Router {
    /// A router for these settings. It reads the system's resolver configuration when names must be looked up there.
    ///
    /// # Errors
    /// When the settings contradict each other, or there is no name service.
    pub fn new(settings: &Settings, dns: &DnsSettings) -> Result<Self, RouteError> {
        settings.check()?;
        let book = settings.book()?;
        let needs_names = book.all().any(|rules| match &rules.smarthost {
            Some(Smarthost::Unix(_)) => false,
            Some(Smarthost::Tcp { host, .. }) => host.parse::<IpAddr>().is_err(),
            None => true,
        });
        Ok(Self {
            book,
            own_name: settings.helo.clone(),
            resolver: if needs_names { Some(resolver(dns)?) } else { None },
            port: SMTP,
        })
    }

    /// What connections towards this domain are pooled by.
    #[must_use]
    pub fn destination(&self, domain: &Domain) -> String {
        self.book.of(domain).destination(domain)
    }

    /// How many connections a destination may have.
    pub(crate) fn connections(&self, destination: &str) -> usize {
        // Either a smarthost, by the name that its rules give it, or a domain that goes by MX.
        let named = self.book.all().find(|rules| rules.smarthost_named(destination));
        let by_domain = || destination.parse().ok().map(|domain: Domain| self.book.of(&domain));
        named.or_else(by_domain).map_or(1, |rules| rules.connections)
    }

    /// What looks up policies as it does hosts: none where no mail goes to an MX whose policy counts.
    pub(crate) fn resolver_for_policies(&self) -> Option<TokioResolver> {
        self.resolver.clone().filter(|_| self.book.all().any(|rules| rules.mta_sts))
    }

    /// What holds for each destination.
    pub(crate) fn book(&self) -> &Book<Rules> {
        &self.book
    }

    /// The way to a recipient's domain; of its mail exchangers to those that `pin` allows.
    ///
    /// # Errors
    /// When the domain takes no mail, names cannot be looked up now, or none of its hosts is allowed.
    pub(crate) async fn route(
        &self,
        domain: &Domain,
        pin: &Pin,
        entropy: &Entropy,
    ) -> Result<Route, NoRoute> {
        let rules = self.book.of(domain);
        let candidates = match &rules.smarthost {
            Some(Smarthost::Unix(path)) => {
                vec![Host { name: "localhost".to_owned(), endpoints: vec![Endpoint::Unix(path.clone())] }]
            }
            Some(Smarthost::Tcp { host, port }) => vec![self.smarthost(host, *port).await?],
            None => self.exchangers(domain, pin, entropy).await?,
        };
        Ok(Route { destination: rules.destination(domain), candidates, tls: rules.tls })
    }

    /// RFC 5321 §5.1: the domain's mail exchangers, or the domain itself.
    async fn exchangers(&self, domain: &Domain, pin: &Pin, entropy: &Entropy) -> Result<Vec<Host>, NoRoute> {
        if let Some(ip) = literal(domain) {
            return Ok(vec![host_at(ip, self.port)]);
        }
        let named = self.mx(domain).await?;
        // "If an empty list of MXs is returned, the address is treated as if it was associated with an implicit MX RR".
        if named.is_empty() {
            allowed(vec![domain.to_string()], domain, pin)?;
            return Ok(vec![self.host(domain.as_str(), self.port).await?]);
        }
        // RFC 7505 §3: one record with an empty name means that the domain takes no mail; §6: 5.1.10.
        if named.iter().all(|mx| mx.exchange.is_root()) {
            return Err(NoRoute::Never(format!("5.1.10 {domain} takes no mail (null MX)")));
        }
        let names = in_order(named, self.own_name.as_deref(), entropy);
        if names.is_empty() {
            // RFC 5321 §5.1: "the message MUST be returned as undeliverable".
            return Err(NoRoute::Never(format!("5.4.6 mail for {domain} would come back to this host")));
        }
        let names = allowed(names, domain, pin)?;
        let mut hosts = Vec::new();
        let mut last = None;
        for name in names.into_iter().take(HOSTS) {
            match self.host(&name, self.port).await {
                Ok(host) => hosts.push(host),
                Err(why) => last = Some(why),
            }
        }
        match last {
            Some(why) if hosts.is_empty() => Err(NoRoute::NotNow(why.to_string())),
            _ => Ok(hosts),
        }
    }

    async fn mx(&self, domain: &Domain) -> Result<Vec<MX>, NoRoute> {
        match self.resolver()?.mx_lookup(absolute(domain.as_str())).await {
            Ok(found) => Ok(found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::MX(mx) => Some(mx.clone()),
                    _ => None,
                })
                .collect()),
            Err(why) if why.is_nx_domain() => Err(no_such(domain.as_str())),
            Err(why) if why.is_no_records_found() => Ok(Vec::new()),
            Err(why) => Err(not_now(domain.as_str(), &why)),
        }
    }

    async fn smarthost(&self, name: &str, port: u16) -> Result<Host, NoRoute> {
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(host_at(ip, port));
        }
        // It may be named within the system's search list; anything that came out of the name service may not. The admin
        // named it: its absence is a fault of ours, not of the recipient.
        let found = self.resolver()?.lookup_ip(name).await.map_err(|why| not_now(name, &why))?;
        at(name, port, found.iter())
    }

    async fn host(&self, name: &str, port: u16) -> Result<Host, NoRoute> {
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(host_at(ip, port));
        }
        let found = match self.resolver()?.lookup_ip(absolute(name)).await {
            Ok(found) => found,
            Err(why) if why.is_nx_domain() || why.is_no_records_found() => return Err(no_such(name)),
            Err(why) => return Err(not_now(name, &why)),
        };
        at(name, port, found.iter())
    }

    fn resolver(&self) -> Result<&TokioResolver, NoRoute> {
        self.resolver.as_ref().ok_or_else(|| NoRoute::NotNow("no name service is set up".to_owned()))
    }
}

/// The hosts that the domain's policy names (RFC 8461 §5: in mode enforce mail goes to no other).
fn allowed(mut names: Vec<String>, domain: &Domain, pin: &Pin) -> Result<Vec<String>, NoRoute> {
    let all = names.join(", ");
    names.retain(|name| pin.allows(name));
    if names.is_empty() {
        let why = format!("4.7.0 the MTA-STS policy of {domain} names none of its mail hosts ({all})");
        return Err(NoRoute::NotNow(why));
    }
    Ok(names)
}

fn at(name: &str, port: u16, found: impl Iterator<Item = IpAddr>) -> Result<Host, NoRoute> {
    let endpoints: Vec<Endpoint> =
        found.take(ADDRESSES).map(|ip| Endpoint::Tcp(SocketAddr::new(ip, port))).collect();
    if endpoints.is_empty() { Err(no_such(name)) } else { Ok(Host { name: name.to_owned(), endpoints }) }
}

pub(crate) fn resolver(dns: &DnsSettings) -> Result<TokioResolver, RouteError> {
    let unusable = |why: NetError| RouteError::Resolver(why.to_string());
    let builder = match dns.resolver {
        None => TokioResolver::builder_tokio().map_err(unusable)?,
        Some(server) => {
            let at_port = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            let connections = vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())];
            let servers = vec![NameServerConfig::new(server.ip(), true, connections)];
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    builder.build().map_err(unusable)
}

/// The exchangers' names, most preferred first, equals shuffled; ourselves and everything after us left out.
fn in_order(mut named: Vec<MX>, own_name: Option<&str>, entropy: &Entropy) -> Vec<String> {
    let plain = |mx: &MX| mx.exchange.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    named.retain(|mx| !mx.exchange.is_root());
    // RFC 5321 §5.1, against loops: "all records at that preference level and higher-numbered ones MUST be discarded".
    let ours = named.iter().filter(|mx| own_name.is_some_and(|own| own.eq_ignore_ascii_case(&plain(mx))));
    if let Some(cut) = ours.map(|mx| mx.preference).min() {
        named.retain(|mx| mx.preference < cut);
    }
    // RFC 5321 §5.1: "the sender-SMTP MUST randomize them to spread the load".
    let mut drawn: Vec<(u16, [u8; 8], String)> =
        named.iter().map(|mx| (mx.preference, entropy.bytes(), plain(mx))).collect();
    drawn.sort();
    drawn.into_iter().map(|(_, _, name)| name).collect()
}

/// RFC 5321 §4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn literal(domain: &Domain) -> Option<IpAddr> {
    let inner = domain.as_str().strip_prefix('[')?.strip_suffix(']')?;
    inner.strip_prefix("ipv6:").unwrap_or(inner).parse().ok()
}

fn host_at(ip: IpAddr, port: u16) -> Host {
    Host { name: ip.to_string(), endpoints: vec![Endpoint::Tcp(SocketAddr::new(ip, port))] }
}

/// With a dot at its end a name is never tried within the search list.
pub(crate) fn absolute(name: &str) -> String {
    format!("{name}.")
}

fn no_such(name: &str) -> NoRoute {
    NoRoute::Never(format!("5.1.2 there is no mail host {name}"))
}

fn not_now(name: &str, why: &NetError) -> NoRoute {
    NoRoute::NotNow(format!("4.4.3 {name} cannot be looked up ({})", why.as_metrics_label()))
}

#[cfg(test)]
mod tests;
