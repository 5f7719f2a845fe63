//! A copy as text, piece by piece: frame, wrapped key and body, of which only one piece is in memory at a time.

use std::future::Future;

use crate::egress::dkim::Signers;
use crate::egress::smtp::trouble::Trouble;
use crate::mail::parcel::{Base64Lines, Parcel};

/// How the text of the frame around the base64 is written down; base64 is the same either way.
type Frame = fn(&[u8]) -> Vec<u8>;

/// A copy's text from its first byte to its last.
pub(crate) struct Pieces<'a> {
    parcel: &'a Parcel,
    frame: Frame,
    /// None once the end was given.
    lines: Option<Base64Lines>,
    /// How much of the stored body was read; none before the first piece.
    offset: Option<u64>,
}

impl<'a> Pieces<'a> {
    /// The copy as the message that it is (RFC 5322 §2.3): lines end in CRLF.
    pub(crate) fn of_message(parcel: &'a Parcel) -> Self {
        Self { parcel, frame: message_lines, lines: Some(Base64Lines::default()), offset: None }
    }

    /// The copy as it travels (RFC 5321 §4.5.2): dots at the beginning of lines are doubled. The final dot is not among it.
    pub(crate) fn on_the_wire(parcel: &'a Parcel) -> Self {
        Self { frame: on_the_wire, ..Self::of_message(parcel) }
    }

    /// The next piece; none after the last one. `body` gives the stored body's bytes from an offset on, as many as it
    /// likes.
    ///
    /// # Errors
    /// When the stored body cannot be read, or has another length than the parcel says.
    pub(crate) async fn next<F, Fut>(&mut self, body: &mut F) -> Result<Option<Vec<u8>>, Trouble>
    where
        F: FnMut(u64) -> Fut,
        Fut: Future<Output = Result<Vec<u8>, String>>,
    {
        let Some(lines) = self.lines.as_mut() else { return Ok(None) };
        let Some(offset) = self.offset else {
            self.offset = Some(0);
            let mut piece = (self.frame)(&self.parcel.opening());
            piece.extend(lines.push(self.parcel.key.as_bytes()));
            return Ok(Some(piece));
        };
        if offset < self.parcel.body_len {
            let read = body(offset).await.map_err(Trouble::Body)?;
            let offset = offset.saturating_add(u64::try_from(read.len()).unwrap_or(u64::MAX));
            // A body that is not whole must not arrive: without the final dot nothing was sent.
            if read.is_empty() || offset > self.parcel.body_len {
                return Err(Trouble::Body("it does not have the length it should have".to_owned()));
            }
            self.offset = Some(offset);
            return Ok(Some(lines.push(&read)));
        }
        let mut piece = self.lines.take().unwrap_or_default().finish();
        piece.extend((self.frame)(&self.parcel.closing()));
        Ok(Some(piece))
    }
}

/// Lines as they travel: each ends in CRLF (RFC 5321 §2.3.8: nothing else does), and a dot at its beginning is doubled
/// (RFC 5321 §4.5.2).
pub(crate) fn on_the_wire(text: &[u8]) -> Vec<u8> {
    lines(text, b"..")
}

fn message_lines(text: &[u8]) -> Vec<u8> {
    lines(text, b".")
}

/// The text with CRLF at the end of each line, and `dot` for a dot at the beginning of one.
fn lines(text: &[u8], dot: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut bytes = text.iter().copied().peekable();
    let mut at_start = true;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' {
                    bytes.next_if_eq(&b'\n');
                }
                out.extend_from_slice(b"\r\n");
                at_start = true;
            }
            b'.' if at_start => {
                out.extend_from_slice(dot);
                at_start = false;
            }
            byte => {
                out.push(byte);
                at_start = false;
            }
        }
    }
    out
}

/// What stands in front of the copy: its signatures, over all of it (RFC 6376 §3.7), or nothing.
pub(super) async fn signatures<F, Fut>(
    signers: &Signers,
    parcel: &Parcel,
    body: &mut F,
) -> Result<Vec<u8>, Trouble>
where
    F: FnMut(u64) -> Fut,
    Fut: Future<Output = Result<Vec<u8>, String>>,
{
    let Some(mut signing) = signers.begin(parcel) else { return Ok(Vec::new()) };
    let mut pieces = Pieces::of_message(parcel);
    while let Some(piece) = pieces.next(body).await? {
        signing.push(&piece);
    }
    // RSA takes about a millisecond, in which this thread would serve nobody else.
    let signed = tokio::task::spawn_blocking(move || signing.finish()).await;
    signed.map_err(|_| Trouble::Unsigned("signing broke off".to_owned()))?.map_err(Trouble::Unsigned)
}
