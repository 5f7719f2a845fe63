//! What a mail to a return path says of the copy it belongs to. Only an outcome and a status come out of here: the rest
//! of a bounce may hold the whole copy, or what somebody wrote in the clear, and is looked at in memory alone.

mod phrases;
mod status;

pub use self::status::{Bounce, Status};
use crate::mime::report::{Group, Report, prose, report};
use crate::mime::scan::{Limits, header, scan};

/// Reads a mail that came to a return path; `None` when it reports neither failure nor delay: an out-of-office reply, a
/// receipt, anything else.
#[must_use]
pub fn read(raw: &[u8], limits: &Limits) -> Option<Bounce> {
    let scanned = scan(raw, limits).ok()?;
    match report(scanned) {
        // RFC 8098: that a mail was read, or deleted unread, is no bounce.
        Some(Report { kind: Some(kind), .. }) if kind == "disposition-notification" => return None,
        Some(report) if !report.groups.is_empty() => return of_groups(&report.groups),
        _ => {}
    }
    // In prose, and the structure says no more than that. RFC 3834 §2: who answers that he is away, does not fail.
    let said = prose(scanned)?;
    let failed_recipients = header(raw, "X-Failed-Recipients").is_some();
    phrases::read(said.expose(), failed_recipients)
}

/// RFC 3464 §2.3.3: each recipient has an action. A copy has one recipient, so that a failure of any is the copy's.
fn of_groups(groups: &[Group]) -> Option<Bounce> {
    let each: Vec<Bounce> = groups.iter().filter_map(of_group).collect();
    let failed = each.iter().find(|bounce| matches!(bounce, Bounce::Failed(_)));
    failed.or(each.first()).copied()
}

fn of_group(group: &Group) -> Option<Bounce> {
    let action = group.get("action").map(str::to_ascii_lowercase);
    let stated = group.get("status").and_then(Status::first_in);
    // Where the status is missing or says nothing, the other server's reply may have one (RFC 3464 §2.3.6).
    let replied = || group.get("diagnostic-code").and_then(Status::first_in);
    let status = stated.filter(|s| !s.is_vague()).or_else(replied).or(stated);
    match action.as_deref().and_then(|action| action.split_whitespace().next()) {
        Some("failed") => Some(Bounce::Failed(status.unwrap_or(Status::UNKNOWN_FAILURE))),
        Some("delayed") => Some(Bounce::Delayed(status.unwrap_or(Status::UNKNOWN_DELAY))),
        // Delivered, relayed or expanded: RFC 3464 §2.3.3.
        Some(_) => None,
        // The field is demanded, and some leave it out. The group of the message itself has neither.
        None => match status?.class() {
            5 => Some(Bounce::Failed(status?)),
            4 => Some(Bounce::Delayed(status?)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsn(group: &str) -> String {
        format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n{group}\r\n--b--\r\n"
        )
    }

    fn of(mail: &str) -> Option<(String, bool)> {
        read(mail.as_bytes(), &Limits::default()).map(|bounce| match bounce {
            Bounce::Failed(status) => (status.to_string(), true),
            Bounce::Delayed(status) => (status.to_string(), false),
        })
    }

    #[test]
    fn an_action_decides_and_a_status_is_found_where_it_is() {
        let failed = |status: &str| Some((status.to_owned(), true));
        let delayed = |status: &str| Some((status.to_owned(), false));
        for (group, wanted) in [
            ("Action: failed\r\nStatus: 5.1.1\r\n", failed("5.1.1")),
            ("Action: FAILED (permanently)\r\nStatus: 5.1.1\r\n", failed("5.1.1")),
            ("Action: failed\r\nStatus: 4.4.1\r\n", failed("4.4.1")),
            ("Action: delayed\r\nStatus: 4.4.1\r\n", delayed("4.4.1")),
            ("Action: delayed\r\n", delayed("4.0.0")),
            ("Action: failed\r\n", failed("5.0.0")),
            ("Action: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; 550 5.7.1 no\r\n", failed("5.7.1")),
            ("Action: failed\r\nDiagnostic-Code: smtp; 550-5.2.2 full\r\n", failed("5.2.2")),
            ("Action: delivered\r\nStatus: 2.0.0\r\n", None),
            ("Action: relayed\r\nStatus: 2.0.0\r\n", None),
            ("Action: expanded\r\nStatus: 2.0.0\r\n", None),
            ("Status: 5.4.7\r\n", failed("5.4.7")),
            ("Status: 4.4.7\r\n", delayed("4.4.7")),
            ("Final-Recipient: rfc822; a@b\r\n", None),
        ] {
            assert_eq!(of(&dsn(group)), wanted, "{group}");
        }
        let several = "Action: delayed\r\nStatus: 4.4.1\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n";
        assert_eq!(of(&dsn(several)), failed("5.1.1"));
    }

    #[test]
    fn a_receipt_or_an_answer_is_no_bounce() {
        let read = dsn("Disposition: manual-action; displayed\r\n")
            .replace("delivery-status", "disposition-notification");
        assert_eq!(of(&read), None);
        let away = "Auto-Submitted: auto-replied\r\nSubject: Out of office\r\n\r\nI am away. My mail was not delivered \
                    to my deputy either, error 5.1.1.\r\n";
        assert_eq!(of(away), None);
        assert_eq!(of("Subject: hello\r\n\r\nJust a person.\r\n"), None);
        assert_eq!(of(""), None);
    }
}
