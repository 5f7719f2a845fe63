//! What a store promises, whatever engine keeps it.
//!
//! A store is transactional key/value over bytes. Keys live in spaces, each entry has a version, and every change is one
//! [`Batch`]: all of it happens, durably, or nothing does. [`Store::commit`] returns `Ok` only when a power cut can no
//! longer undo the batch.
//!
//! **Claims.** An entry put with a `due` time can be claimed once that time has come. A claim is a lease: it counts the
//! attempt durably, moves `due` to the end of the lease and hands out a [`Lease`] that a later batch can expect. Who
//! loses the lease loses the right to commit.
//!
//! **Bodies.** Large values are no entries: they are written durably with [`Store::put_body`] *before* the commit that
//! names them. A commit counts names; a body whose last name is given back is deleted after the commit, and what no
//! name ever reached is swept when the store is opened.

use std::fmt;

/// A separate range of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// Format version, heads of chains, switches.
    Meta = 0,
    /// Arrived mail that waits for a worker.
    Spool = 1,
    /// Mail that waits for a person.
    Hold = 2,
    /// Copies that wait for the courier.
    Queue = 3,
    /// Roster and certificates.
    Registry = 4,
    /// Who did what.
    Journal = 5,
    /// What has been seen: replay digests.
    Seen = 6,
    /// What the admins have to be told.
    Alert = 7,
    /// Tokens that were sent: whose copy a return path belongs to, what an answer is for.
    Sent = 8,
}

impl Space {
    /// Every space, for dumps and checks.
    pub const ALL: [Self; 9] = [
        Self::Meta,
        Self::Spool,
        Self::Hold,
        Self::Queue,
        Self::Registry,
        Self::Journal,
        Self::Seen,
        Self::Alert,
        Self::Sent,
    ];
}

/// The version of an entry: it changes with every put and every claim, and is never used twice for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// Proof of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease(pub Version);

/// How much room the medium has for this process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What can still be written.
    pub free: u64,
    /// All of it; 0 for a medium without a size of its own, which does not fill up.
    pub total: u64,
}

impl Room {
    /// Whether a mail of `size` bytes has no place: it needs its size twice, for the arrival and for a body of its copies,
    /// and after it at least `percent` of the medium has to be free.
    #[must_use]
    pub fn is_short(&self, percent: u8, size: u64) -> bool {
        let wide = |bytes: u64| u128::from(bytes);
        let left = wide(self.free.saturating_sub(size)) * 100;
        let least = wide(self.total) * u128::from(percent);
        self.total > 0 && (self.free < size.saturating_mul(2) || left < least)
    }

    /// The free part of it in whole percent, rounded down.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let part = (u128::from(self.free) * 100).checked_div(u128::from(self.total)).unwrap_or(100);
        u64::try_from(part).unwrap_or(100).min(100)
    }
}

/// The name of a body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub [u8; 16]);

impl fmt::Display for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One entry as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key within its space.
    pub key: Vec<u8>,
    /// Its version.
    pub version: Version,
    /// When it can next be claimed, in milliseconds since the epoch; `None`: never.
    pub due: Option<i64>,
    /// How often it was claimed since it was last put.
    pub attempts: u32,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// One claimed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The entry as it stands after the claim (`attempts` includes this one).
    pub entry: Entry,
    /// What the finishing batch expects.
    pub lease: Lease,
}

/// A condition of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The key is not there.
    Absent(Space, Vec<u8>),
    /// The key is there at this version: nobody changed it since it was read.
    Version(Space, Vec<u8>, Version),
    /// The claim still stands.
    Lease(Space, Vec<u8>, Lease),
}

/// One entry to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub space: Space,
    /// Under which key.
    pub key: Vec<u8>,
    /// What; small (at most [`MAX_VALUE`]).
    pub value: Vec<u8>,
    /// From when it can be claimed, in milliseconds since the epoch; `None`: never.
    pub due: Option<i64>,
}

/// The largest value of an entry, in bytes; anything larger is a body.
pub const MAX_VALUE: usize = 16 << 20;

/// One atomic change: the only way to change a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    /// Conditions; if one fails nothing happens.
    pub expect: Vec<Expect>,
    /// Entries to write (attempts start at zero again).
    pub put: Vec<Put>,
    /// Entries to remove; a key that is not there is no error.
    pub delete: Vec<(Space, Vec<u8>)>,
    /// Bodies that get one more name; each must exist.
    pub name: Vec<BodyId>,
    /// Bodies that lose one name; with the last the body goes.
    pub unname: Vec<BodyId>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition.
    pub fn expect(&mut self, expect: Expect) -> &mut Self {
        self.expect.push(expect);
        self
    }

    /// Writes an entry that nobody claims.
    pub fn put(&mut self, space: Space, key: impl Into<Vec<u8>>, value: Vec<u8>) -> &mut Self {
        self.put.push(Put { space, key: key.into(), value, due: None });
        self
    }

    /// Writes an entry that can be claimed from `due` (milliseconds since the epoch) on.
    pub fn put_due(&mut self, space: Space, key: impl Into<Vec<u8>>, value: Vec<u8>, due: i64) -> &mut Self {
        self.put.push(Put { space, key: key.into(), value, due: Some(due) });
        self
    }

    /// Removes an entry.
    pub fn delete(&mut self, space: Space, key: impl Into<Vec<u8>>) -> &mut Self {
        self.delete.push((space, key.into()));
        self
    }

    /// Gives a body one more name.
    pub fn name(&mut self, body: BodyId) -> &mut Self {
        self.name.push(body);
        self
    }

    /// Takes another change in: both happen, or neither.
    pub fn absorb(&mut self, other: Self) -> &mut Self {
        self.expect.extend(other.expect);
        self.put.extend(other.put);
        self.delete.extend(other.delete);
        self.name.extend(other.name);
        self.unname.extend(other.unname);
        self
    }

    /// Takes one name from a body.
    pub fn unname(&mut self, body: BodyId) -> &mut Self {
        self.unname.push(body);
        self
    }
}

/// Why a store did not do what was asked. No text here holds a stored value.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold; nothing was changed. Read again and decide again.
    #[error("someone else changed {0:?} first")]
    Conflict(Space),
    /// A body that the batch names is not there; nothing was changed.
    #[error("body {0} does not exist")]
    NoBody(BodyId),
    /// A value is larger than [`MAX_VALUE`]; nothing was changed.
    #[error("a value of {0} bytes is too large for the store")]
    TooLarge(usize),
    /// The medium failed or is full; nothing was changed that a reader could see. (Only of a medium that also fails at the
    /// very end of a commit, and at the look at what came of it, this is not known.)
    #[error("the store cannot {doing}: {why}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        why: String,
    },
    /// After a failed sync the medium is not trusted again until the store is reopened.
    #[error("the store stopped after a failed write ({0}); restart the daemon when the disk is sound")]
    Poisoned(String),
    /// What lies there is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Another process has it open.
    #[error("the store is already open in another process; stop the other daemon first")]
    Locked,
    /// It was written by another engine.
    #[error(
        "the store in {dir} was written by {found}, and [store] kind is \"{asked}\"; set kind = \"{found}\" again, or \
         set path to an empty directory: what is stored is not converted"
    )]
    OtherEngine {
        /// The store's directory.
        dir: String,
        /// The engine that wrote it.
        found: &'static str,
        /// The engine that the settings name.
        asked: &'static str,
    },
    /// It was written by a later release.
    #[error("the store has format {found}, this release knows up to {known}; use the newer release")]
    TooNew {
        /// What was found.
        found: u32,
        /// What is known.
        known: u32,
    },
}

/// A store. All calls block; callers on an async runtime move them to a blocking thread.
pub trait Store: Send + Sync {
    /// One entry, or none.
    ///
    /// # Errors
    /// When the medium fails or is damaged.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Entry>, StoreError>;

    /// Up to `limit` entries whose key starts with `prefix`, in order of key, after the key `after`.
    ///
    /// # Errors
    /// When the medium fails or is damaged.
    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Claims up to `limit` entries of `space` that are due at `now`, the longest due first, for `lease_ms`.
    /// Times in milliseconds. The claims are durable when this returns.
    ///
    /// # Errors
    /// When the medium fails or is damaged.
    fn claim(&self, space: Space, now: i64, lease_ms: i64, limit: usize) -> Result<Vec<Claim>, StoreError>;

    /// When the next entry of `space` becomes due, if any.
    ///
    /// # Errors
    /// When the medium fails or is damaged.
    fn next_due(&self, space: Space) -> Result<Option<i64>, StoreError>;

    /// Carries out the batch, durably, or nothing of it.
    ///
    /// # Errors
    /// `Conflict`, `NoBody` and `TooLarge` change nothing; the others are the medium's.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// Writes a body durably. It stays only once a commit names it.
    ///
    /// # Errors
    /// When the medium fails or is full, or the id is taken.
    fn put_body(&self, id: BodyId, bytes: &[u8]) -> Result<(), StoreError>;

    /// Up to `max` bytes of a body from `offset` on; empty at its end.
    ///
    /// # Errors
    /// `NoBody`, or when the medium fails or is damaged.
    fn read_body(&self, id: BodyId, offset: u64, max: usize) -> Result<Vec<u8>, StoreError>;

    /// The length of a body in bytes.
    ///
    /// # Errors
    /// `NoBody`, or when the medium fails.
    fn body_len(&self, id: BodyId) -> Result<u64, StoreError>;

    /// The share of the medium that is free, 0.0 to 1.0.
    ///
    /// # Errors
    /// When the medium cannot tell.
    fn room(&self) -> Result<Room, StoreError>;

    /// Gives space back to the medium; called when the daemon is idle.
    ///
    /// # Errors
    /// When the medium fails.
    fn compact(&self) -> Result<(), StoreError>;
}
