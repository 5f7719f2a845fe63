//! The one idea of structure: a walk over lines that builds a flat list of parts. It does not recurse, takes each
//! line once and compares it with at most `depth` delimiters, so its time is linear in the size of the mail.

use std::ops::Range;

use super::field::{self, ContentType};
use super::transfer::Encoding;

/// What a mail may measure before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in all.
    pub size: usize,
    /// Bytes of one part's header, the headers of messages nested directly in it included.
    pub header_bytes: usize,
    /// Multiparts and messages inside each other.
    pub depth: usize,
    /// Parts in all, the mail itself and containers included.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size: 50 << 20, header_bytes: 100 << 10, depth: 20, parts: 1000 }
    }
}

impl Limits {
    /// For what already passed a scan.
    pub(super) const PASSED: Self =
        Self { size: usize::MAX, header_bytes: usize::MAX, depth: usize::MAX, parts: usize::MAX };
}

/// The limit that a mail exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// [`Limits::size`].
    #[error("the mail is larger than this relay takes: send less, or a link to an encrypted file")]
    Size,
    /// [`Limits::header_bytes`].
    #[error("the header of the mail or of one of its parts is larger than this relay takes: shorten it")]
    Headers,
    /// [`Limits::depth`].
    #[error("the mail nests parts deeper than this relay takes: attach forwarded mail as a file")]
    Depth,
    /// [`Limits::parts`].
    #[error("the mail has more parts than this relay takes: pack the attachments into one file")]
    Parts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf,
    Multipart,
    Message,
}

/// One entity. Ranges are byte offsets into the walked bytes.
pub(super) struct Part {
    pub parent: Option<usize>,
    pub kind: Kind,
    pub ctype: ContentType,
    pub encoding: Encoding,
    /// Header and body, without the line end that belongs to the delimiter behind it.
    pub whole: Range<usize>,
    pub body: Range<usize>,
    /// A multipart whose closing delimiter was seen.
    pub closed: bool,
    /// A field or parameter that decides about structure is given twice: two readers may take two values.
    pub ambiguous: bool,
    /// A line only begins like one of its delimiters: two readers may find two sets of parts.
    pub blurred: bool,
}

/// The parts of an entity in the order they start; the first is the entity itself.
pub(super) fn walk(data: &[u8], limits: &Limits) -> Result<Vec<Part>, ScanError> {
    if data.len() > limits.size {
        return Err(ScanError::Size);
    }
    let mut walker = Walker::new(data, limits);
    let mut at = 0;
    while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
        let len = field::line_len(rest);
        walker.line(at, rest.get(..len).unwrap_or_default())?;
        at += len;
    }
    walker.end()
}

/// A container that is still open. What closes it is a delimiter further out, or the end of the mail.
struct Frame {
    part: usize,
    /// `None`: a message, or a multipart behind its closing delimiter.
    boundary: Option<Vec<u8>>,
    digest: bool,
}

struct Walker<'a> {
    data: &'a [u8],
    limits: &'a Limits,
    parts: Vec<Part>,
    stack: Vec<Frame>,
    /// The leaf whose body is being passed over.
    leaf: Option<usize>,
    /// Where the header block starts that is being passed over.
    header: Option<usize>,
    header_bytes: usize,
}

impl<'a> Walker<'a> {
    fn new(data: &'a [u8], limits: &'a Limits) -> Self {
        let (parts, stack) = (Vec::new(), Vec::new());
        Self { data, limits, parts, stack, leaf: None, header: Some(0), header_bytes: 0 }
    }

    fn line(&mut self, at: usize, line: &[u8]) -> Result<(), ScanError> {
        if let Some((frame, closes)) = self.delimiter(line) {
            return self.delimit(at, at + line.len(), frame, closes);
        }
        let Some(start) = self.header else { return Ok(()) };
        self.header_bytes += line.len();
        if self.header_bytes > self.limits.header_bytes {
            return Err(ScanError::Headers);
        }
        if field::is_blank(line) { self.open(start, at, Some(at + line.len())) } else { Ok(()) }
    }

    fn end(mut self) -> Result<Vec<Part>, ScanError> {
        let end = self.data.len();
        if let Some(start) = self.header.take() {
            self.open(start, end, None)?;
        }
        self.close_from(0, end);
        Ok(self.parts)
    }

    /// The innermost open multipart that the line delimits, and whether it closes it. RFC 2046 §5.1.1: two dashes,
    /// the boundary, and nothing but white space behind it. Multiparts that a reader who compares only the beginning
    /// of the line would take for delimited are marked.
    fn delimiter(&mut self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?.trim_ascii_end();
        let mut found = None;
        for (index, frame) in self.stack.iter().enumerate().rev() {
            let Some(rest) = frame.boundary.as_ref().and_then(|b| line.strip_prefix(b.as_slice())) else {
                continue;
            };
            match (found, rest) {
                (None, b"") => found = Some((index, false)),
                (None, b"--") => found = Some((index, true)),
                _ => self.parts.get_mut(frame.part).into_iter().for_each(|part| part.blurred = true),
            }
        }
        found
    }

    /// Ends what is open inside a multipart and starts its next part, or its epilogue.
    fn delimit(&mut self, at: usize, after: usize, frame: usize, closes: bool) -> Result<(), ScanError> {
        // RFC 2046 §5.1.1: the line end before the delimiter belongs to the delimiter.
        let before = self.data.get(..at).unwrap_or_default();
        let before = before.strip_suffix(b"\n").map_or(before, |b| b.strip_suffix(b"\r").unwrap_or(b));
        if let Some(start) = self.header.take() {
            self.open(start, before.len().max(start), None)?;
        }
        self.close_from(frame + 1, before.len());
        self.header_bytes = 0;
        self.header = (!closes).then_some(after);
        if closes
            && let Some(frame) = self.stack.get_mut(frame)
            && let Some(part) = self.parts.get_mut(frame.part)
        {
            part.closed = true;
            frame.boundary = None;
        }
        Ok(())
    }

    /// Records the part whose header block stands at `start..end`; its body, if it has one, follows.
    fn open(&mut self, start: usize, end: usize, body: Option<usize>) -> Result<(), ScanError> {
        if self.parts.len() >= self.limits.parts {
            return Err(ScanError::Parts);
        }
        let parent = self.stack.last();
        let default =
            if parent.is_some_and(|p| p.digest) { ContentType::message() } else { ContentType::text() };
        let mut part = describe(self.data.get(start..end).unwrap_or_default(), default);
        part.parent = parent.map(|p| p.part);
        part.whole = start..end;
        part.body = body.unwrap_or(end)..end;
        let boundary = boundary(&part.ctype);
        part.kind = kind(&part, boundary.is_some() && body.is_some(), body.is_some());

        let index = self.parts.len();
        (self.header, self.leaf) = (None, None);
        match part.kind {
            Kind::Leaf => self.leaf = Some(index),
            Kind::Multipart => {
                self.stack.push(Frame {
                    part: index,
                    boundary,
                    digest: part.ctype.is("multipart", "digest"),
                });
            }
            Kind::Message => {
                self.stack.push(Frame { part: index, boundary: None, digest: false });
                self.header = body;
            }
        }
        self.parts.push(part);
        if self.stack.len() > self.limits.depth { Err(ScanError::Depth) } else { Ok(()) }
    }

    /// Ends the open leaf and the containers from `frame` inwards.
    fn close_from(&mut self, frame: usize, end: usize) {
        let inner = self.stack.drain(frame.min(self.stack.len())..).map(|f| f.part);
        for index in inner.chain(self.leaf.take()) {
            if let Some(part) = self.parts.get_mut(index) {
                part.whole.end = end.max(part.whole.start);
                part.body.end = end.max(part.body.start);
            }
        }
    }
}

fn describe(header: &[u8], default: ContentType) -> Part {
    let (mut ctype, mut encoding, mut seen) = (None, None, 0);
    for field in field::fields(header) {
        if field.is("Content-Type") {
            seen += 1;
            ctype.get_or_insert_with(|| ContentType::parse(field.value));
        } else if field.is("Content-Transfer-Encoding") {
            seen += 1;
            encoding.get_or_insert_with(|| Encoding::parse(field.value));
        }
    }
    let fields_once = seen == usize::from(ctype.is_some()) + usize::from(encoding.is_some());
    let ctype = ctype.unwrap_or(default);
    let twice = ctype.is_ambiguous("boundary") || ctype.is_ambiguous("protocol");
    Part {
        parent: None,
        kind: Kind::Leaf,
        ctype,
        encoding: encoding.unwrap_or(Encoding::Identity),
        whole: 0..0,
        body: 0..0,
        closed: false,
        ambiguous: twice || !fields_once,
        blurred: false,
    }
}

fn kind(part: &Part, has_boundary: bool, has_body: bool) -> Kind {
    match part.ctype.main() {
        "multipart" if has_boundary => Kind::Multipart,
        // RFC 2046 §5.2.1 forbids to encode a nested message. One that is encoded is a leaf here; whoever looks into
        // it decodes it first and walks again.
        "message" if has_body && part.encoding == Encoding::Identity && is_message(&part.ctype) => {
            Kind::Message
        }
        _ => Kind::Leaf,
    }
}

/// Whether the type says that a whole message lies inside.
pub(super) fn is_message(ctype: &ContentType) -> bool {
    ["rfc822", "global", "news"].iter().any(|sub| ctype.is("message", sub))
}

fn boundary(ctype: &ContentType) -> Option<Vec<u8>> {
    // RFC 2046 §5.1.1: a boundary does not end in white space, and it is not empty.
    ctype.param("boundary").map(|b| b.trim_ascii_end().to_vec()).filter(|b| !b.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mail: &[u8]) -> Vec<String> {
        let parts = walk(mail, &Limits::default()).unwrap_or_else(|e| panic!("{e}"));
        let body = |p: &Part| String::from_utf8_lossy(&mail[p.body.clone()]).into_owned();
        parts.iter().map(|p| format!("{:?} {:?} {:?}", p.parent, p.kind, body(p))).collect()
    }

    #[test]
    fn ends_parts_before_the_line_end_of_the_delimiter() {
        let mail = b"Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n\n--b  \r\nX: y\r\n\r\ntwo\r\n--b--\nepi\n--b\n";
        let shown = shown(mail);
        assert_eq!(shown[1..], [r#"Some(0) Leaf "one\n""#, r#"Some(0) Leaf "two""#]);
        assert!(shown[0].ends_with(r#"epi\n--b\n""#));
    }

    #[test]
    fn an_outer_delimiter_ends_everything_inside() {
        let mail = b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n\
            Content-Type: multipart/mixed; boundary=ab\n\n--ab\n\ninner\n--a\n\nouter\n--a--\n";
        let shown = shown(mail);
        assert_eq!(shown[3..], [r#"Some(2) Leaf "inner""#, r#"Some(0) Leaf "outer""#]);
        let parts = walk(mail, &Limits::default()).unwrap();
        assert_eq!(parts.iter().map(|p| p.blurred).collect::<Vec<_>>(), [true, false, false, false, false]);
        assert_eq!(parts.iter().map(|p| p.closed).collect::<Vec<_>>(), [true, false, false, false, false]);
    }

    #[test]
    fn parts_may_lack_body_header_or_both() {
        let mail = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\nX: y\n--b\n\n--b\n\n\n--b";
        let bodies: Vec<_> = shown(mail).into_iter().skip(1).collect();
        assert_eq!(bodies, [r#"Some(0) Leaf """#; 5]);
    }

    #[test]
    fn a_digest_holds_messages() {
        let mail = b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nhello\n--b--";
        assert_eq!(shown(mail)[1..], [r#"Some(0) Message "Subject: x\n\nhello""#, r#"Some(1) Leaf "hello""#]);
    }

    #[test]
    fn without_a_boundary_or_when_encoded_nothing_is_inside() {
        assert_eq!(shown(b"Content-Type: multipart/mixed\n\n--\n\nx\n").len(), 1);
        assert_eq!(shown(b"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n").len(), 1);
        let encoded =
            b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n";
        assert_eq!(shown(encoded).len(), 1);
    }
}
