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
/// The most opening parentheses in it: what we ask for has two. All are counted, not how deep they are: a closing one may
/// stand in a quoted string, where it closes nothing, and the library goes one call deeper for each level.
const MAX_OPENED: usize = 16;
/// So much of a response tells which it is.
const HEAD: usize = 24;
/// RFC 3501 §7.4.2: what stands before the literal of the one thing that is asked for as a literal.
const BODY: &[u8] = b"BODY[] ";
/// How much is read, and collected to be written, at once.
const CHUNK: usize = 16 * 1024;

/// A server that sends more than it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Overstep {
    /// A response without an end.
    #[error("it sent a response of more than {MAX_LINE} bytes")]
    Line,
    /// A response that could be too deep.
    #[error("it sent a response with more than {MAX_OPENED} opening parentheses")]
    Depth,
    /// What could be taken for a literal where none can be: two who read it differently would see different responses.
    #[error("it announced a literal outside the body of a mail")]
    Misplaced,
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
    /// The first of them.
    head: Vec<u8>,
    /// How many of the last of them are a beginning of [`BODY`].
    body: usize,
    opened: usize,
    /// Bytes of a literal that are still to come.
    literal: u64,
    brace: Brace,
}

/// What stands at the end of the line so far: a literal is announced by `{`, digits, `}`, CR and LF. With how many
/// bytes, and whether one can stand there.
#[derive(Clone, Copy, Debug, Default)]
enum Brace {
    #[default]
    None,
    Open(u64, bool),
    Closed(u64, bool),
    Cr(u64, bool),
}

/// RFC 3501 §7.4.2: `* n FETCH (`, as we ask for it.
fn is_fetch(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(b"* ") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let verb = rest.get(digits..).and_then(|rest| rest.get(..8));
    digits > 0 && verb.is_some_and(|verb| verb.eq_ignore_ascii_case(b" FETCH ("))
}

impl Meter {
    /// How many of these bytes may be handed on, now that they are here: all up to the last line end, or all of them
    /// while a literal lasts. What is no ASCII outside of literals becomes a question mark: nothing that is looked at is
    /// anything else (RFC 3501 §9), and the library panics where it cuts such a text in the middle of a character.
    fn count(&mut self, bytes: &mut [u8]) -> Result<usize, Overstep> {
        let (mut at, mut whole) = (0, 0);
        let length = bytes.len();
        while let Some(byte) = bytes.get_mut(at) {
            if self.literal > 0 {
                let left = usize::try_from(self.literal).unwrap_or(usize::MAX);
                let here = left.min(length.saturating_sub(at));
                at = at.saturating_add(here);
                self.literal = self.literal.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                whole = at;
                continue;
            }
            at = at.saturating_add(1);
            if !byte.is_ascii() {
                *byte = b'?';
            }
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
        if self.head.len() < HEAD {
            self.head.push(byte);
        }
        let brace = std::mem::take(&mut self.brace);
        let body = std::mem::take(&mut self.body);
        match (byte, brace) {
            // RFC 3501 §9: msg-att. Anywhere else the library may see text.
            (b'{', _) => self.brace = Brace::Open(0, body == BODY.len() && is_fetch(&self.head)),
            (b'0'..=b'9', Brace::Open(n, due)) => {
                self.brace = Brace::Open(n.saturating_mul(10).saturating_add(u64::from(byte - b'0')), due);
            }
            // RFC 7888: the other side's form. A server has no use for it, and it means the same.
            (b'+', Brace::Open(n, due)) => self.brace = Brace::Open(n, due),
            (b'}', Brace::Open(n, due)) => self.brace = Brace::Closed(n, due),
            (b'\r', Brace::Closed(n, due)) => self.brace = Brace::Cr(n, due),
            (b'\n', Brace::Cr(_, false)) => return Err(Overstep::Misplaced),
            (b'\n', Brace::Cr(announced, true)) => {
                if announced > self.allowed {
                    return Err(Overstep::Literal { announced, allowed: self.allowed });
                }
                // One in a response: what we ask for has no second.
                self.allowed = 0;
                self.literal = announced;
                return Ok(true);
            }
            (b'\n', _) => {
                (self.line, self.opened, self.allowed) = (0, 0, self.literals);
                self.head.clear();
                return Ok(true);
            }
            (b'(', _) => {
                self.opened = self.opened.saturating_add(1);
                if self.opened > MAX_OPENED {
                    return Err(Overstep::Depth);
                }
            }
            // No beginning of it but the first byte stands anywhere else in it.
            _ => {
                let next = BODY.get(body).is_some_and(|due| byte.eq_ignore_ascii_case(due));
                self.body =
                    if next { body.saturating_add(1) } else { usize::from(byte.eq_ignore_ascii_case(&b'B')) };
            }
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
            let whole = this.meter.count(buffer.filled_mut()).map_err(io::Error::other)?;
            this.held.extend_from_slice(buffer.filled());
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
mod tests;
