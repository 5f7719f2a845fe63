//! The contract of a store, on every engine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and prints what it measures"
)]

#[path = "store/bodies.rs"]
mod bodies;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/damage_sled.rs"]
mod damage_sled;
#[path = "store/entries.rs"]
mod entries;
#[path = "store/faults.rs"]
mod faults;
#[path = "store/model.rs"]
mod model;
#[path = "store/threads.rs"]
mod threads;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use vouchsafe::store::contract::{Batch, BodyId, Entry, Space, Store, StoreError};
use vouchsafe::store::disk::Disk;

/// How an engine opens its store in a directory, on a medium that can be made to fail.
type Open = fn(&Path, Disk) -> Result<Arc<dyn Store>, StoreError>;

/// A store that can be closed and opened again.
struct Bench {
    dir: TempDir,
    open: Open,
    store: Option<Arc<dyn Store>>,
}

impl Bench {
    fn new(open: Open) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Some(open(dir.path(), Disk::default()).unwrap());
        Self { dir, open, store }
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        drop(self.store.take());
        self.store = Some((self.open)(self.dir.path(), Disk::default()).unwrap());
    }

    fn commit(&self, fill: impl FnOnce(&mut Batch)) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        fill(&mut batch);
        self.store().commit(batch)
    }

    fn get(&self, space: Space, key: &str) -> Option<Entry> {
        self.store().get(space, key.as_bytes()).unwrap()
    }

    fn keys(&self, space: Space, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let found = self.store().scan(space, prefix.as_bytes(), after.map(str::as_bytes), limit).unwrap();
        found.into_iter().map(|entry| String::from_utf8(entry.key).unwrap()).collect()
    }
}

fn body(n: u8) -> BodyId {
    BodyId([n; 16])
}

/// The tests of a file, on one engine.
macro_rules! on {
    ($engine:ident, $open:expr, $($file:ident: $($test:ident),+;)+) => {
        mod $engine {
            use super::*;
            const OPEN: Open = |dir, disk| Ok(Arc::new($open(dir, disk)?));
            $($(#[test] fn $test() { $file::$test(OPEN) })+)+
        }
    };
}

/// What every engine promises, and beside it what this one can do or is known for.
macro_rules! suite {
    ($engine:ident, $open:expr, $($own:tt)*) => {
        on!($engine, $open,
            entries: a_new_store_is_empty, what_was_put_is_read_back_also_after_reopening,
                versions_change_and_are_never_used_twice, expected_versions_are_an_optimistic_lock,
                absent_is_a_condition_too, a_failed_condition_changes_nothing_at_all,
                deletes_come_before_puts, scans_are_ordered_and_bounded, spaces_are_separate,
                values_have_a_largest_size, claims_come_longest_due_first, a_lease_runs_out_and_is_then_lost,
                attempts_survive_reopening_and_a_put_resets_them, the_next_due_time_is_known,
                a_second_opener_is_refused;
            bodies: a_body_is_there_once_it_was_put, a_name_needs_a_body, a_taken_id_is_refused,
                a_body_goes_with_its_last_name, unnamed_bodies_are_swept_when_opened_and_named_ones_kept,
                a_refused_batch_names_and_removes_nothing, the_medium_has_room;
            threads: no_entry_is_claimed_twice, no_increment_is_lost, a_body_named_by_one_is_not_removed_by_another;
            model: agrees_with_a_simple_model;
            faults: one_failure_at_any_step_loses_nothing, a_medium_that_is_full_from_any_step_on_loses_nothing,
                a_medium_that_dies_at_any_step_loses_nothing,
                a_full_medium_refuses_and_goes_on_when_there_is_room_again,
                after_a_failed_sync_nothing_is_trusted_until_it_is_opened_again,
                a_damaged_body_is_reported_and_not_delivered, no_batch_names_a_body_that_is_being_removed;
            $($own)*
        );
    };
}

suite!(redb, vouchsafe::store::redb::Redb::open_on,
    bodies: space_comes_back;
    damage: a_damaged_last_commit_is_reported_and_not_rolled_back;
);
// sled gives no space back, and takes a damaged end of its log for a crash: both are told to whoever chooses it.
suite!(sled, vouchsafe::store::sled::Sled::open_on,
    bodies: the_space_of_bodies_comes_back;
);
