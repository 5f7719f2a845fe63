//! The header fields of what leaves: protected inside, an allow-list outside.

use crate::mail::address::Address;
use crate::mime::write::{Field, mailbox, raw_field, text_field};
use crate::time::Timestamp;

/// The field that marks what this relay sent, so that it never relays its own copies again.
pub const LOOP_MARK: &str = "X-Vouchsafe-List";

/// What a copy says of itself. All of it stands inside the encryption; [`Outer`] is what stands outside.
pub struct Identity<'a> {
    /// The list's posting address.
    pub list: &'a Address,
    /// Where readers may answer.
    pub answer_to: &'a Address,
    /// What people call the list.
    pub title: &'a str,
    /// When the copy was made.
    pub date: Timestamp,
    /// Its message-id, without angle brackets, the same inside and outside.
    pub message_id: String,
    /// What it answers, likewise.
    pub in_reply_to: Vec<String>,
    /// Its thread, likewise.
    pub references: Vec<String>,
}

/// What the outer Subject says (RFC 9788 §3.2.1, `hcp_baseline`).
pub const HIDDEN_SUBJECT: &str = "[...]";

impl Identity<'_> {
    /// The outer fields as name and value, in order: the allow-list itself. They are the same for every reader.
    #[must_use]
    pub fn outer(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("From", mailbox(Some(self.title), &self.list.to_string())),
            ("To", self.list.to_string()),
            ("Subject", HIDDEN_SUBJECT.to_owned()),
            ("Date", self.date.rfc5322()),
        ];
        fields.extend(self.reply_to().map(|address| ("Reply-To", address)));
        fields.extend(self.threading());
        fields.extend([
            // RFC 2919 §3: the address with its @ as a dot is unique in the domain that we own.
            ("List-Id", format!("<{}>", self.list_id())),
            ("List-Post", format!("<mailto:{}>", self.list)),
            ("List-Help", format!("<mailto:{}>", with_suffix(self.list, "-request"))),
            ("Precedence", "list".to_owned()),
            (LOOP_MARK, self.list_id()),
        ]);
        fields
    }

    /// What Reply-To says: nothing where the From is the right address already (RFC 5322 §3.6.2).
    fn reply_to(&self) -> Option<String> {
        (!self.answer_to.same_mailbox(self.list)).then(|| self.answer_to.to_string())
    }

    /// Message-ID, In-Reply-To and References, the same inside and outside.
    fn threading(&self) -> Vec<(&'static str, String)> {
        let bracketed = |ids: &[String]| ids.iter().map(|id| format!("<{id}>")).collect::<Vec<_>>().join(" ");
        let mut fields = vec![("Message-ID", format!("<{}>", self.message_id))];
        if !self.in_reply_to.is_empty() {
            fields.push(("In-Reply-To", bracketed(&self.in_reply_to)));
        }
        if !self.references.is_empty() {
            fields.push(("References", bracketed(&self.references)));
        }
        fields
    }

    /// The List-Id without brackets.
    #[must_use]
    pub fn list_id(&self) -> String {
        list_id(self.list)
    }
}

/// The protected fields of a copy, to which `outer` stands outside: the same fields, with the author's name in the From and
/// the real Subject; then what stands outside (RFC 9788 §2.2). A reader's program that heeds protected fields alone
/// (§4.2), and answers by them (§6.2), so finds all it needs; and hidden are those two and nothing else.
#[must_use]
pub fn protected(outer: &[(&str, String)], list: &Address, author: &str, subject: &str) -> Vec<Field> {
    let inside = outer.iter().map(|(name, value)| match *name {
        // RFC 9788 §3.1.1: only the name may differ, never the address.
        "From" => raw_field(name, &mailbox(Some(author), &list.to_string())),
        "Subject" => text_field(name, subject),
        // With the mark among them: a relay that opens this copy and posts it again keeps nothing of the outer header.
        name => raw_field(name, value),
    });
    let outside = outer.iter().map(|(name, value)| raw_field("HP-Outer", &format!("{name}: {value}")));
    inside.chain(outside).collect()
}

/// What stands outside a mail of the relay itself, as name and value. `answer_to` is the ending of the list's address that
/// gets an answer.
#[must_use]
pub fn letter_outer(
    list: &Address,
    title: &str,
    to: &Address,
    answer_to: &str,
    date: Timestamp,
    message_id: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("From", mailbox(Some(title), &list.to_string())),
        ("To", to.to_string()),
        ("Subject", HIDDEN_SUBJECT.to_owned()),
        ("Date", date.rfc5322()),
        ("Reply-To", with_suffix(list, answer_to)),
        ("Message-ID", format!("<{message_id}>")),
        // RFC 3834 §5. The other one is for responders that came before it.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("Precedence", "list".to_owned()),
        (LOOP_MARK, list_id(list)),
    ]
}

/// The List-Id of a list, without brackets.
#[must_use]
pub fn list_id(list: &Address) -> String {
    format!("{}.{}", list.local(), list.domain())
}

fn with_suffix(list: &Address, suffix: &str) -> String {
    list.with_suffix(suffix).map_or_else(|_| list.to_string(), |a| a.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_stands_only_what_the_allow_list_names() {
        let list: Address = "distrib@lists.example.org".parse().unwrap();
        let team: Address = "security@lists.example.org".parse().unwrap();
        let identity = Identity {
            list: &list,
            answer_to: &team,
            title: "distrib",
            date: Timestamp::from_secs(0),
            message_id: "a@b".to_owned(),
            in_reply_to: vec!["c@d".to_owned()],
            references: vec!["e@f".to_owned(), "c@d".to_owned()],
        };
        let names: Vec<_> = identity.outer().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "From",
                "To",
                "Subject",
                "Date",
                "Reply-To",
                "Message-ID",
                "In-Reply-To",
                "References",
                "List-Id",
                "List-Post",
                "List-Help",
                "Precedence",
                LOOP_MARK
            ]
        );
        let outer = identity.outer();
        assert!(outer.contains(&("Subject", "[...]".to_owned())));
        assert!(outer.contains(&("List-Id", "<distrib.lists.example.org>".to_owned())));
        assert!(outer.contains(&("References", "<e@f> <c@d>".to_owned())));
        assert!(outer.contains(&("Reply-To", "security@lists.example.org".to_owned())));
        let own = Identity { answer_to: &list, ..identity };
        assert!(own.outer().iter().all(|(name, _)| *name != "Reply-To"));
    }
    #[test]
    fn every_field_outside_stands_inside_too_and_two_of_them_differ() {
        let list: Address = "distrib@lists.example.org".parse().unwrap();
        let outer = letter_outer(&list, "Distribution", &list, "-owner", Timestamp::from_secs(0), "a@b");
        let fields = protected(&outer, &list, "Ada via Distribution", "Heap overflow");
        let text: String = fields.iter().map(|f| String::from_utf8_lossy(f.expose()).into_owned()).collect();
        let lines: Vec<_> = text.split_terminator("\r\n").collect();
        let (inside, outside) = lines.split_at(outer.len());
        let written: Vec<_> = outer.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let announced: Vec<_> = written.iter().map(|field| format!("HP-Outer: {field}")).collect();
        assert_eq!(outside, announced);
        let differ: Vec<_> = inside.iter().filter(|line| !written.iter().any(|w| w == *line)).collect();
        assert_eq!(
            differ,
            [&"From: Ada via Distribution <distrib@lists.example.org>", &"Subject: Heap overflow"]
        );
    }
}
