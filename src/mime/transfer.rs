//! Content-Transfer-Encoding (RFC 2045 §6), decoded as leniently as mail programs do.

use std::borrow::Cow;

use super::field::{ContentType, hex};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, or something nobody knows.
    Identity,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    /// From the value of the field; white space, comments and case do not matter.
    pub(super) fn parse(value: &[u8]) -> Self {
        match ContentType::parse(value).main() {
            "base64" => Self::Base64,
            "quoted-printable" => Self::QuotedPrintable,
            _ => Self::Identity,
        }
    }

    /// The bytes that were encoded; never more than there are in `body`.
    pub(super) fn decode(self, body: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(body),
            Self::Base64 => Cow::Owned(base64(body)),
            Self::QuotedPrintable => Cow::Owned(quoted_printable(body)),
        }
    }
}

fn base64(body: &[u8]) -> Vec<u8> {
    strict_base64(body).unwrap_or_else(|| lenient_base64(body))
}

/// Lines of nothing but the alphabet, padded at their end: what nearly everybody writes, and read far sooner.
fn strict_base64(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at_checked(end)?;
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        rest = after.get(1..)?;
    }
    out.extend_from_slice(rest);
    let len = base64_simd::STANDARD.decode_inplace(&mut out).ok()?.len();
    out.truncate(len);
    Some(out)
}

/// RFC 2045 §6.8: characters outside the alphabet are ignored; padding ends a run, and another may follow.
fn lenient_base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for &byte in body {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                (bits, held) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6 | u32::from(six)) & 0x3fff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    out
}

/// RFC 2045 §6.7: `=XX`, soft line breaks, and white space at a line's end that does not count.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|&b| b == b'\n') {
        let text = line.trim_ascii_end();
        let end = line.get(line_end(line)..).unwrap_or_default();
        let (text, soft) = text.strip_suffix(b"=").map_or((text, false), |t| (t, true));
        decode_line(text, &mut out);
        if !soft {
            out.extend_from_slice(end);
        }
    }
    out
}

/// Where the line end (CRLF, LF or none) of a line begins.
fn line_end(line: &[u8]) -> usize {
    let bare = line.strip_suffix(b"\n").map_or(line, |l| l.strip_suffix(b"\r").unwrap_or(l));
    bare.len()
}

fn decode_line(line: &[u8], out: &mut Vec<u8>) {
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match (byte, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'=', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_base64_over_line_ends_padding_and_rubbish() {
        assert_eq!(&*Encoding::Base64.decode(b"aGVs\r\nbG8=\r\n d29y!bGQ="), b"helloworld");
        assert_eq!(&*Encoding::Base64.decode(b"aGVsbG8"), b"hello");
    }

    #[test]
    fn what_is_well_written_is_read_alike_either_way() {
        for len in [0, 1, 2, 3, 47, 48, 49, 1000] {
            let bytes: Vec<u8> = (0..len).map(|n| (n * 7 % 256) as u8).collect();
            let text = data_encoding::BASE64.encode(&bytes);
            for end in ["\r\n", "\n", ""] {
                let body: String = text
                    .as_bytes()
                    .chunks(76)
                    .map(|l| format!("{}{end}", String::from_utf8_lossy(l)))
                    .collect();
                assert_eq!(strict_base64(body.as_bytes()).as_deref(), Some(&*bytes), "{len} {end:?}");
                assert_eq!(lenient_base64(body.as_bytes()), bytes);
            }
        }
        for odd in ["aGVsbG8", "aGVsbG8=aGVs", "aGVs bG8=", "aGVsbG9=", "aGVs*bG8="] {
            assert_eq!(strict_base64(odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn decodes_quoted_printable_and_keeps_line_ends() {
        let body = b"a=3Db =\r\nc  \r\nd=2\r\ne=\n=E4";
        assert_eq!(&*Encoding::QuotedPrintable.decode(body), b"a=b c\r\nd=2\r\ne\xe4");
    }

    #[test]
    fn knows_the_field_in_every_notation() {
        assert_eq!(Encoding::parse(b" (x) BASE64 "), Encoding::Base64);
        assert_eq!(Encoding::parse(b" Base64 (really)"), Encoding::Base64);
        assert_eq!(Encoding::parse(b"\r\n quoted-printable"), Encoding::QuotedPrintable);
        assert_eq!(Encoding::parse(b"8bit"), Encoding::Identity);
    }
}
