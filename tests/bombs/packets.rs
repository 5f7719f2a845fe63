//! OpenPGP packets by hand: no library would write these.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compress, Compression, FlushCompress};
use sequoia_openpgp as openpgp;

use openpgp::Cert;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::stream::{Encryptor, LiteralWriter, Message, Recipient, Signer};

/// RFC 9580 §5: types of packets.
pub(crate) const PKESK: u8 = 1;
pub(crate) const SIGNATURE: u8 = 2;
pub(crate) const SKESK: u8 = 3;
pub(crate) const PUBLIC_KEY: u8 = 6;
pub(crate) const COMPRESSED: u8 = 8;
pub(crate) const MARKER: u8 = 10;
pub(crate) const LITERAL: u8 = 11;
pub(crate) const USER_ID: u8 = 13;
pub(crate) const USER_ATTRIBUTE: u8 = 17;
pub(crate) const SEIPD: u8 = 18;
pub(crate) const PADDING: u8 = 21;

/// RFC 9580 §4.2.1: one packet with five octets of length.
pub(crate) fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xC0 | tag, 255], &length[..], body].concat()
}

/// A literal packet (RFC 9580 §5.9).
pub(crate) fn literal(content: &[u8]) -> Vec<u8> {
    packet(LITERAL, &[b"b\0\0\0\0\0", content].concat())
}

/// A compressed packet (RFC 9580 §5.6), ZIP.
pub(crate) fn compressed(packets: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(vec![1], Compression::best());
    encoder.write_all(packets).unwrap();
    packet(COMPRESSED, &encoder.finish().unwrap())
}

/// The same for `before`, then `piece` so many times: made once, however often.
pub(crate) fn compressed_many(before: &[u8], piece: &[u8], times: usize) -> Vec<u8> {
    let mut zip = Compress::new(Compression::best(), false);
    let mut deflate = |bytes: &[u8], flush| {
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        zip.compress_vec(bytes, &mut out, flush).unwrap();
        out
    };
    // Behind a full flush nothing of what was before is referred to: the block can stand anywhere, and again.
    let head = deflate(before, FlushCompress::Full);
    let block = deflate(piece, FlushCompress::Full);
    let end = deflate(&[], FlushCompress::Finish);
    packet(COMPRESSED, &[vec![1], head, block.repeat(times), end].concat())
}

/// The head of a literal packet that goes on to the end of what is around it (RFC 9580 §4.2.2.4, in the legacy format).
pub(crate) fn endless_literal() -> Vec<u8> {
    [&[0x80 | LITERAL << 2 | 3], &b"b\0\0\0\0\0"[..]].concat()
}

/// Encrypts packets as they are.
pub(crate) fn encrypted(packets: &[u8], to: &Cert) -> Vec<u8> {
    let policy = StandardPolicy::new();
    let recipients = to.keys().with_policy(&policy, None).for_transport_encryption().map(Recipient::from);
    let mut out = Vec::new();
    let mut layer = Encryptor::for_recipients(Message::new(&mut out), recipients).build().unwrap();
    layer.write_all(packets).unwrap();
    layer.finalize().unwrap();
    out
}

/// A one-pass signature, the literal and the signature, as a signed message has them.
pub(crate) fn signed(by: &Cert, content: &[u8]) -> [Vec<u8>; 3] {
    let policy = StandardPolicy::new();
    let key = by.keys().secret().with_policy(&policy, None).for_signing().next().unwrap();
    let mut out = Vec::new();
    let stream = Signer::new(Message::new(&mut out), key.key().clone().into_keypair().unwrap()).unwrap();
    let mut literal = LiteralWriter::new(stream.build().unwrap()).build().unwrap();
    literal.write_all(content).unwrap();
    literal.finalize().unwrap();
    use openpgp::parse::Parse;
    use openpgp::serialize::SerializeInto;
    let pile = openpgp::PacketPile::from_bytes(&out).unwrap();
    let packets: Vec<_> = pile.children().map(|packet| packet.to_vec().unwrap()).collect();
    packets.try_into().unwrap()
}

/// An armored block of this kind (`MESSAGE`, `PUBLIC KEY BLOCK`).
pub(crate) fn armored(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("-----BEGIN PGP {kind}-----\r\n\r\n").into_bytes();
    for line in bytes.chunks(48) {
        out.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("-----END PGP {kind}-----\r\n").as_bytes());
    out
}

/// A multiprecision integer (RFC 9580 §3.2) with all its bits set.
pub(crate) fn integer(bits: u16) -> Vec<u8> {
    let octets = usize::from(bits).div_ceil(8);
    let mut value = vec![0xFF; octets];
    if let (Some(first), rest @ 1..) = (value.first_mut(), bits % 8) {
        *first >>= 8 - rest;
    }
    [&bits.to_be_bytes()[..], &value].concat()
}

/// A version 6 signature (RFC 9580 §5.2.3) with these hashed subpackets, by nobody.
pub(crate) fn signature_6(hashed: &[u8]) -> Vec<u8> {
    let length = u32::try_from(hashed.len()).unwrap().to_be_bytes();
    let head = [6, 0, 27, 10];
    packet(SIGNATURE, &[&head[..], &length, hashed, &[0; 4], &[0, 0], &[32], &[7; 32], &[9; 64]].concat())
}

/// A version 4 signature of this type with these hashed subpackets, by nobody.
pub(crate) fn signature_4(kind: u8, hashed: &[u8], algorithm: u8, values: &[u8]) -> Vec<u8> {
    let length = u16::try_from(hashed.len()).unwrap().to_be_bytes();
    packet(SIGNATURE, &[&[4, kind, algorithm, 10][..], &length, hashed, &[0; 2], &[0, 0], values].concat())
}
