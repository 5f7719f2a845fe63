//! The unlocked keys of a running daemon: which list has which key, and what the front door may know of the spool's.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::dkim::SecretKey;
use crate::failpoint::{self, Point};
use crate::id::{Fingerprint, ListName};
use crate::pgp::cert::Cert;
use crate::pgp::keyring::{KeyDir, KeyError, ListKey, Passphrase, SpoolCert, SpoolKeys, TagKey};
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// All keys of a daemon, unlocked, with the folder they come from.
pub struct Keychain {
    dir: KeyDir,
    passphrase: Passphrase,
    lists: RwLock<BTreeMap<ListName, Arc<ListKey>>>,
    spool: RwLock<Arc<SpoolKeys>>,
    spool_cert: Arc<RwLock<SpoolCert>>,
    tags: TagKey,
}

/// Keys that are unlocked and not in use.
pub struct Unlocked(BTreeMap<ListName, Arc<ListKey>>);

impl Keychain {
    /// Unlocks the keys of these lists, the spool keys and the tag key.
    ///
    /// # Errors
    /// When a key is missing, unreadable, open to others, locked by no passphrase, not that of its certificate, or the
    /// passphrase does not open it.
    pub fn open(dir: KeyDir, passphrase: Passphrase, lists: &[ListName]) -> Result<Self, KeyError> {
        if let Some(error) = dir.exposed().into_iter().next() {
            return Err(error);
        }
        // Whoever made a key may have been killed before its name was durable; from here on mail is sealed to it.
        dir.sync(lists)?;
        let mut keys = BTreeMap::new();
        for list in lists {
            let key = dir.load_list(list, &passphrase)?;
            dir.publish(list, &key)?;
            keys.insert(list.clone(), Arc::new(key));
        }
        let spool = dir.load_spool(&passphrase)?;
        let spool_cert = Arc::new(RwLock::new(spool.newest()));
        let tags = dir.load_tags(&passphrase)?;
        dir.sweep(lists)?;
        Ok(Self {
            dir,
            passphrase,
            lists: RwLock::new(keys),
            spool: RwLock::new(Arc::new(spool)),
            spool_cert,
            tags,
        })
    }

    /// A list's key; none for a list that takes no mail.
    #[must_use]
    pub fn list(&self, list: &ListName) -> Option<Arc<ListKey>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner).get(list).cloned()
    }

    /// All spool keys that may still be needed.
    #[must_use]
    pub fn spool(&self) -> Arc<SpoolKeys> {
        Arc::clone(&self.spool.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The public half that the front door seals to; it follows every rotation.
    #[must_use]
    pub fn front_door(&self) -> Arc<RwLock<SpoolCert>> {
        Arc::clone(&self.spool_cert)
    }

    /// The tag key.
    #[must_use]
    pub fn tags(&self) -> &TagKey {
        &self.tags
    }

    /// The domains of which there are keys that sign mail, also those that no list has any more.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn dkim_domains(&self) -> Result<Vec<String>, KeyError> {
        self.dir.dkim_domains()
    }

    /// The unlocked keys that sign mail of this domain; none where there are none.
    ///
    /// # Errors
    /// When they are not what they should be, or the passphrase does not open them.
    pub fn dkim(&self, domain: &str) -> Result<Vec<SecretKey>, KeyError> {
        self.dir.load_dkim(domain, &self.passphrase)
    }

    /// The certificate of a secret key that could be imported.
    ///
    /// # Errors
    /// When the bytes are no key for this.
    pub fn examine(
        &self,
        key: &Plaintext,
        theirs: Option<&Passphrase>,
        now: Timestamp,
    ) -> Result<Cert, KeyError> {
        self.dir.examine(key, theirs, now)
    }

    /// The list that uses this key, or once did.
    #[must_use]
    pub fn user(&self, key: Fingerprint) -> Option<ListName> {
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        let uses = |list: &ListKey| list.certs().any(|cert| cert.fingerprint() == key);
        lists.iter().find(|(_, list)| uses(list)).map(|(name, _)| name.clone())
    }

    /// Takes another key for a list; the one before stays, so that old mail still opens.
    ///
    /// # Errors
    /// When the bytes are no key for this, or the folder cannot be written.
    pub fn import(
        &self,
        list: &ListName,
        key: &Plaintext,
        theirs: Option<&Passphrase>,
        now: Timestamp,
    ) -> Result<Cert, KeyError> {
        let cert = self.dir.import_list(list, key, theirs, &self.passphrase, now)?;
        let loaded = self.dir.load_list(list, &self.passphrase)?;
        self.lists.write().unwrap_or_else(PoisonError::into_inner).insert(list.clone(), Arc::new(loaded));
        Ok(cert)
    }

    /// Unlocks the keys of these lists, as at the start, and does not use them yet. What is in use already is left out.
    ///
    /// # Errors
    /// As [`Keychain::open`], for each of these lists.
    pub fn unlock(&self, lists: &[ListName]) -> Result<Unlocked, KeyError> {
        let new: Vec<ListName> = lists.iter().filter(|list| self.list(list).is_none()).cloned().collect();
        self.dir.sync(&new)?;
        let load = |list: ListName| {
            let key = self.dir.load_list(&list, &self.passphrase)?;
            self.dir.publish(&list, &key)?;
            Ok((list, Arc::new(key)))
        };
        new.into_iter().map(load).collect::<Result<_, _>>().map(Unlocked)
    }

    /// Uses keys that were unlocked.
    pub fn adopt(&self, keys: Unlocked) {
        self.lists.write().unwrap_or_else(PoisonError::into_inner).extend(keys.0);
    }

    /// Makes a new spool key, to which everything that arrives from now on is sealed.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn rotate_spool(&self, now: Timestamp) -> Result<SpoolCert, KeyError> {
        let cert = self.dir.create_spool(&self.passphrase, now)?;
        failpoint::hit(Point::SpoolKeyMade);
        // The secret half is at hand before the first mail is sealed to the public one.
        self.reload_spool()?;
        *self.spool_cert.write().unwrap_or_else(PoisonError::into_inner) = cert.clone();
        Ok(cert)
    }

    /// Withdraws the spool keys that are neither the newest nor `needed`: nothing can be opened with them any more.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn withdraw_drained(&self, needed: &[Fingerprint]) -> Result<(), KeyError> {
        let newest = self.spool().newest().fingerprint();
        let drained: Vec<Fingerprint> =
            self.spool().fingerprints().into_iter().filter(|f| *f != newest && !needed.contains(f)).collect();
        for fingerprint in &drained {
            self.dir.withdraw_spool(*fingerprint)?;
        }
        if !drained.is_empty() {
            self.reload_spool()?;
        }
        Ok(())
    }

    /// Overwrites every withdrawn spool key and names them, also those that a crash or a failure left.
    /// [`Keychain::forget_withdrawn`] is the end of them.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn overwrite_withdrawn(&self) -> Result<Vec<Fingerprint>, KeyError> {
        let withdrawn = self.dir.withdrawn_spool()?;
        withdrawn.iter().try_for_each(|fingerprint| self.dir.overwrite_spool(*fingerprint))?;
        Ok(withdrawn)
    }

    /// Removes the file of a withdrawn spool key, once the journal has its destruction.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn forget_withdrawn(&self, which: Fingerprint) -> Result<(), KeyError> {
        self.dir.forget_spool(which)
    }

    fn reload_spool(&self) -> Result<(), KeyError> {
        let keys = self.dir.load_spool(&self.passphrase)?;
        *self.spool.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }
}
