//! What the courier waits for, with signs of life.

use std::time::Duration;

use tokio::sync::watch;

use crate::ledger::queue::Queue;
use crate::store::contract::StoreError;
use crate::vitals::{BEAT, Pulse};

/// Waits, with signs of life.
pub(super) async fn rest(pulse: &Pulse, how_long: Duration) {
    let mut left = how_long;
    while !left.is_zero() {
        let nap = left.min(BEAT);
        tokio::time::sleep(nap).await;
        pulse.beat();
        left = left.saturating_sub(nap);
    }
}

/// How long deliveries may go on after a stop: so long, from when the whole daemon stops.
pub(super) async fn patience(end: Option<watch::Receiver<bool>>, drain: Duration) {
    if let Some(mut end) = end {
        // A sender that is gone means the same.
        let _ = end.wait_for(|end| *end).await;
    }
    tokio::time::sleep(drain).await;
}

/// Has the queue work where it may block.
pub(super) async fn blocking<T, F>(queue: Queue, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&Queue) -> Result<T, StoreError> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(move || work(&queue)).await;
    done.unwrap_or_else(|why| Err(StoreError::Io { doing: "answer the courier", why: why.to_string() }))
}
