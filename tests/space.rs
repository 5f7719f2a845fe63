//! What was relayed leaves no space behind: the data directory of a daemon that goes on, after large mail and after many
//! small copies. Mail is taken while the space comes back, too.
//!
//! `VOUCHSAFE_SPACE_MIB` sets how much is relayed (1024 when not set), `VOUCHSAFE_SPACE_COPIES` how many small copies wait
//! (6000), `VOUCHSAFE_TEST_BINARY` which program does it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures and skips"
)]

mod outside;

#[path = "space/load.rs"]
mod load;
#[path = "space/usage.rs"]
mod usage;

use std::sync::Once;
use std::time::{Duration, Instant};

use load::{Setting, relay};
use outside::release::use_release;
use usage::{Peak, mib, used};

/// What may be left when all is delivered, in bytes.
const LEFT: u64 = 64 << 20;
/// How long after the last delivery the space may stay taken. Housekeeping looks every 30 seconds.
const SOON: Duration = Duration::from_secs(120);

fn set(name: &str, usual: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn relayed_mib() -> u64 {
    set("VOUCHSAFE_SPACE_MIB", 1024)
}

fn on_the_release_binary() {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(use_release);
}

/// Relays so much in large mail to two readers, and returns the peak of the data directory.
fn large(setting: &Setting, size: usize, bytes: u64) -> u64 {
    let peak = Peak::watch(&setting.install.data());
    let start = Instant::now();
    let before = setting.sink.counted();
    let mails = relay(setting, size, bytes);
    setting.wait_until_empty();
    let (copies, out) = setting.sink.counted();
    assert_eq!(copies - before.0, mails * setting.team, "every reader got every mail");
    let peak = peak.end();
    eprintln!(
        "{}: {mails} mails of {} MiB in, {copies} copies with {} out, in {:.0?}; peak {}",
        setting.kind,
        size >> 20,
        mib(out - before.1),
        start.elapsed(),
        mib(peak)
    );
    peak
}

/// Waits until no more than `most` bytes are taken, while mail comes in; returns how many, and the slowest 250.
fn comes_back(setting: &Setting, most: u64) -> (u64, Duration) {
    let (start, mut slowest, mut left) = (Instant::now(), Duration::ZERO, u64::MAX);
    let mut client = setting.client();
    while start.elapsed() < SOON {
        left = used(&setting.install.data());
        // The space has to stay free under a trickle of mail, not only in the moment of one look.
        slowest = slowest.max(setting.knock(&mut client));
        if left <= most {
            return (left, slowest);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{} are still taken after {SOON:?}, at most {} may be", mib(left), mib(most));
}

#[test]
fn what_was_relayed_leaves_no_space_behind() {
    on_the_release_binary();
    let setting = Setting::set_up("redb", 2, 0);
    large(&setting, 8 << 20, relayed_mib() << 20);
    let (left, slowest) = comes_back(&setting, LEFT);
    eprintln!("redb: {} are left; the slowest 250 of a small mail took {slowest:.0?}", mib(left));
    setting.end();
}

#[test]
fn many_small_copies_leave_a_small_index_behind() {
    on_the_release_binary();
    let setting = Setting::set_up("redb", 1, 99);
    let peak = Peak::watch(&setting.install.data());
    let copies = setting.fill_the_queue(set("VOUCHSAFE_SPACE_COPIES", 6000));
    let full = used(&setting.install.data());
    let start = Instant::now();
    setting.let_go();
    setting.wait_until_empty();
    assert!(setting.sink.counted().0 >= copies);
    let drained = start.elapsed();
    let (left, slowest) = comes_back(&setting, full / 2);
    eprintln!(
        "redb: {copies} small copies took {}, at the peak {}; delivered in {drained:.0?}, {} are left; the slowest 250 \
         meanwhile took {slowest:.0?}",
        mib(full),
        mib(peak.end()),
        mib(left)
    );
    setting.end();
}

#[test]
fn what_sled_keeps_is_printed() {
    on_the_release_binary();
    let setting = Setting::set_up("sled", 2, 0);
    large(&setting, 1 << 20, (relayed_mib() / 8) << 20);
    eprintln!(
        "sled: {} are left, bodies {}",
        mib(used(&setting.install.data())),
        mib(used(&setting.install.data().join("bodies")))
    );
    setting.end();
}
