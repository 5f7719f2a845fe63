//! What was taken in from a place that still has it: a mailbox, a folder. A report that nobody signed has no replay
//! digest, so this alone keeps a mail from being relayed again when the daemon dies between taking it in and removing
//! it there.
//!
//! A **mark** says "this item was taken in". It is made in the commit that spools the mail, and goes once the item is
//! known to be gone from its place. Where the names of items can lose their meaning (an IMAP mailbox gets another
//! UIDVALIDITY), a keyed **digest** of the mail's bytes is remembered as well, for [`KEEP`]: the same bytes under
//! another generation of names are the same mail. Nothing can be read from the digest.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{decode, encode};
use super::seen::KEEP;
use crate::store::contract::{Batch, Expect, Space, Store, StoreError};
use crate::time::Timestamp;

/// So many marks are read at once.
const PAGE: usize = 500;

/// One item of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The place, such as `imap/NAME`; never content.
    pub place: String,
    /// Within which names of items are unique; where they never change, empty.
    pub generation: Vec<u8>,
    /// The item's name.
    pub name: Vec<u8>,
}

/// That an item is taken in, to be made durable together with its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which.
    pub item: Item,
    /// A keyed digest of the mail, where names can lose their meaning.
    pub digest: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    generation: Vec<u8>,
    name: Vec<u8>,
    at: Timestamp,
}

/// The marks in a store.
#[derive(Clone)]
pub struct Marks {
    store: Arc<dyn Store>,
}

impl Marks {
    /// The marks in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Whether the mail was taken in before: this very item, or, under another generation of names, the same bytes.
    /// Equal bytes under another name of the same generation are a mail of their own. An item whose mark has gone is
    /// known by its bytes: somebody may have undeleted it, or its place said that it was gone when it was not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_known(&self, mark: &Mark) -> Result<bool, StoreError> {
        if self.store.get(Space::Meta, &item_key(&mark.item))?.is_some() {
            return Ok(true);
        }
        let Some(digest) = &mark.digest else { return Ok(false) };
        let Some(entry) = self.store.get(Space::Seen, &digest_key(&mark.item.place, digest))? else {
            return Ok(false);
        };
        let record: Record = decode(&entry.value)?;
        Ok(record.generation != mark.item.generation || record.name == mark.item.name)
    }

    /// The items of a place that are marked, of every generation.
    ///
    /// # Errors
    /// When the store fails.
    pub fn of(&self, place: &str) -> Result<Vec<Item>, StoreError> {
        let (prefix, mut items, mut after) = (place_key(place), Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.store.scan(Space::Meta, &prefix, after.as_deref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(items) };
            after = Some(last.key.clone());
            for entry in page {
                let record: Record = decode(&entry.value)?;
                let (generation, name) = (record.generation, record.name);
                items.push(Item { place: place.to_owned(), generation, name });
            }
        }
    }

    /// Removes the marks of items that are gone. Their digests stay, for [`KEEP`].
    ///
    /// # Errors
    /// When the store fails; then none is removed.
    pub fn remove(&self, items: &[Item]) -> Result<(), StoreError> {
        if items.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for item in items {
            batch.delete(Space::Meta, item_key(item));
        }
        self.store.commit(batch)
    }
}

/// Adds to the batch that this item was not taken in before and is now.
///
/// # Errors
/// When the record cannot be encoded.
pub(super) fn add(batch: &mut Batch, mark: &Mark, now: Timestamp) -> Result<(), StoreError> {
    let Item { place, generation, name } = &mark.item;
    let record = encode(&Record { generation: generation.clone(), name: name.clone(), at: now })?;
    let key = item_key(&mark.item);
    batch.expect(Expect::Absent(Space::Meta, key.clone()));
    batch.put(Space::Meta, key, record.clone());
    if let Some(digest) = &mark.digest {
        batch.put_due(Space::Seen, digest_key(place, digest), record, now.after(KEEP).millis());
    }
    Ok(())
}

fn place_key(place: &str) -> Vec<u8> {
    [b"mark\0", place.as_bytes(), b"\0"].concat()
}

/// The length of the generation stands before it, so that no two items share a key.
fn item_key(item: &Item) -> Vec<u8> {
    let length = u32::try_from(item.generation.len()).unwrap_or(u32::MAX).to_be_bytes();
    [place_key(&item.place).as_slice(), length.as_slice(), &item.generation, &item.name].concat()
}

/// Longer than any replay digest's key of a list that has this name, so that none is taken for the other.
fn digest_key(place: &str, digest: &[u8; 32]) -> Vec<u8> {
    [place_key(place).as_slice(), digest.as_slice()].concat()
}
