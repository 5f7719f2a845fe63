//! Whom a post goes to, and who of them share a body.

use std::sync::Arc;

use crate::mail::directory::Purpose;
use crate::pgp::cert::{Cert, CertProblem};
use crate::pgp::keyring::ListKey;
use crate::pgp::seal::{Addressed, Missed, Reader, SealError, address, sign};
use crate::relay::gate;
use crate::relay::world::World;
use crate::roster::membership::Member;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// A post goes to the list's readers; mail for the admins and for the reporter goes to the team alone.
pub(super) fn readers<'a>(purpose: &Purpose, world: &'a World<'_>) -> Vec<&'a Member> {
    match purpose {
        purpose if gate::is_for_team(purpose) => world.team().unwrap_or_default(),
        _ => world.readers(),
    }
}

/// Signs once for all who share a body, or, on a list with `individual`, once for each reader. Who gets no copy is named
/// by his place.
pub(super) fn addressed(
    entity: &Arc<Plaintext>,
    readers: &[&Member],
    key: &ListKey,
    world: &World<'_>,
    now: Timestamp,
) -> Result<(Vec<Addressed>, Missed), SealError> {
    let (mut usable, mut missed) = (Vec::new(), Vec::new());
    for (place, member) in readers.iter().enumerate() {
        match world.certs.get(&member.fingerprint) {
            Some(cert) => usable.push((place, Reader { cert, format: member.format })),
            None => missed.push((place, CertProblem::NoEncryptionKey)),
        }
    }
    let mut classes = Vec::new();
    if world.list.individual {
        for one in usable.chunks(1) {
            let intended: Vec<&Cert> = one.iter().map(|(_, reader)| reader.cert).collect();
            let (class, miss) = address(sign(entity, key, now, &intended)?, one, now)?;
            classes.extend(class);
            missed.extend(miss);
        }
    } else {
        let (shared, miss) = address(sign(entity, key, now, &[])?, &usable, now)?;
        classes.extend(shared);
        missed.extend(miss);
    }
    missed.sort_by_key(|(place, _)| *place);
    Ok((classes, missed))
}
