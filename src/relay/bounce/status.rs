//! What a bounce comes to: an outcome, and the enhanced status of a delivery (RFC 3463), three numbers and nothing of the
//! prose around them.

use std::fmt;

/// What became of a copy that the next hop had taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounce {
    /// It will not reach its reader.
    Failed(Status),
    /// It is still being tried.
    Delayed(Status),
}

/// Class, subject and detail, such as `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    class: u8,
    subject: u16,
    detail: u16,
}

impl Status {
    /// A failure of which nothing more is known.
    pub const UNKNOWN_FAILURE: Self = Self { class: 5, subject: 0, detail: 0 };
    /// A delay of which nothing more is known.
    pub const UNKNOWN_DELAY: Self = Self { class: 4, subject: 0, detail: 0 };

    /// 2, 4 or 5.
    #[must_use]
    pub const fn class(self) -> u8 {
        self.class
    }

    /// Whether it says no more than its class.
    #[must_use]
    pub const fn is_vague(self) -> bool {
        self.subject == 0 && self.detail == 0
    }

    /// The first status that stands by itself in a text, such as in `smtp; 550 5.1.1 unknown` or `(#5.1.1)`. Numbers with
    /// more or fewer parts, such as addresses, are none.
    #[must_use]
    pub fn first_in(text: &str) -> Option<Self> {
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '.';
        text.split(|c: char| !inside(c)).find_map(|word| Self::parse(word.trim_end_matches('.')))
    }

    fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        // RFC 3463 §2: one digit, then one to three each.
        let number = |text: &str| {
            let digits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u16>().ok()).flatten()
        };
        let class = match class {
            "2" => 2,
            "4" => 4,
            "5" => 5,
            _ => return None,
        };
        let status = Self { class, subject: number(subject)?, detail: number(detail)? };
        parts.next().is_none().then_some(status)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_stands_by_itself() {
        for (text, wanted) in [
            ("5.1.1", Some("5.1.1")),
            ("5.1.1 (bad destination mailbox address)", Some("5.1.1")),
            ("smtp; 550 5.7.26 refused", Some("5.7.26")),
            ("Sorry, no mailbox here by that name. (#5.1.1)", Some("5.1.1")),
            ("550-5.1.1 The email account", Some("5.1.1")),
            ("host 5.1.1.2 said 4.2.2.", Some("4.2.2")),
            ("version 3.1.1, and 5.1.1234", None),
            ("5.1", None),
            ("x5.1.1", None),
        ] {
            assert_eq!(Status::first_in(text).map(|s| s.to_string()).as_deref(), wanted, "{text}");
        }
    }
}
