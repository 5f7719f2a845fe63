//! Commands by mail: a line with a one-time token in the signed text of an encrypted mail. What a command does is not said
//! in it: the token was issued to one person for one purpose, and whether it still counts the ledger knows.
//!
//! What is quoted, forwarded, attached or in HTML is no command. The mail that brings a token never holds the line that
//! answers it, so a program that quotes without marking the quotation commands nothing either.

use std::sync::Arc;

use crate::id::{Fingerprint, Token};
use crate::mail::arrival::Arrival;
use crate::mail::tags::Tags;
use crate::mime::read::{plain_text, read};
use crate::mime::scan::scan;
use crate::pgp::cert::Cert;
use crate::pgp::keyring::ListKey;
use crate::pgp::open::{How, Verdict, open};
use crate::relay::compose::inside;
use crate::relay::world::World;

/// The word in front of a token.
pub const WORD: &str = "VOUCHSAFE";

/// A command, and whose signature covers it.
pub struct Command {
    /// Which one.
    pub token: Token,
    /// The certificate, by a good signature.
    pub signer: Fingerprint,
    /// Known again if the same signature comes again.
    pub replay: Vec<[u8; 32]>,
}

/// The command in a mail to the list's address for requests, if it holds one. It may still be worth nothing.
#[must_use]
pub fn heard(arrival: &Arrival, key: &ListKey, tags: &Tags<'_>, world: &World<'_>) -> Option<Command> {
    let message = read(scan(arrival.raw.expose(), &world.limits.mime).ok()?).ok()?;
    let certs: Vec<Arc<Cert>> = world.certs.values().cloned().collect();
    let opened = open(&message, key, &certs, arrival.envelope.at, world.limits);
    let Verdict::Good { signer, .. } = opened.verdict() else { return None };
    let token = match opened.how() {
        How::PgpMime => token_in(plain_text(inside(&opened, &world.limits.mime)?)?.expose()),
        How::Inline => token_in(opened.payload().expose()),
        // In the clear others may have read the token.
        How::Clear | How::Closed(_) => None,
    }?;
    let replay = opened.signature_digests().map(|digest| tags.replay(&world.list.name, *signer, digest));
    Some(Command { token, signer: *signer, replay: replay.collect() })
}

/// The token of the only command in a text; where two differ, nobody guesses which is meant.
#[must_use]
pub fn token_in(text: &[u8]) -> Option<Token> {
    let text = String::from_utf8_lossy(text);
    let mut commands = text.lines().filter_map(command);
    let first = commands.next()?;
    commands.all(|other| other == first).then_some(first)
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
        let said = |text: &str| token_in(text.as_bytes()).map(|token| token.as_str().to_owned());
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
}
