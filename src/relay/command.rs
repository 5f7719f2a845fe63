//! Commands by mail: a line with a one-time token in the signed text of an encrypted mail. What a command does is not said
//! in it: the token was issued to one person for one purpose, and whether it still counts the ledger knows.
//!
//! What is quoted, forwarded, attached or in HTML is no command. The mail that brings a token never holds the line that
//! answers it, so a program that quotes without marking the quotation commands nothing either.

use std::sync::Arc;

use crate::id::{Fingerprint, Token};
use crate::mail::tags::Tags;
use crate::mime::enclosed::{Enclosed, beside_text, enclosed, is_key_block, signed_words};
use crate::mime::read::plain_text;
use crate::pgp::cert::Cert;
use crate::pgp::open::{How, Opened, Verdict};
use crate::relay::answers::{Answers, answers};
use crate::relay::compose::inside;
use crate::relay::gate::may_be_forgotten;
use crate::relay::world::World;
use crate::secret::Plaintext;

/// The word in front of a token.
pub const WORD: &str = "VOUCHSAFE";
/// A mail that is signed by two keys so that one of them is pinned is no longer than this, in bytes: text and a certificate.
const MOST_FOR_TWO: usize = 1024 * 1024;
/// So many lines a signature block has at most, its first one included.
const SIGNATURE_BLOCK: usize = 8;

/// A command, and whose signature covers it.
pub struct Command {
    /// Which one.
    pub token: Token,
    /// The certificate, by a good signature.
    pub signer: Fingerprint,
    /// Whether the mail says nothing else, so that nobody misses it when the command is carried out.
    pub alone: bool,
    /// Whether nothing else stands there but the lines that name one of a contact's people.
    pub names_staff_alone: bool,
    /// What stands beside it, where its purpose asks for more.
    pub answers: Answers,
    /// Known again if the same signature comes again.
    pub replay: Vec<[u8; 32]>,
    /// Certificates, and texts signed by themselves, that came along.
    pub enclosed: Enclosed,
    /// The certificate that came along, if its key signed the mail, too.
    pub signed_too: Option<Fingerprint>,
}

/// The command in an opened mail to the list's address for requests, if it holds one. It may still be worth nothing.
#[must_use]
pub fn heard(
    opened: &Opened,
    tags: &Tags<'_>,
    world: &World<'_>,
    again: &dyn Fn(&[Arc<Cert>]) -> Option<Opened>,
) -> Option<Command> {
    // In the clear others may have read the token.
    let signed = Signed::of(opened, world).filter(|signed| signed.is_encrypted())?;
    let (said, whole) = signed.text(|text, beside| {
        let said = said(text);
        let token = said.as_ref().map(|said| &said.token);
        let whole = beside.is_some_and(|all| all.iter().all(|one| is_silent(one.expose(), token)));
        (said, whole)
    })?;
    let Said { token, alone, answers } = said?;
    let (signer, replay, names_staff_alone) =
        (signed.signer, signed.replay(tags), answers.staff_alone && whole);
    let (alone, enclosed) = (alone && whole, signed.enclosed());
    let small = signed.opened.payload().expose().len() <= MOST_FOR_TWO;
    let signed_too = if small { signed_too(&enclosed, signer, again) } else { None };
    Some(Command { token, signer, alone, names_staff_alone, answers, replay, enclosed, signed_too })
}

/// Whether the key of the one other certificate that came along signed the mail beside its signer's. To those who are known here
/// it is a stranger's, which adds nothing to a good signature; verified against its own certificate alone it stands for itself.
/// The mail is opened once more for that, whatever its token is worth: not for several, nor for a large one, nor for whoever
/// only asks to belong.
fn signed_too(
    enclosed: &Enclosed,
    signer: Fingerprint,
    again: &dyn Fn(&[Arc<Cert>]) -> Option<Opened>,
) -> Option<Fingerprint> {
    let certs = enclosed.keys.iter().filter_map(|key| Cert::import(key.expose()).ok());
    let mut others = certs.filter(|cert| cert.fingerprint() != signer).map(Arc::new);
    let (cert, None) = (others.next()?, others.next()) else { return None };
    match again(std::slice::from_ref(&cert))?.verdict() {
        Verdict::Good { signer, .. } => Some(*signer).filter(|signer| *signer == cert.fingerprint()),
        _ => None,
    }
}

/// A mail to the relay itself, with a good signature.
pub(super) struct Signed<'a> {
    opened: &'a Opened,
    world: &'a World<'a>,
    /// Whose.
    pub(super) signer: Fingerprint,
}

impl<'a> Signed<'a> {
    pub(super) fn of(opened: &'a Opened, world: &'a World<'a>) -> Option<Self> {
        let Verdict::Good { signer, made_at } = opened.verdict() else { return None };
        // A token that was spent since the backup counts again in the store; the answer that spent it does not.
        let remembered = !may_be_forgotten(*made_at, world);
        remembered.then_some(Self { opened, world, signer: *signer })
    }

    fn is_encrypted(&self) -> bool {
        matches!(self.opened.how(), How::PgpMime | How::Inline)
    }

    /// What `of` makes of its text, if it has one, and of what stands beside that, if nothing else does.
    pub(super) fn text<T>(&self, of: impl FnOnce(&[u8], Option<Vec<Plaintext>>) -> T) -> Option<T> {
        if self.opened.how() == How::Inline {
            return Some(of(self.opened.payload().expose(), Some(Vec::new())));
        }
        let inside = inside(self.opened, &self.world.limits.mime)?;
        Some(of(plain_text(inside)?.expose(), beside_text(inside)))
    }

    /// What it is known again by.
    pub(super) fn replay(&self, tags: &Tags<'_>) -> Vec<[u8; 32]> {
        let digest = |digest| tags.command(&self.world.list.name, self.signer, digest);
        self.opened.signature_digests().map(digest).collect()
    }

    fn enclosed(&self) -> Enclosed {
        match inside(self.opened, &self.world.limits.mime) {
            Some(inside) => enclosed(inside),
            None => Enclosed::of_text(self.opened.payload().expose()),
        }
    }
}

/// What a text commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The token of the only command; where two differ, nobody guesses which is meant.
    pub token: Token,
    /// Whether nothing else stands there but quotations and a signature block. In doubt it does.
    pub alone: bool,
    /// What has a label.
    pub answers: Answers,
}

/// The command in a text, if there is one.
#[must_use]
pub fn said(text: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(text);
    let pieces = pieces(&text);
    let mut commands = pieces.iter().filter_map(|piece| match piece {
        Piece::Line(line) => command(line),
        Piece::Armor(_) => None,
    });
    let token = commands.next()?;
    let one = commands.all(|other| other == token);
    let quoted = |line: &str| line.trim_start().starts_with('>');
    let alone = without_signature_block(&pieces).iter().all(|piece| match piece {
        Piece::Line(line) => line.trim().is_empty() || quoted(line) || command(line).is_some(),
        Piece::Armor(block) => is_silent(block.as_bytes(), Some(&token)),
    });
    // A command is no answer to what stands above it; what another made is none at all.
    let others = without_signature_block(&pieces).iter().filter_map(|piece| match piece {
        Piece::Line(line) => Some(*line).filter(|line| command(line).is_none()),
        Piece::Armor(_) => None,
    });
    one.then(|| Said { token, alone, answers: answers(others) })
}

/// Whether a text is this one word, with nothing before and behind it but a certificate. A quotation is words.
pub(super) fn is_word_alone(text: &str, word: &str) -> bool {
    let pieces = pieces(text);
    let mut words = without_signature_block(&pieces).iter().filter(|piece| match piece {
        Piece::Line(line) => !line.trim().is_empty(),
        Piece::Armor(block) => !is_silent(block.as_bytes(), None),
    });
    let is_word = |piece: &Piece<'_>| match piece {
        Piece::Line(line) => line.trim().trim_end_matches(['.', '!', '?']).eq_ignore_ascii_case(word),
        Piece::Armor(_) => false,
    };
    words.next().is_some_and(is_word) && words.next().is_none()
}

/// Whether bytes say nothing to a person: a certificate alone; or what a key signed apart, where that is the token alone.
pub(super) fn is_silent(bytes: &[u8], token: Option<&Token>) -> bool {
    if is_key_block(bytes) {
        return Cert::import(bytes).is_ok();
    }
    let (Some(token), Some(words)) = (token, signed_words(bytes)) else { return false };
    let words = String::from_utf8_lossy(words.expose());
    let said: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    matches!(*said, [line] if line.eq_ignore_ascii_case(token.as_str()) || command(line).as_ref() == Some(token))
}

/// A text, line by line. An armored block is one piece, and commands nothing: somebody else may have made it.
enum Piece<'a> {
    Line(&'a str),
    Armor(String),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut block) = (Vec::new(), String::new());
    for line in text.lines() {
        if block.is_empty() && !line.starts_with("-----BEGIN PGP ") {
            pieces.push(Piece::Line(line));
            continue;
        }
        block.push_str(line);
        block.push('\n');
        if line.starts_with("-----END PGP ") {
            pieces.push(Piece::Armor(std::mem::take(&mut block)));
        }
    }
    if !block.is_empty() {
        pieces.push(Piece::Armor(block));
    }
    pieces
}

/// What stands before the signature block (RFC 3676 §4.3), if that is as short as such are: else somebody wrote there.
fn without_signature_block<'p, 'a>(pieces: &'p [Piece<'a>]) -> &'p [Piece<'a>] {
    let begins = |piece: &Piece<'_>| matches!(piece, Piece::Line("-- "));
    let Some((before, block)) = pieces.iter().position(begins).and_then(|at| pieces.split_at_checked(at))
    else {
        return pieces;
    };
    let short = block.len() <= SIGNATURE_BLOCK && block.iter().all(|piece| matches!(piece, Piece::Line(_)));
    if short { before } else { pieces }
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
            format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nVOUCHSAFE {TOKEN}\r\n-----END PGP SIGNATURE-----\r\n"
            ),
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
        let signed = |text: &str| {
            format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA512\r\n\r\n{text}\r\n-----BEGIN PGP \
                 SIGNATURE-----\r\n\r\nAAAA\r\n-----END PGP SIGNATURE-----\r\n"
            )
        };
        assert!(alone(&format!("{command}\r\n{}", signed(TOKEN))), "a key that vouches for itself");
        for more in [
            "By the way, it leaks.\r\n".to_owned(),
            "Ada wrote:\r\n> x\r\n".to_owned(),
            "--\r\nno block\r\n".to_owned(),
            format!("-- \r\n{}", "It leaks.\r\n".repeat(8)),
            signed("It leaks."),
            signed(&format!("{TOKEN}\r\nIt leaks.")),
            "-----BEGIN PGP MESSAGE-----\r\n\r\nAAAA\r\n-----END PGP MESSAGE-----\r\n".to_owned(),
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nIt leaks.\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n"
                .to_owned(),
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nIt leaks.\r\n".to_owned(),
        ] {
            assert!(!alone(&format!("{command}{more}")), "{more}");
        }
        for more in ["By the way, it leaks.\r\n", "Ada wrote:\r\n> x\r\n"] {
            assert!(!alone(&format!("{command}{more}")) && !alone(&format!("{more}{command}")), "{more}");
        }
    }
}
