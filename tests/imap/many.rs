//! Many waiting mails: all of them, once each, within bounded memory.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::outside::dovecot::Dovecot;
use crate::outside::mail::clear;
use crate::stage::{Stage, at};

#[test]
fn many_waiting_mails_are_taken_in_within_bounded_memory() {
    let set = std::env::var("VOUCHSAFE_IMAP_MAILS").ok();
    let count: usize = set.map_or(300, |text| text.parse().expect("VOUCHSAFE_IMAP_MAILS is a number"));
    let Some(dovecot) = Dovecot::start() else { return };
    let Some(stage) = Stage::set(&at(&dovecot, "")) else { return };
    for n in 0..count {
        let text = "x".repeat(2_000);
        dovecot.deliver(&clear(
            "rita@reporter.example",
            "security@lists.example",
            &format!("mail {n}"),
            &text,
        ));
    }
    let begun = Instant::now();
    let daemon = stage.start();
    let mut idle_since = Instant::now();
    let mut before = count;
    loop {
        let left = dovecot.mails("").len();
        if left == 0 {
            break;
        }
        if left < before {
            (before, idle_since) = (left, Instant::now());
        }
        assert!(idle_since.elapsed() < Duration::from_secs(60), "it goes on: {left} of {count} are left");
        std::thread::sleep(Duration::from_millis(100));
    }
    let taken_in = begun.elapsed();
    let sent = |stage: &Stage| stage.sink.taken_for(&stage.people.ada.address);
    let mut copies = 0;
    while copies < count {
        let now = sent(&stage).len();
        if now > copies {
            (copies, idle_since) = (now, Instant::now());
        }
        assert!(
            idle_since.elapsed() < Duration::from_secs(60),
            "it goes on: {copies} of {count} are relayed"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    stage.quiet();
    let ids: BTreeSet<String> = sent(&stage).iter().map(|copy| copy.header("Message-ID").unwrap()).collect();
    assert_eq!((ids.len(), sent(&stage).len()), (count, count), "each once");
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    eprintln!(
        "{count} waiting mails: taken in within {taken_in:.1?}, relayed within {:.1?}, VmHWM {peak}",
        begun.elapsed()
    );
    let peak: usize = peak.split(' ').next().unwrap().parse().unwrap();
    assert!(peak < 1 << 20, "{peak} kB: the whole mailbox was never in memory, nor was it near to it");
}
