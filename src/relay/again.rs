//! What a mail is known again by, when somebody sends it once more.

use crate::mail::tags::Tags;
use crate::pgp::open::Verdict;
use crate::relay::gate::{Admitted, is_for_team};
use crate::relay::world::World;

/// What a mail with a good signature is known by: one digest for each of its valid signatures. It is relayed once.
#[must_use]
pub fn replay(admitted: &Admitted, tags: &Tags<'_>, world: &World<'_>) -> Vec<[u8; 32]> {
    let opened = admitted.opened();
    let Verdict::Good { signer, .. } = opened.verdict() else { return Vec::new() };
    // A copy that went to the team alone must not make the post itself a replay.
    if is_for_team(admitted.purpose()) {
        return Vec::new();
    }
    opened.signature_digests().map(|digest| tags.replay(&world.list.name, *signer, digest)).collect()
}

/// What a mail without a good signature is known by. Whoever can open it, or was sent its session key, can send another
/// with the same digest first; so this flags, and stops nothing.
#[must_use]
pub fn came(admitted: &Admitted, tags: &Tags<'_>, world: &World<'_>) -> Option<[u8; 32]> {
    let opened = admitted.opened();
    if matches!(opened.verdict(), Verdict::Good { .. }) || is_for_team(admitted.purpose()) {
        return None;
    }
    Some(tags.session(&world.list.name, &opened.session_digest()?))
}
