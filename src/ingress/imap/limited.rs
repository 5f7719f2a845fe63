//! What stands between a server and the IMAP library: nothing is handed on that is longer, deeper or more than what was
//! agreed to. The library takes lines of any length, literals of any size, and parentheses as deep as the stack bears.
//!
//! A line is handed on when it is whole, so that the library reads it once, however slowly it came. [`Meter`] judges and
//! has no stream in sight.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest response, without its literal, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// The deepest parentheses in it: what we ask for has two levels.
const MAX_DEPTH: usize = 16;
/// How much is read, and collected to be written, at once.
const CHUNK: usize = 16 * 1024;

/// A server that sends more than it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Overstep {
    /// A response without an end.
    #[error("it sent a response of more than {MAX_LINE} bytes")]
    Line,
    /// A response in too many levels.
    #[error("it sent a response with more than {MAX_DEPTH} levels of parentheses")]
    Depth,
    /// A literal (RFC 3501 §4.3) that is larger than what was asked for.
    #[error("it announced {announced} bytes where at most {allowed} were asked for")]
    Literal {
        /// How many bytes.
        announced: u64,
        /// How many were due.
        allowed: u64,
    },
}

/// Counts what a server sends.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// How many bytes the literal of each response may have; none is asked for while this is zero.
    literals: u64,
    /// How many that of this response may still have.
    allowed: u64,
    /// The bytes of the response so far, without its literal.
    line: usize,
    depth: usize,
    /// Bytes of a literal that are still to come.
    literal: u64,
    brace: Brace,
}

/// What stands at the end of the line so far: a literal is announced by `{`, digits, `}`, CR and LF.
#[derive(Clone, Copy, Debug, Default)]
enum Brace {
    #[default]
    None,
    Open(u64),
    Closed(u64),
    Cr(u64),
}

impl Meter {
    /// How many of these bytes may be handed on, now that they are here: all up to the last line end, or all of them
    /// while a literal lasts.
    fn count(&mut self, bytes: &[u8]) -> Result<usize, Overstep> {
        let (mut at, mut whole) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            if self.literal > 0 {
                let left = usize::try_from(self.literal).unwrap_or(usize::MAX);
                let here = left.min(bytes.len().saturating_sub(at));
                at = at.saturating_add(here);
                self.literal = self.literal.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                whole = at;
                continue;
            }
            at = at.saturating_add(1);
            if self.one(*byte)? {
                whole = at;
            }
        }
        Ok(whole)
    }

    /// Whether this byte ends a line.
    fn one(&mut self, byte: u8) -> Result<bool, Overstep> {
        self.line = self.line.saturating_add(1);
        if self.line > MAX_LINE {
            return Err(Overstep::Line);
        }
        let brace = std::mem::take(&mut self.brace);
        match (byte, brace) {
            (b'{', _) => self.brace = Brace::Open(0),
            (b'0'..=b'9', Brace::Open(n)) => {
                self.brace = Brace::Open(n.saturating_mul(10).saturating_add(u64::from(byte - b'0')));
            }
            // RFC 7888: the other side's form. A server has no use for it, and it means the same.
            (b'+', Brace::Open(n)) => self.brace = Brace::Open(n),
            (b'}', Brace::Open(n)) => self.brace = Brace::Closed(n),
            (b'\r', Brace::Closed(n)) => self.brace = Brace::Cr(n),
            (b'\n', Brace::Cr(announced)) => {
                if announced > self.allowed {
                    return Err(Overstep::Literal { announced, allowed: self.allowed });
                }
                // One in a response: what we ask for has no second.
                self.allowed = 0;
                self.literal = announced;
                return Ok(true);
            }
            (b'\n', _) => {
                (self.line, self.depth, self.allowed) = (0, 0, self.literals);
                return Ok(true);
            }
            (b'(', _) => {
                self.depth = self.depth.saturating_add(1);
                if self.depth > MAX_DEPTH {
                    return Err(Overstep::Depth);
                }
            }
            (b')', _) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(false)
    }
}

/// What the library is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// One line, the greeting.
    Greeting,
    /// The answers to a login, line by line. The library takes whatever comes first for the answer to AUTHENTICATE, so
    /// what belongs to no command (RFC 3501 §7) is not handed on; a login needs none of it.
    Login,
    /// Everything.
    Session,
}

/// A stream whose other side is a server that may send anything.
pub(super) struct Limited<S> {
    inner: S,
    meter: Meter,
    /// Read, and not handed on yet.
    held: Vec<u8>,
    /// So many of these are whole.
    whole: usize,
    phase: Phase,
    /// Whether a line was handed on up to its middle.
    midst: bool,
    /// To be written as one piece: the library writes a command in four.
    out: Vec<u8>,
}

/// Nothing of what was read.
impl<S> fmt::Debug for Limited<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

impl<S> Limited<S> {
    /// No literal is allowed at first, and a greeting is due.
    pub(super) fn new(inner: S) -> Self {
        let (held, out) = (Vec::new(), Vec::new());
        let (meter, phase) = (Meter::default(), Phase::Greeting);
        Self { inner, meter, held, whole: 0, phase, midst: false, out }
    }

    /// What comes now.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// How many bytes may be handed on now.
    fn due(&mut self) -> usize {
        if self.phase == Phase::Session {
            return self.whole;
        }
        while let Some(end) = self.held.iter().take(self.whole).position(|b| *b == b'\n') {
            let line = end.saturating_add(1);
            if self.phase == Phase::Greeting || self.midst || !self.held.starts_with(b"* ") {
                return line;
            }
            self.take(line);
        }
        0
    }

    fn take(&mut self, count: usize) {
        self.held.drain(..count.min(self.held.len()));
        self.whole = self.whole.saturating_sub(count);
    }

    /// From the next response on each may have one literal of so many bytes; none with zero.
    pub(super) fn allow(&mut self, bytes: u64) {
        (self.meter.literals, self.meter.allowed) = (bytes, bytes);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let due = loop {
            let due = this.due();
            if due > 0 {
                break due;
            }
            let mut chunk = [0; CHUNK];
            let mut buffer = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let from = this.held.len();
            this.held.extend_from_slice(buffer.filled());
            let whole = this.meter.count(buffer.filled()).map_err(io::Error::other)?;
            if whole > 0 {
                this.whole = from.saturating_add(whole);
            }
        };
        let count = due.min(into.remaining());
        into.put_slice(this.held.get(..count).unwrap_or_default());
        this.midst = count < due;
        this.take(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.out.len() >= CHUNK {
            ready!(this.drain(context))?;
        }
        this.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.drain(context))?;
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.drain(context))?;
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}

impl<S: AsyncWrite + Unpin> Limited<S> {
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.drain(..written.min(self.out.len()));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// What is handed on of this, sent in pieces of that size, with literals up to `allowed`.
    async fn through(sent: &[u8], piece: usize, allowed: u64) -> Result<Vec<u8>, Overstep> {
        let (mut server, client) = duplex(1 << 20);
        let mut limited = Limited::new(client);
        limited.enter(Phase::Session);
        limited.allow(allowed);
        let sent = sent.to_vec();
        let sending = tokio::spawn(async move {
            for piece in sent.chunks(piece) {
                if server.write_all(piece).await.is_err() {
                    break;
                }
            }
        });
        let mut got = Vec::new();
        let read = limited.read_to_end(&mut got).await;
        sending.abort();
        match read {
            Ok(_) => Ok(got),
            Err(error) => Err(*error.get_ref().unwrap().downcast_ref::<Overstep>().unwrap()),
        }
    }

    #[tokio::test]
    async fn what_was_agreed_to_passes_in_whole_lines() {
        let mail =
            b"* 1 FETCH (UID 7 BODY[] {5}\r\na\r\n{9)\r\n* 2 FETCH (UID 8 BODY[] {2}\r\nxy)\r\nA1 OK\r\n";
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(through(mail, piece, 5).await.unwrap(), mail, "in pieces of {piece}");
        }
        assert_eq!(through(b"* OK a\r\n* OK b", 4, 0).await.unwrap(), b"* OK a\r\n", "half a line is none");
    }

    #[tokio::test]
    async fn what_was_not_agreed_to_does_not() {
        let literal = |announced, allowed| Err(Overstep::Literal { announced, allowed });
        assert_eq!(through(b"* 1 FETCH (BODY[] {4294967296}\r\n", 5, 10).await, literal(1 << 32, 10));
        assert_eq!(through(b"* OK {1}\r\n", 5, 0).await, literal(1, 0), "none was asked for");
        let many = format!("* OK {{{}}}\r\n", "9".repeat(500));
        assert_eq!(through(many.as_bytes(), 500, 10).await, literal(u64::MAX, 10));
        let two = b"* 1 FETCH (BODY[] {2}\r\nab X {2}\r\nab)\r\n";
        assert_eq!(through(two, 50, 2).await, literal(2, 0), "one in a response");
        assert_eq!(through(&[b'a'; MAX_LINE + 1], 1000, 0).await, Err(Overstep::Line));
        let split = [&b"* 1 FETCH ("[..], &b"a {0}\r\n".repeat(2)].concat();
        assert_eq!(through(&split, 9, 0).await.unwrap(), split, "nothing is no literal");
        let endless = b"{0}\r\n".repeat(MAX_LINE / 5 + 1);
        assert_eq!(
            through(&endless, 1000, 0).await,
            Err(Overstep::Line),
            "a response, whatever it is cut into"
        );
        let deep = b"(".repeat(MAX_DEPTH + 1);
        assert_eq!(through(&deep, 1, 0).await, Err(Overstep::Depth));
        assert!(through(&[b"()".repeat(100), b"\r\n".to_vec()].concat(), 9, 0).await.is_ok());
    }

    #[tokio::test]
    async fn a_login_hears_only_what_answers_it() {
        let (mut server, client) = duplex(1 << 10);
        let mut limited = Limited::new(client);
        server
            .write_all(b"* OK hello\r\n* OK wait\r\n+ \r\n* OK wait\r\nA1 OK\r\n* 1 EXISTS\r\n")
            .await
            .unwrap();
        drop(server);
        let mut line = [0; 100];
        let read = limited.read(&mut line).await.unwrap();
        assert_eq!(&line[..read], b"* OK hello\r\n");
        limited.enter(Phase::Login);
        for expected in [&b"+ "[..], b"\r\n", b"A1 OK\r\n"] {
            let read = limited.read(&mut line[..expected.len()]).await.unwrap();
            assert_eq!(&line[..read], expected);
        }
        limited.enter(Phase::Session);
        let read = limited.read(&mut line).await.unwrap();
        assert_eq!(&line[..read], b"* 1 EXISTS\r\n");
    }

    #[tokio::test]
    async fn a_command_leaves_in_one_piece_when_it_is_flushed() {
        let (mut server, client) = duplex(1 << 10);
        let mut limited = Limited::new(client);
        limited.write_all(b"A1").await.unwrap();
        limited.write_all(b" NOOP\r\n").await.unwrap();
        limited.flush().await.unwrap();
        let mut got = [0; 20];
        assert_eq!(server.read(&mut got).await.unwrap(), 9);
    }
}
