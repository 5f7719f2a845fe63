//! What the name service says of our own domains, for `check` and for keys that are put to use. It waits for each answer
//! and needs no runtime around it.

use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::lookup::Lookup as Found;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;
use tokio::runtime::{Builder, Runtime};

use crate::egress::route::{DnsSettings, RouteError, absolute, resolver};

/// How long one question may take in all: a person waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A question that the name service did not answer. That there is no such name is an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} cannot be looked up ({why})")]
pub struct NoAnswer {
    /// What was asked for.
    pub name: String,
    /// Why there is no answer.
    pub why: String,
    /// Whether nobody answers at all, so that further questions are in vain.
    pub silent: bool,
}

/// Asks the name service.
pub struct Lookup {
    runtime: Runtime,
    resolver: TokioResolver,
    silent: Cell<bool>,
}

impl Lookup {
    /// One that asks the resolver of the settings, or the system's.
    ///
    /// # Errors
    /// When there is no name service.
    pub fn new(dns: &DnsSettings) -> Result<Self, RouteError> {
        let no_service = |why: std::io::Error| RouteError::Resolver(why.to_string());
        let runtime = Builder::new_current_thread().enable_all().build().map_err(no_service)?;
        let within = runtime.enter();
        let resolver = resolver(dns)?;
        drop(within);
        Ok(Self { runtime, resolver, silent: Cell::new(false) })
    }

    /// The TXT records of a name, each put together from its strings.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn txt(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        let texts = |data: &RData| match data {
            RData::TXT(txt) => {
                let whole: Vec<u8> = txt.txt_data.iter().flat_map(|string| string.iter().copied()).collect();
                Some(String::from_utf8_lossy(&whole).into_owned())
            }
            _ => None,
        };
        self.ask(name, self.resolver.txt_lookup(absolute(name)), texts)
    }

    /// The mail exchangers of a domain; an empty name stands for none at all (RFC 7505).
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn mx(&self, domain: &str) -> Result<Vec<String>, NoAnswer> {
        let exchangers = |data: &RData| match data {
            RData::MX(mx) => Some(mx.exchange.to_ascii().trim_end_matches('.').to_owned()),
            _ => None,
        };
        self.ask(domain, self.resolver.mx_lookup(absolute(domain)), exchangers)
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NoAnswer> {
        let addresses = |data: &RData| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        };
        let v4 = self.ask(host, self.resolver.ipv4_lookup(absolute(host)), addresses)?;
        let v6 = self.ask(host, self.resolver.ipv6_lookup(absolute(host)), addresses)?;
        Ok([v4, v6].concat())
    }

    fn ask<T>(
        &self,
        name: &str,
        question: impl Future<Output = Result<Found, NetError>>,
        pick: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, NoAnswer> {
        let none = |why: &str, silent| {
            self.silent.set(silent);
            NoAnswer { name: name.to_owned(), why: why.to_owned(), silent }
        };
        if self.silent.get() {
            return Err(none("nobody answered before", true));
        }
        let answer = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, question).await });
        match answer {
            Err(_) => Err(none("timeout", true)),
            Ok(Ok(found)) => Ok(found.answers().iter().filter_map(|record| pick(&record.data)).collect()),
            Ok(Err(why)) if why.is_nx_domain() || why.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(why)) => Err(none(why.as_metrics_label(), !matches!(why, NetError::Dns(_)))),
        }
    }
}
