//! Whether readers can verify the author's own signature themselves; where they cannot, the list's word stands alone.

use crate::mime::scan::Scanned;
use crate::pgp::open::{How, Loss, Opened, OwnSignature, Verdict};

/// What becomes of the author's own signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// There is none, or none that could convince anybody.
    None,
    /// It is in each copy, over exactly the bytes that it covers.
    Kept,
    /// It could not be kept.
    Lost(Loss),
}

/// What becomes of it, of a payload that is `attached` whole or shown.
#[must_use]
pub fn proof(opened: &Opened, inside: Option<Scanned<'_>>, attached: bool) -> Proof {
    if !matches!(opened.verdict(), Verdict::Good { .. } | Verdict::UnknownKey(_)) {
        return Proof::None;
    }
    match opened.own_signature() {
        OwnSignature::None => Proof::None,
        OwnSignature::Within => Proof::Kept,
        OwnSignature::Lost(loss) => Proof::Lost(*loss),
        OwnSignature::Beside(_) if attached || opened.how() != How::PgpMime => Proof::Lost(Loss::Attached),
        OwnSignature::Beside(_) if !inside.is_some_and(is_entity) => Proof::Lost(Loss::NoHeader),
        OwnSignature::Beside(_) => Proof::Kept,
    }
}

/// Whether the decrypted bytes start with a header block, as PGP/MIME says they do (RFC 3156 §4).
pub(super) fn is_entity(entity: Scanned<'_>) -> bool {
    let first = entity.bytes().split(|b| *b == b'\n').next().unwrap_or_default();
    let name = first.split(|b| *b == b':').next().unwrap_or_default();
    let is_field = !name.is_empty() && name.len() < first.len() && name.iter().all(|b| b.is_ascii_graphic());
    is_field || first.trim_ascii().is_empty()
}
