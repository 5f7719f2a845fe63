//! What is durable when it returns: a commit, a body, a claim, an entry of the journal.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use vouchsafe::id::{Entropy, ParcelId};
use vouchsafe::ledger::journal::{Actor, Event, Journal, Note};
use vouchsafe::store::contract::{Batch, BodyId, Space, Store};
use vouchsafe::store::disk::Disk;
use vouchsafe::store::redb::Redb;

use crate::support::world::{NOW, member_id};

pub(crate) fn parts(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Redb::open_on(dir.path(), Disk::default()).unwrap());
    commits(criterion, &store);
    bodies(criterion, &store);
}

fn commits(criterion: &mut Criterion, store: &Arc<dyn Store>) {
    let mut group = criterion.benchmark_group("4 durable");
    let entropy = Entropy::kernel();
    group.bench_function("commit of one entry", |b| {
        b.iter(|| {
            let mut batch = Batch::new();
            batch.put(Space::Seen, entropy.bytes::<16>(), vec![1; 200]);
            store.commit(black_box(batch)).unwrap();
        });
    });
    group.bench_function("commit of 1,000 entries", |b| {
        b.iter(|| {
            let mut batch = Batch::new();
            for _ in 0..1000 {
                batch.put(Space::Seen, entropy.bytes::<16>(), vec![1; 200]);
            }
            store.commit(black_box(batch)).unwrap();
        });
    });
    group.bench_function("claim of 50", |b| {
        let fill = || {
            let mut batch = Batch::new();
            for _ in 0..50 {
                batch.put_due(Space::Queue, entropy.bytes::<16>(), vec![1; 1000], 0);
            }
            store.commit(batch).unwrap();
        };
        b.iter_batched(
            fill,
            |()| store.claim(Space::Queue, 1, 1 << 40, 50).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("journal entry", |b| {
        let journal = Journal::new(Arc::clone(store));
        b.iter(|| {
            let parcel = ParcelId::new(NOW, &entropy);
            let event = Event::Delivered { parcel, member: member_id("ada") };
            let note =
                Note { list: Some("distrib".parse().unwrap()), actor: Actor::Relay, event, reason: None };
            journal.commit(&Batch::new(), &[note], NOW).unwrap();
        });
    });
    group.finish();
}

fn bodies(criterion: &mut Criterion, store: &Arc<dyn Store>) {
    let mut group = criterion.benchmark_group("5 bodies");
    let entropy = Entropy::kernel();
    for (name, size) in [("10 KiB", 10 << 10), ("1 MiB", 1 << 20)] {
        let bytes = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("write {name}"), |b| {
            b.iter(|| store.put_body(BodyId(entropy.bytes()), black_box(&bytes)).unwrap());
        });
        let id = BodyId(entropy.bytes());
        store.put_body(id, &bytes).unwrap();
        group.bench_function(format!("read {name}"), |b| {
            b.iter(|| store.read_body(id, 0, usize::MAX).unwrap())
        });
    }
    group.finish();
}
