//! The service manager, where there is one: what it is told, and how it sees that the daemon does not hang (sd_notify(3)).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::daemon::watcher::Watcher;
use crate::vitals::BEAT;

/// How often the line in `systemctl status` is renewed.
const STATUS: Duration = Duration::from_secs(30);
/// How often more time is asked for while the daemon stops, and how much: three times as long.
const EXTEND: Duration = Duration::from_secs(5);

/// It serves.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It reads its settings again; [`ready`] is the end of that.
pub(super) fn reloading() {
    // systemd.service(5), Type=notify-reload: RELOADING=1 is believed with the time at which it was said.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping: what is under way comes to its end")]);
}

/// Waits for the end of a stop, and asks for more time as long as it goes on: each part of it has a limit of its own.
pub(super) async fn draining(stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let mut every = interval(EXTEND);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = every.tick() => {
                let more = u32::try_from((EXTEND * 3).as_micros()).unwrap_or(u32::MAX);
                tell(&[NotifyState::ExtendTimeoutUsec(more)]);
            }
        }
    }
}

/// Says how things stand, and, where the service manager wants to know, that nothing hangs: at half the time after which
/// it would start the daemon anew, and only if each part has given a sign of life within that half.
pub(super) async fn reassure(watcher: Arc<Watcher>, mut stop: watch::Receiver<bool>) {
    let limit = sd_notify::watchdog_enabled();
    let mut ping = interval(limit.map_or(STATUS, |limit| limit / 2).max(Duration::from_millis(1)));
    let mut status = interval(STATUS);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    status.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = told(&mut stop) => return,
            _ = status.tick() => {
                if let Some(line) = watcher.in_a_line().await {
                    tell(&[NotifyState::Status(&line)]);
                }
            }
            _ = ping.tick() => if let Some(limit) = limit {
                let hanging = watcher.hanging((limit / 2).max(BEAT * 2), limit / 4).await;
                if hanging.is_empty() {
                    tell(&[NotifyState::Watchdog]);
                } else {
                    let parts = hanging.join(", ");
                    tracing::error!(%parts, "no sign of life: the service manager is to start the daemon anew");
                }
            },
        }
    }
}

/// Waits for the daemon's stop; a sender that is gone means the same.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
