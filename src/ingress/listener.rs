//! Sockets, TLS and limits around the sessions.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::acceptor::{Acceptor, Desk};
use super::admission::Admission;
use super::budget::Budget;
use super::connection::{Speech, stopped};
pub use super::events::TakeIn;
use super::inherited::Inherited;
use super::reception::{Reception, Receptions};
use super::settings::{LmtpSettings, SmtpSettings};
pub use super::socket::ListenError;
use super::socket::Socket;
use crate::group::Group;
use crate::time::Clock;
use crate::vitals::{BEAT, Pulse};

/// All sockets that mail comes in by, bound but not yet served.
pub struct Listeners {
    sockets: Vec<(Socket, Speech)>,
    budget: Budget,
    pulse: Pulse,
}

impl Listeners {
    /// Binds every address of the settings, or takes over what is `inherited`. Relative socket paths count from `base`.
    ///
    /// # Errors
    /// When an address cannot be had, TLS is wanted and `first` has none, or its limits let no mail in.
    pub async fn bind(
        smtp: &SmtpSettings,
        lmtp: &LmtpSettings,
        base: &Path,
        first: &Reception,
        mut inherited: Inherited,
    ) -> Result<Self, ListenError> {
        if let Some(problem) = first.limits.problem() {
            return Err(ListenError::Limits(problem));
        }
        if !smtp.tls_listen.is_empty() && !first.has_tls() {
            return Err(ListenError::NoCertificate);
        }
        let group = lmtp.group.as_deref().map(Group::find).transpose().map_err(ListenError::Group)?;
        let plain = smtp.listen.iter().map(|a| (a, Speech::Smtp));
        let wrapped = smtp.tls_listen.iter().map(|a| (a, Speech::Smtps));
        let local = lmtp.listen.iter().map(|a| (a, Speech::Lmtp));
        let mut sockets = Vec::new();
        for (address, speech) in plain.chain(wrapped).chain(local) {
            let group = group.as_ref().filter(|_| speech == Speech::Lmtp);
            sockets.push((Socket::bind(address, base, group, &mut inherited).await?, speech));
        }
        if let Some(unwanted) = inherited.left().into_iter().next() {
            return Err(ListenError::Unwanted(unwanted));
        }
        Ok(Self { sockets, budget: Budget::of(&first.limits), pulse: Pulse::default() })
    }

    /// The addresses that were bound, `host:port` or `unix:path`, in the order of the settings: `[smtp] listen`,
    /// `[smtp] tls_listen`, `[lmtp] listen`.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.sockets.iter().map(|(socket, _)| socket.address()).collect()
    }

    /// The memory for mail that is not durable yet, for whoever else takes mail in.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// The same, giving signs of life here.
    #[must_use]
    pub fn alive(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// Serves until `stop` turns true (or its sender is gone), then lets the mails under way come to their end,
    /// within `shutdown_grace`. Each new connection is received by the newest of `receptions`. Without any socket it waits
    /// for the stop all the same: mail may come by other ways. A socket that is served no more before the stop ends all of
    /// it, so that whoever waits for the end can tell.
    pub async fn run(
        self,
        mut receptions: Receptions,
        take_in: TakeIn,
        clock: Arc<dyn Clock>,
        mut stop: watch::Receiver<bool>,
    ) {
        let limits = Arc::clone(&receptions.borrow_and_update().limits);
        let (budget, admission) = (self.budget, Admission::new(&limits));
        let mut acceptors = JoinSet::new();
        for (socket, speech) in self.sockets {
            let common = (Arc::clone(&take_in), Arc::clone(&clock), budget.clone(), stop.clone());
            let desk = Desk { receptions: receptions.clone(), admission: admission.clone(), common };
            acceptors.spawn(Acceptor::new(speech, desk).run(socket));
        }
        loop {
            tokio::select! {
                Some(_) = acceptors.join_next() => break,
                () = stopped(&mut stop) => break,
                () = sleep(BEAT) => self.pulse.beat(),
                Ok(()) = receptions.changed() => {
                    let limits = Arc::clone(&receptions.borrow_and_update().limits);
                    budget.obey(&limits);
                    admission.obey(&limits);
                }
            }
        }
        if !*stop.borrow() && stop.has_changed().is_ok() {
            tracing::error!("a socket is served no more");
            return;
        }
        // Those under way have `shutdown_grace`, and the pulse goes on: this is no time to be taken for dead.
        while !acceptors.is_empty() {
            tokio::select! {
                _ = acceptors.join_next() => {}
                () = sleep(BEAT) => self.pulse.beat(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::ingress::settings::Limits;
    use crate::mail::directory::Directory;
    use crate::time::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn without_a_socket_the_stop_is_waited_for() {
        let (smtp, lmtp, limits) = (SmtpSettings::default(), LmtpSettings::default(), Limits::default());
        let first = Reception::new(&smtp, &limits, Arc::new(Directory::new(Vec::new())), None);
        let listeners = Listeners::bind(&smtp, &lmtp, Path::new("/"), &first, Inherited::default());
        let listeners = listeners.await.unwrap();
        assert!(listeners.addresses().is_empty());
        let (_receive, receptions) = watch::channel(Arc::new(first));
        let (stop, stopped) = watch::channel(false);
        let take_in: TakeIn = Arc::new(|_, _| Box::pin(std::future::pending()));
        let mut running = tokio::spawn(listeners.run(receptions, take_in, Arc::new(SystemClock), stopped));
        let hour = Duration::from_secs(3_600);
        assert!(timeout(hour, &mut running).await.is_err(), "other parts of the daemon go on, so this does");
        stop.send_replace(true);
        timeout(hour, running).await.unwrap().unwrap();
    }
}
