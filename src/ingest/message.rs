//! A mail as a mail server's pipe brings it, made fit for the wire: every line ended by CRLF, in memory only.

use std::io::{self, Read};

use zeroize::Zeroizing;

use crate::mail::address::Address;
use crate::mime::read::read;
use crate::mime::scan::{Limits, header, scan};
use crate::secret::Plaintext;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// A whole mail.
pub(super) struct Message {
    text: Plaintext,
    /// Whom the mbox line names as its sender.
    separator: Option<Address>,
}

/// Why there is no mail.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is larger than that many bytes.
    TooLarge,
    /// There was nothing.
    Empty,
    /// It could not be read.
    Io(io::Error),
}

impl Message {
    /// Reads to the end of `input`, or until `limit` bytes are exceeded.
    pub(super) fn read(input: &mut dyn Read, limit: usize) -> Result<Self, Unread> {
        let mut lines = Lines { text: Vec::new(), after_cr: false };
        let mut chunk = Zeroizing::new(vec![0; CHUNK]);
        loop {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => lines.push(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Unread::Io(error)),
            }
            // The mbox line does not count, and is not known yet.
            if lines.text.len() > limit.saturating_add(CHUNK) {
                return Err(Unread::TooLarge);
            }
        }
        let message = Self::of(lines.finish());
        match message.len() {
            0 => Err(Unread::Empty),
            length if length > limit => Err(Unread::TooLarge),
            _ => Ok(message),
        }
    }

    /// Takes the line off that separates mails in an mbox file (RFC 4155): delivery agents put it before the header.
    fn of(text: Plaintext) -> Self {
        let line = text.expose().split(|b| *b == b'\n').next().unwrap_or_default();
        let Some(rest) = line.strip_prefix(b"From ") else { return Self { text, separator: None } };
        let sender = rest.split(|b| *b == b' ').next().and_then(|word| std::str::from_utf8(word).ok());
        let (separator, front) = (sender.and_then(|word| word.parse().ok()), line.len().saturating_add(1));
        Self { text: text.without_front(front), separator }
    }

    /// Who sent it, as far as the mail itself can tell; `None` is the null sender, and only where it says so. Behind a pipe
    /// it is often not known, and what is not known is no null sender: that would make a person's answer look like a
    /// program's. So the author stands in for the sender.
    pub(super) fn sender(&self) -> Option<Address> {
        if let Some(sender) = &self.separator {
            return Some(sender.clone());
        }
        // RFC 5321 §4.4: the server that made the final delivery wrote the return path there.
        match header(self.text.expose(), "Return-Path").map(<[u8]>::trim_ascii) {
            Some(b"<>" | b"") => None,
            _ => self.address("Return-Path").or_else(|| self.author()),
        }
    }

    fn author(&self) -> Option<Address> {
        let message = read(scan(self.text.expose(), &Limits::default()).ok()?).ok()?;
        message.headers().from.into_iter().find_map(|mailbox| mailbox.address?.parse().ok())
    }

    /// Its size in bytes, as RFC 1870 §3 counts it.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The address that the first header field of this name holds: what stands above it came later.
    pub(super) fn address(&self, field: &str) -> Option<Address> {
        let value = std::str::from_utf8(header(self.text.expose(), field)?).ok()?;
        let value = value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or(value);
        value.parse().ok()
    }

    /// Gives `send` what travels behind 354: dots at the beginning of lines doubled, and the last dot (RFC 5321
    /// §4.5.2).
    pub(super) fn send(&self, mut send: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let text = self.text.expose();
        let first = text.starts_with(b".").then_some(0);
        let dots = first.into_iter().chain(memchr::memmem::find_iter(text, b"\n.").map(|at| at + 1));
        let mut sent = 0;
        for dot in dots {
            send(text.get(sent..dot).unwrap_or_default())?;
            send(b".")?;
            sent = dot;
        }
        send(text.get(sent..).unwrap_or_default())?;
        send(b".\r\n")
    }
}

/// Lines as they come, in whatever form.
struct Lines {
    text: Vec<u8>,
    after_cr: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| matches!(b, b'\r' | b'\n')) {
            match piece.split_last() {
                Some((b'\n', line)) => {
                    self.put(line);
                    self.after_cr = false;
                    self.text.extend_from_slice(b"\r\n");
                }
                Some((b'\r', line)) => {
                    self.put(line);
                    self.after_cr = true;
                }
                _ => self.put(piece),
            }
        }
    }

    fn put(&mut self, line: &[u8]) {
        // RFC 5321 §2.3.8: CR stands before LF only. One within a line becomes a space, as mail servers do it; several
        // at its end are one.
        if self.after_cr && !line.is_empty() {
            self.text.push(b' ');
            self.after_cr = false;
        }
        self.text.extend_from_slice(line);
    }

    fn finish(mut self) -> Plaintext {
        if !self.text.is_empty() && !self.text.ends_with(b"\n") {
            self.text.extend_from_slice(b"\r\n");
        }
        Plaintext::new(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Message {
        Message::read(&mut &*bytes, 1_000_000).unwrap()
    }

    fn text(bytes: &[u8]) -> Vec<u8> {
        read(bytes).text.expose().to_vec()
    }

    fn sent(bytes: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        read(bytes)
            .send(|piece| {
                wire.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        wire
    }

    /// One byte at a time.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn every_form_of_line_end_becomes_crlf_however_the_pipe_cuts_it() {
        for (given, made) in [
            (&b"a: b\n\nc\n"[..], &b"a: b\r\n\r\nc\r\n"[..]),
            (b"a: b\r\n\r\nc\r\n", b"a: b\r\n\r\nc\r\n"),
            (b"a: b\n\r\nc", b"a: b\r\n\r\nc\r\n"),
            (b"a\r\r\nb", b"a\r\nb\r\n"),
            (b"a\rb\n", b"a b\r\n"),
            (b"a\r", b"a\r\n"),
            (b"\xff\xc3\xa9\0\n", b"\xff\xc3\xa9\0\r\n"),
        ] {
            assert_eq!(text(given), made, "{given:?}");
            let trickled = Message::read(&mut Trickle(given), 1_000).unwrap();
            assert_eq!(trickled.text.expose(), made, "{given:?} byte by byte");
        }
    }

    #[test]
    fn dots_at_line_starts_are_doubled_and_the_last_dot_is_ours() {
        assert_eq!(sent(b".\n..a\nb.\n.\n"), b"..\r\n...a\r\nb.\r\n..\r\n.\r\n");
        assert_eq!(sent(b"a\n"), b"a\r\n.\r\n");
    }

    #[test]
    fn the_mbox_line_goes_and_says_who_the_sender_is() {
        let message = read(b"From rita@reporter.example Sat Nov 21 12:00:00 2026\nSubject: x\n\nbody\n");
        assert_eq!(message.text.expose(), b"Subject: x\r\n\r\nbody\r\n");
        assert_eq!(message.sender().unwrap().to_string(), "rita@reporter.example");
        assert!(read(b"From MAILER-DAEMON Sat Nov 21\nSubject: x\n").sender().is_none());
        let header = b"From: rita@reporter.example\r\n\r\nFrom here on\r\n";
        assert_eq!(text(header), header, "a header field is none, nor is a line of text");
    }

    #[test]
    fn more_than_the_limit_is_not_even_read() {
        let over = |length: usize, limit| {
            matches!(Message::read(&mut io::repeat(b'x').take(length as u64), limit), Err(Unread::TooLarge))
        };
        assert!(!over(998, 1_000) && over(999, 1_000), "the line end counts");
        let mut endless = io::repeat(b'x');
        assert!(matches!(Message::read(&mut endless, 1_000), Err(Unread::TooLarge)));
        assert!(matches!(Message::read(&mut io::empty(), 9), Err(Unread::Empty)));
    }

    #[test]
    fn the_topmost_field_names_the_recipient() {
        let mail = b"Delivered-To: <security@lists.example>\nDelivered-To: old@lists.example\nX: y\n\nb\n";
        assert_eq!(read(mail).address("delivered-to").unwrap().to_string(), "security@lists.example");
        assert!(read(mail).address("X-Original-To").is_none());
        assert!(read(b"Delivered-To: a@b.example, c@d.example\n\n").address("Delivered-To").is_none());
    }
}
