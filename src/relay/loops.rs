//! Our own copies, wherever they come from: straight back, over another list of ours, or through a relay that opened one
//! and posted it again.
//!
//! Outside, a copy has the loop mark with its list's name, and a message-id that only this installation can have made. A
//! relay that decrypts a copy and encrypts it anew keeps nothing of that; but mark and id stand inside the encryption as
//! well, in the header of what becomes a part of its own post.

use crate::mail::headers::LOOP_MARK;
use crate::mail::tags::Tags;
use crate::mime::report::{Found, everywhere};
use crate::mime::scan::{Scanned, header};

/// What we know our own by.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    /// The List-Ids of all lists of this installation, without brackets.
    pub lists: &'a [String],
    /// Knows the message-ids that we made.
    pub tags: &'a Tags<'a>,
}

impl Own<'_> {
    /// Whether a mail's outer header is that of a copy of ours.
    #[must_use]
    pub fn made_header(&self, raw: &[u8]) -> bool {
        header(raw, LOOP_MARK).is_some_and(|mark| self.is_mark(mark))
            || header(raw, "List-Id").is_some_and(|id| self.is_mark(within_brackets(id)))
            || header(raw, "Message-ID").is_some_and(|id| self.is_id(id))
    }

    /// Whether a payload holds a copy of ours that another relay posted again. What a person forwards as a message does not
    /// count, unless the payload is itself the copy of some relay: then no person forwarded it.
    #[must_use]
    pub fn is_inside(&self, payload: Scanned<'_>) -> bool {
        const MARK: usize = 0;
        let found = everywhere(payload, &[LOOP_MARK, "Message-ID"]);
        let relayed = found.iter().any(|field| field.top && field.name == MARK);
        let counts = |field: &&Found<'_>| relayed || !field.forwarded;
        found.iter().filter(counts).any(|field| match field.name {
            MARK => self.is_mark(field.value),
            _ => self.is_id(field.value),
        })
    }

    fn is_mark(&self, mark: &[u8]) -> bool {
        self.lists.iter().any(|list| mark.trim_ascii().eq_ignore_ascii_case(list.as_bytes()))
    }

    fn is_id(&self, id: &[u8]) -> bool {
        std::str::from_utf8(within_brackets(id)).is_ok_and(|id| self.tags.made(id))
    }
}

/// What stands between the last angle brackets, or all of it.
fn within_brackets(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let from = value.iter().rposition(|b| *b == b'<').map_or(0, |at| at + 1);
    let inside = value.get(from..).unwrap_or_default();
    inside.strip_suffix(b">").unwrap_or(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::{Limits, scan};

    fn check(test: impl FnOnce(Own<'_>, &str)) {
        let tags = Tags::new(&[7; 32]);
        let lists = ["security.lists.example".to_owned(), "distrib.lists.example".to_owned()];
        let id = tags.message_id("x@y", &"lists.example".parse().unwrap());
        test(Own { lists: &lists, tags: &tags }, &id);
    }

    #[test]
    fn a_copy_is_known_by_its_mark_its_list_or_its_id() {
        check(|own, id| {
            for (head, ours) in [
                ("X-Vouchsafe-List: distrib.lists.example".to_owned(), true),
                ("List-Id: Distributors <distrib.lists.example>".to_owned(), true),
                (format!("Message-ID: <{id}>"), true),
                ("X-Vouchsafe-List: distrib.lists.another".to_owned(), false),
                ("List-Id: <oss-security.lists.openwall.example>".to_owned(), false),
                (format!("Message-ID: <x{id}>"), false),
                (format!("In-Reply-To: <{id}>"), false),
                (format!("Subject: <{id}>"), false),
            ] {
                assert_eq!(own.made_header(format!("{head}\r\n\r\nx\r\n").as_bytes()), ours, "{head}");
            }
        });
    }

    #[test]
    fn what_another_relay_posts_again_is_known_and_what_a_person_forwards_is_not() {
        check(|own, id| {
            let ours = format!("Content-Type: text/plain\r\nMessage-ID: <{id}>\r\n\r\nx\r\n");
            let marked = "Content-Type: text/plain\r\nX-Vouchsafe-List: distrib.lists.example\r\n\r\nx\r\n";
            let attached = format!("Content-Type: message/rfc822\r\n\r\n{ours}");
            let around = |top: &str, part: &str| {
                format!(
                    "{top}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nnote\r\n--b\r\n{part}--b--\r\n"
                )
            };
            let relay = "X-Vouchsafe-List: list.another.example\r\n";
            for (payload, wanted) in [
                (ours.clone(), true),
                (around("", &ours), true),
                (around("", marked), true),
                (around(relay, &ours), true),
                (around(relay, &attached), true),
                (around("", &attached), false),
                (around("", &format!("References: <{id}>\r\n\r\nan answer\r\n")), false),
                (around(relay, "\r\nsomebody else's\r\n"), false),
            ] {
                let scanned = scan(payload.as_bytes(), &Limits::default()).unwrap();
                assert_eq!(own.is_inside(scanned), wanted, "{payload}");
            }
        });
    }
}
