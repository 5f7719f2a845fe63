//! What a command came to.

/// Whether a token did something: what it was for may be over.
pub(super) enum Did {
    Something,
    Nothing,
}
