//! How clients are received: what a reload replaces. A connection keeps to the end what it was received with.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::guard::Guard;
use super::rates::settings::RateSettings;
use super::settings::{Limits, SmtpSettings};
use crate::mail::directory::Directory;
use crate::time::Timestamp;

/// What new connections get.
#[derive(Clone)]
pub struct Reception {
    pub(super) directory: Arc<Directory>,
    pub(super) limits: Arc<Limits>,
    pub(super) hostname: String,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) guard: Guard,
    /// When its certificate ends.
    pub(super) until: Option<Timestamp>,
}

/// Follows the newest [`Reception`].
pub type Receptions = watch::Receiver<Arc<Reception>>;

impl Reception {
    /// How clients are received by these settings; `tls` is what TLS begins with, if it is offered.
    #[must_use]
    pub fn new(
        smtp: &SmtpSettings,
        limits: &Limits,
        directory: Arc<Directory>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let first = directory.lists().first().map(|list| list.address.domain().to_string());
        let hostname = smtp.hostname.clone().or(first).unwrap_or_else(|| "localhost".to_owned());
        let guard = Guard::new(limits, &RateSettings::default(), None);
        let (limits, tls) = (Arc::new(limits.clone()), tls.map(TlsAcceptor::from));
        Self { directory, limits, hostname, tls, guard, until: None }
    }

    /// The same behind this guard, instead of one by the usual rates.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// The same in the place of `before`: what is counted of clients and senders counts on.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self { guard: self.guard.after(&before.guard), ..self }
    }

    /// The same, with the end of the certificate.
    #[must_use]
    pub fn until(self, end: Option<Timestamp>) -> Self {
        Self { until: end, ..self }
    }

    /// When the certificate ends, where there is one and it says so.
    #[must_use]
    pub fn certificate_end(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether TLS is offered.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }
}
