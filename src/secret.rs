//! Plaintext that nothing can print, copy or store.
//!
//! ```compile_fail
//! let p = vouchsafe::secret::Plaintext::new(b"secret".to_vec());
//! println!("{p:?}");
//! ```
//! ```compile_fail
//! let p = vouchsafe::secret::Plaintext::new(b"secret".to_vec());
//! let copy = p.clone();
//! ```
//! ```compile_fail
//! let p = vouchsafe::secret::Plaintext::new(b"secret".to_vec());
//! serde_json::to_string(&p).unwrap();
//! ```

use zeroize::Zeroize;

/// Bytes of content: a body, a subject, a name. Wiped when dropped. It has no `Debug`, `Clone`, `Serialize` or
/// `Deref`; the callers of [`Plaintext::expose`] are an allow-list that `tests/architecture.rs` checks.
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    /// Takes the bytes over; the caller keeps no copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves. Every caller is on the allow-list.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes behind the first `count`, moved to the front in place: no second copy is made.
    #[must_use]
    pub fn without_front(mut self, count: usize) -> Self {
        self.0.drain(..count.min(self.0.len()));
        self
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_was_given() {
        let p = Plaintext::new(b"abc".to_vec());
        assert_eq!((p.expose(), p.len(), p.is_empty()), (&b"abc"[..], 3, false));
        assert_eq!(p.without_front(2).expose(), b"c");
        assert!(Plaintext::new(b"abc".to_vec()).without_front(4).is_empty());
    }
}
