//! Waiting for something that is looked for again and again, up to a deadline; and Ctrl-C, which must not leave a
//! running child and a directory behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::trouble::Trouble;

/// The longest wait for any one thing; far longer than it takes on a machine with anything else to do.
const LIMIT: Duration = Duration::from_secs(30);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits, and ends every wait when the process is told to stop.
pub(super) struct Patience(Arc<AtomicBool>);

impl Patience {
    /// From here on SIGINT, SIGTERM and SIGHUP end the demo instead of the process.
    pub(super) fn new() -> Result<Self, Trouble> {
        let stopped = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(Trouble::io("wait for signals"))?;
        let inside = runtime.enter();
        let on = |kind| signal(kind).map_err(Trouble::io("wait for signals"));
        let (mut interrupt, mut terminate, mut hangup) =
            (on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?);
        drop(inside);
        let seen = Arc::clone(&stopped);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
            });
            seen.store(true, Ordering::Relaxed);
        });
        Ok(Self(stopped))
    }

    /// Looks until there is something.
    pub(super) fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>, Trouble>,
    ) -> Result<T, Trouble> {
        let started = Instant::now();
        loop {
            // Ctrl-C at a terminal reaches the child too, so what the look meets may only be a consequence of it.
            let seen = look();
            if self.0.load(Ordering::Relaxed) {
                return Err(Trouble::Interrupted);
            }
            if let Some(found) = seen? {
                return Ok(found);
            }
            if started.elapsed() > LIMIT {
                return Err(Trouble::Late(LIMIT.as_secs(), what.to_owned()));
            }
            thread::sleep(PAUSE);
        }
    }
}
