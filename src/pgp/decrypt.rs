//! Decryption to the very end, with bounded work, and one name for every kind of tampering.
//!
//! Sequoia's reader verifies as it goes and hands out data before the last byte was seen once a message outgrows its
//! buffer. Nothing here passes that on: all of it is collected in one buffer that is wiped unless the reader reached
//! the end and said that integrity and structure hold.

use std::io::Read;

use sequoia_openpgp as openpgp;

use openpgp::crypto::{Decryptor as PrivateKey, Password, SessionKey};
use openpgp::packet::header::BodyLength;
use openpgp::packet::{PKESK, SKESK, Tag};
use openpgp::parse::stream::{
    DecryptionHelper, Decryptor, DecryptorBuilder, MessageLayer, MessageStructure, VerificationHelper,
};
use openpgp::parse::{PacketParser, Parse};
use openpgp::policy::{Policy, StandardPolicy};
use openpgp::types::SymmetricAlgorithm;
use openpgp::{Cert, KeyHandle};
use zeroize::Zeroizing;

use super::caught::caught;
use super::cert::standard;
use super::detached::DetachedSignature;
use super::keys::SecretKey;
use super::outcome::Closed;
use super::subpackets::is_overloaded;
use super::unpack::Unlocked;
use super::verdict::{Finding, Judge, MAX_SIGNATURES};
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// Packets of one message: the library checks the grammar anew with each, and stacks one-pass signatures on each other,
/// which is quadratic.
const MAX_PACKETS: usize = 1000;
/// Compression layers of one message. Programs make one at most; two multiply.
const MAX_COMPRESSIONS: usize = 1;
/// Bytes of a packet that carries nothing (padding, marker).
const MAX_FILLER: u32 = 1 << 20;
/// How much is unpacked before it is counted what it comes to in all. More is kept only when that is within the limits: a
/// bomb is refused without being in memory.
const UNPACKED_UNCOUNTED: usize = 8 << 20;
/// How much a message may unpack to whatever its own size: the file that crashes a parser may be one byte, repeated.
const FREELY_UNPACKED: usize = 64 << 20;
/// How many times its own size a message may unpack to, beyond that. Text shrinks to a tenth, logs to a thirtieth; ZIP
/// can make a thousandth of what says nothing, and each signature is one more pass over all of it.
const MAX_EXPANSION: usize = 100;
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
///
/// Sequoia 2.4 panics over a container that ends before its MDC. What anybody can send must not take the worker with it,
/// nor come to another end than other damage.
pub(super) fn decrypt(
    ciphertext: &[u8],
    keys: &Keys<'_>,
    bounds: Bounds,
    at: Timestamp,
    judge: Option<&Judge<'_>>,
) -> Result<Content, Closed> {
    caught(|| decrypt_to_the_end(ciphertext, keys, bounds, at, judge)).unwrap_or(Err(Closed::Damaged))
}

fn decrypt_to_the_end(
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
            let bytes = read_all(&mut decryptor, ciphertext, bounds.plaintext)?;
            Ok((bytes, decryptor.message_processed()))
        });
    let (bytes, processed) = match read {
        Ok(read) => read,
        Err(error) => return Err(state.closed(&error, ciphertext)),
    };
    match state.session {
        Some(session) if processed && state.structured => {
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

/// Everything. The buffer is wiped on the way out of an error.
fn read_all(
    decryptor: &mut Decryptor<'_, Helper<'_>>,
    ciphertext: &[u8],
    limit: usize,
) -> openpgp::Result<Plaintext> {
    let size = content_size(ciphertext).min(limit);
    let mut out = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
    let first = size.max(UNPACKED_UNCOUNTED).min(limit);
    decryptor.by_ref().take(bytes(first).saturating_add(1)).read_to_end(&mut out)?;
    if out.len() > first {
        let most = ciphertext.len().saturating_mul(MAX_EXPANSION).max(FREELY_UNPACKED).min(limit);
        let size = decryptor.helper_ref().state.text_size(ciphertext, most).map_err(|closed| {
            decryptor.helper_mut().state.refused = Some(closed);
            stop()
        })?;
        // One more than there is: only so is its end seen.
        let rest = size.saturating_sub(out.len()).saturating_add(1);
        out.reserve_exact(rest);
        decryptor.by_ref().take(bytes(rest)).read_to_end(&mut out)?;
    }
    Ok(Plaintext::new(std::mem::take(&mut *out)))
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
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
                let many = self.signatures_seen > 2 * MAX_SIGNATURES || is_overloaded(&parser.packet);
                if many { Err(Closed::TooComplex) } else { Ok(()) }
            }
            (Tag::Literal | Tag::MDC, _) => Ok(()),
            _ => Err(Closed::Damaged),
        }
    }

    fn unlocked<'a>(&'a self, ciphertext: &'a [u8]) -> Option<Unlocked<'a>> {
        Some(Unlocked { ciphertext, session: self.session.as_ref()?, algorithm: self.algorithm })
    }

    fn text_size(&self, ciphertext: &[u8], most: usize) -> Result<usize, Closed> {
        self.unlocked(ciphertext).ok_or(Closed::Damaged)?.text_size(most)
    }

    /// One name for whatever went wrong once decryption had begun: details would make an oracle.
    fn closed(&self, error: &openpgp::anyhow::Error, ciphertext: &[u8]) -> Closed {
        let policy = matches!(error.downcast_ref(), Some(openpgp::Error::PolicyViolation(..)));
        let unlocked = self.unlocked(ciphertext);
        match (self.refused, &self.session) {
            // What was seen inside has a name only if it is what the author wrote.
            (Some(_), Some(_)) if !unlocked.is_some_and(|unlocked| unlocked.is_intact(MAX_PACKETS)) => {
                Closed::Damaged
            }
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

/// Unwraps a session key. Sequoia 2.4 panics where it gets fewer bytes than a session key of version 3 has at least;
/// none of our keys give it so few, but what is packed into a packet comes from others. That is a wrong key and no more.
fn unwrapped(
    pkesk: &PKESK,
    decryptor: &mut dyn PrivateKey,
    cipher: Option<SymmetricAlgorithm>,
) -> Option<(Option<SymmetricAlgorithm>, SessionKey)> {
    caught(|| pkesk.decrypt(decryptor, cipher)).flatten()
}
