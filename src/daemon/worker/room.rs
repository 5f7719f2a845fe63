//! How much mail is open at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::vitals::Pulse;

/// A mail costs a few times its size while it is open; so many mebibytes of sealed mail are open at once.
const MEBIBYTES_AT_ONCE: usize = 64;

/// The room for open mail. Cheap to clone; all clones are one room.
#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEBIBYTES_AT_ONCE)))
    }
}

impl Room {
    /// Waits until a mail of `size` bytes can be open beside the others, which may take as long as their work does. Whoever
    /// waits is busy and no reason to start the daemon anew: that would count a claim against a sound mail.
    pub(super) async fn take(&self, size: u64, pulse: &Pulse) -> Option<OwnedSemaphorePermit> {
        let cost = usize::try_from(size >> 20).unwrap_or(MEBIBYTES_AT_ONCE).saturating_add(1);
        let cost = u32::try_from(cost.min(MEBIBYTES_AT_ONCE)).unwrap_or(1);
        pulse.while_waiting(Arc::clone(&self.0).acquire_many_owned(cost)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::LEASE;
    use super::*;
    use crate::vitals::{BEAT, SILENCE};

    /// Two of the largest mails do not fit side by side, and the first may be worked on for as long as its lease lasts.
    #[tokio::test(start_paused = true)]
    async fn a_worker_that_waits_for_room_is_busy_and_not_silent() {
        let (room, pulse) = (Room::default(), Pulse::default());
        let first = room.take(50 << 20, &pulse).await.unwrap();
        let under_way = pulse.work(LEASE);
        let (there, waiting) = (room.clone(), pulse.clone());
        let second = tokio::spawn(async move { there.take(50 << 20, &waiting).await.is_some() });
        for _ in 0..LEASE.as_secs() / 10 - 1 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert!(pulse.is_fresh(BEAT * 2) && !second.is_finished());
        }
        drop((first, under_way));
        assert!(second.await.unwrap());
        tokio::time::sleep(SILENCE).await;
        assert!(!pulse.is_fresh(SILENCE), "nobody waits any more, and nobody goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_that_is_worked_on_beyond_its_lease_hangs_although_another_waits() {
        let (room, pulse) = (Room::default(), Pulse::default());
        let _first = room.take(u64::MAX, &pulse).await.unwrap();
        let _under_way = pulse.work(LEASE);
        let (there, waiting) = (room.clone(), pulse.clone());
        let _second = tokio::spawn(async move { there.take(0, &waiting).await });
        tokio::time::sleep(LEASE + BEAT).await;
        assert!(!pulse.is_fresh(SILENCE));
    }
}
