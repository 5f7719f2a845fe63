//! Ciphertext that is proven to be ciphertext: what a store or a courier may hold.
//!
//! A [`Sealed`] is made only by [`seal`](crate::pgp::seal), or from stored bytes whose packet framing shows that
//! nothing but encrypted packets is inside. This file knows no keys and no plaintext.
//!
//! ```compile_fail
//! use vouchsafe::pgp::sealed::{Sealed, ToReaders};
//! let forged: Sealed<ToReaders> = Sealed { bytes: b"hello".to_vec(), kind: std::marker::PhantomData };
//! ```
//! ```compile_fail
//! use vouchsafe::pgp::sealed::{AtRest, Sealed, ToReaders};
//! fn queue(_: Sealed<ToReaders>) {}
//! fn wrong(spooled: Sealed<AtRest>) { queue(spooled) }
//! ```

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Sealed to the relay's own spool certificate.
#[derive(Debug)]
pub enum AtRest {}

/// Sealed to readers: a body whose session key travels beside it, wrapped to each of them.
#[derive(Debug)]
pub enum ToReaders {}

/// Bytes that are no OpenPGP ciphertext of the wanted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the stored bytes are not {0}: they were damaged or put there by something else; look at the disk, and restore the data directory from a backup"
)]
pub struct NotSealed(&'static str);

/// OpenPGP ciphertext, by construction.
pub struct Sealed<For> {
    bytes: Vec<u8>,
    kind: PhantomData<fn() -> For>,
}

impl<For> Sealed<For> {
    /// The packets, binary.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none: never, since a packet has at least its header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The packets, binary, for whoever stores them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Sealed<AtRest> {
    /// Takes stored bytes back: one or more PKESK, then one SEIPD, and nothing else.
    ///
    /// # Errors
    /// [`NotSealed`] when the framing is any other.
    pub fn from_store(bytes: Vec<u8>) -> Result<Self, NotSealed> {
        const WHAT: NotSealed = NotSealed("a sealed mail");
        let mut tags = Packets(&bytes).collect::<Option<Vec<_>>>().ok_or(WHAT)?;
        let last = tags.pop();
        if last != Some(SEIPD) || tags.is_empty() || tags.iter().any(|tag| *tag != PKESK) {
            return Err(WHAT);
        }
        Ok(Self { bytes, kind: PhantomData })
    }
}

impl Sealed<ToReaders> {
    /// Takes stored bytes back: exactly one SEIPD packet, since the keys travel with the parcels.
    ///
    /// # Errors
    /// [`NotSealed`] when the framing is any other.
    pub fn from_store(bytes: Vec<u8>) -> Result<Self, NotSealed> {
        if is_one(&bytes, SEIPD) {
            Ok(Self { bytes, kind: PhantomData })
        } else {
            Err(NotSealed("a sealed body"))
        }
    }

    /// The version of its SEIPD packet (RFC 9580 §5.13), as its bytes say.
    pub(super) fn version(&self) -> Option<u8> {
        version(&self.bytes)
    }
}

impl<For> fmt::Debug for Sealed<For> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = std::any::type_name::<For>().rsplit("::").next().unwrap_or_default();
        write!(f, "Sealed<{kind}>({} bytes)", self.bytes.len())
    }
}

/// Whether the first bytes of a stored body are the start of a SEIPD packet of a version that is in use: the cheap
/// check before a body is streamed out in chunks.
#[must_use]
pub fn starts_as_body(head: &[u8]) -> bool {
    // RFC 9580 §4.2.1: tag 18 fits the new packet format only; §5.13: the body starts with the version.
    let (Some((&0xD2, rest)), true) = (head.split_first(), head.len() > 2) else { return false };
    let version = match length(rest) {
        Some((_, rest)) => rest.first(),
        None => None,
    };
    matches!(version, Some(1 | 2))
}

/// A session key wrapped to one reader: exactly one PKESK packet.
#[derive(Clone)]
pub struct WrappedKey(Vec<u8>);

impl WrappedKey {
    /// The packet, to be written in front of the body it opens.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same packet, framed so that it and a body of `body_len` bytes need padding in base64.
    ///
    /// Copies travel in armor without a checksum (RFC 9580 §6.1). GnuPG 2.2 takes the dashes of the armor's tail for
    /// base64 when no `=` stands before them, complains, and reads garbage behind the message. A longer form of the
    /// packet's length says the same and changes the number of bytes.
    #[must_use]
    pub(super) fn padded_before(self, body_len: usize) -> Self {
        if !(self.0.len() + body_len).is_multiple_of(3) {
            return self;
        }
        let Some((&first, rest)) = self.0.split_first() else { return self };
        let Some((Length::Last(len), body)) = length(rest) else { return self };
        let Ok(len) = u32::try_from(len) else { return self };
        let one_octet = rest.len() - body.len() == 1;
        // RFC 9580 §4.2.1.3: five octets instead of one are four more. Instead of two they would be three more, so
        // there the legacy format with four octets of length (§4.2.2.3) stands in, which everybody reads: two more.
        let mut framed = if one_octet { vec![first, 255] } else { vec![LEGACY_PKESK] };
        framed.extend_from_slice(&len.to_be_bytes());
        framed.extend_from_slice(body);
        Self(framed)
    }

    /// The version of its packet (RFC 9580 §5.1), as its bytes say.
    pub(super) fn version(&self) -> Option<u8> {
        version(&self.0)
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, NotSealed> {
        if is_one(&bytes, PKESK) { Ok(Self(bytes)) } else { Err(NotSealed("a wrapped session key")) }
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

impl Serialize for WrappedKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for WrappedKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(from)?;
        Self::from_bytes(bytes.into_vec()).map_err(serde::de::Error::custom)
    }
}

// Packet types, RFC 9580 §5.
const PKESK: u8 = 1;
const SEIPD: u8 = 18;
/// A PKESK in the legacy format with four octets of length (RFC 9580 §4.2.2.3).
const LEGACY_PKESK: u8 = 0x80 | (PKESK << 2) | 2;

fn is_one(bytes: &[u8], tag: u8) -> bool {
    let mut packets = Packets(bytes);
    packets.next() == Some(Some(tag)) && packets.next().is_none()
}

/// The first octet of the first packet's body: PKESK and SEIPD have their version there.
fn version(bytes: &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    if first == LEGACY_PKESK {
        return rest.get(4).copied();
    }
    length(rest)?.1.first().copied()
}

/// Walks the packet framing (RFC 9580 §4.2) without looking into bodies; yields each type, or `None` once when the
/// framing is broken.
struct Packets<'a>(&'a [u8]);

impl Iterator for Packets<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Option<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let packet = take_packet(self.0);
        self.0 = packet.map_or(&[], |(_, rest)| rest);
        Some(packet.map(|(tag, _)| tag))
    }
}

fn take_packet(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    if first == LEGACY_PKESK {
        let (len, after) = rest.split_first_chunk::<4>()?;
        return Some((PKESK, after.get(usize::try_from(u32::from_be_bytes(*len)).ok()?..)?));
    }
    // Otherwise only the new format (RFC 9580 §4.2.1): we write nothing else.
    if first & 0xC0 != 0xC0 {
        return None;
    }
    loop {
        let (part, after) = length(rest)?;
        match part {
            Length::Last(len) => return Some((first & 0x3F, after.get(len..)?)),
            Length::Partial(len) => rest = after.get(len..)?,
        }
    }
}

enum Length {
    Last(usize),
    Partial(usize),
}

/// RFC 9580 §4.2.1.1 to §4.2.1.4.
fn length(bytes: &[u8]) -> Option<(Length, &[u8])> {
    match *bytes {
        [one @ 0..=191, ref rest @ ..] => Some((Length::Last(usize::from(one)), rest)),
        [high @ 192..=223, low, ref rest @ ..] => {
            Some((Length::Last(((usize::from(high) - 192) << 8) + usize::from(low) + 192), rest))
        }
        [part @ 224..=254, ref rest @ ..] => Some((Length::Partial(1 << (part & 0x1F)), rest)),
        [255, a, b, c, d, ref rest @ ..] => {
            Some((Length::Last(usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = &[0xC1, 3, 3, 0, 0];
    const BODY: &[u8] = &[0xD2, 4, 1, 9, 9, 9];

    fn all(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn a_spooled_mail_is_keys_and_then_one_body() {
        assert!(Sealed::<AtRest>::from_store(all(&[KEY, BODY])).is_ok());
        assert!(Sealed::<AtRest>::from_store(all(&[KEY, KEY, BODY])).is_ok());
        for wrong in [all(&[]), all(&[BODY]), all(&[KEY]), all(&[BODY, KEY]), all(&[KEY, BODY, BODY])] {
            assert!(Sealed::<AtRest>::from_store(wrong).is_err());
        }
    }

    #[test]
    fn a_body_is_one_packet_even_in_parts() {
        assert!(Sealed::<ToReaders>::from_store(BODY.to_vec()).is_ok());
        let in_parts = all(&[&[0xD2, 0xE2, 1, 9, 9, 9], &[0xE0, 9], &[1, 9]]);
        let versions =
            [BODY.to_vec(), in_parts.clone()].map(|b| Sealed::<ToReaders>::from_store(b).unwrap().version());
        assert_eq!(versions, [Some(1), Some(1)]);
        assert!(Sealed::<ToReaders>::from_store(all(&[&in_parts, &[0]])).is_err());
        assert!(Sealed::<ToReaders>::from_store(all(&[KEY, BODY])).is_err());
        assert!(Sealed::<ToReaders>::from_store(b"Subject: plain text".to_vec()).is_err());
        assert!(Sealed::<ToReaders>::from_store(vec![0xD2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]).is_err());
    }

    #[test]
    fn the_head_of_a_body_is_known() {
        assert!(starts_as_body(BODY));
        assert!(starts_as_body(&[0xD2, 0xEE, 2, 9, 2]));
        for wrong in [&b""[..], b"\xD2", b"From: a", &[0xD2, 4, 7, 9], KEY] {
            assert!(!starts_as_body(wrong));
        }
    }

    #[test]
    fn a_wrapped_key_survives_the_store_and_nothing_else_does() {
        let key = WrappedKey::from_bytes(KEY.to_vec()).unwrap();
        let stored = rmp_serde::to_vec(&key).unwrap();
        assert_eq!(rmp_serde::from_slice::<WrappedKey>(&stored).unwrap().as_bytes(), KEY);
        let body = rmp_serde::to_vec(serde_bytes::Bytes::new(BODY)).unwrap();
        assert!(rmp_serde::from_slice::<WrappedKey>(&body).is_err());
    }

    #[test]
    fn a_framing_can_always_be_found_that_needs_padding() {
        let long = all(&[&[0xC1, 192, 8], &[3; 200]]);
        for packet in [KEY.to_vec(), long] {
            for body_len in 0..9 {
                let key = WrappedKey::from_bytes(packet.clone()).unwrap().padded_before(body_len);
                assert_ne!((key.0.len() + body_len) % 3, 0);
                assert!(is_one(&key.0, PKESK), "{:?}", key.0);
                assert_eq!(key.version(), Some(3), "however it is framed: {:?}", key.0);
            }
        }
    }

    #[test]
    fn debug_shows_kind_and_length_only() {
        let body = Sealed::<ToReaders>::from_store(BODY.to_vec()).unwrap();
        assert_eq!(format!("{body:?}"), "Sealed<ToReaders>(6 bytes)");
    }
}
