//! How much memory one mail of the largest size takes on its way to a hundred readers. The release binary relays it as
//! it would anywhere; the kernel's own count of its peak (`VmHWM`, proc(5)) is the judge.
//!
//! `VOUCHSAFE_TEST_BINARY` sets which program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it measures and skips"
)]

mod outside;

#[path = "memory/hop.rs"]
mod hop;

use std::time::Instant;

use hop::Hop;
use outside::daemon::Daemon;
use outside::install::{ANNOUNCE, Install};
use outside::mail::pgp_mime;
use outside::openpgp::{armored, cert, person, sign_encrypt};
use outside::release::{release, use_release};
use outside::smtp::Client;
use outside::{in_ci, until};

/// What the door takes by default.
const MAX_MESSAGE: usize = 50 << 20;
const READERS: usize = 100;
/// What the whole daemon may take at its worst moment.
const MOST: usize = 300 << 20;

/// The release binary: without optimising, a mail of this size takes minutes.
fn choose_binary() -> bool {
    let there = std::env::var_os("VOUCHSAFE_TEST_BINARY").is_some() || release().is_some();
    if there || in_ci() {
        use_release();
        return true;
    }
    eprintln!("SKIPPED: there is no release binary (cargo build --release)");
    false
}

#[test]
fn the_largest_mail_to_a_hundred_readers_stays_within_its_memory() {
    if !choose_binary() {
        return;
    }
    let start = Instant::now();
    let hop = Hop::start();
    let install = Install::edited(&hop.smarthost(), &[]);
    let daemon = Daemon::start(&install);
    let ada = person("ada@kubeedge.example");
    install.team("ada@kubeedge.example", &armored(&ada));
    for number in 0..READERS {
        let address = format!("reader{number}@distributors.example");
        install.distributor(&address, &armored(&person(&address)));
    }
    let list = cert(&install.ok(&["key", "export", "distrib-announce"]));
    let mail = pgp_mime("ada@kubeedge.example", ANNOUNCE, &sign_encrypt(&ada, &list, &payload()));
    assert!((MAX_MESSAGE - (1 << 20)..=MAX_MESSAGE).contains(&mail.len()), "{} bytes", mail.len());
    let at_rest = memory(&daemon, "VmHWM");
    eprintln!("set up in {:.1?}", start.elapsed());

    let reply = Client::tcp(daemon.smtp()).ehlo().mail("ada@kubeedge.example", &[ANNOUNCE], &mail);
    assert_eq!(reply.code, 250, "{reply:?}");
    let taken_in = memory(&daemon, "VmHWM");
    until("the mail is relayed", || (install.json(&["status"])["arrivals"] == 0).then_some(()));
    let relayed = memory(&daemon, "VmHWM");
    hop.wait_for(READERS + 1);
    let delivered = memory(&daemon, "VmHWM");
    eprintln!(
        "{} MiB to {} readers in {:.1?}; at most {} MiB at rest, {} taken in, {} relayed, {} delivered; {} MiB now",
        mail.len() >> 20,
        READERS + 1,
        start.elapsed(),
        at_rest >> 20,
        taken_in >> 20,
        relayed >> 20,
        delivered >> 20,
        memory(&daemon, "VmRSS") >> 20
    );
    assert_eq!(daemon.stop().0.code(), Some(0));
    assert!(delivered <= MOST, "{} MiB at most, wanted {}", delivered >> 20, MOST >> 20);
}

/// Lines of noise, so many that the armored mail is just below the limit.
fn payload() -> Vec<u8> {
    // Twice in base64, in lines of 64 characters and a line end.
    let mut noise = vec![0; (MAX_MESSAGE - (256 << 10)) / 66 * 48 / 66 * 48];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut noise).unwrap();
    let mut entity =
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_vec();
    for line in noise.chunks(48) {
        entity.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
        entity.extend_from_slice(b"\r\n");
    }
    entity
}

/// A line of the process's status, in bytes.
fn memory(daemon: &Daemon, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
