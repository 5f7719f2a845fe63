//! Whom a signed mail says it is from, beside who signed it. It decides nothing: readers get a remark.

use crate::id::Fingerprint;
use crate::mail::address::Address;
use crate::mime::read::{Message, binding_headers};
use crate::mime::scan::Scanned;
use crate::pgp::open::{Opened, Verdict};
use crate::relay::world::World;

/// What the From of a mail with a good signature says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// An address of the signer, or nothing; or there is no good signature to compare it with.
    Own,
    /// An address that is none of the signer's.
    Another,
    /// Several mailboxes, while one person signed.
    Several,
}

/// Compares the From, the protected one if there is one, with the addresses of the signer: those on the roster, aliases
/// among them, and those in the User IDs of the certificate. `inside` is the scanned payload; a mail that is signed in the clear has its
/// protected header in the signed part of that.
#[must_use]
pub fn claim(
    opened: &Opened,
    inside: Option<Scanned<'_>>,
    message: &Message<'_>,
    world: &World<'_>,
) -> Claim {
    let Verdict::Good { signer, .. } = opened.verdict() else { return Claim::Own };
    match binding_headers(inside, message.headers()).from.as_slice() {
        [] => Claim::Own,
        [one] if one.address.as_ref().is_some_and(|address| is_of(address, *signer, world)) => Claim::Own,
        [_] => Claim::Another,
        _ => Claim::Several,
    }
}

fn is_of(claimed: &str, signer: Fingerprint, world: &World<'_>) -> bool {
    let in_cert = world.certs.get(&signer).map(|cert| cert.emails()).unwrap_or_default();
    let Ok(claimed) = claimed.parse::<Address>() else {
        return in_cert.iter().any(|email| email.eq_ignore_ascii_case(claimed));
    };
    let mut holders =
        world.roster.everyone().filter(|(_, m)| m.belongs() && m.is_called(&claimed)).peekable();
    // A User ID is what its owner says of himself: he cannot take what the roster, or the list, gave to another.
    if holders.peek().is_some() {
        return holders.any(|(_, member)| member.signs_with(signer));
    }
    let ours = [&world.list.address, &world.list.answer_to];
    !ours.iter().any(|address| address.same_mailbox(&claimed))
        && in_cert
            .iter()
            .filter_map(|email| email.parse::<Address>().ok())
            .any(|known| known.same_mailbox(&claimed))
}

/// The longest author's name that a copy's From shows, in characters: what stands behind it must stay in sight.
const MAX_NAME: usize = 60;

/// A name of the author's choosing that cannot hide what stands behind it: no characters that turn the direction of
/// writing or are not seen, no gaps, not endless.
pub(super) fn harmless(name: &str) -> String {
    let seen: String = name.chars().filter(|c| !is_unseen(*c)).collect();
    let words: Vec<&str> = seen.split_whitespace().collect();
    words.join(" ").chars().take(MAX_NAME).collect::<String>().trim_end().to_owned()
}

/// Unicode's Default_Ignorable_Code_Point, Bidi_Control among them; annotations; and the blank that is no white space.
const fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_hides_nothing_that_stands_behind_it() {
        assert_eq!(harmless("Ada"), "Ada");
        assert_eq!(harmless("  Ada\t\u{a0}\u{3000} of\u{2028}the \u{2003} team "), "Ada of the team");
        let blank = |c: char| format!("Ada{}x", c.to_string().repeat(50));
        for unseen in [
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{115f}',
            '\u{2800}',
            '\u{e0020}',
            '\u{ad}',
        ] {
            assert_eq!(harmless(&blank(unseen)), "Adax", "{:x}", u32::from(unseen));
        }
        assert_eq!(harmless(&"x".repeat(500)).chars().count(), MAX_NAME);
        assert_eq!(harmless("\u{202e}\u{3164} "), "");
    }
}
