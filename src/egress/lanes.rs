//! Claimed copies that wait for a free connection and their recipient's turn, sorted by destination.
//!
//! A slow destination fills its own lane and nobody else's, and a slow recipient only its share of a lane. What does not
//! fit goes back to the queue for a while, so that other copies can be claimed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

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
    pub(crate) fn new(connections: usize, total: usize, one_destination: bool, turns: Turns) -> Self {
        let total = if one_destination { connections } else { total.max(connections) };
        let slow = Arc::new(Semaphore::new(half(total)));
        Self { connections, total, slow, turns, lanes: HashMap::new() }
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
        let (slow, turns) = (&self.slow, &self.turns);
        let ready = self.lanes.values_mut().filter(|lane| lane.free.available_permits() > 0);
        let ready = ready.filter_map(|lane| lane.first_ready(slow, turns).map(|at| (lane, at)));
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
mod tests {
    use super::*;
    use crate::egress::scripted::{self, NOW};

    /// Lanes, and the turns of their recipients.
    fn lanes(connections: usize, total: usize, one_destination: bool) -> Lanes {
        Lanes::new(connections, total, one_destination, Turns::new(Duration::from_secs(300)))
    }

    /// So many copies, each for a recipient of its own.
    fn waiting(count: u64) -> Vec<Waiting> {
        waiting_for(&(0..count).map(|n| format!("reader{n}@example.org")).collect::<Vec<_>>())
    }

    fn waiting_for(recipients: &[String]) -> Vec<Waiting> {
        let queue = scripted::queue();
        for (n, recipient) in (0..).zip(recipients) {
            scripted::enqueue(&queue, &scripted::parcel(n, recipient, 10), b"0123456789", NOW);
        }
        let jobs = queue.claim(NOW, Duration::from_secs(60), usize::MAX).unwrap();
        jobs.into_iter().map(|job| Waiting { job, claimed_at: Instant::now() }).collect()
    }

    /// Fills the lane of `destination`; returns how many copies found no room.
    fn fill(lanes: &mut Lanes, destination: &str, count: u64) -> usize {
        waiting(count).into_iter().filter_map(|w| lanes.add(destination.to_owned(), w)).count()
    }

    fn fill_with(lanes: &mut Lanes, destination: &str, recipients: &[&str]) -> Vec<Return> {
        let all = waiting_for(&recipients.iter().map(ToString::to_string).collect::<Vec<_>>());
        all.into_iter().filter_map(|w| lanes.add(destination.to_owned(), w)).collect()
    }

    fn start_all(lanes: &mut Lanes) -> Vec<Turn> {
        let mut running = Vec::new();
        while let Some((_, turn)) = lanes.next(running.len()) {
            running.push(turn);
        }
        running
    }

    #[tokio::test]
    async fn a_slow_destination_fills_only_its_own_lane() {
        let mut lanes = lanes(2, 6, false);
        assert_eq!(fill(&mut lanes, "slow", 100), 90, "two connections and eight waiting");
        let hanging = start_all(&mut lanes);
        assert_eq!(hanging.len(), 2);
        assert!(lanes.wanted(hanging.len()) > 0, "copies for others can still be claimed");
        assert_eq!(fill(&mut lanes, "quick", 3), 0);
        assert!(lanes.next(hanging.len()).is_some());
    }

    #[tokio::test]
    async fn the_destination_with_the_fewest_connections_comes_first() {
        let mut lanes = lanes(4, 4, false);
        fill(&mut lanes, "many", 10);
        let first = [lanes.next(0).unwrap().1, lanes.next(1).unwrap().1];
        fill_with(&mut lanes, "one", &["bob@example.org"]);
        assert!(lanes.next(2).is_some());
        assert!(lanes.lanes["one"].waiting.is_empty(), "it was its turn");
        assert!(lanes.next(4).is_none(), "no more than the total");
        drop(first);
    }

    #[tokio::test]
    async fn claims_come_in_batches_unless_a_connection_stands_idle() {
        let mut lanes = lanes(10, 100, true);
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
        let mut lanes = lanes(1, 1, false);
        fill(&mut lanes, "slow", 3);
        let running = start_all(&mut lanes);
        assert_eq!(lanes.overdue(Duration::from_secs(60)).len(), 0);
        assert!(lanes.until_overdue(Duration::from_secs(60)).is_some());
        assert_eq!(lanes.overdue(Duration::ZERO).len(), 2);
        assert_eq!(lanes.lanes.len(), 1, "its connection is still in use");
        drop(running);
        lanes.overdue(Duration::ZERO);
        assert!(lanes.lanes.is_empty() && lanes.until_overdue(Duration::ZERO).is_none());
    }

    const HANGS: &str = "hangs@example.org";

    #[tokio::test(start_paused = true)]
    async fn one_recipient_has_one_delivery_and_its_share_of_the_lane() {
        let mut lanes = lanes(10, 100, true);
        let back = fill_with(&mut lanes, "smarthost", &[HANGS; 40]);
        assert_eq!(back.len(), 20, "half of what may wait is for others");
        assert_eq!(fill(&mut lanes, "smarthost", 20), 0, "who find room");
        let running = start_all(&mut lanes);
        assert_eq!(running.len(), 10, "nine others begin at once");
        assert_eq!(lanes.waiting(), 30);
        tokio::time::advance(lanes.until_overdue(Duration::from_secs(300)).unwrap()).await;
        running.iter().skip(1).for_each(|turn| turn.ended(false));
        let back = lanes.overdue(Duration::from_secs(300));
        assert!(back.iter().filter(|back| back.job.parcel.recipient.local() == "hangs").count() == 19);
        assert!(back.iter().all(|back| back.pause >= Duration::from_secs(10)), "and not at once again");
        let again = fill_with(&mut lanes, "smarthost", &[HANGS; 5]);
        assert_eq!(again.len(), 5, "nothing waits for who hangs");
        assert!(again.iter().all(|back| back.pause <= Duration::from_secs(300)));
    }

    #[tokio::test(start_paused = true)]
    async fn recipients_that_hung_have_half_of_the_connections() {
        for (connections, theirs) in [(10, 5), (3, 1), (1, 1)] {
            let mut lanes = lanes(connections, 100, true);
            let slow: Vec<String> = (0..30).map(|n| format!("hangs{n}@example.org")).collect();
            let slow: Vec<&str> = slow.iter().map(String::as_str).collect();
            for recipient in &slow {
                lanes.turns.begin(&recipient.parse().unwrap(), Vec::new()).ended(true);
            }
            let back = fill_with(&mut lanes, "smarthost", &slow);
            assert!(back.len() >= 30 - connections * 2, "nor do they fill the lane");
            let hanging = start_all(&mut lanes);
            assert_eq!(hanging.len(), theirs);
            assert_eq!(fill(&mut lanes, "smarthost", 1), 0);
            assert_eq!(lanes.next(hanging.len()).is_some(), connections > 1);
        }
    }
}
