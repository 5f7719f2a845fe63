//! Commands by mail: a line with a one-time token in the signed text of an encrypted mail. What a command does is not said
//! in it: the token was issued to one person for one purpose, and whether it still counts the ledger knows.
//!
//! What is quoted, forwarded, attached or in HTML is no command. The mail that brings a token never holds the line that
//! answers it, so a program that quotes without marking the quotation commands nothing either.

use crate::id::{Fingerprint, Token};
use crate::mail::tags::Tags;
use crate::mime::read::{is_plain_text_alone, plain_text};
use crate::pgp::open::{How, Opened, Verdict};
use crate::relay::compose::inside;
use crate::relay::gate::may_be_forgotten;
use crate::relay::world::World;

/// The word in front of a token.
pub const WORD: &str = "VOUCHSAFE";

/// A command, and whose signature covers it.
pub struct Command {
    /// Which one.
    pub token: Token,
    /// The certificate, by a good signature.
    pub signer: Fingerprint,
    /// Whether the mail says nothing else, so that nobody misses it when the command is carried out.
    pub alone: bool,
    /// Known again if the same signature comes again.
    pub replay: Vec<[u8; 32]>,
}

/// What came of a command.
pub enum Obeyed {
    /// Nothing.
    Worthless,
    /// It is carried out, or was before, and the mail is finished.
    Done,
    /// It is carried out, and the mail says more.
    AndMore,
}

/// The command in an opened mail to the list's address for requests, if it holds one. It may still be worth nothing.
#[must_use]
pub fn heard(opened: &Opened, tags: &Tags<'_>, world: &World<'_>) -> Option<Command> {
    let Verdict::Good { signer, made_at } = opened.verdict() else { return None };
    // A token that was spent since the backup counts again in the store; the answer that spent it does not.
    if may_be_forgotten(*made_at, world) {
        return None;
    }
    let (said, whole) = match opened.how() {
        How::PgpMime => {
            let inside = inside(opened, &world.limits.mime)?;
            (said(plain_text(inside)?.expose())?, is_plain_text_alone(inside))
        }
        How::Inline => (said(opened.payload().expose())?, true),
        // In the clear others may have read the token.
        How::Clear | How::Closed(_) => return None,
    };
    let replay = opened.signature_digests().map(|digest| tags.command(&world.list.name, *signer, digest));
    Some(Command { token: said.token, signer: *signer, alone: said.alone && whole, replay: replay.collect() })
}

/// What a text commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The token of the only command; where two differ, nobody guesses which is meant.
    pub token: Token,
    /// Whether nothing else stands there but quotations and a signature block. In doubt it does.
    pub alone: bool,
}

/// The command in a text, if there is one.
#[must_use]
pub fn said(text: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(text);
    let mut commands = text.lines().filter_map(command);
    let token = commands.next()?;
    let quoted = |line: &str| line.trim_start().starts_with('>');
    // RFC 3676 §4.3: what follows these two hyphens and the space is the signature block.
    let body = text.lines().take_while(|line| *line != "-- ");
    let alone =
        body.into_iter().all(|line| line.trim().is_empty() || quoted(line) || command(line).is_some());
    commands.all(|other| other == token).then_some(Said { token, alone })
}

/// A line that is a command and nothing else. A quotation's begins with its mark.
fn command(line: &str) -> Option<Token> {
    let (word, token) = line.trim().split_once(char::is_whitespace)?;
    token.trim().parse().ok().filter(|_| word.eq_ignore_ascii_case(WORD))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn a_command_stands_alone_on_a_line_that_nobody_quoted() {
        let said = |text: &str| said(text.as_bytes()).map(|said| said.token.as_str().to_owned());
        for text in [
            format!("VOUCHSAFE {TOKEN}\r\n"),
            format!("Hello,\r\n\r\n  vouchsafe\t{}  \r\n\r\n-- \r\nDora\r\n", TOKEN.to_uppercase()),
            format!("VOUCHSAFE {TOKEN}\r\n\r\nAda wrote:\r\n> {TOKEN}\r\n> VOUCHSAFE {}\r\n", "z".repeat(26)),
            format!("VOUCHSAFE {TOKEN}\nVOUCHSAFE {TOKEN}\n"),
        ] {
            assert_eq!(said(&text).as_deref(), Some(TOKEN), "{text}");
        }
        for text in [
            String::new(),
            format!("{TOKEN}\r\n"),
            format!("> VOUCHSAFE {TOKEN}\r\n"),
            format!(" > VOUCHSAFE {TOKEN}\r\n"),
            format!("| VOUCHSAFE {TOKEN}\r\n"),
            format!("Please VOUCHSAFE {TOKEN}\r\n"),
            format!("Subject: VOUCHSAFE {TOKEN}\r\n"),
            format!("VOUCHSAFE {TOKEN} please\r\n"),
            format!("VOUCHSAFE {}\r\n", "a".repeat(25)),
            format!("VOUCHSAFE\r\n{TOKEN}\r\n"),
            format!("VOUCHSAFE {TOKEN}\r\nVOUCHSAFE {}\r\n", "z".repeat(26)),
            format!("<p>VOUCHSAFE {TOKEN}</p>\r\n"),
        ] {
            assert_eq!(said(&text), None, "{text}");
        }
    }
    #[test]
    fn what_stands_beside_a_command_is_seen() {
        let alone = |text: &str| said(text.as_bytes()).unwrap().alone;
        let command = format!("VOUCHSAFE {TOKEN}\r\n");
        assert!(alone(&command));
        assert!(alone(&format!("\r\n{command}\r\n> The list asks\r\n>\r\n> {TOKEN}\r\n-- \r\nDora\r\n")));
        for more in ["By the way, it leaks.\r\n", "Ada wrote:\r\n> x\r\n", "--\r\nno block\r\n"] {
            assert!(!alone(&format!("{command}{more}")) && !alone(&format!("{more}{command}")), "{more}");
        }
    }
}
