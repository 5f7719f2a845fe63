//! Mail that waits for a person, still sealed as it arrived.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{BodyId, Fingerprint, ListName, SpoolId};
use crate::ledger::record::{decode, encode};
use crate::ledger::spool::{self, Spooled};
use crate::store::contract::{self, Batch, Entry, Expect, Space, Store, StoreError};
use crate::time::Timestamp;

/// A held mail: metadata and a pointer to the sealed body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The mail.
    pub id: SpoolId,
    /// The list it is for.
    pub list: ListName,
    /// The name of the reason.
    pub reason: String,
    /// The certificate that signed it, or of an unknown signer the key that the signature names.
    pub signer: Option<Fingerprint>,
    /// Since when.
    pub since: Timestamp,
    /// The size of the sealed mail in bytes.
    pub size: u64,
    /// Whether a person may let it through.
    pub releasable: bool,
    /// The spool certificate it is sealed to.
    pub spool_key: Fingerprint,
    /// When those who decide were told that its time runs out.
    #[serde(default)]
    pub reminded: Option<Timestamp>,
    pub(super) body: BodyId,
}

/// The reasons that are a doubt about whoever signed, and not about the mail.
pub const ABOUT_SIGNER: [&str; 2] = ["unknown-signer", "not-a-poster"];

impl Held {
    /// Whether its signer may be ignored from now on.
    #[must_use]
    pub fn is_ignorable(&self) -> bool {
        self.signer.is_some() && ABOUT_SIGNER.contains(&self.reason.as_str())
    }

    /// What an arrival would be if it were held.
    #[must_use]
    pub fn of(
        spooled: &Spooled,
        reason: &str,
        signer: Option<Fingerprint>,
        releasable: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            id: spooled.id,
            list: spooled.list.clone(),
            reason: reason.to_owned(),
            signer,
            since: now,
            size: spooled.size,
            releasable,
            spool_key: spooled.spool_key,
            reminded: None,
            body: spooled.body,
        }
    }
}

/// The held mail of a store.
#[derive(Clone)]
pub struct Holds {
    store: Arc<dyn Store>,
}

impl Holds {
    /// The held mail in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Adds to the batch that this arrival leaves the spool, still sealed, and waits for a person.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn hold(
        batch: &mut Batch,
        spooled: &Spooled,
        reason: &str,
        signer: Option<Fingerprint>,
        releasable: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = spooled.id.as_bytes().to_vec();
        batch.expect(Expect::Lease(Space::Spool, key.clone(), spooled.lease));
        batch.delete(Space::Spool, key);
        let held = Held::of(spooled, reason, signer, releasable, now);
        batch.put(Space::Hold, *spooled.id.as_bytes(), encode(&held)?);
        Ok(())
    }

    /// Up to `limit` held mails after the id `after`, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn ls(&self, after: Option<SpoolId>, limit: usize) -> Result<Vec<Held>, StoreError> {
        let after = after.map(|id| id.as_bytes().to_vec());
        let page = self.store.scan(Space::Hold, b"", after.as_deref(), limit)?;
        page.iter().map(|entry| decode(&entry.value)).collect()
    }

    /// One held mail.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, id: SpoolId) -> Result<Option<Held>, StoreError> {
        Ok(self.entry(id)?.map(|(held, _)| held))
    }

    /// The batch that sends a held mail back to the spool, to be judged again with the admin's word; none if it is not
    /// there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn release(&self, id: SpoolId, now: Timestamp) -> Result<Option<Batch>, StoreError> {
        let Some((held, entry)) = self.entry(id)? else { return Ok(None) };
        let record = spool::Record {
            list: held.list,
            body: held.body,
            size: held.size,
            spool_key: held.spool_key,
            claims: 0,
            waived: Some(held.reason),
        };
        let mut batch = Batch::new();
        batch.expect(Expect::Version(Space::Hold, entry.key.clone(), entry.version));
        batch.delete(Space::Hold, entry.key);
        batch.put_due(Space::Spool, *id.as_bytes(), encode(&record)?, now.millis());
        Ok(Some(batch))
    }

    /// The batch that throws a held mail away; none if it is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn drop_mail(&self, id: SpoolId) -> Result<Option<Batch>, StoreError> {
        let Some((held, entry)) = self.entry(id)? else { return Ok(None) };
        let mut batch = Batch::new();
        batch.expect(Expect::Version(Space::Hold, entry.key.clone(), entry.version));
        batch.delete(Space::Hold, entry.key);
        batch.unname(contract::BodyId(*held.body.as_bytes()));
        Ok(Some(batch))
    }

    /// Adds to the batch that those who decide were told that a mail's time runs out.
    ///
    /// # Errors
    /// When the store fails.
    pub fn reminded(&self, batch: &mut Batch, id: SpoolId, now: Timestamp) -> Result<(), StoreError> {
        let Some((mut held, entry)) = self.entry(id)? else { return Ok(()) };
        held.reminded = Some(now);
        batch.expect(Expect::Version(Space::Hold, entry.key.clone(), entry.version));
        batch.put(Space::Hold, entry.key, encode(&held)?);
        Ok(())
    }

    fn entry(&self, id: SpoolId) -> Result<Option<(Held, Entry)>, StoreError> {
        match self.store.get(Space::Hold, id.as_bytes())? {
            Some(entry) => Ok(Some((decode(&entry.value)?, entry))),
            None => Ok(None),
        }
    }
}
