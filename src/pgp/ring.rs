//! Keyrings of other programs: many certificates, of which only those that are asked for are verified.

use std::collections::{BTreeMap, BTreeSet};

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::parse::{PacketParserBuilder, PacketParserResult, Parse};
use openpgp::serialize::Marshal;

use super::cert::{Cert, CertError, END, blocks, identity, lenient};
use crate::id::Fingerprint;

/// Certificates of a keyring, each as its packets lay there.
#[derive(Default)]
pub struct Ring {
    /// All copies of each.
    found: BTreeMap<Fingerprint, Vec<Vec<u8>>>,
    /// Which have a User ID with an address, in lower case.
    named: BTreeMap<String, BTreeSet<Fingerprint>>,
}

struct Raw {
    fingerprint: Fingerprint,
    emails: Vec<String>,
    packets: Vec<u8>,
}

impl Ring {
    /// Adds what a file or blob has: certificates in any number, armored or not. What is none is passed over, and what
    /// stands behind it in the same block.
    ///
    /// # Errors
    /// [`CertError::SecretKey`]; [`CertError::NotOpenPgp`] where nothing is a certificate.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), CertError> {
        let mut several = 0_usize;
        for block in blocks(bytes) {
            for raw in block_of(block)? {
                several += 1;
                for email in raw.emails {
                    self.named.entry(email.to_ascii_lowercase()).or_default().insert(raw.fingerprint);
                }
                self.found.entry(raw.fingerprint).or_default().push(raw.packets);
            }
        }
        if several == 0 { Err(CertError::NotOpenPgp) } else { Ok(()) }
    }

    /// The certificate with this fingerprint: all copies of it that are here, put together. None when there is none.
    ///
    /// # Errors
    /// As [`Cert::import`].
    pub fn get(&self, fingerprint: Fingerprint) -> Result<Option<Cert>, CertError> {
        let copies = self.found.get(&fingerprint).into_iter().flatten();
        copies.map(|packets| Cert::import(packets)).try_fold(None, |all: Option<Cert>, copy| {
            Ok(Some(match all {
                Some(all) => all.merge(&copy?)?,
                None => copy?,
            }))
        })
    }

    /// The fingerprints of those whose owner says that they are for this address.
    #[must_use]
    pub fn with_address(&self, address: &str) -> Vec<Fingerprint> {
        // Anybody can append a User ID to somebody's certificate; an import leaves those out.
        let says = |cert: &Cert| cert.emails().iter().any(|email| email.eq_ignore_ascii_case(address));
        let named = self.named.get(&address.to_ascii_lowercase()).into_iter().flatten().copied();
        named.filter(|one| self.get(*one).is_ok_and(|cert| cert.as_ref().is_some_and(says))).collect()
    }
}

/// The certificates of an armored block, or of binary packets.
fn block_of(bytes: &[u8]) -> Result<Vec<Raw>, CertError> {
    let mut found = Vec::new();
    // Depth 0: nothing is decompressed or entered.
    let parser = PacketParserBuilder::from_bytes(bytes).and_then(|b| b.max_recursion_depth(0).build());
    let Ok(mut next) = parser else { return Ok(found) };
    let mut current: Option<Raw> = None;
    while let PacketParserResult::Some(parser) = next {
        let Ok((packet, rest)) = parser.next() else { break };
        next = rest;
        match &packet {
            Packet::SecretKey(_) | Packet::SecretSubkey(_) => return Err(CertError::SecretKey),
            Packet::PublicKey(key) => {
                found.extend(current.take());
                // Of another version than 4 and 6 it is none that could be used.
                current = identity(&key.fingerprint()).map(|fingerprint| Raw {
                    fingerprint,
                    emails: Vec::new(),
                    packets: Vec::new(),
                });
            }
            // GnuPG's own notes in an old keyring.
            Packet::Trust(_) | Packet::Marker(_) => continue,
            Packet::UserID(id) => {
                if let (Some(raw), Ok(Some(email))) = (&mut current, id.email()) {
                    raw.emails.push(email.to_owned());
                }
            }
            _ => {}
        }
        if let Some(raw) = &mut current {
            packet.serialize(&mut raw.packets).map_err(|_| CertError::NotOpenPgp)?;
        }
    }
    found.extend(current);
    Ok(found)
}

impl Cert {
    /// The name in its primary User ID, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let policy = lenient();
        let valid = self.openpgp().with_policy(&policy, END.system()).ok()?;
        let name = valid.primary_userid().ok()?.userid().name().ok()??.trim().to_owned();
        (!name.is_empty() && !name.chars().any(char::is_control)).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgp::person::{Person, Sort};
    use crate::time::Timestamp;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn person(name: &str) -> Cert {
        let address = format!("{}@people.example", name.to_lowercase());
        Person::generate(name, &address, Sort::V4, NOW, None).unwrap().cert().clone()
    }

    #[test]
    fn a_keyring_gives_each_certificate_by_fingerprint_or_address() {
        let (ada, bob) = (person("Ada"), person("Bob"));
        let mut ring = Ring::default();
        ring.add(&[ada.to_bytes(), bob.to_bytes()].concat()).unwrap();
        ring.add(format!("some words\n{}\n{}", bob.armored(), ada.armored()).as_bytes()).unwrap();
        for (cert, name) in [(&ada, "Ada"), (&bob, "Bob")] {
            let found = ring.get(cert.fingerprint()).unwrap().unwrap();
            assert_eq!(found.to_bytes(), cert.to_bytes());
            assert_eq!(found.name().as_deref(), Some(name));
            let address = format!("{}@PEOPLE.example", name.to_lowercase());
            assert_eq!(ring.with_address(&address), [cert.fingerprint()]);
        }
        assert!(ring.get(Fingerprint::V4([1; 20])).unwrap().is_none());
        assert!(ring.with_address("nobody@people.example").is_empty());
    }

    #[test]
    fn an_address_that_a_stranger_appended_does_not_count() {
        let ada = person("Ada");
        let mut forged = ada.to_bytes();
        let id = openpgp::packet::UserID::from("Eve <eve@people.example>");
        Packet::from(id).serialize(&mut forged).unwrap();
        let mut ring = Ring::default();
        ring.add(&forged).unwrap();
        assert!(ring.with_address("eve@people.example").is_empty());
        assert_eq!(ring.with_address("ada@people.example"), [ada.fingerprint()]);
    }

    #[test]
    fn what_is_no_keyring_is_said() {
        let mut ring = Ring::default();
        assert!(matches!(ring.add(b""), Err(CertError::NotOpenPgp)));
        assert!(matches!(ring.add(b"a letter"), Err(CertError::NotOpenPgp)));
    }
}
