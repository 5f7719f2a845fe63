//! Whoever watches the daemon asks here: health, metrics, and how things stand in a line.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;

use crate::control::desk::Desk;
use crate::control::wire::{Answer, Peer, Request, StatusRow};
use crate::daemon::health::{self, Health};
use crate::daemon::memory;
use crate::ingress::reception::Receptions;
use crate::meter::{self, Standing};
use crate::time::Timestamp;
use crate::vitals::SILENCE;

/// What watching needs.
pub(super) struct Watcher {
    pub(super) health: Health,
    pub(super) desk: Arc<RwLock<Arc<Desk>>>,
    pub(super) receptions: Receptions,
    /// Who counts, where somebody wants to know.
    pub(super) recorder: Option<PrometheusHandle>,
    pub(super) draining: watch::Receiver<bool>,
}

/// Begins to count; none where that is impossible because somebody else does.
pub(super) fn recorder() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().set_buckets(&meter::BUCKETS).ok()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    meter::describe();
    Some(handle)
}

impl Watcher {
    /// Whether the daemon lives, and why not, as JSON.
    pub(super) async fn live(&self) -> (bool, String) {
        health::report(&self.health.live().await)
    }

    /// Whether it is ready for its work, and why not, as JSON.
    pub(super) async fn ready(&self) -> (bool, String) {
        let draining = *self.draining.borrow();
        health::report(&self.health.ready(draining).await)
    }

    /// The parts that have given no sign of life within `limit`; the store has to answer within `answer`.
    pub(super) async fn hanging(&self, limit: Duration, answer: Duration) -> Vec<&'static str> {
        let mut hanging = self.health.vitals.hanging(limit);
        if !self.health.answers_within(answer).await {
            hanging.push("store");
        }
        hanging
    }

    /// All metrics, in Prometheus' text format.
    pub(super) async fn metrics(&self) -> String {
        if let Some((status, oldest)) = self.status().await {
            self.show(&status, oldest).await;
        }
        self.recorder.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }

    /// How things stand, for `systemctl status`.
    pub(super) async fn in_a_line(&self) -> Option<String> {
        // Histograms gather until somebody sums them up; nobody may ever ask.
        if let Some(recorder) = &self.recorder {
            recorder.run_upkeep();
        }
        let (status, _) = self.status().await?;
        let queued = status.due + status.claimed + status.deferred;
        let problems = match status.problems.len() {
            0 => "no problem".to_owned(),
            1 => "one problem, see vouchsafe status".to_owned(),
            n => format!("{n} problems, see vouchsafe status"),
        };
        let StatusRow { arrivals, held, failed, .. } = *status;
        Some(format!(
            "{arrivals} arrivals wait, {queued} copies queued, {failed} failed, {held} held; {problems}"
        ))
    }

    async fn status(&self) -> Option<(Box<StatusRow>, Option<Timestamp>)> {
        let desk = Arc::clone(&self.desk.read().unwrap_or_else(PoisonError::into_inner));
        let looked = tokio::task::spawn_blocking(move || {
            // The daemon itself asks; root may know everything.
            let answer = desk.answer(Request::Status, &Peer { uid: 0, name: None });
            let Answer::Status(status) = answer else { return None };
            Some((status, desk.queue.oldest().ok().flatten()))
        });
        looked.await.ok().flatten()
    }

    async fn show(&self, status: &StatusRow, oldest: Option<Timestamp>) {
        let Health { store, vitals, clock, .. } = &self.health;
        let store = Arc::clone(store);
        let free = tokio::task::spawn_blocking(move || store.room()).await;
        let (resident, locked) = memory::of_this_process();
        let seconds = |at: Option<Timestamp>| at.map_or(0.0, |at| small(at.secs()));
        let certificate = self.receptions.borrow().certificate_end();
        let count = |n: u64| small(i64::try_from(n).unwrap_or(i64::MAX));
        Standing {
            spool: count(status.arrivals),
            held: count(status.held),
            quarantined: count(status.quarantined),
            queue: [status.due, status.claimed, status.deferred, status.failed].map(count),
            oldest: oldest.map_or(0.0, |at| clock.now().since(at).as_secs_f64()),
            resting: count(status.resting),
            paused: count(u64::try_from(status.paused.len()).unwrap_or(u64::MAX)),
            unreachable: count(status.unreachable),
            free: free.ok().and_then(Result::ok).map_or(f64::NAN, |room| count(room.percent()) / 100.0),
            resident: count(resident),
            locked: count(locked),
            certificate: seconds(certificate),
            arrival: seconds(vitals.arrival.at()),
            delivery: seconds(vitals.delivery.at()),
        }
        .show();
        for (name, pulse) in vitals.parts() {
            meter::part(name, pulse.is_fresh(SILENCE));
        }
    }
}

/// Prometheus counts in floating point; what is counted here is far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn small(n: i64) -> f64 {
    n as f64
}
