//! The way of one mail of a mebibyte through memory: scanned, opened, signed, sealed.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use vouchsafe::mail::parcel::Base64Lines;
use vouchsafe::mime::read::read;
use vouchsafe::mime::scan::scan;
use vouchsafe::pgp::open::{open, unlock};
use vouchsafe::pgp::seal::{Reader, seal_at_rest, seal_to_readers, sign};
use vouchsafe::secret::Plaintext;

use crate::support::keys::{Kind, Person};
use crate::support::world::{NOW, Setting};

const SIZE: usize = 1 << 20;
const READERS: usize = 100;
const LIST: &str = "distrib";

pub(crate) fn parts(criterion: &mut Criterion) {
    let setting = Setting::new();
    let entity = entity();
    let raw = setting.write(LIST, &entity, &[setting.by("ada")]);
    coming_in(criterion, &setting, &raw);
    opening(criterion, &setting, &raw);
    going_out(criterion, &setting, &entity);
}

/// Before the 250.
fn coming_in(criterion: &mut Criterion, setting: &Setting, raw: &[u8]) {
    let mut group = criterion.benchmark_group("1 in");
    group.throughput(Throughput::Bytes(raw.len() as u64));
    let (spool, content) = (setting.spool.newest(), Plaintext::new(raw.to_vec()));
    group.bench_function("seal at rest", |b| b.iter(|| seal_at_rest(black_box(&content), &spool).unwrap()));
    group.finish();
}

/// What the worker reads.
fn opening(criterion: &mut Criterion, setting: &Setting, raw: &[u8]) {
    let mut group = criterion.benchmark_group("2 open");
    group.throughput(Throughput::Bytes(raw.len() as u64));
    let sealed = seal_at_rest(&Plaintext::new(raw.to_vec()), &setting.spool.newest()).unwrap();
    let limits = &setting.limits;
    group.bench_function("unlock", |b| {
        b.iter(|| unlock(black_box(&sealed), &setting.spool, usize::MAX).unwrap())
    });
    group.bench_function("scan", |b| b.iter(|| scan(black_box(raw), &limits.mime).is_ok()));
    group.bench_function("parse", |b| {
        b.iter(|| read(scan(black_box(raw), &limits.mime).ok().unwrap()).is_ok());
    });
    let message = read(scan(raw, &limits.mime).ok().unwrap()).ok().unwrap();
    let (key, certs) = (&setting.lists[LIST].1, setting.certs.values().cloned().collect::<Vec<_>>());
    group.bench_function("decrypt and verify", |b| {
        b.iter(|| open(black_box(&message), key, &certs, NOW, limits))
    });
    group.finish();
}

/// What the readers get.
fn going_out(criterion: &mut Criterion, setting: &Setting, entity: &[u8]) {
    let mut group = criterion.benchmark_group("3 out");
    group.throughput(Throughput::Bytes(entity.len() as u64));
    let (key, content) = (&setting.lists[LIST].1, Arc::new(Plaintext::new(entity.to_vec())));
    group.bench_function("sign", |b| b.iter(|| sign(black_box(&content), key, NOW, &[]).unwrap()));
    let certs: Vec<_> = (0..READERS).map(|n| Person::new(&format!("R{n}"), Kind::V4, NOW).cert()).collect();
    let readers: Vec<_> = certs.iter().map(|cert| Reader { cert, format: None }).collect();
    group.bench_function("seal to 100 readers", |b| {
        let signed = || sign(&content, key, NOW, &[]).unwrap();
        let seal = |signed| seal_to_readers(signed, &readers, NOW).unwrap();
        b.iter_batched(signed, seal, BatchSize::LargeInput);
    });
    group.bench_function("base64 for the wire", |b| {
        b.iter(|| {
            let mut lines = Base64Lines::default();
            entity.chunks(128 << 10).map(|piece| lines.push(black_box(piece)).len()).sum::<usize>()
        });
    });
    group.finish();
}

fn entity() -> Vec<u8> {
    let head = "Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\n\
                From: ada@ada.example\r\nSubject: Overflow\r\n\r\n";
    let mut random = vec![0; SIZE * 3 / 4];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut random).unwrap();
    let base64 = data_encoding::BASE64.encode(&random);
    let lines = base64.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat());
    head.bytes().chain(lines).collect()
}
