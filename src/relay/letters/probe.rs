//! The question whether somebody's program reads SEIPD version 2, asked in a mail that only such a program opens.

use super::page::{Page, Said};
use crate::relay::command::WORD;

/// The token and the word before it stand apart: quoted without a mark, they are no command.
pub(super) fn asked(page: &Page<'_>) -> Said {
    let until = page.errand.until.map_or_else(String::new, |until| format!(", until {until}"));
    let text = format!(
        "The list {}\n({})\nasks whether your mail program reads the newer OpenPGP message format\n\
         (RFC 9580, SEIPD version 2). Your certificate says so; some programs say so\n\
         and cannot. This mail is in that format: you can read it.\n\n\
         To get your copies in that format from now on, answer this mail to\n\n    {}\n\n\
         encrypted, and signed with your key\n\n    {}\n\n\
         Write, on a line of its own, the word {WORD}, a space, and these 26\n\
         letters and digits:\n\n    {}\n\n\
         They count once, from you{until}.\n\
         You get no further mail about it. Whoever does not answer gets copies as\nbefore.\n",
        page.list.title,
        page.list.address,
        page.list.request(),
        page.errand.to.fingerprint,
        page.token(0),
    );
    Said { subject: "Please answer: can you read this?".to_owned(), text }
}
