//! Lanes and turns without a wire.

use super::*;
use crate::egress::scripted::{self, NOW};
use crate::egress::settings::Settings;
use crate::id::Entropy;
use crate::ledger::rests::Rests;

/// Lanes whose destinations all have as many connections as they may.
fn lanes(connections: usize, total: usize, one_destination: bool) -> Lanes {
    let settings = Settings { connections, ..Settings::default() };
    let rests = Arc::new(Rests::new(ToString::to_string));
    let health = Arc::new(Health::new(&settings, rests, Arc::new(Entropy::seeded(1))));
    for destination in ["slow", "quick", "many", "one", "smarthost"] {
        (0..10).for_each(|_| drop(health.opened(destination)));
    }
    Lanes::new(connections, total, one_destination, Turns::new(Duration::from_secs(300)), health)
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
