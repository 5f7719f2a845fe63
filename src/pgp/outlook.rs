//! What can be said of a certificate, and until when it stays true: to ask the library anew for each of a thousand
//! members, at each look, takes longer than a person should wait.

use std::time::Duration;

use sequoia_openpgp as openpgp;

use openpgp::Packet;

use super::cert::{Cert, CertProblem};
use crate::time::Timestamp;

/// The longest that it holds: what the library thinks of an algorithm depends on the date too.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The library bears clocks that differ by half an hour; so long before a moment it is asked each time.
const SKEW: Duration = Duration::from_secs(31 * 60);

/// So many moments of the future are looked at: who has more in a certificate is told an end that is too early.
const MOMENTS: usize = 200;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long before its end a certificate is spoken of, in days; the nearest first.
pub const WARNED_DAYS: [u16; 3] = [7, 30, 60];

/// What a look at a certificate found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Why it cannot be encrypted to, if it cannot.
    pub problem: Option<CertProblem>,
    /// When it stops being of use, or did; `None`: never, or it is of no use for a reason that time does not mend.
    pub expires: Option<Timestamp>,
    from: Timestamp,
    until: Timestamp,
}

impl Outlook {
    /// Whether a look at that time would find the same.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// Within how many days from then it is of no use: 0 when it is none by then, else one of [`WARNED_DAYS`].
    #[must_use]
    pub fn within(&self, at: Timestamp) -> Option<u16> {
        if self.problem.is_some() {
            return Some(0);
        }
        let left = self.expires?.since(at);
        WARNED_DAYS.into_iter().find(|days| left <= DAY * u32::from(*days))
    }
}

impl Cert {
    /// What can be said of it at that time.
    #[must_use]
    pub fn outlook(&self, at: Timestamp) -> Outlook {
        let ahead = self.moments().into_iter().filter(|moment| *moment >= at.before(SKEW));
        let until = ahead.map(|moment| moment.before(SKEW)).fold(at.after(LONGEST), Timestamp::min);
        Outlook { problem: self.sealable(at).err(), expires: self.expires(at), from: at, until }
    }

    /// When it stops being of use, seen from that time: the first moment at which nothing in it can be encrypted to,
    /// whatever it is that runs out (the primary key, what binds it, the last subkey for encryption). Of one that has
    /// expired, when it did. `None`: never, or it is of no use for another reason.
    #[must_use]
    pub fn expires(&self, at: Timestamp) -> Option<Timestamp> {
        match self.sealable(at) {
            Err(CertProblem::Expired { since }) => Some(since),
            Err(_) => None,
            Ok(()) => {
                let mut ahead: Vec<_> = self.moments().into_iter().filter(|moment| *moment > at).collect();
                ahead.sort_unstable();
                ahead.dedup();
                let beyond = ahead.get(MOMENTS).copied();
                ahead.truncate(MOMENTS);
                ahead.into_iter().find(|moment| self.sealable(*moment).is_err()).or(beyond)
            }
        }
    }

    /// Every moment at which something in it begins or ends. Which signature's term is about which key does not matter:
    /// a moment too many is one look too many.
    fn moments(&self) -> Vec<Timestamp> {
        let (mut begins, mut made, mut terms) = (Vec::new(), Vec::new(), Vec::new());
        for packet in self.openpgp().clone().into_packets() {
            match packet {
                Packet::PublicKey(key) => made.push(Timestamp::from_system(key.creation_time())),
                Packet::PublicSubkey(key) => made.push(Timestamp::from_system(key.creation_time())),
                Packet::Signature(signature) => {
                    let begin = signature.signature_creation_time().map(Timestamp::from_system);
                    begins.extend(begin);
                    let ends = signature.signature_validity_period();
                    begins.extend(begin.zip(ends).map(|(begin, term)| begin.after(term)));
                    terms.extend(signature.key_validity_period());
                }
                _ => {}
            }
        }
        terms.sort_unstable();
        terms.dedup();
        let ends = made.iter().flat_map(|made| terms.iter().map(|term| made.after(*term)));
        begins.extend(ends.collect::<Vec<_>>());
        begins.extend(made);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgp::person::{Person, Sort};

    const T0: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn cert(validity: Option<Duration>) -> Cert {
        Person::generate("A", "a@example.org", Sort::V4, T0, validity).unwrap().cert().clone()
    }

    #[test]
    fn it_holds_for_a_day_and_never_for_the_past() {
        let cert = cert(None);
        let later = T0.after(DAY);
        let outlook = cert.outlook(later);
        assert_eq!((&outlook.problem, outlook.expires, outlook.within(later)), (&None, None, None));
        assert!(outlook.holds(later) && outlook.holds(later.after(DAY / 2)));
        assert!(!outlook.holds(later.after(DAY)) && !outlook.holds(later.before(Duration::from_millis(1))));
    }

    #[test]
    fn it_never_reaches_over_the_moment_at_which_the_answer_changes() {
        let validity = 10 * DAY;
        for sort in [Sort::V4, Sort::V6] {
            let cert = Person::generate("A", "a@example.org", sort, T0, Some(validity)).unwrap();
            let cert = cert.cert();
            let mut at = T0.before(DAY);
            let mut looks = 0;
            while at < T0.after(validity + DAY) {
                let outlook = cert.outlook(at);
                // Wherever it holds, a fresh look finds the same.
                let step = Duration::from_secs(600);
                at = at.after(step);
                while outlook.holds(at) {
                    assert_eq!(cert.sealable(at).err(), outlook.problem, "{at}");
                    at = at.after(step);
                }
                looks += 1;
            }
            assert!(looks < 60, "{looks} looks in twelve days spare nothing");
            assert!(matches!(cert.outlook(at).problem, Some(CertProblem::Expired { .. })));
        }
    }

    #[test]
    fn the_nearest_of_the_days_is_named() {
        let end = T0.after(100 * DAY);
        let cert = cert(Some(100 * DAY));
        let within = |days: u32| {
            let at = end.before(DAY * days);
            let outlook = cert.outlook(at);
            assert_eq!(outlook.expires, Some(end), "{days} days before");
            outlook.within(at)
        };
        let named = [61, 60, 31, 30, 8, 7, 1, 0].map(within);
        assert_eq!(named, [None, Some(60), Some(60), Some(30), Some(30), Some(7), Some(7), Some(0)]);
        // A look holds for a day; what is near is reckoned anew each time.
        let early = cert.outlook(end.before(DAY * 30 + DAY / 4));
        let later = end.before(DAY * 30 - DAY / 4);
        assert!(early.holds(later));
        assert_eq!(early.within(later), Some(30));
    }
}
