//! Who comes in by one socket: each client gets a place and a task of its own, or one line that says why not.
//!
//! Nothing here waits for a client, so that no client keeps the next one waiting.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::admission::{Admission, Full, Place};
use super::budget::Budget;
use super::connection::{Shared, Speech, Stream, refuse, serve, stopped};
use super::events::TakeIn;
use super::reception::{Reception, Receptions};
use super::reply::closing;
use super::socket::{Client, Socket};
use crate::time::Clock;

/// So many clients are told at once that there is no place; more are hung up on.
const MAX_REFUSALS: usize = 256;

/// How often refusals are logged: a flood shall not fill the log.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// How long nothing is accepted when the system gives no more sockets: a moment later some are free again.
const PAUSE: Duration = Duration::from_millis(100);

/// What one socket's clients are received with.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) receptions: Receptions,
    pub(super) admission: Admission,
    pub(super) common: (TakeIn, Arc<dyn Clock>, Budget, watch::Receiver<bool>),
}

impl Desk {
    fn shared(&self) -> Shared {
        let Reception { directory, limits, hostname, tls, guard, .. } =
            Reception::clone(&self.receptions.borrow());
        let (take_in, clock, budget, stop) = self.common.clone();
        let admission = self.admission.clone();
        Shared { directory, take_in, clock, budget, admission, guard, limits, hostname, tls, stop }
    }
}

/// What comes in by one socket.
pub(super) struct Acceptor {
    speech: Speech,
    desk: Desk,
    connections: JoinSet<()>,
    refusals: JoinSet<()>,
    refused: Refused,
}

impl Acceptor {
    pub(super) fn new(speech: Speech, desk: Desk) -> Self {
        let (connections, refusals) = (JoinSet::new(), JoinSet::new());
        Self { speech, desk, connections, refusals, refused: Refused::default() }
    }

    /// Accepts until the stop, then waits for the connections.
    pub(super) async fn run(mut self, socket: Socket) {
        let mut stop = self.desk.common.3.clone();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(ended) = self.connections.join_next() => note(ended),
                Some(ended) = self.refusals.join_next() => note(ended),
                () = self.refused.due() => self.refused.tell(),
                client = socket.accept() => match client {
                    Ok(Client::Tcp(stream, ip)) => self.admit(stream, Some(ip)),
                    Ok(Client::Unix(stream)) => self.admit(stream, None),
                    Err(why) => self.fail(&why).await,
                },
            }
        }
        drop(socket);
        self.refused.tell();
        self.drain().await;
    }

    /// Starts a connection's task, or turns the client away.
    fn admit<S: Stream + 'static>(&mut self, stream: S, client: Option<IpAddr>) {
        let (speech, shared) = (self.speech, self.desk.shared());
        let place = match place(&shared, client) {
            Ok(place) => place,
            Err((short, why)) => {
                return self.turn_away(stream, client, short, closing(&shared.hostname, "4.7.0", &why));
            }
        };
        self.connections.spawn(async move {
            let _place: Place = place;
            serve(stream, client, speech, shared).await;
        });
    }

    fn turn_away<S: Stream + 'static>(
        &mut self,
        stream: S,
        client: Option<IpAddr>,
        short: &'static str,
        text: Vec<u8>,
    ) {
        counter!("vouchsafe_connections_refused_total", "why" => short).increment(1);
        self.refused.note(client, short);
        // Before TLS there is no way to say it.
        if self.speech != Speech::Smtps && self.refusals.len() < MAX_REFUSALS {
            self.refusals.spawn(refuse(stream, text));
        }
    }

    async fn fail(&mut self, why: &io::Error) {
        counter!("vouchsafe_accept_errors_total").increment(1);
        tracing::warn!(kind = ?why.kind(), code = ?why.raw_os_error(), "cannot accept a connection");
        sleep(PAUSE).await;
    }

    async fn drain(mut self) {
        let drained = async {
            while let Some(ended) = self.connections.join_next().await {
                note(ended);
            }
        };
        let grace = Duration::from_secs(self.desk.shared().limits.shutdown_grace);
        if timeout(grace, drained).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "connections cut off at the end");
            self.connections.shutdown().await;
        }
    }
}

/// A place for a client; else a word for the log, and what the client is told.
fn place(shared: &Shared, client: Option<IpAddr>) -> Result<Place, (&'static str, String)> {
    let full = match shared.admission.enter(client) {
        Ok(place) => {
            let often = shared.guard.connects_too_often(client, shared.clock.now());
            return often.map_or(Ok(place), |why| Err(("often", format!("says: {why}"))));
        }
        Err(full) => full,
    };
    Err(match full {
        Full::All => ("all", "has too many connections".to_owned()),
        Full::Client => ("client", "has too many connections from you".to_owned()),
    })
}

/// Refusals that are not logged yet.
#[derive(Default)]
struct Refused {
    counts: BTreeMap<&'static str, u64>,
    last: Option<IpAddr>,
    told: Option<Instant>,
}

impl Refused {
    /// The first one is told at once, what follows it together.
    fn note(&mut self, client: Option<IpAddr>, why: &'static str) {
        let count = self.counts.entry(why).or_default();
        *count = count.saturating_add(1);
        self.last = client;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.tell();
        }
    }

    /// When something is to be told; never, while there is nothing.
    async fn due(&self) {
        match self.told.filter(|_| !self.counts.is_empty()) {
            Some(told) => tokio::time::sleep_until(told + TELL_EVERY).await,
            None => std::future::pending().await,
        }
    }

    fn tell(&mut self) {
        if self.counts.is_empty() {
            return;
        }
        for (why, count) in std::mem::take(&mut self.counts) {
            tracing::warn!(why, count, client = ?self.last, "connections refused");
        }
        self.told = Some(Instant::now());
    }
}

/// A connection that broke down harms nobody else. What it said is not logged: it could quote content.
fn note(ended: Result<(), JoinError>) {
    if ended.is_err_and(|e| e.is_panic()) {
        tracing::error!("a connection ended in a panic");
    }
}
