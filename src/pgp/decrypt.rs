//! Decryption to the very end, with bounded work, and one name for every kind of tampering.
//!
//! Sequoia's reader verifies as it goes and hands out data before the last byte was seen once a message outgrows its
//! buffer. Nothing here passes that on: all of it is collected in one buffer that is wiped unless the reader reached
//! the end and said that integrity and structure hold.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sequoia_openpgp as openpgp;

use openpgp::crypto::{Decryptor, Password, SessionKey};
use openpgp::packet::header::BodyLength;
use openpgp::packet::{PKESK, SKESK, Tag};
use openpgp::parse::stream::{
    DecryptionHelper, DecryptorBuilder, MessageLayer, MessageStructure, VerificationHelper,
};
use openpgp::parse::{PacketParser, PacketParserResult, Parse};
use openpgp::policy::{Policy, StandardPolicy};
use openpgp::types::SymmetricAlgorithm;
use openpgp::{Cert, KeyHandle, Packet};
use zeroize::Zeroizing;

use super::cert::standard;
use super::detached::DetachedSignature;
use super::keys::SecretKey;
use super::outcome::Closed;
use super::verdict::{Finding, Judge, MAX_SIGNATURES};
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// Packets of one message: the library checks the grammar anew with each, which is quadratic.
const MAX_PACKETS: usize = 1000;
/// Compression layers of one message. Programs make one at most; two multiply.
const MAX_COMPRESSIONS: usize = 1;
/// Bytes of a packet that carries nothing (padding, marker).
const MAX_FILLER: u32 = 1 << 20;
/// What the library may hold back of a message. It could hold all of it until it is verified; but all of it is
/// collected here, to be let go or wiped, and once is enough.
const BUFFER: usize = 256 * 1024;

/// What may open a message.
pub(super) enum Keys<'a> {
    Secret(&'a [SecretKey]),
    Password(&'a Password),
}

/// What one message may cost.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) plaintext: usize,
    pub(super) attempts: usize,
    pub(super) nesting: usize,
}

/// A message that was read to its end, intact.
pub(super) struct Content {
    pub(super) bytes: Plaintext,
    pub(super) session: SessionKey,
    pub(super) signatures: Signatures,
}

/// What the message's own signature layers say.
#[derive(Default)]
pub(super) struct Signatures {
    pub(super) findings: Vec<Finding>,
    /// The message's only signature, taken out of it.
    pub(super) detached: Option<DetachedSignature>,
    /// More than one layer, or one around a compressed message.
    pub(super) nested: bool,
}

/// Decrypts and, with a judge, verifies. On any failure every byte of plaintext is dropped.
pub(super) fn decrypt(
    ciphertext: &[u8],
    keys: &Keys<'_>,
    bounds: Bounds,
    at: Timestamp,
    judge: Option<&Judge<'_>>,
) -> Result<Content, Closed> {
    let mut state = State::default();
    let policy = standard(at);
    let helper = Helper { state: &mut state, keys, bounds, judge, policy: &policy };
    // The time is that of the signatures' judgement: a signature may be as young as the judge allows.
    let time = judge.map_or(at, Judge::latest);
    let read = DecryptorBuilder::from_bytes(ciphertext)
        .map(|builder| builder.buffer_size(BUFFER))
        .and_then(|builder| builder.with_policy(&policy, time.system(), helper))
        .and_then(|mut decryptor| {
            let bytes = read_all(&mut decryptor, content_size(ciphertext), bounds.plaintext)?;
            Ok((bytes, decryptor.message_processed()))
        });
    let (bytes, processed) = match read {
        Ok(read) => read,
        Err(error) => return Err(state.closed(&error, ciphertext)),
    };
    match (bytes, state.session) {
        (None, _) => Err(Closed::TooLarge),
        (Some(bytes), Some(session)) if processed && state.structured => {
            Ok(Content { bytes, session, signatures: state.signatures })
        }
        _ => Err(Closed::Damaged),
    }
}

/// At least what an uncompressed message holds: a buffer that has to grow is in memory twice.
fn content_size(ciphertext: &[u8]) -> usize {
    // RFC 9580 §4.2: a packet begins with an octet that no armor begins with. Armor has four characters for three.
    match ciphertext.first() {
        Some(first) if first & 0x80 == 0 => ciphertext.len() / 4 * 3,
        _ => ciphertext.len(),
    }
}

/// Everything, or `None` when there is more than `limit`. The buffer is wiped on the way out of an error.
fn read_all(from: &mut impl Read, hint: usize, limit: usize) -> openpgp::Result<Option<Plaintext>> {
    let mut out = Zeroizing::new(Vec::with_capacity(hint.min(limit).saturating_add(1)));
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    from.take(most).read_to_end(&mut out)?;
    if out.len() > limit {
        return Ok(None);
    }
    Ok(Some(Plaintext::new(std::mem::take(&mut *out))))
}

#[derive(Default)]
struct State {
    /// The first refusal of ours: it names the outcome.
    refused: Option<Closed>,
    packets: usize,
    signatures_seen: usize,
    compressions: usize,
    container: bool,
    session: Option<SessionKey>,
    /// The cipher that came with the session key: only version 3 of the wrapping names one.
    algorithm: Option<SymmetricAlgorithm>,
    structured: bool,
    signatures: Signatures,
}

impl State {
    /// Checks one packet before the library goes into it.
    fn admit(&mut self, parser: &PacketParser<'_>, bounds: Bounds) -> Result<(), Closed> {
        self.packets += 1;
        let depth = usize::try_from(parser.recursion_depth()).unwrap_or(usize::MAX);
        if self.packets > MAX_PACKETS || depth > bounds.nesting {
            return Err(Closed::TooComplex);
        }
        match (parser.packet.tag(), depth) {
            (Tag::SEIP, 0) => {
                self.container = true;
                Ok(())
            }
            (Tag::PKESK | Tag::SKESK, 0) => Ok(()),
            // RFC 9580 §5.7: data without integrity protection is not decrypted.
            (Tag::SED | Tag::AED, 0) => Err(Closed::Weak),
            (Tag::Marker | Tag::Padding, _) => match parser.header().length() {
                BodyLength::Full(0..=MAX_FILLER) => Ok(()),
                _ => Err(Closed::TooComplex),
            },
            (_, 0) => Err(Closed::NotOpenPgp),
            (Tag::PKESK | Tag::SKESK | Tag::SEIP | Tag::SED | Tag::AED, _) => Err(Closed::Nested),
            (Tag::CompressedData, _) => {
                self.compressions += 1;
                if self.compressions > MAX_COMPRESSIONS { Err(Closed::TooComplex) } else { Ok(()) }
            }
            (Tag::OnePassSig | Tag::Signature, _) => {
                self.signatures_seen += 1;
                // A signature has up to two packets.
                if self.signatures_seen > 2 * MAX_SIGNATURES { Err(Closed::TooComplex) } else { Ok(()) }
            }
            (Tag::Literal | Tag::MDC, _) => Ok(()),
            _ => Err(Closed::Damaged),
        }
    }

    /// One name for whatever went wrong once decryption had begun: details would make an oracle.
    fn closed(&self, error: &openpgp::anyhow::Error, ciphertext: &[u8]) -> Closed {
        let policy = matches!(error.downcast_ref(), Some(openpgp::Error::PolicyViolation(..)));
        match (self.refused, &self.session) {
            // What was seen inside has a name only if it is what the author wrote.
            (Some(_), Some(session)) if !is_intact(ciphertext, session, self.algorithm) => Closed::Damaged,
            (Some(closed), _) => closed,
            (None, Some(_)) => Closed::Damaged,
            // Nothing was decrypted: the packet types in the clear were refused.
            (None, None) if policy => Closed::Weak,
            (None, None) if self.packets == 0 => Closed::NotOpenPgp,
            (None, None) => Closed::Damaged,
        }
    }
}

struct Helper<'a> {
    state: &'a mut State,
    keys: &'a Keys<'a>,
    bounds: Bounds,
    judge: Option<&'a Judge<'a>>,
    policy: &'a StandardPolicy<'static>,
}

fn stop() -> openpgp::anyhow::Error {
    openpgp::Error::InvalidOperation(String::new()).into()
}

impl VerificationHelper for Helper<'_> {
    fn inspect(&mut self, parser: &PacketParser<'_>) -> openpgp::Result<()> {
        self.state.admit(parser, self.bounds).map_err(|closed| {
            self.state.refused.get_or_insert(closed);
            stop()
        })
    }

    fn get_certs(&mut self, ids: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(self.judge.map_or_else(Vec::new, |judge| judge.candidates(ids)))
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        let mut groups = 0;
        for layer in structure {
            match layer {
                MessageLayer::SignatureGroup { results } => {
                    groups += 1;
                    let Some(judge) = self.judge else { continue };
                    let signatures = &mut self.state.signatures;
                    signatures.detached = match results.as_slice() {
                        [only] if groups == 1 => DetachedSignature::of(only),
                        _ => None,
                    };
                    signatures.findings.extend(results.into_iter().map(|result| judge.find(result)));
                }
                // Something below a signature that is not the literal data.
                MessageLayer::Compression { .. } | MessageLayer::Encryption { .. } => {
                    self.state.signatures.nested |= groups > 0;
                }
            }
        }
        self.state.signatures.nested |= groups > 1;
        self.state.structured = true;
        Ok(())
    }
}

type TryKey<'a> = &'a mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool;

impl DecryptionHelper for Helper<'_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        skesks: &[SKESK],
        cipher: Option<SymmetricAlgorithm>,
        try_key: TryKey<'_>,
    ) -> openpgp::Result<Option<Cert>> {
        let outcome = match self.keys {
            Keys::Secret(keys) => self.by_secret(keys, pkesks, cipher, try_key),
            Keys::Password(password) => self.by_password(password, skesks, try_key),
        };
        match outcome {
            // Without our certificate the library leaves Intended Recipients to us: the judge looks at them on every
            // path.
            Ok((algorithm, session)) => {
                self.state.algorithm = algorithm;
                self.state.session = Some(session);
                Ok(None)
            }
            Err(closed) => {
                self.state.refused.get_or_insert(closed);
                Err(stop())
            }
        }
    }
}

impl Helper<'_> {
    /// Packets that name one of our keys first, then those that name nobody, `attempts` in all.
    fn by_secret(
        &self,
        keys: &[SecretKey],
        pkesks: &[PKESK],
        cipher: Option<SymmetricAlgorithm>,
        try_key: TryKey<'_>,
    ) -> Result<(Option<SymmetricAlgorithm>, SessionKey), Closed> {
        let mut attempts = 0;
        let (mut addressed, mut obsolete) = (false, false);
        for wildcards in [false, true] {
            for pkesk in pkesks.iter().filter(|pkesk| pkesk.recipient().is_none() == wildcards) {
                for key in keys.iter().filter(|key| key.public().pk_algo() == pkesk.pk_algo()) {
                    if pkesk.recipient().is_some_and(|to| !to.aliases(key.public().key_handle())) {
                        continue;
                    }
                    attempts += 1;
                    if attempts > self.bounds.attempts {
                        return Err(Closed::TooManyKeys);
                    }
                    addressed |= !wildcards;
                    let Some(mut decryptor) = key.decryptor() else { continue };
                    if let Some((algorithm, session)) = unwrapped(pkesk, &mut decryptor, cipher) {
                        if algorithm.is_some_and(|cipher| self.refuses(cipher)) {
                            obsolete = true;
                        } else if try_key(algorithm, &session) {
                            return Ok((algorithm, session));
                        }
                    }
                }
            }
        }
        Err(match (obsolete, addressed) {
            (true, _) => Closed::Weak,
            (false, true) => Closed::Damaged,
            (false, false) => Closed::NoKey,
        })
    }

    /// Ciphers that the library lacks, and those that its policy no longer takes. What an intact session key names was
    /// the sender's choice, so that saying so tells nothing of the key.
    fn refuses(&self, cipher: SymmetricAlgorithm) -> bool {
        !cipher.is_supported() || self.policy.symmetric_algorithm(cipher).is_err()
    }

    fn by_password(
        &self,
        password: &Password,
        skesks: &[SKESK],
        try_key: TryKey<'_>,
    ) -> Result<(Option<SymmetricAlgorithm>, SessionKey), Closed> {
        for skesk in skesks.iter().take(self.bounds.attempts) {
            if let Ok((algorithm, session)) = skesk.decrypt(password)
                && try_key(algorithm, &session)
            {
                return Ok((algorithm, session));
            }
        }
        Err(Closed::NoKey)
    }
}

/// Whether the container is intact to its end, whatever lies in it: version 1 by its MDC (RFC 9580 §5.13.1), version 2
/// by the tag of each chunk, which fails the reading.
#[allow(deprecated, reason = "only the packet says whether the MDC is right")]
fn is_intact(ciphertext: &[u8], session: &SessionKey, algorithm: Option<SymmetricAlgorithm>) -> bool {
    let walk = || -> openpgp::Result<bool> {
        let mut next = PacketParser::from_bytes(ciphertext)?;
        let (mut version, mut mdc) = (0, false);
        while let PacketParserResult::Some(mut packet) = next {
            if let Packet::SEIP(container) = &packet.packet
                && packet.recursion_depth() == 0
            {
                version = container.version();
                packet.decrypt(algorithm, session)?;
                next = packet.recurse()?.1;
                continue;
            }
            if let Packet::MDC(seal) = &packet.packet {
                mdc = seal.valid();
            }
            next = packet.next()?.1;
        }
        Ok(version == 2 || mdc)
    };
    walk().unwrap_or(false)
}

/// Unwraps a session key. Sequoia 2.4 panics where it gets fewer bytes than a session key of version 3 has at least;
/// none of our keys give it so few, but what is packed into a packet comes from others. That is a wrong key and no more.
fn unwrapped(
    pkesk: &PKESK,
    decryptor: &mut dyn Decryptor,
    cipher: Option<SymmetricAlgorithm>,
) -> Option<(Option<SymmetricAlgorithm>, SessionKey)> {
    catch_unwind(AssertUnwindSafe(|| pkesk.decrypt(decryptor, cipher))).ok().flatten()
}
