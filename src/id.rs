//! Names of things: newtypes that are parsed once and then known to be right.

mod entropy;

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE, HEXUPPER};
use serde::{Deserialize, Serialize};

pub use self::entropy::Entropy;
use crate::time::Timestamp;

/// A text that is not the name it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not {what}: {hint}")]
pub struct NotAnId {
    text: String,
    what: &'static str,
    hint: &'static str,
}

/// The fingerprint of an OpenPGP certificate (RFC 9580 §5.5.4): the only identity there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fingerprint {
    /// Version 4: SHA-1, 20 bytes.
    V4([u8; 20]),
    /// Version 6: SHA-256, 32 bytes.
    V6([u8; 32]),
}

impl Fingerprint {
    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }

    /// From raw bytes: 20 are version 4, 32 are version 6, anything else is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(v4) = <[u8; 20]>::try_from(bytes) {
            return Some(Self::V4(v4));
        }
        <[u8; 32]>::try_from(bytes).ok().map(Self::V6)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXUPPER.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let bare = bare.strip_prefix("0x").unwrap_or(&bare).to_owned();
        HEXLOWER_PERMISSIVE.decode(bare.as_bytes()).ok().and_then(|b| Self::from_bytes(&b)).ok_or(NotAnId {
            text: text.to_owned(),
            what: "a fingerprint",
            hint: "give all 40 (version 4) or 64 (version 6) hexadecimal digits",
        })
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NotAnId;
    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// A short lower-case name: letters, digits and inner hyphens, at most 40.
fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                if is_name(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotAnId {
                        text: text.to_owned(),
                        what: $what,
                        hint: "use 1 to 40 of a-z, 0-9 and inner hyphens",
                    })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The short name of a list, as in `[list.security]`.
    ListName,
    "a list name"
);
name!(
    /// The short name of an organisation on the roster.
    OrgName,
    "an organisation name"
);
name!(
    /// An opaque person or role address on a list's roster: what the journal says instead of an address.
    MemberId,
    "a member id"
);

name!(
    /// An application for membership.
    ApplicationId,
    "an application id"
);
name!(
    /// A ballot of a team.
    BallotId,
    "a ballot id"
);
name!(
    /// A breach of the embargo, as it was reported.
    BreachId,
    "a breach id"
);

/// Forty random bits: few enough to type, and nothing depends on nobody guessing them.
fn short(entropy: &Entropy) -> String {
    BASE32_NOPAD.encode(&entropy.bytes::<5>()).to_ascii_lowercase()
}

impl ApplicationId {
    /// A new random id.
    #[must_use]
    pub fn random(entropy: &Entropy) -> Self {
        Self(format!("a-{}", short(entropy)))
    }
}

impl BallotId {
    /// A new random id.
    #[must_use]
    pub fn random(entropy: &Entropy) -> Self {
        Self(format!("b-{}", short(entropy)))
    }
}

impl BreachId {
    /// A new random id.
    #[must_use]
    pub fn random(entropy: &Entropy) -> Self {
        Self(format!("x-{}", short(entropy)))
    }
}

impl MemberId {
    /// A new random id.
    #[must_use]
    pub fn random(entropy: &Entropy) -> Self {
        let bytes: [u8; 10] = entropy.bytes();
        Self(format!("m-{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()))
    }

    /// What an admin of the settings is called, who is on no roster: always the same for the same certificate.
    #[must_use]
    pub fn of_admin(cert: Fingerprint) -> Self {
        let short: String = cert.to_string().to_ascii_lowercase().chars().take(16).collect();
        Self(format!("admin-{short}"))
    }

    /// What a stranger is called, who signed something and is on no roster: always the same for the same certificate.
    #[must_use]
    pub fn of_stranger(cert: Fingerprint) -> Self {
        let short: String = cert.to_string().to_ascii_lowercase().chars().take(16).collect();
        Self(format!("stranger-{short}"))
    }
}

macro_rules! ordered_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new id: six bytes of time, so that ids sort by age, then ten random ones.
            #[must_use]
            pub fn new(at: Timestamp, entropy: &Entropy) -> Self {
                Self(ordered(at, entropy))
            }

            /// When it was made, in whole milliseconds.
            #[must_use]
            pub fn made_at(&self) -> Timestamp {
                let millis = self.0.iter().take(6).fold(0, |millis, byte| millis << 8 | i64::from(*byte));
                Timestamp::from_millis(millis)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The id that these bytes are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                BASE32_NOPAD
                    .decode(text.to_ascii_uppercase().as_bytes())
                    .ok()
                    .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
                    .map(Self)
                    .ok_or(NotAnId {
                        text: text.to_owned(),
                        what: $what,
                        hint: "give all 26 characters as `ls` shows them",
                    })
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

ordered_id!(
    /// One arrived mail for one list.
    SpoolId,
    "a mail id"
);
ordered_id!(
    /// One reader's queued copy.
    ParcelId,
    "a parcel id"
);
ordered_id!(
    /// One large sealed body.
    BodyId,
    "a body id"
);

fn ordered(at: Timestamp, entropy: &Entropy) -> [u8; 16] {
    let mut id: [u8; 16] = entropy.bytes();
    let millis = u64::try_from(at.millis()).unwrap_or(0).to_be_bytes();
    for (to, from) in id.iter_mut().zip(millis.iter().skip(2)) {
        *to = *from;
    }
    id
}

/// A one-time token: 26 base32 characters, 130 bits of which 128 are random.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

impl Token {
    /// A new random token.
    #[must_use]
    pub fn random(entropy: &Entropy) -> Self {
        Self(BASE32_NOPAD.encode(&entropy.bytes::<16>()).to_ascii_lowercase())
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let lower = text.to_ascii_lowercase();
        let right = lower.len() == 26 && lower.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        if right {
            Ok(Self(lower))
        } else {
            Err(NotAnId { text: "…".to_owned(), what: "a token", hint: "26 base32 characters" })
        }
    }
}

impl TryFrom<String> for Token {
    type Error = NotAnId;
    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests;
