//! A letter of the relay itself as a copy in the queue: notices and errands leave alike.

use crate::id::{BodyId, Entropy, MemberId, ParcelId, Token};
use crate::mail::address::Address;
use crate::mail::list::List;
use crate::mail::parcel::{Carries, Parcel};
use crate::relay::letter::Letter;
use crate::time::Timestamp;

/// The copy that carries a letter whose body is stored, with a return path of its own.
pub(super) fn parcel(
    list: &List,
    (member, recipient): (&MemberId, &Address),
    (letter, body, carries): (&Letter, BodyId, Carries),
    entropy: &Entropy,
    now: Timestamp,
) -> Parcel {
    let suffix = format!("-bounces+{}", Token::random(entropy).as_str());
    Parcel {
        id: ParcelId::new(now, entropy),
        list: list.name.clone(),
        member: member.clone(),
        recipient: recipient.clone(),
        reverse_path: list.address.with_suffix(&suffix).unwrap_or_else(|_| list.address.clone()),
        head: letter.head.clone(),
        key: letter.key.clone(),
        body,
        body_len: u64::try_from(letter.body.len()).unwrap_or(u64::MAX),
        carries,
    }
}
