//! Whom a mail is for, by the header that its author protected. A signature without Intended Recipients does not say.

use crate::mail::address::Address;
use crate::mail::arrival::Arrival;
use crate::mail::directory::{Purpose, fixed_addresses};
use crate::mime::read::{Mailbox, payload_headers};
use crate::mime::scan::Scanned;
use crate::pgp::open::{Opened, Verdict};
use crate::relay::compose::inside;
use crate::relay::world::World;

/// Whether the mail names others as its recipients, and this list not among them.
#[must_use]
pub fn for_others(opened: &Opened, world: &World<'_>) -> bool {
    names_others(opened, inside(opened, &world.limits.mime), world)
}

/// The same for a payload that is scanned already. Without a signature the header binds nobody; and a header without an
/// address in `To` and `Cc`, as of a mail whose recipients are not to be seen, names nobody.
#[must_use]
pub fn names_others(opened: &Opened, inside: Option<Scanned<'_>>, world: &World<'_>) -> bool {
    if !matches!(opened.verdict(), Verdict::Good { .. } | Verdict::UnknownKey(_)) {
        return false;
    }
    let Some(headers) = inside.and_then(payload_headers) else { return false };
    let mut named = headers.to.iter().chain(&headers.cc).filter_map(address).peekable();
    // What cannot be read is none of ours.
    named.peek().is_some()
        && !named.any(|address| address.parse().is_ok_and(|address| is_ours(&address, world)))
}

fn address(mailbox: &Mailbox) -> Option<&str> {
    mailbox.address.as_deref()
}

/// Every address of the list that people write to.
fn is_ours(address: &Address, world: &World<'_>) -> bool {
    let posting = &world.list.address;
    let fixed = fixed_addresses(posting, world.list.kind).unwrap_or_default();
    let owner = posting.with_suffix("-owner").ok();
    fixed.iter().chain(&owner).chain([posting]).any(|ours| ours.same_mailbox(address))
}

/// Which of the list's addresses a mail is for; none where it names none of them. One mail to several addresses of one list is
/// relayed once; a post counts most.
#[must_use]
pub fn purpose(arrival: &Arrival, world: &World<'_>) -> Option<Purpose> {
    let ours = arrival.envelope.recipients.iter().filter(|r| r.list == world.list.name);
    ours.map(|r| r.purpose.clone()).min_by_key(|p| match p {
        Purpose::Post => 0,
        Purpose::Reporter => 1,
        Purpose::Owner => 2,
        Purpose::Postmaster => 3,
        Purpose::Request => 4,
        Purpose::Bounces(_) => 5,
    })
}
