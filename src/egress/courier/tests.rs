//! The courier at work: a queue, a next hop that follows a script, and a clock that stands still.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::egress::carrier::{Attempt, Outcome};
use crate::egress::delivery::conclude;
use crate::egress::period::Period;
use crate::egress::route::{Timeouts, TlsMode};
use crate::egress::scripted::{self, Act, Heard, Hop, NOW, Script, body, say};
use crate::egress::smtp::Step;
use crate::ledger::queue::{Done, Row, State};
use crate::time::{ManualClock, Timestamp};

/// Long enough for any machine; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn settings(hop: &Hop) -> Settings {
    let timeouts = Timeouts { command: Period::secs(20), ..Timeouts::default() };
    Settings {
        smarthost: Some(hop.address.to_string().parse().unwrap()),
        tls: TlsMode::None,
        timeouts,
        ..Settings::default()
    }
}

/// A courier at work.
pub(super) struct Bench {
    pub(super) queue: Queue,
    pub(super) clock: ManualClock,
    pub(super) rests: Arc<Rests>,
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    courier: tokio::task::JoinHandle<()>,
}

impl Bench {
    /// Starts with copies number 0 to `copies`, each with its own body.
    pub(super) fn start(settings: &Settings, copies: u64) -> Self {
        let queue = scripted::queue();
        for n in 0..copies {
            let parcel = scripted::parcel(n, &format!("reader{n}@example.org"), 1000);
            scripted::enqueue(&queue, &parcel, &body(1000), NOW);
        }
        let clock = ManualClock::at(NOW);
        let courier =
            Courier::new(queue.clone(), settings, &DnsSettings::default(), Arc::new(clock.clone())).unwrap();
        let rests = courier.rests();
        let (wake, stop) = (Arc::new(Notify::new()), watch::Sender::new(false));
        let courier = tokio::spawn(courier.run(Arc::clone(&wake), stop.subscribe()));
        Self { queue, clock, rests, wake, stop, courier }
    }

    /// Starts with `mails` mails to each of these readers.
    fn start_with(settings: &Settings, readers: &[&str], mails: u64) -> Self {
        let bench = Self::start(settings, 0);
        for (n, reader) in
            (0..).zip(readers.iter().cycle().take(readers.len() * usize::try_from(mails).unwrap()))
        {
            bench.enqueue(n, &format!("{reader}@example.org"));
        }
        bench
    }

    /// Waits until this holds.
    pub(super) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.next_due().unwrap().is_none()
    }

    /// Whether copies are there and each has failed for good.
    pub(super) fn all_failed(&self) -> bool {
        let rows = self.queue.ls(None, 1000).unwrap();
        !rows.is_empty() && rows.iter().all(|row| row.state == State::Failed)
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.queue.ls(None, 1000).unwrap()
    }

    /// What an admin's `queue retry --all` does to the copies.
    pub(super) fn retry_all(&self) {
        for row in self.rows() {
            self.queue.retry(row.id, self.clock.now()).unwrap();
        }
        self.wake.notify_one();
    }

    pub(super) fn enqueue(&self, n: u64, recipient: &str) {
        let parcel = scripted::parcel(n, recipient, 1000);
        scripted::enqueue(&self.queue, &parcel, &body(1000), self.clock.now());
        self.wake.notify_one();
    }

    /// Waits until every copy in the queue rests for longer than any lease here; returns how long the first one does.
    async fn until_deferred(&self) -> Duration {
        let pause =
            || self.queue.next_due().unwrap().map(|due| due.since(self.clock.now())).unwrap_or_default();
        self.until("all are deferred", || pause() > Duration::from_secs(120)).await;
        pause()
    }

    pub(super) fn set_clock(&self, to: Timestamp) {
        self.clock.set(to);
        self.wake.notify_one();
    }

    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.wake.notify_one();
    }

    pub(super) async fn finish(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.courier).await.unwrap().unwrap();
    }
}

fn recipients(hop: &Hop) -> BTreeSet<String> {
    hop.commands().into_iter().filter(|line| line.starts_with("RCPT")).collect()
}

#[tokio::test]
async fn every_copy_arrives_once_over_few_connections() {
    let hop = Hop::start(Script::willing(&["PIPELINING", "SIZE"])).await;
    let bench = Bench::start(&settings(&hop), 200);
    bench.until("all are delivered", || bench.is_empty()).await;
    assert_eq!((hop.messages().len(), recipients(&hop).len()), (200, 200));
    assert!(hop.connections() <= 10, "{}", hop.connections());
    let connections = hop.connections();
    bench.finish().await;
    assert_eq!(hop.heard("QUIT"), connections, "leave is taken at the end");
}

#[tokio::test]
async fn one_hanging_reader_keeps_nobody_else_waiting() {
    let hop = Hop::start(Script::new(&[], |heard: &Heard| {
        (heard.line == "RCPT TO:<reader17@example.org>").then_some(Act::Hang)
    }))
    .await;
    let begun = Instant::now();
    let bench = Bench::start(&settings(&hop), 100);
    bench.until("99 are delivered", || hop.messages().len() == 99).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(hop.connections() <= 10);
    bench.courier.abort();
}

#[tokio::test]
async fn a_verdict_that_never_comes_keeps_no_copy_whose_envelope_was_sent_behind_it() {
    for connections in [2, 10] {
        let hanging = Arc::new(std::sync::Mutex::new(None));
        let hop = Hop::start(Script::new(&["PIPELINING"], move |heard: &Heard| {
            let mut hanging = hanging.lock().unwrap();
            if heard.line == "RCPT TO:<reader17@example.org>" {
                *hanging = Some((heard.connection, heard.transaction));
            }
            let theirs = *hanging == Some((heard.connection, heard.transaction));
            (heard.verb == "DOT" && theirs).then_some(Act::Hang)
        }))
        .await;
        let bench = Bench::start(&Settings { connections, ..settings(&hop) }, 100);
        bench.until("99 are delivered", || bench.rows().len() == 1).await;
        assert_eq!(bench.rows()[0].recipient, "reader17@example.org");
        // Its content came, too.
        assert_eq!(hop.messages().len(), 100, "each once");
        bench.courier.abort();
    }
}

fn hanging(heard: &Heard) -> Option<Act> {
    heard.line.starts_with("RCPT TO:<hangs").then_some(Act::Hang)
}

#[tokio::test]
async fn many_copies_for_a_hanging_reader_keep_nobody_else_waiting() {
    let hop = Hop::start(Script::new(&[], hanging)).await;
    let begun = Instant::now();
    let bench = Bench::start_with(&settings(&hop), &["hangs", "ada", "bob", "cleo", "dan"], 30);
    bench
        .until("all others are delivered", || {
            // What was put back comes when its time has come.
            bench.advance(Duration::from_millis(20));
            hop.messages().len() == 120
        })
        .await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(hop.heard("RCPT TO:<hangs@"), 1, "one at a time, and its time is not up");
    bench.courier.abort();
}

#[tokio::test]
async fn copies_for_a_hanging_reader_are_tried_one_after_another() {
    let hop = Hop::start(Script::new(&[], hanging)).await;
    let timeouts = Timeouts { command: Period::millis(200), ..Timeouts::default() };
    let settings = Settings { timeouts, ..settings(&hop) };
    let begun = Instant::now();
    let bench = Bench::start_with(&settings, &["hangs"], 8);
    let deferred = || bench.queue.ls(None, 100).unwrap().iter().filter(|row| row.last.is_some()).count();
    bench
        .until("each was tried and deferred", || {
            bench.advance(Duration::from_secs(1));
            deferred() == 8
        })
        .await;
    assert!(begun.elapsed() >= Duration::from_millis(8 * 200), "never two at once: {:?}", begun.elapsed());
    bench.courier.abort();
}

#[tokio::test]
async fn hanging_readers_as_many_as_connections_stop_the_others_once() {
    let hop = Hop::start(Script::new(&[], hanging)).await;
    let timeouts = Timeouts { command: Period::secs(3), ..Timeouts::default() };
    let settings = Settings { timeouts, ..settings(&hop) };
    let bench = Bench::start(&settings, 0);
    let hanging =
        |from: u64| (from..from + 10).for_each(|n| bench.enqueue(n, &format!("hangs{}@example.org", n % 10)));
    hanging(0);
    bench.until("all have hung", || hop.heard("RCPT TO:<hangs") == 10).await;
    let deferred = || bench.queue.ls(None, 100).unwrap().iter().all(|row| row.last.is_some());
    bench.until("all are deferred", deferred).await;
    hanging(10);
    bench.until("half of them hang again", || hop.heard("RCPT TO:<hangs") == 15).await;
    bench.enqueue(100, "ada@example.org");
    bench.until("the other copy is delivered", || hop.messages().len() == 1).await;
    assert!(hop.heard("RCPT TO:<hangs") == 15, "while they hang");
    bench.courier.abort();
}

fn greylisting(heard: &Heard) -> Option<Act> {
    if heard.line.starts_with("RCPT TO:<grey") { say("451 4.7.1 greylisted") } else { None }
}

#[tokio::test]
async fn a_deferred_copy_comes_back_after_its_pause_and_not_before() {
    let hop = Hop::start(Script::new(&[], greylisting)).await;
    let settings = Settings { lease: Period::mins(1), ..settings(&hop) };
    let bench = Bench::start(&settings, 0);
    bench.enqueue(0, "grey@example.org");
    for (attempt, minutes) in [(1, 5.0), (2, 10.0), (3, 20.0)] {
        let pause = bench.until_deferred().await;
        assert_eq!(hop.heard("RCPT TO:<grey@"), attempt);
        assert!((minutes * 54.0..=minutes * 66.0).contains(&pause.as_secs_f64()), "{attempt}: {pause:?}");
        bench.clock.advance(pause - Duration::from_secs(1));
        // A copy that is due now shows that the courier has looked.
        bench.enqueue(attempt as u64, &format!("due{attempt}@example.org"));
        bench.until("the other copy is delivered", || hop.messages().len() == attempt).await;
        assert_eq!(hop.heard("RCPT TO:<grey@"), attempt, "not before its time");
        bench.advance(Duration::from_secs(2));
        bench.until("it is tried again", || hop.heard("RCPT TO:<grey@") == attempt + 1).await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn after_five_days_it_is_over() {
    let hop = Hop::start(Script::new(&[], greylisting)).await;
    let settings = Settings { lease: Period::mins(1), ..settings(&hop) };
    let bench = Bench::start(&settings, 0);
    bench.enqueue(0, "grey@example.org");
    bench.until_deferred().await;
    bench.advance(Duration::from_secs(5 * 86_400));
    bench.until("it is given up", || bench.all_failed()).await;
    assert_eq!(hop.heard("RCPT"), 2);
    bench.finish().await;
}

#[test]
fn giving_up_says_why() {
    let queue = scripted::queue();
    scripted::enqueue(&queue, &scripted::parcel(0, "ada@example.org", 10), &body(10), NOW);
    let job = queue.claim(NOW, Duration::from_secs(60), 1).unwrap().remove(0);
    let done = |outcome, days: u64| {
        let attempt = Attempt {
            outcome,
            reply: "451 4.7.1 later".to_owned(),
            host: "hop".to_owned(),
            code: Some(451),
            cause: None,
            hung: false,
            step: Step::Rcpt,
            unreached: None,
        };
        let now = NOW.after(Duration::from_secs(days * 86_400));
        conclude(attempt, &job, None, &Settings::default(), now, &Entropy::seeded(1))
    };
    let over = Done::Expired { after: "5 days".to_owned(), reply: "451 4.7.1 later".to_owned() };
    assert_eq!(done(Outcome::Deferred, 5), over);
    assert!(matches!(done(Outcome::Deferred, 4), Done::Deferred { .. }));
    assert!(matches!(done(Outcome::Delivered, 9), Done::Delivered { .. }));
    assert!(matches!(done(Outcome::Failed, 0), Done::Failed { reply } if reply == "451 4.7.1 later"));
}

#[tokio::test]
async fn a_refused_copy_is_not_tried_again() {
    let refuse = |heard: &Heard| if heard.verb == "DOT" { say("550 5.7.1 no") } else { None };
    let hop = Hop::start(Script::new(&["PIPELINING"], refuse)).await;
    let bench = Bench::start(&settings(&hop), 3);
    bench.until("all have failed", || bench.all_failed()).await;
    assert_eq!(hop.heard("MAIL"), 3);
    bench.finish().await;
}

#[tokio::test]
async fn at_shutdown_running_deliveries_finish_and_are_recorded() {
    let release = Arc::new(Notify::new());
    let gate = Arc::clone(&release);
    let hop = Hop::start(Script::new(&[], move |heard: &Heard| {
        (heard.verb == "DOT").then(|| Act::After(Arc::clone(&gate)))
    }))
    .await;
    let bench = Bench::start(&settings(&hop), 1);
    bench.until("the message is out", || hop.messages().len() == 1).await;
    let queue = bench.queue.clone();
    bench.stop.send_replace(true);
    assert!(!bench.courier.is_finished());
    release.notify_one();
    bench.finish().await;
    assert_eq!(queue.next_due().unwrap(), None, "it was delivered, and that was recorded");
}

#[tokio::test]
async fn at_shutdown_idle_connections_are_given_up_before_running_deliveries_end() {
    let release = Arc::new(Notify::new());
    let gate = Arc::clone(&release);
    let hop = Hop::start(Script::new(&[], move |heard: &Heard| {
        (heard.line == "RCPT TO:<late@example.org>").then(|| Act::After(Arc::clone(&gate)))
    }))
    .await;
    let bench = Bench::start(&settings(&hop), 40);
    bench.until("all arrive", || bench.is_empty()).await;
    bench.enqueue(100, "late@example.org");
    bench.until("one is under way", || hop.heard("RCPT TO:<late@") == 1).await;
    assert!(hop.open() > 1, "and others are idle");
    bench.stop.send_replace(true);
    bench.until("only that one stands", || hop.open() == 1).await;
    release.notify_one();
    bench.finish().await;
    assert_eq!(hop.messages().len(), 41);
}

#[tokio::test]
async fn at_shutdown_what_is_not_finished_goes_back() {
    let hop = Hop::start(Script::new(&[], |heard: &Heard| (heard.verb == "RCPT").then_some(Act::Hang))).await;
    let settings = Settings { drain: Period::millis(100), ..settings(&hop) };
    let bench = Bench::start(&settings, 30);
    bench.until("ten hang", || hop.heard("RCPT") == 10).await;
    let queue = bench.queue.clone();
    assert_eq!(queue.claim(NOW, Duration::from_secs(1), 100).unwrap().len(), 0, "all are claimed");
    bench.finish().await;
    assert_eq!(queue.claim(NOW, Duration::from_secs(1), 100).unwrap().len(), 30, "all are free again");
}

#[tokio::test]
async fn a_claim_never_outlasts_its_lease() {
    let hop = Hop::start(Script::new(&[], |heard: &Heard| (heard.verb == "RCPT").then_some(Act::Hang))).await;
    let settings = Settings { lease: Period::millis(600), ..settings(&hop) };
    let bench = Bench::start(&settings, 20);
    // The first ten hang until their lease is nearly over; the others go back in time and come again, so that each is
    // tried, and none by two at once.
    bench.until_deferred().await;
    assert_eq!((hop.heard("RCPT"), recipients(&hop).len()), (20, 20));
    bench.finish().await;
}

#[tokio::test]
async fn without_anyone_to_stop_it_the_courier_stops() {
    let hop = Hop::start(Script::willing(&[])).await;
    let Bench { stop, courier, .. } = Bench::start(&settings(&hop), 0);
    drop(stop);
    tokio::time::timeout(PATIENCE, courier).await.unwrap().unwrap();
}
