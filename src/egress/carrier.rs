//! Carries one copy to one of its hosts.

use std::sync::Arc;

use crate::egress::dkim::Signers;
use crate::egress::health::Health;
use crate::egress::hop::Hop;
use crate::egress::pool::{Line, Pool};
use crate::egress::route::{DnsSettings, NoRoute, Route, RouteError, Router, Settings, Timeouts};
use crate::egress::rules::Book;
use crate::egress::smtp::{Next, Step, Trouble, printable, shown};
use crate::egress::sts::{Pin, Sts};
use crate::id::Entropy;
use crate::ledger::queue::Queue;
use crate::ledger::rests::Rests;
use crate::mail::address::Domain;
use crate::mail::parcel::Parcel;
use crate::time::Clock;

/// How much of a body is read at once, in bytes.
const PIECE: usize = 128 * 1024;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    Deferred,
    Failed,
}

/// One attempt, for the ledger and the log.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) outcome: Outcome,
    /// The next hop's words or ours, for the ledger: it may name the recipient.
    pub(crate) reply: String,
    /// The host that was asked last.
    pub(crate) host: String,
    /// Its reply code, if it gave one.
    pub(crate) code: Option<u16>,
    /// Why it was not delivered, for the log: in our words, never the next hop's.
    pub(crate) cause: Option<String>,
    /// Whether it let us wait until time was up.
    pub(crate) hung: bool,
    /// What it was asked last.
    pub(crate) step: Step,
    /// That the destination could not be had at all, and whether that may be because other connections to it stand.
    pub(crate) unreached: Option<MayBeFull>,
}

/// Whether a destination may be there and only take no further connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MayBeFull(pub(crate) bool);

impl Attempt {
    fn delivered(host: &str, reply: &lettre::transport::smtp::response::Response) -> Self {
        let code = Some(reply.code().into());
        Self {
            outcome: Outcome::Delivered,
            reply: shown(reply),
            host: host.to_owned(),
            code,
            cause: None,
            hung: false,
            step: Step::Dot,
            unreached: None,
        }
    }

    fn troubled(host: &str, trouble: &Trouble) -> Self {
        let outcome = if trouble.is_permanent() { Outcome::Failed } else { Outcome::Deferred };
        let hung = matches!(trouble, Trouble::Timeout(_));
        let (code, cause) = (trouble.code(), Some(trouble.cause()));
        let unreached = trouble.is_about_the_host().then(|| MayBeFull(trouble.may_be_full()));
        let (reply, host, step) = (trouble.to_string(), host.to_owned(), trouble.step());
        Self { outcome, reply, host, code, cause, hung, step, unreached }
    }

    fn not_routed(destination: &str, why: &NoRoute) -> Self {
        let outcome = match why {
            NoRoute::Never(_) => Outcome::Failed,
            NoRoute::NotNow(_) => Outcome::Deferred,
        };
        let reply = printable(&why.to_string());
        let (cause, host) = (Some(reply.clone()), destination.to_owned());
        let unreached = Some(MayBeFull(false));
        Self { outcome, reply, host, code: None, cause, hung: false, step: Step::Route, unreached }
    }

    /// A delivery that was broken off because its lease would have run out.
    pub(crate) fn too_slow(destination: &str) -> Self {
        let reply = "the delivery took longer than the lease allows".to_owned();
        let cause = Some(reply.clone());
        Self {
            outcome: Outcome::Deferred,
            reply,
            host: destination.to_owned(),
            code: None,
            cause,
            hung: true,
            step: Step::Content,
            unreached: None,
        }
    }
}

/// Everything that deliveries share.
pub(crate) struct Carrier {
    queue: Queue,
    router: Arc<Router>,
    hops: Book<Hop>,
    sts: Option<Sts>,
    pub(crate) health: Arc<Health>,
    pub(crate) pool: Pool,
    helo: Option<String>,
    timeouts: Timeouts,
    entropy: Arc<Entropy>,
    pub(crate) signers: Signers,
}

impl Carrier {
    pub(crate) fn new(
        queue: Queue,
        settings: &Settings,
        dns: &DnsSettings,
        entropy: Arc<Entropy>,
    ) -> Result<Self, RouteError> {
        let router = Arc::new(Router::new(settings, dns)?);
        let (names, counts) = (Arc::clone(&router), Arc::clone(&router));
        let rests = Arc::new(Rests::new(move |domain| names.destination(domain)));
        let health = Health::new(settings, rests, Arc::clone(&entropy));
        Ok(Self {
            queue,
            hops: router.book().try_map(Hop::new)?,
            sts: None,
            router,
            health: Arc::new(health.with_most(move |destination| counts.connections(destination))),
            pool: Pool::new(settings),
            helo: settings.helo.clone(),
            timeouts: settings.timeouts.clone(),
            entropy,
            signers: Signers::default(),
        })
    }

    /// The same, asking for domains' MTA-STS policies, which are kept with the queue.
    pub(crate) fn with_policies(self, clock: Arc<dyn Clock>) -> Result<Self, RouteError> {
        let Some(resolver) = self.router.resolver_for_policies() else { return Ok(self) };
        let sts = Sts::new(self.router.book(), resolver, self.queue.policies(), clock)?;
        Ok(Self { sts: Some(sts), ..self })
    }

    /// Keeps policies fresh while nobody asks for them. Never ends.
    pub(crate) async fn tend_policies(&self) {
        match &self.sts {
            Some(sts) => sts.tend().await,
            None => std::future::pending().await,
        }
    }

    /// The most connections that any one destination may have.
    pub(crate) fn most_connections(&self) -> usize {
        self.router.book().all().map(|rules| rules.connections).max().unwrap_or(1)
    }

    /// What connections for this copy are shared by.
    pub(crate) fn destination(&self, parcel: &Parcel) -> String {
        self.router.destination(parcel.recipient.domain())
    }

    /// Carries one copy: over `line` or another kept connection if there is a living one, else to the hosts of its route in
    /// turn. `line` is left with the connection over which the copy that `next` gave has been announced, if it was.
    pub(crate) async fn carry(
        &self,
        parcel: &Arc<Parcel>,
        line: &mut Option<Line>,
        next: Next<'_>,
    ) -> Attempt {
        let (destination, domain) = (self.destination(parcel), parcel.recipient.domain());
        let pin = match self.pin(domain).await {
            Ok(pin) => pin,
            Err(why) => return Attempt::not_routed(&destination, &why),
        };
        while let Some(mut kept) = line.take().or_else(|| self.pool.take(&destination)) {
            // It was opened when the domain had not yet named its hosts, or had named others.
            if !pin.allows(kept.connection.host()) {
                continue;
            }
            // It died while it was idle: nobody needs to hear of it.
            if !kept.connection.is_ahead() && !kept.connection.is_fresh().await {
                continue;
            }
            let host = kept.connection.host().to_owned();
            match self.send(kept, &destination, parcel, line, &mut *next).await {
                Ok(attempt) => return attempt,
                // It died in this moment and has taken nothing. Whether that is about this copy a new one tells; further
                // kept ones are not spent on it.
                Err(trouble) if trouble.is_about_the_host() || trouble.is_stale() => break,
                Err(trouble) => return Attempt::troubled(&host, &trouble),
            }
        }
        match self.router.route(domain, &pin, &self.entropy).await {
            Ok(route) => {
                self.tell_of_test(domain, &route).await;
                self.try_hosts(&route, parcel, line, next).await
            }
            Err(why) => Attempt::not_routed(&destination, &why),
        }
    }

    async fn pin(&self, domain: &Domain) -> Result<Pin, NoRoute> {
        match &self.sts {
            Some(sts) => sts.pin(domain).await.map_err(NoRoute::NotNow),
            None => Ok(Pin::default()),
        }
    }

    async fn tell_of_test(&self, domain: &Domain, route: &Route) {
        if let Some(sts) = &self.sts {
            let hosts: Vec<&str> = route.candidates.iter().map(|host| host.name.as_str()).collect();
            sts.tell_of_test(domain, &hosts).await;
        }
    }

    /// RFC 5321 §5.1: "try (and retry) each of the relevant addresses in this list in order". What concerns the copy and not
    /// the connection is the same at each address of one host, so then the next host is tried.
    async fn try_hosts(
        &self,
        route: &Route,
        parcel: &Arc<Parcel>,
        line: &mut Option<Line>,
        next: Next<'_>,
    ) -> Attempt {
        let helo = self.helo.as_deref().unwrap_or(parcel.reverse_path.domain().as_str());
        let hop = self.hops.of(parcel.recipient.domain());
        let (mut last, mut reached) = (None, false);
        for host in &route.candidates {
            for endpoint in &host.endpoints {
                let opened = hop.open(&host.name, endpoint, helo, &self.timeouts).await;
                let trouble = match opened {
                    Ok(connection) => {
                        let (health, destination) = (Arc::clone(&self.health), route.destination.clone());
                        let connection = connection.signing(&self.signers);
                        let connection = connection.telling(move || health.reached(&destination));
                        let opened = Line::new(connection, self.health.opened(&route.destination));
                        match self.send(opened, &route.destination, parcel, line, &mut *next).await {
                            Ok(attempt) => return attempt,
                            Err(trouble) => trouble,
                        }
                    }
                    Err(trouble) => trouble,
                };
                reached |= !trouble.is_about_the_host();
                let mut attempt = Attempt::troubled(&host.name, &trouble);
                // One host of a destination is enough to have it.
                attempt.unreached = attempt.unreached.filter(|_| !reached);
                if !trouble.may_try_next() {
                    return attempt;
                }
                last = Some(attempt);
                if trouble.is_about_the_copy() {
                    break;
                }
            }
        }
        last.unwrap_or_else(|| {
            Attempt::not_routed(&route.destination, &NoRoute::NotNow("there is no host to try".to_owned()))
        })
    }

    async fn send(
        &self,
        mut with: Line,
        destination: &str,
        parcel: &Arc<Parcel>,
        line: &mut Option<Line>,
        next: Next<'_>,
    ) -> Result<Attempt, Trouble> {
        with.copies += 1;
        let another = self.pool.has_room(&with);
        let mut next = || if another { next() } else { None };
        let body = |offset| read_piece(self.queue.clone(), Arc::clone(parcel), offset);
        let sent = with.connection.send(parcel, body, &mut next).await;
        let attempt = sent.map(|reply| Attempt::delivered(with.connection.host(), &reply));
        if with.connection.is_ahead() {
            *line = Some(with);
        } else {
            self.pool.give(destination, with).await;
        }
        attempt
    }
}

async fn read_piece(queue: Queue, parcel: Arc<Parcel>, offset: u64) -> Result<Vec<u8>, String> {
    let read = tokio::task::spawn_blocking(move || queue.read_body(&parcel, offset, PIECE));
    read.await.map_err(|_| "reading it broke off".to_owned())?.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests;
