//! Where an OpenPGP message stands in ASCII armor (RFC 9580 §6.2): found by its lines, not decoded.

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

/// The armor, if the text is exactly one armored message, white space aside.
pub(super) fn sole(text: &[u8]) -> Option<&[u8]> {
    let text = trim(text);
    let first = lines(text).next()?.trim_ascii_end();
    let last = text.get(memchr::memrchr(b'\n', text)? + 1..)?;
    // Neither base64 nor an armor header starts with a dash: a third dashed line is a second block, or text.
    (first == BEGIN && last == END && dashed_lines(text) == 2).then_some(text)
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

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n')
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
        assert_eq!(sole(&spaced), Some(ONE));
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
}
