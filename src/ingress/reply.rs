//! Replies: code, enhanced status (RFC 2034) and text, made safe for the wire.

use super::events::NotTaken;

/// The longest text in one line of a reply: RFC 5321 §4.5.3.1.5 allows 512 octets with code and line end.
const MAX_TEXT: usize = 480;

/// A reply of one line. `status` is the enhanced status code; empty where RFC 2034 §4 wants none.
pub(super) fn reply(code: u16, status: &str, text: &str) -> Vec<u8> {
    lines(code, status, &[text])
}

/// A reply of several lines (RFC 5321 §4.2.1).
pub(super) fn lines(code: u16, status: &str, texts: &[&str]) -> Vec<u8> {
    let mut out = String::new();
    for (index, text) in texts.iter().enumerate() {
        let dash = if index + 1 < texts.len() { '-' } else { ' ' };
        let gap = if status.is_empty() { "" } else { " " };
        out.push_str(&format!("{code}{dash}{status}{gap}{}\r\n", printable(text)));
    }
    out.into_bytes()
}

/// Replies that more than one place gives.
pub(super) fn bare_cr_or_lf(code: u16) -> Vec<u8> {
    let status = if code == 500 { "5.5.2" } else { "5.6.0" };
    reply(code, status, "A CR or LF stands alone; lines end in CRLF only (RFC 5321 section 2.3.8). Closing")
}

/// RFC 5321 §3.8: the one reply that may come at any time.
pub(super) fn closing(hostname: &str, status: &str, why: &str) -> Vec<u8> {
    reply(421, status, &format!("{hostname} {why}, closing the connection"))
}

/// Why a mail is not taken; its client keeps it.
pub(super) fn not_taken(why: NotTaken) -> Vec<u8> {
    match why {
        NotTaken::DiskFull => reply(452, "4.3.1", "No room for more mail, try again later"),
        NotTaken::Storage => reply(451, "4.3.0", "The mail could not be stored, try again later"),
        NotTaken::Busy => reply(452, "4.3.2", "Too much mail is waiting, try again later"),
        NotTaken::Memory => reply(452, "4.3.1", "No memory for more mail, try again later"),
    }
}

/// RFC 5321 §4.1.1.8.
pub(super) fn help() -> Vec<u8> {
    lines(214, "2.0.0", &["This server takes mail for the encrypted lists that it keeps.", "See RFC 5321"])
}

/// Text that cannot break out of its line, whatever went into it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_carries_code_and_status() {
        assert_eq!(lines(250, "2.0.0", &["one", "two"]), b"250-2.0.0 one\r\n250 2.0.0 two\r\n");
        assert_eq!(reply(220, "", "hello"), b"220 hello\r\n");
    }

    #[test]
    fn no_text_breaks_out_of_its_line() {
        assert_eq!(reply(250, "", "a\r\n421 b\u{fc}"), b"250 a??421 b?\r\n");
        assert!(reply(250, "2.0.0", &"x".repeat(9999)).len() <= 512);
    }
}
