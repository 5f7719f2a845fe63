//! Letters about whether an address is read.

use super::page::{Page, Said};
use crate::id::BallotId;
use crate::mail::address::Address;
use crate::time::Timestamp;

pub(super) fn asked(page: &Page<'_>, due: Timestamp, again: bool) -> Said {
    let asks = if again { "asked, and still asks," } else { "asks" };
    let text = format!(
        "The list {}\n({}) {asks} whether somebody reads this address,\nand can read what is encrypted to it. Please \
         answer until {due}.\n\nTo show that it is read:\n\n    {}\n\n{}",
        page.list.title,
        page.list.address,
        page.token(0),
        page.how_to_answer(),
    );
    let subject =
        if again { "A reminder: is this address read?" } else { "Please answer: is this address read?" };
    Said { subject: subject.to_owned(), text }
}

pub(super) fn answered(page: &Page<'_>) -> Said {
    let text = format!(
        "Your answer is noted: this address is read.\n{} ({}) asks again when it is\ntime.\n",
        page.list.title, page.list.address
    );
    Said { subject: "Your answer is noted".to_owned(), text }
}

pub(super) fn suspended(page: &Page<'_>, missed: u32, back: bool, cure_until: Option<Timestamp>) -> Said {
    let list = page.list;
    let come_back = format!("To come back, write to the list's admins:\n\n    {}\n", owner(page));
    let answer = |does: &str| {
        let (token, how) = (page.token(0), page.how_to_answer());
        format!("To show that it is read after all, which {does}:\n\n    {token}\n\n{how}")
    };
    let way = match cure_until {
        _ if back => answer("ends the suspension"),
        Some(until) => format!(
            "The relay has asked the team to remove you.\n{}\n{come_back}",
            answer(&format!("takes that\nback until {until}, and ends no suspension"))
        ),
        None => come_back,
    };
    let text = format!(
        "{} asked whether this address is read, and\n{} had no answer. You are suspended on\n{}: nothing is delivered \
         to you.\n\n{way}",
        list.title,
        times(missed),
        list.address,
    );
    Said { subject: "You are suspended: nobody answered".to_owned(), text }
}

pub(super) fn silent(
    page: &Page<'_>,
    who: &str,
    missed: u32,
    (at, asked): (Option<&Address>, Option<&BallotId>),
) -> Said {
    let (name, at) = (&page.list.name, at.map_or_else(|| "ADDRESS".to_owned(), ToString::to_string));
    let removal = asked.map_or_else(
        || {
            format!(
                "Where nobody is reached, an admin asks the team to remove it:\n\n    \
                 vouchsafe org removal --list {name} {at} --reason probe\n"
            )
        },
        |ballot| {
            format!(
                "The relay has asked for its removal: ballot {ballot}.\nAn admin takes that back with\n\n    \
                 vouchsafe org removal --list {name} {at} --withdraw\n"
            )
        },
    );
    let text = format!(
        "{who}\nis suspended on {} ({}):\nthe question whether the address is read had no answer, {}.\n\nPlease reach \
         them another way. An admin ends it with\n\n    vouchsafe member resume {name} {at}\n\n{removal}",
        page.list.title,
        page.list.address,
        times(missed),
    );
    Said { subject: format!("Suspended, since nobody answers: {}", short(who)), text }
}

fn times(missed: u32) -> String {
    if missed == 1 { "one question".to_owned() } else { format!("{missed} questions in a row") }
}

fn owner(page: &Page<'_>) -> String {
    let address = &page.list.address;
    address.with_suffix("-owner").unwrap_or_else(|_| address.clone()).to_string()
}

/// Enough of it for a subject.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
