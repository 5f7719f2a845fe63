//! What goes along with a letter and is content: ciphertext until the letter is written, and to its reader from then on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Fingerprint;
use crate::pgp::sealed::{AtRest, Sealed};

/// Something that goes along with a letter, as ciphertext until the letter is written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enclosed {
    spool_key: Fingerprint,
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

impl Enclosed {
    /// A complete MIME entity, sealed at rest to this spool key.
    #[must_use]
    pub fn new(sealed: &Sealed<AtRest>, spool_key: Fingerprint) -> Self {
        Self { spool_key, sealed: sealed.as_bytes().to_vec() }
    }

    /// The spool key that opens it.
    #[must_use]
    pub const fn spool_key(&self) -> Fingerprint {
        self.spool_key
    }

    /// The ciphertext; nothing where the bytes are none.
    #[must_use]
    pub fn sealed(&self) -> Option<Sealed<AtRest>> {
        Sealed::<AtRest>::from_store(self.sealed.clone()).ok()
    }
}

impl fmt::Debug for Enclosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enclosed({} bytes)", self.sealed.len())
    }
}
