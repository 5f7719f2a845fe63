//! Whose copy a return path belongs to: a bounce comes when the copy itself has left the queue. The token is random, is
//! bound to one copy by this record, and expires with it. A token that is a keyed digest would need no record until a
//! bounce comes, but then list, reader and address would have to stand in it, for everybody on the way to read.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{ListName, MemberId, ParcelId, Token};
use crate::ledger::alert::{Alert, Incident};
use crate::ledger::journal::{Actor, Event, Note};
use crate::ledger::record::{decode, encode};
use crate::mail::address::Address;
use crate::mail::parcel::{Carries, Parcel};
use crate::store::contract::{Batch, Entry, Expect, Space, Store, StoreError};
use crate::time::Timestamp;

/// How long after a copy was queued its bounces are known. A server tries for five days as a rule (RFC 5321 §4.5.4.1), we
/// before it as long.
pub const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// In front of a token.
const TOKEN: u8 = b't';
/// In front of the id of a copy that came back, or is late.
const RETURNED: u8 = b'r';

/// A copy as its return path knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The copy.
    pub parcel: ParcelId,
    /// Its list.
    pub list: ListName,
    /// Its reader.
    pub member: MemberId,
    /// Where it went.
    pub recipient: Address,
    /// What it is.
    pub carries: Carries,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// Its length on the wire in bytes.
    pub size: u64,
    /// What came of it, if something came back.
    pub returned: Option<Returned>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// The enhanced status (RFC 3463).
    pub status: String,
    /// Whether it is final: else the next hop is still trying.
    pub failed: bool,
    /// When.
    pub at: Timestamp,
}

/// What a bounce does.
pub enum Effect {
    /// To be committed with the end of the bounce's own record.
    Marked(Box<(Batch, Note)>),
    /// Nothing new.
    Known,
    /// There is no such copy on this list, or it is too long ago.
    Nobodys,
}

/// The copies of a store that bounces may come for.
#[derive(Clone)]
pub struct SentBook {
    store: Arc<dyn Store>,
}

impl SentBook {
    /// The book of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Adds to the batch that queues a copy what its return path belongs to.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub(super) fn expect_bounces(
        batch: &mut Batch,
        parcel: &Parcel,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(token) = token_of(&parcel.reverse_path) else { return Ok(()) };
        let sent = Sent {
            parcel: parcel.id,
            list: parcel.list.clone(),
            member: parcel.member.clone(),
            recipient: parcel.recipient.clone(),
            carries: parcel.carries,
            queued_at: now,
            size: parcel.wire_len(),
            returned: None,
        };
        batch.put_due(Space::Sent, token_key(&token), encode(&sent)?, now.after(KEEP).millis());
        Ok(())
    }

    /// What it means that a bounce came to this return path of this list. The reader's standing is nobody's business here.
    ///
    /// # Errors
    /// When the store fails.
    pub fn bounced(&self, list: &ListName, token: &Token, returned: Returned) -> Result<Effect, StoreError> {
        let now = returned.at;
        let Some(entry) = self.store.get(Space::Sent, &token_key(token))? else { return Ok(Effect::Nobodys) };
        let mut sent: Sent = decode(&entry.value)?;
        let until = sent.queued_at.after(KEEP);
        if sent.list != *list || now >= until {
            return Ok(Effect::Nobodys);
        }
        // The first failure is the one that counts; a delay is told once.
        if sent.returned.as_ref().is_some_and(|before| before.failed || !returned.failed) {
            return Ok(Effect::Known);
        }
        let (parcel, member) = (sent.parcel, sent.member.clone());
        let (status, failed) = (returned.status.clone(), returned.failed);
        sent.returned = Some(returned);
        let mut batch = Batch::new();
        batch.expect(Expect::Version(Space::Sent, entry.key.clone(), entry.version));
        let record = encode(&sent)?;
        batch.put_due(Space::Sent, entry.key, record.clone(), until.millis());
        batch.put_due(Space::Sent, returned_key(parcel), record, until.millis());
        match sent.carries {
            Carries::Post if failed => {
                let (member, recipient, status) = (member.clone(), sent.recipient.clone(), status.clone());
                let incident = Incident::CopyBounced { parcel, member, recipient, status };
                Alert::raise(&mut batch, Some(list), incident, now)?;
            }
            Carries::Letter if failed => {
                Alert::letter_lost(&*self.store, &mut batch, (list, &member, &sent.recipient), now)?;
            }
            // A notice that comes back is not told by another one.
            Carries::Post | Carries::Letter | Carries::Notice => {}
        }
        let event = if failed {
            Event::Bounced { parcel, member, status }
        } else {
            Event::Delayed { parcel, member, status }
        };
        let note = Note { list: Some(list.clone()), actor: Actor::Relay, event, reason: None };
        Ok(Effect::Marked(Box::new((batch, note))))
    }

    /// Up to `limit` copies that came back or are late, with ids behind `after`, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn returned(&self, after: Option<ParcelId>, limit: usize) -> Result<Vec<Sent>, StoreError> {
        let after = after.map(returned_key);
        let page = self.store.scan(Space::Sent, &[RETURNED], after.as_deref(), limit)?;
        page.iter().map(|entry| decode(&entry.value)).collect()
    }

    /// How many copies came back; those that are late are not among them.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn count_failed(&self) -> Result<usize, StoreError> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.returned(after, 500)?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.parcel);
            let failed = |sent: &&Sent| sent.returned.as_ref().is_some_and(|returned| returned.failed);
            count += page.iter().filter(failed).count();
        }
    }

    /// One copy that came back or is late, and its entry.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn get(&self, parcel: ParcelId) -> Result<Option<(Sent, Entry)>, StoreError> {
        let Some(entry) = self.store.get(Space::Sent, &returned_key(parcel))? else { return Ok(None) };
        Ok(Some((decode(&entry.value)?, entry)))
    }
}

/// Forgets what is older than [`KEEP`]; returns how many records that were.
///
/// # Errors
/// When the store fails.
pub fn forget_old(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
    let old = store.claim(Space::Sent, now.millis(), 60_000, 1000)?;
    let mut batch = Batch::new();
    for claim in &old {
        batch.delete(Space::Sent, claim.entry.key.clone());
    }
    store.commit(batch)?;
    Ok(old.len())
}

/// The token of a return path.
fn token_of(reverse_path: &Address) -> Option<Token> {
    reverse_path.local().rsplit_once('+').and_then(|(_, token)| token.parse().ok())
}

fn token_key(token: &Token) -> Vec<u8> {
    [&[TOKEN], token.as_str().as_bytes()].concat()
}

fn returned_key(parcel: ParcelId) -> Vec<u8> {
    [&[RETURNED], parcel.as_bytes().as_slice()].concat()
}
