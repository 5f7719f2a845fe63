//! How each destination does: whether it rests, is tried by one copy, or takes so many connections.
//!
//! ```text
//! unknown ─ one connection ─ opened ─▶ 2 ─ opened ─▶ 4 … `connections`
//!    ▲          └─ cannot be had ─▶ rests, longer each time ─ its time is over, or an admin says so ─▶ one connection
//!    └──────────── no further connection while others stand ─▶ as many as stand, for a while
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::egress::backoff::pause;
use crate::egress::route::Settings;
use crate::id::Entropy;
use crate::ledger::queue::Met;
use crate::ledger::rests::{Rest, Rests};
use crate::time::Timestamp;

/// How long a destination that refused a further connection gets no more than it had.
const CROWDED: Duration = Duration::from_secs(300);

/// How long a copy that found no further connection waits for one.
const CROWDED_PAUSE: Duration = Duration::from_secs(10);

/// How many copies in a row, for each connection that a destination may have, are put back as it takes no further one.
const CROWDED_MOST: usize = 3;

/// After this time without a connection nothing is remembered.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// How many connections a destination may have.
type Most = Box<dyn Fn(&str) -> usize + Send + Sync>;

/// What is known of all destinations.
pub(crate) struct Health {
    pub(crate) rests: Arc<Rests>,
    /// Told when a destination may have more connections than before.
    pub(crate) grown: Notify,
    most: Most,
    first: Duration,
    longest: Duration,
    entropy: Arc<Entropy>,
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    /// Connections that it may have now.
    allowed: usize,
    /// No more than so many, until then.
    ceiling: Option<(usize, Instant)>,
    /// Connections that stand.
    standing: usize,
    /// Copies that were put back since one was opened, as there was no further one.
    crowded: usize,
    /// When one was opened or closed last.
    seen: Instant,
}

/// What a failure to reach a destination means for the copy that wanted to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreached {
    /// The destination rests until then.
    Resting(Timestamp),
    /// It is there, and takes no further connection: the copy waits for one of those that stand.
    Crowded(Duration),
    /// The same, and too many copies have waited in vain: this one is deferred like any other.
    Alone,
}

impl Health {
    pub(crate) fn new(settings: &Settings, rests: Arc<Rests>, entropy: Arc<Entropy>) -> Self {
        let most = settings.connections;
        Self {
            rests,
            grown: Notify::new(),
            most: Box::new(move |_| most),
            first: settings.retry_first.get(),
            longest: settings.retry_max.get(),
            entropy,
            known: Mutex::default(),
        }
    }

    /// The same, with a number of connections for each destination.
    pub(crate) fn with_most(self, most: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
        Self { most: Box::new(most), ..self }
    }

    /// How many connections a destination may have now.
    pub(crate) fn allowed(&self, destination: &str) -> usize {
        // Whoever rested is tried by one.
        if self.rests.last(destination).is_some() {
            return 1;
        }
        let known = self.lock();
        known.get(destination).map_or(1, |known| known.allowed((self.most)(destination)))
    }

    /// A connection to it stands.
    pub(crate) fn opened(self: &Arc<Self>, destination: &str) -> Standing {
        let mut all = self.lock();
        let known = all.entry(destination.to_owned()).or_insert_with(Known::new);
        known.standing += 1;
        known.crowded = 0;
        drop(all);
        self.grow(destination);
        Standing { health: Arc::clone(self), destination: destination.to_owned() }
    }

    /// It takes mail: its rests are forgotten, and it may have more connections. A host that opens a session and then
    /// refuses every sender does not.
    pub(crate) fn reached(&self, destination: &str) {
        if self.rests.forget(destination) {
            self.grown.notify_one();
        }
        self.grow(destination);
    }

    fn grow(&self, destination: &str) {
        if let Some(known) = self.lock().get_mut(destination) {
            known.seen = Instant::now();
            let most = (self.most)(destination);
            if known.allowed < most {
                known.allowed = known.allowed.saturating_mul(2).min(most);
                self.grown.notify_one();
            }
        }
    }

    /// It could not be had by a copy that set out at `begun`. `full` tells that this may be because other connections to
    /// it stand.
    pub(crate) fn unreached(
        &self,
        destination: &str,
        (met, why): (&Met, &str),
        full: bool,
        begun: Timestamp,
    ) -> Unreached {
        if let Some(unreached) = full.then(|| self.crowded(destination)).flatten() {
            return unreached;
        }
        let (now, before) = (met.at, self.rests.last(destination));
        // Another copy that was under way at the same time has said so already.
        if let Some(rest) = before.as_ref().filter(|rest| rest.is_on(now) && rest.tried >= begun) {
            return Unreached::Resting(rest.until);
        }
        let times = before.as_ref().map_or(0, |rest| rest.times);
        let until = now.after(pause(self.first, self.longest, times, &self.entropy));
        if let Some(known) = self.lock().get_mut(destination) {
            known.allowed = 1;
        }
        let rest = Rest {
            since: before.map_or(now, |rest| rest.since),
            tried: now,
            until,
            times: times.saturating_add(1),
            host: met.host.clone(),
            step: met.step.clone(),
            why: why.to_owned(),
        };
        tracing::warn!(destination, host = rest.host, step = rest.step, times = rest.times, %until, "a destination rests");
        self.rests.begin(destination, rest);
        Unreached::Resting(until)
    }

    /// Forgets destinations that have had no connection for long.
    pub(crate) fn tidy(&self) {
        self.lock().retain(|_, known| known.standing > 0 || known.seen.elapsed() < FORGOTTEN);
    }

    /// If connections stand, there are to be no more than those for a while.
    fn crowded(&self, destination: &str) -> Option<Unreached> {
        let mut all = self.lock();
        let known = all.get_mut(destination).filter(|known| known.standing > 0)?;
        known.ceiling = Some((known.standing, Instant::now() + CROWDED));
        known.allowed = known.standing;
        known.crowded = known.crowded.saturating_add(1);
        let most = (self.most)(destination).saturating_mul(CROWDED_MOST);
        Some(if known.crowded > most { Unreached::Alone } else { Unreached::Crowded(CROWDED_PAUSE) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn new() -> Self {
        Self { allowed: 1, ceiling: None, standing: 0, crowded: 0, seen: Instant::now() }
    }

    fn allowed(&self, most: usize) -> usize {
        let ceiling = self.ceiling.filter(|(_, until)| Instant::now() < *until);
        self.allowed.min(ceiling.map_or(most, |(ceiling, _)| ceiling)).clamp(1, most)
    }
}

/// A connection stands, in use or idle, as long as this exists.
pub(crate) struct Standing {
    health: Arc<Health>,
    destination: String,
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Some(known) = self.health.lock().get_mut(&self.destination) {
            known.standing = known.standing.saturating_sub(1);
            known.seen = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::scripted::NOW;

    fn health(connections: usize) -> Arc<Health> {
        let settings = Settings { connections, ..Settings::default() };
        let rests = Arc::new(Rests::new(ToString::to_string));
        Arc::new(Health::new(&settings, rests, Arc::new(Entropy::seeded(1))))
    }

    fn fails(health: &Health, begun: Timestamp, now: Timestamp, full: bool) -> Unreached {
        let met = Met { host: "mx".to_owned(), step: "connecting".to_owned(), at: now };
        health.unreached("hop", (&met, "timeout after connecting"), full, begun)
    }

    fn minutes(of: &Unreached, now: Timestamp) -> f64 {
        let Unreached::Resting(until) = of else { panic!("{of:?}") };
        until.since(now).as_secs_f64() / 60.0
    }

    #[tokio::test]
    async fn connections_grow_with_each_that_opens() {
        let health = health(10);
        assert_eq!(health.allowed("hop"), 1, "nothing is known");
        let mut open = Vec::new();
        for allowed in [2, 4, 8, 10, 10] {
            open.push(health.opened("hop"));
            assert_eq!(health.allowed("hop"), allowed);
        }
        assert_eq!(health.allowed("other"), 1);
    }

    #[tokio::test]
    async fn rests_grow_longer_until_the_destination_is_reached() {
        let health = health(10);
        let _open: Vec<Standing> = (0..5).map(|_| health.opened("hop")).collect();
        let mut now = NOW;
        for wanted in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 240.0, 240.0] {
            let pause = minutes(&fails(&health, now, now, false), now);
            assert!((wanted * 0.9..=wanted * 1.1).contains(&pause), "{wanted}: {pause}");
            now = health.rests.last("hop").unwrap().until;
            assert_eq!((health.rests.now("hop", now), health.allowed("hop")), (None, 1), "one tries it");
        }
        let _again = health.opened("hop");
        assert_eq!(health.rests.last("hop").unwrap().times, 8, "a session is no mail");
        assert_eq!(health.allowed("hop"), 1);
        health.reached("hop");
        assert_eq!((health.rests.last("hop"), health.allowed("hop")), (None, 4));
        assert!(minutes(&fails(&health, now, now, false), now) < 6.0, "it starts anew");
    }

    #[tokio::test]
    async fn copies_that_fail_together_make_one_rest() {
        let health = health(10);
        let after = |secs| NOW.after(Duration::from_secs(secs));
        let first = fails(&health, NOW, after(30), false);
        assert_eq!(fails(&health, NOW, after(31), false), first);
        assert_eq!(health.rests.last("hop").unwrap().times, 1);
        let Unreached::Resting(until) = first else { panic!() };
        fails(&health, until, until.after(Duration::from_secs(30)), false);
        assert_eq!(health.rests.last("hop").unwrap().times, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_destination_that_takes_no_more_connections_keeps_those_it_has() {
        let health = health(10);
        let mut open: Vec<Standing> = (0..4).map(|_| health.opened("hop")).collect();
        assert_eq!(health.allowed("hop"), 10);
        assert_eq!(fails(&health, NOW, NOW, true), Unreached::Crowded(CROWDED_PAUSE));
        assert_eq!((health.allowed("hop"), health.rests.last("hop")), (4, None));
        open.push(health.opened("hop"));
        assert_eq!(health.allowed("hop"), 4, "for a while");
        tokio::time::advance(CROWDED).await;
        open.push(health.opened("hop"));
        assert!(health.allowed("hop") > 4, "and not for ever");
        open.clear();
        assert!(matches!(fails(&health, NOW, NOW, true), Unreached::Resting(_)), "no other stands");
    }

    #[tokio::test]
    async fn copies_are_not_put_back_for_ever_where_no_further_connection_is_had() {
        let health = health(2);
        let _open = health.opened("hop");
        let crowded = || (0..20).filter(|_| fails(&health, NOW, NOW, true) != Unreached::Alone).count();
        assert_eq!(crowded(), 6);
        assert_eq!(health.rests.last("hop"), None, "it does not rest: a connection stands");
        let _another = health.opened("hop");
        assert_eq!(crowded(), 6, "each that opens is a new beginning");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_remembered_for_ever() {
        let health = health(10);
        let open = health.opened("hop");
        tokio::time::advance(FORGOTTEN).await;
        health.tidy();
        assert_eq!(health.lock().len(), 1, "not while a connection stands");
        drop(open);
        tokio::time::advance(FORGOTTEN).await;
        health.tidy();
        assert!(health.lock().is_empty());
    }
}
