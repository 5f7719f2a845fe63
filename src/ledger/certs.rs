//! The pinned certificates, parsed once and kept until they change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::Fingerprint;
use crate::ledger::registry::Registry;
use crate::pgp::cert::Cert;
use crate::pgp::outlook::Outlook;
use crate::roster::Roster;
use crate::store::contract::{StoreError, Version};
use crate::time::Timestamp;

/// A cache over the registry's certificates. Cheap to clone.
#[derive(Clone)]
pub struct CertBook {
    registry: Registry,
    known: Arc<Mutex<Known>>,
}

type Known = BTreeMap<Fingerprint, Page>;

/// A certificate as it was read, and what was found when somebody looked at it.
struct Page {
    version: Version,
    cert: Arc<Cert>,
    outlook: Option<Arc<Outlook>>,
}

impl CertBook {
    /// A book over this registry.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self { registry, known: Arc::default() }
    }

    /// One certificate; none when it is not there or does not parse.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, fingerprint: Fingerprint) -> Result<Option<Arc<Cert>>, StoreError> {
        let Some((bytes, version)) = self.registry.cert(fingerprint)? else { return Ok(None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = known.get(&fingerprint).filter(|page| page.version == version) {
            return Ok(Some(Arc::clone(&page.cert)));
        }
        let Ok(cert) = Cert::parse(&bytes).map(Arc::new) else { return Ok(None) };
        known.insert(fingerprint, Page { version, cert: Arc::clone(&cert), outlook: None });
        Ok(Some(cert))
    }

    /// What can be said of a certificate at that time; none when it is not there or does not parse.
    ///
    /// # Errors
    /// When the store fails.
    pub fn outlook(
        &self,
        fingerprint: Fingerprint,
        at: Timestamp,
    ) -> Result<Option<Arc<Outlook>>, StoreError> {
        let Some(cert) = self.get(fingerprint)? else { return Ok(None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // What was found of a former copy of the certificate is not asked.
        let page = known.get_mut(&fingerprint).filter(|page| Arc::ptr_eq(&page.cert, &cert));
        if let Some(found) = page.as_ref().and_then(|page| page.outlook.as_ref()).filter(|o| o.holds(at)) {
            return Ok(Some(Arc::clone(found)));
        }
        let found = Arc::new(cert.outlook(at));
        if let Some(page) = page {
            page.outlook = Some(Arc::clone(&found));
        }
        Ok(Some(found))
    }

    /// Looks at the certificates of everyone on the roster, so that who asks later need not wait.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prepare(&self, at: Timestamp) -> Result<(), StoreError> {
        let roster = self.registry.roster()?.roster;
        let everyone = roster.fingerprints();
        everyone.into_iter().try_for_each(|fingerprint| self.outlook(fingerprint, at).map(|_| ()))
    }

    /// The certificates of everyone on the roster who has not been removed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn of(&self, roster: &Roster) -> Result<BTreeMap<Fingerprint, Arc<Cert>>, StoreError> {
        let mut all = BTreeMap::new();
        for fingerprint in roster.fingerprints() {
            if let Some(cert) = self.get(fingerprint)? {
                all.insert(fingerprint, cert);
            }
        }
        Ok(all)
    }
}
