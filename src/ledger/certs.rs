//! The pinned certificates, parsed once and kept until they change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::Fingerprint;
use crate::ledger::registry::Registry;
use crate::pgp::cert::Cert;
use crate::roster::Roster;
use crate::store::contract::{StoreError, Version};

/// A cache over the registry's certificates. Cheap to clone.
#[derive(Clone)]
pub struct CertBook {
    registry: Registry,
    known: Arc<Mutex<Known>>,
}

type Known = BTreeMap<Fingerprint, (Version, Arc<Cert>)>;

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
        if let Some((_, cert)) = known.get(&fingerprint).filter(|(v, _)| *v == version) {
            return Ok(Some(Arc::clone(cert)));
        }
        let Ok(cert) = Cert::parse(&bytes).map(Arc::new) else { return Ok(None) };
        known.insert(fingerprint, (version, Arc::clone(&cert)));
        Ok(Some(cert))
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
