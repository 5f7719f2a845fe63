//! Claimed copies that wait for a free connection and their recipient's turn, sorted by destination.
//!
//! A slow destination fills its own lane and nobody else's, and a slow recipient only its share of a lane. What does not
//! fit goes back to the queue for a while, so that other copies can be claimed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::egress::health::Health;
use crate::egress::turns::{Turn, Turns};
use crate::ledger::queue::Job;
use crate::mail::address::Address;

/// How many copies wait per connection: enough that a freed connection finds the next one at once. One recipient has one
/// connection, so this is its share of a lane that fills.
const WAITING_PER_CONNECTION: usize = 4;

/// How long copies for a destination with a full lane rest before they can be claimed again.
const BUSY_PAUSE: Duration = Duration::from_secs(10);

/// A claimed copy, and since when it has been ours.
pub(crate) struct Waiting {
    pub(crate) job: Job,
    pub(crate) claimed_at: Instant,
}

/// A claimed copy that goes back to the queue, and how long it rests there.
pub(crate) struct Return {
    pub(crate) job: Job,
    pub(crate) pause: Duration,
}

pub(crate) struct Lanes {
    /// Connections per destination.
    connections: usize,
    /// Connections in all.
    total: usize,
    /// What recipients that hung may use of `total`.
    slow: Arc<Semaphore>,
    turns: Turns,
    /// How many of its connections each destination may have now.
    health: Arc<Health>,
    lanes: HashMap<String, Lane>,
}

struct Lane {
    free: Arc<Semaphore>,
    /// What recipients that hung may use of `free`.
    slow: Arc<Semaphore>,
    waiting: VecDeque<Waiting>,
}

impl Lanes {
    /// With one destination only (a smarthost) the total is that destination's.
    pub(crate) fn new(
        connections: usize,
        total: usize,
        one_destination: bool,
        turns: Turns,
        health: Arc<Health>,
    ) -> Self {
        let total = if one_destination { connections } else { total.max(connections) };
        let slow = Arc::new(Semaphore::new(half(total)));
        Self { connections, total, slow, turns, health, lanes: HashMap::new() }
    }

    /// How many further connections there may be beside `running` deliveries.
    pub(crate) fn spare(&self, running: usize) -> usize {
        self.total.saturating_sub(running)
    }

    /// How many copies to claim next, `running` deliveries being under way. Claims are durable commits, so they come in
    /// batches unless a connection would stand idle.
    pub(crate) fn wanted(&self, running: usize) -> usize {
        let in_hand = running + self.waiting();
        let room = (self.total * (1 + WAITING_PER_CONNECTION)).saturating_sub(in_hand);
        if running < self.total || room >= self.total { room } else { 0 }
    }

    /// Lets a copy wait in its lane; gives it back if there is no room for it.
    #[must_use]
    pub(crate) fn add(&mut self, destination: String, waiting: Waiting) -> Option<Return> {
        let connections = self.connections;
        let lane = self.lanes.entry(destination).or_insert_with(|| Lane {
            free: Arc::new(Semaphore::new(connections)),
            slow: Arc::new(Semaphore::new(half(connections))),
            waiting: VecDeque::new(),
        });
        let recipient = &waiting.job.parcel.recipient;
        if lane.has_enough_for(recipient, connections, &self.turns) {
            let pause = self.turns.pause(recipient);
            return Some(Return { job: waiting.job, pause });
        }
        let room = connections * WAITING_PER_CONNECTION + lane.free.available_permits();
        if lane.waiting.len() >= room {
            return Some(Return { job: waiting.job, pause: BUSY_PAUSE });
        }
        lane.waiting.push_back(waiting);
        None
    }

    /// The next copy to send and its recipient's turn, from the destination that uses the fewest connections; none when
    /// `running` deliveries are as many as may be.
    pub(crate) fn next(&mut self, running: usize) -> Option<(Waiting, Turn)> {
        if running >= self.total {
            return None;
        }
        let (slow, turns, health, most) = (&self.slow, &self.turns, &self.health, self.connections);
        let ready =
            self.lanes.iter_mut().filter(|(name, lane)| lane.in_use(most) < health.allowed(name).min(most));
        let ready = ready.filter_map(|(_, lane)| lane.first_ready(slow, turns).map(|at| (lane, at)));
        let (lane, at) = ready.max_by_key(|(lane, _)| lane.free.available_permits())?;
        let waiting = lane.waiting.remove(at)?;
        let recipient = &waiting.job.parcel.recipient;
        let mut permits = vec![&lane.free];
        if turns.is_slow(recipient) {
            permits.extend([&lane.slow, slow]);
        }
        let permits = permits.into_iter().filter_map(|of| Arc::clone(of).try_acquire_owned().ok());
        let turn = turns.begin(recipient, permits.collect());
        Some((waiting, turn))
    }

    /// The next copy for the connection of a delivery that is about to end, and its recipient's turn: only where that
    /// copy would wait for just this connection, so that it never waits for another copy's verdict without need.
    pub(crate) fn follow(&mut self, destination: &str, before: &mut Turn) -> Option<(Waiting, Turn)> {
        let in_use: usize = self.lanes.values().map(|lane| lane.in_use(self.connections)).sum();
        let full = in_use >= self.total;
        if full && self.lanes.iter().any(|(name, lane)| name != destination && !lane.waiting.is_empty()) {
            return None;
        }
        let allowed = self.health.allowed(destination).min(self.connections);
        let lane = self.lanes.get_mut(destination)?;
        let theirs = lane.in_use(self.connections);
        if theirs > allowed || (theirs < allowed && !full) {
            return None;
        }
        let turns = &self.turns;
        let at = lane.waiting.iter().position(|waiting| {
            let recipient = &waiting.job.parcel.recipient;
            !turns.is_taken(recipient) && !turns.is_slow(recipient)
        })?;
        let waiting = lane.waiting.remove(at)?;
        let turn = turns.begin(&waiting.job.parcel.recipient, before.hand_over());
        Some((waiting, turn))
    }

    /// Whether a copy to `destination` could have a further connection now.
    pub(crate) fn would_start(&self, destination: &str) -> bool {
        let in_use: usize = self.lanes.values().map(|lane| lane.in_use(self.connections)).sum();
        let theirs = self.lanes.get(destination).map_or(0, |lane| lane.in_use(self.connections));
        in_use < self.total && theirs < self.health.allowed(destination).min(self.connections)
    }

    /// Whether a delivery that has taken so long hangs.
    pub(crate) fn is_hanging_after(&self, time: Duration) -> bool {
        self.turns.is_hanging_after(time)
    }

    /// Lets a copy that was to follow wait for any connection again, first of all. The connection stays with the one
    /// before.
    pub(crate) fn let_go(&mut self, destination: &str, (waiting, turn): (Waiting, Turn), before: &mut Turn) {
        before.take_back(turn);
        // The copy before is still under way, so its lane is there.
        if let Some(lane) = self.lanes.get_mut(destination) {
            lane.waiting.push_front(waiting);
        }
    }

    /// Takes out what waits for a destination of which this holds.
    pub(crate) fn take(&mut self, of: impl Fn(&str) -> bool) -> Vec<(String, Job)> {
        let lanes = self.lanes.iter_mut().filter(|(name, lane)| !lane.waiting.is_empty() && of(name));
        lanes
            .flat_map(|(name, lane)| lane.waiting.drain(..).map(|waiting| (name.clone(), waiting.job)))
            .collect()
    }

    /// Takes out what waits in vain: for longer than `limit`, as its lease would not last for a delivery, or for a
    /// recipient that hangs.
    pub(crate) fn overdue(&mut self, limit: Duration) -> Vec<Return> {
        let turns = &self.turns;
        let mut out = Vec::new();
        for lane in self.lanes.values_mut() {
            let (stay, leave) = std::mem::take(&mut lane.waiting).into_iter().partition(|waiting| {
                waiting.claimed_at.elapsed() < limit && !turns.is_hanging(&waiting.job.parcel.recipient)
            });
            lane.waiting = stay;
            let leave: VecDeque<Waiting> = leave;
            out.extend(leave.into_iter().map(|Waiting { job, .. }| {
                let recipient = &job.parcel.recipient;
                let in_vain = turns.is_hanging(recipient) || turns.is_slow(recipient);
                let pause = if in_vain { turns.pause(recipient) } else { Duration::ZERO };
                Return { job, pause }
            }));
        }
        let connections = self.connections;
        self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.free.available_permits() < connections);
        self.turns.tidy();
        self.health.tidy();
        out
    }

    /// How long until [`Lanes::overdue`] finds something, if no delivery ends before.
    pub(crate) fn until_overdue(&self, limit: Duration) -> Option<Duration> {
        let waiting = self.lanes.values().flat_map(|lane| &lane.waiting);
        let left = waiting.map(|Waiting { job, claimed_at }| {
            let late = limit.saturating_sub(claimed_at.elapsed());
            self.turns.until_hanging(&job.parcel.recipient).map_or(late, |hanging| hanging.min(late))
        });
        left.min()
    }

    /// Takes out everything.
    pub(crate) fn drain(&mut self) -> Vec<Job> {
        self.lanes.drain().flat_map(|(_, lane)| lane.waiting).map(|waiting| waiting.job).collect()
    }

    fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len()).sum()
    }
}

impl Lane {
    /// How many of its connections are in use.
    fn in_use(&self, connections: usize) -> usize {
        connections.saturating_sub(self.free.available_permits())
    }

    /// Whether a further copy for this recipient would only keep others from waiting here.
    fn has_enough_for(&self, recipient: &Address, connections: usize, turns: &Turns) -> bool {
        let theirs =
            || self.waiting.iter().filter(|waiting| waiting.job.parcel.recipient == *recipient).count();
        let half_full = self.waiting.len() >= half(connections * WAITING_PER_CONNECTION);
        if turns.is_slow(recipient) {
            return turns.is_taken(recipient) || half_full || theirs() > 0;
        }
        turns.is_hanging(recipient) || (half_full && theirs() >= WAITING_PER_CONNECTION)
    }

    /// Where the first copy stands whose recipient may have its turn now.
    fn first_ready(&self, slow: &Semaphore, turns: &Turns) -> Option<usize> {
        let slow_may = self.slow.available_permits() > 0 && slow.available_permits() > 0;
        self.waiting.iter().position(|waiting| {
            let recipient = &waiting.job.parcel.recipient;
            !turns.is_taken(recipient) && (slow_may || !turns.is_slow(recipient))
        })
    }
}

fn half(of: usize) -> usize {
    (of / 2).max(1)
}

#[cfg(test)]
mod tests;
