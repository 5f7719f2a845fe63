//! Fetches a policy over HTTPS (RFC 8461 §3.3).
//!
//! hyper speaks HTTP/1.1 here and nothing else. It leaves the name look-up, TLS and its verification, and all limits to
//! us, and it follows no redirect, keeps no cookie and asks no proxy, which the standard forbids as well.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::egress::rules::{Book, Rules};
use crate::egress::settings::RouteError;
use crate::egress::sts::policy::{Policy, parse};
use crate::egress::tls::Tls;
use crate::mail::address::Domain;

const HTTPS: u16 = 443;

/// RFC 8461 §3.3: "A suggested timeout is one minute".
const TIME: Duration = Duration::from_secs(60);

/// How long one address may take to answer, so that the next one has its turn.
const CONNECT: Duration = Duration::from_secs(10);

/// RFC 8461 §3.3: "a suggested maximum policy size is 64 kilobytes".
const SIZE: usize = 64 * 1024;

/// How many addresses of a host are tried.
const ADDRESSES: usize = 4;

/// Why there is no policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Whoever answers there is not whom we look for.
    Untrusted(String),
    /// Nobody answers, or with something else than a policy.
    Missing(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted(why) | Self::Missing(why) => f.write_str(why),
        }
    }
}

pub(crate) struct Fetcher {
    resolver: TokioResolver,
    tls: Book<Option<Tls>>,
}

impl Fetcher {
    pub(crate) fn new(book: &Book<Rules>, resolver: TokioResolver) -> Result<Self, RouteError> {
        let tls = book.try_map(|rules| rules.mta_sts.then(|| Tls::for_web(rules)).transpose())?;
        Ok(Self { resolver, tls })
    }

    /// Fetches the policy of a domain.
    ///
    /// # Errors
    /// Why there is none, without a word of what the host sent.
    pub(crate) async fn fetch(&self, domain: &Domain) -> Result<Policy, Fault> {
        let fetched = tokio::time::timeout(TIME, self.within_time(domain)).await;
        fetched.unwrap_or_else(|_| Err(missing("it takes too long to answer")))
    }

    async fn within_time(&self, domain: &Domain) -> Result<Policy, Fault> {
        let host = format!("mta-sts.{domain}");
        let tls = self.tls.of(domain).as_ref().ok_or_else(|| missing("no policy is asked for"))?;
        let encrypted = tls.upgrade(&host, self.connect(&host).await?).await;
        let stream = encrypted.map_err(|distrust| match distrust.is_another {
            true => Fault::Untrusted(distrust.why),
            false => Fault::Missing(distrust.why),
        })?;
        let spoken = |_| missing("it does not speak HTTP/1.1");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(spoken)?;
        let request = Request::get("/.well-known/mta-sts.txt")
            .header(HOST, &host)
            .header(USER_AGENT, "vouchsafe")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|_| missing("its name makes no request"))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(spoken)?;
            is_policy(&response)?;
            let read = Limited::new(response.into_body(), SIZE).collect().await;
            let body =
                read.map_err(|_| missing("its answer broke off, or is longer than 64 KiB"))?.to_bytes();
            let text = std::str::from_utf8(&body).map_err(|_| missing("its answer is no text"))?;
            parse(text).map_err(missing)
        };
        tokio::pin!(answer);
        tokio::select! {
            answered = &mut answer => answered,
            // The connection may end before the answer was read to its end.
            _ = connection => answer.await,
        }
    }

    async fn connect(&self, host: &str) -> Result<TcpStream, Fault> {
        let found = self.resolver.lookup_ip(format!("{host}.")).await;
        let found =
            found.map_err(|why| missing(format!("it cannot be looked up ({})", why.as_metrics_label())))?;
        let mut last = missing("it has no address");
        for ip in found.iter().take(ADDRESSES) {
            let connecting = TcpStream::connect(SocketAddr::new(ip, HTTPS));
            match tokio::time::timeout(CONNECT, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(why)) => last = missing(format!("it cannot be reached ({})", why.kind())),
                Err(_) => last = missing("it cannot be reached (timed out)"),
            }
        }
        Err(last)
    }
}

/// RFC 8461 §3.3: "HTTP 3xx redirects MUST NOT be followed", and the answer is 200 with text/plain.
fn is_policy<B>(response: &Response<B>) -> Result<(), Fault> {
    if response.status() != StatusCode::OK {
        return Err(missing(format!("it answers {}", response.status().as_u16())));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("text/plain") {
        Ok(())
    } else {
        Err(missing("its answer is not text/plain"))
    }
}

fn missing(why: impl Into<String>) -> Fault {
    Fault::Missing(why.into())
}
