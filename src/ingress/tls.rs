//! The server's side of TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::listener::ListenError;
use crate::time::Timestamp;

/// A TLS server with this certificate chain and key (PEM files): TLS 1.2 and 1.3, no client certificates.
///
/// # Errors
/// When a file cannot be read, holds nothing of its kind, or the two do not belong together.
pub fn tls_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, ListenError> {
    let unreadable = |what, path: &Path, why: String| ListenError::Pem { what, path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unreadable("certificate", cert, e.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable("certificate", cert, "it holds no certificate".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable("key", key, e.to_string()))?;
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map(Arc::new)
        .map_err(|e| ListenError::Tls { cert: cert.to_owned(), key: key.to_owned(), why: e.to_string() })
}

/// When the certificate in this file ends, as far as it says so.
#[must_use]
pub fn certificate_end(cert: &Path) -> Option<Timestamp> {
    let first = CertificateDer::pem_file_iter(cert).ok()?.next()?.ok()?;
    not_after(&first)
}

/// RFC 5280 §4.1: the certificate is a sequence of the part that is signed and the signature; that part is a sequence of
/// version (explicitly tagged), serial number, algorithm, issuer, and the validity as a sequence of two times.
fn not_after(cert: &[u8]) -> Option<Timestamp> {
    let (_, cert, _) = element(cert)?;
    let (_, mut signed, _) = element(cert)?;
    if let (0xa0, _, rest) = element(signed)? {
        signed = rest;
    }
    for _ in 0..3 {
        signed = element(signed)?.2;
    }
    let (_, validity, _) = element(signed)?;
    let (_, _, validity) = element(validity)?;
    let (kind, time, _) = element(validity)?;
    let time = std::str::from_utf8(time).ok()?;
    // RFC 5280 §4.1.2.5: UTCTime up to 2049, with years from 50 on in the twentieth century; GeneralizedTime after that.
    let time = match kind {
        0x17 if time < "5" => format!("20{time}"),
        0x17 => format!("19{time}"),
        0x18 => time.to_owned(),
        _ => return None,
    };
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let [month, day, hour, minute, second] =
        [(4, 6), (6, 8), (8, 10), (10, 12), (12, 14)].map(|(a, b)| number(a, b));
    let days = days_since_1970(number(0, 4)?, month?, day?);
    Some(Timestamp::from_secs(days * 86_400 + hour? * 3_600 + minute? * 60 + second?))
}

/// The proleptic Gregorian calendar, with years that begin in March so that the leap day is the last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

/// The first element of DER: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let made = |year| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec!["mx.example.org".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 2, 29);
            params.self_signed(&key).unwrap()
        };
        let end = |year| not_after(made(year).der()).map(|at| at.to_string());
        assert_eq!(end(2028).unwrap(), "2028-02-29T00:00:00Z");
        assert_eq!(end(2096).unwrap(), "2096-02-29T00:00:00Z");
        let whole = made(2028).der().to_vec();
        for length in 0..whole.len() {
            assert!(not_after(&whole[..length]).is_none(), "cut at {length}");
        }
    }

    #[test]
    fn each_mistake_names_its_file_and_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let text = |r: Result<Arc<ServerConfig>, ListenError>| r.unwrap_err().to_string();
        assert!(text(tls_config(&cert, &key)).contains("cert.pem"));
        std::fs::write(&cert, "nothing").unwrap();
        assert!(text(tls_config(&cert, &key)).contains("no certificate"));
        let one = rcgen::generate_simple_self_signed(vec!["mx.example.org".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["mx.example.org".to_owned()]).unwrap();
        std::fs::write(&cert, one.cert.pem()).unwrap();
        assert!(text(tls_config(&cert, &key)).contains("key.pem"));
        std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
        assert!(text(tls_config(&cert, &key)).contains("belong together"));
        std::fs::write(&key, one.signing_key.serialize_pem()).unwrap();
        assert!(tls_config(&cert, &key).is_ok());
    }
}
