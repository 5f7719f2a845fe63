//! What can be asked of a list by mail, how the asker stands on it, and what came of a command.

use std::fmt::Write as _;

use super::page::{Page, Said, wrapped};
use crate::roster::aim::Aim;
use crate::roster::errand::Answer;

/// The help. The list's certificate is attached to it.
pub(super) fn help(page: &Page<'_>, facts: &[(String, String)], offers: &[Aim]) -> Said {
    let list = page.list;
    let mut text = format!("You are known to {}\n({}) as follows.\n\n", list.title, list.address);
    for (name, value) in facts {
        text.push_str(&wrapped(&format!("{name}: {value}"), "  ", "      "));
    }
    let _ = write!(
        text,
        "\nThe certificate of the list is attached. Encrypt to it whatever you write to\n\n    {}\n    {}\n\n\
         Words that you write to the second address go to the team. The word help\n\
         alone, signed and encrypted, gets this letter again, once an hour at most.\n",
        list.address,
        list.request(),
    );
    for (nth, aim) in offers.iter().enumerate() {
        let _ = write!(text, "\n{}\n\n{}", offer(aim), page.offered(nth));
    }
    if !offers.is_empty() {
        let _ = write!(text, "\n{}The next such letter replaces them.\n", page.how_to_answer());
    }
    Said { subject: "What you can ask of this list".to_owned(), text }
}

/// What a token of the help does.
const fn offer(aim: &Aim) -> &'static str {
    match aim {
        Aim::Leave => "To leave the list, at once and for good:",
        Aim::Certificate => {
            "To hand in a certificate, attached or in the text. A newer copy of your present\n\
             one needs nothing else. For another one, sign the mail with both keys, or have\n\
             its key sign these letters and digits in a text of their own, and attach that\n\
             too (gpg -u NEWKEY --clearsign):"
        }
        Aim::Leak { .. } => {
            "To report a leak of what is under embargo. Say in the same mail, each behind its\n\
             label, What: … To whom: … Prevention: … and, if you know it, Organisation: …"
        }
        Aim::Staff => {
            "To record somebody of your own who accepted the list's terms. Say in the same\n\
             mail, on lines of their own, Name: … Address: … Accepts: the text's SHA-256"
        }
        _ => "To do what else you may:",
    }
}

/// What came of a command.
pub(super) fn answered(page: &Page<'_>, aim: Option<&str>, answer: &Answer) -> Said {
    let about = aim.map_or_else(String::new, |aim| format!(" ({aim})"));
    let list = page.list.address.to_string();
    let (subject, text) = match answer {
        Answer::Done(what) => ("Done", format!("What you asked {list} for{about} is done.\n\n{what}")),
        Answer::Refused(why) => (
            "Not done",
            format!(
                "What you asked {list} for{about} is not done: a rule is against it.\n\n{}",
                sentence(why)
            ),
        ),
        Answer::Worthless => (
            "Nothing was done",
            format!(
                "Your mail to {list} held a token that counts for nothing: it was used before, it is too old, it was \
                 replaced by a newer letter, or it is not yours. Nothing was done. For new ones write to {} the word \
                 help, alone, signed and encrypted.",
                page.list.request()
            ),
        ),
    };
    let paragraphs = text.split("\n\n").map(|paragraph| wrapped(paragraph, "", ""));
    let text = paragraphs.collect::<Vec<_>>().join("\n");
    Said { subject: format!("{subject}{about}"), text }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
