//! Whether the daemon lives, and whether it is ready: looked at from the side, not told by whom it is about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::store::contract::{Batch, Space, Store, StoreError};
use crate::time::Clock;
use crate::vitals::{SILENCE, Vitals};

/// How long the store may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Written to see that the store takes changes; one small entry that is always the same.
const PROBE: &[u8] = b"health";

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    /// What is wrong, or that nothing is.
    pub(super) state: String,
}

impl Check {
    fn of(name: &'static str, wrong: Option<String>) -> Self {
        Self { name, ok: wrong.is_none(), state: wrong.unwrap_or_else(|| "ok".to_owned()) }
    }
}

/// What is looked at. Cheap to clone.
#[derive(Clone)]
pub(super) struct Health {
    pub(super) store: Arc<dyn Store>,
    pub(super) vitals: Vitals,
    pub(super) clock: Arc<dyn Clock>,
    /// How much of the disk has to be free, in percent.
    pub(super) min_free: Arc<AtomicU8>,
}

impl Health {
    /// Whether it lives: the store answers. That somebody asks and is answered shows that the event loop turns.
    pub(super) async fn live(&self) -> Vec<Check> {
        vec![self.answers().await]
    }

    /// Whether it can do all its work.
    pub(super) async fn ready(&self, draining: bool) -> Vec<Check> {
        let parts = self.vitals.parts().map(|(name, pulse)| {
            Check::of(name, (!pulse.is_fresh(SILENCE)).then(|| "gives no sign of life".to_owned()))
        });
        let draining = Check::of("serving", draining.then(|| "the daemon is stopping".to_owned()));
        let mut all = vec![self.answers().await, self.takes_changes().await, self.has_room().await, draining];
        all.extend(parts);
        all
    }

    /// Whether the store answers in time.
    pub(super) async fn answers_within(&self, limit: Duration) -> bool {
        timeout(limit, self.answers()).await.is_ok_and(|check| check.ok)
    }

    async fn answers(&self) -> Check {
        let wrong = self.on_store(|store| store.next_due(Space::Queue).map(|_| None)).await;
        Check::of("store", wrong)
    }

    async fn takes_changes(&self) -> Check {
        let write = |store: &dyn Store| {
            let mut batch = Batch::new();
            batch.put(Space::Meta, PROBE, vec![1]);
            store.commit(batch).map(|()| None)
        };
        Check::of("store_writable", self.on_store(write).await)
    }

    async fn has_room(&self) -> Check {
        let least = self.min_free.load(Ordering::Relaxed);
        let look = move |store: &dyn Store| {
            let full = store.room()?.is_short(least, 0);
            Ok(full.then(|| "the disk is nearly full: mail is put off".to_owned()))
        };
        Check::of("disk", self.on_store(look).await)
    }

    /// What is wrong, by the store's word or for want of one.
    async fn on_store<F>(&self, look: F) -> Option<String>
    where
        F: FnOnce(&dyn Store) -> Result<Option<String>, StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        let looked = timeout(ANSWER, tokio::task::spawn_blocking(move || look(&*store))).await;
        match looked {
            Ok(Ok(Ok(wrong))) => wrong,
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(_)) => Some("it broke down".to_owned()),
            Err(_) => Some(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }
}

/// As JSON, for programs.
pub(super) fn report(checks: &[Check]) -> (bool, String) {
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { "ok" } else { "failing" };
    (ok, format!("{}\n", serde_json::json!({ "status": status, "checks": checks })))
}
