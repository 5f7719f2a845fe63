//! Claimed copies that wait for a free connection, sorted by destination.
//!
//! A slow destination fills its own lane and nobody else's. What does not fit goes back to the queue for a moment, so
//! that copies for other destinations can be claimed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::ledger::queue::Job;

/// How many copies wait per connection: enough that a freed connection finds the next one at once.
const WAITING_PER_CONNECTION: usize = 4;

/// A claimed copy, and since when it has been ours.
pub(crate) struct Waiting {
    pub(crate) job: Job,
    pub(crate) claimed_at: Instant,
}

pub(crate) struct Lanes {
    /// Connections per destination.
    connections: usize,
    /// Connections in all.
    total: usize,
    lanes: HashMap<String, Lane>,
}

struct Lane {
    free: Arc<Semaphore>,
    waiting: VecDeque<Waiting>,
}

impl Lanes {
    /// With one destination only (a smarthost) the total is that destination's.
    pub(crate) fn new(connections: usize, total: usize, one_destination: bool) -> Self {
        let total = if one_destination { connections } else { total.max(connections) };
        Self { connections, total, lanes: HashMap::new() }
    }

    /// How many copies to claim next, `running` deliveries being under way. Claims are durable commits, so they come in
    /// batches unless a connection would stand idle.
    pub(crate) fn wanted(&self, running: usize) -> usize {
        let in_hand = running + self.waiting();
        let room = (self.total * (1 + WAITING_PER_CONNECTION)).saturating_sub(in_hand);
        if running < self.total || room >= self.total { room } else { 0 }
    }

    /// Lets a copy wait in its lane; gives it back if the lane is full.
    #[must_use]
    pub(crate) fn add(&mut self, destination: String, waiting: Waiting) -> Option<Job> {
        let connections = self.connections;
        let lane = self.lanes.entry(destination).or_insert_with(|| Lane {
            free: Arc::new(Semaphore::new(connections)),
            waiting: VecDeque::new(),
        });
        let room = connections * WAITING_PER_CONNECTION + lane.free.available_permits();
        if lane.waiting.len() >= room {
            return Some(waiting.job);
        }
        lane.waiting.push_back(waiting);
        None
    }

    /// The next copy to send and its right to a connection, from the destination that uses the fewest; none when
    /// `running` deliveries are as many as may be.
    pub(crate) fn next(&mut self, running: usize) -> Option<(Waiting, OwnedSemaphorePermit)> {
        if running >= self.total {
            return None;
        }
        let ready = self.lanes.values_mut().filter(|lane| !lane.waiting.is_empty());
        let lane = ready.max_by_key(|lane| lane.free.available_permits())?;
        let permit = Arc::clone(&lane.free).try_acquire_owned().ok()?;
        lane.waiting.pop_front().map(|waiting| (waiting, permit))
    }

    /// Takes out what has waited for longer than `limit`: its lease would not last for a delivery.
    pub(crate) fn overdue(&mut self, limit: Duration) -> Vec<Job> {
        let mut out = Vec::new();
        for lane in self.lanes.values_mut() {
            while let Some(late) = lane.waiting.pop_front_if(|waiting| waiting.claimed_at.elapsed() >= limit)
            {
                out.push(late.job);
            }
        }
        let connections = self.connections;
        self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.free.available_permits() < connections);
        out
    }

    /// When the copy that has waited longest was claimed.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| lane.waiting.front().map(|waiting| waiting.claimed_at)).min()
    }

    /// Takes out everything.
    pub(crate) fn drain(&mut self) -> Vec<Job> {
        self.lanes.drain().flat_map(|(_, lane)| lane.waiting).map(|waiting| waiting.job).collect()
    }

    fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::scripted::{self, NOW};

    fn waiting(count: u64) -> Vec<Waiting> {
        let queue = scripted::queue();
        for n in 0..count {
            scripted::enqueue(&queue, &scripted::parcel(n, "ada@example.org", 10), b"0123456789", NOW);
        }
        let jobs = queue.claim(NOW, Duration::from_secs(60), usize::MAX).unwrap();
        jobs.into_iter().map(|job| Waiting { job, claimed_at: Instant::now() }).collect()
    }

    /// Fills the lane of `destination`; returns how many copies found no room.
    fn fill(lanes: &mut Lanes, destination: &str, count: u64) -> usize {
        waiting(count).into_iter().filter_map(|w| lanes.add(destination.to_owned(), w)).count()
    }

    fn start_all(lanes: &mut Lanes) -> Vec<OwnedSemaphorePermit> {
        let mut running = Vec::new();
        while let Some((_, permit)) = lanes.next(running.len()) {
            running.push(permit);
        }
        running
    }

    #[tokio::test]
    async fn a_slow_destination_fills_only_its_own_lane() {
        let mut lanes = Lanes::new(2, 6, false);
        assert_eq!(fill(&mut lanes, "slow", 100), 90, "two connections and eight waiting");
        let hanging = start_all(&mut lanes);
        assert_eq!(hanging.len(), 2);
        assert!(lanes.wanted(hanging.len()) > 0, "copies for others can still be claimed");
        assert_eq!(fill(&mut lanes, "quick", 1), 0);
        assert!(lanes.next(hanging.len()).is_some());
    }

    #[tokio::test]
    async fn the_destination_with_the_fewest_connections_comes_first() {
        let mut lanes = Lanes::new(4, 4, false);
        fill(&mut lanes, "many", 10);
        let first = [lanes.next(0).unwrap().1, lanes.next(1).unwrap().1];
        fill(&mut lanes, "one", 1);
        assert!(lanes.next(2).is_some());
        assert!(lanes.lanes["one"].waiting.is_empty(), "it was its turn");
        assert!(lanes.next(4).is_none(), "no more than the total");
        drop(first);
    }

    #[tokio::test]
    async fn claims_come_in_batches_unless_a_connection_stands_idle() {
        let mut lanes = Lanes::new(10, 100, true);
        assert_eq!(lanes.wanted(0), 50);
        assert_eq!(fill(&mut lanes, "smarthost", 50), 0, "all that is wanted finds room");
        let running = start_all(&mut lanes);
        assert_eq!((running.len(), lanes.wanted(10)), (10, 0));
        for _ in 0..9 {
            lanes.lanes.get_mut("smarthost").unwrap().waiting.pop_front();
        }
        assert_eq!(lanes.wanted(10), 0, "not for so few");
        lanes.lanes.get_mut("smarthost").unwrap().waiting.pop_front();
        assert_eq!((lanes.wanted(10), lanes.wanted(9)), (10, 11));
    }

    #[tokio::test]
    async fn what_waited_too_long_is_given_back_and_empty_lanes_are_forgotten() {
        let mut lanes = Lanes::new(1, 1, false);
        fill(&mut lanes, "slow", 3);
        let running = start_all(&mut lanes);
        assert_eq!(lanes.overdue(Duration::from_secs(60)).len(), 0);
        assert!(lanes.oldest().is_some());
        assert_eq!(lanes.overdue(Duration::ZERO).len(), 2);
        assert_eq!(lanes.lanes.len(), 1, "its connection is still in use");
        drop(running);
        lanes.overdue(Duration::ZERO);
        assert!(lanes.lanes.is_empty() && lanes.oldest().is_none());
    }
}
