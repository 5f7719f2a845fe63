//! A server's reply, read within bounds (RFC 5321 §4.2).

use std::io::{self, BufRead, Read};

/// The longest line that is read, in bytes; RFC 5321 §4.5.3.1.5 allows 512.
const MAX_LINE: u64 = 4_096;

/// The most lines of one reply.
const MAX_LINES: usize = 100;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// Reads the next one.
    pub(super) fn read(input: &mut impl BufRead) -> io::Result<Self> {
        let mut lines = Vec::new();
        while lines.len() < MAX_LINES {
            let mut line = Vec::new();
            input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.strip_suffix(b"\n").ok_or_else(not_a_reply)?;
            let (code, goes_on, text) = parse(line).ok_or_else(not_a_reply)?;
            lines.push(text);
            if !goes_on {
                return Ok(Self { code, lines });
            }
        }
        Err(not_a_reply())
    }

    pub(super) fn code(&self) -> u16 {
        self.code
    }

    pub(super) fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// RFC 5321 §4.5.3.1.10, RFC 3463 §3.6: this recipient is for a mail of its own.
    pub(super) fn wants_another_mail(&self) -> bool {
        self.code == 452 && self.status().0 == Some("4.5.3")
    }

    /// The enhanced status (RFC 2034) of the first line, and what is said in all of them.
    pub(super) fn status(&self) -> (Option<&str>, String) {
        let first = self.lines.first().map_or("", String::as_str);
        let status = first.split(' ').next().filter(|word| is_status(word) && word.starts_with(self.class()));
        let said = |line: &String| {
            let without = status.and_then(|s| line.strip_prefix(s)).unwrap_or(line);
            without.trim().to_owned()
        };
        (status, self.lines.iter().map(said).collect::<Vec<_>>().join(" "))
    }

    /// The value behind an EHLO keyword; empty when it has none.
    pub(super) fn keyword(&self, name: &str) -> Option<&str> {
        let named = |line: &&String| line.split(' ').next().is_some_and(|w| w.eq_ignore_ascii_case(name));
        self.lines.iter().skip(1).find(named).map(|line| line.get(name.len()..).unwrap_or_default().trim())
    }

    fn class(&self) -> char {
        char::from_digit(u32::from(self.code / 100), 10).unwrap_or('0')
    }

    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self::read(&mut format!("{text}\r\n").as_bytes()).unwrap()
    }
}

fn parse(line: &[u8]) -> Option<(u16, bool, String)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (code, rest) = line.split_at_checked(3)?;
    let code: u16 = std::str::from_utf8(code).ok()?.parse().ok().filter(|c| (200..600).contains(c))?;
    let goes_on = rest.first() == Some(&b'-');
    let text = match rest.split_first() {
        None => String::new(),
        Some((b' ' | b'-', text)) => String::from_utf8_lossy(text).into_owned(),
        Some(_) => return None,
    };
    // It goes into a mail server's log.
    let printable = |c: char| if c.is_control() { '?' } else { c };
    Some((code, goes_on, text.chars().map(printable).collect()))
}

fn is_status(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3 && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

fn not_a_reply() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what answers there does not speak LMTP or SMTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_whole_and_one_by_one() {
        let mut input =
            &b"250-mx.example\r\n250-SIZE 1000\r\n250 8BITMIME\r\n354 go on\n550 5.1.1 no\r\n"[..];
        let hello = Reply::read(&mut input).unwrap();
        assert_eq!((hello.code(), hello.keyword("size")), (250, Some("1000")));
        assert_eq!((hello.keyword("8BITMIME"), hello.keyword("mx.example")), (Some(""), None));
        assert_eq!(Reply::read(&mut input).unwrap().code(), 354);
        let no = Reply::read(&mut input).unwrap();
        assert_eq!(no.status(), (Some("5.1.1"), "no".to_owned()));
        assert_eq!(Reply::read(&mut input).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_reply_is_an_error_and_ends() {
        for wrong in ["SSH-2.0-OpenSSH\r\n", "25\r\n", "2x0 a\r\n", "250_a\r\n", "250 cut", "999 a\r\n"] {
            assert!(Reply::read(&mut wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(Reply::read(&mut io::BufReader::new(io::repeat(b'2'))).is_err());
        assert!(Reply::read(&mut "250-x\r\n".repeat(1_000).as_bytes()).is_err());
    }

    #[test]
    fn several_lines_are_one_text_without_what_a_terminal_obeys() {
        let reply = Reply::of("550-5.7.1 encrypted mail only.\r\n550 5.7.1 Ask \x1bpostmaster");
        assert_eq!(reply.status(), (Some("5.7.1"), "encrypted mail only. Ask ?postmaster".to_owned()));
        assert!(Reply::of("452 4.5.3 another").wants_another_mail());
        assert!(!Reply::of("452 4.3.1 full").wants_another_mail());
    }
}
