//! `[terms]`: the text that every contact accepts before anything is delivered, and what is known of it once it was read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::duration::{many, optional};
use super::text::Text;

/// `[terms]`: what contacts accept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// The file with the text, from the policy file's folder.
    pub text: Option<Text>,
    /// The text's version; the policy's own where it is left out.
    pub version: Option<Text>,
    /// How long a member has to accept, from when it is asked.
    #[serde(with = "optional")]
    pub deadline: Option<Duration>,
    /// How long before the deadline it is reminded, each once.
    #[serde(with = "many")]
    pub remind: Vec<Duration>,
}

/// The SHA-256 of a text, to the byte: 64 hexadecimal digits, as `sha256sum` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextHash([u8; 32]);

impl TextHash {
    /// That of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether it stands in a text, in either case.
    #[must_use]
    pub fn stands_in(&self, text: &str) -> bool {
        text.to_ascii_lowercase().contains(&self.to_string())
    }
}

impl fmt::Display for TextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TextHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TextHash {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self).ok_or("a SHA-256 has 64 hexadecimal digits")
    }
}

impl TryFrom<String> for TextHash {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TextHash> for String {
    fn from(hash: TextHash) -> Self {
        hash.to_string()
    }
}

/// The text as it was read with the policy: what an acceptance is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermsText {
    /// Its version.
    pub version: String,
    /// Its digest.
    pub hash: TextHash,
    /// The text itself.
    pub text: String,
}

impl TermsText {
    /// A text of this version.
    #[must_use]
    pub fn new(version: String, text: String) -> Self {
        Self { version, hash: TextHash::of(&text), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_what_sha256sum_shows() {
        let hash = TextHash::of("abc");
        let shown = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), shown);
        assert_eq!(shown.to_uppercase().parse(), Ok(hash));
        assert!(hash.stands_in(&format!("I accept {}.", shown.to_uppercase())));
        let cut = shown.strip_prefix('b').unwrap();
        assert!(!hash.stands_in(cut) && cut.parse::<TextHash>().is_err());
    }
}
