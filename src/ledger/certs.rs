//! The pinned certificates, parsed once and kept until they change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::Fingerprint;
use crate::ledger::registry::{Pinned, Registry};
use crate::pgp::cert::Cert;
use crate::pgp::outlook::Outlook;
use crate::roster::Roster;
use crate::store::contract::{StoreError, Version};
use crate::time::Timestamp;

/// So many certificates are read one by one.
const FEW: usize = 30;
/// So many certificates are read at once; they are in memory together for that moment.
const AT_ONCE: usize = 1000;

/// A cache over the registry's certificates. Cheap to clone.
#[derive(Clone)]
pub struct CertBook {
    registry: Registry,
    known: Arc<Mutex<Known>>,
}

/// What can be said, by fingerprint.
pub type Outlooks = BTreeMap<Fingerprint, Arc<Outlook>>;

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
        let mut known = self.known();
        Ok(page(&mut known, &Pinned { fingerprint, bytes, version }).map(|page| Arc::clone(&page.cert)))
    }

    /// What can be said of these certificates at that time. Those that are not there or do not parse are left out.
    ///
    /// # Errors
    /// When the store fails.
    pub fn outlooks(&self, of: &[Fingerprint], at: Timestamp) -> Result<Outlooks, StoreError> {
        if of.len() > FEW {
            return self.all_outlooks(at);
        }
        let mut found = Outlooks::new();
        for fingerprint in of.iter().copied() {
            let Some((bytes, version)) = self.registry.cert(fingerprint)? else { continue };
            look(&mut self.known(), &Pinned { fingerprint, bytes, version }, at, &mut found);
        }
        Ok(found)
    }

    /// To read a thousand records in one look at the store takes as long as to read some tens one by one.
    fn all_outlooks(&self, at: Timestamp) -> Result<Outlooks, StoreError> {
        let (mut found, mut after) = (Outlooks::new(), None);
        loop {
            let pinned = self.registry.certs(after, AT_ONCE)?;
            let Some(last) = pinned.last() else { return Ok(found) };
            after = Some(last.fingerprint);
            let mut known = self.known();
            pinned.iter().for_each(|pinned| look(&mut known, pinned, at, &mut found));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where they are kept, and the roster with them.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Looks at the certificates of everyone on the roster, so that who asks later need not wait.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prepare(&self, at: Timestamp) -> Result<(), StoreError> {
        let roster = self.registry.roster()?.roster;
        self.outlooks(&roster.fingerprints(), at).map(|_| ())
    }

    /// These certificates, as far as they are there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn some(&self, of: impl Iterator<Item = Fingerprint>) -> Result<Vec<Arc<Cert>>, StoreError> {
        of.filter_map(|fingerprint| self.get(fingerprint).transpose()).collect()
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

/// What the book has of a record: a former copy of the certificate is not asked. None when it does not parse.
fn page<'k>(known: &'k mut Known, pinned: &Pinned) -> Option<&'k mut Page> {
    if known.get(&pinned.fingerprint).is_none_or(|page| page.version != pinned.version) {
        let cert = Arc::new(Cert::parse(&pinned.bytes).ok()?);
        known.insert(pinned.fingerprint, Page { version: pinned.version, cert, outlook: None });
    }
    known.get_mut(&pinned.fingerprint)
}

fn look(known: &mut Known, pinned: &Pinned, at: Timestamp, found: &mut Outlooks) {
    let Some(page) = page(known, pinned) else { return };
    let held = page.outlook.take().filter(|outlook| outlook.holds(at));
    let outlook = held.unwrap_or_else(|| Arc::new(page.cert.outlook(at)));
    found.insert(pinned.fingerprint, Arc::clone(&outlook));
    page.outlook = Some(outlook);
}
