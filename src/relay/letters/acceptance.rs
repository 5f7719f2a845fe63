//! Letters about a list's terms: please accept, accepted, and one's own people.

use super::page::{Page, Said};
use crate::roster::terms::{Asking, Edition};
use crate::time::Timestamp;

pub(super) fn wanted(
    page: &Page<'_>,
    edition: &Edition,
    due: Option<Timestamp>,
    asking: Asking,
    staff: u32,
) -> Said {
    let list = page.list;
    let until = due.map_or_else(String::new, |due| format!(" until {due}"));
    let (why, subject) = match asking {
        Asking::First => (
            "Before anything is delivered to you,\nyou have to accept its terms.".to_owned(),
            "Please accept the terms",
        ),
        Asking::Anew => (
            format!("Its terms have a new text. Please accept\nit{until}: who does not is suspended then."),
            "Please accept the new terms",
        ),
        Asking::Again => (
            format!("Its terms still wait for your\nacceptance{until}: who does not accept them is\nsuspended then."),
            "A reminder: please accept the terms",
        ),
        Asking::Over => (
            "Its terms were not accepted in time:\nyou are suspended, and get nothing. Accepting them ends that."
                .to_owned(),
            "You are suspended until you accept the terms",
        ),
    };
    // What is asked for now may be another text by the time the letter is written: then that one has its own letter.
    let text = list.terms().filter(|terms| Edition::from(*terms) == *edition);
    let stands = text.map_or_else(
        || "(The text has changed since: you are asked about the new one in another\nmail.)\n".to_owned(),
        |terms| plain(&terms.text),
    );
    let text = format!(
        "You belong to {}\n({}). {why}\n\nThe text is version {}, and its SHA-256 is\n\n    {}\n\nTo accept it:\n\n    \
         {}\n\n{}\n{}The text:\n\n{stands}",
        list.title,
        list.address,
        edition.version,
        edition.hash,
        page.token(0),
        page.how_to_answer(),
        anew(staff),
    );
    Said { subject: subject.to_owned(), text }
}

/// What a contact has to do about its own people.
fn anew(staff: u32) -> String {
    let who = match staff {
        0 => return String::new(),
        1 => "One of your own people is recorded".to_owned(),
        more => format!("{more} of your own people are recorded"),
    };
    format!(
        "{who} with a former text. They have to\naccept this one anew, and you record each of them again: the letter\n\
         that confirms your acceptance says how.\n\n"
    )
}

pub(super) fn accepted(page: &Page<'_>, edition: &Edition) -> Said {
    let text = format!(
        "You accepted version {} of the terms of\n{} ({}).\n\n{}",
        edition.version,
        page.list.title,
        page.list.address,
        staff(page),
    );
    Said { subject: format!("You accepted the terms, version {}", edition.version), text }
}

pub(super) fn staff_recorded(page: &Page<'_>, name: &str) -> Said {
    let text = format!("{name} is recorded among your own people.\n\n{}", staff(page));
    Said { subject: "One of your people is recorded".to_owned(), text }
}

pub(super) fn staff_refused(page: &Page<'_>, why: &str) -> Said {
    let text = format!("Nobody was recorded among your own people:\n{why}.\n\n{}", staff(page));
    Said { subject: "Nobody was recorded".to_owned(), text }
}

/// How a contact records the people of its organisation.
fn staff(page: &Page<'_>) -> String {
    let hash = page.list.terms().map_or_else(String::new, |terms| terms.hash.to_string());
    format!(
        "Whoever else of your organisation needs to know must have accepted the same\ntext before. You record each of them with a signed mail of yours, which\nsays\n\n    Name: their name\n    Address: their address\n    Accepts: {hash}\n\nand, on a line of its own, the command with\n\n    {}\n\n{}",
        page.token(0),
        page.how_to_answer(),
    )
}

/// The text, indented, with lines that every mail program shows whole.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for line in text.lines() {
        let mut width = 0;
        plain.push_str("  ");
        for word in line.split(' ') {
            let long = word.chars().count().saturating_add(1);
            if width > 0 && width + long > 74 {
                plain.push_str("\n  ");
                width = 0;
            }
            if width > 0 {
                plain.push(' ');
            }
            plain.push_str(word);
            width += long;
        }
        plain.truncate(plain.trim_end().len());
        plain.push('\n');
    }
    plain
}
