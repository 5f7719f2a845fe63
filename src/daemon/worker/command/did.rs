//! What a command came to.

/// Whether a token did something: what it was for may be over.
pub(super) enum Did {
    /// It did. Where no letter says what, a plain one says that it did.
    Something,
    /// It did this, in words made of the roster.
    This(String),
    /// There was nothing left to do, or the standing does not suffice.
    Nothing,
    /// A rule is against it.
    Refused(String),
}
