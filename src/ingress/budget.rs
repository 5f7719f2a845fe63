//! How much unfinished mail may lie in memory, counted in bytes over all connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The common allowance. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    limit: usize,
    held: AtomicUsize,
}

/// What one mail holds of the allowance; given back when dropped.
#[derive(Debug)]
pub struct Share {
    pool: Arc<Pool>,
    held: usize,
}

impl Budget {
    /// An allowance of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Pool { limit, held: AtomicUsize::new(0) }))
    }

    /// How many bytes are free at this moment.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.limit.saturating_sub(self.0.held.load(Ordering::Acquire))
    }

    /// An empty share, to be grown.
    #[must_use]
    pub fn share(&self) -> Share {
        Share { pool: Arc::clone(&self.0), held: 0 }
    }
}

impl Share {
    /// Takes `bytes` more; false, and nothing taken, when they are not there.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let limit = self.pool.limit;
        let more = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= limit);
        let taken = self.pool.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok();
        if taken {
            self.held += bytes;
        }
        taken
    }

    /// Gives everything back, before the share itself goes.
    pub fn release(&mut self) {
        self.pool.held.fetch_sub(self.held, Ordering::AcqRel);
        self.held = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_count_together_and_come_back() {
        let budget = Budget::new(100);
        let (mut one, mut two) = (budget.share(), budget.clone().share());
        assert!(one.grow(60) && two.grow(40));
        assert!(!two.grow(1), "the allowance is used up");
        assert_eq!(budget.free(), 0);
        drop(one);
        assert_eq!(budget.free(), 60);
        assert!(!two.grow(usize::MAX), "no wrap-around");
        two.release();
        assert_eq!(budget.free(), 100);
    }
}
