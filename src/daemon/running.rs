//! A daemon at work: its parts, each of which can be told to end, and the exchange of some of them for others.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::control::desk::Desk;
use crate::control::server::{Handler, Server};
use crate::control::wire::{Answer, ErrorKind, Request};
use crate::daemon::alarm::Alarm;
use crate::daemon::fatal::Fatal;
use crate::daemon::health::Health;
use crate::daemon::known::Known;
use crate::daemon::manager;
use crate::daemon::rooms::{Rooms, reception, signers};
use crate::daemon::watcher::Watcher;
use crate::daemon::web::{self, Door};
use crate::egress::courier::Courier;
use crate::ingress::listener::Listeners;
use crate::ingress::reception::Reception;
use crate::ledger::rests::Rests;

/// Where an answer goes to.
pub(super) type ReplyTo = oneshot::Sender<Answer>;

/// A daemon at work. Dropped, it ends at once, as if it were killed.
pub struct Running {
    pub(super) rooms: Rooms,
    addresses: Vec<String>,
    /// Those that stay until the end.
    stop: watch::Sender<bool>,
    parts: Parts,
    /// Those that stay until all others have ended, and how many they are.
    late: (watch::Sender<bool>, usize),
    worker: watch::Sender<bool>,
    courier: watch::Sender<bool>,
    alarm: watch::Sender<bool>,
    clerk: watch::Sender<bool>,
    desk: Arc<RwLock<Arc<Desk>>>,
    pub(super) receive: watch::Sender<Arc<Reception>>,
    asked: mpsc::Receiver<ReplyTo>,
    pub(super) known: Known,
}

/// What replaces parts at a reload.
pub(super) struct Exchange {
    pub(super) reception: Reception,
    pub(super) desk: Desk,
    pub(super) courier: Courier,
    pub(super) alarm: Arc<Alarm>,
}

impl Rooms {
    /// Binds every socket and starts every part. What can fail comes first; nothing is served before everything
    /// stands.
    ///
    /// # Errors
    /// When a socket cannot be had, or the way out is none.
    pub async fn start(mut self, config: &Config) -> Result<Running, Fatal> {
        let reception = reception(config, self.ask_room())?;
        let inherited = std::mem::take(&mut self.inherited);
        let listeners =
            Listeners::bind(&config.smtp, &config.lmtp, &config.folder, &reception, inherited).await?;
        let server = Server::bind(&config.control)?;
        let signers = signers::<Fatal>(config, &self.keys)?;
        let courier = self.courier(config)?.signing(signers);
        let alarm = self.alarm(config)?;
        Ok(Running::new(self, config, server, (listeners, reception), (courier, alarm)))
    }
}

impl Running {
    /// Starts every part. Nothing here can fail.
    fn new(
        rooms: Rooms,
        config: &Config,
        server: Server,
        (listeners, reception): (Listeners, Reception),
        (courier, alarm): (Courier, Arc<Alarm>),
    ) -> Self {
        let addresses = listeners.addresses();
        let mut parts = Parts::default();
        let (stop, stopped) = watch::channel(false);
        let desk = Arc::new(RwLock::new(Arc::new(rooms.desk(config, courier.rests()))));
        let (ask, asked) = mpsc::channel(1);
        let handler = handler(Arc::clone(&desk), ask);
        parts.until(&stop, |stopped| server.serve(handler, stopped), None);
        let housekeeping = rooms.housekeeping(config);
        parts.until(&stop, |stopped| housekeeping.run(stopped), None);
        let courier = parts.courier(&rooms, courier, &stop);
        let alarm = parts.alarm(alarm);
        let clerk = parts.clerk(&rooms, config);
        let worker = parts.worker(&rooms, config);
        let (receive, receptions) = watch::channel(Arc::new(reception));
        let listeners = listeners.alive(rooms.vitals.listeners.clone());
        let (take_in, clock) = (rooms.take_in(), Arc::clone(&rooms.clock));
        for watcher in rooms.watchers(config, listeners.budget()) {
            let receptions = receptions.clone();
            parts.until(&stop, |stopped| watcher.run(receptions, stopped), None);
        }
        let mailboxes = rooms.mailboxes(config, receptions.clone(), listeners.budget());
        if !mailboxes.is_empty() {
            parts.until(&stop, |stopped| mailboxes.run(stopped), None);
        }
        parts.until(&stop, |_| listeners.run(receptions, take_in, clock, stopped), None);
        let known = Known::at_start(config);
        let late = (watch::Sender::new(false), 0);
        Self {
            rooms,
            addresses,
            stop,
            parts,
            late,
            worker,
            courier,
            alarm,
            clerk,
            desk,
            receive,
            asked,
            known,
        }
    }

    /// Where mail comes in, as [`Listeners::addresses`] has it.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Has the daemon watched from now on: by the service manager, and by whoever comes to this door.
    pub(super) fn watched(&mut self, door: Option<Door>, recorder: Option<PrometheusHandle>) {
        let (store, clock) = (Arc::clone(&self.rooms.store), Arc::clone(&self.rooms.clock));
        let min_free = Arc::clone(&self.rooms.min_free);
        let watcher = Arc::new(Watcher {
            health: Health { store, vitals: self.rooms.vitals.clone(), clock, min_free },
            desk: Arc::clone(&self.desk),
            receptions: self.receive.subscribe(),
            recorder,
            draining: self.stop.subscribe(),
        });
        let also = Arc::clone(&watcher);
        self.parts.until(&self.stop, |stopped| manager::reassure(also, stopped), None);
        if let Some(door) = door {
            // Whoever watches wants to see the end as well.
            self.parts.until(&self.late.0, |stopped| web::serve(door, watcher, stopped), None);
            self.late.1 += 1;
        }
    }

    /// Comes back when a part ended that was not told to: a daemon without it would answer and do nothing. Otherwise
    /// somebody wants the settings to be read again, and waits for the answer.
    pub async fn next(&mut self) -> Next {
        loop {
            tokio::select! {
                ended = self.parts.0.join_next() => if !matches!(ended, Some(Ok(true))) {
                    return Next::Broken;
                },
                Some(reply) = self.asked.recv() => return Next::Reload(reply),
            }
        }
    }

    /// From now on these are at work; those before finish what they are at.
    pub(super) fn exchange(&mut self, config: &Config, new: Exchange) {
        *self.desk.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new.desk);
        self.rooms.min_free.store(config.limits.min_free_disk, Ordering::Relaxed);
        self.receive.send_replace(Arc::new(new.reception));
        let worker = self.parts.worker(&self.rooms, config);
        let courier = self.parts.courier(&self.rooms, new.courier, &self.stop);
        let alarm = self.parts.alarm(new.alarm);
        let clerk = self.parts.clerk(&self.rooms, config);
        for before in [
            std::mem::replace(&mut self.worker, worker),
            std::mem::replace(&mut self.courier, courier),
            std::mem::replace(&mut self.alarm, alarm),
            std::mem::replace(&mut self.clerk, clerk),
        ] {
            before.send_replace(true);
        }
    }

    /// The destinations that rest, as far as the courier at work knows.
    pub(super) fn rests(&self) -> Arc<Rests> {
        Arc::clone(&self.desk.read().unwrap_or_else(PoisonError::into_inner).rests)
    }

    /// Takes nothing more, and lets what is under way come to its end.
    pub async fn stop(mut self) {
        for part in [&self.stop, &self.worker, &self.courier, &self.alarm, &self.clerk] {
            part.send_replace(true);
        }
        while self.parts.0.len() > self.late.1 && self.parts.0.join_next().await.is_some() {}
        self.late.0.send_replace(true);
        while self.parts.0.join_next().await.is_some() {}
    }
}

/// What a running daemon has to say.
pub enum Next {
    /// A part ended that was not told to.
    Broken,
    /// An admin wants the settings to be read again.
    Reload(ReplyTo),
}

/// The parts; each tells at its end whether it was told to end.
#[derive(Default)]
struct Parts(JoinSet<bool>);

impl Parts {
    /// Starts a part that ends with `stop`. At its end it hands a wake-up on that it may have swallowed.
    fn until<F>(
        &mut self,
        stop: &watch::Sender<bool>,
        part: impl FnOnce(watch::Receiver<bool>) -> F,
        wake: Option<Arc<Notify>>,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (work, told) = (part(stop.subscribe()), stop.subscribe());
        self.0.spawn(async move {
            work.await;
            if let Some(wake) = wake {
                wake.notify_one();
            }
            *told.borrow()
        });
    }

    fn worker(&mut self, rooms: &Rooms, config: &Config) -> watch::Sender<bool> {
        let (stop, wake) = (watch::Sender::new(false), Arc::clone(&rooms.arrived));
        let worker = rooms.worker(config);
        self.until(&stop, |stopped| worker.run(Arc::clone(&wake), stopped), Some(Arc::clone(&wake)));
        stop
    }

    fn alarm(&mut self, alarm: Arc<Alarm>) -> watch::Sender<bool> {
        let stop = watch::Sender::new(false);
        self.until(&stop, |stopped| alarm.run(stopped), None);
        stop
    }

    fn clerk(&mut self, rooms: &Rooms, config: &Config) -> watch::Sender<bool> {
        let (stop, clerk) = (watch::Sender::new(false), rooms.clerk(config));
        self.until(&stop, |stopped| clerk.run(stopped), Some(Arc::clone(&rooms.due)));
        stop
    }

    /// `end` is the end of the whole daemon.
    fn courier(&mut self, rooms: &Rooms, courier: Courier, end: &watch::Sender<bool>) -> watch::Sender<bool> {
        let (stop, wake) = (watch::Sender::new(false), Arc::clone(&rooms.queued));
        let courier = courier.of_daemon(rooms.vitals.clone(), end.subscribe());
        self.until(&stop, |stopped| courier.run(Arc::clone(&wake), stopped), Some(Arc::clone(&wake)));
        stop
    }
}

/// Answers an admin: from the desk, or, where the daemon itself is meant, from whoever reads `ask`.
fn handler(desk: Arc<RwLock<Arc<Desk>>>, ask: mpsc::Sender<ReplyTo>) -> Handler {
    Arc::new(move |request, peer| match request {
        Request::Reload => {
            let (reply, answer) = oneshot::channel();
            tracing::info!(uid = peer.uid, "an admin wants the settings to be read again");
            let answer = ask.blocking_send(reply).ok().and_then(|()| answer.blocking_recv().ok());
            answer.unwrap_or_else(stopping)
        }
        request => {
            let desk = Arc::clone(&desk.read().unwrap_or_else(PoisonError::into_inner));
            desk.answer(request, &peer)
        }
    })
}

fn stopping() -> Answer {
    Answer::Error {
        code: ErrorKind::Unavailable,
        what: "the settings were not read again".to_owned(),
        why: "the daemon is stopping".to_owned(),
        next: "start it: it reads them then".to_owned(),
    }
}
