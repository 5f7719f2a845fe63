//! Sockets, TLS and limits around the sessions.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::acceptor::{Acceptor, Desk};
use super::admission::Admission;
use super::budget::Budget;
use super::connection::Speech;
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
    /// within `shutdown_grace`. Each new connection is received by the newest of `receptions`.
    pub async fn run(
        self,
        mut receptions: Receptions,
        take_in: TakeIn,
        clock: Arc<dyn Clock>,
        stop: watch::Receiver<bool>,
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
                ended = acceptors.join_next() => if ended.is_none() { break },
                () = sleep(BEAT) => self.pulse.beat(),
                Ok(()) = receptions.changed() => {
                    let limits = Arc::clone(&receptions.borrow_and_update().limits);
                    budget.obey(&limits);
                    admission.obey(&limits);
                }
            }
        }
    }
}
