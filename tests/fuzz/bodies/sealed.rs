//! What the store gives back must be ciphertext, as an OpenPGP library sees it too.

use sequoia_openpgp as openpgp;

use openpgp::packet::Tag;
use openpgp::parse::{PacketParserBuilder, PacketParserResult, Parse};
use vouchsafe::pgp::sealed::{AtRest, Sealed, ToReaders, WrappedKey, starts_as_body};

/// Stored bytes, taken back as each of the three kinds.
pub fn sealed_framing(data: &[u8]) {
    if Sealed::<AtRest>::from_store(data.to_vec()).is_ok() {
        only(data, &[Tag::PKESK, Tag::SEIP]);
    }
    if let Ok(body) = Sealed::<ToReaders>::from_store(data.to_vec()) {
        assert_eq!(body.as_bytes(), data);
        assert!(Sealed::<AtRest>::from_store(data.to_vec()).is_err(), "a body has no key with it");
        only(data, &[Tag::SEIP]);
    }
    if starts_as_body(data) {
        assert_eq!(data.first(), Some(&0xD2));
    }
    if let Ok(key) = rmp_serde::from_slice::<WrappedKey>(data) {
        only(key.as_bytes(), &[Tag::PKESK]);
        let again = rmp_serde::to_vec(&key).unwrap();
        assert_eq!(rmp_serde::from_slice::<WrappedKey>(&again).unwrap().as_bytes(), key.as_bytes());
    }
}

/// Sees that the library finds packets of these types only, however far it reads.
fn only(packets: &[u8], tags: &[Tag]) {
    // Armor would be another reading of bytes that begin no packet.
    let builder = PacketParserBuilder::from_bytes(packets)
        .map(|builder| builder.dearmor(openpgp::parse::Dearmor::Disabled).max_recursion_depth(0));
    let Ok(mut next) = builder.and_then(PacketParserBuilder::build) else { return };
    while let PacketParserResult::Some(parser) = next {
        assert!(tags.contains(&parser.header().ctb().tag()), "{:?} in what is sealed", parser.packet.tag());
        let Ok((_, rest)) = parser.next() else { return };
        next = rest;
    }
}
