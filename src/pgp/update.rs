//! What an admin hands in for a member whose certificate is pinned: a newer copy, a file with several, a revocation
//! alone; and what is new in it.

use std::fmt;

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::packet::Signature;
use openpgp::types::{RevocationStatus, SignatureType};

use super::cert::{Cert, CertError, END, Held, identity, lenient};
use crate::id::Fingerprint;
use crate::time::Timestamp;

/// Something in which a certificate differs from its former copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// When it stops being of use; `None`: never.
    Ends {
        /// Before.
        from: Option<Timestamp>,
        /// Now.
        to: Option<Timestamp>,
    },
    /// Its owner revoked it.
    Revoked,
    /// Keys were added, by their fingerprints.
    NewKeys(Vec<String>),
    /// Its owner revoked these keys.
    RevokedKeys(Vec<String>),
    /// So many User IDs were added. They are not spelt out: they name people.
    NewUserIds(usize),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |end: &Option<Timestamp>| end.map_or_else(|| "never".to_owned(), |at| at.to_string());
        match self {
            Self::Ends { from, to } => write!(f, "it ends {}, before: {}", end(to), end(from)),
            Self::Revoked => f.write_str("it is revoked"),
            Self::NewKeys(keys) => write!(f, "new in it: subkey {}", keys.join(", ")),
            Self::RevokedKeys(keys) => write!(f, "revoked in it: subkey {}", keys.join(", ")),
            Self::NewUserIds(1) => f.write_str("new in it: one User ID"),
            Self::NewUserIds(ids) => write!(f, "new in it: {ids} User IDs"),
        }
    }
}

impl Cert {
    /// The certificate that these bytes are for: the pinned one where it is among several, or where they are a revocation
    /// of it alone; else the only one. What is known of the pinned one is not merged yet, except into a bare revocation.
    ///
    /// # Errors
    /// As [`Cert::parse`]; [`CertError::NoneOf`] when the pinned one is none of several,
    /// [`CertError::NotItsRevocation`] for somebody else's revocation, [`CertError::Transition`] for the pinned one's beside
    /// another certificate.
    pub fn handed_in(bytes: &[u8], pinned: Option<&Self>) -> Result<Self, CertError> {
        let held = Held::read(bytes)?;
        held.affordable()?;
        let Held { certs, alone } = held;
        let count = certs.len();
        let chosen = match pinned {
            None if count > 1 => return Err(CertError::Several(count)),
            // A file may have it more than once, such as before and after its revocation. Others are not computed over.
            Some(pinned) if certs.iter().any(|packets| is(packets, pinned.fingerprint())) => {
                let mut copies = certs.into_iter().filter(|packets| is(packets, pinned.fingerprint()));
                let first = copies.next().map(Self::from_own).ok_or(CertError::NotOpenPgp)??;
                copies.try_fold(first, |all, copy| all.merge(&Self::from_own(copy)?))?
            }
            Some(pinned) if count > 1 => {
                return Err(CertError::NoneOf { count, pinned: pinned.fingerprint() });
            }
            Some(pinned) if count == 0 && alone.iter().any(is_revocation) => pinned.clone(),
            _ => certs.into_iter().next().map(Self::from_own).ok_or(CertError::NotOpenPgp)??,
        };
        match pinned {
            _ if alone.is_empty() => Ok(chosen),
            Some(pinned) if pinned.fingerprint() != chosen.fingerprint() => {
                let (pinned, other) = (pinned, chosen.fingerprint());
                // What revokes the pinned one must not get lost beside another.
                Err(if alone.iter().any(|one| pinned.made(one)) {
                    CertError::Transition { pinned: pinned.fingerprint(), other }
                } else {
                    CertError::NotItsRevocation(pinned.fingerprint())
                })
            }
            _ => chosen.revoked_by(alone),
        }
    }

    /// The certificate with these revocations of its own.
    ///
    /// # Errors
    /// [`CertError::NotItsRevocation`] when none of them is.
    pub(super) fn revoked_by(&self, alone: Vec<Signature>) -> Result<Self, CertError> {
        let foreign = CertError::NotItsRevocation(self.fingerprint());
        let own: Vec<Packet> = alone.into_iter().filter(|one| self.made(one)).map(Packet::from).collect();
        if own.is_empty() {
            return Err(foreign);
        }
        let (revoked, _) = self.openpgp().clone().insert_packets(own).map_err(|_| foreign)?;
        // The limits hold for the result too.
        Self::parse(&Self::from_openpgp(revoked)?.to_bytes())
    }

    /// Whether its primary key made this revocation, of itself or of a subkey.
    fn made(&self, revocation: &Signature) -> bool {
        let primary = self.openpgp().primary_key();
        let primary = primary.key();
        let mut subkeys = self.openpgp().keys().subkeys();
        match revocation.typ() {
            SignatureType::KeyRevocation => {
                revocation.verify_primary_key_revocation(primary, primary).is_ok()
            }
            SignatureType::SubkeyRevocation => {
                subkeys.any(|key| revocation.verify_subkey_revocation(primary, primary, key.key()).is_ok())
            }
            _ => false,
        }
    }

    /// In what it differs from a former copy, seen from that time.
    #[must_use]
    pub fn differences(&self, before: &Self, at: Timestamp) -> Vec<Difference> {
        let mut found = Vec::new();
        let (was, is) = (Inside::of(before), Inside::of(self));
        if is.revoked && !was.revoked {
            found.push(Difference::Revoked);
        }
        let (from, to) = (before.expires(at), self.expires(at));
        if from != to && !is.revoked {
            found.push(Difference::Ends { from, to });
        }
        let new = |is: &[String], was: &[String]| -> Vec<String> {
            is.iter().filter(|one| !was.contains(one)).cloned().collect()
        };
        let added = new(&is.keys, &was.keys);
        if !added.is_empty() {
            found.push(Difference::NewKeys(added));
        }
        let ended = new(&is.revoked_keys, &was.revoked_keys);
        if !ended.is_empty() {
            found.push(Difference::RevokedKeys(ended));
        }
        match is.ids.saturating_sub(was.ids) {
            0 => {}
            added => found.push(Difference::NewUserIds(added)),
        }
        found
    }
}

fn is(packets: &[Packet], fingerprint: Fingerprint) -> bool {
    matches!(packets.first(), Some(Packet::PublicKey(key)) if identity(&key.fingerprint()) == Some(fingerprint))
}

fn is_revocation(signature: &Signature) -> bool {
    matches!(signature.typ(), SignatureType::KeyRevocation | SignatureType::SubkeyRevocation)
}

/// What is compared.
struct Inside {
    revoked: bool,
    keys: Vec<String>,
    revoked_keys: Vec<String>,
    ids: usize,
}

impl Inside {
    fn of(cert: &Cert) -> Self {
        let cert = cert.openpgp();
        let policy = lenient();
        let is_revoked = |status: &RevocationStatus<'_>| matches!(status, RevocationStatus::Revoked(_));
        let subkeys: Vec<_> = cert.keys().subkeys().collect();
        let revoked = subkeys.iter().filter(|key| is_revoked(&key.revocation_status(&policy, END.system())));
        Self {
            revoked: is_revoked(&cert.revocation_status(&policy, END.system())),
            keys: subkeys.iter().map(|key| key.key().fingerprint().to_hex()).collect(),
            revoked_keys: revoked.map(|key| key.key().fingerprint().to_hex()).collect(),
            ids: cert.userids().count(),
        }
    }
}
