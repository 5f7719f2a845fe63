//! Where the daemon takes mail on this machine.

use std::fmt;
use std::path::PathBuf;

/// Where the daemon takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// By RFC 2033.
    Lmtp(Place),
    /// By RFC 5321.
    Smtp(Place),
}

/// An address on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A socket in the file system.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}
