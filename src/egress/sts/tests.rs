//! When policies are looked at, and what holds when what is kept cannot be read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use tempfile::TempDir;
use tokio::net::UdpSocket;

use super::*;
use crate::egress::route::{DnsSettings, Router, Settings};
use crate::store::contract::{Batch, BodyId, Claim, Entry, Room, Space, Store};
use crate::store::redb::Redb;
use crate::time::ManualClock;

fn kept(max_age: u64) -> Kept {
    let fetched_at = Timestamp::from_secs(1_800_000_000);
    Kept {
        id: "1".to_owned(),
        mode: Mode::Enforce,
        mx: vec!["mx.example.org".to_owned()],
        fetched_at,
        expires_at: fetched_at.after(Duration::from_secs(max_age)),
        used_at: fetched_at,
    }
}

#[test]
fn a_policy_is_fetched_again_long_before_it_expires() {
    for (max_age, due_after) in [(604_800, 86_400), (3600, 1800), (0, 0)] {
        let policy = kept(max_age);
        let after = |secs: i64| Timestamp::from_millis(policy.fetched_at.millis() + secs * 1000);
        assert!(is_due(&policy, after(due_after)), "{max_age}");
        assert!(due_after == 0 || !is_due(&policy, after(due_after - 1)), "{max_age}");
        assert!(is_due(&policy, after(-1)), "the clock was set back");
    }
}

#[test]
fn a_pin_allows_what_it_names_and_no_pin_everything() {
    assert!(Pin::default().allows("mx.example.org"));
    let pin = Pin::to(&["mx.example.org", "*.example.net"]);
    assert!(pin.allows("mx.example.org") && pin.allows("a.example.net") && !pin.allows("mx.example.com"));
}

/// A store whose reads fail while they are told to.
struct Failing {
    inner: Redb,
    fails: AtomicBool,
}

impl Store for Failing {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(StoreError::Io { doing: "read", why: "Input/output error".to_owned() }),
            false => self.inner.get(space, key),
        }
    }
    fn scan(&self, s: Space, p: &[u8], a: Option<&[u8]>, l: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.scan(s, p, a, l)
    }
    fn claim(&self, s: Space, now: i64, lease: i64, l: usize) -> Result<Vec<Claim>, StoreError> {
        self.inner.claim(s, now, lease, l)
    }
    fn next_due(&self, space: Space) -> Result<Option<i64>, StoreError> {
        self.inner.next_due(space)
    }
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.inner.commit(batch)
    }
    fn put_body(&self, id: BodyId, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.put_body(id, bytes)
    }
    fn read_body(&self, id: BodyId, offset: u64, max: usize) -> Result<Vec<u8>, StoreError> {
        self.inner.read_body(id, offset, max)
    }
    fn body_len(&self, id: BodyId) -> Result<u64, StoreError> {
        self.inner.body_len(id)
    }
    fn room(&self) -> Result<Room, StoreError> {
        self.inner.room()
    }
    fn compact(&self) -> Result<(), StoreError> {
        self.inner.compact()
    }
}

const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

/// A name service that answers everything with one code.
async fn name_server(code: Arc<AtomicU8>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            let asked = Message::from_vec(&buffer[..len]).unwrap();
            let mut reply = Message::response(asked.metadata.id, OpCode::Query);
            reply.metadata.response_code = ResponseCode::from(0, code.load(Ordering::SeqCst));
            reply.add_query(asked.queries[0].clone());
            socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

/// Who knows the policies of a store, what DNS says, and the time.
struct Stage {
    sts: Sts,
    store: Arc<Failing>,
    dns: Arc<AtomicU8>,
    clock: ManualClock,
    _folder: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = Redb::open(folder.path()).unwrap();
        let store = Arc::new(Failing { inner, fails: AtomicBool::new(false) });
        let dns = Arc::new(AtomicU8::new(NXDOMAIN));
        let settings = DnsSettings { resolver: Some(name_server(Arc::clone(&dns)).await) };
        let router = Router::new(&Settings::default(), &settings).unwrap();
        let clock = ManualClock::at(kept(0).fetched_at);
        let resolver = router.resolver_for_policies().unwrap();
        let policies = Policies::new(Arc::<Failing>::clone(&store));
        let sts = Sts::new(router.book(), resolver, policies, Arc::new(clock.clone())).unwrap();
        Self { sts, store, dns, clock, _folder: folder }
    }

    fn put(&self, record: Vec<u8>) {
        let mut batch = Batch::new();
        batch.put(Space::Meta, b"sts/example.org".to_vec(), record);
        self.store.commit(batch).unwrap();
    }

    async fn pin(&self) -> Result<Pin, String> {
        self.sts.pin(&"example.org".parse().unwrap()).await
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_read_lets_no_mail_go_anywhere() {
    let stage = Stage::set().await;
    Policies::new(Arc::<Failing>::clone(&stage.store))
        .put(&"example.org".parse().unwrap(), &kept(3600))
        .unwrap();
    stage.store.fails.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let why = stage.pin().await.unwrap_err();
        assert!(why.contains("example.org cannot be read") && why.contains("Input/output error"), "{why}");
    }
    stage.store.fails.store(false, Ordering::SeqCst);
    let pin = stage.pin().await.unwrap();
    assert!(pin.allows("mx.example.org") && !pin.allows("mx.forger.example"));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_waits_for_the_domains_own_word() {
    for record in [vec![1, 2, 3], vec![200, 0]] {
        let stage = Stage::set().await;
        stage.put(record);
        stage.dns.store(SERVFAIL, Ordering::SeqCst);
        for _ in 0..2 {
            let why = stage.pin().await.unwrap_err();
            assert!(why.contains("damaged") && why.contains(NO_ANSWER), "{why}");
        }
        stage.dns.store(NXDOMAIN, Ordering::SeqCst);
        stage.clock.advance(LOOK);
        assert!(stage.pin().await.unwrap().allows("mx.example.org"), "it announces nothing");
    }
}
