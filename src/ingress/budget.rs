//! How much unfinished mail may lie in memory, counted in bytes: over all connections, and for each client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::admission::network;
use super::settings::Limits;

/// The common allowance, as one client sees it. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Budget {
    pool: Arc<Pool>,
    /// Whose share of it; `None` for those that have no limit of their own.
    client: Option<IpAddr>,
}

#[derive(Debug)]
struct Pool {
    limit: AtomicUsize,
    limit_per_client: AtomicUsize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    clients: HashMap<IpAddr, usize>,
}

/// What one mail holds of the allowance; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    held: usize,
}

impl Budget {
    /// An allowance of `limit` bytes, whoever uses them.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::shared(limit, limit)
    }

    /// The allowance of these limits.
    pub(super) fn of(limits: &Limits) -> Self {
        Self::shared(limits.max_in_memory, limits.in_memory_per_client())
    }

    fn shared(limit: usize, limit_per_client: usize) -> Self {
        let (limit, limit_per_client) = (limit.into(), limit_per_client.into());
        Self { pool: Arc::new(Pool { limit, limit_per_client, held: Mutex::default() }), client: None }
    }

    /// Follows other limits from now on. Whoever holds more than is left, keeps it.
    pub(super) fn obey(&self, limits: &Limits) {
        self.pool.limit.store(limits.max_in_memory, Ordering::Relaxed);
        self.pool.limit_per_client.store(limits.in_memory_per_client(), Ordering::Relaxed);
    }

    /// The same as `client` sees it: no client holds more than its part, so that none can use up all. Clients without
    /// an address (Unix sockets) are the operator's own and may.
    pub(super) fn seen_by(&self, client: Option<IpAddr>) -> Self {
        Self { pool: Arc::clone(&self.pool), client: client.map(network) }
    }

    /// How many bytes there are in all, by the present limits.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.pool.limit.load(Ordering::Relaxed)
    }

    /// How many bytes are free at this moment.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free_of(&self.held())
    }

    fn free_of(&self, held: &Held) -> usize {
        let free = self.pool.limit.load(Ordering::Relaxed).saturating_sub(held.all);
        let Some(client) = &self.client else { return free };
        let own = held.clients.get(client).copied().unwrap_or_default();
        free.min(self.pool.limit_per_client.load(Ordering::Relaxed).saturating_sub(own))
    }

    /// An empty share, to be grown.
    #[must_use]
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), held: 0 }
    }

    /// The sums are right after every statement that could fail, so a panic elsewhere spoils nothing.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.pool.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes `bytes` more; false, and nothing taken, when they are not there.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let mut held = self.budget.held();
        if bytes > self.budget.free_of(&held) {
            return false;
        }
        // No sum is larger than its limit, so none overflows.
        held.all += bytes;
        if let Some(client) = self.budget.client {
            *held.clients.entry(client).or_default() += bytes;
        }
        self.held += bytes;
        true
    }

    /// Gives everything back, before the share itself goes.
    pub fn release(&mut self) {
        let mut held = self.budget.held();
        held.all = held.all.saturating_sub(self.held);
        if let Some(client) = self.budget.client {
            let left = held.clients.get_mut(&client).map(|own| {
                *own = own.saturating_sub(self.held);
                *own
            });
            // Nothing is kept about clients that hold nothing.
            if left == Some(0) {
                held.clients.remove(&client);
            }
        }
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

    #[test]
    fn one_client_cannot_use_up_what_all_need() {
        let budget = Budget::of(&Limits { max_in_memory: 400, max_message: 80, ..Limits::default() });
        let of = |client: &str| budget.seen_by(Some(client.parse().unwrap()));
        let (mut first, mut second) = (of("192.0.2.1").share(), of("::ffff:192.0.2.1").share());
        assert!(first.grow(60) && second.grow(40));
        assert!(!second.grow(1), "a quarter is used up, by two connections of one client");
        assert_eq!((of("192.0.2.1").free(), of("192.0.2.2").free()), (0, 100));
        let mut v6 = of("2001:db8:1:2::3").share();
        assert!(v6.grow(100) && !of("2001:db8:1:2:ffff::").share().grow(1), "one /64 is one client");
        let mut local = budget.seen_by(None).share();
        assert!(local.grow(200), "a mail server on a Unix socket has no part of its own");
        assert_eq!(of("192.0.2.2").free(), 0, "but all count together");
        drop((first, second, v6, local));
        assert_eq!(budget.free(), 400);
        assert!(budget.held().clients.is_empty());
    }
}
