//! What sort of failure an answer tells of.

use serde::{Deserialize, Serialize};

/// What sort of failure: each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request makes no sense: 64.
    Usage,
    /// What came along is not usable, such as a certificate that has expired, or a rule is against it: 65.
    Data,
    /// There is no such list, member, mail or copy: 66.
    NotFound,
    /// A part of the daemon that is needed is not there: 69.
    Unavailable,
    /// A fault of the program: 70.
    Internal,
    /// It exists already: 73.
    Exists,
    /// Reading or writing failed: 74.
    Io,
    /// Somebody else changed it at the same moment, or too much is going on: try again: 75.
    Busy,
    /// The peer may not do this: 77.
    NoPermission,
    /// The configuration is against it: 78.
    Config,
}
