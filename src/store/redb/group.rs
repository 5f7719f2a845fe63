//! Many who want to commit, one who does it: whoever comes while a commit is under way shares the next one. A sync takes
//! the same time for one batch as for many.

use std::sync::{Arc, Mutex, PoisonError};

/// Where the result of a job will lie.
type Slot<R> = Arc<Mutex<Option<R>>>;

/// Jobs that wait to be done together.
#[derive(Debug)]
pub(super) struct Group<J, R> {
    waiting: Mutex<Vec<(J, Slot<R>)>>,
    /// Held by whoever is at work.
    turn: Mutex<()>,
}

impl<J, R> Default for Group<J, R> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: Mutex::default() }
    }
}

impl<J, R> Group<J, R> {
    /// Has this job done: by whoever is at work when it comes, or here, with all others that wait by then. `work` gets
    /// the jobs in the order they came in and returns a result for each, in that order. `None`: it broke off.
    pub(super) fn carry(&self, job: J, work: impl FnOnce(Vec<J>) -> Vec<R>) -> Option<R> {
        let own = Slot::default();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((job, Arc::clone(&own)));
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let done = take(&own);
        if done.is_some() {
            return done;
        }
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let (jobs, slots): (Vec<J>, Vec<Slot<R>>) = waiting.into_iter().unzip();
        for (slot, result) in slots.iter().zip(work(jobs)) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
        take(&own)
    }
}

fn take<R>(slot: &Slot<R>) -> Option<R> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// While one is at work, three come; then all three are done at once, each with a result of its own.
    #[test]
    fn who_comes_meanwhile_shares_the_next_turn() {
        let group = Group::<u8, u8>::default();
        let sizes = Mutex::new(Vec::new());
        let work = |jobs: Vec<u8>| {
            sizes.lock().unwrap().push(jobs.len());
            jobs.into_iter().map(|job| job * 2).collect()
        };
        let (begun, first_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (group, work) = (&group, &work);
        thread::scope(|scope| {
            let first = scope.spawn(move || {
                group.carry(1, |jobs| {
                    begun.send(()).unwrap();
                    released.recv().unwrap();
                    work(jobs)
                })
            });
            first_begun.recv().unwrap();
            let others = [2, 3, 4].map(|job| (job, scope.spawn(move || group.carry(job, work))));
            while group.waiting.lock().unwrap().len() < 3 {
                thread::yield_now();
            }
            release.send(()).unwrap();
            assert_eq!(first.join().unwrap(), Some(2));
            for (job, other) in others {
                assert_eq!(other.join().unwrap(), Some(job * 2));
            }
        });
        assert_eq!(*sizes.lock().unwrap(), [1, 3]);
    }

    #[test]
    fn who_was_carried_by_one_that_broke_off_is_told() {
        let group = Group::<(), ()>::default();
        let broken = thread::scope(|scope| scope.spawn(|| group.carry((), |_| panic!("broken"))).join());
        assert!(broken.is_err());
        assert_eq!(group.carry((), |jobs| jobs), Some(()), "and the next is carried");
    }
}
