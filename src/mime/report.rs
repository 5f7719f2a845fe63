//! Reports about mail (RFC 6522): what a mail server says of a message that it could not deliver, and the header fields
//! that parts of a mail carry.

use crate::secret::Plaintext;

use super::entity::Entity;
use super::field::{self, ContentType};
use super::read::plain_text;
use super::scan::Scanned;
use super::tree::Kind;

/// Recipients that one report is read for.
const MAX_GROUPS: usize = 100;

/// A report, as far as its structure tells.
pub struct Report {
    /// The `report-type`, in lower case: `delivery-status`, `disposition-notification`; none where none is given.
    pub kind: Option<String>,
    /// The groups of fields of its `message/delivery-status` (RFC 3464 §2.1.1): that of the message, then one for each
    /// recipient. Empty where there is no such part.
    pub groups: Vec<Group>,
}

/// Fields that belong together: lower-case names, values unfolded.
pub struct Group(Vec<(String, String)>);

impl Group {
    /// The value of the first field of that name, which is in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// The report that a mail is: a `multipart/report`, or a mail with a `message/delivery-status` part, as some servers wrap
/// it.
#[must_use]
pub fn report(mail: Scanned<'_>) -> Option<Report> {
    let entity = Entity::of(mail.bytes());
    let root = entity.root()?;
    let is_report = root.ctype.is("multipart", "report");
    // Not from inside the returned message: that may be a report itself.
    let own = |index: usize| {
        let mut at = index;
        while let Some(parent) = entity.parts.get(at).and_then(|part| part.parent) {
            if entity.parts.get(parent).is_some_and(|part| part.kind == Kind::Message) {
                return false;
            }
            at = parent;
        }
        true
    };
    let is_status = |ctype: &ContentType| {
        ["delivery-status", "global-delivery-status"].iter().any(|s| ctype.is("message", s))
    };
    let status = entity.parts.iter().enumerate().find(|(index, part)| is_status(&part.ctype) && own(*index));
    if !is_report && status.is_none() {
        return None;
    }
    let kind = root.ctype.param("report-type").filter(|_| is_report);
    Some(Report {
        kind: kind.map(|kind| String::from_utf8_lossy(&kind).to_ascii_lowercase()),
        groups: status.map(|(_, part)| groups(&entity.decoded(part))).unwrap_or_default(),
    })
}

/// Groups of fields with empty lines between.
fn groups(body: &[u8]) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut rest = body;
    while !rest.is_empty() && groups.len() < MAX_GROUPS {
        let (block, behind) = field::split(rest);
        let fields: Vec<(String, String)> = field::fields(block)
            .map(|field| {
                let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
                let value: String =
                    String::from_utf8_lossy(field.value).split_whitespace().collect::<Vec<_>>().join(" ");
                (name, value)
            })
            .collect();
        if !fields.is_empty() {
            groups.push(Group(fields));
        }
        rest = behind;
    }
    groups
}

/// The text that a mail begins with, for servers that report in prose only.
#[must_use]
pub fn prose(mail: Scanned<'_>) -> Option<Plaintext> {
    plain_text(mail)
}

/// A header field of a part.
pub struct Found<'a> {
    /// Which of the names that were asked for.
    pub name: usize,
    /// Its value, folded as it came.
    pub value: &'a [u8],
    /// Whether the part is the entity itself.
    pub top: bool,
    /// Whether it lies inside a forwarded message.
    pub forwarded: bool,
}

/// All header fields of these names: those of the entity, of its parts, and of the messages in it.
#[must_use]
pub fn everywhere<'a>(entity: Scanned<'a>, names: &[&str]) -> Vec<Found<'a>> {
    let raw = entity.bytes();
    let entity = Entity::of(raw);
    let mut forwarded: Vec<bool> = Vec::with_capacity(entity.parts.len());
    let mut found = Vec::new();
    for (index, part) in entity.parts.iter().enumerate() {
        let parent = part.parent.and_then(|parent| {
            let inside = *forwarded.get(parent)?;
            Some(inside || entity.parts.get(parent)?.kind == Kind::Message)
        });
        let inside = parent.unwrap_or(false);
        forwarded.push(inside);
        let header = raw.get(part.whole.start..part.body.start).unwrap_or_default();
        for field in field::fields(header) {
            if let Some(name) = names.iter().position(|name| field.is(name)) {
                let value = field.value.trim_ascii();
                found.push(Found { name, value, top: index == 0, forwarded: inside });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::scan::{Limits, scan};

    const REPORT: &str = "Content-Type: multipart/report; report-type=Delivery-Status; boundary=b\r\n\r\n\
        --b\r\n\r\nIt did not work.\r\n\
        --b\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; mx.example\r\n\r\n\
        Final-Recipient: rfc822; dora@distro.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
        Diagnostic-Code: smtp; 550\r\n  5.1.1 who?\r\n\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <a@b>\r\nContent-Type: text/plain\r\n\r\nbody\r\n--b--\r\n";

    fn scanned(mail: &str) -> Scanned<'_> {
        scan(mail.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_report_has_its_groups() {
        let found = report(scanned(REPORT)).unwrap();
        assert_eq!(found.kind.as_deref(), Some("delivery-status"));
        assert_eq!(found.groups.len(), 2);
        assert_eq!(found.groups[0].get("reporting-mta"), Some("dns; mx.example"));
        assert_eq!(found.groups[1].get("action"), Some("failed"));
        assert_eq!(found.groups[1].get("diagnostic-code"), Some("smtp; 550 5.1.1 who?"));
    }

    #[test]
    fn a_report_inside_a_returned_message_is_not_ours() {
        let wrapped = format!("Content-Type: message/rfc822\r\n\r\n{REPORT}");
        assert!(report(scanned(&wrapped)).is_none());
        assert!(report(scanned("Subject: x\r\n\r\nStatus: 5.1.1\r\n")).is_none());
    }

    #[test]
    fn fields_are_found_where_they_stand() {
        let ids = everywhere(scanned(REPORT), &["message-id"]);
        assert_eq!(ids.len(), 1);
        assert!(ids[0].forwarded && !ids[0].top && ids[0].value == b"<a@b>");
        let types = everywhere(scanned(REPORT), &["X-None", "Content-Type"]);
        assert!(types.iter().all(|t| t.name == 1));
        assert_eq!(types.iter().filter(|t| t.top).count(), 1);
        assert_eq!(types.iter().filter(|t| t.forwarded).count(), 1);
    }
}
