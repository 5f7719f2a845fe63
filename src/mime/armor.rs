//! Where an OpenPGP message stands in ASCII armor (RFC 9580 §6.2): found by its lines, not decoded.

use std::borrow::Cow;

use memchr::memmem;

const BEGIN: &[u8] = b"-----BEGIN PGP MESSAGE-----";
const END: &[u8] = b"-----END PGP MESSAGE-----";
/// Also the head of the old split form, "BEGIN PGP MESSAGE, PART 1/2".
const BEGIN_ANY: &[u8] = b"-----BEGIN PGP MESSAGE";

/// Whether the text is framed by the first and last line of an armored message, white space aside.
pub(super) fn is_framed(text: &[u8]) -> bool {
    let text = trim(text);
    text.starts_with(BEGIN) && text.ends_with(END)
}

/// The armor, if the text is exactly one armored message, white space aside: as it stands there, or, where white space
/// or a transfer encoding got into it on its way, written anew.
pub(super) fn sole(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let text = trim(text);
    let first = lines(text).next()?.trim_ascii_end();
    let last = text.get(memchr::memrchr(b'\n', text)? + 1..)?.trim_ascii_start();
    // Neither base64 nor an armor header starts with a dash: a third dashed line is a second block, or text.
    if first != BEGIN || last != END || dashed_lines(text) != 2 {
        return None;
    }
    if is_mangled(text) { mended(text).map(Cow::Owned) } else { Some(Cow::Borrowed(text)) }
}

/// Whether lines are indented, stuffed (RFC 3676 §4.4) or end in spaces, empty lines stand where none belong, the equals
/// signs are still in quoted-printable, or a line is neither header nor base64.
fn is_mangled(text: &[u8]) -> bool {
    let mut empty = 0;
    for (number, line) in lines(text).enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let fits = match (number, empty) {
            (0, _) => line == BEGIN,
            (_, 0) => line.is_empty() || is_header(line),
            _ => {
                line.is_empty()
                    || line == END
                    || is_checksum(line)
                    || base64_simd::STANDARD.check(line).is_ok()
            }
        };
        if !fits {
            return true;
        }
        empty += usize::from(line.is_empty());
    }
    empty != 1
}

/// RFC 9580 §6.2: a name, a colon, a space and a value. Base64 has no colon.
fn is_header(line: &[u8]) -> bool {
    let name = line.split(|&b| b == b':').next().unwrap_or_default();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    !name.is_empty() && name.len() < line.len() && name.iter().all(plain)
}

/// RFC 9580 §6.1: an equals sign, and three octets in base64.
fn is_checksum(line: &[u8]) -> bool {
    line.len() == 5 && line.starts_with(b"=")
}

/// The armor without headers and checksum, which nobody needs (RFC 9580 §6.1, §6.2); `None` when a line is neither these
/// nor base64: then somebody wrote into it.
fn mended(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = lines(text).map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).skip(1).peekable();
    while lines.next_if(|line| is_header(line)).is_some() {}
    let mut out = [BEGIN, b"\r\n\r\n"].concat();
    let (mut padded, mut summed) = (false, false);
    for line in lines {
        if line == END {
            out.extend_from_slice(END);
            return Some(out);
        }
        if summed {
            return None;
        }
        // The equals sign may be in quoted-printable.
        let quoted = line.len() == b"=3DAAAA".len() && line.starts_with(b"=3D");
        if quoted || is_checksum(line) {
            summed = true;
            continue;
        }
        let (letters, padding) = padding(line);
        let base64 = letters.iter().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(b));
        if padded || !base64 || letters.is_empty() {
            return None;
        }
        padded = padding > 0;
        out.extend_from_slice(letters);
        out.extend(std::iter::repeat_n(b'=', padding));
        out.extend_from_slice(b"\r\n");
    }
    None
}

/// A line of base64 without its padding, and how long that is; the padding may be in quoted-printable.
fn padding(line: &[u8]) -> (&[u8], usize) {
    let (mut letters, mut count) = (line, 0);
    while let Some(rest) = letters.strip_suffix(b"=3D").or_else(|| letters.strip_suffix(b"=")) {
        (letters, count) = (rest, count + 1);
    }
    (letters, count)
}

/// Text in UTF-16 as ASCII; any other text as it is.
pub(super) fn narrowed(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let bare = text.strip_prefix(b"\xff\xfe").or_else(|| text.strip_prefix(b"\xfe\xff")).unwrap_or(&text);
    let (little, big) = match bare {
        [low, 0, ..] => (*low, 0),
        [0, low, ..] => (0, *low),
        _ => return text,
    };
    let letter = |unit: &[u8]| match *unit {
        [low, 0] if little > big && low.is_ascii() => Some(low),
        [0, low] if big > little && low.is_ascii() => Some(low),
        _ => None,
    };
    match bare.chunks(2).map(letter).collect() {
        Some(ascii) => Cow::Owned(ascii),
        None => text,
    }
}

/// Whether a text is what base64 makes of an armored message and nothing else, white space aside.
pub(super) fn is_in_base64(text: &[u8]) -> bool {
    // "-----BEGIN PGP MESSAGE---", of which every three octets are four letters.
    let begins = text.trim_ascii_start().starts_with(b"LS0tLS1CRUdJTiBQR1AgTUVTU0FHRS0t");
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || b"+/=".contains(b);
    begins && text.iter().all(allowed)
}

/// Whether HTML shows nothing: tags without a picture in them, and spaces. A tag that is not known may show something.
pub(super) fn is_empty_markup(html: &[u8]) -> bool {
    const EMPTY: [&[u8]; 9] = [b"html", b"head", b"meta", b"body", b"div", b"p", b"span", b"br", b"!doctype"];
    let mut rest = html.trim_ascii_start();
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after.strip_prefix(b"nbsp;")) {
            (b'<', _) => {
                let Some(end) = memchr::memchr(b'>', after) else { return false };
                let (tag, behind) = after.split_at_checked(end).unwrap_or_default();
                let name = tag.strip_prefix(b"/").unwrap_or(tag);
                let name = name.split(|b| b.is_ascii_whitespace() || *b == b'/').next().unwrap_or_default();
                let lower = tag.to_ascii_lowercase();
                let pictured =
                    [&b"url"[..], b"src", b"href", b"background"].iter().any(|word| find(&lower, word));
                if pictured || !EMPTY.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                    return false;
                }
                behind.get(1..).unwrap_or_default()
            }
            (b'&', Some(behind)) => behind,
            _ if byte.is_ascii_whitespace() => after,
            _ => return false,
        };
    }
    true
}

/// How many lines begin with a dash, white space aside.
fn dashed_lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'-', text).filter(|dash| begins_line(text, *dash)).count()
}

/// Whether nothing but white space stands before that place in its line.
fn begins_line(text: &[u8], place: usize) -> bool {
    let before = text.get(..place).unwrap_or_default();
    let space = before.iter().rev().take_while(|b| b.is_ascii_whitespace() && **b != b'\n').count();
    matches!(before.len().checked_sub(space + 1).and_then(|at| before.get(at)), None | Some(b'\n'))
}

/// Whether a line starts an armored message.
pub(super) fn has_line(text: &[u8]) -> bool {
    memmem::find_iter(text, BEGIN_ANY).any(|place| begins_line(text, place))
}

/// Whether a text begins with an armored message, in ASCII or UTF-16.
pub(super) fn begins(text: &[u8]) -> bool {
    let letters = text.iter().copied().skip_while(|b| !b.is_ascii() || *b == 0 || b.is_ascii_whitespace());
    letters.filter(|b| *b != 0).take(BEGIN_ANY.len()).eq(BEGIN_ANY.iter().copied())
}

/// Whether the start of an armored message stands anywhere, even quoted or in the middle of a line.
pub(super) fn has_anywhere(text: &[u8]) -> bool {
    find(text, BEGIN_ANY)
}

/// Whether markup shows the start of an armored message once tags are gone and character references are read.
pub(super) fn has_in_markup(html: &[u8]) -> bool {
    let mut letters = Vec::new();
    let mut rest = html;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let shown = match byte {
            b'<' if after.first().is_some_and(|b| b.is_ascii_alphabetic() || b"/!?".contains(b)) => {
                rest =
                    after.iter().position(|&b| b == b'>').and_then(|at| after.get(at..)).unwrap_or_default();
                continue;
            }
            b'&' => {
                let (shown, len) = reference(after);
                rest = after.get(len..).unwrap_or_default();
                shown
            }
            _ => byte,
        };
        if shown.is_ascii_uppercase() {
            letters.push(shown);
        }
    }
    has_anywhere(html) || find(&letters, b"BEGINPGPMESSAGE")
}

/// The ASCII letter that a numeric character reference (without its ampersand) stands for, and its length.
fn reference(text: &[u8]) -> (u8, usize) {
    let (radix, start) = match text {
        [b'#', b'x' | b'X', ..] => (16, 2),
        [b'#', ..] => (10, 1),
        _ => return (b' ', 0),
    };
    let digits = text.get(start..).unwrap_or_default().iter();
    let mut code = 0_u32;
    let mut len = start;
    for digit in digits.map_while(|&b| char::from(b).to_digit(radix)) {
        code = code.saturating_mul(radix).saturating_add(digit);
        len += 1;
    }
    (u8::try_from(code).unwrap_or(b' '), len)
}

fn trim(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii()
}

/// Without their line feeds; behind the last one stands another, which may be empty.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr::memchr(b'\n', text);
        rest = end.and_then(|end| text.get(end + 1..));
        text.get(..end.unwrap_or(text.len()))
    })
}

fn find(text: &[u8], wanted: &[u8]) -> bool {
    memmem::find(text, wanted).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"-----BEGIN PGP MESSAGE-----\r\n\r\nAAAA\r\n=abcd\r\n-----END PGP MESSAGE-----";

    #[test]
    fn one_block_is_sole_with_space_around_and_nothing_else() {
        let spaced = [b"\xef\xbb\xbf \r\n\n", ONE, b"\r\n\r\n"].concat();
        assert_eq!(sole(&spaced).as_deref(), Some(ONE));
        for (before, after) in [("text\n", ""), ("", "\ntext"), ("- x\n", ""), ("", "\n-- \nsig")] {
            let beside = [before.as_bytes(), ONE, after.as_bytes()].concat();
            assert!(sole(&beside).is_none(), "{before:?} {after:?}");
            assert!(has_line(&beside));
        }
        assert!(sole(&[ONE, b"\r\n", ONE].concat()).is_none());
        assert!(sole(ONE.strip_suffix(b"-").unwrap()).is_none());
    }

    #[test]
    fn a_line_begins_behind_white_space_and_nowhere_else() {
        for text in ["-----BEGIN PGP MESSAGE", "a\n-----BEGIN PGP MESSAGE", "\n \t\r-----BEGIN PGP MESSAGE,"]
        {
            assert!(has_line(text.as_bytes()), "{text:?}");
        }
        for text in
            ["", "\n", "a -----BEGIN PGP MESSAGE", "\r\n------BEGIN PGP MESSAGE", "-----BEGIN PGP MESSAG"]
        {
            assert!(!has_line(text.as_bytes()), "{text:?}");
        }
        assert_eq!(dashed_lines(b"-\n -\n\n--\r-\na-\n\t\r -"), 4);
    }

    #[test]
    fn finds_it_quoted_and_in_markup() {
        assert!(has_anywhere(b"> -----BEGIN PGP MESSAGE-----"));
        assert!(!has_line(b"> -----BEGIN PGP MESSAGE-----"));
        assert!(has_in_markup(b"<b>-----BEGIN</b>&nbsp;PGP <i>MESSAGE</i>"));
        assert!(has_in_markup(b"-----BE&#71;IN 1 < 2 P&#x47;P MESSAGE"));
        assert!(!has_in_markup(b"<p>we BEGIN with a PGP KEY</p>"));
        assert!(!has_anywhere(b"-----BEGIN PGP PUBLIC KEY BLOCK-----"));
    }

    #[test]
    fn white_space_and_leftovers_of_encodings_are_taken_out() {
        const CLEAN: &str = "-----BEGIN PGP MESSAGE-----\r\n\r\nAAAA\r\nBB==\r\n-----END PGP MESSAGE-----";
        for (why, text) in [
            (
                "spaces at the end",
                "-----BEGIN PGP MESSAGE----- \n \nAAAA \nBB== \n-----END PGP MESSAGE----- ",
            ),
            (
                "indented",
                "  -----BEGIN PGP MESSAGE-----\n\n  AAAA\n  BB==\n  =abcd\n  -----END PGP MESSAGE-----",
            ),
            (
                "no empty line",
                "-----BEGIN PGP MESSAGE-----\nVersion: x\nAAAA\nBB==\n-----END PGP MESSAGE-----",
            ),
            (
                "too many",
                "-----BEGIN PGP MESSAGE-----\n\nVersion: x\n\n\nAAAA\n\nBB==\n\n-----END PGP MESSAGE-----",
            ),
            (
                "CR CR LF",
                "-----BEGIN PGP MESSAGE-----\r\r\n\r\r\nAAAA\r\r\nBB==\r\r\n-----END PGP MESSAGE-----",
            ),
            ("quoted", "-----BEGIN PGP MESSAGE-----\n\nAAAA\nBB=3D=3D\n=3Dabcd\n-----END PGP MESSAGE-----"),
        ] {
            assert_eq!(sole(text.as_bytes()).as_deref(), Some(CLEAN.as_bytes()), "{why}");
        }
        for inside in ["some words", "AAAA\n\nhello, you", "BB==\nAAAA", "=abcd\nAAAA", "<img>"] {
            let text = format!("-----BEGIN PGP MESSAGE----- \n\n{inside}\n-----END PGP MESSAGE-----");
            assert_eq!(sole(text.as_bytes()), None, "{inside:?}");
        }
        let header = b"-----BEGIN PGP MESSAGE-----\nComment: \n\nAAAA\n-----END PGP MESSAGE-----";
        assert!(matches!(sole(header), Some(Cow::Borrowed(_))), "nothing is wrong with it");
    }

    #[test]
    fn markup_is_empty_when_it_can_show_nothing() {
        for html in
            ["", " \r\n", "<html><BODY bgcolor=white><br/>&nbsp;</body></html>", "<!DOCTYPE html><p> </p>"]
        {
            assert!(is_empty_markup(html.as_bytes()), "{html}");
        }
        for html in [
            "x",
            "<img src=x>",
            "<p",
            "<body background=\"https://evil\">",
            "<div style='background:URL(x)'></div>",
            "&lt;",
            "<style>",
            "<!-- x -->",
        ] {
            assert!(!is_empty_markup(html.as_bytes()), "{html}");
        }
    }

    #[test]
    fn only_whole_utf_16_is_narrowed() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        assert_eq!(*narrowed(Cow::Owned(wide("ab"))), *b"ab");
        assert_eq!(*narrowed(Cow::Owned(wide("\u{feff}ab"))), *b"ab");
        for other in [wide("a\u{e4}\u{4e00}"), b"ab".to_vec(), b"a\0b".to_vec(), b"a\0bb".to_vec()] {
            assert_eq!(*narrowed(Cow::Borrowed(&other)), *other);
        }
    }
}
