//! Header fields and the parameters of `Content-Type`, as bytes. Linear in the length of the header.

/// One header field as it stands in the mail.
#[derive(Clone, Copy)]
pub(super) struct RawField<'a> {
    /// Without the white space that old mail programs put before the colon.
    pub name: &'a [u8],
    /// Folded as it came, without its last line end.
    pub value: &'a [u8],
}

impl RawField<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The header fields at the start of `block`, up to the first empty line. Lines that are no field are passed over.
pub(super) fn fields(block: &[u8]) -> impl Iterator<Item = RawField<'_>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        loop {
            let (line, after) = split_field(rest)?;
            rest = after;
            if let Some(field) = parse(line) {
                return Some(field);
            }
        }
    })
}

/// Whether all lines of a header block belong to fields.
pub(super) fn is_all_fields(block: &[u8]) -> bool {
    let mut rest = block;
    while let Some((line, after)) = split_field(rest) {
        if parse(line).is_none() {
            return false;
        }
        rest = after;
    }
    true
}

/// Header block and body. The empty line between them belongs to neither.
pub(super) fn split(entity: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(rest) = entity.get(at..).filter(|rest| !rest.is_empty()) {
        let len = line_len(rest);
        if is_blank(rest.get(..len).unwrap_or_default()) {
            return (entity.get(..at).unwrap_or_default(), rest.get(len..).unwrap_or_default());
        }
        at += len;
    }
    (entity, &[])
}

/// Whether the header block of an entity is nothing but fields: no line that is none, none that is only white space (to
/// some readers it ends the header), no line end but its own. What else stands there some readers show as text.
pub(super) fn is_unmistakable(entity: &[u8]) -> bool {
    let head = split(entity).0;
    let seen_alike = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        !line.trim_ascii().is_empty() && !line.contains(&b'\r')
    };
    head.strip_suffix(b"\n").unwrap_or(head).split(|&b| b == b'\n').all(seen_alike) && is_all_fields(head)
}

/// The length of the first line, its line end included.
pub(super) fn line_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |at| at + 1)
}

/// Whether a line (with its line end) ends a header block.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line == b"\n" || line == b"\r\n"
}

fn split_field(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = line_len(rest);
    if len == 0 || is_blank(rest.get(..len)?) {
        return None;
    }
    // RFC 5322 §2.2.3: a line that starts with white space continues the field.
    while let Some(b' ' | b'\t') = rest.get(len) {
        len += line_len(rest.get(len..)?);
    }
    Some(rest.split_at(len))
}

fn parse(line: &[u8]) -> Option<RawField<'_>> {
    let colon = line.iter().position(|&b| b == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    // RFC 5322 §3.6.8: printable ASCII; an mbox "From " line is none.
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let value = line.get(colon + 1..)?;
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    Some(RawField { name, value: value.strip_suffix(b"\r").unwrap_or(value) })
}

/// A media type with its parameters (RFC 2045 §5, RFC 2231).
pub(super) struct ContentType {
    main: String,
    sub: String,
    params: Vec<Param>,
}

struct Param {
    name: String,
    /// RFC 2231 §3: the number of a piece of a value.
    piece: Option<u32>,
    /// RFC 2231 §4: percent-encoded, the first piece with character set and language in front.
    extended: bool,
    value: Vec<u8>,
}

impl ContentType {
    /// What RFC 2045 §5.2 says an entity without the field is.
    pub(super) fn text() -> Self {
        Self { main: "text".into(), sub: "plain".into(), params: Vec::new() }
    }

    /// RFC 2046 §5.1.5: what a part of a digest without the field is.
    pub(super) fn message() -> Self {
        Self { main: "message".into(), sub: "rfc822".into(), params: Vec::new() }
    }

    /// Reads a folded value; what makes no sense is passed over.
    pub(super) fn parse(value: &[u8]) -> Self {
        let mut cursor = Cursor { bytes: value, at: 0 };
        let main = cursor.token(b"/;");
        let sub = if cursor.take(b'/') { cursor.token(b";") } else { Vec::new() };
        let mut params = Vec::new();
        while cursor.skip_to_parameter() {
            let name = cursor.token(b"=;");
            if cursor.take(b'=')
                && let Some(param) = Param::named(&name, cursor.value())
            {
                params.push(param);
            }
        }
        Self { main: lower(&main), sub: lower(&sub), params }
    }

    pub(super) fn is(&self, main: &str, sub: &str) -> bool {
        self.main == main && self.sub == sub
    }

    pub(super) fn main(&self) -> &str {
        &self.main
    }

    /// A parameter's value: the plain form, else the extended one, else its pieces in order.
    pub(super) fn param(&self, name: &str) -> Option<Vec<u8>> {
        let mut named: Vec<&Param> = self.params.iter().filter(|p| p.name == name).collect();
        if let Some(whole) = named.iter().find(|p| p.piece.is_none() && !p.extended) {
            return Some(whole.value.clone());
        }
        if let Some(whole) = named.iter().find(|p| p.piece.is_none()) {
            return Some(whole.decoded(true));
        }
        named.sort_by_key(|p| p.piece);
        let mut out = Vec::new();
        for (wanted, param) in (0..).zip(&named) {
            // RFC 2231 §3: pieces are numbered from zero without gaps.
            if param.piece != Some(wanted) {
                break;
            }
            out.extend(param.decoded(wanted == 0));
        }
        (!out.is_empty()).then_some(out)
    }

    /// Whether a parameter has that value; case does not matter.
    pub(super) fn param_is(&self, name: &str, value: &str) -> bool {
        self.param(name).is_some_and(|v| v.eq_ignore_ascii_case(value.as_bytes()))
    }

    /// Whether a parameter is given twice over, so that two readers may take two values.
    pub(super) fn is_ambiguous(&self, name: &str) -> bool {
        let whole = self.params.iter().filter(|p| p.name == name && p.piece.is_none()).count();
        let first = self.params.iter().filter(|p| p.name == name && p.piece == Some(0)).count();
        whole + first > 1
    }
}

impl Param {
    fn named(name: &[u8], value: Vec<u8>) -> Option<Self> {
        let name = lower(name);
        let mut pieces = name.split('*');
        let base = pieces.next().filter(|base| !base.is_empty())?.to_owned();
        let (piece, extended) = match (pieces.next(), pieces.next()) {
            (None, _) => (None, false),
            (Some(""), None) => (None, true),
            (Some(number), last) => (Some(number.parse().ok()?), last.is_some()),
        };
        Some(Self { name: base, piece, extended, value })
    }

    fn decoded(&self, first: bool) -> Vec<u8> {
        if !self.extended {
            return self.value.clone();
        }
        let mut value = self.value.as_slice();
        // RFC 2231 §4: charset'language'text.
        if first && value.iter().filter(|&&b| b == b'\'').count() >= 2 {
            value = value.splitn(3, |&b| b == b'\'').last().unwrap_or_default();
        }
        let mut out = Vec::with_capacity(value.len());
        let mut bytes = value.iter().copied();
        while let Some(byte) = bytes.next() {
            let mut ahead = bytes.clone();
            match (byte, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                (b'%', Some(high), Some(low)) => {
                    out.push(high * 16 + low);
                    bytes = ahead;
                }
                _ => out.push(byte),
            }
        }
        out
    }
}

/// The value of a hexadecimal digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

fn lower(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_ascii_lowercase()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Passes white space and comments (RFC 5322 §3.2.2), which nest: a counter, not recursion.
    fn skip_cfws(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => self.at += 1,
                _ if depth > 0 || byte.is_ascii_whitespace() => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    /// A token up to white space, a comment or one of `stops`; the cursor then stands on what follows it.
    fn token(&mut self, stops: &[u8]) -> Vec<u8> {
        self.skip_cfws();
        let from = self.at;
        while self.peek().is_some_and(|b| !b.is_ascii_whitespace() && b != b'(' && !stops.contains(&b)) {
            self.at += 1;
        }
        let token = self.bytes.get(from..self.at).unwrap_or_default().to_vec();
        self.skip_cfws();
        token
    }

    fn value(&mut self) -> Vec<u8> {
        self.skip_cfws();
        if !self.take(b'"') {
            return self.token(b";");
        }
        let mut out = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    out.extend(self.peek());
                    self.at += 1;
                }
                b'\r' | b'\n' => {}
                _ => out.push(byte),
            }
        }
        out
    }

    /// Goes to the next parameter, over whatever stands before its semicolon.
    fn skip_to_parameter(&mut self) -> bool {
        loop {
            self.skip_cfws();
            match self.peek() {
                None => return false,
                Some(b';') => {
                    self.at += 1;
                    self.skip_cfws();
                    if self.peek() != Some(b';') {
                        return self.peek().is_some();
                    }
                }
                Some(b'"') => {
                    self.value();
                }
                Some(_) => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary(value: &str) -> Option<String> {
        ContentType::parse(value.as_bytes()).param("boundary").map(|v| String::from_utf8(v).unwrap())
    }

    #[test]
    fn finds_fields_folded_spaced_and_among_rubbish() {
        let block = b"From someone Mon 10:00\nA : one\r\n\ttwo\r\nrubbish\r\nb:3\n\nC: body";
        let all: Vec<_> = fields(block).map(|f| (f.name, f.value)).collect();
        assert_eq!(all, [(&b"A"[..], &b" one\r\n\ttwo"[..]), (b"b", b"3")]);
        assert_eq!(split(block).1, b"C: body");
        assert!(
            !is_all_fields(block)
                && is_all_fields(b"A : one\r\n\ttwo\r\nb:3\n\nrubbish")
                && is_all_fields(b"")
        );
    }

    #[test]
    fn reads_parameters_in_every_notation() {
        assert_eq!(boundary("multipart/mixed; boundary=simple").as_deref(), Some("simple"));
        assert_eq!(
            boundary("multipart/mixed;\r\n\tBOUNDARY = \"a \\\"b\\\" ;c\"").as_deref(),
            Some("a \"b\" ;c")
        );
        assert_eq!(boundary("multipart/mixed (a(b\\))c; boundary=no); boundary=yes").as_deref(), Some("yes"));
        assert_eq!(boundary("multipart/mixed; x=\"; boundary=no\"; boundary=yes").as_deref(), Some("yes"));
        assert_eq!(boundary("multipart/mixed; boundary*1=two; boundary*0=one").as_deref(), Some("onetwo"));
        assert_eq!(boundary("multipart/mixed; boundary*=utf-8'en'a%20b").as_deref(), Some("a b"));
        assert_eq!(boundary("multipart/mixed; boundary*0*=''a%3D; boundary*1=%3D").as_deref(), Some("a=%3D"));
        assert_eq!(boundary("multipart/mixed; boundary=----=_Part/1:2").as_deref(), Some("----=_Part/1:2"));
        assert_eq!(boundary("multipart/mixed; boundary*1=two").as_deref(), None);
        assert_eq!(boundary("multipart/mixed; charset=\"x\" boundary").as_deref(), None);
    }

    #[test]
    fn reads_the_type_through_comments_and_case() {
        assert!(ContentType::parse(b" MultiPart (x) / (y) Encrypted (z);").is("multipart", "encrypted"));
        assert!(ContentType::parse(b"text").is("text", ""));
    }

    #[test]
    fn knows_when_two_readers_may_take_two_values() {
        let twice = ContentType::parse(b"multipart/mixed; boundary=a; boundary*=''b");
        assert!(twice.is_ambiguous("boundary"));
        let pieces = ContentType::parse(b"multipart/mixed; boundary*0=a; boundary*1=b");
        assert!(!pieces.is_ambiguous("boundary"));
    }
}
