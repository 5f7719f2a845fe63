//! MTA-STS policies of other domains as they were last fetched (RFC 8461). Kept over a restart: who can wait for one, and
//! then stands between us and a domain, must not find that we have forgotten which hosts it named.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ledger::record::{decode, encode};
use crate::mail::address::Domain;
use crate::store::contract::{Batch, Space, Store, StoreError};
use crate::time::Timestamp;

/// Where they lie within the space.
const PREFIX: &[u8] = b"sts/";

/// How many are looked at in one go.
const AT_ONCE: usize = 1000;

/// What a domain says of its mail hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Only to the named hosts.
    Enforce,
    /// As if there were no policy, and tell.
    Testing,
    /// There is no policy any more.
    None,
}

/// A policy that was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The id in the domain's TXT record when it was fetched; what changes when the policy does.
    pub id: String,
    /// What it wants.
    pub mode: Mode,
    /// The names of the domain's mail hosts, or patterns of them.
    pub mx: Vec<String>,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
    /// When mail for the domain last asked for it, to the day.
    pub used_at: Timestamp,
}

/// The policies of a store.
#[derive(Clone)]
pub struct Policies {
    store: Arc<dyn Store>,
}

impl Policies {
    /// The policies in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// A domain's policy, whether it still holds or not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, domain: &Domain) -> Result<Option<Kept>, StoreError> {
        self.store.get(Space::Meta, &key(domain))?.map(|entry| decode(&entry.value)).transpose()
    }

    /// Keeps a domain's policy in place of the one before.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put(&self, domain: &Domain, policy: &Kept) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(Space::Meta, key(domain), encode(policy)?);
        self.store.commit(batch)
    }

    /// Forgets a domain's policy.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget(&self, domain: &Domain) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.delete(Space::Meta, key(domain));
        self.store.commit(batch)
    }

    /// All domains of which a policy is kept, with it; what cannot be read is left out.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all(&self) -> Result<Vec<(Domain, Kept)>, StoreError> {
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(Space::Meta, PREFIX, after.as_deref(), AT_ONCE)?;
            let whole = page.len() == AT_ONCE;
            after = page.last().map(|entry| entry.key.clone());
            found.extend(page.into_iter().filter_map(|entry| {
                let name = entry.key.strip_prefix(PREFIX)?;
                let domain = std::str::from_utf8(name).ok()?.parse().ok()?;
                Some((domain, decode(&entry.value).ok()?))
            }));
            if !whole {
                return Ok(found);
            }
        }
    }
}

fn key(domain: &Domain) -> Vec<u8> {
    [PREFIX, domain.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redb::Redb;

    #[test]
    fn policies_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Policies::new(Arc::new(Redb::open(folder.path()).unwrap()));
        let at = Timestamp::from_secs(1_800_000_000);
        let kept = Kept {
            id: "20270115".to_owned(),
            mode: Mode::Enforce,
            mx: vec!["*.example.org".to_owned()],
            fetched_at: at,
            expires_at: at,
            used_at: at,
        };
        let domains: Vec<Domain> = ["a.example", "b.example"].map(|name| name.parse().unwrap()).into();
        let before = open();
        for domain in &domains {
            before.put(domain, &kept).unwrap();
        }
        drop(before);
        let after = open();
        assert_eq!(after.get(&domains[0]).unwrap(), Some(kept.clone()));
        after.forget(&domains[0]).unwrap();
        assert_eq!(after.get(&domains[0]).unwrap(), None);
        assert_eq!(after.all().unwrap(), [(domains[1].clone(), kept)]);
    }
}
