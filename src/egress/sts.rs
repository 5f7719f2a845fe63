//! MTA-STS (RFC 8461): which hosts a domain has named as its own, so that forged MX records lead nowhere.
//!
//! ```text
//! copy for a domain ─▶ kept policy? ─ _mta-sts TXT: another id, or time to look again ─▶ fetch over HTTPS ─▶ keep, durably
//!                         └──────────────── as it was, until it expires ◀── no, or the fetch failed ─┘
//! ```
//!
//! That the hosts prove their names within TLS is our own rule for every MX; a policy adds which names may be asked.

mod fetch;
mod policy;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;

use crate::egress::rules::{Book, Rules};
use crate::egress::settings::RouteError;
use crate::egress::sts::fetch::{Fault, Fetcher};
use crate::egress::sts::policy::{Policy, announced, names};
use crate::ledger::sts::{Kept, Mode, Policies};
use crate::mail::address::Domain;
use crate::store::contract::StoreError;
use crate::time::{Clock, Timestamp};

/// How long an answer about a domain holds before its TXT record is asked for again.
const LOOK: Duration = Duration::from_secs(60);

/// RFC 8461 §3.3: a failed fetch of one version is repeated after "five minutes or longer".
const FETCH_PAUSE: Duration = Duration::from_secs(5 * 60);

/// When a policy is fetched again, long before it expires: who keeps us from it meets the one that we have (RFC 8461 §10.2).
const REFRESH: Duration = Duration::from_secs(24 * 3600);

/// How often kept policies are looked through.
const ROUND: Duration = Duration::from_secs(3600);

/// A policy that no mail asked for in this time is not fetched again.
const UNUSED: Duration = Duration::from_secs(90 * 24 * 3600);

/// How many domains are remembered in memory; the others are read from the store again.
const DOMAINS: usize = 10_000;

const NO_ANSWER: &str = "the name service does not say whether there is one";

/// Which of a domain's hosts may be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pin(Option<Arc<[String]>>);

impl Pin {
    /// Whether mail may go to this host.
    pub(crate) fn allows(&self, host: &str) -> bool {
        self.0.as_ref().is_none_or(|patterns| names(patterns, host))
    }

    #[cfg(test)]
    pub(crate) fn to(patterns: &[&str]) -> Self {
        Self(Some(patterns.iter().map(ToString::to_string).collect()))
    }
}

/// Knows the policies of the domains that mail goes to.
pub(crate) struct Sts {
    rules: Book<bool>,
    resolver: TokioResolver,
    fetcher: Fetcher,
    policies: Policies,
    clock: Arc<dyn Clock>,
    domains: Mutex<HashMap<Domain, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// What is known of one domain. Who holds it is the only one to look and to fetch.
#[derive(Default)]
struct Slot {
    loaded: bool,
    kept: Option<Kept>,
    looked_at: Option<Timestamp>,
    failed: Option<Failure>,
    /// What is kept cannot be read, and may have named the domain's hosts: until the domain has said anew what it wants,
    /// nothing goes there.
    unreadable: bool,
}

struct Failure {
    id: String,
    at: Timestamp,
    why: Fault,
}

/// What the TXT record says.
enum Announced {
    /// There is a policy of this id.
    Id(String),
    /// There is none.
    Nothing,
    /// It could not be asked.
    Unknown,
}

impl Sts {
    /// # Errors
    /// When there is no authority to trust.
    pub(crate) fn new(
        book: &Book<Rules>,
        resolver: TokioResolver,
        policies: Policies,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RouteError> {
        let fetcher = Fetcher::new(book, resolver.clone())?;
        let rules = book.try_map(|rules| Ok::<_, RouteError>(rules.mta_sts))?;
        Ok(Self { rules, resolver, fetcher, policies, clock, domains: Mutex::default() })
    }

    /// Which of the domain's hosts may be asked now.
    ///
    /// # Errors
    /// When somebody else than the domain answers for its policy and none is kept, and while it is not known which one is.
    pub(crate) async fn pin(&self, domain: &Domain) -> Result<Pin, String> {
        // An address literal has no policy: its certificate has to bear the address.
        if !*self.rules.of(domain) || domain.as_str().starts_with('[') {
            return Ok(Pin::default());
        }
        let slot = self.slot(domain);
        let mut slot = slot.lock().await;
        // RFC 8461 §10.2: what stands between must not find that the policy is forgotten, whatever made us forget it.
        self.load(domain, &mut slot)
            .await
            .map_err(|why| format!("4.3.0 the kept MTA-STS policy of {domain} cannot be read: {why}"))?;
        self.bring_up_to_date(domain, &mut slot).await;
        self.note_use(domain, &mut slot).await;
        if slot.unreadable {
            let why =
                slot.failed.as_ref().map_or_else(|| NO_ANSWER.to_owned(), |failed| failed.why.to_string());
            return Err(format!(
                "4.7.5 the kept MTA-STS policy of {domain} is damaged and cannot be fetched again: {why}"
            ));
        }
        match (&slot.kept, &slot.failed) {
            (Some(kept), _) if kept.mode == Mode::Enforce => Ok(Pin(Some(kept.mx.clone().into()))),
            (None, Some(Failure { why: Fault::Untrusted(why), .. })) => Err(format!(
                "4.7.5 the MTA-STS policy of {domain} cannot be had from mta-sts.{domain}: {why}"
            )),
            _ => Ok(Pin::default()),
        }
    }

    /// Tells of hosts that a policy in test does not name; mail goes there all the same (RFC 8461 §5).
    pub(crate) async fn tell_of_test(&self, domain: &Domain, hosts: &[&str]) {
        let slot = self.slot(domain);
        let slot = slot.lock().await;
        let Some(kept) = slot.kept.as_ref().filter(|kept| kept.mode == Mode::Testing) else { return };
        for host in hosts.iter().filter(|host| !names(&kept.mx, host)) {
            tracing::warn!(%domain, host, "the domain's MTA-STS policy, which is in test, does not name this host");
        }
    }

    /// Fetches kept policies again before they expire, for as long as mail asks for them. Never ends.
    pub(crate) async fn tend(&self) {
        loop {
            self.look_through().await;
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn look_through(&self) {
        let policies = self.policies.clone();
        let Ok(all) = blocking("list policies", move || policies.all()).await else { return };
        for (domain, kept) in all {
            let now = self.clock.now();
            let unused = now.since(kept.used_at) > UNUSED || !*self.rules.of(&domain);
            let slot = self.slot(&domain);
            let mut slot = slot.lock().await;
            if !unused && is_due(&kept, now) && self.load(&domain, &mut slot).await.is_ok() {
                self.bring_up_to_date(&domain, &mut slot).await;
            }
            let holds = slot.kept.as_ref().unwrap_or(&kept).expires_at > now;
            if !holds || (unused && *self.rules.of(&domain)) {
                let (policies, domain) = (self.policies.clone(), domain.clone());
                let _ = blocking("forget a policy", move || policies.forget(&domain)).await;
                *slot = Slot::default();
            }
        }
    }

    fn slot(&self, domain: &Domain) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.len() >= DOMAINS && !domains.contains_key(domain) {
            // What is in use stays; the rest is in the store.
            domains.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(domains.entry(domain.clone()).or_default())
    }

    /// Reads what is kept, once. A store that cannot be read now is asked again next time; a record that cannot be is put
    /// right by the domain alone.
    async fn load(&self, domain: &Domain, slot: &mut Slot) -> Result<(), StoreError> {
        if slot.loaded {
            return Ok(());
        }
        let (policies, of) = (self.policies.clone(), domain.clone());
        match blocking("read a policy", move || policies.get(&of)).await {
            Ok(kept) => slot.kept = kept,
            Err(why @ (StoreError::Damaged(_) | StoreError::TooNew { .. })) => {
                tracing::error!(%domain, %why, "the domain's MTA-STS policy is damaged; nothing goes there until it is fetched anew");
                slot.unreadable = true;
            }
            Err(why) => return Err(why),
        }
        slot.loaded = true;
        Ok(())
    }

    async fn bring_up_to_date(&self, domain: &Domain, slot: &mut Slot) {
        let now = self.clock.now();
        slot.kept.take_if(|kept| kept.expires_at <= now);
        if slot.looked_at.is_some_and(|at| at <= now && now.since(at) < LOOK) {
            return;
        }
        slot.looked_at = Some(now);
        let id = match self.announced(domain).await {
            Announced::Id(id) => id,
            // RFC 8461 §3.3: without a record a policy that is kept holds all the same, until it expires.
            answer => {
                slot.failed = None;
                slot.unreadable &= !matches!(answer, Announced::Nothing);
                return;
            }
        };
        if slot.kept.as_ref().is_some_and(|kept| kept.id == id && !is_due(kept, now)) {
            return;
        }
        let again =
            |failed: &Failure| failed.id == id && failed.at <= now && now.since(failed.at) < FETCH_PAUSE;
        if !slot.failed.as_ref().is_some_and(again) {
            self.fetch(domain, id, slot).await;
        }
    }

    async fn fetch(&self, domain: &Domain, id: String, slot: &mut Slot) {
        let fetched = self.fetcher.fetch(domain).await;
        let now = self.clock.now();
        let Policy { mode, mx, max_age } = match fetched {
            Ok(policy) => policy,
            Err(why) => {
                let kept = slot.kept.is_some();
                tracing::warn!(%domain, %why, kept, "the domain's MTA-STS policy cannot be fetched");
                slot.failed = Some(Failure { id, at: now, why });
                return;
            }
        };
        let kept = Kept { id, mode, mx, fetched_at: now, expires_at: now.after(max_age), used_at: now };
        tracing::info!(%domain, mode = ?kept.mode, until = %kept.expires_at, "the domain's MTA-STS policy was fetched");
        self.keep(domain, &kept).await;
        *slot = Slot { kept: Some(kept), failed: None, unreadable: false, ..std::mem::take(slot) };
    }

    async fn keep(&self, domain: &Domain, kept: &Kept) {
        let (policies, of, what) = (self.policies.clone(), domain.clone(), kept.clone());
        if let Err(why) = blocking("keep a policy", move || policies.put(&of, &what)).await {
            tracing::error!(%domain, %why, "the domain's MTA-STS policy is not kept over a restart");
        }
    }

    async fn note_use(&self, domain: &Domain, slot: &mut Slot) {
        let now = self.clock.now();
        if let Some(kept) = slot.kept.as_mut().filter(|kept| now.since(kept.used_at) > REFRESH) {
            kept.used_at = now;
            let kept = kept.clone();
            self.keep(domain, &kept).await;
        }
    }

    /// RFC 8461 §3.1.
    async fn announced(&self, domain: &Domain) -> Announced {
        match self.resolver.txt_lookup(format!("_mta-sts.{domain}.")).await {
            Ok(found) => {
                let texts = found.answers().iter().filter_map(|record| match &record.data {
                    // RFC 8461 §3.1: the strings of one record are one text.
                    RData::TXT(text) => Some(text.txt_data.concat()),
                    _ => None,
                });
                announced(&texts.collect::<Vec<_>>()).map_or(Announced::Nothing, Announced::Id)
            }
            Err(why) if why.is_nx_domain() || why.is_no_records_found() => Announced::Nothing,
            Err(_) => Announced::Unknown,
        }
    }
}

/// Whether it is time to fetch a policy again that still holds.
fn is_due(kept: &Kept, now: Timestamp) -> bool {
    let half = kept.expires_at.since(kept.fetched_at) / 2;
    // A clock that was set back must not keep a policy from being looked at.
    kept.fetched_at > now || now.since(kept.fetched_at) >= half.min(REFRESH)
}

async fn blocking<T, F>(doing: &'static str, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|why| Err(StoreError::Io { doing, why: why.to_string() }))
}

#[cfg(test)]
mod tests;
