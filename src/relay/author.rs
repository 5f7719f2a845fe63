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

/// Compares the From, the protected one if there is one, with the addresses of the signer: those on the roster and those
/// in the User IDs of the certificate. `inside` is the scanned payload; a mail that is signed in the clear has its
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
    let on_roster = world.roster.everyone().filter(|(_, member)| member.fingerprint == signer);
    let in_cert = world.certs.get(&signer).map(|cert| cert.emails()).unwrap_or_default();
    let Ok(claimed) = claimed.parse::<Address>() else {
        return in_cert.iter().any(|email| email.eq_ignore_ascii_case(claimed));
    };
    on_roster
        .map(|(_, member)| member.address.clone())
        .chain(in_cert.iter().filter_map(|email| email.parse().ok()))
        .any(|known| known.same_mailbox(&claimed))
}
