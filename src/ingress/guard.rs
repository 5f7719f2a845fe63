//! What is looked at before a mail is let in: how often its client and sender come, and whether there is room for it, in
//! memory and on disk.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::counter;

use super::events::NotTaken;
use super::rates::Rates;
use super::rates::settings::RateSettings;
use super::reply::{not_taken, reply};
use super::settings::Limits;
use crate::mail::address::Address;
use crate::store::contract::Room;
use crate::time::Timestamp;

/// How long what was found out about memory and disk counts, in milliseconds.
const FRESH: i64 = 100;

/// Asks how much room there is on the disk.
pub type AskRoom = Arc<dyn Fn() -> Option<Room> + Send + Sync>;

/// What all sessions ask. Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    rates: Rates,
    max_memory: Option<u64>,
    min_free_disk: u8,
    ask_room: Option<AskRoom>,
    resident: AtomicU64,
    room: Mutex<Option<Room>>,
    looked_at: AtomicI64,
    refusing: AtomicBool,
}

impl Guard {
    /// A guard by these settings; without `ask_room` the disk is left to the intake.
    #[must_use]
    pub fn new(limits: &Limits, rates: &RateSettings, ask_room: Option<AskRoom>) -> Self {
        Self(Arc::new(Inner {
            rates: Rates::new(rates),
            max_memory: limits.max_memory,
            min_free_disk: limits.min_free_disk,
            ask_room,
            resident: AtomicU64::new(0),
            room: Mutex::default(),
            looked_at: AtomicI64::new(i64::MIN),
            refusing: AtomicBool::new(false),
        }))
    }

    /// The same; where its rates are those of the guard `before`, they count on, and nobody gets more by a reload.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        if !self.0.rates.has_settings_of(&before.0.rates) {
            return self;
        }
        Self(Arc::new(Inner {
            rates: before.0.rates.clone(),
            max_memory: self.0.max_memory,
            min_free_disk: self.0.min_free_disk,
            ask_room: self.0.ask_room.clone(),
            resident: AtomicU64::new(0),
            room: Mutex::default(),
            looked_at: AtomicI64::new(i64::MIN),
            refusing: AtomicBool::new(before.0.refusing.load(Ordering::Relaxed)),
        }))
    }

    /// The guard of one client; `None` is a Unix socket.
    #[must_use]
    pub fn of(&self, client: Option<IpAddr>) -> ClientGuard {
        ClientGuard { guard: self.clone(), client }
    }

    /// Whether a client connects too often, with the reason as text.
    pub(super) fn connects_too_often(&self, client: Option<IpAddr>, now: Timestamp) -> Option<String> {
        self.0.rates.connection(client, now).err().map(|why| why.to_string())
    }

    /// Whether there is room for a mail of that many bytes.
    pub(super) fn room(&self, size: usize, now: Timestamp) -> Result<(), NotTaken> {
        self.look(now);
        if self.0.max_memory.is_some_and(|max| self.0.resident.load(Ordering::Relaxed) > max) {
            return Err(NotTaken::Memory);
        }
        let room = *self.0.room.lock().unwrap_or_else(PoisonError::into_inner);
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        match room {
            Some(room) if room.is_short(self.0.min_free_disk, size) => Err(NotTaken::DiskFull),
            _ => Ok(()),
        }
    }

    /// Says in the log when it begins and when it ends, not with each mail.
    fn tell(&self, why: Option<NotTaken>) {
        if self.0.refusing.swap(why.is_some(), Ordering::Relaxed) == why.is_some() {
            return;
        }
        match why {
            Some(why) => tracing::warn!(why = why.name(), "mail is put off: there is no room"),
            None => tracing::info!("mail is taken again"),
        }
    }

    fn look(&self, now: Timestamp) {
        let (now, last) = (now.millis(), self.0.looked_at.load(Ordering::Relaxed));
        // Also after the clock was set back.
        if (last..last.saturating_add(FRESH)).contains(&now) {
            return;
        }
        self.0.looked_at.store(now, Ordering::Relaxed);
        if self.0.max_memory.is_some() {
            self.0.resident.store(resident().unwrap_or(0), Ordering::Relaxed);
        }
        if let Some(ask) = &self.0.ask_room {
            *self.0.room.lock().unwrap_or_else(PoisonError::into_inner) = ask();
        }
    }
}

/// What one client's session asks.
#[derive(Clone)]
pub struct ClientGuard {
    guard: Guard,
    client: Option<IpAddr>,
}

impl ClientGuard {
    /// The reply that refuses a mail at its beginning; `size` is what the client declared, in bytes, 0 where it did not.
    pub(super) fn mail(
        &self,
        reverse_path: Option<&Address>,
        size: usize,
        now: Timestamp,
    ) -> Option<Vec<u8>> {
        // RFC 1870 §6.1: insufficient storage is said here already.
        let room = self.guard.room(size, now);
        self.guard.tell(room.err());
        if let Err(why) = room {
            counter!("vouchsafe_mails_put_off_total", "why" => why.name()).increment(1);
            return Some(not_taken(why));
        }
        let often = self.guard.0.rates.mail(self.client, reverse_path, now).err()?;
        counter!("vouchsafe_mails_put_off_total", "why" => "rate").increment(1);
        Some(reply(450, "4.7.1", &often.to_string()))
    }

    /// The reply that refuses a recipient.
    pub(super) fn recipient(&self, now: Timestamp) -> Option<Vec<u8>> {
        let often = self.guard.0.rates.recipient(self.client, now).err()?;
        Some(reply(450, "4.7.1", &often.to_string()))
    }
}

/// How much memory this process has at this moment, in bytes (proc(5), `VmRSS`).
#[must_use]
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + millis)
    }

    fn said(refusal: Option<Vec<u8>>) -> String {
        refusal.map_or_else(String::new, |reply| String::from_utf8(reply).unwrap())
    }

    fn free(guard: &Arc<AtomicU64>, min: u8, max_message: usize) -> ClientGuard {
        let free = Arc::clone(guard);
        let ask: AskRoom = Arc::new(move || Some(Room { free: free.load(Ordering::Relaxed), total: 1_000 }));
        let limits = Limits { min_free_disk: min, max_message, ..Limits::default() };
        Guard::new(&limits, &RateSettings::default(), Some(ask)).of(None)
    }

    #[test]
    fn what_does_not_fit_on_the_disk_is_refused_before_it_comes() {
        let bytes = Arc::new(AtomicU64::new(1_000));
        let guard = free(&bytes, 5, 100);
        assert_eq!(guard.mail(None, 0, at(0)), None);
        assert_eq!(guard.mail(None, 400, at(0)), None);
        assert!(said(guard.mail(None, 980, at(0))).starts_with("452 4.3.1 No room"), "5 % are to remain");
        bytes.store(49, Ordering::Relaxed);
        assert_eq!(guard.mail(None, 0, at(FRESH - 1)), None, "it was looked at a moment ago");
        assert!(said(guard.mail(None, 0, at(FRESH))).starts_with("452 4.3.1 No room"));
        bytes.store(51, Ordering::Relaxed);
        assert_eq!(guard.mail(None, 0, at(-5_000)), None, "the clock was set back");
    }

    #[test]
    fn a_process_beyond_its_memory_takes_no_mail() {
        let of = |max_memory| {
            let limits = Limits { max_memory, ..Limits::default() };
            Guard::new(&limits, &RateSettings::default(), None).of(None)
        };
        let now = resident().unwrap();
        assert!(now > 1 << 20, "{now}");
        assert!(said(of(Some(now / 2)).mail(None, 0, at(0))).starts_with("452 4.3.1 "));
        assert_eq!(of(Some(now * 100)).mail(None, 0, at(0)), None);
        assert_eq!(of(None).mail(None, 0, at(0)), None);
    }

    #[test]
    fn rates_count_on_behind_another_guard_unless_they_are_others() {
        let once = RateSettings { mails_per_minute: 1, ..RateSettings::default() };
        let twice = RateSettings { mails_per_minute: 2, ..RateSettings::default() };
        let guard =
            |rates, max_message| Guard::new(&Limits { max_message, ..Limits::default() }, rates, None);
        let client = |guard: &Guard| guard.of(Some([192, 0, 2, 1].into()));
        let before = guard(&once, 100);
        assert_eq!(client(&before).mail(None, 0, at(0)), None);
        let same = guard(&once, 200).after(&before);
        assert!(
            said(client(&same).mail(None, 0, at(0))).starts_with("450 4.7.1 "),
            "a reload gives nothing back"
        );
        let more = guard(&twice, 200).after(&before);
        assert_eq!(client(&more).mail(None, 0, at(0)), None, "other rates begin anew");
    }

    #[test]
    fn whoever_comes_too_often_is_told_when_to_come_again() {
        let rates = RateSettings { mails_per_minute: 1, recipients_per_minute: 1, ..RateSettings::default() };
        let guard = Guard::new(&Limits::default(), &rates, None).of(Some([192, 0, 2, 1].into()));
        assert_eq!((guard.mail(None, 0, at(0)), guard.recipient(at(0))), (None, None));
        let (mail, recipient) = (said(guard.mail(None, 0, at(0))), said(guard.recipient(at(0))));
        assert_eq!(
            mail,
            "450 4.7.1 Too many mails from your address, at most 1 in one minute; try again in 61 s\r\n"
        );
        assert!(recipient.starts_with("450 4.7.1 Too many recipients"), "{recipient}");
    }
}
