//! Mail servers that report in prose. Each is known by words that its programs write and people do not; what the words
//! are about is not looked at, but for a status in it.

use super::status::{Bounce, Status};

/// How far a text is read: what these servers have to say stands in front of what they return.
const FRONT: usize = 8 * 1024;

/// What a phrase means.
#[derive(Clone, Copy)]
enum Means {
    Failed,
    Delayed,
}

/// Phrases in lower case, white space as single spaces. A delay stands before the failure that has similar words.
const PHRASES: &[(&str, Means)] = &[
    // sendmail, and what descends from it.
    ("this is a warning message only", Means::Delayed),
    ("the following addresses had transient non-fatal errors", Means::Delayed),
    ("the following addresses had permanent fatal errors", Means::Failed),
    ("the following addresses had permanent delivery errors", Means::Failed),
    // Exim.
    ("you do not need to take any action at this point", Means::Delayed),
    ("has not been delivered to one or more of its recipients after more than", Means::Delayed),
    ("has not yet been delivered to one or more of its recipients", Means::Delayed),
    ("could not be delivered to one or more of its recipients. this is a permanent error", Means::Failed),
    // Postfix.
    ("this is a warning only. you do not need to resend your message", Means::Delayed),
    ("i'm sorry to have to inform you that your message could not be delivered", Means::Failed),
    // qmail.
    ("i'm afraid i wasn't able to deliver your message to the following addresses", Means::Failed),
    ("i wasn't able to deliver your message to one or more destinations", Means::Failed),
    // Gmail.
    (
        "this is an automatically generated delivery status notification this is a warning message",
        Means::Delayed,
    ),
    ("delivery to the following recipient has been delayed", Means::Delayed),
    ("delivery to the following recipient failed permanently", Means::Failed),
    ("delivery to the following recipients failed permanently", Means::Failed),
    ("your message wasn't delivered to", Means::Failed),
    // Yahoo, AOL.
    ("sorry, we were unable to deliver your message to the following address", Means::Failed),
    // Exchange and Office 365.
    ("delivery has been delayed to these recipients", Means::Delayed),
    ("your message hasn't been delivered yet", Means::Delayed),
    ("your message did not reach some or all of the intended recipients", Means::Failed),
    ("delivery has failed to these recipients or groups", Means::Failed),
    ("delivery has failed to these recipients or distribution lists", Means::Failed),
    ("couldn't be delivered to the following recipients", Means::Failed),
    // Lotus Notes and Domino.
    ("not listed in domino directory", Means::Failed),
    ("user not unique or not listed in public name & address book", Means::Failed),
    // GroupWise, MDaemon, Courier.
    ("the message that you sent was undeliverable to the following", Means::Failed),
    ("the attached message had permanent fatal delivery errors", Means::Failed),
    ("unable to deliver your message to the following", Means::Failed),
];

/// Reads prose. With `failed_recipients` the server has named the recipient that failed in a field of its own, as Exim and
/// Gmail do: then any status will do.
pub(super) fn read(text: &[u8], failed_recipients: bool) -> Option<Bounce> {
    let front = String::from_utf8_lossy(text.get(..FRONT).unwrap_or(text)).to_lowercase();
    let front = front.replace('\u{2019}', "'");
    let words = front.split_whitespace().collect::<Vec<_>>().join(" ");
    let phrase = PHRASES.iter().find(|(phrase, _)| words.contains(phrase)).map(|(_, means)| *means);
    let means = phrase.or(failed_recipients.then_some(Means::Failed))?;
    // A status of another class is about something else.
    let status = |class: u8, unknown: Status| {
        let mut rest = words.as_str();
        while let Some((word, behind)) = rest.split_once(' ') {
            if let Some(status) = Status::first_in(word).filter(|status| status.class() == class) {
                return status;
            }
            rest = behind;
        }
        Status::first_in(rest).filter(|status| status.class() == class).unwrap_or(unknown)
    };
    Some(match means {
        Means::Failed => Bounce::Failed(status(5, Status::UNKNOWN_FAILURE)),
        Means::Delayed => Bounce::Delayed(status(4, Status::UNKNOWN_DELAY)),
    })
}
