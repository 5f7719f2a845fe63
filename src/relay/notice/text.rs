//! What a notice says: what happened, to whom, since when, and what to do next.

use std::fmt::Write as _;
use std::time::Duration;

use crate::mail::address::Address;
use crate::mail::incident::Incident;
use crate::pgp::cert::CertProblem;
use crate::policy::duration;
use crate::relay::world::List;
use crate::time::Timestamp;

/// So many incidents of one kind are listed; the others are counted.
const LISTED: usize = 50;

/// The kinds, in the order in which they are told: the worst first.
const KINDS: &[Kind] = &[
    Kind {
        name: "breach-reported",
        one: "a leak is reported",
        many: "leaks are reported",
        short: "leaks",
        next: "The team has a letter with what is known. `vouchsafe breach show ID` has what is missing; when the team \
               has decided: `vouchsafe breach close ID --strike` or `--no-strike`.",
    },
    Kind {
        name: "breach-overdue",
        one: "what leaked is overdue to be told",
        many: "reports of leaks are overdue",
        short: "reports overdue",
        next: "Ask whoever reported it: `vouchsafe breach show ID` names what is missing.",
    },
    Kind {
        name: "mail-quarantined",
        one: "a mail did not survive being worked on, three times",
        many: "mails did not survive being worked on, three times",
        short: "quarantined",
        next: "Nothing is lost: each is kept as it arrived, sealed. See the log (`journalctl -u vouchsafe`), report \
               the fault, then let it be tried again with `vouchsafe hold release ID`.",
    },
    Kind {
        name: "mail-held",
        one: "a mail is held",
        many: "mails are held",
        short: "held",
        next: "Look at each with `vouchsafe hold show ID`, then `vouchsafe hold release ID` or `vouchsafe hold drop ID`.",
    },
    Kind {
        name: "copy-failed",
        one: "a copy was refused for good",
        many: "copies were refused for good",
        short: "refused",
        next: "See the reply with `vouchsafe queue show ID`. When the address is right again: `vouchsafe queue retry \
               ID`; else `vouchsafe queue drop ID`, and `vouchsafe member suspend` if it lasts.",
    },
    Kind {
        name: "copy-expired",
        one: "a copy was tried for as long as the settings say, in vain",
        many: "copies were tried for as long as the settings say, in vain",
        short: "given up",
        next: "See the last reply with `vouchsafe queue show ID`. When the server is there again: `vouchsafe queue \
               retry ID`; else `vouchsafe queue drop ID`.",
    },
    Kind {
        name: "copy-bounced",
        one: "a copy was taken over by the next hop and came back",
        many: "copies were taken over by the next hop and came back",
        short: "bounced",
        next: "The reader did not get it, and the relay cannot open it to send it again: reach the reader another way. \
               `vouchsafe queue show ID` has the status. If the address is dead: `vouchsafe member suspend`.",
    },
    Kind {
        name: "letter-lost",
        one: "a letter of the relay itself did not reach somebody",
        many: "people were not reached by letters of the relay itself",
        short: "letters lost",
        next: "Such a letter may ask for an answer, such as a vote, or whether the address is read: reach them another \
               way. `vouchsafe queue ls` has what came back or failed, and with which status.",
    },
    Kind {
        name: "reader-missed",
        one: "a reader got no copy, because the certificate cannot be used",
        many: "times a reader got no copy, because the certificate cannot be used",
        short: "readers missed",
        next: "Ask the reader for a usable certificate and set it with `vouchsafe member set-cert`.",
    },
    Kind {
        name: "cannot-receive",
        one: "a reader can receive nothing any more",
        many: "readers can receive nothing any more",
        short: "cannot receive",
        next: "Nothing is sent to them before each has a usable certificate: ask for it, and set it with `vouchsafe \
               member set-cert`. `vouchsafe member ls --within 0` names all of them.",
    },
    Kind {
        name: "certificate-ends",
        one: "a reader's certificate will be of no use soon",
        many: "readers' certificates will be of no use soon",
        short: "certificates end",
        next: "Ask for the extended certificate, and set it with `vouchsafe member set-cert`. `vouchsafe member ls \
               --within 60` names all of them.",
    },
    Kind {
        name: "review-missed",
        one: "a criterion was to be looked at again by now",
        many: "criteria were to be looked at again by now",
        short: "reviews missed",
        next: "Look at each with `vouchsafe org show NAME`, then write down what you find with `vouchsafe org assess`. \
               `vouchsafe org ls --overdue` names all of them.",
    },
    Kind {
        name: "certificate-replaced",
        one: "a reader had another certificate pinned, by a mail that both keys signed",
        many: "readers had other certificates pinned, by mails that both keys signed",
        short: "certificates replaced",
        next: "If in doubt ask the reader by another way; `vouchsafe member set-cert` sets the former one again.",
    },
    Kind {
        name: "unanswered",
        one: "a member is suspended, since nobody answers at its address",
        many: "members are suspended, since nobody answers at their addresses",
        short: "unanswered",
        next: "Reach them another way. `vouchsafe member resume` ends it.",
    },
    Kind {
        name: "mailbox-trouble",
        one: "mail cannot be fetched",
        many: "times mail could not be fetched",
        short: "mailbox trouble",
        next: "Mend what it says, then look at `vouchsafe status`.",
    },
    Kind {
        name: "trouble",
        one: "something needs a person",
        many: "things need a person",
        short: "trouble",
        next: "Mend what it says, then look at `vouchsafe status`.",
    },
];

struct Kind {
    name: &'static str,
    one: &'static str,
    many: &'static str,
    short: &'static str,
    next: &'static str,
}

type Told = (Timestamp, Incident);

fn of<'a>(kind: &Kind, incidents: &'a [Told]) -> Vec<&'a Told> {
    incidents.iter().filter(|(_, incident)| incident.kind() == kind.name).collect()
}

/// What the subject says behind the list's name.
pub(super) fn subject(incidents: &[Told]) -> String {
    let counts = KINDS.iter().map(|kind| (of(kind, incidents).len(), kind.short));
    let told: Vec<String> = counts.filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    format!("the relay needs an admin: {}", told.join(", "))
}

/// The text, lines ending in LF.
pub(super) fn body(
    list: &List,
    incidents: &[Told],
    unreached: &[(Address, CertProblem)],
    every: Duration,
) -> String {
    let mut text = format!(
        "[This notice is from the relay of {} ({}), not from a person. It quotes nothing of any mail.]\n",
        list.title, list.address
    );
    for kind in KINDS {
        section(&mut text, kind, &of(kind, incidents));
    }
    if !unreached.is_empty() {
        text.push_str("\nThese admins cannot be told, since their certificates cannot be used:\n");
        for (address, problem) in unreached {
            let _ = writeln!(text, "  {address}: {problem}");
        }
        text.push_str("Give each a usable certificate: see [admin] in relay.toml, or the list's team.\n");
    }
    let every = duration::show(every);
    let _ =
        write!(text, "\nWhat happens next on this list is told in {every} at the earliest, in one mail.\n");
    text
}

fn section(text: &mut String, kind: &Kind, told: &[&Told]) {
    match told {
        [] => return,
        [_] => _ = write!(text, "\n{}:\n", capital(kind.one)),
        many => _ = write!(text, "\n{} {}:\n", many.len(), kind.many),
    }
    for (at, incident) in told.iter().take(LISTED) {
        let _ = writeln!(text, "  {at}  {}", line(incident));
    }
    if let Some(rest) = told.len().checked_sub(LISTED).filter(|rest| *rest > 0) {
        let _ = writeln!(text, "  and {rest} more: see `vouchsafe queue ls`, `vouchsafe hold ls`");
    }
    let _ = writeln!(text, "{}", kind.next);
}

fn line(incident: &Incident) -> String {
    let copy = |parcel, member, recipient, code: &str, none: &str| {
        let code = if code.is_empty() { none } else { code };
        format!("copy {parcel} for {recipient} ({member}): {code}")
    };
    match incident {
        Incident::CopyFailed { parcel, member, recipient, code } => {
            copy(parcel, member, recipient, code, "without a reply")
        }
        Incident::CopyExpired { parcel, member, recipient, code } => {
            copy(parcel, member, recipient, code, "without a reply")
        }
        Incident::CopyBounced { parcel, member, recipient, status } => {
            copy(parcel, member, recipient, status, "without a status")
        }
        Incident::LetterLost { member, recipient } => format!("{recipient} ({member})"),
        Incident::MailHeld { mail, reason } => format!("mail {mail}: {reason}"),
        Incident::MailQuarantined { mail } => format!("mail {mail}"),
        Incident::ReaderMissed { mail, member, recipient, problem } => {
            format!("mail {mail} for {recipient} ({member}): {problem}")
        }
        Incident::CertificateEnds { member, recipient, at, within } => {
            format!("{recipient} ({member}): ends {at}, within {within} days")
        }
        Incident::CannotReceive { member, recipient, problem } => {
            format!("{recipient} ({member}): {problem}")
        }
        Incident::ReviewMissed { org, criterion, due } => format!("{org}: {criterion}, due {}", due.day()),
        Incident::CertificateReplaced { member, recipient, before, after } => {
            format!("{recipient} ({member}): {after}, before: {before}")
        }
        Incident::MailboxTrouble { mailbox, problem } => format!("{mailbox}: {problem}"),
        Incident::Unanswered { member, recipient, missed } => {
            format!("{recipient} ({member}): {missed} questions in a row without an answer")
        }
        Incident::BreachReported { breach } | Incident::BreachOverdue { breach } => {
            format!("breach {breach}")
        }
        Incident::Trouble { part, problem } => format!("{part}: {problem}"),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::directory::Kind as ListKind;

    const AT: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn list() -> List {
        let address: Address = "security@lists.example.org".parse().unwrap();
        List {
            name: "security".parse().unwrap(),
            title: "Security Team".to_owned(),
            answer_to: address.clone(),
            address,
            kind: ListKind::Intake,
            team: None,
            individual: false,
            policy: None,
        }
    }

    fn bounced(n: usize) -> Told {
        let parcel = crate::id::ParcelId::from_bytes([u8::try_from(n).unwrap(); 16]);
        let recipient = format!("dora{n}@distro.example").parse().unwrap();
        let status = "5.1.1".to_owned();
        (AT, Incident::CopyBounced { parcel, member: "m-dora".parse().unwrap(), recipient, status })
    }

    fn notice(incidents: &[Told], unreached: &[(Address, CertProblem)]) -> String {
        body(&list(), incidents, unreached, Duration::from_secs(900))
    }

    #[test]
    fn a_notice_says_what_to_whom_when_and_what_next() {
        let held = Incident::MailHeld {
            mail: crate::id::SpoolId::from_bytes([7; 16]),
            reason: "unknown-signer".to_owned(),
        };
        let incidents = [bounced(1), (AT, held), bounced(2)];
        assert_eq!(subject(&incidents), "the relay needs an admin: 1 held, 2 bounced");
        let unreached = [("eve@example.org".parse().unwrap(), CertProblem::Revoked)];
        let expected = "\
[This notice is from the relay of Security Team (security@lists.example.org), not from a person. It quotes nothing of any mail.]

A mail is held:
  2026-09-21T14:13:20Z  mail a4dqobyha4dqobyha4dqobyha4: unknown-signer
Look at each with `vouchsafe hold show ID`, then `vouchsafe hold release ID` or `vouchsafe hold drop ID`.

2 copies were taken over by the next hop and came back:
  2026-09-21T14:13:20Z  copy aeaqcaibaeaqcaibaeaqcaibae for dora1@distro.example (m-dora): 5.1.1
  2026-09-21T14:13:20Z  copy aibaeaqcaibaeaqcaibaeaqcai for dora2@distro.example (m-dora): 5.1.1
The reader did not get it, and the relay cannot open it to send it again: reach the reader another way. `vouchsafe queue show ID` has the status. If the address is dead: `vouchsafe member suspend`.

These admins cannot be told, since their certificates cannot be used:
  eve@example.org: revoked by its owner: ask for the new certificate
Give each a usable certificate: see [admin] in relay.toml, or the list's team.

What happens next on this list is told in 15m at the earliest, in one mail.
";
        assert_eq!(notice(&incidents, &unreached), expected);
    }

    #[test]
    fn a_storm_is_counted_and_not_spelt_out() {
        let incidents: Vec<Told> = (0..120).map(bounced).collect();
        let text = notice(&incidents, &[]);
        assert!(text.contains("\n120 copies were taken over"), "{text}");
        assert_eq!(text.matches("  copy ").count(), LISTED);
        assert!(text.contains("\n  and 70 more: see"));
    }

    #[test]
    fn every_kind_has_its_words() {
        let named = |name: &str| KINDS.iter().any(|kind| kind.name == name);
        let trouble = Incident::Trouble { part: "dkim".to_owned(), problem: "no key".to_owned() };
        assert!(named(trouble.kind()) && named(bounced(0).1.kind()));
        for kind in [
            "copy-failed",
            "copy-expired",
            "letter-lost",
            "mail-held",
            "mail-quarantined",
            "reader-missed",
            "cannot-receive",
            "certificate-ends",
            "certificate-replaced",
            "mailbox-trouble",
        ] {
            assert!(named(kind), "{kind}");
        }
    }
}
