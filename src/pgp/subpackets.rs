//! How much of a signature is kept.

use sequoia_openpgp::Packet;

/// Subpackets of one signature: each takes hundreds of bytes in memory, and has two in a mail.
const MAX_SUBPACKETS: usize = 1000;

/// Whether a signature has more subpackets than are kept of any.
pub(super) fn is_overloaded(packet: &Packet) -> bool {
    let Packet::Signature(signature) = packet else { return false };
    let hashed = signature.hashed_area().iter().count();
    hashed.saturating_add(signature.unhashed_area().iter().count()) > MAX_SUBPACKETS
}
