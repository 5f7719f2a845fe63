//! Destinations that cannot be had, connections that are shared, and how many there are at most.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::time::Instant;

use super::tests::{Bench, settings};
use super::*;
use crate::egress::period::Period;
use crate::egress::route::TlsMode;
use crate::egress::scripted::{self, Act, Heard, Hop, NOW, Script, body, say};
use crate::egress::settings::DomainSettings;
use crate::ledger::queue::State;
use crate::time::{ManualClock, Timestamp};

/// A hop that cannot be had until it is told otherwise.
async fn closed_for_now() -> (Hop, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&open);
    let hop = Hop::start(Script::new(&[], move |heard: &Heard| {
        let shut = heard.verb == "CONNECT" && !asked.load(SeqCst);
        shut.then(|| Act::SayAndClose("421 4.3.2 down for maintenance\r\n".to_owned()))
    }))
    .await;
    (hop, open)
}

fn smarthost(hop: &Hop) -> String {
    hop.address.to_string()
}

#[tokio::test]
async fn a_destination_that_cannot_be_had_rests_and_one_copy_asks_for_all() {
    let (hop, open) = closed_for_now().await;
    let bench = Bench::start(&settings(&hop), 500);
    let rests = Arc::clone(&bench.rests);
    for (times, minutes) in [(1, 5.0), (2, 10.0), (3, 20.0)] {
        bench
            .until("it rests", || rests.last(&smarthost(&hop)).is_some_and(|rest| rest.times == times))
            .await;
        let rest = rests.last(&smarthost(&hop)).unwrap();
        let pause = rest.until.since(bench.clock.now()).as_secs_f64() / 60.0;
        assert!((minutes * 0.9..=minutes * 1.1).contains(&pause), "{times}: {pause}");
        assert_eq!((rest.host.as_str(), rest.why.as_str()), ("127.0.0.1", "421 4.3.2 down for maintenance"));
        let all_rest = || bench.queue.next_due().unwrap() == Some(rest.until);
        bench.until("every copy waits for the same moment", all_rest).await;
        assert_eq!(hop.connections(), times as usize, "and no other was tried");
        bench.advance(rest.until.since(bench.clock.now()));
    }
    bench.until("it rests", || rests.last(&smarthost(&hop)).is_some_and(|rest| rest.times == 4)).await;
    let attempts = || bench.rows().iter().map(|row| row.attempts).sum::<u32>() == 4;
    bench.until("only those that asked count an attempt", attempts).await;
    open.store(true, SeqCst);
    rests.end_all(bench.clock.now());
    bench.retry_all();
    bench
        .until("all arrive", || {
            bench.advance(Duration::from_secs(1));
            bench.is_empty()
        })
        .await;
    assert_eq!((hop.messages().len(), rests.last(&smarthost(&hop))), (500, None));
    bench.finish().await;
}

/// A clock that goes on with each look.
struct Ticking(ManualClock);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.advance(Duration::from_millis(1));
        self.0.now()
    }
}

#[tokio::test]
async fn all_wait_for_the_very_end_of_the_rest_though_time_goes_on() {
    let (hop, _) = closed_for_now().await;
    let queue = scripted::queue();
    for n in 0..100 {
        let parcel = scripted::parcel(n, &format!("reader{n}@example.org"), 10);
        scripted::enqueue(&queue, &parcel, &body(10), NOW);
    }
    let clock = Arc::new(Ticking(ManualClock::at(NOW)));
    let courier = Courier::new(queue.clone(), &settings(&hop), &DnsSettings::default(), clock).unwrap();
    let (rests, stop) = (courier.rests(), watch::Sender::new(false));
    let running = tokio::spawn(courier.run(Arc::default(), stop.subscribe()));
    let end = Instant::now() + Duration::from_secs(30);
    let waiting = || {
        let until = rests.last(&smarthost(&hop)).map(|rest| rest.until);
        let rows = queue.ls(None, 1000).unwrap();
        until.is_some() && rows.iter().all(|row| row.next == until)
    };
    while !waiting() {
        let next: Vec<_> = queue.ls(None, 3).unwrap().into_iter().map(|row| row.next).collect();
        assert!(Instant::now() < end, "{next:?} and {:?}", rests.last(&smarthost(&hop)));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send_replace(true);
    running.await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_ahead_lets_no_copy_sleep_nor_expire_untried() {
    let (hop, open) = closed_for_now().await;
    let bench = Bench::start(&settings(&hop), 0);
    bench.advance(Duration::from_secs(40 * 86_400));
    (0..30).for_each(|n| bench.enqueue(n, &format!("reader{n}@example.org")));
    let rests = Arc::clone(&bench.rests);
    let until = || rests.last(&smarthost(&hop)).map(|rest| rest.until);
    bench.until("all wait", || until().is_some() && bench.rows().iter().all(|row| row.next == until())).await;
    open.store(true, SeqCst);
    bench.set_clock(NOW.after(Duration::from_secs(60)));
    bench.until("all arrive", || bench.is_empty()).await;
    assert_eq!(hop.messages().len(), 30);
    bench.finish().await;
}

#[tokio::test]
async fn a_copy_expires_while_its_destination_rests_and_says_why() {
    let (hop, _) = closed_for_now().await;
    let settings = Settings { give_up_after: Period::mins(12), ..settings(&hop) };
    let bench = Bench::start(&settings, 30);
    bench
        .until("all are given up", || {
            bench.advance(Duration::from_secs(30));
            bench.all_failed()
        })
        .await;
    for row in bench.rows() {
        assert_eq!(row.last.unwrap(), "gave up after 12 minutes; last: 421 4.3.2 down for maintenance");
        let met = row.met.unwrap();
        assert_eq!((met.host.as_str(), met.step.as_str()), ("127.0.0.1", "the greeting"));
        assert!(met.at <= bench.clock.now() && met.at > NOW);
    }
    assert!(hop.connections() < 6, "{}", hop.connections());
    bench.finish().await;
}

/// Takes so many sessions at once and tells each further one to come later.
async fn narrow(most: usize) -> (Hop, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let hop = Hop::start(Script::new(&["PIPELINING"], move |heard: &Heard| {
        let full = heard.verb == "CONNECT" && heard.open > most;
        full.then(|| {
            count.fetch_add(1, SeqCst);
            Act::SayAndClose("421 4.7.0 too many connections\r\n".to_owned())
        })
    }))
    .await;
    (hop, refused)
}

#[tokio::test]
async fn a_hop_with_few_places_is_not_asked_for_more_again_and_again() {
    let (hop, refused) = narrow(3).await;
    let bench = Bench::start(&settings(&hop), 300);
    bench
        .until("all arrive", || {
            bench.advance(Duration::from_millis(100));
            bench.is_empty()
        })
        .await;
    assert_eq!(hop.messages().len(), 300);
    let refused = refused.load(SeqCst);
    assert!((1..=10).contains(&refused), "{refused}");
    assert!(bench.rests.last(&smarthost(&hop)).is_none(), "it never rested");
    bench.finish().await;
}

#[tokio::test]
async fn a_hop_that_greets_and_takes_no_sender_keeps_its_rest_in_mind() {
    let stage = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&stage);
    let hop = Hop::start(Script::new(&[], move |heard: &Heard| match (now.load(SeqCst), heard.verb) {
        (0, "CONNECT") => Some(Act::SayAndClose("421 4.3.2 down for maintenance\r\n".to_owned())),
        (1, "MAIL") => Some(Act::SayAndClose("421 4.3.2 busy\r\n".to_owned())),
        _ => None,
    }))
    .await;
    let bench = Bench::start(&settings(&hop), 40);
    let last = || bench.rests.last(&smarthost(&hop));
    bench.until("it rests", || last().is_some()).await;
    bench.until("and all wait", || bench.queue.next_due().unwrap() == last().map(|rest| rest.until)).await;
    stage.store(1, SeqCst);
    bench.advance(last().unwrap().until.since(bench.clock.now()));
    bench.until("all were turned away", || bench.rows().iter().all(|row| row.attempts > 0)).await;
    assert_eq!(last().map(|rest| rest.times), Some(1), "nobody was taken");
    assert_eq!(hop.most_open(), 1, "and no more than one asked at a time");
    stage.store(2, SeqCst);
    bench.retry_all();
    bench
        .until("all arrive", || {
            bench.advance(Duration::from_secs(1));
            bench.is_empty()
        })
        .await;
    assert_eq!((last(), hop.messages().len()), (None, 40));
    assert!(hop.most_open() > 1, "then it has more connections again");
    bench.finish().await;
}

/// Turns one sender away at MAIL, and nobody else.
fn unwelcome(how: fn() -> Act) -> impl Fn(&Heard) -> Option<Act> + Send + Sync {
    move |heard: &Heard| heard.line.starts_with("MAIL FROM:<other-").then(how)
}

#[tokio::test]
async fn a_sender_who_is_turned_away_at_mail_is_deferred_and_expires_while_others_go_on() {
    let ways: [fn() -> Act; 2] = [|| Act::SayAndClose("421 4.3.2 busy\r\n".to_owned()), || Act::Close];
    for how in ways {
        let hop = Hop::start(Script::new(&[], unwelcome(how))).await;
        let settings = Settings { give_up_after: Period::mins(12), ..settings(&hop) };
        let bench = Bench::start(&settings, 20);
        bench.until("the others arrive, and their connections stand", || bench.is_empty()).await;
        let mut parcel = scripted::parcel(100, "ada@example.org", 1000);
        parcel.reverse_path = "other-bounces+token@lists.example.org".parse().unwrap();
        scripted::enqueue(&bench.queue, &parcel, &body(1000), bench.clock.now());
        bench.advance(Duration::ZERO);
        bench.until("it is deferred", || bench.rows().iter().any(|row| row.attempts == 1)).await;
        let pause = bench.queue.next_due().unwrap().unwrap().since(bench.clock.now());
        assert!(pause > Duration::from_secs(120), "by its own back-off: {pause:?}");
        assert!(bench.rests.last(&smarthost(&hop)).is_none(), "the destination is well");
        let open = hop.open();
        assert!(hop.connections() - open <= 2, "{open} of {} connections stand", hop.connections());
        bench.enqueue(101, "bob@example.org");
        bench.until("another sender's copy arrives", || hop.messages().len() == 21).await;
        bench
            .until("it is given up", || {
                bench.advance(Duration::from_secs(30));
                bench.all_failed()
            })
            .await;
        bench.finish().await;
    }
}

#[tokio::test]
async fn the_limit_of_connections_holds_under_load() {
    let hop = Hop::start(Script::willing(&["PIPELINING"])).await;
    let bench = Bench::start(&Settings { connections: 4, ..settings(&hop) }, 400);
    bench.until("all arrive", || bench.is_empty()).await;
    assert_eq!((hop.messages().len(), hop.most_open()), (400, 4));
    bench.finish().await;
}

#[tokio::test]
async fn a_connection_carries_so_many_copies_and_no_more() {
    let hop = Hop::start(Script::willing(&["PIPELINING"])).await;
    let settings = Settings { connections: 1, messages_per_connection: 7, ..settings(&hop) };
    let bench = Bench::start(&settings, 70);
    bench.until("all arrive", || bench.is_empty()).await;
    assert_eq!((hop.messages().len(), hop.connections()), (70, 10));
    bench.finish().await;
    assert_eq!(hop.heard("QUIT"), 10, "leave is taken each time");
}

#[tokio::test]
async fn an_old_connection_is_given_no_further_copy() {
    let hop = Hop::start(Script::willing(&[])).await;
    let settings = Settings { connection_age: Period::millis(0), ..settings(&hop) };
    let bench = Bench::start(&Settings { connections: 1, ..settings }, 5);
    bench.until("all arrive", || bench.is_empty()).await;
    assert_eq!((hop.messages().len(), hop.connections()), (5, 5));
    bench.finish().await;
}

#[tokio::test]
async fn the_next_envelope_travels_with_the_content_before_it() {
    let hop = Hop::start(Script::willing(&["PIPELINING"])).await;
    let bench = Bench::start(&Settings { connections: 1, ..settings(&hop) }, 60);
    bench.until("all arrive", || bench.is_empty()).await;
    assert_eq!((hop.messages().len(), hop.connections()), (60, 1));
    // A turn is one wait for the hop: greeting, EHLO, first envelope, then one for each message where the next was at hand.
    assert!(hop.turns() <= 60 + 30, "{} turns for 60 messages", hop.turns());
    bench.finish().await;

    let hop = Hop::start(Script::willing(&[])).await;
    let bench = Bench::start(&Settings { connections: 1, ..settings(&hop) }, 20);
    bench.until("all arrive", || bench.is_empty()).await;
    assert!(hop.turns() >= 80, "nothing is sent ahead where it was not offered: {}", hop.turns());
    bench.finish().await;
}

#[tokio::test]
async fn a_copy_whose_envelope_was_sent_ahead_keeps_its_own_outcome() {
    type Case = (&'static str, fn(&Heard) -> Option<Act>, usize, usize);
    let cases: [Case; 5] = [
        (
            "each third dot is refused for good",
            |h| if h.verb == "DOT" && h.transaction % 3 == 1 { say("554 5.6.0 no") } else { None },
            10,
            30,
        ),
        (
            // It wants content for nobody: then the connection ends, and what was announced goes over another.
            "the second recipient of each session is unknown",
            |h| if h.verb == "RCPT" && h.transaction == 1 { say("550 5.1.1 who") } else { None },
            15,
            15,
        ),
        (
            "each session ends at its fifth dot",
            |h| {
                let fifth = h.verb == "DOT" && h.transaction == 4;
                fifth.then(|| Act::SayAndClose("421 4.3.2 leaving\r\n".to_owned()))
            },
            0,
            37,
        ),
        (
            "it hangs up behind each third verdict",
            |h| {
                let third = h.verb == "DOT" && h.transaction == 2;
                third.then(|| Act::SayAndClose("250 2.0.0 Ok\r\n".to_owned()))
            },
            0,
            30,
        ),
        (
            "it hangs up at each fourth envelope",
            |h| (h.verb == "MAIL" && h.transaction == 3).then_some(Act::Close),
            0,
            30,
        ),
    ];
    for (name, answer, failed, messages) in cases {
        let hop = Hop::start(Script::new(&["PIPELINING"], answer)).await;
        let bench = Bench::start(&Settings { connections: 1, ..settings(&hop) }, 30);
        bench
            .until(name, || {
                bench.advance(Duration::from_secs(1));
                bench.rows().iter().all(|row| row.state == State::Failed)
            })
            .await;
        assert_eq!((bench.rows().len(), hop.messages().len()), (failed, messages), "{name}");
        bench.finish().await;
    }
}

#[tokio::test]
async fn the_limit_of_all_connections_holds_over_several_destinations() {
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut hops = Vec::new();
    for _ in 0..3 {
        let (now, max) = (Arc::clone(&under_way), Arc::clone(&most));
        let counting = move |heard: &Heard| {
            match heard.verb {
                "MAIL" => max.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst),
                "DOT" => now.fetch_sub(1, SeqCst),
                _ => 0,
            };
            None
        };
        hops.push(Hop::start(Script::new(&[], counting)).await);
    }
    let elsewhere = |hop: &Hop| DomainSettings {
        smarthost: Some(hop.address.to_string().parse().unwrap()),
        tls: TlsMode::None,
        ..DomainSettings::default()
    };
    let domain =
        [("b.example".to_owned(), elsewhere(&hops[1])), ("c.example".to_owned(), elsewhere(&hops[2]))];
    let settings =
        Settings { connections: 3, connections_total: 4, domain: domain.into(), ..settings(&hops[0]) };
    let bench = Bench::start(&settings, 0);
    for n in 0..180 {
        bench.enqueue(n, &format!("reader{n}@{}.example", ["a", "b", "c"][n as usize % 3]));
    }
    bench
        .until("all arrive", || {
            bench.advance(Duration::from_millis(100));
            bench.is_empty()
        })
        .await;
    assert_eq!(hops.iter().map(|hop| hop.messages().len()).collect::<Vec<_>>(), [60, 60, 60]);
    assert!(hops.iter().all(|hop| hop.most_open() <= 3), "to each of them");
    assert!((2..=4).contains(&most.load(SeqCst)), "{} under way at once", most.load(SeqCst));
    bench.until("idle ones count as well", || hops.iter().map(Hop::open).sum::<usize>() <= 4).await;
    bench.finish().await;
}
