//! What a command that failed says, and the exit code that scripts see.

use std::fmt;
use std::io;

use super::text::one_line;
use crate::control::client::ClientError;
use crate::control::wire::{Answer, ErrorKind};

/// Why a command failed. Shown as a text of several lines; its code is one of sysexits.h.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    what: String,
    why: String,
    next: String,
}

impl Failure {
    pub(super) fn new(code: ErrorKind, what: &str, why: &str, next: &str) -> Self {
        let [what, why, next] = [what, why, next].map(one_line);
        Self { code: exit_code(code), what, why, next }
    }

    /// An answer that has no place here.
    pub(super) fn unexpected() -> Self {
        Self::new(
            ErrorKind::Internal,
            "the daemon gave an answer that does not belong to the question",
            "",
            "use the vouchsafe program that belongs to the daemon's version",
        )
    }

    /// What happened, without why and what next.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// The exit code, as sysexits.h has them: 64 to 78.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if !self.why.is_empty() {
            write!(f, "\n  why: {}", self.why)?;
        }
        if !self.next.is_empty() {
            write!(f, "\n  next: {}", self.next)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::new(error.kind(), error.what(), &error.why(), error.next())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(ErrorKind::Io, "the output could not be written", &error.to_string(), "")
    }
}

/// The failure that an answer tells of; any other answer comes back.
pub(super) fn refused(answer: Answer) -> Result<Answer, Failure> {
    match answer {
        Answer::Error { code, what, why, next } => Err(Failure::new(code, &what, &why, &next)),
        answer => Ok(answer),
    }
}

/// sysexits.h.
fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage => 64,
        ErrorKind::Data => 65,
        ErrorKind::NotFound => 66,
        ErrorKind::Unavailable => 69,
        ErrorKind::Internal => 70,
        ErrorKind::Exists => 73,
        ErrorKind::Io => 74,
        ErrorKind::Busy => 75,
        ErrorKind::NoPermission => 77,
        ErrorKind::Config => 78,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_next_and_keeps_escapes_out() {
        let failure = Failure::new(ErrorKind::NotFound, "no \x1b[2J such", "it\nis gone", "look");
        assert_eq!(failure.to_string(), "error: no \\u{1b}[2J such\n  why: it\\u{a}is gone\n  next: look");
        assert_eq!(failure.exit_code(), 66);
        assert_eq!(Failure::new(ErrorKind::Usage, "a", "", "").to_string(), "error: a");
    }

    #[test]
    fn every_kind_has_its_sysexit() {
        use ErrorKind as K;
        let all = [
            (K::Usage, 64),
            (K::Data, 65),
            (K::NotFound, 66),
            (K::Unavailable, 69),
            (K::Internal, 70),
            (K::Exists, 73),
            (K::Io, 74),
            (K::Busy, 75),
            (K::NoPermission, 77),
            (K::Config, 78),
        ];
        for (kind, code) in all {
            assert_eq!(exit_code(kind), code, "{kind:?}");
        }
    }
}
