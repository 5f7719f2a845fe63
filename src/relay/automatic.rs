//! Mail that a program wrote by itself: what gives it away, and how sure that is. What follows from it the gate decides.

use std::fmt;

use crate::mail::arrival::{Envelope, Via};
use crate::mail::tags::Tags;
use crate::mime::read::Message;
use crate::mime::scan::header;

/// What gives an automatic mail away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `Auto-Submitted: auto-replied` (RFC 3834 §5).
    AutoReplied,
    /// `Precedence: auto_reply`, `X-Autoreply` or `X-Autorespond`: what responders wrote before RFC 3834.
    AutoReply,
    /// A report of a delivery (RFC 3464) or of a reading (RFC 8098) with the null sender: a bounce that went astray.
    AstrayReport,
    /// It answers one of our copies, with the null sender or as generated: an out-of-office reply, or a person's answer
    /// that a rule, a ticket system or a pipe handed on.
    AutoAnswer,
    /// `Auto-Submitted` with another value.
    Generated,
    /// `Precedence: bulk` or `junk`.
    Bulk,
    /// `List-Id`, `List-Unsubscribe` or `Precedence: list` of another list.
    OtherList,
    /// `X-Auto-Response-Suppress: All`, which Exchange writes on what nobody is to answer.
    NoAnswerWanted,
    /// Another `multipart/report` (RFC 6522), or one that somebody sent.
    Report,
    /// The null sender (RFC 5321 §4.5.5).
    NullSender,
}

impl Sign {
    /// Whether nothing else can be meant: nobody wrote that mail, and nobody misses it. Only what programs write on their
    /// own answers and reports counts. A null sender does not: a pipe may not know the sender. Nor do Exchange's marks,
    /// which are on what a rule redirects, too.
    #[must_use]
    pub const fn is_certain(self) -> bool {
        matches!(self, Self::AutoReplied | Self::AutoReply | Self::AstrayReport)
    }

    /// What stands in the mail, for the readers of a mail that is let through.
    #[must_use]
    pub const fn shown(self) -> &'static str {
        match self {
            Self::AutoReplied => "Auto-Submitted: auto-replied",
            Self::AutoReply => "Precedence: auto_reply, or X-Autoreply",
            Self::AstrayReport => "a report from the null sender",
            Self::AutoAnswer => "an automatic answer to a copy of this list",
            Self::Generated => "Auto-Submitted",
            Self::Bulk => "Precedence: bulk",
            Self::OtherList => "it comes from another mailing list",
            Self::NoAnswerWanted => "X-Auto-Response-Suppress: All",
            Self::Report => "it is a mail server's report",
            Self::NullSender => "it has the null sender",
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AutoReplied => "auto-replied",
            Self::AutoReply => "auto-reply",
            Self::AstrayReport => "astray-report",
            Self::AutoAnswer => "auto-answer",
            Self::Generated => "auto-submitted",
            Self::Bulk => "bulk",
            Self::OtherList => "other-list",
            Self::NoAnswerWanted => "no-answer-wanted",
            Self::Report => "report",
            Self::NullSender => "null-sender",
        })
    }
}

/// What gives this mail away, the surest first; `None`: as far as can be seen a person wrote it. Only what stands outside
/// is looked at. `message` is the mail as read, where it could be.
#[must_use]
pub fn sign(raw: &[u8], message: Option<&Message<'_>>, envelope: &Envelope, tags: &Tags<'_>) -> Option<Sign> {
    let submitted = keyword(raw, "Auto-Submitted").filter(|word| word != "no");
    let precedence = keyword(raw, "Precedence").unwrap_or_default();
    let said = |name: &str| keyword(raw, name).is_some_and(|word| !matches!(word.as_str(), "no" | "false"));
    let (null, report) = (is_null_sender(raw, envelope), is_report(raw));
    let oof = said("X-MS-Exchange-Inbox-Rules-Loop") || said("X-MS-Exchange-Generated-Message-Source");
    let unasked = null || oof || submitted.is_some();
    let signs = [
        (submitted.as_deref() == Some("auto-replied"), Sign::AutoReplied),
        (precedence == "auto_reply" || said("X-Autoreply") || said("X-Autorespond"), Sign::AutoReply),
        (null && report && is_of_delivery(raw), Sign::AstrayReport),
        (unasked && message.is_some_and(|message| answers_us(message, tags)), Sign::AutoAnswer),
        (submitted.is_some(), Sign::Generated),
        (matches!(precedence.as_str(), "bulk" | "junk"), Sign::Bulk),
        (precedence == "list" || said("List-Id") || said("List-Unsubscribe"), Sign::OtherList),
        (suppresses_all(raw), Sign::NoAnswerWanted),
        (report, Sign::Report),
        (null, Sign::NullSender),
    ];
    signs.into_iter().find(|(seen, _)| *seen).map(|(_, sign)| sign)
}

/// The first word of a field's value, in lower case: what stands before parameters and comments (RFC 3834 §5).
fn keyword(raw: &[u8], name: &str) -> Option<String> {
    let value = String::from_utf8_lossy(header(raw, name)?).to_ascii_lowercase();
    let end = value.find([';', '(']).unwrap_or(value.len());
    Some(value.get(..end).unwrap_or_default().trim().to_owned())
}

/// A mail that was fetched may come without its return path: then nothing is known of it.
fn is_null_sender(raw: &[u8], envelope: &Envelope) -> bool {
    let told = match envelope.via {
        Via::Smtp | Via::Lmtp => true,
        _ => header(raw, "Return-Path") == Some(b"<>"),
    };
    told && envelope.reverse_path.is_none()
}

fn is_report(raw: &[u8]) -> bool {
    header(raw, "Content-Type")
        .is_some_and(|value| value.to_ascii_lowercase().starts_with(b"multipart/report"))
}

/// RFC 6522 §3: the parameter names what is reported on.
fn is_of_delivery(raw: &[u8]) -> bool {
    let value = String::from_utf8_lossy(header(raw, "Content-Type").unwrap_or_default()).to_ascii_lowercase();
    let mut parameters = value.split(';').filter_map(|parameter| parameter.split_once('='));
    parameters.any(|(name, value)| {
        let kind = value.trim().trim_matches('"');
        name.trim() == "report-type" && matches!(kind, "delivery-status" | "disposition-notification")
    })
}

fn suppresses_all(raw: &[u8]) -> bool {
    let value = header(raw, "X-Auto-Response-Suppress").unwrap_or_default().to_ascii_lowercase();
    value.split(|b| *b == b',').any(|word| word.trim_ascii() == b"all")
}

fn answers_us(message: &Message<'_>, tags: &Tags<'_>) -> bool {
    let headers = message.headers();
    headers.in_reply_to.iter().chain(&headers.references).any(|id| tags.made(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::read::read;
    use crate::mime::scan::{Limits, scan};
    use crate::time::Timestamp;

    fn seen(head: &str, sender: Option<&str>, via: Via) -> Option<Sign> {
        let raw = format!("From: dora@distro.example\r\n{head}\r\nI am away.\r\n");
        let envelope = Envelope {
            reverse_path: sender.map(|sender| sender.parse().unwrap()),
            recipients: Vec::new(),
            client: String::new(),
            helo: String::new(),
            via,
            tls: false,
            at: Timestamp::from_secs(0),
        };
        let message = read(scan(raw.as_bytes(), &Limits::default()).unwrap()).unwrap();
        sign(raw.as_bytes(), Some(&message), &envelope, &Tags::new(&[7; 32]))
    }

    const DSN: &str = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n";
    const MDN: &str =
        "Content-Type: Multipart/Report; boundary=b;\r\n Report-Type=\"disposition-notification\"\r\n";

    /// A rule that redirects leaves Exchange's marks, a ticket system writes auto-generated, and a pipe that knows no
    /// sender gives the null one: people's answers come through all of them.
    #[test]
    fn what_may_be_a_persons_answer_is_not_certain() {
        let ours = Tags::new(&[7; 32]).message_id("x@y", &"lists.example.org".parse().unwrap());
        for (marks, sender) in [
            ("", None),
            ("X-MS-Exchange-Inbox-Rules-Loop: d@e.example\r\n", Some("dora@distro.example")),
            ("X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\r\n", None),
            ("Auto-Submitted: auto-generated\r\n", Some("tickets@distro.example")),
        ] {
            for via in [Via::Smtp, Via::Lmtp, Via::Imap, Via::Maildir] {
                let sign = seen(&format!("{marks}In-Reply-To: <{ours}>\r\n"), sender, via);
                assert!(!sign.is_some_and(Sign::is_certain), "{marks} {sender:?} {via:?}");
            }
        }
        for certain in ["Auto-Submitted: auto-replied\r\n", "Precedence: auto_reply\r\n", DSN, MDN] {
            assert!(seen(certain, None, Via::Lmtp).unwrap().is_certain(), "{certain}");
        }
    }

    /// Each row of the table in docs/operate.md.
    #[test]
    fn each_sign_is_seen_and_the_surest_is_told() {
        let ours = Tags::new(&[7; 32]).message_id("x@y", &"lists.example.org".parse().unwrap());
        let answer = format!("In-Reply-To: <{ours}>\r\n");
        let thread = format!("References: <other@example.org>\r\n <{ours}>\r\n");
        let foreign = "In-Reply-To: <other@example.org>\r\n";
        let dora = Some("dora@distro.example");
        for (head, sender, wanted) in [
            ("", dora, None),
            ("Auto-Submitted: no\r\n", dora, None),
            ("Auto-Submitted: No (a person)\r\n", dora, None),
            ("Precedence: first-class\r\n", dora, None),
            ("X-Autoreply: no\r\n", dora, None),
            (&answer, dora, None),
            ("X-Auto-Response-Suppress: OOF, AutoReply\r\n", dora, None),
            ("Auto-Submitted: auto-replied\r\n", dora, Some(Sign::AutoReplied)),
            ("auto-submitted: Auto-Replied (vacation)\r\n", None, Some(Sign::AutoReplied)),
            ("Precedence: auto_reply\r\n", dora, Some(Sign::AutoReply)),
            ("X-Autoreply: yes\r\n", dora, Some(Sign::AutoReply)),
            ("X-Autorespond: out\r\n", dora, Some(Sign::AutoReply)),
            (DSN, None, Some(Sign::AstrayReport)),
            (MDN, None, Some(Sign::AstrayReport)),
            (&answer, None, Some(Sign::AutoAnswer)),
            (&thread, None, Some(Sign::AutoAnswer)),
            (&format!("Auto-Submitted: auto-generated\r\n{answer}"), dora, Some(Sign::AutoAnswer)),
            (&format!("X-MS-Exchange-Inbox-Rules-Loop: d@e\r\n{answer}"), dora, Some(Sign::AutoAnswer)),
            ("Auto-Submitted: auto-generated\r\n", dora, Some(Sign::Generated)),
            ("Auto-Submitted: auto-notified; owner-email=\"a@b\"\r\n", dora, Some(Sign::Generated)),
            ("Auto-Submitted: auto-generated\r\nIn-Reply-To: <a@b>\r\n", dora, Some(Sign::Generated)),
            ("Precedence: bulk\r\n", dora, Some(Sign::Bulk)),
            ("Precedence: Junk\r\n", dora, Some(Sign::Bulk)),
            ("Precedence: list\r\n", dora, Some(Sign::OtherList)),
            ("List-Id: <a.b.example>\r\n", dora, Some(Sign::OtherList)),
            ("List-Unsubscribe: <mailto:a@b.example>\r\n", dora, Some(Sign::OtherList)),
            ("X-Auto-Response-Suppress: All\r\n", dora, Some(Sign::NoAnswerWanted)),
            (DSN, dora, Some(Sign::Report)),
            ("Content-Type: multipart/report; boundary=delivery-status\r\n", None, Some(Sign::Report)),
            ("", None, Some(Sign::NullSender)),
            (foreign, None, Some(Sign::NullSender)),
        ] {
            assert_eq!(seen(head, sender, Via::Smtp), wanted, "{head:?} from {sender:?}");
        }
    }

    #[test]
    fn mail_that_was_fetched_has_a_null_sender_only_if_it_says_so() {
        assert_eq!(seen("", None, Via::Imap), None);
        assert_eq!(seen("Return-Path: <>\r\n", None, Via::Imap), Some(Sign::NullSender));
        assert_eq!(seen("", None, Via::Lmtp), Some(Sign::NullSender));
    }
}
