//! DKIM keys as mail and DNS name them (RFC 6376 §3.6.1, RFC 8463): selectors, records, and whether what is published is
//! what should be.
//!
//! A domain's keys come in pairs, one of each algorithm: a verifier that does not know Ed25519 yet has RSA
//! (RFC 8463 §3).

use std::fmt;

use zeroize::Zeroizing;

/// What a key signs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// `ed25519-sha256` (RFC 8463).
    Ed25519,
    /// `rsa-sha256` with 2048 bits (RFC 8301 §3.2).
    Rsa,
}

impl Algorithm {
    /// Both, in the order of a pair.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::Rsa];

    /// Its name in `k=`, and at the end of a selector.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
        }
    }
}

/// What DNS should say of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The domain that signs, in ASCII.
    pub domain: String,
    /// The key's selector below that domain.
    pub selector: String,
    /// What it signs by.
    pub algorithm: Algorithm,
    /// The public key, in base64: 32 bytes of Ed25519 (RFC 8463 §4), or RSA's `SubjectPublicKeyInfo`.
    pub key: String,
}

impl Record {
    /// The name of the record, without a dot at its end.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The whole value, as verifiers put it together.
    #[must_use]
    pub fn value(&self) -> String {
        // RFC 6376 §3.6.1: h= keeps anybody from making use of SHA-1.
        format!("v=DKIM1; h=sha256; k={}; p={}", self.algorithm.name(), self.key)
    }

    /// The record as a line of a zone file.
    #[must_use]
    pub fn zone_line(&self) -> String {
        zone_line(&self.name(), &self.value())
    }

    /// Whether a published value is this record.
    ///
    /// # Errors
    /// How it differs, in so far as verifiers would care.
    pub fn compare(&self, published: &str) -> Result<(), Difference> {
        let tags = tags(published).ok_or(Difference::Malformed)?;
        let tag = |name: &str| tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_str());
        // RFC 6376 §3.6.1: "This tag MUST be the first tag in the record" where it is there.
        if tag("v").is_some_and(|v| v != "DKIM1") || tags.iter().skip(1).any(|(name, _)| name == "v") {
            return Err(Difference::Version);
        }
        let key = without_space(tag("p").ok_or(Difference::Malformed)?);
        if key.is_empty() {
            return Err(Difference::Revoked);
        }
        // "k= Key type (plain-text; OPTIONAL, default is "rsa")".
        let kind = tag("k").unwrap_or("rsa");
        if kind != self.algorithm.name() {
            return Err(Difference::Algorithm(kind.to_owned()));
        }
        if key != self.key {
            return Err(Difference::AnotherKey);
        }
        let lists = |name: &str, one_of: &[&str]| {
            tag(name).is_none_or(|all| all.split(':').any(|word| one_of.contains(&word.trim())))
        };
        if !lists("h", &["sha256"]) {
            return Err(Difference::Hash);
        }
        if !lists("s", &["*", "email"]) {
            return Err(Difference::Service);
        }
        if tag("t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y")) {
            return Err(Difference::Testing);
        }
        Ok(())
    }
}

/// How a published record differs from what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Not a list of tags with a `p=`.
    #[error("is no DKIM record")]
    Malformed,
    /// Another version.
    #[error("does not begin with v=DKIM1")]
    Version,
    /// An empty `p=` (RFC 6376 §3.6.1).
    #[error("says that the key is revoked: its p= is empty")]
    Revoked,
    /// Another kind of key.
    #[error("is for k={0}")]
    Algorithm(String),
    /// Another key.
    #[error("has another key in p=")]
    AnotherKey,
    /// Without SHA-256.
    #[error("does not allow sha256 in h=")]
    Hash,
    /// Not for mail.
    #[error("is not for mail: its s= has neither * nor email")]
    Service,
    /// Still being tried.
    #[error("says t=y, by which verifiers take signatures for a test and do not rely on them")]
    Testing,
}

/// The public halves of one pair of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The pair's name, which both selectors begin with.
    pub name: String,
    /// Whether mail is signed with it.
    pub active: bool,
    /// Its records, in the order of [`Algorithm::ALL`].
    pub records: [Record; 2],
}

/// One unlocked key. Neither printed nor copied; wiped when dropped.
pub struct SecretKey {
    /// What DNS should say of it.
    pub record: Record,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl SecretKey {
    /// From its PKCS #8 form (RFC 5208), in DER.
    #[must_use]
    pub fn new(record: Record, pkcs8: Zeroizing<Vec<u8>>) -> Self {
        Self { record, pkcs8 }
    }

    /// The key in PKCS #8 form.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("record", &self.record).finish_non_exhaustive()
    }
}

/// Any TXT record as a line of a zone file, its value in strings of at most 255 bytes (RFC 1035 §3.3.14), which verifiers
/// put together without anything between them (RFC 6376 §3.6.2.2).
#[must_use]
pub fn zone_line(name: &str, value: &str) -> String {
    let mut strings = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let (string, more) = rest.split_at_checked(255).unwrap_or((rest, ""));
        // RFC 1035 §5.1: a quote and a backslash are written behind a backslash.
        strings.push(format!("\"{}\"", string.replace('\\', "\\\\").replace('"', "\\\"")));
        rest = more;
    }
    format!("{name}. IN TXT {}", strings.join(" "))
}

/// A tag list (RFC 6376 §3.2), as DKIM and DMARC records are: names and values in order. `None` when it is none, or has a
/// name twice.
#[must_use]
pub fn tags(text: &str) -> Option<Vec<(String, String)>> {
    let mut tags: Vec<(String, String)> = Vec::new();
    let specs = text.trim_end().strip_suffix(';').unwrap_or(text.trim_end()).split(';');
    for spec in specs {
        let (name, value) = spec.split_once('=')?;
        let name = name.trim();
        let right = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !right || tags.iter().any(|(known, _)| known == name) {
            return None;
        }
        tags.push((name.to_owned(), value.trim().to_owned()));
    }
    Some(tags)
}

fn without_space(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(algorithm: Algorithm, key: &str) -> Record {
        Record {
            domain: "lists.example.org".to_owned(),
            selector: format!("vs20261128-{}", algorithm.name()),
            algorithm,
            key: key.to_owned(),
        }
    }

    #[test]
    fn a_long_value_is_written_in_strings_that_a_zone_file_takes() {
        let record = record(Algorithm::Rsa, &"A".repeat(392));
        let line = record.zone_line();
        let (front, strings) = line.split_once(" IN TXT ").unwrap();
        assert_eq!(front, "vs20261128-rsa._domainkey.lists.example.org.");
        let strings: Vec<&str> = strings.trim_matches('"').split("\" \"").collect();
        assert_eq!(strings.iter().map(|s| s.len()).collect::<Vec<_>>(), [255, record.value().len() - 255]);
        assert_eq!(strings.concat(), record.value());
        assert_eq!(zone_line("a.example", "say \"no\""), "a.example. IN TXT \"say \\\"no\\\"\"");
    }

    #[test]
    fn what_verifiers_read_as_this_key_is_this_record() {
        let ours = record(Algorithm::Rsa, "QUJD");
        for right in [
            ours.value(),
            "p=QUJD".to_owned(),
            "v=DKIM1;p=QU JD;".to_owned(),
            "v=DKIM1; k=rsa; h=sha1:sha256; s=email; t=s; n=ours; p=QUJD".to_owned(),
        ] {
            assert_eq!(ours.compare(&right), Ok(()), "{right}");
        }
    }

    #[test]
    fn every_difference_has_its_name() {
        let ours = record(Algorithm::Rsa, "QUJD");
        for (published, difference) in [
            ("v=spf1 -all", Difference::Version),
            ("hello", Difference::Malformed),
            ("v=DKIM1; k=rsa", Difference::Malformed),
            ("p=QUJD; p=QUJD", Difference::Malformed),
            ("v=DKIM2; p=QUJD", Difference::Version),
            ("p=QUJD; v=DKIM1", Difference::Version),
            ("v=DKIM1; p=", Difference::Revoked),
            ("v=DKIM1; k=ed25519; p=QUJD", Difference::Algorithm("ed25519".to_owned())),
            ("v=DKIM1; p=QUJE", Difference::AnotherKey),
            ("v=DKIM1; h=sha1; p=QUJD", Difference::Hash),
            ("v=DKIM1; s=tlsrpt; p=QUJD", Difference::Service),
            ("v=DKIM1; t=y:s; p=QUJD", Difference::Testing),
        ] {
            assert_eq!(ours.compare(published), Err(difference), "{published}");
        }
        let ed25519 = record(Algorithm::Ed25519, "QUJD");
        assert_eq!(ed25519.compare("p=QUJD"), Err(Difference::Algorithm("rsa".to_owned())));
    }

    #[test]
    fn a_secret_key_is_not_shown() {
        let secret = SecretKey::new(record(Algorithm::Rsa, "QUJD"), Zeroizing::new(b"hidden".to_vec()));
        assert!(!format!("{secret:?}").contains("104"), "no byte of it: {secret:?}");
        assert_eq!(secret.pkcs8(), b"hidden");
    }
}
