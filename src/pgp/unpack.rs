//! What a message would unpack to, found out by walking through it with its session key and keeping nothing.
//!
//! The walks hash nothing for signatures: the library would, for each one-pass signature that it meets.

use std::io::{self, BufRead, BufReader, Read};

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::crypto::SessionKey;
use openpgp::packet::Tag;
use openpgp::parse::{PacketParser, PacketParserBuilder, PacketParserResult, Parse};
use openpgp::types::SymmetricAlgorithm;

use super::outcome::Closed;

/// The smallest piece of a text in pieces, but for the last. RFC 9580 §4.2.1.4 says it of the first only; who writes
/// mail makes all alike. Each piece costs as much as hundreds of bytes.
const MIN_PIECE: usize = 512;

/// How much of a compressed packet is gone through to see whether what follows it is intact: the library cannot pass it
/// over without unpacking it.
const MOST_PASSED_OVER: usize = 128 << 20;

/// An encrypted message whose session key is known.
#[derive(Clone, Copy)]
pub(super) struct Unlocked<'a> {
    pub(super) ciphertext: &'a [u8],
    pub(super) session: &'a SessionKey,
    /// Only version 3 of the wrapping names one.
    pub(super) algorithm: Option<SymmetricAlgorithm>,
}

impl<'a> Unlocked<'a> {
    /// Whether the container is intact to its end, whatever lies in it: version 1 by its MDC (RFC 9580 §5.13.1),
    /// version 2 by the tag of each chunk, which fails the reading. Nobody knows when it has more than `most` packets, or
    /// unpacks to far more than a message may.
    #[allow(deprecated, reason = "only the packet says whether the MDC is right")]
    pub(super) fn is_intact(self, most: usize) -> bool {
        let walk = || -> openpgp::Result<bool> {
            let mut next = self.packets()?;
            let (mut version, mut mdc, mut packets) = (0, false, 0);
            while let PacketParserResult::Some(mut packet) = next {
                packets += 1;
                if packets > most {
                    return Ok(false);
                }
                if let Packet::SEIP(container) = &packet.packet
                    && packet.recursion_depth() == 0
                {
                    version = container.version();
                    packet.decrypt(self.algorithm, self.session)?;
                    next = packet.recurse()?.1;
                    continue;
                }
                let passed_over = match &packet.packet {
                    Packet::MDC(seal) => {
                        mdc = seal.valid();
                        true
                    }
                    Packet::CompressedData(_) => passed(&mut packet, MOST_PASSED_OVER)?.is_some(),
                    _ => true,
                };
                if !passed_over {
                    return Ok(false);
                }
                next = packet.next()?.1;
            }
            Ok(version == 2 || mdc)
        };
        walk().unwrap_or(false)
    }

    /// How many bytes its text has at most.
    ///
    /// # Errors
    /// When they are more than `most`, or the text is in pieces that are too small.
    pub(super) fn text_size(self, most: usize) -> Result<usize, Closed> {
        let walk = || -> openpgp::Result<Result<usize, Closed>> {
            let mut next = self.packets()?;
            while let PacketParserResult::Some(mut packet) = next {
                let depth = packet.recursion_depth();
                next = match &packet.packet {
                    Packet::SEIP(_) if depth == 0 => {
                        packet.decrypt(self.algorithm, self.session)?;
                        packet.recurse()?.1
                    }
                    // What is not gone into can be read, unpacked.
                    Packet::CompressedData(_) if depth == 1 => return Ok(text_size(&mut packet, most)?),
                    Packet::Literal(_) => return Ok(passed(&mut packet, most)?.ok_or(Closed::TooLarge)),
                    _ => packet.next()?.1,
                };
            }
            Ok(Err(Closed::TooLarge))
        };
        walk().unwrap_or(Err(Closed::TooLarge))
    }

    fn packets(self) -> openpgp::Result<PacketParserResult<'a>> {
        PacketParserBuilder::from_bytes(self.ciphertext)?.automatic_hashing(false).build()
    }
}

/// The same of packets as they are (RFC 9580 §4.2): those in front of the text are passed over.
fn text_size(packets: &mut PacketParser<'_>, most: usize) -> io::Result<Result<usize, Closed>> {
    let mut input = BufReader::new(packets);
    while !input.fill_buf()?.is_empty() {
        let header = octet(&mut input)?;
        let (tag, mut length) = if header & 0x40 == 0 {
            ((header >> 2) & 0x0F, legacy_length(&mut input, header & 0x03)?)
        } else {
            (header & 0x3F, length(&mut input)?)
        };
        let is_text = tag == u8::from(Tag::Literal);
        let mut size = 0_usize;
        loop {
            let piece = match length {
                Length::Piece(piece) if piece < MIN_PIECE => return Ok(Err(Closed::TooComplex)),
                Length::Piece(piece) | Length::Last(piece) => piece,
                Length::ToTheEnd => usize::MAX,
            };
            let left = most.saturating_sub(size);
            match passed(&mut input.by_ref().take(u64::try_from(piece).unwrap_or(u64::MAX)), left)? {
                Some(read) => size = size.saturating_add(read),
                None => return Ok(Err(Closed::TooLarge)),
            }
            if !matches!(length, Length::Piece(_)) {
                break;
            }
            length = self::length(&mut input)?;
        }
        if is_text {
            return Ok(Ok(size));
        }
    }
    Ok(Err(Closed::TooLarge))
}

/// How many bytes come, or `None` when they are more than `most`.
fn passed(from: &mut impl Read, most: usize) -> io::Result<Option<usize>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let size = io::copy(&mut from.take(limit), &mut io::sink())?;
    Ok(usize::try_from(size).ok().filter(|size| *size <= most))
}

enum Length {
    Last(usize),
    Piece(usize),
    ToTheEnd,
}

/// RFC 9580 §4.2.1.
fn length(input: &mut impl Read) -> io::Result<Length> {
    Ok(match octet(input)? {
        one @ 0..=191 => Length::Last(usize::from(one)),
        high @ 192..=223 => Length::Last(((usize::from(high) - 192) << 8) + usize::from(octet(input)?) + 192),
        piece @ 224..=254 => Length::Piece(1 << (piece & 0x1F)),
        255 => Length::Last(number(input, 4)?),
    })
}

/// RFC 9580 §4.2.2.
fn legacy_length(input: &mut impl Read, kind: u8) -> io::Result<Length> {
    Ok(match kind {
        0 => Length::Last(number(input, 1)?),
        1 => Length::Last(number(input, 2)?),
        2 => Length::Last(number(input, 4)?),
        _ => Length::ToTheEnd,
    })
}

fn number(input: &mut impl Read, octets: usize) -> io::Result<usize> {
    let mut number = 0_usize;
    for _ in 0..octets {
        number = number.saturating_mul(256).saturating_add(usize::from(octet(input)?));
    }
    Ok(number)
}

fn octet(input: &mut impl Read) -> io::Result<u8> {
    let mut octet = [0];
    input.read_exact(&mut octet)?;
    Ok(octet[0])
}
