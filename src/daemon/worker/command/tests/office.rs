//! A list, its people and a worker, in a store of their own.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::shapes::Shape;
use super::support::keys::{DAY, Kind as Key, Person};
use super::support::world::list;
use crate::daemon::worker::{LEASE, Worked, Worker};
use crate::id::{ApplicationId, Entropy, Fingerprint, ListName, SpoolId, Token};
use crate::ledger::certs::CertBook;
use crate::ledger::hold::{Held, Holds};
use crate::ledger::journal::{Event, Journal};
use crate::ledger::registry::Registry;
use crate::ledger::shelf::Shelf;
use crate::ledger::spool::Spool;
use crate::ledger::token::{Issued, Tokens};
use crate::mail::arrival::{Arrival, Envelope, Recipient, Via};
use crate::mail::directory::{Kind, Purpose};
use crate::mail::headers::list_id;
use crate::pgp::keychain::Keychain;
use crate::pgp::keyring::{KeyDir, Passphrase, UserId};
use crate::pgp::open::Limits;
use crate::pgp::seal::seal_at_rest;
use crate::relay::world::List;
use crate::roster::Roster;
use crate::roster::aim::Aim;
use crate::roster::application::Application;
use crate::roster::ballot::{Ballot, Motion, Outcome};
use crate::roster::breach::Breach;
use crate::roster::membership::{Member, MemberFile, Role, Standing};
use crate::roster::moderation::Ignored;
use crate::roster::removal::Reason;
use crate::store::contract::{Batch, Space};
use crate::store::{self, Settings};
use crate::time::{ManualClock, Timestamp};
use crate::vitals::Pulse;

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
/// Announces; its team is that of `security`.
pub(super) const LIST: &str = "distrib";
pub(super) const DORA: &str = "dora";

/// The keys, which cost the most.
pub(super) struct Office {
    _dir: TempDir,
    pub(super) keys: Arc<Keychain>,
    pub(super) people: BTreeMap<String, Person>,
    lists: BTreeMap<ListName, List>,
    held: SpoolId,
}

/// A worker with a store.
pub(super) struct Desk {
    _dir: TempDir,
    worker: Worker,
    entropy: Entropy,
    held: SpoolId,
}

/// What a command can change.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    roster: Arc<Roster>,
    held: Option<Held>,
    ballots: Vec<Ballot>,
    applications: Vec<Application>,
    breaches: Vec<Breach>,
    ignored: Vec<Ignored>,
    certs: Vec<Fingerprint>,
}

impl Office {
    pub(super) fn new() -> Self {
        let private = Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().permissions(private).tempdir().unwrap();
        let (folder, pass) = (KeyDir::new(dir.path()), Passphrase::random(&Entropy::kernel()));
        let born = NOW.before(100 * DAY);
        folder.create_spool(&pass, born).unwrap();
        folder.create_tags(&pass, &Entropy::kernel()).unwrap();
        let lists = [
            list("security", "Security", Kind::Intake, None),
            list(LIST, "Distributors", Kind::Announce, Some("security")),
        ];
        for list in &lists {
            let id = UserId { name: list.title.clone(), address: list.address.to_string() };
            folder.create_list(&list.name, &[id], &pass, born).unwrap();
        }
        let lists: BTreeMap<ListName, List> = lists.into_iter().map(|l| (l.name.clone(), l)).collect();
        let names: Vec<ListName> = lists.keys().cloned().collect();
        let people = ["Ada", "Bob", "Dora", "Emil", "Mallory"];
        let people = people.map(|name| (name.to_lowercase(), Person::new(name, Key::V4, NOW)));
        Self {
            keys: Arc::new(Keychain::open(folder, pass, &names).unwrap()),
            people: people.into_iter().collect(),
            lists,
            held: SpoolId::new(NOW.before(DAY), &Entropy::kernel()),
            _dir: dir,
        }
    }

    /// The mail that waits for a decision.
    pub(super) const fn held(&self) -> SpoolId {
        self.held
    }

    pub(super) fn fingerprint(&self, name: &str) -> Fingerprint {
        self.people[name].cert().fingerprint()
    }

    /// A worker over a store in which nothing has happened yet.
    pub(super) fn fresh(&self) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let store = store::open(&Settings { path: dir.path().to_owned(), ..Settings::default() }).unwrap();
        let (registry, entropy) = (Registry::new(Arc::clone(&store)), Entropy::kernel());
        let mut batch = Batch::new();
        let mut roster = Roster::default();
        for (name, on) in [("ada", "security"), ("bob", "security"), (DORA, LIST), ("emil", LIST)] {
            let person = &self.people[name];
            let cert = person.cert();
            let role = if on == LIST {
                let org = format!("{name}-org").parse().unwrap();
                roster = roster.add_org(&org, person.name.clone(), NOW).unwrap().0;
                Role::Contact { org }
            } else {
                Role::Team { name: person.name.clone(), role: None }
            };
            let member = Member {
                id: format!("m-{name}").parse().unwrap(),
                address: person.address.parse().unwrap(),
                fingerprint: cert.fingerprint(),
                role,
                standing: Standing::Active,
                since: NOW.before(50 * DAY),
                format: None,
                file: MemberFile::default(),
            };
            roster = roster.add_member(&on.parse().unwrap(), member).unwrap().0;
            Registry::set_cert(&mut batch, cert.fingerprint(), cert.to_bytes());
        }
        Registry::set_roster(&mut batch, &registry.roster().unwrap(), &roster).unwrap();
        Shelf::add(&mut batch, &ballot()).unwrap();
        store.commit(batch).unwrap();
        let worker = Worker {
            ours: self.lists.values().map(|list| list_id(&list.address)).collect(),
            lists: self.lists.clone(),
            all: Arc::new(self.lists.values().cloned().collect()),
            keys: Arc::clone(&self.keys),
            certs: CertBook::new(registry.clone()),
            registry,
            spool: Spool::new(Arc::clone(&store)),
            journal: Journal::new(Arc::clone(&store)),
            limits: Limits::default(),
            clock: Arc::new(ManualClock::at(NOW)),
            entropy: Arc::new(Entropy::kernel()),
            queued: Arc::default(),
            due: Arc::default(),
            pulse: Pulse::default(),
            store,
        };
        let mut desk = Desk { _dir: dir, worker, entropy, held: self.held };
        desk.hold(self.people["mallory"].cert().fingerprint());
        desk
    }
}

impl Desk {
    /// A mail of somebody unknown is held.
    fn hold(&mut self, signer: Fingerprint) {
        self.put(LIST, b"Subject: x\r\n\r\nx\r\n");
        let spooled = self.worker.spool.claim(NOW, LEASE, 1).unwrap().remove(0);
        let mut batch = Batch::new();
        Holds::hold(&mut batch, &spooled, "unknown-signer", Some(signer), true, NOW).unwrap();
        self.worker.store.commit(batch).unwrap();
        self.held = spooled.id;
    }

    fn put(&self, list: &str, raw: &[u8]) -> SpoolId {
        let list: ListName = list.parse().unwrap();
        let recipient = Recipient {
            address: self.worker.lists[&list].request(),
            list: list.clone(),
            purpose: Purpose::Request,
        };
        let envelope = Envelope {
            reverse_path: Some("somebody@elsewhere.example".parse().unwrap()),
            recipients: vec![recipient],
            client: "client".to_owned(),
            helo: "helo.example".to_owned(),
            via: Via::Smtp,
            tls: true,
            at: NOW,
        };
        let key = self.worker.keys.spool().newest();
        let sealed = seal_at_rest(&Arrival::encode(&envelope, raw), &key).unwrap();
        self.worker.spool.put(&sealed, &[list], key.fingerprint(), NOW, &self.entropy).unwrap()
    }

    /// Issues a token, as it is when a mail of this shape comes.
    pub(super) fn issue(&self, aim: &Aim, owner: &str, shape: Shape) -> Issued {
        let (tokens, token) = (Tokens::new(Arc::clone(&self.worker.store)), shape.token());
        let aim = match aim {
            Aim::Hold { decision, .. } => Aim::Hold { mail: self.held, decision: *decision },
            aim => aim.clone(),
        };
        let (list, member) = (LIST.parse().unwrap(), format!("m-{owner}").parse().unwrap());
        let until = if shape == Shape::Expired { NOW } else { NOW.after(Duration::from_secs(60)) };
        let pinned = self.worker.registry.roster().unwrap().roster;
        let signer = pinned.everyone().find(|(_, m)| m.id == member).unwrap().1.fingerprint;
        let issued = Issued { list, member, signer, aim, until };
        self.commit(|batch| Tokens::issue(batch, &token, &issued).unwrap());
        let letter = |batch: &mut Batch, token: &Token| {
            let whose = (&issued.list, &issued.member, "help");
            tokens.replace(batch, whose, std::slice::from_ref(token), until).unwrap();
        };
        if shape == Shape::Replaced {
            self.commit(|batch| letter(batch, &token));
            self.commit(|batch| letter(batch, &Token::random(&self.entropy)));
        }
        if shape == Shape::Used {
            let found = tokens.find(&issued.list, &token, &[signer], NOW).unwrap().unwrap();
            self.commit(|batch| found.spend(batch));
        }
        issued
    }

    fn commit(&self, fill: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::new();
        fill(&mut batch);
        self.worker.store.commit(batch).unwrap();
    }

    /// Whether the token does something still.
    pub(super) fn counts(&self, token: &Token, issued: &Issued) -> bool {
        let tokens = Tokens::new(Arc::clone(&self.worker.store));
        tokens.find(&issued.list, token, &[issued.signer], NOW).unwrap().is_some()
    }

    /// The certificate that somebody has pinned.
    pub(super) fn pinned(&self, name: &str) -> Fingerprint {
        let roster = self.worker.registry.roster().unwrap().roster;
        let id = format!("m-{name}").parse().unwrap();
        roster.everyone().find(|(_, m)| m.id == id).unwrap().1.fingerprint
    }

    /// Somebody is on another list.
    pub(super) fn is_known_elsewhere(&self, name: &str, cert: &crate::pgp::cert::Cert) {
        let read = self.worker.registry.roster().unwrap();
        let member = Member {
            id: format!("m-{name}-elsewhere").parse().unwrap(),
            address: format!("{name}@elsewhere.example").parse().unwrap(),
            fingerprint: cert.fingerprint(),
            role: Role::Team { name: name.to_owned(), role: None },
            standing: Standing::Active,
            since: NOW.before(DAY),
            format: None,
            file: MemberFile::default(),
        };
        let (roster, _) = read.roster.add_member(&"elsewhere".parse().unwrap(), member).unwrap();
        self.commit(|batch| {
            Registry::set_roster(batch, &read, &roster).unwrap();
            Registry::set_cert(batch, cert.fingerprint(), cert.to_bytes());
        });
    }

    /// The token of this shape was never issued.
    pub(super) fn forget(&self, shape: Shape) {
        let tokens = Tokens::new(Arc::clone(&self.worker.store));
        let signers = [self.pinned(DORA)];
        let found = tokens.find(&LIST.parse().unwrap(), &shape.token(), &signers, NOW).unwrap();
        self.commit(|batch| found.unwrap().spend(batch));
    }

    /// What the journal says of a mail.
    pub(super) fn works(&self, list: &str, raw: &[u8]) -> Vec<Event> {
        let name: ListName = list.parse().unwrap();
        let links = || self.worker.journal.links(Some(&name), 0, 100_000).unwrap();
        let before = links().len();
        let id = self.put(list, raw);
        // What was released before may wait there, too.
        let claimed = self.worker.spool.claim(NOW, LEASE, 10).unwrap();
        let spooled = claimed.iter().find(|spooled| spooled.id == id).unwrap();
        assert!(matches!(self.worker.work(spooled).unwrap(), Worked::Done));
        assert!(self.worker.store.get(Space::Spool, id.as_bytes()).unwrap().is_none(), "it has its end");
        links().into_iter().skip(before).map(|link| link.event).collect()
    }

    /// What a command can change, as it is.
    pub(super) fn state(&self) -> State {
        let (store, registry) = (&self.worker.store, &self.worker.registry);
        State {
            roster: registry.roster().unwrap().roster,
            held: Holds::new(Arc::clone(store)).get(self.held).unwrap(),
            ballots: Shelf::<Ballot>::new(store).all().unwrap().into_iter().map(|taken| taken.it).collect(),
            applications: Shelf::new(store).all().unwrap().into_iter().map(|taken| taken.it).collect(),
            breaches: Shelf::new(store).all().unwrap().into_iter().map(|taken| taken.it).collect(),
            ignored: Shelf::new(store).all().unwrap().into_iter().map(|taken| taken.it).collect(),
            certs: registry.certs(None, 100).unwrap().into_iter().map(|pinned| pinned.fingerprint).collect(),
        }
    }
}

/// A ballot that Ada may vote in.
pub(super) fn ballot() -> Ballot {
    Ballot {
        id: "b-1".parse().unwrap(),
        list: LIST.parse().unwrap(),
        motion: Motion::Remove { members: vec!["m-emil".parse().unwrap()], org: None, reason: Reason::Idle },
        title: "Emil".to_owned(),
        words: None,
        opened: NOW,
        from: None,
        closes: None,
        quorum: 2,
        one_per_org: false,
        concerned: Vec::new(),
        asked: vec!["m-ada".parse().unwrap(), "m-bob".parse().unwrap()],
        votes: Vec::new(),
        outcome: Outcome::Open,
        closed: None,
        stuck: false,
        barred: None,
    }
}

/// An application that is not there: a rule is against it.
pub(super) fn application() -> ApplicationId {
    "a-1".parse().unwrap()
}
