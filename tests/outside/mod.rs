//! What the outside tests share: an installation, its daemon, a next hop, SMTP clients, and people with GnuPG.
//!
//! Nothing here knows the library: the program is met as its users meet it, over sockets and its command line.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test fails by panicking, and says aloud what it skips"
)]

pub mod authority;
pub mod clerk;
pub mod copy;
pub mod daemon;
pub mod dns;
pub mod dovecot;
pub mod faketime;
pub mod gpg;
pub mod image;
pub mod install;
pub mod mail;
pub mod openpgp;
pub mod postfix;
pub mod release;
pub mod scene;
pub mod sink;
pub mod smtp;
pub mod strace;

use std::time::{Duration, Instant};

/// The longest that anything may take before a test says that it does not happen. Generous: machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Says that a tool is missing; in continuous integration that is a failure.
pub fn skip(what: &str) {
    assert!(!in_ci(), "{what} is missing: run deploy/packages.sh test");
    eprintln!("SKIPPED: {what} is not installed");
}

/// Whether this is continuous integration, where nothing may be skipped.
pub fn in_ci() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}

/// Whether this process is root, so that the daemon gets another user.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, ask)
}

/// The same for what may take longer than most.
///
/// # Panics
/// When there is no answer within `patience`.
pub fn until_within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "this did not happen within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Random letters and digits.
pub fn random(length: usize) -> String {
    let mut bytes = vec![0; length];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    bytes.iter().map(|b| char::from(b"abcdefghijkmnpqrstuvwxyz23456789"[usize::from(b % 32)])).collect()
}
