//! What a person sees while a command takes long. It goes to standard error, only where somebody sits before both
//! standard output and standard error, and never into what a program reads; once the answer is there, it is gone.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is quicker than this needs no sign of life.
const PATIENCE: Duration = Duration::from_millis(500);

/// A bar with counts, once it has taken so long that somebody wonders.
pub(super) struct Progress {
    watched: bool,
    what: &'static str,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of work that begins now.
    pub(super) fn of(what: &'static str, watched: bool) -> Self {
        Self { watched, what, begun: Instant::now(), bar: None }
    }

    /// So much of so much is done.
    pub(super) fn at(&mut self, done: u64, total: u64) {
        if !self.watched || self.begun.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            styled("{msg} [{bar:30}] {pos} of {len}, {eta} to go").with_message(self.what)
        });
        // The journal grows meanwhile.
        bar.set_length(total.max(done));
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Does work whose end nobody can tell, and shows for how long already.
pub(super) fn waiting<T>(watched: bool, work: impl FnOnce() -> T) -> T {
    if !watched {
        return work();
    }
    std::thread::scope(|scope| {
        let (end, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let bar = styled("{spinner} waiting for the daemon, {elapsed}");
                bar.enable_steady_tick(Duration::from_millis(100));
                let _ = ended.recv();
                bar.finish_and_clear();
            }
        });
        let done = work();
        drop(end);
        done
    })
}

fn styled(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.with_style(style.progress_chars("=> "))
}
