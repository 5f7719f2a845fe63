//! Mail as it came in: the envelope and the whole message, sealed together at rest.

use serde::{Deserialize, Serialize};

use crate::id::ListName;
use crate::mail::address::Address;
use crate::mail::directory::Purpose;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// How a mail came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
    /// Fetched from a mailbox (RFC 9051).
    Imap,
    /// Found in a maildir.
    Maildir,
}

/// What the transport said about a mail (RFC 5321 §2.3.1). All of it is sealed with the mail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Where bounces go; none for `<>`.
    pub reverse_path: Option<Address>,
    /// The recipients of this mail that belong to lists of ours, at least one.
    pub recipients: Vec<Recipient>,
    /// The client's address, or `unix`.
    pub client: String,
    /// What the client called itself.
    pub helo: String,
    /// By which protocol.
    pub via: Via,
    /// Whether the session was encrypted.
    pub tls: bool,
    /// When the last byte of the mail had arrived.
    pub at: Timestamp,
}

/// One recipient and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// As the client gave it, in normal form.
    pub address: Address,
    /// The list it belongs to.
    pub list: ListName,
    /// What it is for.
    pub purpose: Purpose,
}

/// A whole arrived mail.
pub struct Arrival {
    /// What the transport said.
    pub envelope: Envelope,
    /// The message, byte for byte, dots unstuffed.
    pub raw: Plaintext,
}

/// An arrival that does not decode: damaged, or from a later release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed mail does not have the form of an arrival")]
pub struct NotAnArrival;

/// The format of an encoded arrival.
const FORMAT: u8 = 1;

impl Arrival {
    /// What stands before the message when both are sealed: format, length of the envelope, envelope.
    #[must_use]
    pub fn head(envelope: &Envelope) -> Plaintext {
        let envelope = rmp_serde::to_vec_named(envelope).unwrap_or_default();
        let length = u32::try_from(envelope.len()).unwrap_or(0);
        let mut out = Vec::with_capacity(5 + envelope.len());
        out.push(FORMAT);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&envelope);
        Plaintext::new(out)
    }

    /// Head and message as one sequence of bytes.
    #[must_use]
    pub fn encode(envelope: &Envelope, raw: &[u8]) -> Plaintext {
        Plaintext::new([Self::head(envelope).expose(), raw].concat())
    }

    /// The arrival that [`Arrival::encode`] wrote. The message stays in the memory where it is: it is large.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn decode(bytes: Plaintext) -> Result<Self, NotAnArrival> {
        let (format, rest) = bytes.expose().split_first().ok_or(NotAnArrival)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(NotAnArrival)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| NotAnArrival)?;
        let (head, raw) = rest.split_at_checked(length).ok_or(NotAnArrival)?;
        let front = bytes.len() - raw.len();
        if *format != FORMAT {
            return Err(NotAnArrival);
        }
        let envelope = rmp_serde::from_slice(head).map_err(|_| NotAnArrival)?;
        Ok(Self { envelope, raw: bytes.without_front(front) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            reverse_path: None,
            recipients: vec![Recipient {
                address: "security@lists.example.org".parse().unwrap(),
                list: "security".parse().unwrap(),
                purpose: Purpose::Post,
            }],
            client: "127.0.0.1".to_owned(),
            helo: "client.example".to_owned(),
            via: Via::Smtp,
            tls: false,
            at: Timestamp::from_secs(1),
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let sealed = Arrival::encode(&envelope(), b"Subject: x\r\n\r\nbody\r\n");
        let back = Arrival::decode(sealed).ok().unwrap();
        assert!(back.envelope == envelope());
        assert_eq!(back.raw.expose(), b"Subject: x\r\n\r\nbody\r\n");
    }

    #[test]
    fn cut_or_foreign_bytes_are_refused() {
        let whole = Arrival::encode(&envelope(), b"body");
        for cut in 0..whole.len() - 4 {
            let piece = Plaintext::new(whole.expose()[..cut].to_vec());
            assert!(Arrival::decode(piece).is_err(), "cut at {cut}");
        }
        let mut later = whole.expose().to_vec();
        later[0] = 9;
        assert!(Arrival::decode(Plaintext::new(later)).is_err());
    }
}
