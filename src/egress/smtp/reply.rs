//! Replies: taken from the bytes that came in, bounded, and shown to people.

use lettre::transport::smtp::response::{Category, Code, Detail, Response, Severity};

use crate::egress::auth::Offered;

/// RFC 5321 §4.5.3.1.5 allows 512 octets in a reply line; real servers go beyond.
const MAX_LINE: usize = 2000;

/// All lines of one reply together.
const MAX_REPLY: usize = 64 * 1024;

/// How much of a reply is kept for people, in characters.
const SHOWN: usize = 500;

/// Takes one whole reply from the front of `inbox`; `None` while it is incomplete.
///
/// # Errors
/// What is wrong with it, as text without any of its bytes.
pub(crate) fn take_reply(inbox: &mut Vec<u8>) -> Result<Option<Response>, &'static str> {
    let mut lines: Vec<String> = Vec::new();
    let mut code: Option<Code> = None;
    let mut at = 0;
    loop {
        let rest = inbox.get(at..).unwrap_or_default();
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
            return still_bounded(rest, at).map(|()| None);
        };
        let line = rest.get(..end).unwrap_or_default();
        at += end + 2;
        if end + 2 > MAX_LINE {
            return Err("a reply line is too long");
        }
        if at > MAX_REPLY {
            return Err("the reply is too long");
        }
        let (this, more, text) = parse_line(line)?;
        // RFC 5321 §4.2.1: "the reply code on each of the lines MUST be the same".
        if code.is_some_and(|before| before != this) {
            return Err("the reply has different codes");
        }
        code = Some(this);
        lines.push(text);
        if !more {
            inbox.drain(..at);
            return Ok(Some(Response::new(this, lines)));
        }
    }
}

/// What a next hop says, reply by reply as people see it, when its bytes come `step` at a time; and what is wrong with
/// the first reply that is none.
#[must_use]
pub fn replies(sent: &[u8], step: usize) -> (Vec<String>, Option<&'static str>) {
    let (mut inbox, mut heard) = (Vec::new(), Vec::new());
    for piece in sent.chunks(step.max(1)) {
        inbox.extend_from_slice(piece);
        loop {
            match take_reply(&mut inbox) {
                Ok(Some(reply)) => {
                    let _ = Offers::from_reply(&reply);
                    heard.push(shown(&reply));
                }
                Ok(None) => break,
                Err(why) => return (heard, Some(why)),
            }
        }
    }
    (heard, None)
}

/// Whether an unfinished line may still grow.
fn still_bounded(rest: &[u8], taken: usize) -> Result<(), &'static str> {
    // RFC 5321 §2.3.8: only CRLF ends a line. Saying so now saves the wait for a CRLF that never comes.
    if rest.contains(&b'\n') {
        return Err("a reply line does not end in CRLF");
    }
    if rest.len() >= MAX_LINE {
        return Err("a reply line is too long");
    }
    if taken + rest.len() >= MAX_REPLY {
        return Err("the reply is too long");
    }
    Ok(())
}

/// RFC 5321 §4.2: `Reply-code [ SP textstring ]`, or with `-` where more lines follow.
fn parse_line(line: &[u8]) -> Result<(Code, bool, String), &'static str> {
    let [severity, category, detail, rest @ ..] = line else {
        return Err("a reply line has no code");
    };
    let code = code(*severity, *category, *detail).ok_or("a reply line has no code")?;
    let (more, text) = match rest {
        // RFC 5321 §4.2: a client must take a code without text, too.
        [] => (false, rest),
        [b' ', text @ ..] => (false, text),
        [b'-', text @ ..] => (true, text),
        _ => return Err("a reply code is followed by something else"),
    };
    if text.iter().any(|b| matches!(b, b'\n' | b'\r' | 0)) {
        return Err("a reply line has a control character");
    }
    Ok((code, more, String::from_utf8_lossy(text).into_owned()))
}

/// RFC 5321 §4.2: `%x32-35 %x30-35 %x30-39`.
fn code(severity: u8, category: u8, detail: u8) -> Option<Code> {
    let severity = match severity {
        b'2' => Severity::PositiveCompletion,
        b'3' => Severity::PositiveIntermediate,
        b'4' => Severity::TransientNegativeCompletion,
        b'5' => Severity::PermanentNegativeCompletion,
        _ => return None,
    };
    let category = match category {
        b'0' => Category::Syntax,
        b'1' => Category::Information,
        b'2' => Category::Connections,
        b'3' => Category::Unspecified3,
        b'4' => Category::Unspecified4,
        b'5' => Category::MailSystem,
        _ => return None,
    };
    let detail = match detail {
        b'0' => Detail::Zero,
        b'1' => Detail::One,
        b'2' => Detail::Two,
        b'3' => Detail::Three,
        b'4' => Detail::Four,
        b'5' => Detail::Five,
        b'6' => Detail::Six,
        b'7' => Detail::Seven,
        b'8' => Detail::Eight,
        b'9' => Detail::Nine,
        _ => return None,
    };
    Some(Code::new(severity, category, detail))
}

/// A reply in one line.
pub(crate) fn shown(reply: &Response) -> String {
    let mut text = reply.code().to_string();
    for line in reply.message().filter(|line| !line.is_empty()) {
        text.push(' ');
        text.push_str(line);
    }
    printable(&text)
}

/// At most 500 characters, none of which moves a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(SHOWN).collect()
}

/// What the next hop offers (its EHLO reply).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// RFC 3207.
    pub(crate) starttls: bool,
    /// RFC 2920.
    pub(crate) pipelining: bool,
    /// RFC 3461.
    pub(crate) dsn: bool,
    /// RFC 6531.
    pub(crate) smtputf8: bool,
    /// RFC 1870: offered, with the largest size if there is one.
    pub(crate) size: Option<Option<u64>>,
    /// RFC 4954.
    pub(crate) auth: Offered,
}

impl Offers {
    /// Reads an EHLO reply. Its first line is a greeting and offers nothing.
    pub(crate) fn from_reply(reply: &Response) -> Self {
        let mut offers = Self::default();
        for line in reply.message().skip(1) {
            let mut words = line.split_ascii_whitespace();
            // RFC 5321 §4.1.1.1: keywords are not case sensitive.
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "STARTTLS" => offers.starttls = true,
                "PIPELINING" => offers.pipelining = true,
                "DSN" => offers.dsn = true,
                "SMTPUTF8" => offers.smtputf8 = true,
                // RFC 1870 §4: without a number, or with 0, there is no fixed limit.
                "SIZE" => offers.size = Some(words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0)),
                "AUTH" => offers.auth.add(words),
                _ => {}
            }
        }
        offers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bytes: &[u8]) -> Result<Option<Response>, &'static str> {
        take_reply(&mut bytes.to_vec())
    }

    #[test]
    fn a_reply_is_taken_only_when_it_is_whole() {
        let whole = b"250-one\r\n250-\r\n250 two\r\n";
        for end in 0..whole.len() {
            assert_eq!(taken(&whole[..end]), Ok(None), "{end}");
        }
        let mut inbox = [&whole[..], b"354"].concat();
        let reply = take_reply(&mut inbox).unwrap().unwrap();
        assert_eq!(reply.message().collect::<Vec<_>>(), ["one", "", "two"]);
        assert_eq!(inbox, b"354", "the next reply stays");
        assert_eq!(shown(&reply), "250 one two");
    }

    #[test]
    fn a_code_alone_is_a_reply() {
        assert_eq!(shown(&taken(b"250\r\n").unwrap().unwrap()), "250");
    }

    #[test]
    fn nonsense_is_named() {
        for bad in [
            &b"hello\r\n"[..],
            b"25\r\n",
            b"650 x\r\n",
            b"290 x\r\n",
            b"250x\r\n",
            b"250-a\r\n251 b\r\n",
            b"250 a\n",
            b"250 a\nb\r\n",
            b"250 a\rb\r\n",
            b"\r\n",
        ] {
            assert!(taken(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn endless_replies_are_cut_off() {
        assert!(taken(&[b"250 ".to_vec(), vec![b'a'; 1994], b"\r\n".to_vec()].concat()).unwrap().is_some());
        assert!(taken(&[b"250 ".to_vec(), vec![b'a'; 1995], b"\r\n".to_vec()].concat()).is_err());
        assert!(taken(&vec![b'2'; 2000]).is_err(), "no end of line in sight");
        assert!(taken(&b"250-a line of an endless reply\r\n".repeat(2200)).is_err());
        assert_eq!(taken(&b"250-a line of a long reply\r\n".repeat(2000)), Ok(None));
    }

    #[test]
    fn what_people_see_is_short_and_printable() {
        let reply = taken(&[b"550 \x1b[2J\xff".to_vec(), vec![b'a'; 900], b"\r\n".to_vec()].concat());
        let text = shown(&reply.unwrap().unwrap());
        assert!(text.starts_with("550 ?[2J\u{fffd}aaa"), "{text}");
        assert_eq!(text.chars().count(), 500);
    }

    #[test]
    fn offers_are_read_in_any_case_and_not_from_the_greeting() {
        let reply = taken(b"250-STARTTLS greets you\r\n250-Size 1000\r\n250-pipelining\r\n250 DSN\r\n");
        let offers = Offers::from_reply(&reply.unwrap().unwrap());
        let is = Offers { pipelining: true, dsn: true, size: Some(Some(1000)), ..Offers::default() };
        assert_eq!(offers, is);
        for none in ["SIZE", "SIZE 0", "SIZE x"] {
            let reply = taken(format!("250-a\r\n250 {none}\r\n").as_bytes());
            assert_eq!(Offers::from_reply(&reply.unwrap().unwrap()).size, Some(None));
        }
    }
}
