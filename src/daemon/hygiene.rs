//! Process hygiene: no core dumps, no tracing by others, memory locked where the limit allows, no plaintext in swap.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, geteuid, getrlimit, set_dumpable_behavior, setrlimit,
};

use crate::swap;

/// Why the daemon refuses to start.
#[derive(Debug, thiserror::Error)]
pub enum Unclean {
    /// Plaintext could be written to an unencrypted swap device.
    #[error(
        "memory can be written to unencrypted swap ({areas}), and this process cannot be kept out of it: it may lock \
         {limit} bytes. Start it by the systemd unit (LimitMEMLOCK=infinity), turn swap off, or set allow_swap = true in [process] \
         if the swap is encrypted"
    )]
    Swap {
        /// The swap areas.
        areas: String,
        /// The limit in force.
        limit: u64,
    },
}

/// What was achieved, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hygiene {
    /// Whether all memory, present and future, is locked.
    pub locked: bool,
    /// Whether unencrypted swap is active.
    pub swap: bool,
}

/// Cleans the process up before it touches a key or a mail.
///
/// # Errors
/// When plaintext could reach a swap device and nobody allowed it.
pub fn apply(allow_swap: bool) -> Result<Hygiene, Unclean> {
    harden();
    let limit = getrlimit(Resource::Memlock).current;
    // With a limit, locking the future would make allocations fail in the middle of a mail. capabilities(7):
    // CAP_IPC_LOCK, which root has, lifts it.
    let unlimited = limit.is_none() || geteuid().is_root();
    // mlock(2): with ONFAULT a page is locked as it is first touched. What was never touched holds nothing that could
    // reach a disk, and most of the room that thread stacks and buffers reserve is never touched.
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    let locked = unlimited && mlockall(all | MlockAllFlags::ONFAULT).or_else(|_| mlockall(all)).is_ok();
    let swaps = swap::plain_areas();
    let swap = !swaps.is_empty();
    if swap && !locked && !allow_swap {
        return Err(Unclean::Swap { areas: swaps.join(", "), limit: limit.unwrap_or(u64::MAX) });
    }
    Ok(Hygiene { locked, swap })
}

/// Lets the process have as many files and sockets open as it needs, as far as it may (getrlimit(2)); returns how many it
/// may have.
pub fn open_files(needed: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current.unwrap_or(u64::MAX);
    let wanted = needed.min(maximum.unwrap_or(u64::MAX));
    let raised = Rlimit { current: Some(wanted), maximum };
    if wanted > current && setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { current }
}

/// Core dumps off and not dumpable (prctl(2) PR_SET_DUMPABLE): nobody without root attaches either. Failing here is
/// reported by nobody: the limits only ever get stricter.
pub fn harden() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
