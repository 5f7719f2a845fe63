//! One reader's copy: a pointer to the shared sealed body, the session key wrapped for that reader, and how it travels.

use serde::{Deserialize, Serialize};

use crate::id::{BodyId, ListName, MemberId, ParcelId};
use crate::mail::address::Address;
use crate::pgp::sealed::WrappedKey;

/// The outer header block of a copy, made from an allow-list and the same for all readers of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Header fields other than the MIME ones, each ending in CRLF.
    pub fields: String,
    /// The boundary of the outer `multipart/encrypted`.
    pub boundary: String,
}

/// What a copy is. A notice that cannot be delivered raises no alert: it would be about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carries {
    /// A post of the list.
    #[default]
    Post,
    /// A notice of the relay to an admin.
    Notice,
    /// A letter of the relay to somebody of the roster, such as one with tokens.
    Letter,
}

/// One queued copy for one address.
#[derive(Clone, Serialize, Deserialize)]
pub struct Parcel {
    /// Its id.
    pub id: ParcelId,
    /// The list it comes from.
    pub list: ListName,
    /// Whom it is for, as the journal names them.
    pub member: MemberId,
    /// Where it goes.
    pub recipient: Address,
    /// Where its bounces go.
    pub reverse_path: Address,
    /// Its outer header.
    pub head: Head,
    /// The session key, wrapped for this reader.
    pub key: WrappedKey,
    /// The sealed body it shares with its class.
    pub body: BodyId,
    /// The length of that body in bytes.
    pub body_len: u64,
    /// What it is; a copy that a former release queued is a post.
    #[serde(default)]
    pub carries: Carries,
}

impl Parcel {
    /// Everything in front of the base64 of key and body (RFC 3156 §4, RFC 9580 §6.2).
    #[must_use]
    pub fn opening(&self) -> Vec<u8> {
        let Head { fields, boundary } = &self.head;
        format!(
            "{fields}MIME-Version: 1.0\r\n\
             Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n boundary=\"{boundary}\"\r\n\
             \r\n\
             --{boundary}\r\n\
             Content-Type: application/pgp-encrypted\r\n\
             Content-Description: PGP/MIME version identification\r\n\
             \r\n\
             Version: 1\r\n\
             \r\n\
             --{boundary}\r\n\
             Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\
             Content-Description: OpenPGP encrypted message\r\n\
             Content-Disposition: inline; filename=\"encrypted.asc\"\r\n\
             \r\n\
             -----BEGIN PGP MESSAGE-----\r\n\
             \r\n"
        )
        .into_bytes()
    }

    /// Everything behind it. The armor has no checksum (RFC 9580 §6.1: it is optional, and this message is protected
    /// anyway).
    #[must_use]
    pub fn closing(&self) -> Vec<u8> {
        format!("-----END PGP MESSAGE-----\r\n\r\n--{}--\r\n", self.head.boundary).into_bytes()
    }

    /// The length of the whole copy on the wire, in bytes, for `SIZE=` (RFC 1870 §6).
    #[must_use]
    pub fn wire_len(&self) -> u64 {
        let packets = self.body_len + u64::try_from(self.key.as_bytes().len()).unwrap_or(0);
        let base64 = packets.div_ceil(3) * 4;
        let frame = u64::try_from(self.opening().len() + self.closing().len()).unwrap_or(0);
        frame + base64 + base64.div_ceil(64) * 2
    }
}

/// How many bytes of packets make one line of 64 base64 characters.
const LINE: usize = 48;

/// Base64 in CRLF lines of 64 characters, fed piece by piece.
#[derive(Default)]
pub struct Base64Lines {
    rest: Vec<u8>,
}

impl Base64Lines {
    /// Encodes all whole lines that `packets` completes.
    #[must_use]
    pub fn push(&mut self, packets: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(packets);
        let whole = self.rest.len() - self.rest.len() % LINE;
        let tail = self.rest.split_off(whole);
        let lines = encode_lines(&self.rest);
        self.rest = tail;
        lines
    }

    /// Encodes what is left.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        encode_lines(&self.rest)
    }
}

fn encode_lines(packets: &[u8]) -> Vec<u8> {
    let base64 = base64_simd::STANDARD.encode_type::<Vec<u8>>(packets);
    let mut out = Vec::with_capacity(base64.len() + base64.len() / 32 + 2);
    for line in base64.chunks(64) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_depend_on_how_the_bytes_arrive() {
        let packets: Vec<u8> = (0..1000u32).map(|n| (n % 251) as u8).collect();
        let whole = {
            let mut lines = Base64Lines::default();
            let mut out = lines.push(&packets);
            out.extend(lines.finish());
            out
        };
        for step in [1, 7, 48, 49, 333] {
            let mut lines = Base64Lines::default();
            let mut out = Vec::new();
            for piece in packets.chunks(step) {
                out.extend(lines.push(piece));
            }
            out.extend(lines.finish());
            assert_eq!(out, whole, "step {step}");
        }
        let text = String::from_utf8(whole).unwrap();
        assert!(text.lines().all(|l| l.len() <= 64));
        let joined: String = text.split("\r\n").collect();
        assert_eq!(base64_simd::STANDARD.decode_to_vec(joined).unwrap(), packets);
    }
}
