//! Mail addresses in their normal form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is no mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAddress {
    /// There is no `@`, or nothing on one side of it.
    #[error("an address has the form local-part@domain")]
    Form,
    /// The part before the `@`.
    #[error("the part before the @ has a character that needs quotes, or is longer than 64 bytes")]
    Local,
    /// The part after the `@`.
    #[error("the part after the @ is no domain name")]
    Domain,
}

/// A domain in its ASCII form (RFC 5890 A-labels), lower case, or an address literal as written (RFC 5321 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// The domain as ASCII text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Some(literal) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            let right = !literal.is_empty()
                && literal.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b':');
            return if right { Ok(Self(text.to_ascii_lowercase())) } else { Err(NotAnAddress::Domain) };
        }
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| NotAnAddress::Domain)?;
        // RFC 1035 §2.3.4: 255 octets on the wire, 63 in a label; idna checks the labels.
        if ascii.is_empty() || ascii.len() > 253 || ascii.ends_with('.') {
            return Err(NotAnAddress::Domain);
        }
        Ok(Self(ascii))
    }
}

impl TryFrom<String> for Domain {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mail address: local part as given (without quotes), domain in normal form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// An address from its parts; the local part is unquoted.
    ///
    /// # Errors
    /// When the local part is empty, too long (RFC 5321 §4.5.3.1.1) or holds control characters.
    pub fn new(local: &str, domain: Domain) -> Result<Self, NotAnAddress> {
        let right = !local.is_empty() && local.len() <= 64 && !local.chars().any(char::is_control);
        if right { Ok(Self { local: local.to_owned(), domain }) } else { Err(NotAnAddress::Local) }
    }

    /// The part before the `@`, without quotes.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether both name the same mailbox for us: the local part without regard to case, since all addresses that we
    /// own are written so and nobody's key may hang on a capital letter.
    #[must_use]
    pub fn same_mailbox(&self, other: &Self) -> bool {
        self.domain == other.domain && self.local.to_lowercase() == other.local.to_lowercase()
    }

    /// This address with `suffix` behind its local part: `security` and `-request` give `security-request`.
    ///
    /// # Errors
    /// When the local part grows over 64 bytes.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, NotAnAddress> {
        Self::new(&format!("{}{suffix}", self.local), self.domain.clone())
    }

    /// Whether the local part needs SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn needs_utf8(&self) -> bool {
        !self.local.is_ascii()
    }
}

/// RFC 5321 §4.1.2 `Dot-string`, with RFC 6531 §3.3 letters.
fn is_dot_string(local: &str) -> bool {
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii();
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

/// RFC 5321 §4.1.2 `Quoted-string`: the content without quotes and backslashes.
fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().filter(|c| !c.is_control())?),
            '"' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnAddress::Form)?;
        if local.is_empty() || domain.is_empty() {
            return Err(NotAnAddress::Form);
        }
        let domain = domain.parse()?;
        if local.starts_with('"') {
            return Self::new(&unquote(local).ok_or(NotAnAddress::Local)?, domain);
        }
        if is_dot_string(local) { Self::new(local, domain) } else { Err(NotAnAddress::Local) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        let escaped = self.local.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"@{}", self.domain)
    }
}

impl TryFrom<String> for Address {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn domains_are_compared_in_ascii_and_lower_case() {
        assert_eq!(address("a@EXAMPLE.org"), address("a@example.ORG"));
        assert_eq!(address("a@bücher.example").domain().as_str(), "xn--bcher-kva.example");
    }

    #[test]
    fn quotes_are_kept_only_where_they_are_needed() {
        assert_eq!(address("\"ada\"@example.org").to_string(), "ada@example.org");
        assert_eq!(address("\"a b\"@example.org").to_string(), "\"a b\"@example.org");
        assert_eq!(address("\"a\\\"b\"@example.org").to_string(), "\"a\\\"b\"@example.org");
        assert_eq!(address("\"a@b\"@example.org").local(), "a@b");
    }

    #[test]
    fn mailboxes_of_ours_do_not_hang_on_case() {
        assert!(address("Security@example.org").same_mailbox(&address("security@Example.org")));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in
            ["", "a", "@", "a@", "@b", "a b@c.de", "a..b@c.de", ".a@c.de", "a@c..de", "a@-c.de", "a@b c"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
        assert!(format!("{}@example.org", "a".repeat(65)).parse::<Address>().is_err());
        assert!("a\r\nRCPT@example.org".parse::<Address>().is_err());
    }

    #[test]
    fn an_address_literal_is_a_domain() {
        assert_eq!(address("a@[127.0.0.1]").to_string(), "a@[127.0.0.1]");
        assert!("a@[]".parse::<Address>().is_err());
    }
}
