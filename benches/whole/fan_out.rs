//! One mail to many readers: the relay as the worker calls it, beside the bare cost of sealing.
//!
//! Bare is what no relay can do without: the session key wrapped to each reader (PKESK version 3 to Cv25519) and a body
//! of the same length encrypted once (SEIPD version 1), with Sequoia itself and keys that were looked up before.

use std::io::Write;
use std::sync::Arc;

use sequoia_openpgp as openpgp;

use openpgp::Packet;
use openpgp::crypto::SessionKey;
use openpgp::packet::key::{PublicParts, UnspecifiedRole};
use openpgp::packet::pkesk::PKESK3;
use openpgp::packet::{Key, PKESK};
use openpgp::parse::Parse;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::SerializeInto;
use openpgp::serialize::stream::{Encryptor, Message};
use openpgp::types::SymmetricAlgorithm;
use vouchsafe::id::Entropy;
use vouchsafe::mail::arrival::{Arrival, Envelope, Recipient, Via};
use vouchsafe::mail::directory::{Kind, Purpose};
use vouchsafe::pgp::keyring::{KeyDir, ListKey, Passphrase, SpoolKeys, TagKey, UserId};
use vouchsafe::pgp::open::Limits;
use vouchsafe::pgp::seal::{Reader, Signed, seal_at_rest, seal_to_readers, sign};
use vouchsafe::pgp::sealed::{AtRest, Sealed};
use vouchsafe::relay::world::{Certs, List, World};
use vouchsafe::relay::{Class, Keys, Outcome, relay};
use vouchsafe::roster::Roster;
use vouchsafe::secret::Plaintext;
use vouchsafe::time::Timestamp;

use super::home::{ANNOUNCE, Crowd, SECURITY, address_of, now};
use super::measure::{Pair, millis};
use super::{Plan, say, text};

/// One size to one number of readers, in milliseconds.
pub(crate) struct Row {
    pub(crate) readers: usize,
    pub(crate) size: usize,
    /// From the sealed arrival to the sealed copies.
    pub(crate) relay: Pair,
    /// The sealing of the signed post alone.
    pub(crate) seal: Pair,
}

pub(crate) fn measure(plan: &Plan, crowd: &Crowd) -> Vec<Row> {
    let relay = Relay::new(crowd);
    let mut rows = Vec::new();
    for &size in plan.sizes {
        let sealed = relay.arrival(crowd, size);
        for &readers in plan.readers {
            say(&format!("fan-out: {size} bytes to {readers} readers"));
            // Ada reads along.
            let roster = crowd.roster(readers - 1, None);
            let certs: Certs =
                crowd.people(readers - 1).map(|p| (p.cert.fingerprint(), Arc::clone(&p.cert))).collect();
            let classes = relay.post(again(&sealed), &roster, &certs);
            assert_eq!((classes.len(), classes[0].copies.len()), (1, readers), "one body for all");
            let bare = Bare::new(crowd, readers - 1, classes[0].body.len());
            let to: Vec<Reader<'_>> =
                crowd.people(readers - 1).map(|p| Reader { cert: &p.cert, format: None }).collect();
            let at = now();
            rows.push(Row {
                readers,
                size,
                relay: Pair::in_turns(
                    plan.rounds,
                    || {
                        let sealed = again(&sealed);
                        millis(|| relay.post(sealed, &roster, &certs))
                    },
                    || millis(|| bare.seal()),
                ),
                seal: Pair::in_turns(
                    plan.rounds,
                    || {
                        let signed = relay.signed(size);
                        millis(|| seal_to_readers(signed, &to, at))
                    },
                    || millis(|| bare.seal()),
                ),
            });
        }
    }
    rows
}

/// The keys and rules of an announce list.
struct Relay {
    spool: SpoolKeys,
    list_key: ListKey,
    tags: TagKey,
    list: List,
    limits: Limits,
}

impl Relay {
    fn new(crowd: &Crowd) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (keys, entropy) = (KeyDir::new(dir.path()), Entropy::kernel());
        let (pass, born) = (Passphrase::random(&entropy), Timestamp::from_secs(now().secs() - 3600));
        let address = address_of(ANNOUNCE);
        let id = UserId { name: "Example Distributors".to_owned(), address: address.clone() };
        let name = ANNOUNCE.parse().unwrap();
        keys.create_spool(&pass, born).unwrap();
        keys.create_tags(&pass, &entropy).unwrap();
        keys.create_list(&name, &[id], &pass, born).unwrap();
        assert!(!crowd.readers.is_empty(), "somebody reads");
        Self {
            spool: keys.load_spool(&pass).unwrap(),
            list_key: keys.load_list(&name, &pass).unwrap(),
            tags: keys.load_tags(&pass).unwrap(),
            list: List {
                name,
                title: "Example Distributors".to_owned(),
                address: address.parse().unwrap(),
                answer_to: address_of(SECURITY).parse().unwrap(),
                kind: Kind::Announce,
                team: Some(SECURITY.parse().unwrap()),
                individual: false,
                policy: None,
            },
            limits: Limits { decompressed: 200 << 20, ..Limits::default() },
        }
    }

    /// A mail by Ada as it lies in the spool.
    fn arrival(&self, crowd: &Crowd, size: usize) -> Sealed<AtRest> {
        let cert = openpgp::Cert::from_bytes(&self.list_key.cert().to_bytes()).unwrap();
        let (ada, address) = (&crowd.ada, self.list.address.to_string());
        let raw = text::announcement(&ada.address, &ada.key, (&address, &cert), size);
        let envelope = Envelope {
            reverse_path: Some(ada.address.parse().unwrap()),
            recipients: vec![Recipient {
                address: self.list.address.clone(),
                list: self.list.name.clone(),
                purpose: Purpose::Post,
            }],
            client: "127.0.0.1".to_owned(),
            helo: "client.example".to_owned(),
            via: Via::Smtp,
            tls: true,
            at: now(),
        };
        seal_at_rest(&Arrival::encode(&envelope, &raw), &self.spool.newest()).unwrap()
    }

    /// What the worker gets of it.
    fn post(&self, sealed: Sealed<AtRest>, roster: &Roster, certs: &Certs) -> Vec<Class> {
        let world = World {
            applicants: &[],
            list: &self.list,
            roster,
            certs,
            ours: &[],
            waived: None,
            restored: None,
            came: &|_| None,
            limits: &self.limits,
        };
        let keys = Keys { spool: &self.spool, list: &self.list_key, tags: &self.tags };
        match relay(sealed, &keys, &world, &Entropy::kernel(), now()) {
            Ok(Outcome::Post(post)) => post.classes.map(Result::unwrap).collect(),
            Ok(Outcome::Hold { reason, .. }) => panic!("held: {reason}"),
            Ok(Outcome::Drop(reason)) => panic!("dropped: {reason}"),
            Ok(Outcome::Returned { .. } | Outcome::Request { .. }) => panic!("a bounce"),
            Err(fault) => panic!("{fault}"),
        }
    }

    fn signed(&self, size: usize) -> Signed {
        let entity = Arc::new(Plaintext::new(text::entity_of("ada@team.example", size)));
        sign(&entity, &self.list_key, now(), &[]).unwrap()
    }
}

/// The same sealed mail once more.
fn again(sealed: &Sealed<AtRest>) -> Sealed<AtRest> {
    Sealed::<AtRest>::from_store(sealed.as_bytes().to_vec()).unwrap()
}

/// Keys that were looked up, and a body.
struct Bare {
    keys: Vec<Key<PublicParts, UnspecifiedRole>>,
    body: Vec<u8>,
}

impl Bare {
    fn new(crowd: &Crowd, readers: usize, length: usize) -> Self {
        let policy = StandardPolicy::new();
        let key = |cert: &openpgp::Cert| {
            let mut keys = cert.keys().with_policy(&policy, None).for_transport_encryption();
            keys.next().unwrap().key().clone()
        };
        Self { keys: crowd.people(readers).map(|p| key(&p.key)).collect(), body: vec![b'x'; length] }
    }

    fn seal(&self) -> (Vec<Vec<u8>>, Vec<u8>) {
        let cipher = SymmetricAlgorithm::AES256;
        let session = SessionKey::new(32).unwrap();
        let wrap = |key| {
            let pkesk = PKESK3::for_recipient(cipher, &session, key).unwrap();
            Packet::from(PKESK::from(pkesk)).to_vec().unwrap()
        };
        let wrapped = self.keys.iter().map(wrap).collect();
        let mut out = Vec::with_capacity(self.body.len() + (1 << 16));
        let mut body =
            Encryptor::with_session_key(Message::new(&mut out), cipher, session).unwrap().build().unwrap();
        body.write_all(&self.body).unwrap();
        body.finalize().unwrap();
        (wrapped, out)
    }
}
