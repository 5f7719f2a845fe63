//! DKIM signatures of leaving copies (RFC 6376, RFC 8463).
//!
//! A signature stands in front of a copy and covers its whole body, so the body is read twice: hashed first, then sent.
//! It is never in memory as a whole. Both signatures of a copy share one body hash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use mail_auth::common::crypto::{
    Algorithm, DkimKey, Ed25519Key, HashContext, HashImpl, RsaKey, Sha256, SigningKey,
};
use mail_auth::common::headers::{Writable, Writer};
use mail_auth::dkim::canonicalize::BodyHasher;
use mail_auth::dkim::{Canonicalization, Signature};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::dkim::{self, SecretKey};
use crate::mail::parcel::Parcel;
use crate::time::Timestamp;

/// Fields that are signed once more often than a copy has them, so that none of them can be added (RFC 6376 §8.15):
/// those that a mail program shows or goes by.
const OVERSIGNED: [&str; 9] =
    ["From", "To", "Cc", "Subject", "Date", "Reply-To", "Message-ID", "MIME-Version", "Content-Type"];

/// No two signatures are longer, in bytes: what is promised of a copy's size (RFC 1870 §6) must not be too little.
const ROOM: u64 = 2048;

/// A key that cannot sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the DKIM key of {selector} cannot be used ({why}): restore it from a backup, or make another with `vouchsafe key dkim --rotate`"
)]
pub struct UnusableKey {
    selector: String,
    why: String,
}

/// Who signs for which domain. None does unless it is told to.
#[derive(Clone, Default)]
pub struct Signers {
    by_domain: Arc<BTreeMap<String, Vec<Signer>>>,
    /// The domains whose copies leave unsigned though others' are signed, and which were told.
    unsigned: Arc<Mutex<BTreeSet<String>>>,
}

/// One key of a domain.
struct Signer {
    key: DkimKey,
    template: Signature,
}

impl Signers {
    /// Signers with these keys.
    ///
    /// # Errors
    /// When a key is none.
    pub fn new(keys: &[SecretKey]) -> Result<Self, UnusableKey> {
        let mut by_domain: BTreeMap<String, Vec<Signer>> = BTreeMap::new();
        for key in keys {
            by_domain.entry(key.record.domain.clone()).or_default().push(Signer::new(key)?);
        }
        Ok(Self { by_domain: Arc::new(by_domain), unsigned: Arc::default() })
    }

    /// How many bytes in front of this copy are signatures, at most.
    pub(crate) fn room(&self, parcel: &Parcel) -> u64 {
        if self.signs(parcel).is_some() { ROOM } else { 0 }
    }

    /// What takes this copy in and signs it; none where nobody signs for its author's domain.
    pub(crate) fn begin(&self, parcel: &Parcel) -> Option<Signing> {
        let Some(domain) = self.signs(parcel) else {
            self.tell_of_unsigned(parcel);
            return None;
        };
        // The time of the copy and not of the attempt: what is sent again after a crash is the same to the byte.
        Some(Signing {
            signers: self.clone(),
            domain,
            made_at: parcel.id.made_at(),
            head: Vec::new(),
            body: None,
        })
    }

    /// Says once of each domain that its copies leave unsigned, where there are keys at all: who has none has been told by
    /// `check`. Lists' domains are few, so what was told is.
    fn tell_of_unsigned(&self, parcel: &Parcel) {
        if self.by_domain.is_empty() {
            return;
        }
        let domain = from_domain(&parcel.head.fields).unwrap_or_default();
        if self.unsigned.lock().unwrap_or_else(PoisonError::into_inner).insert(domain.clone()) {
            tracing::warn!(
                domain,
                "mail leaves without a DKIM signature: there is no key of its From's domain"
            );
        }
    }

    /// RFC 7489 §3.1.1: a signature counts for DMARC where it is of the From's domain, so it is of no other.
    fn signs(&self, parcel: &Parcel) -> Option<String> {
        from_domain(&parcel.head.fields).filter(|domain| self.by_domain.contains_key(domain))
    }
}

impl Signer {
    fn new(key: &SecretKey) -> Result<Self, UnusableKey> {
        let dkim::Record { domain, selector, algorithm, .. } = &key.record;
        let der = || PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8()));
        let loaded: Result<DkimKey, mail_auth::Error> = match algorithm {
            // RFC 8410 §7: without the public half, as OpenSSL writes it.
            dkim::Algorithm::Ed25519 => {
                Ed25519Key::from_pkcs8_maybe_unchecked_der(key.pkcs8()).map(Into::into)
            }
            dkim::Algorithm::Rsa => RsaKey::<Sha256>::from_key_der(der()).map(Into::into),
        };
        let key = loaded.map_err(|why| UnusableKey { selector: selector.clone(), why: why.to_string() })?;
        let a: Algorithm = key.algorithm();
        let (d, s) = (domain.clone(), selector.clone());
        // Relays behind fold fields and touch white space.
        let (ch, cb) = (Canonicalization::Relaxed, Canonicalization::Relaxed);
        // No x=: a copy may be on its way for days. No l=: RFC 6376 §8.2.
        Ok(Self { key, template: Signature { v: 1, a, d, s, ch, cb, ..Signature::default() } })
    }

    fn sign(&self, head: &Head, body_hash: &[u8], made_at: Timestamp) -> Result<Vec<u8>, String> {
        let mut signature = self.template.clone();
        signature.bh = body_hash.to_vec();
        signature.t = u64::try_from(made_at.secs()).unwrap_or(0);
        signature.h = head.names();
        let signed = Signed { head, signature: &signature };
        signature.b = self.key.sign(signed).map_err(|why| why.to_string())?;
        let mut field = Vec::new();
        signature.write(&mut field, true);
        Ok(field)
    }
}

/// One copy while it is taken in.
pub(crate) struct Signing {
    signers: Signers,
    domain: String,
    made_at: Timestamp,
    /// What came until the body began.
    head: Vec<u8>,
    body: Option<BodyHasher<<Sha256 as HashImpl>::Context>>,
}

impl Signing {
    /// Takes the copy's next bytes: lines ending in CRLF, no dot doubled.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if let Some(body) = &mut self.body {
            return body.write(bytes);
        }
        self.head.extend_from_slice(bytes);
        let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else { return };
        let mut body = BodyHasher::new(Sha256::hasher(), Canonicalization::Relaxed, 0);
        body.write(&self.head.split_off(end + 4));
        self.head.truncate(end + 2);
        self.body = Some(body);
    }

    /// The signatures as header fields, to stand in front of the copy.
    ///
    /// # Errors
    /// When the copy has no body, or the library refuses.
    pub(crate) fn finish(self) -> Result<Vec<u8>, String> {
        let body = self.body.ok_or("the copy has no body")?;
        let hash = body.finish().0.complete();
        let head = Head::new(&self.head);
        let mut fields = Vec::new();
        for signer in self.signers.by_domain.get(&self.domain).into_iter().flatten() {
            fields.extend(signer.sign(&head, hash.as_ref(), self.made_at)?);
        }
        Ok(fields)
    }
}

/// The header fields of a copy: names, and values with their line ends. They are of our own making, from an allow-list, so
/// all of them are signed.
struct Head<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Head<'a> {
    fn new(head: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        let mut rest = head;
        while !rest.is_empty() {
            // RFC 5322 §2.2.3: a line that begins with white space goes on with the field.
            let end = (1..rest.len())
                .find(|at| rest.get(at - 1) == Some(&b'\n') && !matches!(rest.get(*at), Some(b' ' | b'\t')));
            let (field, more) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            rest = more;
            if let Some(colon) = field.iter().position(|byte| *byte == b':') {
                let (name, value) = field.split_at_checked(colon).unwrap_or((field, &[]));
                fields.push((name, value.get(1..).unwrap_or_default()));
            }
        }
        Self(fields)
    }

    /// What `h=` says: every field there is, and those that must not be added.
    fn names(&self) -> Vec<String> {
        let there = self.0.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        there.chain(OVERSIGNED.map(str::to_owned)).collect()
    }
}

/// RFC 6376 §3.7: what is signed, the fields in the order of `h=` and then the signature itself. A name beyond the fields
/// that there are stands for nothing (§5.4.2).
struct Signed<'a> {
    head: &'a Head<'a>,
    signature: &'a Signature,
}

impl Writable for Signed<'_> {
    fn write(self, writer: &mut impl Writer) {
        Canonicalization::Relaxed.canonicalize_headers(self.head.0.iter().copied(), writer);
        self.signature.write(writer, false);
    }
}

/// The domain of the From, in ASCII. A long name before the address puts it on a line of its own.
fn from_domain(fields: &str) -> Option<String> {
    let head = Head::new(fields.as_bytes());
    let (_, from) = head.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"From"))?;
    let (_, domain) = std::str::from_utf8(from).ok()?.rsplit_once('@')?;
    Some(domain.trim().trim_end_matches('>').to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
