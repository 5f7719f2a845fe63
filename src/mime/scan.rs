//! What can be said about a mail before any parser sees it: whether it stays within the limits, and what its outer
//! structure is. Iterative and linear, because whoever reaches the port can send anything.

pub use super::tree::{Limits, ScanError};

use super::armor;
use super::ciphertext::{self, Sole};
use super::entity::Entity;
use super::field::{self, ContentType};
use super::transfer::Encoding;
use super::tree;

/// Proof that a mail or entity stays within the limits.
#[derive(Clone, Copy)]
pub struct Scanned<'a>(&'a [u8]);

impl<'a> Scanned<'a> {
    /// The bytes that passed.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Checks an entity, a whole mail or a decrypted payload, against the limits.
///
/// # Errors
/// The first limit that is exceeded.
pub fn scan<'a>(raw: &'a [u8], limits: &Limits) -> Result<Scanned<'a>, ScanError> {
    tree::walk(raw, limits).map(|_| Scanned(raw))
}

/// What the outer structure alone claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outer {
    /// `multipart/encrypted` for OpenPGP (RFC 3156 §4), or what a gateway left of it.
    PgpMime,
    /// A single text that is framed as an armored OpenPGP message.
    InlineArmor,
    /// Anything else.
    Clear,
}

/// What the outer structure claims: cheap, for a session at the end of DATA. It bounds nothing and proves nothing;
/// [`super::read::read`] decides after the scan.
#[must_use]
pub fn outer(raw: &[u8]) -> Outer {
    let (_, body) = field::split(raw);
    // Two fields mean two structures to two readers: nothing is claimed then.
    if header_count(raw, "Content-Type") > 1 || header_count(raw, "Content-Transfer-Encoding") > 1 {
        return Outer::Clear;
    }
    let ctype = header(raw, "Content-Type").map_or_else(ContentType::text, ContentType::parse);
    if ctype.is("multipart", "encrypted") && ctype.param_is("protocol", "application/pgp-encrypted") {
        return Outer::PgpMime;
    }
    let encoding = header(raw, "Content-Transfer-Encoding").map_or(Encoding::Identity, Encoding::parse);
    if ctype.is("text", "plain") && armor::is_framed(&encoding.decode(body)) {
        return Outer::InlineArmor;
    }
    // What gateways leave of it is understood in the session as it will be when the mail is opened; with clear text
    // beside it, it is not encrypted as a whole.
    match Entity::within(raw, &ciphertext::LIMITS).as_ref().and_then(ciphertext::sole) {
        Some(Sole::Entity { beside: None, .. }) => Outer::PgpMime,
        Some(Sole::Text { .. }) => Outer::InlineArmor,
        Some(Sole::Entity { .. }) | None => Outer::Clear,
    }
}

/// How many fields of that name the top header has, in any case, e.g. `Received` to know a loop.
#[must_use]
pub fn header_count(raw: &[u8], name: &str) -> usize {
    field::fields(raw).filter(|field| field.is(name)).count()
}

/// The value of the first field of that name in the top header, still folded, white space around it removed.
#[must_use]
pub fn header<'a>(raw: &'a [u8], name: &str) -> Option<&'a [u8]> {
    field::fields(raw).find(|field| field.is(name)).map(|field| field.value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn error(mail: &[u8]) -> Option<ScanError> {
        let started = Instant::now();
        let error = scan(mail, &Limits::default()).err();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        error
    }

    fn nested(levels: usize) -> Vec<u8> {
        let mut mail = Vec::new();
        for level in 0..levels {
            mail.extend(
                format!("Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n").bytes(),
            );
        }
        mail
    }

    #[test]
    fn refuses_what_is_too_large() {
        let small = Limits { size: 20, ..Limits::default() };
        assert_eq!(scan(&[b'x'; 21], &small).err(), Some(ScanError::Size));
        assert!(scan(b"Subject: x\r\n\r\nhello", &small).is_ok());
    }

    #[test]
    fn counts_the_header_of_each_part_with_the_messages_nested_in_it() {
        let long = format!("X: {}\r\n\r\n", "y".repeat(60 << 10));
        assert_eq!(error(long.as_bytes()), None);
        assert_eq!(error(long.repeat(2).replace("\r\n\r\n", "\r\n").as_bytes()), Some(ScanError::Headers));
        let inner =
            format!("{}Content-Type: message/rfc822\r\n\r\n{long}", long.trim_end().to_owned() + "\r\n");
        assert_eq!(error(inner.as_bytes()), Some(ScanError::Headers));
        let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        assert_eq!(error(format!("{head}--b\r\n{long}\r\n--b\r\n{long}\r\n--b--\r\n").as_bytes()), None);
    }

    #[test]
    fn refuses_depth_and_stays_fast() {
        assert_eq!(error(&nested(20)), None);
        assert_eq!(error(&nested(21)), Some(ScanError::Depth));
        assert_eq!(error(&b"Content-Type: message/rfc822\r\n\r\n".repeat(40_000)), Some(ScanError::Depth));
        assert_eq!(error(&b"Content-Type: message/rfc822\r\n\r\n".repeat(21)), Some(ScanError::Depth));
        let digests = b"Content-Type: multipart/digest; boundary=b\n\n--b\n\n".repeat(11);
        assert_eq!(error(&digests), Some(ScanError::Depth));
    }

    #[test]
    fn refuses_width_and_stays_fast() {
        let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        assert_eq!(error(format!("{head}{}", "--b\r\n\r\n\r\n".repeat(999)).as_bytes()), None);
        assert_eq!(
            error(format!("{head}{}", "--b\r\n\r\n\r\n".repeat(100_000)).as_bytes()),
            Some(ScanError::Parts)
        );
        assert_eq!(error(format!("{head}{}", "--b\r\n".repeat(100_000)).as_bytes()), Some(ScanError::Parts));
    }

    #[test]
    fn near_delimiters_cost_no_more_than_text() {
        // Twenty boundaries of 4 KiB that differ in their last byte, and lines that agree with all but that.
        let common = "b".repeat(4 << 10);
        let mut mail = String::new();
        for level in 0..20_u8 {
            let last = char::from(b'a' + level);
            mail.push_str(&format!(
                "Content-Type: multipart/mixed; boundary={common}{last}\n\n--{common}{last}\n"
            ));
        }
        mail.push_str(&format!("\n{}", format!("--{common}\n").repeat(2_000)));
        assert_eq!(error(mail.as_bytes()), None);
    }

    #[test]
    fn says_what_the_outside_claims() {
        let encrypted = b"content-type: Multipart/Encrypted;\r\n protocol=\"Application/PGP-encrypted\"; boundary=b\r\n\r\n";
        assert_eq!(outer(encrypted), Outer::PgpMime);
        assert_eq!(outer(b"Content-Type: multipart/encrypted; boundary=b\r\n\r\n"), Outer::Clear);
        assert_eq!(outer(&[&b"Content-Type: text/plain\r\n"[..], encrypted].concat()), Outer::Clear);
        assert_eq!(outer(b"Subject: x\r\n\r\nContent-Type: multipart/encrypted"), Outer::Clear);
        assert_eq!(outer(b""), Outer::Clear);

        let armor = "\n-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n";
        assert_eq!(outer(format!("Subject: x\n\n{armor}").as_bytes()), Outer::InlineArmor);
        assert_eq!(outer(format!("Content-Type: text/html\n\n{armor}").as_bytes()), Outer::Clear);
        assert_eq!(outer(format!("Subject: x\n\nhello{armor}").as_bytes()), Outer::Clear);
        let quoted = "Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain\n\n";
        assert_eq!(outer(format!("{quoted}{}", armor.replace('M', "=4D")).as_bytes()), Outer::InlineArmor);
        let base64 = data_encoding::BASE64.encode(armor.as_bytes());
        let head = "Content-Transfer-Encoding: BASE64\n\n";
        assert_eq!(outer(format!("{head}{base64}").as_bytes()), Outer::InlineArmor);
    }

    #[test]
    fn looks_only_at_the_top_header() {
        let mail = b"Received: a\r\n\tb\r\nRECEIVED: c\r\n\r\nReceived: d\r\n";
        assert_eq!(header_count(mail, "received"), 2);
        assert_eq!(header(mail, "Received"), Some(&b"a\r\n\tb"[..]));
        assert_eq!(header(mail, "Subject"), None);
    }
}
