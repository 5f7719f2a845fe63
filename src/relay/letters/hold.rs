//! Letters about held mail. They quote nothing of it: whoever decides asks its author by another way.

use std::fmt::Write as _;

use super::page::{Page, Said, wrapped};
use crate::id::Fingerprint;
use crate::roster::moderation::{Decision, HeldMail};

/// What waits, and a token for each decision about each mail.
pub(super) fn held(page: &Page<'_>, mails: &[HeldMail], more: u32, reminder: bool) -> Said {
    let (list, count) = (page.list, mails_in_words(mails.len(), more));
    let mut text = format!("{count} to {}\n({})\n", list.title, list.address);
    text.push_str(if reminder {
        "will be dropped soon, because nobody of the team has decided about it.\n"
    } else {
        "is held: a rule is against it, and nobody has read it. Whoever of the team\ndecides first has decided. Ask its author by another way whether it is genuine.\n"
    });
    let mut tokens = 0..;
    for mail in mails {
        describe(&mut text, mail);
        if let Some(expires) = mail.expires {
            let _ = writeln!(text, "  if nobody decides, dropped: {expires}");
        }
        for (decision, nth) in mail.decisions().zip(&mut tokens) {
            let _ = write!(text, "\n  {}\n\n{}", offer(decision), page.offered(nth));
        }
        if !mail.releasable {
            text.push_str("\n  It cannot be let through: its author has to write again.\n");
        }
    }
    if more > 0 {
        let _ =
            write!(text, "\n{}: an admin sees them with `vouchsafe hold ls`.\n", capital(&and_more(more)));
    }
    let _ = write!(text, "\nOne mail for each decision, please.\n\n{}", page.how_to_answer());
    let what = if reminder { "will be dropped soon" } else { "is held: please decide" };
    Said { subject: format!("{count} {what}"), text }
}

/// What became of mail that nobody decided about.
pub(super) fn expired(page: &Page<'_>, mails: &[HeldMail], more: u32) -> Said {
    let (list, count) = (page.list, mails_in_words(mails.len(), more));
    let mut text = format!(
        "{count} to {}\n({})\nwas dropped, because nobody of the team had decided about it in the time\n\
         that the list's policy gives.\n",
        list.title, list.address
    );
    for mail in mails {
        describe(&mut text, mail);
    }
    if more > 0 {
        let _ = write!(text, "\n{}: the journal has them.\n", capital(&and_more(more)));
    }
    Said { subject: format!("{count} was dropped undecided"), text }
}

/// Somebody's key is ignored from now on.
pub(super) fn ignored(page: &Page<'_>, signer: Fingerprint, by: Option<&str>) -> Said {
    let list = page.list;
    let who = by.map_or_else(|| "An admin".to_owned(), |by| format!("{by} of the team"));
    let text = wrapped(
        &format!(
            "{who} wants no more mail to {} ({}) to be held that is signed with this key, or says so. It is dropped from \
             now on, and journalled.",
            list.title, list.address
        ),
        "",
        "",
    );
    let undo =
        "Who belongs to the list is never ignored. An admin ends it with\n`vouchsafe hold ignore remove`.";
    Said {
        subject: "A key is ignored from now on".to_owned(),
        text: format!("{text}\n    {signer}\n\n{undo}\n"),
    }
}

fn describe(text: &mut String, mail: &HeldMail) {
    let _ = write!(text, "\nMail {}\n  reason: {}\n  held since: {}\n", mail.id, mail.reason, mail.since);
    let _ = writeln!(text, "  size: {} bytes, sealed", mail.size);
    let _ = match mail.signer {
        // Nobody could check a signature by a key that is not on the roster: it names whom it likes.
        Some(signer) if mail.reason == "unknown-signer" => {
            writeln!(text, "  its signature names the unknown key\n    {signer}")
        }
        Some(signer) => writeln!(text, "  signed with the key\n    {signer}"),
        None => writeln!(text, "  by whom: not known"),
    };
}

const fn offer(decision: Decision) -> &'static str {
    match decision {
        Decision::Release => "To let it through, as far as this reason goes:",
        Decision::Drop => "To drop it:",
        Decision::DropAndIgnore => "To drop it, and what else that key signs and would be held:",
    }
}

fn mails_in_words(count: usize, more: u32) -> String {
    match u64::try_from(count).unwrap_or(u64::MAX).saturating_add(more.into()) {
        1 => "1 mail".to_owned(),
        all => format!("Mail ({all})"),
    }
}

fn and_more(more: u32) -> String {
    if more == 1 { "one more".to_owned() } else { format!("{more} more") }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
