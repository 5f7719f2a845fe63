//! The header fields of what leaves: protected inside, an allow-list outside.

use crate::mail::address::Address;
use crate::mime::write::mailbox;
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

/// What the outer Subject says (RFC 9788 §3.1.1, `hcp_baseline`).
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
            ("List-Help", format!("<mailto:{}>", help_address(self.list))),
            ("Precedence", "list".to_owned()),
            (LOOP_MARK, self.list_id()),
        ]);
        fields
    }

    /// What Reply-To says: nothing where the From is the right address already (RFC 5322 §3.6.2).
    #[must_use]
    pub fn reply_to(&self) -> Option<String> {
        (!self.answer_to.same_mailbox(self.list)).then(|| self.answer_to.to_string())
    }

    /// Message-ID, In-Reply-To and References, the same inside and outside.
    #[must_use]
    pub fn threading(&self) -> Vec<(&'static str, String)> {
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

/// What stands outside a notice of the relay to an admin, as name and value.
#[must_use]
pub fn notice_outer(
    list: &Address,
    title: &str,
    to: &Address,
    date: Timestamp,
    message_id: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("From", mailbox(Some(title), &list.to_string())),
        ("To", to.to_string()),
        ("Subject", HIDDEN_SUBJECT.to_owned()),
        ("Date", date.rfc5322()),
        ("Reply-To", notice_reply_to(list)),
        ("Message-ID", format!("<{message_id}>")),
        // RFC 3834 §5. The other one is for responders that came before it.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("Precedence", "list".to_owned()),
        (LOOP_MARK, list_id(list)),
    ]
}

/// Who gets an answer to a notice: the list's admins, never its readers.
#[must_use]
pub fn notice_reply_to(list: &Address) -> String {
    list.with_suffix("-owner").map_or_else(|_| list.to_string(), |a| a.to_string())
}

/// The List-Id of a list, without brackets.
#[must_use]
pub fn list_id(list: &Address) -> String {
    format!("{}.{}", list.local(), list.domain())
}

fn help_address(list: &Address) -> String {
    list.with_suffix("-request").map_or_else(|_| list.to_string(), |a| a.to_string())
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
}
