//! Mail that comes without SMTP, from a mailbox or a folder: an envelope is made for it, or it is said why not. Pure.
//!
//! There is no session in which it could be refused, so only what the relay could not work on is refused here; whether
//! clear mail is taken, who signed, what the list's rules say, the gate decides as for any other mail.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::settings::Limits;
use super::transaction::header_length;
use crate::mail::address::Address;
use crate::mail::arrival::{Envelope, Recipient, Via};
use crate::mail::directory::Directory;
use crate::mime::scan::{header, header_count};
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// The field in which the server that delivered a mail noted whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientField {
    /// `Delivered-To`: the address that the mail was delivered to in the end (RFC 9228).
    DeliveredTo,
    /// `X-Original-To`: the address in the envelope, before any alias.
    XOriginalTo,
}

impl RecipientField {
    /// The field's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeliveredTo => "Delivered-To",
            Self::XOriginalTo => "X-Original-To",
        }
    }
}

impl fmt::Display for RecipientField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whom the mail of a mailbox is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All of it for this address.
    Always(Address),
    /// For the address in this field. Its topmost occurrence counts: the last server put it there, and whatever stands
    /// below may be the sender's.
    Field(RecipientField),
}

/// Settings that do not say whom mail is for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWhom {
    /// Neither is set.
    #[error(
        "it is not said whom the mail is for: set recipient to one of the lists' addresses, or recipient_from to \
         \"delivered-to\" or \"x-original-to\""
    )]
    Neither,
    /// Both are.
    #[error("recipient and recipient_from are both set: leave one of them out")]
    Both,
    /// It is no address of ours.
    #[error(
        "recipient \"{0}\" is no address of a list here: give one of those that `vouchsafe routes` prints"
    )]
    NotOurs(Address),
}

impl Whom {
    /// What the settings `recipient` and `recipient_from` say together.
    ///
    /// # Errors
    /// When exactly one of them is not set, or the recipient is nobody here.
    pub fn of(
        recipient: Option<&Address>,
        field: Option<RecipientField>,
        directory: &Directory,
    ) -> Result<Self, NoWhom> {
        match (recipient, field) {
            (None, None) => Err(NoWhom::Neither),
            (Some(_), Some(_)) => Err(NoWhom::Both),
            (None, Some(field)) => Ok(Self::Field(field)),
            (Some(address), None) if directory.resolve(address).is_none() => {
                Err(NoWhom::NotOurs(address.clone()))
            }
            (Some(address), None) => Ok(Self::Always(address.clone())),
        }
    }
}

/// Where and when a mail was found. All of it is sealed with the mail.
#[derive(Clone, Debug)]
pub struct Found {
    /// By which way.
    pub via: Via,
    /// The mailbox or folder, as the settings name it.
    pub place: String,
    /// Who had it; the name of the server, or nothing.
    pub host: String,
    /// Whether it came to us encrypted.
    pub tls: bool,
    /// When it was read.
    pub at: Timestamp,
}

/// Why a mail that was found is not taken in. It stays where it is: nobody was told that we have it. No text here holds
/// anything of the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPicked {
    /// More than `max_message`.
    #[error("it is larger than {0} bytes ([limits] max_message)")]
    TooLarge(usize),
    /// More than `max_headers`.
    #[error("its header block is larger than {0} bytes ([limits] max_headers)")]
    Headers(usize),
    /// More `Received` fields than `max_received` (RFC 5321 §6.3).
    #[error("it has more than {0} Received fields, so it goes round in a loop ([limits] max_received)")]
    Loop(usize),
    /// The field that names the recipient is not there, or holds no address.
    #[error("it has no {0} field with an address, so it is not known whom it is for")]
    NoRecipient(RecipientField),
    /// It is for somebody else.
    #[error("the address in its {0} field is none of the lists' addresses")]
    NotOurs(RecipientField),
    /// The fixed recipient is none of ours any more.
    #[error("the recipient that is set for it is none of the lists' addresses")]
    Nobody,
}

/// Makes the envelope of a mail, and its line ends CRLF.
///
/// # Errors
/// Why it has to stay where it is.
pub fn pick_up(
    raw: Plaintext,
    found: &Found,
    whom: &Whom,
    directory: &Directory,
    limits: &Limits,
) -> Result<(Envelope, Plaintext), NotPicked> {
    if raw.len() > limits.max_message {
        return Err(NotPicked::TooLarge(limits.max_message));
    }
    let raw = with_crlf(raw);
    if raw.len() > limits.max_message {
        return Err(NotPicked::TooLarge(limits.max_message));
    }
    let bytes = raw.expose();
    if header_length(bytes, limits.max_headers).is_none() {
        return Err(NotPicked::Headers(limits.max_headers));
    }
    if header_count(bytes, "Received") > limits.max_received {
        return Err(NotPicked::Loop(limits.max_received));
    }
    let recipient = recipient(bytes, whom, directory)?;
    let envelope = Envelope {
        reverse_path: header(bytes, "Return-Path").and_then(address),
        recipients: vec![recipient],
        client: found.place.clone(),
        helo: found.host.clone(),
        via: found.via,
        tls: found.tls,
        at: found.at,
    };
    Ok((envelope, raw))
}

fn recipient(raw: &[u8], whom: &Whom, directory: &Directory) -> Result<Recipient, NotPicked> {
    let (address, unknown) = match whom {
        Whom::Always(address) => (address.clone(), NotPicked::Nobody),
        Whom::Field(field) => {
            let named = header(raw, field.name()).and_then(address);
            (named.ok_or(NotPicked::NoRecipient(*field))?, NotPicked::NotOurs(*field))
        }
    };
    let destination = directory.resolve(&address).ok_or(unknown)?;
    Ok(Recipient { address, list: destination.list, purpose: destination.purpose })
}

/// The one address that a trace field holds, with or without angle brackets; none for `<>`.
fn address(value: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let bare = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
    bare.parse().ok()
}

/// RFC 5321 §2.3.8: lines end with CRLF and nothing else. Folders keep mail with bare LF. What is right already is not
/// copied.
fn with_crlf(raw: Plaintext) -> Plaintext {
    let bytes = raw.expose();
    let right = |at: usize, byte: u8| match byte {
        b'\n' => at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\r'),
        b'\r' => bytes.get(at.saturating_add(1)) == Some(&b'\n'),
        _ => true,
    };
    let wrong = bytes.iter().enumerate().filter(|(at, byte)| !right(*at, **byte)).count();
    if wrong == 0 {
        return raw;
    }
    let mut out = Vec::with_capacity(bytes.len().saturating_add(wrong));
    for (at, byte) in bytes.iter().enumerate() {
        if right(at, *byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(b"\r\n");
        }
    }
    Plaintext::new(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::directory::{Kind, ListEntry, Purpose};

    fn directory() -> Directory {
        Directory::new(vec![ListEntry {
            name: "security".parse().unwrap(),
            address: "security@lists.example.org".parse().unwrap(),
            kind: Kind::Intake,
            encrypted_only: false,
        }])
    }

    fn found() -> Found {
        let at = Timestamp::from_secs(7);
        Found { via: Via::Imap, place: "imap inbox".into(), host: "mail.example".into(), tls: true, at }
    }

    fn picked(mail: &[u8], whom: &Whom, limits: &Limits) -> Result<(Envelope, Plaintext), NotPicked> {
        pick_up(Plaintext::new(mail.to_vec()), &found(), whom, &directory(), limits)
    }

    fn refused(mail: &[u8], whom: &Whom, limits: &Limits) -> Option<NotPicked> {
        picked(mail, whom, limits).err()
    }

    const DELIVERED: Whom = Whom::Field(RecipientField::DeliveredTo);

    #[test]
    fn the_recipient_is_what_is_set_or_what_the_last_server_noted() {
        let fixed = Whom::Always("security@lists.example.org".parse().unwrap());
        let (envelope, raw) =
            picked(b"Return-Path: <a@b.example>\r\n\r\nhi\r\n", &fixed, &Limits::default()).ok().unwrap();
        assert_eq!(envelope.recipients[0].purpose, Purpose::Post);
        assert_eq!(envelope.reverse_path.unwrap().to_string(), "a@b.example");
        assert_eq!((envelope.via, envelope.at.millis()), (Via::Imap, 7_000));
        assert_eq!(raw.expose(), b"Return-Path: <a@b.example>\r\n\r\nhi\r\n");
        let mail = b"Delivered-To: <Security-Request@lists.example.org>\nDelivered-To: x@y.example\n\nhi\n";
        let (envelope, _) = picked(mail, &DELIVERED, &Limits::default()).ok().unwrap();
        assert_eq!(envelope.recipients[0].purpose, Purpose::Request);
        assert_eq!(envelope.reverse_path, None);
    }

    #[test]
    fn what_a_sender_wrote_below_does_not_count() {
        let mail = b"Delivered-To: x@y.example\r\nDelivered-To: security@lists.example.org\r\n\r\nhi\r\n";
        let limits = Limits::default();
        let field = RecipientField::DeliveredTo;
        assert_eq!(refused(mail, &DELIVERED, &limits), Some(NotPicked::NotOurs(field)));
        assert_eq!(refused(b"A: b\r\n\r\n", &DELIVERED, &limits), Some(NotPicked::NoRecipient(field)));
        let original = Whom::Field(RecipientField::XOriginalTo);
        let none = Some(NotPicked::NoRecipient(RecipientField::XOriginalTo));
        assert_eq!(refused(mail, &original, &limits), none);
        assert_eq!(refused(b"X-Original-To: <>\r\n\r\n", &original, &limits), none);
    }

    #[test]
    fn line_ends_become_what_the_rest_of_the_relay_relies_on() {
        let fixed = Whom::Always("security@lists.example.org".parse().unwrap());
        let (_, raw) = picked(b"A: b\nC: d\r\n\nx\ry\n", &fixed, &Limits::default()).ok().unwrap();
        assert_eq!(raw.expose(), b"A: b\r\nC: d\r\n\r\nx\r\ny\r\n");
        let (_, raw) = picked(b"A: b\r\n\r\nx\r", &fixed, &Limits::default()).ok().unwrap();
        assert_eq!(raw.expose(), b"A: b\r\n\r\nx\r\n");
    }

    #[test]
    fn limits_are_kept_as_in_a_session() {
        let fixed = Whom::Always("security@lists.example.org".parse().unwrap());
        let limits = Limits { max_message: 40, max_headers: 30, max_received: 1, ..Limits::default() };
        assert_eq!(refused(&[b'a'; 41], &fixed, &limits), Some(NotPicked::TooLarge(40)));
        assert_eq!(refused(&[b'\n'; 21], &fixed, &limits), Some(NotPicked::TooLarge(40)), "as CRLF");
        let long = b"A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n\r\n";
        assert_eq!(refused(long, &fixed, &limits), Some(NotPicked::Headers(30)));
        let round = b"Received: a\r\nReceived: b\r\n\r\n";
        assert_eq!(refused(round, &fixed, &limits), Some(NotPicked::Loop(1)));
    }

    #[test]
    fn settings_name_exactly_one_way() {
        let ours: Address = "security-owner@lists.example.org".parse().unwrap();
        let other: Address = "security@example.org".parse().unwrap();
        let of = |recipient, field| Whom::of(recipient, field, &directory());
        let field = Some(RecipientField::XOriginalTo);
        assert_eq!(of(None, None), Err(NoWhom::Neither));
        assert_eq!(of(Some(&ours), field), Err(NoWhom::Both));
        assert_eq!(of(Some(&other), None), Err(NoWhom::NotOurs(other.clone())));
        assert!(of(Some(&ours), None).is_ok() && of(None, field).is_ok());
        let words = toml::from_str::<std::collections::BTreeMap<String, RecipientField>>(
            "a = \"delivered-to\"\nb = \"x-original-to\"",
        );
        assert!(words.is_ok());
    }
}
