//! The courier at work: each round claims, sorts, starts and puts back; at its end it winds down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::means::Means;
use super::waits::{blocking, patience};
use crate::egress::delivery::{Delivery, expired};
use crate::egress::lanes::{Lanes, Return, Waiting};
use crate::egress::route::Settings;
use crate::egress::turns::Turns;
use crate::failpoint::{self, Point};
use crate::ledger::queue::{Done, Job, Met, Queue};
use crate::ledger::rests::Rest;
use crate::store::contract::StoreError;
use crate::time::Timestamp;

/// How often idle connections are looked through.
const POOL_LOOK: Duration = Duration::from_secs(5);

/// A clock that goes back by this was set.
const SET_BACK: Duration = Duration::from_secs(2);

/// The shortest sleep: a queue that calls something due and does not give it must not keep a processor busy.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);

/// The pause after the store could not be read.
const STORE_PAUSE: Duration = Duration::from_secs(10);

/// The longest sleep: a wall clock that was set forward is noticed after this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The courier at work: what is claimed, waits and runs.
pub(super) struct Round<'a> {
    means: &'a Means,
    /// Deliveries take the copy that follows over their connection by themselves.
    lanes: Arc<Mutex<Lanes>>,
    /// Deliveries; each gives back what it could not try.
    pub(super) running: JoinSet<Vec<Return>>,
    /// The claim under way, if there is one. It is a durable commit: deliveries go on meanwhile.
    pub(super) claiming: JoinSet<Claimed>,
    /// Until when nothing more is to be claimed, as far as is known.
    rest: Option<Instant>,
    /// Whether something happened, since the claim under way began, that it may have missed.
    missed: bool,
    /// The latest time that the clock has shown.
    latest: Timestamp,
    outbox: mpsc::Sender<(Job, Done)>,
    wake: Arc<Notify>,
    cut: watch::Sender<bool>,
    returned: Vec<Return>,
}

/// What a claim brought.
pub(super) struct Claimed {
    /// How many copies it asked for.
    wanted: usize,
    /// Taken before the claim: the lease is never thought longer than it is.
    at: Instant,
    jobs: Result<Vec<Job>, StoreError>,
}

impl<'a> Round<'a> {
    pub(super) fn new(means: &'a Means, outbox: mpsc::Sender<(Job, Done)>, wake: Arc<Notify>) -> Self {
        let Settings { connections_total, smarthost, domain, .. } = means.settings.as_ref();
        let connections = means.carrier.most_connections();
        let one_destination = smarthost.is_some() && domain.is_empty();
        let turns = Turns::new(means.settings.timeouts.command.get());
        let health = Arc::clone(&means.carrier.health);
        let lanes = Lanes::new(connections, *connections_total, one_destination, turns, health);
        Self {
            means,
            lanes: Arc::new(Mutex::new(lanes)),
            running: JoinSet::new(),
            claiming: JoinSet::new(),
            rest: None,
            missed: false,
            latest: means.clock.now(),
            outbox,
            wake,
            cut: watch::Sender::new(false),
            returned: Vec::new(),
        }
    }

    /// Does everything that can be done now; returns how long nothing else is to be done.
    pub(super) async fn work(&mut self) -> Duration {
        while let Some(finished) = self.running.try_join_next() {
            self.finished(finished);
        }
        self.look_at_the_clock().await;
        self.put_back_what_rests().await;
        self.put_back_overdue().await;
        self.start_waiting();
        let resting = self.rest.map(|until| until.saturating_duration_since(Instant::now()));
        let resting = resting.filter(|left| !left.is_zero());
        let wanted = self.lanes().wanted(self.running.len());
        if resting.is_none() && self.claiming.is_empty() && wanted > 0 {
            self.begin_claim(wanted);
        }
        let sleep = resting.unwrap_or(LONGEST_SLEEP).min(self.until_overdue()).min(self.tend_pool());
        sleep.max(SHORTEST_SLEEP)
    }

    /// Where the clock was set back, what was put off by the time before waits for moments that are far away.
    async fn look_at_the_clock(&mut self) {
        let (now, longest) = (self.means.clock.now(), self.means.settings.retry_max.get().mul_f64(1.1));
        let before = std::mem::replace(&mut self.latest, now);
        if before.since(now) < SET_BACK {
            return;
        }
        let (begun, latest) = (now, now.after(longest));
        let hurry = move |queue: &Queue| queue.hurry(begun, |wait| wait.untried || wait.due > latest);
        match blocking(self.means.queue.clone(), hurry).await {
            Ok(copies) => tracing::warn!(copies, "the clock was set back; copies that waited are due"),
            Err(why) => tracing::error!(%why, "the clock was set back; copies that wait are late"),
        }
        self.look_again();
    }

    /// Something may be due before it was expected.
    pub(super) fn look_again(&mut self) {
        self.rest = None;
        self.missed = true;
    }

    fn begin_claim(&mut self, wanted: usize) {
        let (now, lease, at) = (self.means.clock.now(), self.means.settings.lease.get(), Instant::now());
        let claim = blocking(self.means.queue.clone(), move |queue| queue.claim(now, lease, wanted));
        self.missed = false;
        self.claiming.spawn(async move { Claimed { wanted, at, jobs: claim.await } });
    }

    /// Sorts what was claimed into lanes, and rests if that was all there is.
    pub(super) async fn claimed(&mut self, claimed: Result<Claimed, tokio::task::JoinError>) {
        let Ok(Claimed { wanted, at, jobs }) = claimed else {
            return tracing::error!("a claim broke off; what it claimed is sent when its lease ends");
        };
        let pause = match jobs {
            Ok(jobs) => {
                let all = jobs.len() < wanted;
                if !jobs.is_empty() {
                    failpoint::hit(Point::CopiesClaimed);
                }
                let mut too_many = Vec::new();
                let mut resting = Vec::new();
                for job in jobs {
                    let destination = self.means.carrier.destination(&job.parcel);
                    match self.resting(&destination) {
                        Some(rest) => resting.push((job, rest)),
                        None => {
                            too_many.extend(self.lanes().add(destination, Waiting { job, claimed_at: at }))
                        }
                    }
                }
                self.start_waiting();
                self.put_back(too_many).await;
                self.let_rest(resting).await;
                if all { Some(self.until_next_due().await) } else { None }
            }
            Err(why) => {
                tracing::error!(%why, "due copies cannot be claimed");
                Some(STORE_PAUSE)
            }
        };
        let pause = pause.filter(|_| !self.missed);
        self.rest = pause.map(|pause| Instant::now() + pause.clamp(SHORTEST_SLEEP, LONGEST_SLEEP));
    }

    fn start_waiting(&mut self) {
        loop {
            let started = self.lanes().next(self.running.len());
            let Some((waiting, turn)) = started else { break };
            let carrier = &self.means.carrier;
            let line = carrier.pool.take(&carrier.destination(&waiting.job.parcel));
            let delivery = Delivery {
                carrier: Arc::clone(carrier),
                lanes: Arc::clone(&self.lanes),
                settings: Arc::clone(&self.means.settings),
                clock: Arc::clone(&self.means.clock),
                entropy: Arc::clone(&self.means.entropy),
                outbox: self.outbox.clone(),
                wake: Arc::clone(&self.wake),
                vitals: self.means.vitals.clone(),
            };
            // Idle connections count as well, so room is made first.
            let surplus = carrier.pool.surplus(self.lanes().spare(self.running.len() + 1));
            let mut cut = self.cut.subscribe();
            self.running.spawn(async move {
                for idle in surplus {
                    idle.connection.quit().await;
                }
                delivery.run(waiting, turn, line, &mut cut).await
            });
        }
    }

    pub(super) fn finished(&mut self, finished: Result<Vec<Return>, tokio::task::JoinError>) {
        self.look_again();
        match finished {
            Ok(back) => self.returned.extend(back),
            Err(why) => {
                // Not the error's own text: it quotes what the panic said.
                let panicked = why.is_panic();
                tracing::error!(panicked, "a delivery broke off; its copy is sent again when its lease ends")
            }
        }
    }

    fn resting(&self, destination: &str) -> Option<Rest> {
        self.means.carrier.health.rests.now(destination, self.means.clock.now())
    }

    /// Copies that wait for a destination which rests by now, and what deliveries could not try.
    async fn put_back_what_rests(&mut self) {
        let returned = std::mem::take(&mut self.returned);
        self.put_back(returned).await;
        let taken = self.lanes().take(|destination| self.resting(destination).is_some());
        let resting =
            taken.into_iter().filter_map(|(destination, job)| Some((job, self.resting(&destination)?)));
        self.let_rest(resting.collect()).await;
    }

    /// These copies wait until their destination is tried again, or have waited for long enough.
    async fn let_rest(&mut self, resting: Vec<(Job, Rest)>) {
        let now = self.means.clock.now();
        let (mut back, settings) = (Vec::new(), &self.means.settings);
        for (mut job, rest) in resting {
            if let Some(done) = expired(&job, &rest.why, settings, now) {
                job.met = Some(Met { host: rest.host, step: rest.step, at: rest.tried });
                tracing::info!(parcel = %job.parcel.id, "given up: its destination could not be had");
                if self.outbox.send((job, done)).await.is_err() {
                    tracing::error!("an outcome has no recorder; the copy is looked at when its lease ends");
                }
                continue;
            }
            // It is looked at once more at the very end of the time that was promised.
            let until = rest.until.min(job.queued_at.after(settings.give_up_after.get()));
            // The moment itself: whoever ends the rest looks for copies that wait for it.
            back.push((job, until));
        }
        self.put_back_until(back).await;
    }

    async fn put_back_overdue(&mut self) {
        let late = self.lanes().overdue(self.means.settings.lease.get() / 3);
        self.put_back(late).await;
    }

    async fn put_back(&self, jobs: Vec<Return>) {
        let now = self.means.clock.now();
        let jobs = jobs.into_iter().map(|Return { job, pause }| (job, now.after(pause)));
        self.put_back_until(jobs.collect()).await;
    }

    async fn put_back_until(&self, jobs: Vec<(Job, Timestamp)>) {
        if jobs.is_empty() {
            return;
        }
        let back = move |queue: &Queue| queue.put_back(&jobs);
        if let Err(why) = blocking(self.means.queue.clone(), back).await {
            tracing::error!(%why, "unsent copies cannot be put back; they are sent when their leases end");
        }
        failpoint::hit(Point::CopiesPutBack);
    }

    async fn until_next_due(&self) -> Duration {
        match blocking(self.means.queue.clone(), Queue::next_due).await {
            Ok(Some(due)) => due.since(self.means.clock.now()),
            Ok(None) => LONGEST_SLEEP,
            Err(why) => {
                tracing::error!(%why, "the queue cannot tell what is due next");
                STORE_PAUSE
            }
        }
    }

    fn until_overdue(&self) -> Duration {
        let limit = self.means.settings.lease.get() / 3;
        self.lanes().until_overdue(limit).unwrap_or(LONGEST_SLEEP)
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes leave of connections that were idle for too long; returns when to look again.
    fn tend_pool(&self) -> Duration {
        let pool = &self.means.carrier.pool;
        for idle in pool.expired() {
            tokio::spawn(idle.connection.quit());
        }
        if pool.is_empty() { LONGEST_SLEEP } else { POOL_LOOK }
    }

    pub(super) async fn wind_down(mut self) {
        // First of all: whoever takes over needs the places that idle connections have at the next hop.
        let mut leaving = self.close_pool();
        while let Some(claimed) = self.claiming.join_next().await {
            let jobs = claimed.ok().and_then(|claimed| claimed.jobs.ok());
            self.returned.extend(at_once(jobs.into_iter().flatten()));
        }
        let waiting = self.lanes().drain();
        self.put_back(at_once(waiting)).await;
        let patience = patience(self.means.end.clone(), self.means.settings.drain.get());
        tokio::pin!(patience);
        loop {
            let finished = tokio::select! {
                () = &mut patience => break,
                finished = self.running.join_next() => finished,
            };
            let Some(finished) = finished else { break };
            self.finished(finished);
        }
        self.cut.send_replace(true);
        while let Some(finished) = self.running.join_next().await {
            self.finished(finished);
        }
        let returned = std::mem::take(&mut self.returned);
        self.put_back(returned).await;
        // One may have come back while the pool was closed.
        while leaving.join_next().await.is_some() {}
        self.close_pool().join_all().await;
    }

    fn close_pool(&self) -> JoinSet<()> {
        self.means.carrier.pool.close().into_iter().map(|idle| idle.connection.quit()).collect()
    }
}

fn at_once(jobs: impl IntoIterator<Item = Job>) -> Vec<Return> {
    jobs.into_iter().map(|job| Return { job, pause: Duration::ZERO }).collect()
}
