//! The courier: claims due copies, has them carried, and sees to it that each outcome is recorded.
//!
//! ```text
//! queue ─ claim ─▶ lanes (one per destination) ─▶ delivery ─▶ recorder ─ one commit for many ─▶ queue
//!                    └─ full, waited too long, its recipient hangs or its destination rests: put back
//! ```
//!
//! A claim is a lease. A copy waits for at most a third of it and is in delivery until nine tenths of it at the latest,
//! so that what is in flight is always ours.

mod means;
mod round;
mod waits;

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};

use self::means::Means;
use self::round::Round;
use self::waits::rest;
use crate::egress::carrier::Carrier;
use crate::egress::dkim::Signers;
use crate::egress::recorder::record_outcomes;
use crate::egress::route::{DnsSettings, RouteError, Settings};
use crate::id::Entropy;
use crate::ledger::queue::Queue;
use crate::ledger::rests::Rests;
use crate::time::Clock;
use crate::vitals::Vitals;

/// Takes copies from the queue to their next hops until it is told to stop.
pub struct Courier(Means);

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
        let carrier = Carrier::new(queue.clone(), settings, dns, Arc::clone(&entropy))?;
        let carrier = Arc::new(carrier.with_policies(Arc::clone(&clock))?);
        let settings = Arc::new(settings.clone());
        let vitals = Vitals::default();
        Ok(Self(Means { queue, settings, clock, entropy, carrier, vitals, end: None }))
    }

    /// One of a daemon's: it gives signs of life, and may be told to stop because another one takes over. Then what is
    /// under way has its lease to come to an end, and is hurried only when `end` turns true.
    #[must_use]
    pub fn of_daemon(self, vitals: Vitals, end: watch::Receiver<bool>) -> Self {
        Self(Means { vitals, end: Some(end), ..self.0 })
    }

    /// The destinations that rest, for whoever shows them or ends a rest. Wake the courier after that.
    #[must_use]
    pub fn rests(&self) -> Arc<Rests> {
        Arc::clone(&self.0.carrier.health.rests)
    }

    /// The same courier, whose copies leave signed by these.
    #[must_use]
    pub fn signing(mut self, signers: Signers) -> Self {
        // Nobody has it yet.
        if let Some(carrier) = Arc::get_mut(&mut self.0.carrier) {
            carrier.signers = signers;
        }
        self
    }

    /// Works until `stop` turns true (or its sender is gone): then running deliveries get `drain` to finish, and whatever
    /// is not finished goes back to the queue. `wake` tells that something may be due before it was expected.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let (outbox, inbox) = mpsc::channel(256);
        let recorder = tokio::spawn(record_outcomes(
            self.0.queue.clone(),
            Arc::clone(&self.0.clock),
            Arc::clone(&wake),
            inbox,
        ));
        let carrier = Arc::clone(&self.0.carrier);
        let tending = tokio::spawn(async move { carrier.tend_policies().await });
        let mut round = Round::new(&self.0, outbox, Arc::clone(&wake));
        while !*stop.borrow_and_update() {
            // Registered before the queue is asked, so that no wake-up falls between asking and sleeping.
            let woken = wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            self.0.vitals.courier.beat();
            let sleep = round.work().await;
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                () = woken => round.look_again(),
                // What was claimed already may have a connection now.
                () = self.0.carrier.health.grown.notified() => {}
                Some(finished) = round.running.join_next() => round.finished(finished),
                Some(claimed) = round.claiming.join_next() => round.claimed(claimed).await,
                () = rest(&self.0.vitals.courier, sleep) => {}
            }
        }
        tending.abort();
        round.wind_down().await;
        if recorder.await.is_err() {
            tracing::error!("the recorder of outcomes broke off");
        }
    }
}

#[cfg(test)]
mod rest_tests;
#[cfg(test)]
mod tests;
