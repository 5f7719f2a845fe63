//! The courier: claims due copies, has them carried, and sees to it that each outcome is recorded.
//!
//! ```text
//! queue ─ claim ─▶ lanes (one per destination) ─▶ delivery ─▶ recorder ─ one commit for many ─▶ queue
//!                    └─ full, waited too long, or its recipient hangs: put back
//! ```
//!
//! A claim is a lease. A copy waits for at most a third of it and is in delivery until nine tenths of it at the latest,
//! so that what is in flight is always ours.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::egress::backoff::next_attempt;
use crate::egress::carrier::{Attempt, Carrier, Outcome};
use crate::egress::lanes::{Lanes, Return, Waiting};
use crate::egress::recorder::record_outcomes;
use crate::egress::route::{DnsSettings, RouteError, Settings};
use crate::egress::turns::{Turn, Turns};
use crate::failpoint::{self, Point};
use crate::id::Entropy;
use crate::ledger::queue::{Done, Job, Queue};
use crate::store::contract::StoreError;
use crate::time::{Clock, Timestamp};

/// The longest sleep: a wall clock that was set forward is noticed after this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How often idle connections are looked through.
const POOL_LOOK: Duration = Duration::from_secs(5);

/// The shortest sleep: a queue that calls something due and does not give it must not keep a processor busy.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);

/// The pause after the store could not be read.
const STORE_PAUSE: Duration = Duration::from_secs(10);

/// Takes copies from the queue to their next hops until it is told to stop.
pub struct Courier {
    queue: Queue,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    carrier: Arc<Carrier>,
}

impl Courier {
    /// A courier for this queue.
    ///
    /// # Errors
    /// When the settings contradict each other, or authorities or the name service cannot be set up.
    pub fn new(
        queue: Queue,
        settings: &Settings,
        dns: &DnsSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RouteError> {
        let entropy = Arc::new(Entropy::kernel());
        let carrier = Arc::new(Carrier::new(queue.clone(), settings, dns, Arc::clone(&entropy))?);
        let settings = Arc::new(settings.clone());
        Ok(Self { queue, settings, clock, entropy, carrier })
    }

    /// Works until `stop` turns true (or its sender is gone): then running deliveries get `drain` to finish, and whatever
    /// is not finished goes back to the queue. `wake` tells that something may be due before it was expected.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let (outbox, inbox) = mpsc::channel(256);
        let recorder = tokio::spawn(record_outcomes(
            self.queue.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&wake),
            inbox,
        ));
        let mut round = Round::new(&self, outbox);
        while !*stop.borrow_and_update() {
            // Registered before the queue is asked, so that no wake-up falls between asking and sleeping.
            let woken = wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let sleep = round.work().await;
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                () = woken => round.look_again(),
                Some(finished) = round.running.join_next() => round.finished(finished),
                Some(claimed) = round.claiming.join_next() => round.claimed(claimed).await,
                () = tokio::time::sleep(sleep) => {}
            }
        }
        round.wind_down().await;
        if recorder.await.is_err() {
            tracing::error!("the recorder of outcomes broke off");
        }
    }
}

/// The courier at work: what is claimed, waits and runs.
struct Round<'a> {
    courier: &'a Courier,
    lanes: Lanes,
    /// Deliveries; one gives its job back if it was cut off.
    running: JoinSet<Option<Job>>,
    /// The claim under way, if there is one. It is a durable commit: deliveries go on meanwhile.
    claiming: JoinSet<Claimed>,
    /// Until when nothing more is to be claimed, as far as is known.
    rest: Option<Instant>,
    /// Whether something happened, since the claim under way began, that it may have missed.
    missed: bool,
    outbox: mpsc::Sender<(Job, Done)>,
    cut: watch::Sender<bool>,
    returned: Vec<Job>,
}

/// What a claim brought.
struct Claimed {
    /// How many copies it asked for.
    wanted: usize,
    /// Taken before the claim: the lease is never thought longer than it is.
    at: Instant,
    jobs: Result<Vec<Job>, StoreError>,
}

impl<'a> Round<'a> {
    fn new(courier: &'a Courier, outbox: mpsc::Sender<(Job, Done)>) -> Self {
        let Settings { connections, connections_total, smarthost, .. } = courier.settings.as_ref();
        let turns = Turns::new(courier.settings.timeouts.command.get());
        Self {
            courier,
            lanes: Lanes::new(*connections, *connections_total, smarthost.is_some(), turns),
            running: JoinSet::new(),
            claiming: JoinSet::new(),
            rest: None,
            missed: false,
            outbox,
            cut: watch::Sender::new(false),
            returned: Vec::new(),
        }
    }

    /// Does everything that can be done now; returns how long nothing else is to be done.
    async fn work(&mut self) -> Duration {
        while let Some(finished) = self.running.try_join_next() {
            self.finished(finished);
        }
        self.put_back_overdue().await;
        self.start_waiting();
        let resting = self.rest.map(|until| until.saturating_duration_since(Instant::now()));
        let resting = resting.filter(|left| !left.is_zero());
        let wanted = self.lanes.wanted(self.running.len());
        if resting.is_none() && self.claiming.is_empty() && wanted > 0 {
            self.begin_claim(wanted);
        }
        let sleep = resting.unwrap_or(LONGEST_SLEEP).min(self.until_overdue()).min(self.tend_pool());
        sleep.max(SHORTEST_SLEEP)
    }

    /// Something may be due before it was expected.
    fn look_again(&mut self) {
        self.rest = None;
        self.missed = true;
    }

    fn begin_claim(&mut self, wanted: usize) {
        let (now, lease, at) = (self.courier.clock.now(), self.courier.settings.lease.get(), Instant::now());
        let claim = blocking(self.courier.queue.clone(), move |queue| queue.claim(now, lease, wanted));
        self.missed = false;
        self.claiming.spawn(async move { Claimed { wanted, at, jobs: claim.await } });
    }

    /// Sorts what was claimed into lanes, and rests if that was all there is.
    async fn claimed(&mut self, claimed: Result<Claimed, tokio::task::JoinError>) {
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
                for job in jobs {
                    let destination = self.courier.carrier.destination(&job.parcel);
                    too_many.extend(self.lanes.add(destination, Waiting { job, claimed_at: at }));
                }
                self.start_waiting();
                self.put_back(too_many).await;
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
        while let Some((waiting, turn)) = self.lanes.next(self.running.len()) {
            let delivery = Delivery {
                carrier: Arc::clone(&self.courier.carrier),
                settings: Arc::clone(&self.courier.settings),
                clock: Arc::clone(&self.courier.clock),
                entropy: Arc::clone(&self.courier.entropy),
                outbox: self.outbox.clone(),
            };
            let mut cut = self.cut.subscribe();
            self.running.spawn(async move {
                let Waiting { job, claimed_at } = waiting;
                delivery.run(job, claimed_at, &turn, &mut cut).await
            });
        }
    }

    fn finished(&mut self, finished: Result<Option<Job>, tokio::task::JoinError>) {
        self.look_again();
        match finished {
            Ok(job) => self.returned.extend(job),
            Err(why) => {
                // Not the error's own text: it quotes what the panic said.
                let panicked = why.is_panic();
                tracing::error!(panicked, "a delivery broke off; its copy is sent again when its lease ends")
            }
        }
    }

    async fn put_back_overdue(&mut self) {
        let late = self.lanes.overdue(self.courier.settings.lease.get() / 3);
        self.put_back(late).await;
    }

    async fn put_back(&self, jobs: Vec<Return>) {
        if jobs.is_empty() {
            return;
        }
        let now = self.courier.clock.now();
        let back = move |queue: &Queue| {
            jobs.into_iter().try_for_each(|Return { job, pause }| queue.put_back(vec![job], now.after(pause)))
        };
        if let Err(why) = blocking(self.courier.queue.clone(), back).await {
            tracing::error!(%why, "unsent copies cannot be put back; they are sent when their leases end");
        }
        failpoint::hit(Point::CopiesPutBack);
    }

    async fn until_next_due(&self) -> Duration {
        match blocking(self.courier.queue.clone(), Queue::next_due).await {
            Ok(Some(due)) => due.since(self.courier.clock.now()),
            Ok(None) => LONGEST_SLEEP,
            Err(why) => {
                tracing::error!(%why, "the queue cannot tell what is due next");
                STORE_PAUSE
            }
        }
    }

    fn until_overdue(&self) -> Duration {
        let limit = self.courier.settings.lease.get() / 3;
        self.lanes.until_overdue(limit).unwrap_or(LONGEST_SLEEP)
    }

    /// Takes leave of connections that were idle for too long; returns when to look again.
    fn tend_pool(&self) -> Duration {
        let pool = &self.courier.carrier.pool;
        for idle in pool.expired() {
            tokio::spawn(idle.quit());
        }
        if pool.is_empty() { LONGEST_SLEEP } else { POOL_LOOK }
    }

    async fn wind_down(mut self) {
        while let Some(claimed) = self.claiming.join_next().await {
            let jobs = claimed.ok().and_then(|claimed| claimed.jobs.ok());
            self.returned.extend(jobs.into_iter().flatten());
        }
        let waiting = self.lanes.drain();
        self.put_back(at_once(waiting)).await;
        let deadline = Instant::now() + self.courier.settings.drain.get();
        while let Ok(Some(finished)) = tokio::time::timeout_at(deadline, self.running.join_next()).await {
            self.finished(finished);
        }
        self.cut.send_replace(true);
        while let Some(finished) = self.running.join_next().await {
            self.finished(finished);
        }
        let returned = std::mem::take(&mut self.returned);
        self.put_back(at_once(returned)).await;
        let mut leaving = JoinSet::new();
        for idle in self.courier.carrier.pool.drain() {
            leaving.spawn(idle.quit());
        }
        leaving.join_all().await;
    }
}

/// Has the queue work where it may block.
async fn blocking<T, F>(queue: Queue, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&Queue) -> Result<T, StoreError> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(move || work(&queue)).await;
    done.unwrap_or_else(|why| Err(StoreError::Io { doing: "answer the courier", why: why.to_string() }))
}

fn at_once(jobs: Vec<Job>) -> Vec<Return> {
    jobs.into_iter().map(|job| Return { job, pause: Duration::ZERO }).collect()
}

/// One delivery, from the claimed copy to the recorder.
struct Delivery {
    carrier: Arc<Carrier>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    outbox: mpsc::Sender<(Job, Done)>,
}

impl Delivery {
    /// Returns the job if it was cut off.
    async fn run(
        self,
        job: Job,
        claimed_at: Instant,
        turn: &Turn,
        cut: &mut watch::Receiver<bool>,
    ) -> Option<Job> {
        let parcel = Arc::new(job.parcel.clone());
        let deadline = claimed_at + self.settings.lease.get() * 9 / 10;
        let attempt = tokio::select! {
            attempt = tokio::time::timeout_at(deadline, self.carrier.carry(&parcel)) => attempt,
            _ = cut.wait_for(|cut| *cut) => return Some(job),
        };
        let attempt = attempt.unwrap_or_else(|_| Attempt::too_slow(&self.carrier.destination(&parcel)));
        turn.ended(attempt.hung);
        // Never the reply itself: it may name the recipient.
        tracing::info!(
            parcel = %job.parcel.id, host = attempt.host, code = attempt.code, outcome = ?attempt.outcome,
            cause = attempt.cause, "attempt"
        );
        let done = conclude(attempt, &job, &self.settings, self.clock.now(), &self.entropy);
        match &done {
            Done::Deferred { .. } => failpoint::hit(Point::OutcomeDeferred),
            Done::Failed { .. } | Done::Expired { .. } => failpoint::hit(Point::OutcomeFailed),
            Done::Delivered { .. } => {}
        }
        // The recorder lives until all deliveries are gone.
        if self.outbox.send((job, done)).await.is_err() {
            tracing::error!("an outcome has no recorder; the copy is sent again when its lease ends");
        }
        failpoint::hit(Point::OutcomeHanded);
        None
    }
}

/// What an attempt means for its copy.
fn conclude(attempt: Attempt, job: &Job, settings: &Settings, now: Timestamp, entropy: &Entropy) -> Done {
    let reply = attempt.reply;
    match attempt.outcome {
        Outcome::Delivered => Done::Delivered { reply },
        Outcome::Failed => Done::Failed { reply },
        Outcome::Deferred => match next_attempt(settings, job.attempts, job.queued_at, now, entropy) {
            Some(until) => Done::Deferred { reply, until },
            None => {
                let said = format!("gave up after {}; last: {reply}", settings.give_up_after);
                Done::Expired { reply: said.chars().take(500).collect() }
            }
        },
    }
}

#[cfg(test)]
mod tests;
