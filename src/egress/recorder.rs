//! Writes outcomes down, as many as wait in one durable commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::failpoint::{self, Point};
use crate::ledger::queue::{Done, Job, Queue};
use crate::store::contract::StoreError;
use crate::time::Clock;

/// The most outcomes in one commit.
const BATCH: usize = 64;

/// How often the same outcomes are offered to a store that fails, and how long it rests between. Together this is far
/// below any lease: a disk that was full for a moment makes no copy twice.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// Records what comes in until all senders are gone. `wake` is told of each copy that has another time now: until then it
/// seemed to rest to the end of its lease.
pub(crate) async fn record_outcomes(
    queue: Queue,
    clock: Arc<dyn Clock>,
    wake: Arc<Notify>,
    inbox: mpsc::Receiver<(Job, Done)>,
) {
    in_batches(inbox, move |done: &[(Job, Done)]| {
        failpoint::hit(Point::BeforeRecord);
        queue.record(done, clock.now())?;
        failpoint::hit(Point::AfterRecord);
        if done.iter().any(|(_, done)| matches!(done, Done::Deferred { .. })) {
            wake.notify_one();
        }
        for (_, done) in done {
            match done {
                Done::Deferred { .. } => failpoint::hit(Point::DeferralRecorded),
                Done::Failed { .. } | Done::Expired { .. } => failpoint::hit(Point::FailureRecorded),
                Done::Delivered { .. } => {}
            }
        }
        Ok(())
    })
    .await;
}

/// While one commit is under way the next batch gathers: nobody waits for company, and under load there is much of it.
async fn in_batches<F>(mut inbox: mpsc::Receiver<(Job, Done)>, record: F)
where
    F: Fn(&[(Job, Done)]) -> Result<(), StoreError> + Send + Sync + 'static,
{
    let record = Arc::new(record);
    let mut batch = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut batch, BATCH).await > 0 {
        let done = Arc::new(std::mem::take(&mut batch));
        for attempt in 1.. {
            let (record, outcomes) = (Arc::clone(&record), Arc::clone(&done));
            let (why, hopeless) = match tokio::task::spawn_blocking(move || record(&outcomes)).await {
                Ok(Ok(())) => break,
                // Only a restart helps then, and that waits for us.
                Ok(Err(why)) => (why.to_string(), matches!(why, StoreError::Poisoned(_))),
                Err(_) => ("the recorder broke down".to_owned(), false),
            };
            if attempt == ATTEMPTS || hopeless {
                // Their leases run out, and they are tried again: a second copy is the lesser evil.
                tracing::error!(count = done.len(), %why, "outcomes could not be recorded; these copies are sent again");
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::egress::scripted;
    use crate::time::ManualClock;

    /// A queue with one claimed copy, and its outcome as the last that comes in.
    fn one(done: Done) -> (Queue, mpsc::Receiver<(Job, Done)>) {
        let queue = scripted::queue();
        scripted::enqueue(&queue, &scripted::parcel(1, "ada@example.org", 10), b"0123456789", scripted::NOW);
        let job = queue.claim(scripted::NOW, Duration::from_secs(60), 1).unwrap().remove(0);
        let (outbox, inbox) = mpsc::channel(1);
        outbox.try_send((job, done)).unwrap();
        (queue, inbox)
    }

    #[tokio::test]
    async fn outcomes_gather_while_a_commit_is_under_way() {
        let queue = scripted::queue();
        let now = scripted::NOW;
        for n in 0..131 {
            scripted::enqueue(&queue, &scripted::parcel(n, "ada@example.org", 10), b"0123456789", now);
        }
        let (outbox, inbox) = mpsc::channel(200);
        let (begun, first_begun) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let gate = Mutex::new((begun, released));
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let recorder = tokio::spawn(in_batches(inbox, move |done: &[(Job, Done)]| {
            let mut seen = seen.lock().unwrap();
            seen.push(done.len());
            if seen.len() == 1 {
                let gate = gate.lock().unwrap();
                gate.0.send(()).unwrap();
                gate.1.recv().unwrap();
            }
            Ok(())
        }));
        let mut jobs = queue.claim(now, Duration::from_secs(60), 200).unwrap().into_iter();
        let delivered = || Done::Delivered { reply: "250 Ok".to_owned() };
        outbox.send((jobs.next().unwrap(), delivered())).await.unwrap();
        tokio::task::spawn_blocking(move || first_begun.recv().unwrap()).await.unwrap();
        for job in jobs {
            outbox.send((job, delivered())).await.unwrap();
        }
        release.send(()).unwrap();
        drop(outbox);
        recorder.await.unwrap();
        assert_eq!(*sizes.lock().unwrap(), [1, 64, 64, 2], "one alone at once, then as many as waited");
    }

    /// Until its outcome is recorded a copy seems to rest to the end of its lease: whoever looked too early has to be told.
    #[tokio::test]
    async fn a_copy_that_is_put_off_wakes_the_courier_and_a_delivered_one_does_not() {
        for (put_off, woken) in [(true, true), (false, false)] {
            let (reply, now) = ("451 Later".to_owned(), scripted::NOW);
            let done = if put_off {
                Done::Deferred { reply, until: now.after(PAUSE) }
            } else {
                Done::Delivered { reply }
            };
            let (queue, inbox) = one(done);
            let wake = Arc::new(Notify::new());
            record_outcomes(queue, Arc::new(ManualClock::at(now)), Arc::clone(&wake), inbox).await;
            let told = tokio::time::timeout(Duration::ZERO, wake.notified()).await;
            assert_eq!(told.is_ok(), woken);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_for_a_moment_makes_no_copy_twice() {
        let (queue, inbox) = one(Done::Delivered { reply: "250 Ok".to_owned() });
        let (store, failures) = (queue.clone(), Mutex::new(3));
        in_batches(inbox, move |done: &[(Job, Done)]| {
            let mut left = failures.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(StoreError::Io { doing: "write", why: "no space left".to_owned() });
            }
            store.record(done, scripted::NOW)
        })
        .await;
        assert!(queue.ls(None, 10).unwrap().is_empty(), "the delivery is on record");
    }

    #[tokio::test(start_paused = true)]
    async fn a_poisoned_store_is_not_asked_again() {
        let (_, inbox) = one(Done::Delivered { reply: "250 Ok".to_owned() });
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        in_batches(inbox, move |_: &[(Job, Done)]| {
            *count.lock().unwrap() += 1;
            Err(StoreError::Poisoned("no sync".to_owned()))
        })
        .await;
        assert_eq!(*asked.lock().unwrap(), 1, "a stop does not wait for what cannot come");
    }
}
