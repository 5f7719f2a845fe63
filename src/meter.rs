//! What is counted for whoever watches: the name of every metric, and the only hands that move them. Labels are words of
//! ours, lists of the configuration and reply codes, never an address. Where nobody installed a recorder, nothing happens.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Up only.
    Counter,
    /// To any value.
    Gauge,
    /// Many values, sorted into buckets.
    Histogram,
}

/// One metric: its name, how it moves, what it tells.
pub struct Metric(pub &'static str, pub Kind, pub &'static str);

/// Upper bounds of the buckets of every histogram, in seconds.
pub const BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0];

macro_rules! metrics {
    ($($konst:ident = $name:literal, $kind:ident, $help:literal;)*) => {
        $(const $konst: &str = $name;)*
        /// Every metric that there is.
        pub const ALL: &[Metric] = &[$(Metric($name, Kind::$kind, $help)),*];
    };
}

metrics! {
    BUILD = "vouchsafe_build_info", Gauge, "Always 1; version and store engine as labels.";
    START = "vouchsafe_start_time_seconds", Gauge, "When the daemon started, in seconds since 1970.";
    SESSIONS = "vouchsafe_sessions_total", Counter, "Sessions that began, by way (smtp, smtps, lmtp).";
    OPEN = "vouchsafe_sessions_open", Gauge, "Sessions at this moment, by way.";
    ENDED = "vouchsafe_sessions_ended_total", Counter, "Sessions that ended, by way and whether TLS was on (yes, no).";
    TURNED_AWAY = "vouchsafe_connections_refused_total", Counter, "Connections that got no session, by reason (why): no place at all, none for this client, or too often.";
    CUT = "vouchsafe_connections_cut_total", Counter, "Sessions that ended because the client was too slow.";
    ACCEPT = "vouchsafe_accept_errors_total", Counter, "Connections that the system did not hand over: out of files, most likely.";
    PUT_OFF = "vouchsafe_mails_put_off_total", Counter, "Mails that were put off before they were read, by reason (why).";
    REFUSALS = "vouchsafe_refusals_total", Counter, "Replies of 4xx and 5xx in sessions, by code.";
    ARRIVALS = "vouchsafe_arrivals_total", Counter, "Whole mails by way (smtp, lmtp, imap, maildir) and outcome: taken, or put off (disk_full, memory, storage, busy).";
    ARRIVED = "vouchsafe_arrival_bytes_total", Counter, "Size of the mails that were taken, by way.";
    TAKE_IN = "vouchsafe_take_in_seconds", Histogram, "From the last byte of a mail to its being sealed and durable.";
    RELAYED = "vouchsafe_relayed_total", Counter, "What became of arrivals, by list, outcome (post, hold, drop, command, parked, failed) and reason.";
    RELAY = "vouchsafe_relay_seconds", Histogram, "How long one arrival was worked on.";
    WAITED = "vouchsafe_arrival_wait_seconds", Histogram, "From a mail's arrival to the commit that made it a post.";
    MISSED = "vouchsafe_readers_missed_total", Counter, "Readers that got no copy of a post for want of a usable certificate, by list.";
    DELIVERIES = "vouchsafe_deliveries_total", Counter, "Attempts to deliver a copy, by outcome (delivered, deferred, failed) and cause (none, reply_4xx, reply_5xx, timeout, connection).";
    DELIVERY = "vouchsafe_delivery_seconds", Histogram, "How long an attempt to deliver took.";
    DELIVERED = "vouchsafe_delivered_bytes_total", Counter, "Size of the bodies that were delivered.";
    COMMITS = "vouchsafe_store_commits_total", Counter, "Changes of the store, by outcome (done, conflict, failed).";
    COMMIT = "vouchsafe_store_commit_seconds", Histogram, "How long a change of the store took to be durable.";
    RELOADS = "vouchsafe_reloads_total", Counter, "Readings of the settings while the daemon ran, by outcome (taken, refused).";
    SPOOL = "vouchsafe_spool_mails", Gauge, "Arrived mails that wait to be worked off.";
    HELD = "vouchsafe_held_mails", Gauge, "Mails that wait for a person, those in quarantine included.";
    QUARANTINED = "vouchsafe_quarantined_mails", Gauge, "Mails that the worker did not survive three times.";
    QUEUE = "vouchsafe_queue_copies", Gauge, "Copies by state: due, claimed, deferred, failed.";
    OLDEST = "vouchsafe_queue_oldest_seconds", Gauge, "Age of the oldest copy that has not failed.";
    RESTING = "vouchsafe_destinations_resting", Gauge, "Destinations that cannot be had and rest.";
    PAUSED = "vouchsafe_lists_paused", Gauge, "Lists that are paused.";
    UNREACHABLE = "vouchsafe_readers_unreachable", Gauge, "Readers whom a post would not reach now.";
    FREE = "vouchsafe_disk_free_ratio", Gauge, "Free share of the store's file system; below 0.05 mail is put off.";
    RESIDENT = "vouchsafe_resident_memory_bytes", Gauge, "Memory of the process (VmRSS).";
    LOCKED = "vouchsafe_locked_memory_bytes", Gauge, "Memory that cannot be swapped out (VmLck).";
    CERTIFICATE = "vouchsafe_tls_certificate_expiry_timestamp_seconds", Gauge, "When the certificate of incoming TLS ends; 0 without one.";
    LAST_ARRIVAL = "vouchsafe_last_arrival_timestamp_seconds", Gauge, "When a mail was taken in last; 0 if none was since the start.";
    LAST_DELIVERY = "vouchsafe_last_delivery_timestamp_seconds", Gauge, "When a copy was delivered last; 0 if none was since the start.";
    FRESH = "vouchsafe_part_alive", Gauge, "1 while a part (worker, courier, listeners) gives signs of life, else 0.";
}

/// Tells what each metric is, and begins every series whose labels are known, so that a rate is right from its first event.
pub fn describe() {
    for Metric(name, kind, help) in ALL {
        match kind {
            Kind::Counter => describe_counter!(*name, *help),
            Kind::Gauge => describe_gauge!(*name, *help),
            Kind::Histogram => describe_histogram!(*name, *help),
        }
    }
    for way in ["smtp", "smtps", "lmtp"] {
        counter!(SESSIONS, "way" => way).increment(0);
        for tls in ["yes", "no"] {
            counter!(ENDED, "way" => way, "tls" => tls).increment(0);
        }
        gauge!(OPEN, "way" => way).increment(0.0);
    }
    for way in ["smtp", "lmtp", "imap", "maildir"] {
        for outcome in ["taken", "disk_full", "memory", "storage", "busy"] {
            counter!(ARRIVALS, "way" => way, "outcome" => outcome).increment(0);
        }
        counter!(ARRIVED, "way" => way).increment(0);
    }
    for (outcome, cause) in [
        ("delivered", "none"),
        ("deferred", "reply_4xx"),
        ("deferred", "reply_5xx"),
        ("deferred", "timeout"),
        ("deferred", "connection"),
        ("failed", "reply_5xx"),
        ("failed", "connection"),
    ] {
        counter!(DELIVERIES, "outcome" => outcome, "cause" => cause).increment(0);
    }
    for outcome in ["done", "conflict", "failed"] {
        counter!(COMMITS, "outcome" => outcome).increment(0);
    }
    for outcome in ["taken", "refused"] {
        counter!(RELOADS, "outcome" => outcome).increment(0);
    }
    for name in [CUT, ACCEPT] {
        counter!(name).increment(0);
    }
    for why in ["all", "client", "often"] {
        counter!(TURNED_AWAY, "why" => why).increment(0);
    }
    counter!(PUT_OFF, "why" => "rate").increment(0);
    counter!(REFUSALS, "code" => "550").increment(0);
    counter!(DELIVERED).increment(0);
    for name in [TAKE_IN, RELAY, WAITED, DELIVERY, COMMIT] {
        // A histogram shows from its first value on.
        let _ = histogram!(name);
    }
}

/// Begins the series of a list.
pub fn begin_list(list: &str) {
    counter!(MISSED, "list" => list.to_owned()).increment(0);
    for outcome in ["post", "parked", "failed"] {
        relayed(list, outcome, "", 0);
    }
}

/// A session that is under way; over when dropped.
pub struct Session(&'static str);

impl Session {
    /// It begins.
    #[must_use]
    pub fn begin(way: &'static str) -> Self {
        counter!(SESSIONS, "way" => way).increment(1);
        gauge!(OPEN, "way" => way).increment(1.0);
        Self(way)
    }

    /// It ended; whether TLS was on.
    pub fn ended(self, tls: bool) {
        counter!(ENDED, "way" => self.0, "tls" => if tls { "yes" } else { "no" }).increment(1);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        gauge!(OPEN, "way" => self.0).decrement(1.0);
    }
}

/// A reply of ours, counted if it is a refusal (RFC 5321 §4.2.1).
pub fn reply(line: &[u8]) {
    let Some(code @ [b'4' | b'5', b'0'..=b'9', b'0'..=b'9']) = line.get(..3) else { return };
    let code: String = code.iter().copied().map(char::from).collect();
    counter!(REFUSALS, "code" => code).increment(1);
}

/// A whole mail of so many bytes was taken, or put off.
pub fn arrival(way: &'static str, outcome: &'static str, bytes: usize, since: Instant) {
    counter!(ARRIVALS, "way" => way, "outcome" => outcome).increment(1);
    if outcome == "taken" {
        counter!(ARRIVED, "way" => way).increment(u64::try_from(bytes).unwrap_or(u64::MAX));
        histogram!(TAKE_IN).record(since.elapsed());
    }
}

/// What became of an arrival.
pub fn relay(list: &str, outcome: &'static str, reason: &str) {
    relayed(list, outcome, reason, 1);
}

fn relayed(list: &str, outcome: &'static str, reason: &str, count: u64) {
    counter!(RELAYED, "list" => list.to_owned(), "outcome" => outcome, "reason" => reason.to_owned())
        .increment(count);
}

/// An arrival was worked on for so long.
pub fn relay_took(time: Duration) {
    histogram!(RELAY).record(time);
}

/// An arrival became a post so long after it came, and so many readers missed it.
pub fn posted(list: &str, waited: Duration, missed: usize) {
    histogram!(WAITED).record(waited);
    counter!(MISSED, "list" => list.to_owned()).increment(u64::try_from(missed).unwrap_or(u64::MAX));
}

/// An attempt to deliver a body of so many bytes.
pub fn delivery(outcome: &'static str, code: Option<u16>, hung: bool, bytes: u64, time: Duration) {
    let cause = match (outcome, code) {
        ("delivered", _) => "none",
        (_, Some(400..=499)) => "reply_4xx",
        (_, Some(500..=599)) => "reply_5xx",
        _ if hung => "timeout",
        _ => "connection",
    };
    counter!(DELIVERIES, "outcome" => outcome, "cause" => cause).increment(1);
    histogram!(DELIVERY).record(time);
    if outcome == "delivered" {
        counter!(DELIVERED).increment(bytes);
    }
}

/// A change of the store.
pub fn commit(outcome: &'static str, time: Duration) {
    counter!(COMMITS, "outcome" => outcome).increment(1);
    histogram!(COMMIT).record(time);
}

/// The settings were read again.
pub fn reload(taken: bool) {
    counter!(RELOADS, "outcome" => if taken { "taken" } else { "refused" }).increment(1);
}

/// What the daemon is, for as long as it runs.
pub fn identity(version: &'static str, store: String, started: SystemTime) {
    gauge!(BUILD, "version" => version, "store" => store).set(1.0);
    gauge!(START).set(started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
}

/// How things stand at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Arrivals that wait.
    pub spool: f64,
    /// Held mails.
    pub held: f64,
    /// Those of them in quarantine.
    pub quarantined: f64,
    /// Copies: due, claimed, deferred, failed.
    pub queue: [f64; 4],
    /// Seconds since the oldest copy was queued.
    pub oldest: f64,
    /// Destinations that rest.
    pub resting: f64,
    /// Paused lists.
    pub paused: f64,
    /// Readers whom no post reaches.
    pub unreachable: f64,
    /// Free share of the file system.
    pub free: f64,
    /// Bytes in memory.
    pub resident: f64,
    /// Bytes locked in memory.
    pub locked: f64,
    /// When the certificate ends, the last arrival was, the last delivery was: seconds since 1970, or 0.
    pub certificate: f64,
    /// See `certificate`.
    pub arrival: f64,
    /// See `certificate`.
    pub delivery: f64,
}

impl Standing {
    /// Shows it.
    pub fn show(&self) {
        let all = [
            (SPOOL, self.spool),
            (HELD, self.held),
            (QUARANTINED, self.quarantined),
            (OLDEST, self.oldest),
            (RESTING, self.resting),
            (PAUSED, self.paused),
            (UNREACHABLE, self.unreachable),
            (FREE, self.free),
            (RESIDENT, self.resident),
            (LOCKED, self.locked),
            (CERTIFICATE, self.certificate),
            (LAST_ARRIVAL, self.arrival),
            (LAST_DELIVERY, self.delivery),
        ];
        all.into_iter().for_each(|(name, value)| gauge!(name).set(value));
        for (state, count) in ["due", "claimed", "deferred", "failed"].into_iter().zip(self.queue) {
            gauge!(QUEUE, "state" => state).set(count);
        }
    }
}

/// Whether a part gives signs of life.
pub fn part(name: &'static str, alive: bool) {
    gauge!(FRESH, "part" => name).set(if alive { 1.0 } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        for Metric(name, kind, help) in ALL {
            assert!(name.starts_with("vouchsafe_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}: only counters are totals");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with('.') && help.len() > 10, "{name}");
        }
        let mut names: Vec<&str> = ALL.iter().map(|Metric(name, ..)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len(), "each name is there once");
    }
}
