//! Whose certificate ends soon, or has ended: an alert for each member and each of the days that are named before, once.
//! What was told is a record beside the alerts, in the batch of the alert: neither a restart nor a kill tells it twice or
//! not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{Fingerprint, ListName, MemberId};
use crate::ledger::alert::Alert;
use crate::ledger::certs::CertBook;
use crate::ledger::record::{decode, encode};
use crate::mail::incident::Incident;
use crate::pgp::cert::CertProblem;
use crate::pgp::outlook::Outlook;
use crate::roster::membership::{Member, Standing};
use crate::store::contract::{Batch, Expect, Space, Store, StoreError, Version};
use crate::time::Timestamp;

/// In front of the keys that say what was told of a member's certificate. `alert.rs` has others.
const ENDING: u8 = b'e';
/// So many records are read at once, and so many alerts raised in one commit.
const AT_ONCE: usize = 500;

/// What was told of a member's certificate last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    fingerprint: Fingerprint,
    /// Of the certificate's bytes.
    digest: [u8; 32],
    /// When it ends.
    expires: Option<Timestamp>,
    /// Within how many days that was; 0 when it had.
    within: u16,
}

impl Told {
    /// Whether this says what `now` would: of the same certificate, and no less urgently. A copy in which only something
    /// else is new (a User ID) is the same.
    fn covers(&self, now: &Self) -> bool {
        self.fingerprint == now.fingerprint
            && (self.digest == now.digest || self.expires == now.expires)
            && self.within <= now.within
    }
}

/// Raises the alerts that are due, at most some hundred; returns how many. Whoever changes the roster meanwhile wins, and
/// nothing is raised.
///
/// # Errors
/// When the store fails.
pub fn forewarn(store: &Arc<dyn Store>, certs: &CertBook, now: Timestamp) -> Result<usize, StoreError> {
    let registry = certs.registry();
    let read = registry.roster()?;
    let active: Vec<(&ListName, &Member)> = read.roster.everyone().filter(|(_, m)| m.is_active()).collect();
    let theirs: Vec<Fingerprint> = active.iter().map(|(_, member)| member.fingerprint).collect();
    let outlooks = certs.outlooks(&theirs, now)?;
    let mut told = all_told(&**store)?;
    let mut batch = Batch::new();
    let mut raised = 0;
    for (list, member) in active {
        let Some(outlook) = outlooks.get(&member.fingerprint) else { continue };
        let key = key_of(list, &member.id);
        let within = outlook.within(now);
        if raised >= AT_ONCE || (within.is_none() && !told.contains_key(&key)) {
            continue;
        }
        let Some((bytes, _)) = registry.cert(member.fingerprint)? else { continue };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let Some(within) = within else {
            // It was mended, and what comes next is news. By a clock that went back it is as it was.
            if told.get(&key).is_some_and(|(last, _)| last.digest != digest) {
                batch.delete(Space::Alert, key);
            }
            continue;
        };
        let new = Told { fingerprint: member.fingerprint, digest, expires: outlook.expires, within };
        match told.get(&key) {
            Some((last, _)) if last.covers(&new) => continue,
            Some((_, version)) => batch.expect(Expect::Version(Space::Alert, key.clone(), *version)),
            None => batch.expect(Expect::Absent(Space::Alert, key.clone())),
        };
        batch.put(Space::Alert, key, encode(&new)?);
        Alert::raise(&mut batch, Some(list), incident(member, outlook, within), now)?;
        raised += 1;
    }
    // Of who has left nothing is kept.
    for (list, member) in read.roster.everyone().filter(|(_, m)| m.standing != Standing::Removed) {
        told.remove(&key_of(list, &member.id));
    }
    for key in told.into_keys() {
        batch.delete(Space::Alert, key);
    }
    if batch.put.is_empty() && batch.delete.is_empty() {
        return Ok(0);
    }
    batch.expect(read.unchanged());
    match store.commit(batch) {
        Err(StoreError::Conflict(_)) => Ok(0),
        done => done.map(|()| raised),
    }
}

fn incident(member: &Member, outlook: &Outlook, within: u16) -> Incident {
    let (id, recipient) = (member.id.clone(), member.address.clone());
    match (&outlook.problem, outlook.expires) {
        (None, Some(at)) => Incident::CertificateEnds { member: id, recipient, at, within },
        (problem, _) => {
            // Without an end it is only spoken of where there is a problem.
            let problem = problem.clone().unwrap_or(CertProblem::Unusable);
            Incident::CannotReceive { member: id, recipient, problem }
        }
    }
}

fn all_told(store: &dyn Store) -> Result<BTreeMap<Vec<u8>, (Told, Version)>, StoreError> {
    let (mut all, mut after) = (BTreeMap::new(), None::<Vec<u8>>);
    loop {
        let page = store.scan(Space::Alert, &[ENDING], after.as_deref(), AT_ONCE)?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.key.clone());
        for entry in page {
            all.insert(entry.key, (decode(&entry.value)?, entry.version));
        }
    }
}

fn key_of(list: &ListName, member: &MemberId) -> Vec<u8> {
    [&[ENDING], list.as_str().as_bytes(), &[0], member.as_str().as_bytes()].concat()
}
