//! Records beside the roster that have a name of their own: applications, ballots, breaches. Each has its version, so
//! that two decisions about one of them cannot both be made.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::id::{ApplicationId, BallotId};
use crate::ledger::record::{decode, encode};
use crate::roster::application::Application;
use crate::roster::ballot::Ballot;
use crate::roster::moderation::Ignored;
use crate::store::contract::{Batch, Entry, Expect, Space, Store, StoreError, Version};

/// So many are read at once.
const PAGE: usize = 500;

/// Something that stands on a shelf.
pub trait Kept: Serialize + DeserializeOwned {
    /// In front of the keys of its kind: one word and a slash.
    const SHELF: &'static str;
    /// Its name among its kind.
    fn name(&self) -> &str;
}

impl Kept for Ballot {
    const SHELF: &'static str = "ballot/";
    fn name(&self) -> &str {
        self.id.as_str()
    }
}

impl Kept for Application {
    const SHELF: &'static str = "application/";
    fn name(&self) -> &str {
        self.id.as_str()
    }
}

impl Kept for Ignored {
    const SHELF: &'static str = "ignored/";
    fn name(&self) -> &str {
        &self.name
    }
}

/// A record as read.
#[derive(Clone, Debug)]
pub struct Taken<T> {
    /// The record.
    pub it: T,
    key: Vec<u8>,
    version: Version,
}

impl<T: Kept> Taken<T> {
    /// Adds to the batch that it becomes `new`, if nobody changed it since it was read.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_back(&self, batch: &mut Batch, new: &T) -> Result<(), StoreError> {
        batch.expect(Expect::Version(Space::Registry, self.key.clone(), self.version));
        batch.put(Space::Registry, self.key.clone(), encode(new)?);
        Ok(())
    }

    /// Adds to the batch that it goes, if nobody changed it since it was read.
    pub fn remove(&self, batch: &mut Batch) {
        batch.expect(Expect::Version(Space::Registry, self.key.clone(), self.version));
        batch.delete(Space::Registry, self.key.clone());
    }
}

/// The shelf of one kind.
#[derive(Clone)]
pub struct Shelf<T> {
    store: Arc<dyn Store>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Kept> Shelf<T> {
    /// The shelf in this store.
    #[must_use]
    pub fn new(store: &Arc<dyn Store>) -> Self {
        Self { store: Arc::clone(store), kind: PhantomData }
    }

    /// Adds to the batch that it stands there from now on. A name that is taken is a conflict.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn add(batch: &mut Batch, new: &T) -> Result<(), StoreError> {
        let key = key::<T>(new.name());
        batch.expect(Expect::Absent(Space::Registry, key.clone()));
        batch.put(Space::Registry, key, encode(new)?);
        Ok(())
    }

    /// The one with this name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, name: &str) -> Result<Option<Taken<T>>, StoreError> {
        self.store.get(Space::Registry, &key::<T>(name))?.map(taken).transpose()
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn all(&self) -> Result<Vec<Taken<T>>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.store.scan(Space::Registry, T::SHELF.as_bytes(), after.as_deref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.key.clone());
            for entry in page {
                all.push(taken(entry)?);
            }
        }
    }
}

impl Shelf<Ballot> {
    /// The ballot with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn ballot(&self, id: &BallotId) -> Result<Option<Taken<Ballot>>, StoreError> {
        self.get(id.as_str())
    }
}

impl Shelf<Application> {
    /// The application with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn application(&self, id: &ApplicationId) -> Result<Option<Taken<Application>>, StoreError> {
        self.get(id.as_str())
    }
}

fn taken<T: Kept>(entry: Entry) -> Result<Taken<T>, StoreError> {
    Ok(Taken { it: decode(&entry.value)?, key: entry.key, version: entry.version })
}

fn key<T: Kept>(name: &str) -> Vec<u8> {
    [T::SHELF.as_bytes(), name.as_bytes()].concat()
}
