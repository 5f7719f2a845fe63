//! `[admin]`: whom the relay tells when something needs a person.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::Source;
use super::source::ConfigError;
use crate::id::Fingerprint;
use crate::mail::address::Address;
use crate::pgp::cert::{Cert, CertError};
use crate::policy::duration;

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Who gets notices. Not set: the team of the list that a notice is about. Empty: nobody.
    pub notify: Option<Vec<Notified>>,
    /// The shortest time between two notices about one list.
    #[serde(deserialize_with = "duration::required")]
    pub alert_every: Duration,
}

impl Default for Admin {
    fn default() -> Self {
        Self { notify: None, alert_every: Duration::from_secs(15 * 60) }
    }
}

/// One admin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notified {
    /// Where notices go.
    pub address: Address,
    /// The file with the one certificate that they are encrypted to.
    pub certificate: PathBuf,
    /// The fingerprint that this certificate must have.
    pub fingerprint: Option<Fingerprint>,
}

/// No certificate of an admin.
#[derive(Debug, thiserror::Error)]
#[error("the certificate {} of {address} {why}", path.display())]
pub struct NoCertificate {
    /// The file.
    pub path: PathBuf,
    /// Whose.
    pub address: Address,
    /// What is wrong.
    pub why: Box<Wrong>,
}

/// What is wrong with the certificate of an admin.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    /// It is not one certificate.
    #[error("cannot be used: {0}")]
    Unfit(CertError),
    /// It is another one.
    #[error("has the fingerprint {found}, and [admin] notify pins {pinned}: mend one of them")]
    Another {
        /// Its fingerprint.
        found: Fingerprint,
        /// The one in the settings.
        pinned: Fingerprint,
    },
}

impl Notified {
    /// Reads the certificate. That it can be encrypted to is another question: that changes with time.
    ///
    /// # Errors
    /// When the file cannot be read, is not one certificate, or is another than the one that is pinned.
    pub fn read(&self) -> Result<Cert, NoCertificate> {
        self.pinned().map_err(|why| NoCertificate {
            path: self.certificate.clone(),
            address: self.address.clone(),
            why: Box::new(why),
        })
    }

    fn pinned(&self) -> Result<Cert, Wrong> {
        let bytes = std::fs::read(&self.certificate).map_err(Wrong::Io)?;
        let cert = Cert::parse(&bytes).map_err(Wrong::Unfit)?;
        let found = cert.fingerprint();
        match self.fingerprint.filter(|pinned| *pinned != found) {
            Some(pinned) => Err(Wrong::Another { found, pinned }),
            None => Ok(cert),
        }
    }
}

impl Admin {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for admin in self.notify.iter_mut().flatten() {
            admin.certificate = folder.join(&admin.certificate);
        }
    }

    pub(super) fn verify(&self, source: &Source) -> Result<(), ConfigError> {
        let admins = self.notify.as_deref().unwrap_or_default();
        for (n, admin) in admins.iter().enumerate() {
            if admins.iter().take(n).any(|other| other.address.same_mailbox(&admin.address)) {
                let what = format!("{} stands here twice: name each admin once", admin.address);
                return Err(source.error(&["admin", "notify"], what));
            }
        }
        Ok(())
    }
}
