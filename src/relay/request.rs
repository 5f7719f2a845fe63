//! What a mail to a list's address for requests asks the relay itself for.

use std::sync::Arc;

use crate::id::Fingerprint;
use crate::mail::directory::Purpose;
use crate::mail::tags::Tags;
use crate::mime::read::{Message, binding_headers};
use crate::pgp::cert::Cert;
use crate::pgp::open::{Opened, Verdict, Why};
use crate::relay::applicant::{self, Applying};
use crate::relay::automatic::Sign;
use crate::relay::command::{self, Command, Signed, is_silent, is_word_alone};
use crate::relay::compose::inside;
use crate::relay::world::World;

/// The word that asks for the help.
const HELP: &str = "help";

/// What is asked for. It may still be worth nothing: that the ledger knows.
pub enum Request {
    /// A one-time token comes back.
    Command(Box<Command>),
    /// Somebody applies for membership.
    Form(Box<Applying>),
    /// No token: somebody whose key is known writes to the list's team, or asks what can be asked.
    Plain {
        /// The certificate, by a good signature.
        signer: Fingerprint,
        /// Whether it asks for help and says nothing else, so that the team need not see it.
        only_help: bool,
        /// Known again if the same signature comes again.
        replay: Vec<[u8; 32]>,
    },
}

/// What an opened mail asks for, if it came to the address for requests and asks for anything. What a program wrote, of
/// which `sign` speaks, asks for nothing without a token. `again` opens the mail anew with other certificates.
#[must_use]
pub fn heard(
    opened: &Opened,
    message: &Message<'_>,
    purpose: &Purpose,
    sign: Option<Sign>,
    (tags, world): (&Tags<'_>, &World<'_>),
    again: &dyn Fn(&[Arc<Cert>]) -> Opened,
) -> Option<Request> {
    if *purpose != Purpose::Request {
        return None;
    }
    // Who asks to belong is nobody's acquaintance, but for what they answer to their own application.
    let asks = match opened.verdict() {
        Verdict::UnknownKey(keys) => {
            world.applicants.iter().any(|cert| keys.iter().any(|key| cert.has_key(key)))
        }
        _ => false,
    };
    let known = asks.then(|| again(world.applicants));
    // Whoever is on several lists may change keys on one after the other: by then the new key is known here as well, and two
    // certificates that are known are nobody's word. What counts is whose they are on this list.
    let known = known.or_else(|| of_several(opened).then(|| again(&world.certs_here())));
    let opened = known.as_ref().unwrap_or(opened);
    let again_for = |certs: &[Arc<Cert>]| (!asks).then(|| again(certs));
    if let Some(command) = command::heard(opened, tags, world, &again_for) {
        return Some(Request::Command(Box::new(command)));
    }
    if let Some(applying) = applicant::heard(opened, tags, world, again).filter(|_| sign.is_none()) {
        return Some(Request::Form(Box::new(applying)));
    }
    let signed = Signed::of(opened, world).filter(|_| sign.is_none())?;
    let only_help = signed.text(|text, beside| {
        let quiet = beside.is_some_and(|all| all.iter().all(|one| is_silent(one.expose(), None)));
        let text = String::from_utf8_lossy(text);
        let empty = || text.trim().is_empty() && is_help(&subject(opened, message, world));
        quiet && (is_word_alone(&text, HELP) || empty())
    });
    let (signer, replay) = (signed.signer, signed.replay(tags));
    Some(Request::Plain { signer, only_help: only_help.unwrap_or(false), replay })
}

fn of_several(opened: &Opened) -> bool {
    matches!(opened.verdict(), Verdict::Bad(Why::SeveralSigners))
}

fn is_help(words: &str) -> bool {
    words.trim().eq_ignore_ascii_case(HELP)
}

/// The Subject that counts.
fn subject(opened: &Opened, message: &Message<'_>, world: &World<'_>) -> String {
    let headers = binding_headers(inside(opened, &world.limits.mime), message.headers());
    let subject = headers.subject;
    subject.map(|subject| String::from_utf8_lossy(subject.expose()).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_asks_for_help_and_whatever_says_more_goes_to_the_team() {
        for text in ["help\r\n", "\r\n Help! \r\n-- \r\nDora\r\n"] {
            assert!(is_word_alone(text, HELP), "{text:?}");
        }
        for text in [
            "help me please\r\n",
            "help\r\nThere is a leak.\r\n",
            "",
            "> There is a leak.\r\n",
            "help\r\n> There is a leak.\r\n",
            "-- \r\nThere is a leak.\r\n",
            "help\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nThere is a leak.\r\n-----BEGIN PGP \
             SIGNATURE-----\r\n\r\nA\r\n-----END PGP SIGNATURE-----\r\n",
            "help\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nA\r\n-----END PGP MESSAGE-----\r\n",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nhelp\r\n",
        ] {
            assert!(!is_word_alone(text, HELP), "{text:?}");
        }
        assert!(is_help(" HELP ") && !is_help("help me") && !is_help("..."));
    }
}
