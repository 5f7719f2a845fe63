//! Destinations that cannot be had for now and rest: in memory only, as a restart may ask each of them once.
//!
//! The courier writes here, the desk shows it to the admin and may end a rest. Nobody else decides by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::mail::address::Domain;
use crate::time::Timestamp;

/// How many destinations are remembered at most. A further one takes the place of the one whose rest ends first.
const MOST: usize = 10_000;

/// Why and until when a destination rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// When it could not be had for the first time.
    pub since: Timestamp,
    /// When it was tried last.
    pub tried: Timestamp,
    /// When it is tried next. Once this has passed, one copy tries it.
    pub until: Timestamp,
    /// How often in a row it could not be had.
    pub times: u32,
    /// The host that was tried last.
    pub host: String,
    /// What it was asked, such as `connecting`.
    pub step: String,
    /// Why it cannot be had: the next hop's words or ours.
    pub why: String,
}

/// How far two looks at the clock may be out of order.
const OUT_OF_ORDER: Duration = Duration::from_secs(1);

impl Rest {
    /// Whether it is not over. One that began in what is the future by now is: the clock was set back since.
    #[must_use]
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.until > now && self.tried <= now.after(OUT_OF_ORDER)
    }
}

/// What connections towards a domain are shared by.
type Shared = Box<dyn Fn(&Domain) -> String + Send + Sync>;

/// The destinations that rest.
pub struct Rests {
    destination_of: Shared,
    known: Mutex<BTreeMap<String, Rest>>,
}

impl Rests {
    /// None rest yet. `destination_of` says which destination a recipient's domain belongs to.
    #[must_use]
    pub fn new(destination_of: impl Fn(&Domain) -> String + Send + Sync + 'static) -> Self {
        Self { destination_of: Box::new(destination_of), known: Mutex::default() }
    }

    /// The destination of a domain: the smarthost, or the domain itself.
    #[must_use]
    pub fn destination(&self, domain: &Domain) -> String {
        (self.destination_of)(domain)
    }

    /// The rest of a destination that is not over.
    #[must_use]
    pub fn now(&self, destination: &str, now: Timestamp) -> Option<Rest> {
        self.last(destination).filter(|rest| rest.is_on(now))
    }

    /// The last rest of a destination that nobody has reached since.
    #[must_use]
    pub fn last(&self, destination: &str) -> Option<Rest> {
        self.lock().get(destination).cloned()
    }

    /// All that rest now, with their names.
    #[must_use]
    pub fn all(&self, now: Timestamp) -> Vec<(String, Rest)> {
        let known = self.lock();
        known
            .iter()
            .filter(|(_, rest)| rest.is_on(now))
            .map(|(name, rest)| (name.clone(), rest.clone()))
            .collect()
    }

    /// What another one knows is known here, too.
    pub fn adopt(&self, other: &Self) {
        let theirs = other.lock().clone();
        self.lock().extend(theirs);
    }

    /// A destination rests from now on.
    pub fn begin(&self, destination: &str, rest: Rest) {
        let mut known = self.lock();
        if known.len() >= MOST && !known.contains_key(destination) {
            let first = known.iter().min_by_key(|(_, rest)| rest.until).map(|(name, _)| name.clone());
            first.and_then(|name| known.remove(&name));
        }
        known.insert(destination.to_owned(), rest);
    }

    /// It was reached: nothing of its rests is remembered. True if there was something.
    pub fn forget(&self, destination: &str) -> bool {
        self.lock().remove(destination).is_some()
    }

    /// An admin wants a destination to be tried at once. How often it could not be had stays known. Returns until when it
    /// would have rested: its copies wait for that moment.
    pub fn end(&self, destination: &str, now: Timestamp) -> Option<Timestamp> {
        let mut known = self.lock();
        let rest = known.get_mut(destination).filter(|rest| rest.is_on(now))?;
        Some(std::mem::replace(&mut rest.until, now))
    }

    /// The same for all of them.
    pub fn end_all(&self, now: Timestamp) {
        self.lock().values_mut().for_each(|rest| rest.until = rest.until.min(now));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Rest>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn rest(until: i64) -> Rest {
        Rest {
            since: at(0),
            tried: at(0),
            until: at(until),
            times: 1,
            host: "mx.example.org".to_owned(),
            step: "connecting".to_owned(),
            why: "timeout".to_owned(),
        }
    }

    fn rests() -> Rests {
        Rests::new(ToString::to_string)
    }

    #[test]
    fn a_rest_is_over_at_its_time_and_known_until_the_destination_is_reached() {
        let rests = rests();
        rests.begin("example.org", rest(10));
        assert_eq!(rests.now("example.org", at(9)), Some(rest(10)));
        assert_eq!(rests.now("example.org", at(10)), None);
        assert_eq!(rests.last("example.org").map(|rest| rest.times), Some(1));
        rests.forget("example.org");
        assert_eq!(rests.last("example.org"), None);
    }

    #[test]
    fn a_rest_that_began_in_the_future_is_over() {
        let rests = rests();
        rests.begin("example.org", Rest { tried: at(1000), ..rest(1300) });
        assert!(rests.now("example.org", at(1000)).is_some() && rests.now("example.org", at(999)).is_some());
        assert_eq!(rests.now("example.org", at(500)), None, "the clock was set back");
        assert_eq!((rests.all(at(500)).len(), rests.end("example.org", at(500))), (0, None));
    }

    #[test]
    fn an_admin_ends_a_rest_and_the_count_stays() {
        let rests = rests();
        rests.begin("a.example", rest(10));
        rests.begin("b.example", rest(10));
        assert_eq!(rests.end("a.example", at(5)), Some(at(10)));
        assert_eq!((rests.end("a.example", at(5)), rests.all(at(5)).len()), (None, 1));
        rests.end_all(at(5));
        assert!(rests.all(at(5)).is_empty());
        assert_eq!(rests.last("b.example").map(|rest| rest.times), Some(1));
        assert_eq!((rests.end("c.example", at(5)), rests.last("c.example")), (None, None));
    }

    #[test]
    fn who_takes_over_knows_what_rests() {
        let (before, after) = (rests(), rests());
        before.begin("a.example", rest(10));
        after.adopt(&before);
        assert_eq!(after.all(at(5)), before.all(at(5)));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let rests = rests();
        for n in 0..i64::try_from(MOST).unwrap() + 5 {
            rests.begin(&format!("{n}.example"), rest(n + 10));
        }
        assert_eq!(rests.all(at(0)).len(), MOST);
        assert_eq!(rests.last("4.example"), None, "the first to end has gone");
        assert!(rests.last("5.example").is_some());
    }
}
