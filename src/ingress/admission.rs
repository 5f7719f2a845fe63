//! How many connections there are, in all and from each client.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::settings::Limits;

/// Counts connections. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub(super) struct Admission(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    max: AtomicUsize,
    max_per_client: AtomicUsize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    all: usize,
    clients: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    counts: Arc<Counts>,
    client: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// For anybody.
    All,
    /// For this client.
    Client,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        let (max, max_per_client) = (limits.max_connections.into(), limits.max_connections_per_client.into());
        Self(Arc::new(Counts { max, max_per_client, now: Mutex::default() }))
    }

    /// Follows other limits from now on. Whoever is in stays in.
    pub(super) fn obey(&self, limits: &Limits) {
        self.0.max.store(limits.max_connections, Ordering::Relaxed);
        self.0.max_per_client.store(limits.max_connections_per_client, Ordering::Relaxed);
    }

    /// A place for a connection from `client`; clients without an address (Unix sockets) count only in all.
    pub(super) fn enter(&self, client: Option<IpAddr>) -> Result<Place, Full> {
        let client = client.map(network);
        let mut now = self.0.now();
        let free = self.0.max.load(Ordering::Relaxed).saturating_sub(now.all);
        if free == 0 {
            return Err(Full::All);
        }
        if let Some(ip) = client {
            let own = now.clients.get(&ip).copied().unwrap_or_default();
            match self.0.allowed(free) {
                0 => return Err(Full::All),
                allowed if own >= allowed => return Err(Full::Client),
                _ => now.clients.insert(ip, own.saturating_add(1)),
            };
        }
        now.all = now.all.saturating_add(1);
        Ok(Place { counts: Arc::clone(&self.0), client })
    }

    /// Whether more than half of all places are taken.
    pub(super) fn is_crowded(&self) -> bool {
        self.0.now().all > self.0.max.load(Ordering::Relaxed) / 2
    }
}

impl Counts {
    /// How many places one client may have while so many are free. The fewer are left, the more they are for clients that
    /// have few or none, so that a handful of clients cannot shut out all others; the last are for Unix sockets, where the
    /// operator's own mail server comes.
    fn allowed(&self, free: usize) -> usize {
        let (max, per_client) =
            (self.max.load(Ordering::Relaxed), self.max_per_client.load(Ordering::Relaxed));
        let last = |part: usize| free <= max / part;
        match (last(20), last(8), last(5)) {
            (true, ..) => 0,
            (_, true, _) => per_client.min(1),
            (.., true) => (per_client / 10).max(1).min(per_client),
            _ => per_client,
        }
    }

    /// The counts are right after every statement, so a panic elsewhere spoils nothing.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut now = self.counts.now();
        now.all = now.all.saturating_sub(1);
        let Some(ip) = self.client else { return };
        let left = now.clients.get_mut(&ip).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            now.clients.remove(&ip);
        }
    }
}

/// What counts as one client: an IPv4 address, or the /64 that every IPv6 customer has for itself (RFC 6177).
pub(super) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn each_client_and_all_together_have_their_limit_and_places_come_back() {
        let limits = Limits { max_connections: 3, max_connections_per_client: 2, ..Limits::default() };
        let admission = Admission::new(&limits);
        let one = admission.enter(ip("192.0.2.1")).unwrap();
        let _two = admission.enter(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(admission.enter(ip("192.0.2.1")).unwrap_err(), Full::Client);
        let _three = admission.enter(None).unwrap();
        assert_eq!(admission.enter(ip("192.0.2.2")).unwrap_err(), Full::All);
        drop(one);
        assert!(admission.enter(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn other_limits_hold_for_whoever_comes_next() {
        let admission = Admission::new(&Limits { max_connections: 2, ..Limits::default() });
        let _places = [admission.enter(None).unwrap(), admission.enter(None).unwrap()];
        assert_eq!(admission.enter(None).unwrap_err(), Full::All);
        admission.obey(&Limits { max_connections: 3, ..Limits::default() });
        let _third = admission.enter(None).unwrap();
        admission.obey(&Limits { max_connections: 1, ..Limits::default() });
        assert_eq!(admission.enter(None).unwrap_err(), Full::All);
    }

    #[test]
    fn a_few_clients_that_take_all_they_can_leave_places_for_others() {
        let admission = Admission::new(&Limits::default());
        let mut held = Vec::new();
        // A hundred addresses, five thousand attempts, one after the other.
        for address in 1..=100_u8 {
            for _ in 0..50 {
                held.extend(admission.enter(Some([192, 0, 2, address].into())));
            }
        }
        assert!(held.len() >= 900 && held.len() < 950, "{}", held.len());
        assert!(admission.is_crowded());
        let honest = admission.enter(ip("198.51.100.1")).unwrap();
        assert_eq!(admission.enter(ip("198.51.100.1")).unwrap_err(), Full::Client, "one, in such times");
        // However many addresses there are, the operator's own mail server comes in.
        for address in 0..=200_u8 {
            held.extend(admission.enter(Some([203, 0, 113, address].into())));
        }
        assert_eq!(held.len(), 949);
        assert_eq!(admission.enter(ip("198.51.100.2")).unwrap_err(), Full::All);
        assert!(admission.enter(None).is_ok());
        drop((held, honest));
        assert!(!admission.is_crowded() && admission.0.now().clients.is_empty());
    }

    #[test]
    fn a_v6_client_is_its_network() {
        assert_eq!(
            network("2001:db8:1:2:3::4".parse().unwrap()),
            "2001:db8:1:2::".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn nothing_is_kept_about_clients_that_left() {
        let admission = Admission::new(&Limits::default());
        drop(admission.enter(ip("192.0.2.1")));
        assert!(admission.0.now().clients.is_empty());
    }
}
