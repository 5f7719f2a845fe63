//! What can be told from a certificate besides whether it is trusted: until when it is valid, and whether it vouches
//! for itself. A few fields of X.509 (RFC 5280 §4.1), read without recursion; what is not as expected is not told.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::time::Timestamp;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT Version`.
const VERSION: u8 = 0xa0;

/// The certificates of a PEM file, the own one first.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|why| why.to_string())?;
    let chain = read.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
    if chain.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(chain) }
}

/// Whole days until the certificate in this PEM file expires, negative after that; none when it cannot be told.
pub(crate) fn days_left(path: &Path, now: Timestamp) -> Option<i64> {
    let expires = fields(chain(path).ok()?.first()?)?.expires()?;
    Some((expires - now.millis()).div_euclid(86_400_000))
}

/// Whether a certificate names itself as its issuer.
pub(super) fn is_self_issued(der: &[u8]) -> bool {
    fields(der).is_some_and(|fields| fields.issuer == fields.subject)
}

struct Fields<'a> {
    issuer: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
}

/// RFC 5280 §4.1: version, serialNumber, signature, issuer, validity, subject.
fn fields(der: &[u8]) -> Option<Fields<'_>> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (tbs, _) = expect(certificate, SEQUENCE)?;
    let (tag, _, behind) = element(tbs)?;
    let (_serial, rest) = if tag == VERSION { next(behind)? } else { next(tbs)? };
    let (_signature, rest) = next(rest)?;
    let (issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, rest) = expect(rest, SEQUENCE)?;
    let (subject, _) = expect(rest, SEQUENCE)?;
    Some(Fields { issuer, validity, subject })
}

impl Fields<'_> {
    /// notAfter, in milliseconds since the epoch.
    fn expires(&self) -> Option<i64> {
        let (_not_before, rest) = next(self.validity)?;
        let (tag, text, _) = element(rest)?;
        let text = std::str::from_utf8(text).ok()?;
        // RFC 5280 §4.1.2.5.1: two digits of a year below 50 are of this century.
        let text = match tag {
            UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
            UTC_TIME => format!("19{text}"),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        let part = |from: usize| text.get(from..from + 2);
        let (year, month, day) = (text.get(..4)?, part(4)?, part(6)?);
        let (hour, minute, second) = (part(8)?, part(10)?, part(12)?);
        let written = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
        Some(written.parse::<jiff::Timestamp>().ok()?.as_millisecond())
    }
}

fn expect(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(tag, ..)| *tag == wanted).map(|(_, content, rest)| (content, rest))
}

fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    element(bytes).map(|(_, content, rest)| (content, rest))
}

/// Tag, content and what follows (X.690 §8.1, definite lengths of at most three bytes).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiring(year: i32) -> rcgen::Certificate {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["mail.example.org".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 3, 1);
        params.self_signed(&key).unwrap()
    }

    #[test]
    fn days_are_counted_in_both_forms_of_time() {
        let now = Timestamp::from_secs(1_800_000_000); // 2027-01-15T08:00:00Z
        for (year, days) in [(2027, 44), (2026, -321), (2060, 12_098)] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), expiring(year).pem()).unwrap();
            assert_eq!(days_left(file.path(), now), Some(days), "{year}");
        }
        assert_eq!(days_left(Path::new("/nowhere"), now), None);
    }

    #[test]
    fn what_is_cut_short_or_no_certificate_says_nothing() {
        let whole = expiring(2030);
        assert!(is_self_issued(whole.der()));
        for end in 0..200 {
            assert!(!is_self_issued(&whole.der()[..end]));
        }
        for nonsense in [&[0x30, 0x80][..], &[0x30, 0x84, 0, 0, 0, 1, 0], &[0x30, 0x83, 0xff, 0xff, 0xff]] {
            assert!(fields(nonsense).is_none());
        }
    }
}
