//! A world with two lists and a dozen people, and the pure relay run in it.
//!
//! `security` takes reports, its team is Ada (version 4) and Bob (RSA). `distrib` announces: its distributors are Dora
//! (version 4), Rolf (RSA) and Vera (version 6); Xena's certificate expired, Sue is suspended. Mallory is on no list.

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::TempDir;
use vouchsafe::id::{Entropy, Fingerprint, ListName, MemberId};
use vouchsafe::mail::address::Address;
use vouchsafe::mail::arrival::{Arrival, Envelope, Recipient, Via};
use vouchsafe::mail::directory::{Kind as ListKind, Purpose, fixed_addresses};
use vouchsafe::mail::headers::list_id;
use vouchsafe::mail::parcel::Head;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::keyring::{KeyDir, ListKey, Passphrase, SpoolKeys, TagKey, UserId};
use vouchsafe::pgp::open::Limits;
use vouchsafe::pgp::seal::seal_at_rest;
use vouchsafe::pgp::sealed::{Sealed, ToReaders, WrappedKey};
use vouchsafe::relay::gate::Reason;
use vouchsafe::relay::world::{Certs, List, World};
use vouchsafe::relay::{Class, Copy, Fault, Keys, Missing, Outcome, Post, relay};
use vouchsafe::roster::Roster;
use vouchsafe::roster::membership::{Member, Role, Standing};
use vouchsafe::time::Timestamp;

use super::forge::{By, Form, encrypted, mail, signed};
use super::golden::{Fixture, FixtureList};
use super::keys::{DAY, Kind, Person, as_openpgp};
use super::pen::Pen;

/// When mail arrives.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
pub(crate) const DOMAIN: &str = "lists.example";

/// The world; one for each test binary, since making RSA keys takes its time.
pub(crate) struct Setting {
    _dir: TempDir,
    pub(crate) spool: SpoolKeys,
    pub(crate) tags: TagKey,
    pub(crate) lists: BTreeMap<String, (List, ListKey)>,
    pub(crate) people: BTreeMap<String, Person>,
    pub(crate) roster: Roster,
    pub(crate) certs: Certs,
    /// The List-Ids of all lists.
    pub(crate) ours: Vec<String>,
    pub(crate) limits: Limits,
}

/// One mail on its way in.
#[derive(Clone)]
pub(crate) struct Sent<'a> {
    pub(crate) list: &'a str,
    pub(crate) raw: &'a [u8],
    pub(crate) purpose: Purpose,
    pub(crate) waived: Option<String>,
    pub(crate) arrived: Timestamp,
    pub(crate) now: Timestamp,
    /// When the store was restored.
    pub(crate) restored: Option<Timestamp>,
    /// The digest of a mail that came before, and when.
    pub(crate) came: Option<([u8; 32], Timestamp)>,
}

impl<'a> Sent<'a> {
    pub(crate) fn to(list: &'a str, raw: &'a [u8]) -> Self {
        Self {
            list,
            raw,
            purpose: Purpose::Post,
            waived: None,
            arrived: NOW,
            now: NOW,
            restored: None,
            came: None,
        }
    }

    pub(crate) fn at(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// Let through by the admin after it was held for this.
    pub(crate) fn released(self, reason: Reason) -> Self {
        Self { waived: Some(reason.to_string()), ..self }
    }
}

impl Setting {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyDir::new(dir.path());
        let pass = Passphrase::random(&Entropy::kernel());
        let born = NOW.before(100 * DAY);
        keys.create_spool(&pass, born).unwrap();
        keys.create_tags(&pass, &Entropy::kernel()).unwrap();
        let mut lists = BTreeMap::new();
        for (name, title, kind, team) in [
            ("security", "Example Security", ListKind::Intake, None),
            ("distrib", "Example Distributors", ListKind::Announce, Some("security")),
        ] {
            let list = list(name, title, kind, team);
            let id = |address: &Address| UserId { name: title.to_owned(), address: address.to_string() };
            let ids: Vec<_> = fixed_addresses(&list.address, kind).unwrap().iter().map(id).collect();
            keys.create_list(&list.name, &ids, &pass, born).unwrap();
            let key = keys.load_list(&list.name, &pass).unwrap();
            lists.insert(name.to_owned(), (list, key));
        }
        let ours = lists.values().map(|(list, _): &(List, ListKey)| list_id(&list.address)).collect();
        let mut setting = Self {
            spool: keys.load_spool(&pass).unwrap(),
            tags: keys.load_tags(&pass).unwrap(),
            _dir: dir,
            lists,
            people: BTreeMap::new(),
            roster: Roster::default(),
            certs: Certs::new(),
            ours,
            limits: Limits { decompressed: 64 << 20, ..Limits::default() },
        };
        setting.populate();
        setting
    }

    fn populate(&mut self) {
        use Kind::{Expired, Rsa, V4, V6};
        let mut people = vec![("Mallory", V4, None, Standing::Active)];
        people.extend([("Ada", V4), ("Bob", Rsa)].map(|(n, k)| (n, k, Some("security"), Standing::Active)));
        people.extend(
            [("Dora", V4), ("Rolf", Rsa), ("Vera", V6), ("Xena", Expired)]
                .map(|(n, k)| (n, k, Some("distrib"), Standing::Active)),
        );
        people.push(("Sue", V4, Some("distrib"), Standing::Suspended));
        for (name, kind, list, standing) in people {
            let person = Person::new(name, kind, NOW);
            if let Some(list) = list {
                self.join(list, &person, standing);
            }
            self.people.insert(name.to_lowercase(), person);
        }
    }

    /// Puts a person onto a list.
    pub(crate) fn join(&mut self, list: &str, person: &Person, standing: Standing) {
        let cert = person.cert();
        let intake = self.lists[list].0.kind == ListKind::Intake;
        let org = person.name.to_lowercase().parse().unwrap();
        let role = if intake {
            Role::Team { name: format!("{} of the team", person.name), role: None }
        } else {
            self.roster = self.roster.add_org(&org, person.name.clone(), NOW).unwrap().0;
            Role::Contact { org }
        };
        let member = Member {
            id: member_id(&person.name),
            address: person.address.parse().unwrap(),
            fingerprint: cert.fingerprint(),
            role,
            standing,
            since: NOW.before(50 * DAY),
            format: None,
            file: vouchsafe::roster::membership::MemberFile::default(),
        };
        self.roster = self.roster.add_member(&list.parse().unwrap(), member).unwrap().0;
        self.certs.insert(cert.fingerprint(), cert);
    }

    pub(crate) fn person(&self, name: &str) -> &Person {
        &self.people[name]
    }

    pub(crate) fn fingerprint(&self, name: &str) -> Fingerprint {
        self.person(name).cert().fingerprint()
    }

    pub(crate) fn list_cert(&self, list: &str) -> &Cert {
        self.lists[list].1.cert()
    }

    pub(crate) fn by(&self, name: &str) -> By<'_> {
        By { key: &self.person(name).key, at: NOW, intended: None }
    }

    /// A PGP/MIME mail of `entity`, signed by these and encrypted to that list.
    pub(crate) fn write(&self, list: &str, entity: &[u8], by: &[By<'_>]) -> Vec<u8> {
        let packets = signed(entity, by);
        let message = encrypted(&packets, &[as_openpgp(self.list_cert(list))], NOW, Form::default());
        let fields = format!(
            "From: Outer Name <outer@outer.example>\r\nTo: {list}@{DOMAIN}\r\nSubject: ...\r\n\
             Message-ID: <outer-id@outer.example>\r\n"
        );
        mail(&fields, &message)
    }

    /// Sends a mail through the relay.
    pub(crate) fn relay(&self, sent: &Sent<'_>) -> Result<Outcome, Fault> {
        self.relay_as(sent, &self.lists[sent.list].0, &self.roster)
    }

    /// The same with the list's rules or the roster changed.
    pub(crate) fn relay_as(&self, sent: &Sent<'_>, list: &List, roster: &Roster) -> Result<Outcome, Fault> {
        self.relay_beside(sent, list, roster, &[])
    }

    /// The same while somebody asks to belong, with these certificates.
    pub(crate) fn relay_beside(
        &self,
        sent: &Sent<'_>,
        list: &List,
        roster: &Roster,
        applicants: &[Arc<Cert>],
    ) -> Result<Outcome, Fault> {
        let world = World {
            applicants,
            list,
            roster,
            certs: &self.certs,
            ours: &self.ours,
            waived: sent.waived.as_deref(),
            restored: sent.restored,
            came: &|digest| sent.came.filter(|(known, _)| known == digest).map(|(_, at)| at),
            limits: &self.limits,
        };
        let keys = Keys { spool: &self.spool, list: &self.lists[sent.list].1, tags: &self.tags };
        let content = Arrival::encode(&envelope(list, sent), sent.raw);
        let sealed = seal_at_rest(&content, &self.spool.newest()).unwrap();
        relay(sealed, &keys, &world, &Entropy::kernel(), sent.now)
    }

    /// What comes of a mail that is posted.
    pub(crate) fn post(&self, sent: &Sent<'_>) -> Posted {
        posted(self.relay(sent))
    }

    /// What golden mails are rendered with.
    pub(crate) fn fixture(&self) -> Fixture {
        let lists = self.lists.iter().map(|(name, (list, key))| {
            let cert = as_openpgp(key.cert());
            (name.clone(), FixtureList { address: list.address.to_string(), cert })
        });
        let people = self.people.iter().map(|(name, person)| (name.clone(), person.key.clone()));
        Fixture { at: NOW, lists: lists.collect(), people: people.collect(), pen: Pen::default() }
    }
}

/// The opaque id of a person.
pub(crate) fn member_id(name: &str) -> MemberId {
    format!("m-{}", name.to_lowercase()).parse().unwrap()
}

pub(crate) fn list(name: &str, title: &str, kind: ListKind, team: Option<&str>) -> List {
    List {
        name: name.parse::<ListName>().unwrap(),
        title: title.to_owned(),
        address: format!("{name}@{DOMAIN}").parse().unwrap(),
        answer_to: format!("{}@{DOMAIN}", team.unwrap_or(name)).parse().unwrap(),
        kind,
        team: team.map(|t| t.parse().unwrap()),
        individual: false,
        policy: None,
    }
}

/// What the transport says of a mail; every word of it is a canary.
fn envelope(list: &List, sent: &Sent<'_>) -> Envelope {
    Envelope {
        reverse_path: Some("canary-envelope@canary-path.example".parse().unwrap()),
        recipients: vec![Recipient {
            address: list.address.clone(),
            list: list.name.clone(),
            purpose: sent.purpose.clone(),
        }],
        client: "canary-client".to_owned(),
        helo: "canary-helo.example".to_owned(),
        via: Via::Smtp,
        tls: true,
        at: sent.arrived,
    }
}

/// A post with all its classes sealed.
pub(crate) struct Posted {
    pub(crate) bodies: Vec<Sealed<ToReaders>>,
    pub(crate) copies: Vec<PostedCopy>,
    pub(crate) head: Head,
    pub(crate) missed: Vec<Missing>,
    pub(crate) signer: Option<MemberId>,
    pub(crate) verdict: String,
    pub(crate) replay: Vec<[u8; 32]>,
    pub(crate) came: Option<[u8; 32]>,
}

/// One reader's copy.
pub(crate) struct PostedCopy {
    place: usize,
    pub(crate) member: MemberId,
    pub(crate) address: Address,
    /// Which of the bodies.
    pub(crate) body: usize,
    pub(crate) key: WrappedKey,
}

impl Posted {
    pub(crate) fn of(post: Post) -> Self {
        let Post { classes, head, missed, signer, verdict, replay, came } = post;
        let (mut bodies, mut copies) = (Vec::new(), Vec::new());
        for class in classes {
            let Class { body, copies: sharing } = class.unwrap();
            let copy = |copy: Copy| PostedCopy {
                place: copy.place,
                member: copy.member,
                address: copy.address,
                body: bodies.len(),
                key: copy.key,
            };
            copies.extend(sharing.into_iter().map(copy));
            bodies.push(body);
        }
        copies.sort_by_key(|copy: &PostedCopy| copy.place);
        Self { bodies, copies, head, missed, signer, verdict, replay, came }
    }
}

pub(crate) fn posted(outcome: Result<Outcome, Fault>) -> Posted {
    match outcome {
        Ok(Outcome::Post(post)) => Posted::of(*post),
        Ok(Outcome::Hold { reason, .. }) => panic!("held: {reason}"),
        Ok(Outcome::Drop(reason)) => panic!("dropped: {reason}"),
        Ok(Outcome::Returned { bounce, .. }) => panic!("returned: {bounce:?}"),
        Ok(Outcome::Request { .. }) => panic!("a request"),
        Err(fault) => panic!("{fault}"),
    }
}

/// Who gets a copy, in the order of the copies.
pub(crate) fn readers(post: &Posted) -> Vec<String> {
    post.copies.iter().map(|copy| copy.member.as_str().trim_start_matches("m-").to_owned()).collect()
}

/// Certificates by name, for whoever opens copies.
pub(crate) fn certs(setting: &Setting) -> Vec<(String, Arc<Cert>)> {
    setting.people.iter().map(|(name, person)| (name.clone(), person.cert())).collect()
}
