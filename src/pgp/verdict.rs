//! Whose signature it is, and whether it counts.
//!
//! Sequoia tells whether a signature is valid and its key was alive when signing. The rest is judged here, on every
//! path alike: one signer only, still alive at arrival, meant for this list, fresh, and not the list itself.

use std::sync::Arc;
use std::time::Duration;

use sequoia_openpgp as openpgp;

use openpgp::KeyHandle;
use openpgp::cert::amalgamation::ValidateAmalgamation;
use openpgp::packet::Signature;
use openpgp::packet::signature::subpacket::SubpacketValue;
use openpgp::parse::Parse;
use openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper, VerificationResult,
};
use openpgp::policy::{HashAlgoSecurity, Policy, StandardPolicy};

use super::cert::{Cert, identity, lenient, standard};
use super::life::{self, Ka};
use super::outcome::{Verdict, Why};
use super::subpackets::is_overloaded;
use crate::id::Fingerprint;
use crate::secret::Plaintext;
use crate::time::Timestamp;

/// Signatures of one message: each may need a pass of its own over the content.
pub(super) const MAX_SIGNATURES: usize = 8;

/// Issuers of one unknown signature that are told.
const MAX_ISSUERS: usize = 4;

/// How old a signature may be when its mail arrives.
const STALE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// How far ahead the signer's clock may be.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// What one signature turned out to be.
pub(super) enum Finding {
    /// Valid, by a key that was alive when signing; `flaw` is what else speaks against it.
    Valid { signer: Fingerprint, made_at: Timestamp, digest: Vec<u8>, flaw: Option<Why> },
    /// By a certificate that is not known here.
    Unknown(Vec<String>),
    /// By a known certificate, or unreadable, and not valid.
    Bad(Why),
}

/// The certificates that signatures are verified against, and which of them are one person's.
#[derive(Clone, Copy)]
pub struct Signers<'a> {
    /// The certificates.
    pub certs: &'a [Arc<Cert>],
    /// Whether these are all one person's: then signatures by several of them are one word.
    pub are_one: &'a dyn Fn(&[Fingerprint]) -> bool,
}

/// Judges signatures for one mail.
pub(super) struct Judge<'a> {
    own: &'a [Arc<Cert>],
    signers: Signers<'a>,
    arrived: Timestamp,
    policy: StandardPolicy<'static>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(own: &'a [Arc<Cert>], signers: Signers<'a>, arrived: Timestamp) -> Self {
        Self { own, signers, arrived, policy: standard(arrived) }
    }

    /// One verdict from all signatures of one layer.
    pub(super) fn combine(&self, findings: Vec<Finding>) -> (Verdict, Vec<Vec<u8>>) {
        combine(findings, self.signers)
    }

    /// The youngest a signature may be.
    pub(super) fn latest(&self) -> Timestamp {
        self.arrived.after(SKEW)
    }

    /// The certificates that the named keys may belong to, each once, the list's own among them.
    pub(super) fn candidates(&self, ids: &[KeyHandle]) -> Vec<openpgp::Cert> {
        let mut found: Vec<&Cert> = Vec::new();
        for cert in self.own.iter().chain(self.signers.certs) {
            let named =
                cert.openpgp().keys().any(|key| ids.iter().any(|id| id.aliases(key.key().key_handle())));
            if named && found.iter().all(|known| known.fingerprint() != cert.fingerprint()) {
                found.push(cert);
            }
        }
        found.into_iter().map(|cert| cert.openpgp().clone()).collect()
    }

    pub(super) fn find(&self, result: VerificationResult<'_>) -> Finding {
        match result {
            Ok(GoodChecksum { sig, ka, .. }) => self.valid(sig, &ka),
            Err(VerificationError::MissingKey { sig }) => Finding::Unknown(issuers(&sig.get_issuers())),
            Err(VerificationError::UnboundKey { sig, cert, .. }) => Finding::Bad(self.unbound(sig, cert)),
            Err(VerificationError::BadKey { sig, ka, .. }) => Finding::Bad(bad_key(sig, &ka)),
            Err(VerificationError::BadSignature { sig, ka, .. }) => {
                Finding::Bad(self.bad_signature(sig, &ka))
            }
            Err(_) => Finding::Bad(Why::Invalid),
        }
    }

    /// Verifies a detached signature (RFC 3156 §5). The exact bytes come first; if they do not match and have bare
    /// line feeds, the canonical form is tried, since §5 has the signer canonicalise to CRLF and gateways undo it.
    pub(super) fn detached(&self, signature: &[u8], signed: &[u8]) -> Vec<Finding> {
        let exact = self.detached_exact(signature, signed);
        if exact.iter().any(|finding| matches!(finding, Finding::Valid { .. })) {
            return exact;
        }
        let Some(canonical) = canonical(signed) else { return exact };
        let again = self.detached_exact(signature, canonical.expose());
        // Whatever else is said of a signature that matches is truer than that it does not.
        let better = again.iter().any(|finding| !matches!(finding, Finding::Bad(Why::Invalid)));
        if better { again } else { exact }
    }

    fn detached_exact(&self, signature: &[u8], signed: &[u8]) -> Vec<Finding> {
        let mut collector = Collector { judge: self, findings: Vec::new(), packets: 0 };
        let verified = DetachedVerifierBuilder::from_bytes(signature)
            .and_then(|builder| builder.with_policy(&self.policy, self.latest().system(), &mut collector))
            .and_then(|mut verifier| verifier.verify_bytes(signed));
        match verified {
            Ok(()) => collector.findings,
            Err(_) => vec![Finding::Bad(Why::Invalid)],
        }
    }

    fn valid(&self, sig: &Signature, ka: &Ka<'_>) -> Finding {
        let signer = identity(&ka.cert().fingerprint());
        let made_at = sig.signature_creation_time().map(Timestamp::from_system);
        let (Some(signer), Some(made_at), Some(digest)) = (signer, made_at, digest(sig)) else {
            return Finding::Bad(Why::Invalid);
        };
        Finding::Valid { signer, made_at, digest: digest.to_vec(), flaw: self.flaw(sig, ka, signer, made_at) }
    }

    /// What speaks against a valid signature, the gravest first.
    fn flaw(&self, sig: &Signature, ka: &Ka<'_>, signer: Fingerprint, made_at: Timestamp) -> Option<Why> {
        if self.own.iter().any(|own| own.fingerprint() == signer) {
            return Some(Why::NotASigner);
        }
        // Sequoia judged certificate and key at the time of signing; both must hold at arrival, too.
        let at = made_at.max(self.arrived);
        let Ok(now) = ka.clone().with_policy(&self.policy, at.system()) else {
            let held = ka.clone().with_policy(&lenient(), at.system()).is_ok();
            return Some(if held { Why::Weak } else { Why::ExpiredSince });
        };
        if let Some(reach) = life::revoked(&now) {
            return Some(reach.since());
        }
        if life::expired(&now) {
            return Some(Why::ExpiredSince);
        }
        // RFC 9580 §5.2.3.36: present in the hashed area, it must name us, or the mail was passed on.
        let ours = |to| identity(to).is_some_and(|to| self.own.iter().any(|own| own.fingerprint() == to));
        let mut intended = sig.intended_recipients().peekable();
        if intended.peek().is_some() && !intended.any(ours) {
            return Some(Why::ForSomeoneElse);
        }
        if made_at > self.latest() {
            return Some(Why::Future);
        }
        (made_at < self.arrived.before(STALE_AFTER)).then_some(Why::Stale)
    }

    /// No binding that the standard policy accepts at the time of signing.
    fn unbound(&self, sig: &Signature, cert: &openpgp::Cert) -> Why {
        let Some(at) = sig.signature_creation_time() else { return Why::Invalid };
        let lenient = lenient();
        let mut named = cert.keys().key_handles(sig.get_issuers());
        match named.find(|key| sig.verify_document(key.key()).is_ok()) {
            Some(key) if key.clone().with_policy(&lenient, at).is_ok() => Why::Weak,
            // What bound it may have had a term of its own (RFC 9580 §5.2.3.18).
            Some(key) if life::ran_out(key.self_signatures(), cert, at) => Why::ExpiredWhenSigning,
            Some(_) => Why::Unbound,
            None => Why::Invalid,
        }
    }

    fn bad_signature(&self, sig: &Signature, ka: &Ka<'_>) -> Why {
        if sig.verify_document(ka.key()).is_err() {
            return Why::Invalid;
        }
        if self.policy.signature(sig, HashAlgoSecurity::CollisionResistance).is_err() {
            return if has_condition(sig) { Why::Condition } else { Why::Weak };
        }
        match sig.signature_creation_time().map(Timestamp::from_system) {
            Some(made_at) if made_at > self.latest() => Why::Future,
            // What is left is a signature with an expiry of its own.
            Some(_) => Why::SignatureExpired,
            None => Why::Invalid,
        }
    }
}

/// One verdict from all signatures of one layer. Good needs every valid signature to be by one and the same
/// person; broken ones and those of strangers beside a valid one add nothing and take nothing away (RFC 9580
/// §5.2.5). Returns the digests of all valid ones with it.
fn combine(findings: Vec<Finding>, signers: Signers<'_>) -> (Verdict, Vec<Vec<u8>>) {
    let (mut valid, mut unknown, mut bad) = (Vec::new(), Vec::new(), None);
    for finding in findings {
        match finding {
            Finding::Valid { signer, made_at, digest, flaw } => valid.push((signer, made_at, digest, flaw)),
            Finding::Unknown(issuers) => unknown.push(issuers),
            Finding::Bad(why) => bad = bad.or(Some(why)),
        }
    }
    let are_one = || {
        let all: Vec<Fingerprint> = valid.iter().map(|(signer, ..)| *signer).collect();
        (signers.are_one)(&all)
    };
    let verdict = match (valid.first(), bad) {
        (Some((signer, ..)), _) => {
            let flawless = valid.iter().find(|(.., flaw)| flaw.is_none());
            if valid.iter().any(|(.., flaw)| *flaw == Some(Why::NotASigner)) {
                Verdict::Bad(Why::NotASigner)
            } else if valid.iter().any(|(other, ..)| other != signer) && !are_one() {
                Verdict::Bad(Why::SeveralSigners)
            } else if let Some((signer, made_at, ..)) = flawless {
                Verdict::Good { signer: *signer, made_at: *made_at }
            } else {
                Verdict::Bad(valid.iter().find_map(|(.., flaw)| *flaw).unwrap_or(Why::Invalid))
            }
        }
        (None, Some(why)) => Verdict::Bad(why),
        (None, None) if unknown.is_empty() => Verdict::Unsigned,
        (None, None) => Verdict::UnknownKey(unknown.into_iter().flatten().collect()),
    };
    // The flawless first: the verdict speaks of it.
    valid.sort_by_key(|(.., flaw)| flaw.is_some());
    (verdict, valid.into_iter().map(|(_, _, digest, _)| digest).collect())
}

fn digest(sig: &Signature) -> Option<&[u8]> {
    match sig {
        Signature::V6(sig) => sig.computed_digest(),
        Signature::V4(sig) => sig.computed_digest(),
        Signature::V3(sig) => sig.computed_digest(),
        _ => None,
    }
}

/// A key of a known certificate that did not hold when signing.
fn bad_key(sig: &Signature, ka: &Ka<'_>) -> Why {
    if sig.verify_document(ka.key()).is_err() {
        return Why::Invalid;
    }
    match life::revoked(ka) {
        Some(reach) => reach.when_signing(),
        None if life::expired(ka) => Why::ExpiredWhenSigning,
        None => Why::NotForSigning,
    }
}

/// RFC 9580 §5.2.3.7: a critical subpacket that is not understood, notations among them, since none is known here.
fn has_condition(sig: &Signature) -> bool {
    let unknown = |value: &SubpacketValue| {
        matches!(value, SubpacketValue::Unknown { .. } | SubpacketValue::NotationData(_))
    };
    sig.hashed_area().iter().any(|subpacket| subpacket.critical() && unknown(subpacket.value()))
}

/// The text with CRLF line ends, or `None` when it has no bare line feed.
fn canonical(text: &[u8]) -> Option<Plaintext> {
    let bare = |pair: &[u8]| matches!(pair, [before, b'\n'] if *before != b'\r');
    if !text.windows(2).any(bare) && text.first() != Some(&b'\n') {
        return None;
    }
    let feeds = text.iter().filter(|byte| **byte == b'\n').count();
    let mut out = Vec::with_capacity(text.len().saturating_add(feeds));
    let mut before = 0;
    for byte in text {
        if *byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        before = *byte;
    }
    Some(Plaintext::new(out))
}

struct Collector<'a, 'j> {
    judge: &'a Judge<'j>,
    findings: Vec<Finding>,
    packets: usize,
}

impl VerificationHelper for &mut Collector<'_, '_> {
    fn inspect(&mut self, parser: &openpgp::parse::PacketParser<'_>) -> openpgp::Result<()> {
        self.packets += 1;
        if self.packets > MAX_SIGNATURES || is_overloaded(&parser.packet) {
            return Err(openpgp::Error::InvalidOperation(String::new()).into());
        }
        Ok(())
    }

    fn get_certs(&mut self, ids: &[KeyHandle]) -> openpgp::Result<Vec<openpgp::Cert>> {
        Ok(self.judge.candidates(ids))
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            if let MessageLayer::SignatureGroup { results } = layer {
                self.findings.extend(results.into_iter().map(|result| self.judge.find(result)));
            }
        }
        Ok(())
    }
}

/// The issuers in hex: fingerprints, and key ids only where no fingerprint says the same. Whoever signs names them as he
/// likes, and as many as a packet holds.
fn issuers(handles: &[KeyHandle]) -> Vec<String> {
    let full: Vec<&KeyHandle> = handles.iter().filter(|h| matches!(h, KeyHandle::Fingerprint(_))).collect();
    let said = |id: &KeyHandle| full.iter().any(|f| f.aliases(id));
    let ids = handles.iter().filter(|h| matches!(h, KeyHandle::KeyID(_)) && !said(h));
    full.iter().copied().chain(ids).map(KeyHandle::to_hex).take(MAX_ISSUERS).collect()
}
