//! One-time tokens that were sent to somebody: for whom and for what they are, and until when. The token itself stands
//! inside an encrypted mail, so only a digest of it is stored.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{Fingerprint, ListName, MemberId, Token};
use crate::ledger::record::{decode, encode};
pub use crate::roster::aim::Aim;
use crate::store::contract::{Batch, Expect, Space, Store, StoreError, Version};
use crate::time::Timestamp;

/// How long a token is kept behind its end: an answer counts by its arrival, however long it then waited.
const WAITED: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a token counts that may be used at any time.
pub const LIFE: Duration = Duration::from_secs(14 * 24 * 3600);

/// How long a token counts whose purpose has no end of its own: a ballot that closes when it is decided, or held mail that waits
/// for ever.
pub const ENDLESS: Duration = Duration::from_secs(366 * 24 * 3600);

/// In front of a digest, among what was sent.
const ISSUED: u8 = b'o';

/// A token as it was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// On which list it counts.
    pub list: ListName,
    /// For whom.
    pub member: MemberId,
    /// The certificate that was pinned then: it has to sign, or another of the same person.
    pub signer: Fingerprint,
    /// For what.
    pub aim: Aim,
    /// Until when.
    pub until: Timestamp,
}

/// A token that counts, and its record.
pub struct Found {
    /// What it was issued for.
    pub issued: Issued,
    key: Vec<u8>,
    version: Version,
}

impl Found {
    /// Adds to the batch that it counts no more. Of two answers one is the first.
    pub fn spend(&self, batch: &mut Batch) {
        batch.expect(Expect::Version(Space::Sent, self.key.clone(), self.version));
        batch.delete(Space::Sent, self.key.clone());
    }
}

/// In front of the name of a letter whose tokens a newer one replaces.
const NEWEST: u8 = b'h';

/// The tokens of a store.
pub struct Tokens(Arc<dyn Store>);

impl Tokens {
    /// Those of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Adds to the batch that sends a token what it is for. It is forgotten in the end with what else was sent
    /// ([`crate::ledger::sent::forget_old`]).
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn issue(batch: &mut Batch, token: &Token, issued: &Issued) -> Result<(), StoreError> {
        let key = key(token);
        batch.expect(Expect::Absent(Space::Sent, key.clone()));
        batch.put_due(Space::Sent, key, encode(issued)?, issued.until.after(WAITED).millis());
        Ok(())
    }

    /// Adds to the batch that these are the tokens of somebody's newest letter of this name, and that those of the one
    /// before count no more. So they do not pile up.
    ///
    /// # Errors
    /// When the store fails.
    pub fn replace(
        &self,
        batch: &mut Batch,
        (list, member, letter): (&ListName, &MemberId, &str),
        tokens: &[Token],
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let name =
            [&[NEWEST], list.as_str().as_bytes(), b"/", member.as_str().as_bytes(), b"/", letter.as_bytes()]
                .concat();
        match self.0.get(Space::Sent, &name)? {
            Some(entry) => {
                let before: Vec<serde_bytes::ByteBuf> = decode(&entry.value)?;
                for token in before {
                    batch.delete(Space::Sent, token.into_vec());
                }
                batch.expect(Expect::Version(Space::Sent, name.clone(), entry.version));
            }
            None => {
                batch.expect(Expect::Absent(Space::Sent, name.clone()));
            }
        }
        let keys: Vec<serde_bytes::ByteBuf> =
            tokens.iter().map(|token| serde_bytes::ByteBuf::from(key(token))).collect();
        batch.put_due(Space::Sent, name, encode(&keys)?, until.millis());
        Ok(())
    }

    /// What a token of this list is for, if it was sent to one of these certificates, all of whoever signs with it, and it is
    /// not too late.
    ///
    /// # Errors
    /// When the store fails.
    pub fn find(
        &self,
        list: &ListName,
        token: &Token,
        signers: &[Fingerprint],
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let Some(entry) = self.0.get(Space::Sent, &key(token))? else { return Ok(None) };
        let issued: Issued = decode(&entry.value)?;
        let counts = issued.list == *list && signers.contains(&issued.signer) && now < issued.until;
        Ok(counts.then_some(Found { issued, key: entry.key, version: entry.version }))
    }
}

fn key(token: &Token) -> Vec<u8> {
    [&[ISSUED], Sha256::digest(token.as_str().as_bytes()).as_slice()].concat()
}
