//! Named places where a test makes the daemon die or break down. Release builds have none.
//!
//! `VOUCHSAFE_FAILPOINT=after-relay:abort` ends the process there as `kill -9` would; `:panic` breaks the worker down.

/// Dies or breaks down here, if the environment of a debug build says so.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "that is the purpose; debug builds only")]
pub(super) fn hit(name: &str) {
    let Ok(wanted) = std::env::var("VOUCHSAFE_FAILPOINT") else { return };
    match wanted.split_once(':') {
        Some((point, "abort")) if point == name => std::process::abort(),
        Some((point, "panic")) if point == name => panic!("failpoint {name}"),
        _ => {}
    }
}

/// Nothing: there are no failpoints in a release build.
#[cfg(not(debug_assertions))]
pub(super) const fn hit(_name: &str) {}
