//! A store against a simple model in memory, over random histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use vouchsafe::store::contract::{Batch, Expect, Lease, Space, StoreError, Version};

use super::{Bench, Open, body};

#[derive(Clone, Debug)]
enum Op {
    Commit {
        expect: Vec<Cond>,
        put: Vec<(u8, u8, Option<i64>)>,
        delete: Vec<u8>,
        name: Vec<u8>,
        unname: Vec<u8>,
    },
    PutBody(u8),
    Claim {
        space: u8,
        lease: i64,
        limit: usize,
    },
    Tick(i64),
    Reopen,
}

#[derive(Clone, Debug)]
enum Cond {
    Absent(u8),
    Current(u8),
    First(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let cond = prop_oneof![
        (0..6_u8).prop_map(Cond::Absent),
        (0..6_u8).prop_map(Cond::Current),
        (0..6_u8).prop_map(Cond::First)
    ];
    let put = vec((0..6_u8, any::<u8>(), prop::option::of(0..50_i64)), 0..4);
    let ids = || vec(0..4_u8, 0..2);
    let commit = (vec(cond, 0..2), put, vec(0..6_u8, 0..3), ids(), ids())
        .prop_map(|(expect, put, delete, name, unname)| Op::Commit { expect, put, delete, name, unname });
    prop_oneof![
        6 => commit,
        2 => (0..4_u8).prop_map(Op::PutBody),
        2 => (0..2_u8, 0..20_i64, 0..4_usize).prop_map(|(space, lease, limit)| Op::Claim { space, lease, limit }),
        2 => (1..20_i64).prop_map(Op::Tick),
        1 => Just(Op::Reopen),
    ]
}

const SPACES: [Space; 2] = [Space::Spool, Space::Queue];

fn space(key: u8) -> Space {
    SPACES[usize::from(key % 2)]
}

#[derive(Clone, Debug, PartialEq)]
struct Kept {
    value: u8,
    due: Option<i64>,
    attempts: u32,
    /// Filled in from the store after each change: the model does not know how versions are made.
    version: Option<Version>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    now: i64,
    entries: BTreeMap<u8, Kept>,
    /// Body to number of names.
    bodies: BTreeMap<u8, usize>,
    /// Every version that a key ever had.
    versions: BTreeMap<u8, BTreeSet<Version>>,
}

impl Model {
    fn version(&self, key: u8) -> Version {
        self.entries.get(&key).and_then(|kept| kept.version).unwrap_or(Version(0))
    }

    fn first(&self, key: u8) -> Version {
        self.versions.get(&key).and_then(|seen| seen.first().copied()).unwrap_or(Version(0))
    }

    /// The batch, and whether each of its conditions holds.
    fn expect(&self, conds: &[Cond], batch: &mut Batch) -> bool {
        conds.iter().fold(true, |holds, cond| {
            let (expect, here) = match *cond {
                Cond::Absent(k) => (Expect::Absent(space(k), vec![k]), !self.entries.contains_key(&k)),
                Cond::Current(k) => {
                    (Expect::Version(space(k), vec![k], self.version(k)), self.entries.contains_key(&k))
                }
                Cond::First(k) => (
                    Expect::Lease(space(k), vec![k], Lease(self.first(k))),
                    self.entries.contains_key(&k) && self.version(k) == self.first(k),
                ),
            };
            batch.expect(expect);
            holds && here
        })
    }

    /// The bodies after a batch, or none if it must be refused.
    fn rename(&self, name: &[u8], unname: &[u8]) -> Option<BTreeMap<u8, usize>> {
        let mut bodies = self.bodies.clone();
        for id in name {
            *bodies.get_mut(id)? += 1;
        }
        for id in unname {
            let count = bodies.get_mut(id)?;
            *count = count.checked_sub(1)?;
        }
        bodies.retain(|id, count| *count > 0 || !unname.contains(id));
        Some(bodies)
    }

    fn apply(&mut self, op: &Op, bench: &mut Bench) {
        match op {
            Op::Commit { expect, put, delete, name, unname } => {
                let mut batch = Batch::new();
                let holds = self.expect(expect, &mut batch);
                put.iter().for_each(|(k, v, due)| match due {
                    Some(due) => _ = batch.put_due(space(*k), [*k], vec![*v], *due),
                    None => _ = batch.put(space(*k), [*k], vec![*v]),
                });
                delete.iter().for_each(|k| _ = batch.delete(space(*k), [*k]));
                name.iter().for_each(|n| _ = batch.name(body(*n)));
                unname.iter().for_each(|n| _ = batch.unname(body(*n)));
                match (holds, self.rename(name, unname), bench.store().commit(batch)) {
                    (false, _, Err(StoreError::Conflict(_))) | (true, None, Err(StoreError::NoBody(_))) => {}
                    (true, Some(bodies), Ok(())) => {
                        self.bodies = bodies;
                        delete.iter().for_each(|k| _ = self.entries.remove(k));
                        for (k, value, due) in put {
                            self.entries
                                .insert(*k, Kept { value: *value, due: *due, attempts: 0, version: None });
                        }
                    }
                    (holds, bodies, found) => panic!("{found:?} where {holds} {bodies:?}"),
                }
            }
            Op::PutBody(n) => {
                let put = bench.store().put_body(body(*n), &[*n]);
                assert_eq!(put.is_ok(), !self.bodies.contains_key(n));
                self.bodies.entry(*n).or_insert(0);
            }
            Op::Claim { space: s, lease, limit } => {
                self.claim(SPACES[usize::from(*s)], *lease, *limit, bench)
            }
            Op::Tick(by) => self.now += by,
            Op::Reopen => {
                bench.reopen();
                self.bodies.retain(|_, count| *count > 0);
            }
        }
    }

    fn claim(&mut self, of: Space, lease: i64, limit: usize, bench: &Bench) {
        let mut due: Vec<_> = self
            .entries
            .iter_mut()
            .filter(|(k, e)| space(**k) == of && e.due <= Some(self.now) && e.due.is_some())
            .collect();
        due.sort_by_key(|(key, kept)| (kept.due, **key));
        due.truncate(limit);
        let claims = bench.store().claim(of, self.now, lease, limit).unwrap();
        assert_eq!(claims.len(), due.len());
        for (claim, (key, kept)) in claims.iter().zip(due) {
            kept.attempts += 1;
            kept.due = Some(self.now + lease);
            kept.version = None;
            assert_eq!((&claim.entry.key, claim.entry.attempts), (&vec![*key], kept.attempts));
            assert_eq!(claim.lease, Lease(claim.entry.version));
        }
    }

    /// The store shows what the model says; versions are new where something changed and the same where nothing did.
    fn compare(&mut self, bench: &Bench) {
        for of in SPACES {
            let found = bench.store().scan(of, b"", None, 99).unwrap();
            let here: Vec<_> = self.entries.iter_mut().filter(|(k, _)| space(**k) == of).collect();
            assert_eq!(found.len(), here.len());
            for (entry, (key, kept)) in found.iter().zip(here) {
                let shown = (&entry.key, &entry.value, entry.due, entry.attempts);
                assert_eq!(shown, (&vec![*key], &vec![kept.value], kept.due, kept.attempts));
                match kept.version {
                    Some(version) => assert_eq!(entry.version, version),
                    None => {
                        assert!(self.versions.entry(*key).or_default().insert(entry.version), "used before")
                    }
                }
                kept.version = Some(entry.version);
            }
            let next = self.entries.iter().filter(|(k, _)| space(**k) == of).filter_map(|(_, e)| e.due).min();
            assert_eq!(bench.store().next_due(of).unwrap(), next);
        }
        for n in 0..4 {
            assert_eq!(bench.store().body_len(body(n)).is_ok(), self.bodies.contains_key(&n), "body {n}");
        }
    }
}

pub(crate) fn agrees_with_a_simple_model(open: Open) {
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(ops in vec(op(), 1..60))| {
        let mut bench = Bench::new(open);
        let mut model = Model::default();
        for op in &ops {
            model.apply(op, &mut bench);
            model.compare(&bench);
        }
    });
}
