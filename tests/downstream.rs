//! What next hops do wrong, case by case, against the real queue, store and courier: nothing is lost, and a copy arrives twice
//! only where the reply to its final dot was lost. The cases stand in `downstream/matrix.toml`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod outside;

#[path = "downstream/expiry.rs"]
mod expiry;
#[path = "downstream/hop.rs"]
mod hop;
#[path = "downstream/matrix.rs"]
mod matrix;
#[path = "downstream/tls.rs"]
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use vouchsafe::egress::courier::Courier;
use vouchsafe::egress::period::Period;
use vouchsafe::egress::route::{DnsSettings, Settings, Timeouts, TlsMode};
use vouchsafe::id::{BodyId, Entropy, ParcelId};
use vouchsafe::ledger::journal::Journal;
use vouchsafe::ledger::queue::{Queue, Row, State};
use vouchsafe::ledger::rests::Rests;
use vouchsafe::mail::parcel::{Carries, Head, Parcel};
use vouchsafe::pgp::sealed::WrappedKey;
use vouchsafe::store::contract::{self, Batch, Store};
use vouchsafe::store::redb::Redb;
use vouchsafe::time::{Clock, SystemClock};

use hop::Hop;
use matrix::{Case, Copy, Place, Session, Then, Tls};

/// How many cases are played at the same time.
const AT_ONCE: usize = 12;

/// Long enough for any machine; a case that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long a step may take at which a hop falls silent, and each other one.
const SHORT: Period = Period::millis(1500);
const LONG: Period = Period::secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_whatever_the_next_hop_does() {
    let (places, begun) = (Arc::new(Semaphore::new(AT_ONCE)), Instant::now());
    let mut playing = JoinSet::new();
    for case in matrix::cases() {
        let places = Arc::clone(&places);
        playing.spawn(async move {
            let _place = places.acquire().await.unwrap();
            let name = case.name.clone();
            let played = tokio::spawn(tokio::time::timeout(PATIENCE, play(case)));
            let wrong = match played.await {
                Ok(Ok(wrong)) => wrong,
                Ok(Err(_)) => vec!["it did not end".to_owned()],
                Err(broken) => vec![format!("the test broke off: {broken}")],
            };
            wrong.into_iter().map(|what| format!("{name}: {what}")).collect::<Vec<_>>()
        });
    }
    let mut wrong: Vec<String> = playing.join_all().await.into_iter().flatten().collect();
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(begun.elapsed() < Duration::from_secs(120), "a bounded time: {:?}", begun.elapsed());
}

/// One relay's way out, and a hop.
struct Scene {
    case: Case,
    hop: Hop,
    queue: Queue,
    store: Arc<dyn Store>,
    rests: Arc<Rests>,
    wake: Arc<Notify>,
    entropy: Entropy,
    /// What each recipient has to get, and what lies in its body.
    expected: BTreeMap<String, (Parcel, Vec<u8>)>,
    wrong: Vec<String>,
}

/// Plays one case; returns what is wrong.
async fn play(case: Case) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let authority = (case.tls != Tls::None).then(|| tls::authority(case.tls));
    let hop = Hop::start(&case, authority.as_ref().map(|authority| authority.acceptors.clone())).await;
    let mut settings = settings(&case, &hop);
    settings.ca_file = authority.as_ref().map(|authority| authority.ca_file.path().to_owned());
    let store: Arc<dyn Store> = Arc::new(Redb::open(folder.path()).unwrap());
    let queue = Queue::new(Arc::clone(&store), Journal::new(Arc::clone(&store)));
    let courier =
        Courier::new(queue.clone(), &settings, &DnsSettings::default(), Arc::new(SystemClock)).unwrap();
    let (wake, stop) = (Arc::new(Notify::new()), watch::Sender::new(false));
    let (rests, entropy) = (courier.rests(), Entropy::kernel());
    let mut scene = Scene {
        hop,
        queue,
        store,
        rests,
        wake: Arc::clone(&wake),
        entropy,
        expected: BTreeMap::new(),
        wrong: Vec::new(),
        case,
    };
    if scene.case.before == 0 {
        // All of them are there when the courier looks for the first time.
        scene.enqueue("reader", scene.case.copies);
    }
    let courier = tokio::spawn(courier.run(wake, stop.subscribe()));
    scene.happens().await;
    scene.mends().await;
    stop.send_replace(true);
    if tokio::time::timeout(Duration::from_secs(15), courier).await.is_err() {
        scene.wrong.push("the courier did not stop".to_owned());
    }
    scene.nothing_is_lost();
    scene.wrong
}

fn settings(case: &Case, hop: &Hop) -> Settings {
    let mut timeouts =
        Timeouts { connect: LONG, greeting: LONG, command: LONG, data: LONG, block: LONG, dot: LONG };
    if matches!(case.then, Then::Hang | Then::Full | Then::Slow) {
        let limit = match case.at {
            Place::Connect | Place::Handshake => &mut timeouts.connect,
            Place::Greeting => &mut timeouts.greeting,
            Place::Data => &mut timeouts.data,
            Place::Content => &mut timeouts.block,
            Place::Dot => &mut timeouts.dot,
            _ => &mut timeouts.command,
        };
        *limit = SHORT;
    }
    Settings {
        smarthost: Some(hop.address.to_string().parse().unwrap()),
        tls: if case.tls == Tls::None { TlsMode::None } else { TlsMode::Required },
        server_name: (case.tls != Tls::None).then(|| "hop.example".to_owned()),
        connections: 1,
        // Nothing comes back by itself while a case is looked at.
        retry_first: Period::mins(60),
        retry_max: Period::mins(60),
        lease: Period::mins(10),
        drain: Period::secs(5),
        keep_idle: Period::mins(5),
        timeouts,
        ..Settings::default()
    }
}

impl Scene {
    fn enqueue(&mut self, who: &str, copies: usize) {
        for n in 0..copies {
            let recipient = format!("{who}{n}@example.org");
            let (parcel, body) = parcel(&recipient, self.case.body, &self.entropy);
            self.store.put_body(contract::BodyId(*parcel.body.as_bytes()), &body).unwrap();
            let mut batch = Batch::new();
            Queue::enqueue(&mut batch, parcel.clone(), SystemClock.now()).unwrap();
            self.store.commit(batch).unwrap();
            self.expected.insert(recipient, (parcel, body));
        }
        self.wake.notify_one();
    }

    fn rows(&self) -> Vec<Row> {
        self.queue.ls(None, 100).unwrap()
    }

    /// Waits until no copy is under way or due soon.
    async fn settled(&self) -> Vec<Row> {
        let soon = SystemClock.now().after(Duration::from_secs(60));
        loop {
            let rows = self.rows();
            let rests = |row: &Row| row.state == State::Failed || row.next.is_some_and(|next| next > soon);
            if rows.iter().all(rests) {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The hop misbehaves; what has become of the copies is as it should be.
    async fn happens(&mut self) {
        if self.case.before > 0 {
            self.enqueue("before", self.case.before);
            self.settled().await;
            self.hop.arm();
            if self.case.at == Place::Idle {
                self.hop.misbehave_idle().await;
            }
            self.enqueue("reader", self.case.copies);
        }
        let rows = self.settled().await;
        let expected = match self.case.copy {
            Copy::Delivered => None,
            Copy::Deferred => Some(State::Deferred),
            Copy::Failed => Some(State::Failed),
        };
        let states: Vec<State> = rows.iter().map(|row| row.state).collect();
        if states != expected.into_iter().collect::<Vec<_>>() {
            self.wrong.push(format!("{expected:?} was expected, and the queue has {rows:?}"));
        }
        for row in &rows {
            let last = row.last.clone().unwrap_or_default();
            if !self.case.cause.iter().any(|cause| last.contains(cause.as_str())) {
                self.wrong.push(format!("the queue says {last:?}, not {:?}", self.case.cause));
            }
            if row.met.as_ref().is_none_or(|met| met.host != "127.0.0.1" || met.step.is_empty()) {
                self.wrong.push(format!("the queue does not say where: {:?}", row.met));
            }
        }
        let rests = !self.rests.all(SystemClock.now()).is_empty();
        if rests != self.case.rests {
            self.wrong.push(format!("the destination rests: {rests}"));
        }
    }

    /// The hop is a good server again, and an admin tries everything anew: all arrives.
    async fn mends(&mut self) {
        if self.case.at == Place::Quit {
            return;
        }
        self.hop.behave();
        let (before, rows) = (self.hop.arrivals().len(), self.rows());
        if rows.is_empty() {
            self.enqueue("after", 1);
        }
        self.rests.end_all(SystemClock.now());
        for row in rows {
            assert!(self.queue.retry(row.id, SystemClock.now()).unwrap());
        }
        self.wake.notify_one();
        let left = self.settled().await;
        if !left.is_empty() {
            self.wrong.push(format!("with a good server there is still {left:?}"));
        }
        let next = self.hop.arrivals().get(before).map(|arrival| arrival.connection);
        let kept = next.is_some() && next == self.hop.misbehaved();
        if kept != (self.case.session == Session::Kept) {
            self.wrong.push(format!("the connection was kept: {kept}"));
        }
    }

    /// Every copy arrived as often as it should, byte for byte.
    fn nothing_is_lost(&mut self) {
        let arrivals = self.hop.arrivals();
        let mut twice = 0;
        for (recipient, (parcel, body)) in &self.expected {
            let theirs: Vec<_> = arrivals.iter().filter(|arrival| arrival.recipient == *recipient).collect();
            match theirs.len() {
                1 => {}
                2 => twice += 1,
                other => self.wrong.push(format!("{recipient} got {other} copies")),
            }
            for arrival in theirs {
                if let Err(what) = is_whole(&arrival.data, parcel, body) {
                    self.wrong.push(format!("{recipient} got something else: {what}"));
                }
            }
        }
        if twice != self.case.arrivals - 1 {
            self.wrong.push(format!("{twice} copies arrived twice"));
        }
        if !self.rows().is_empty() {
            self.wrong.push("the queue is not empty".to_owned());
        }
        if self.case.tls != Tls::NotOffered
            && !matches!(self.case.then, Then::Refuse | Then::Full)
            && self.hop.misbehaved().is_none()
        {
            self.wrong.push("the hop never misbehaved".to_owned());
        }
    }
}

/// A copy with a body that repeats nowhere near.
fn parcel(recipient: &str, length: usize, entropy: &Entropy) -> (Parcel, Vec<u8>) {
    let now = SystemClock.now();
    let seed: [u8; 8] = entropy.bytes();
    let body: Vec<u8> = (0..length).map(|n| (n * 31 % 251) as u8 ^ seed[n % 8]).collect();
    let stored = rmp_serde::to_vec(serde_bytes::Bytes::new(&[0xC1, 3, 3, 0, 0])).unwrap();
    let key: WrappedKey = rmp_serde::from_slice(&stored).unwrap();
    let parcel = Parcel {
        id: ParcelId::new(now, entropy),
        list: "security".parse().unwrap(),
        member: "m-ada".parse().unwrap(),
        recipient: recipient.parse().unwrap(),
        reverse_path: "security-bounces+token@lists.example".parse().unwrap(),
        head: Head {
            fields: format!(
                "From: security@lists.example\r\nMessage-ID: <{recipient}>\r\nSubject: [...]\r\n"
            ),
            boundary: "b0undary".to_owned(),
        },
        key,
        body: BodyId::new(now, entropy),
        body_len: length as u64,
        carries: Carries::Post,
    };
    (parcel, body)
}

/// Whether this is the copy: its header first, its frame around, and between them in base64 key and body.
fn is_whole(data: &[u8], parcel: &Parcel, body: &[u8]) -> Result<(), String> {
    let inner = data.strip_prefix(parcel.opening().as_slice()).ok_or("another beginning")?;
    let inner = inner.strip_suffix(parcel.closing().as_slice()).ok_or("another end")?;
    let text: Vec<u8> = inner.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    let decoded = data_encoding::BASE64.decode(&text).map_err(|why| format!("no base64: {why}"))?;
    if decoded == [parcel.key.as_bytes(), body].concat() { Ok(()) } else { Err("other bytes".to_owned()) }
}

#[test]
fn the_matrix_covers_every_step() {
    let cases = matrix::cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "each has a name of its own");
    assert!(cases.iter().all(|case| case.why.len() > 8), "and a reason");
    for (place, name) in Place::ALL {
        let at: Vec<&Case> = cases.iter().filter(|case| case.at == place).collect();
        let some = |what: &str, holds: &dyn Fn(&Case) -> bool| {
            assert!(at.iter().any(|case| holds(case)), "no case of {what} at {name}");
        };
        some("closing", &|case| case.then == Then::Close);
        if place != Place::Idle {
            some("a timeout", &|case| matches!(case.then, Then::Hang | Then::Full | Then::Slow));
        }
        if !matches!(place, Place::Connect | Place::Handshake) {
            some("4yz", &|case| case.said().starts_with(b"4"));
            some("5yz", &|case| case.said().starts_with(b"5"));
        }
    }
}

#[test]
fn a_duplicate_is_expected_only_where_the_reply_to_the_dot_was_lost() {
    for case in matrix::cases().iter().filter(|case| case.arrivals > 1) {
        assert_eq!((case.at, case.copy), (Place::Dot, Copy::Deferred), "{}", case.name);
        assert!(case.cause.iter().all(|cause| cause.starts_with("reply lost")), "{}", case.name);
    }
}

#[test]
fn the_page_shows_the_matrix() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/delivery.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let table = matrix::table(&matrix::cases());
    if !text.contains(&table) {
        let made = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("matrix.md");
        std::fs::write(&made, table).unwrap();
        panic!("docs/delivery.md has another table; put {} in its place", made.display());
    }
}
