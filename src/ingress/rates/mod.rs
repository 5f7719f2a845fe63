//! How often clients and senders come: a limit for each, by the generic cell rate algorithm. Times are given, none is
//! asked for.

pub mod settings;

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use self::settings::RateSettings;
use super::admission::network;
use crate::mail::address::Address;
use crate::time::Timestamp;

/// After so many looks, what needs not be remembered any more goes.
const SHRINK_EVERY: u32 = 1_000;

/// So many clients or senders are remembered; with more, all are forgotten, and begin anew.
const MAX_KEYS: usize = 100_000;

/// The longest step that the clock is believed to have made between two looks.
const MAX_STEP: Duration = Duration::from_secs(3_600);

/// The rates of everybody. Cheap to clone; all clones count together.
#[derive(Clone)]
pub(super) struct Rates(Arc<Inner>);

struct Inner {
    settings: RateSettings,
    /// Nobody outside knows which keys collide.
    hasher: RandomState,
    meters: Mutex<Meters>,
}

struct Meters {
    time: Time,
    connections: Meter,
    mails_per_minute: Meter,
    mails_per_hour: Meter,
    recipients: Meter,
    sender: Meter,
    domain: Meter,
}

/// Somebody comes too often. As text: what, how often it may be, and when again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOften {
    what: &'static str,
    limit: NonZeroU32,
    period: &'static str,
    wait: Duration,
}

impl fmt::Display for TooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.wait.as_secs().saturating_add(1);
        let Self { what, limit, period, .. } = self;
        write!(f, "Too many {what}, at most {limit} in one {period}; try again in {seconds} s")
    }
}

impl Rates {
    pub(super) fn new(settings: &RateSettings) -> Self {
        let time = Time::default();
        let minute = |limit, what| Meter::new(limit, "minute", what, &time);
        let hour = |limit, what| Meter::new(limit, "hour", what, &time);
        let meters = Meters {
            connections: minute(settings.connections_per_minute, "connections from your address"),
            mails_per_minute: minute(settings.mails_per_minute, "mails from your address"),
            mails_per_hour: hour(settings.mails_per_hour, "mails from your address"),
            recipients: minute(settings.recipients_per_minute, "recipients from your address"),
            sender: hour(settings.sender_mails_per_hour, "mails from this sender"),
            domain: hour(settings.sender_domain_mails_per_hour, "mails from this sender's domain"),
            time,
        };
        let hasher = RandomState::new();
        Self(Arc::new(Inner { settings: settings.clone(), hasher, meters: Mutex::new(meters) }))
    }

    /// Whether both hold everybody to the same.
    pub(super) fn has_settings_of(&self, other: &Self) -> bool {
        self.0.settings == other.0.settings
    }

    /// A client connects; `None` is a Unix socket.
    pub(super) fn connection(&self, client: Option<IpAddr>, now: Timestamp) -> Result<(), TooOften> {
        let Some(key) = self.client_key(client) else { return Ok(()) };
        self.meters(now).connections.look(key)
    }

    /// A client begins a mail with this reverse-path. The null one is everybody's, and has no limit of its own.
    pub(super) fn mail(
        &self,
        client: Option<IpAddr>,
        reverse_path: Option<&Address>,
        now: Timestamp,
    ) -> Result<(), TooOften> {
        let keys = reverse_path.map(|sender| {
            let domain = sender.domain().as_str();
            (self.key((sender.local().to_lowercase(), domain)), self.key(domain))
        });
        let client = self.client_key(client);
        let mut meters = self.meters(now);
        if let Some(client) = client {
            meters.mails_per_minute.look(client)?;
            meters.mails_per_hour.look(client)?;
        }
        let Some((sender, domain)) = keys else { return Ok(()) };
        meters.sender.look(sender)?;
        meters.domain.look(domain)
    }

    /// A client names a recipient.
    pub(super) fn recipient(&self, client: Option<IpAddr>, now: Timestamp) -> Result<(), TooOften> {
        let Some(key) = self.client_key(client) else { return Ok(()) };
        self.meters(now).recipients.look(key)
    }

    /// `None` for those whom no limit of clients counts.
    fn client_key(&self, client: Option<IpAddr>) -> Option<u64> {
        // A Unix socket has no address that could be told from another.
        client.filter(|_| !self.0.settings.is_exempt(client)).map(|ip| self.key(network(ip)))
    }

    /// A number and not the name: addresses are not kept.
    fn key(&self, name: impl Hash) -> u64 {
        self.0.hasher.hash_one(name)
    }

    fn meters(&self, now: Timestamp) -> MutexGuard<'_, Meters> {
        // Each meter is right after every statement, so a panic elsewhere spoils nothing.
        let mut meters = self.0.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.time.is(now);
        meters
    }
}

type Limiter = RateLimiter<u64, HashMapStateStore<u64>, Ticks, NoOpMiddleware<Nanos>>;

/// One limit, for many.
struct Meter {
    what: &'static str,
    period: &'static str,
    limit: Option<NonZeroU32>,
    limiter: Option<Limiter>,
    ticks: Ticks,
    looks: u32,
}

impl Meter {
    fn new(limit: u32, period: &'static str, what: &'static str, time: &Time) -> Self {
        let mut meter = Self {
            what,
            period,
            limit: NonZeroU32::new(limit),
            limiter: None,
            ticks: time.ticks.clone(),
            looks: 0,
        };
        meter.forget();
        meter
    }

    fn forget(&mut self) {
        let ticks = self.ticks.clone();
        let per = if self.period == "minute" { Quota::per_minute } else { Quota::per_hour };
        self.limiter = self.limit.map(|limit| RateLimiter::hashmap_with_clock(per(limit), ticks));
    }

    fn look(&mut self, key: u64) -> Result<(), TooOften> {
        let (Some(limiter), Some(limit)) = (&self.limiter, self.limit) else { return Ok(()) };
        let answer = limiter.check_key(&key).map_err(|not_until| TooOften {
            what: self.what,
            limit,
            period: self.period,
            wait: not_until.wait_time_from(self.ticks.now()),
        });
        self.looks += 1;
        if self.looks >= SHRINK_EVERY {
            self.looks = 0;
            limiter.retain_recent();
            limiter.shrink_to_fit();
            if limiter.len() > MAX_KEYS {
                tracing::warn!(what = self.what, "more come than can be told apart: their counts begin anew");
                self.forget();
            }
        }
        answer
    }
}

/// The time that was given last, as the limiter reads it: how much of it has gone by, whatever the clock was set to.
#[derive(Clone, Default)]
struct Ticks(Arc<AtomicU64>);

impl Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
struct Time {
    last: Option<Timestamp>,
    ticks: Ticks,
}

impl Time {
    /// A clock that was set back stands still, and one that was set ahead by a year goes on by an hour.
    fn is(&mut self, now: Timestamp) {
        let step = self.last.map_or(0, |last| now.millis().saturating_sub(last.millis()));
        let step = Duration::from_millis(u64::try_from(step).unwrap_or(0)).min(MAX_STEP);
        self.last = Some(now);
        self.ticks.0.fetch_add(u64::try_from(step.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + seconds)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn rates(change: impl FnOnce(&mut RateSettings)) -> Rates {
        let mut settings = RateSettings::default();
        change(&mut settings);
        Rates::new(&settings)
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_has_its_number_of_mails_and_gets_them_back_in_time() {
        let rates = rates(|r| r.mails_per_minute = 3);
        let mail = |client: &str, second| rates.mail(ip(client), None, at(second));
        for _ in 0..3 {
            mail("192.0.2.1", 0).unwrap();
        }
        let no = mail("192.0.2.1", 0).unwrap_err().to_string();
        assert_eq!(no, "Too many mails from your address, at most 3 in one minute; try again in 21 s");
        assert_eq!(mail("192.0.2.2", 0), Ok(()), "another client has its own");
        assert!(mail("192.0.2.1", 19).is_err());
        assert_eq!(mail("192.0.2.1", 20), Ok(()));
        assert!(mail("192.0.2.1", 20).is_err(), "one came back, not all");
        for _ in 0..3 {
            mail("192.0.2.1", 120).unwrap();
        }
    }

    #[test]
    fn the_hour_has_a_limit_of_its_own() {
        let rates = rates(|r| (r.mails_per_minute, r.mails_per_hour) = (0, 2));
        let mail = |second| rates.mail(ip("192.0.2.1"), None, at(second));
        assert_eq!((mail(0), mail(60)), (Ok(()), Ok(())));
        assert!(mail(120).unwrap_err().to_string().contains("at most 2 in one hour"));
        assert_eq!(mail(1_800), Ok(()));
    }

    #[test]
    fn one_v6_network_is_one_client() {
        let rates = rates(|r| r.connections_per_minute = 1);
        assert_eq!(rates.connection(ip("2001:db8:1:2::3"), at(0)), Ok(()));
        assert!(rates.connection(ip("2001:db8:1:2:ffff::"), at(0)).is_err());
        assert_eq!(rates.connection(ip("2001:db8:1:3::3"), at(0)), Ok(()));
        assert_eq!(rates.connection(ip("192.0.2.1"), at(0)), Ok(()));
        assert!(rates.connection(ip("::ffff:192.0.2.1"), at(0)).is_err());
    }

    #[test]
    fn mail_servers_in_front_have_no_limit_of_clients_but_their_senders_may_have_one() {
        let rates = rates(|r| {
            (r.mails_per_minute, r.recipients_per_minute, r.connections_per_minute) = (1, 1, 1);
            (r.sender_mails_per_hour, r.sender_domain_mails_per_hour) = (2, 3);
        });
        let mail = |client, sender: &str| rates.mail(client, Some(&address(sender)), at(0));
        for client in [None, ip("127.0.0.1"), ip("::1")] {
            for _ in 0..5 {
                rates.connection(client, at(0)).unwrap();
                rates.recipient(client, at(0)).unwrap();
                rates.mail(client, None, at(0)).unwrap();
            }
        }
        assert_eq!((mail(None, "a@x.example"), mail(None, "A@x.example")), (Ok(()), Ok(())));
        assert!(
            mail(ip("127.0.0.1"), "a@x.example")
                .unwrap_err()
                .to_string()
                .contains("from this sender, at most 2")
        );
        assert_eq!(mail(None, "b@x.example"), Ok(()));
        assert!(mail(None, "c@x.example").unwrap_err().to_string().contains("sender's domain, at most 3"));
        assert_eq!(mail(None, "c@y.example"), Ok(()));
    }

    #[test]
    fn recipients_are_counted_and_zero_is_no_limit() {
        let some = rates(|r| r.recipients_per_minute = 2);
        let rcpt = || some.recipient(ip("192.0.2.1"), at(0));
        assert!(rcpt().is_ok() && rcpt().is_ok() && rcpt().is_err());
        let none = rates(|r| r.recipients_per_minute = 0);
        assert!((0..10_000).all(|_| none.recipient(ip("192.0.2.1"), at(0)).is_ok()));
    }

    #[test]
    fn a_clock_that_is_set_anew_neither_frees_nor_locks_for_long() {
        let rates = rates(|r| (r.mails_per_minute, r.mails_per_hour) = (0, 1));
        let mail = |second| rates.mail(ip("192.0.2.1"), None, at(second));
        assert!(mail(0).is_ok() && mail(-100_000).is_err(), "set back");
        assert!(mail(-100_000 + 3_600).is_ok(), "an hour after that is an hour");
        assert!(
            mail(100_000_000).is_ok() && mail(100_000_001).is_err(),
            "set ahead: one hour's worth, not years'"
        );
    }

    #[test]
    fn what_is_remembered_has_bounds() {
        let rates = rates(|r| (r.mails_per_minute, r.mails_per_hour) = (60, 0));
        // Each of these is forgotten one second later.
        for n in 0..50_000_u32 {
            let client = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            rates.mail(Some(client), None, at(i64::from(n / 1_000))).unwrap();
        }
        let kept = rates.meters(at(50)).mails_per_minute.limiter.as_ref().unwrap().len();
        assert!(kept <= 3 * SHRINK_EVERY as usize, "{kept}");
        // And where all are recent, all begin anew.
        for n in 0..250_000_u32 {
            let client = IpAddr::from((0x0b00_0000 + n).to_be_bytes());
            rates.mail(Some(client), None, at(60)).unwrap();
        }
        let kept = rates.meters(at(60)).mails_per_minute.limiter.as_ref().unwrap().len();
        assert!(kept <= MAX_KEYS + SHRINK_EVERY as usize, "{kept}");
    }
}
