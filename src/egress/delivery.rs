//! Deliveries over one connection, one copy after the other, each from its claim to the recorder.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use crate::egress::backoff::{is_over, next_attempt};
use crate::egress::carrier::{Attempt, Carrier, MayBeFull, Outcome};
use crate::egress::health::Unreached;
use crate::egress::lanes::{Lanes, Return, Waiting};
use crate::egress::pool::Line;
use crate::egress::route::Settings;
use crate::egress::turns::Turn;
use crate::failpoint::{self, Point};
use crate::id::Entropy;
use crate::ledger::queue::{Done, Job, Met};
use crate::meter;
use crate::time::{Clock, Timestamp};
use crate::vitals::Vitals;

/// How long a copy whose envelope was sent behind another one's dot waits for that verdict while it could have another
/// connection, and how often that is looked at.
const VERDICT_PATIENCE: Duration = Duration::from_millis(100);

/// The copy that goes next over the same connection, since when it is known, and the turn of the one before.
struct Behind<'a> {
    follower: Option<(Waiting, Turn)>,
    since: Instant,
    turn: &'a mut Turn,
}

/// What a delivery works with.
pub(crate) struct Delivery {
    pub(crate) carrier: Arc<Carrier>,
    pub(crate) lanes: Arc<Mutex<Lanes>>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<Entropy>,
    pub(crate) outbox: mpsc::Sender<(Job, Done)>,
    /// Told when a copy was taken from its lane, where there is room for another one then.
    pub(crate) wake: Arc<Notify>,
    pub(crate) vitals: Vitals,
}

impl Delivery {
    /// Delivers this copy, and those that follow it over the same connection. Returns what it could not try.
    pub(crate) async fn run(
        self,
        first: Waiting,
        turn: Turn,
        mut line: Option<Line>,
        cut: &mut watch::Receiver<bool>,
    ) -> Vec<Return> {
        let (mut waiting, mut turn) = (first, turn);
        loop {
            let mut follower = None;
            let back = self.deliver(waiting, &mut turn, &mut line, &mut follower, cut).await;
            let Some((next, next_turn)) = follower else { return back.into_iter().collect() };
            // It waited for the verdict on the copy before; a copy that was cut off had none.
            let late = next.claimed_at.elapsed() >= self.settings.lease.get() / 3;
            if back.is_some() || late {
                let at_once = Return { job: next.job, pause: Duration::ZERO };
                return back.into_iter().chain([at_once]).collect();
            }
            (waiting, turn) = (next, next_turn);
        }
    }

    /// Delivers one copy. `follower` is left with the one that goes next over the same connection, if there is one.
    async fn deliver(
        &self,
        Waiting { mut job, claimed_at }: Waiting,
        turn: &mut Turn,
        line: &mut Option<Line>,
        follower: &mut Option<(Waiting, Turn)>,
        cut: &mut watch::Receiver<bool>,
    ) -> Option<Return> {
        let (parcel, begun) = (Arc::new(job.parcel.clone()), self.clock.now());
        let destination = self.carrier.destination(&parcel);
        let deadline = claimed_at + self.settings.lease.get() * 9 / 10;
        let behind = Mutex::new(Behind { follower: None, since: Instant::now(), turn });
        let mut next = || {
            let mut behind = behind.lock().unwrap_or_else(PoisonError::into_inner);
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            behind.follower = lanes.follow(&destination, behind.turn);
            behind.since = Instant::now();
            drop(lanes);
            self.wake.notify_one();
            behind.follower.as_ref().map(|(waiting, _)| Arc::new(waiting.job.parcel.clone()))
        };
        let attempt = tokio::select! {
            attempt = tokio::time::timeout_at(deadline, self.carrier.carry(&parcel, line, &mut next)) => Some(attempt),
            () = self.watch_over(&destination, &behind) => None,
            _ = cut.wait_for(|cut| *cut) => None,
        };
        let Behind { follower: behind, turn, .. } =
            behind.into_inner().unwrap_or_else(PoisonError::into_inner);
        *follower = behind;
        let Some(attempt) = attempt else { return Some(Return { job, pause: Duration::ZERO }) };
        let attempt = attempt.unwrap_or_else(|_| Attempt::too_slow(&destination));
        turn.ended(attempt.hung);
        // Never the reply itself: it may name the recipient.
        tracing::info!(
            parcel = %job.parcel.id, host = attempt.host, code = attempt.code, outcome = ?attempt.outcome,
            cause = attempt.cause, "attempt"
        );
        let now = self.clock.now();
        self.count(&attempt, parcel.body_len, now.since(begun));
        let met = Met { host: attempt.host.clone(), step: attempt.step.to_string(), at: now };
        let until = match self.reached(&destination, &attempt, &met, begun) {
            // Whoever waits for a connection waits no longer than was promised.
            Some(Unreached::Crowded(pause)) if !is_over(&self.settings, job.queued_at, now) => {
                return Some(Return { job, pause });
            }
            Some(Unreached::Resting(until)) => Some(until),
            Some(Unreached::Crowded(_) | Unreached::Alone) => None,
            None => None,
        };
        let done = conclude(attempt, &job, until, &self.settings, now, &self.entropy);
        job.met = Some(met);
        self.hand_over(job, done).await;
        None
    }

    /// Lets the copy that is to follow have another connection, once the verdict on the one before takes long: whoever
    /// hangs holds nobody else's copy. Its envelope is out over this connection, which therefore carries no other copy, and
    /// without content and dot it is no mail. Never ends.
    async fn watch_over(&self, destination: &str, behind: &Mutex<Behind<'_>>) {
        loop {
            tokio::time::sleep(VERDICT_PATIENCE).await;
            let mut behind = behind.lock().unwrap_or_else(PoisonError::into_inner);
            let waits = behind.since.elapsed();
            if behind.follower.is_none() || waits < VERDICT_PATIENCE {
                continue;
            }
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            if lanes.would_start(destination) || lanes.is_hanging_after(waits) {
                let Some(follower) = behind.follower.take() else { continue };
                lanes.let_go(destination, follower, behind.turn);
                drop(lanes);
                self.wake.notify_one();
            }
        }
    }

    fn count(&self, attempt: &Attempt, bytes: u64, time: Duration) {
        let outcome = match attempt.outcome {
            Outcome::Delivered => "delivered",
            Outcome::Deferred => "deferred",
            Outcome::Failed => "failed",
        };
        meter::delivery(outcome, attempt.code, attempt.hung, bytes, time);
        if attempt.outcome == Outcome::Delivered {
            self.vitals.delivery.happened(self.clock.now());
        }
    }

    /// What the attempt tells about its destination.
    fn reached(
        &self,
        destination: &str,
        attempt: &Attempt,
        met: &Met,
        begun: Timestamp,
    ) -> Option<Unreached> {
        let health = &self.carrier.health;
        match (attempt.outcome, attempt.unreached) {
            (Outcome::Deferred, Some(MayBeFull(full))) => {
                Some(health.unreached(destination, (met, &attempt.reply), full, begun))
            }
            // A verdict on the copy, for good or ill.
            (Outcome::Delivered | Outcome::Failed, _) if attempt.code.is_some() => {
                health.reached(destination);
                None
            }
            _ => None,
        }
    }

    async fn hand_over(&self, job: Job, done: Done) {
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
    }
}

/// What an attempt means for its copy. `resting` is until when its destination rests, if it does.
pub(crate) fn conclude(
    attempt: Attempt,
    job: &Job,
    resting: Option<Timestamp>,
    settings: &Settings,
    now: Timestamp,
    entropy: &Entropy,
) -> Done {
    let reply = attempt.reply;
    match attempt.outcome {
        Outcome::Delivered => Done::Delivered { reply },
        Outcome::Failed => Done::Failed { reply },
        Outcome::Deferred => {
            if let Some(over) = expired(job, &reply, settings, now) {
                return over;
            }
            let end = job.queued_at.after(settings.give_up_after.get());
            let own = || next_attempt(settings, job.attempts, now, entropy);
            // The last attempt comes at the very end of the time that was promised.
            Done::Deferred { reply, until: resting.unwrap_or_else(own).min(end) }
        }
    }
}

/// That a copy was tried for long enough, and this is why it was deferred the last time.
pub(crate) fn expired(job: &Job, reply: &str, settings: &Settings, now: Timestamp) -> Option<Done> {
    let after = settings.give_up_after;
    is_over(settings, job.queued_at, now)
        .then(|| Done::Expired { after: after.to_string(), reply: reply.to_owned() })
}
