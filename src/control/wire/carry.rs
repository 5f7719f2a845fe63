//! Bytes on their way to the daemon: certificates, which are public, and secrets, which are not.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// An OpenPGP certificate as it came, armored or not: public, not yet looked at. Base64 in JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Certificate(#[serde(with = "base64")] pub Vec<u8>);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} bytes)", self.0.len())
    }
}

/// A secret key or a passphrase on its way: wiped when dropped, base64 in JSON.
///
/// ```compile_fail
/// let secret = vouchsafe::control::wire::Secret::new(b"hunter2".to_vec());
/// println!("{secret:?}");
/// ```
/// ```compile_fail
/// let request = vouchsafe::control::wire::Request::ListLs;
/// println!("{request:?}");
/// ```
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the caller keeps no copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one who opens the key.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        base64::serialize(&self.0, to)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        base64::deserialize(from).map(Self::new)
    }
}

mod base64 {
    use std::fmt;

    use serde::de::{self, Visitor};
    use serde::{Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(base64_simd::STANDARD.encode_to_string(bytes)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_str(Base64)
    }

    struct Base64;

    impl Visitor<'_> for Base64 {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
            // The text itself stays out of the error: it may be half a secret.
            base64_simd::STANDARD.decode_to_vec(text).map_err(|_| E::custom("not base64"))
        }
    }
}

/// The OpenPGP message format that a member's copies are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// SEIPD version 1 (RFC 9580 §5.13.1).
    V1,
    /// SEIPD version 2 (RFC 9580 §5.13.2).
    V2,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_are_base64_between() {
        let json = serde_json::to_string(&Secret::new(b"\x00\xffkey".to_vec())).unwrap();
        assert_eq!(json, "\"AP9rZXk=\"");
        let back: Secret = serde_json::from_str(&json).unwrap();
        assert_eq!(back.bytes(), b"\x00\xffkey");
        let cert: Certificate = serde_json::from_str(&json).unwrap();
        assert_eq!(cert, Certificate(b"\x00\xffkey".to_vec()));
    }

    #[test]
    fn an_error_does_not_quote_what_it_could_not_read() {
        let error = serde_json::from_str::<Secret>("\"hunter2!\"").err().unwrap().to_string();
        assert!(error.contains("not base64") && !error.contains("hunter2"), "{error}");
        let error = serde_json::from_str::<Secret>("271828").err().unwrap().to_string();
        assert!(!error.is_empty());
    }

    #[test]
    fn a_certificate_is_counted_not_printed() {
        assert_eq!(format!("{:?}", Certificate(vec![0; 7])), "Certificate(7 bytes)");
    }
}
