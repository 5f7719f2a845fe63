//! Letters about the end of a membership.

use super::page::{Page, Said, folded};
use crate::roster::removal::Reason;
use crate::time::Timestamp;

pub(super) fn asked(
    page: &Page<'_>,
    whom: Option<&str>,
    (reason, words): (Reason, Option<&str>),
    since: Timestamp,
    cure_until: Option<Timestamp>,
) -> Said {
    let list = page.list;
    let whose = whom.map_or_else(|| "your membership".to_owned(), |whom| format!("the membership of {whom}"));
    let what = format!("Since {since} somebody wants to end {whose} in {} ({}).", list.title, list.address);
    let words = words.map_or_else(String::new, |words| format!("\n{words}\n"));
    let next = match (cure_until, whom) {
        (Some(until), None) => format!(
            "You have time until {until} to mend it: write to the team. If it is not mended by then, the team votes. \
             Until it is decided nothing changes."
        ),
        (None, None) => "The team votes on it now. Until it is decided nothing changes.".to_owned(),
        (Some(until), Some(_)) => format!(
            "There is time until {until} to mend it; then you are asked to vote. Once it is mended, tell an admin, \
             who takes it back."
        ),
        (None, Some(_)) => "You are asked to vote by a mail of its own.".to_owned(),
    };
    let subject = match whom {
        None => "Your membership may end".to_owned(),
        Some(_) => "A membership may end".to_owned(),
    };
    Said { subject, text: folded(&format!("{what}\n\nThe reason: {}.\n{words}\n{next}\n", reason.words())) }
}

pub(super) fn withdrawn(page: &Page<'_>) -> Said {
    let (title, address) = (&page.list.title, &page.list.address);
    let text = format!(
        "What was asked for is taken back: your membership of {title} ({address}) goes on as before.\n"
    );
    Said { subject: "Your membership goes on".to_owned(), text: folded(&text) }
}

/// The text quotes nothing, neither of the list's mail nor of what was said about the member.
pub(super) fn farewell(page: &Page<'_>, reason: Option<Reason>, team: bool) -> Said {
    let list = page.list;
    let why = reason.map_or_else(String::new, |reason| format!("The reason: {}.\n\n", reason.words()));
    let (what, back) = if team {
        ("You are no longer in the team of", "To come back, ask the team or its admin.\n".to_owned())
    } else {
        let request = list.request();
        let back = format!(
            "The way back is open: apply anew, as everybody does, by a mail to\n\n    {request}\n\nNobody gets what \
             was sent before they belong.\n"
        );
        ("You are no longer a member of", back)
    };
    let text = format!(
        "{what} {} ({}).\n\nFrom now on nothing of this list is sent to you, copies that waited were withdrawn, and \
         your certificate is not kept for it. What you were told under embargo stays under it.\n\n{why}{back}",
        list.title, list.address
    );
    Said { subject: "You are no longer on this list".to_owned(), text: folded(&text) }
}
