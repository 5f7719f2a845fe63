//! People with keys, and installations whose lists they read.

use std::sync::Arc;
use std::thread;

use sequoia_openpgp as openpgp;

use openpgp::serialize::SerializeInto;
use vouchsafe::config::Config;
use vouchsafe::id::{Entropy, ListName, OrgName};
use vouchsafe::ledger::registry::Registry;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::roster::Roster;
use vouchsafe::roster::membership::{Member, Role, Standing};
use vouchsafe::roster::terms::{Accepted, Edition, How};
use vouchsafe::store::contract::{Batch, Store};
use vouchsafe::time::{Clock, SystemClock, Timestamp};

use crate::outside::install::{DOMAIN, Install};
use crate::outside::openpgp::{cert, person};

/// The names of the lists.
pub(crate) const SECURITY: &str = "security";
pub(crate) const ANNOUNCE: &str = "distrib-announce";

/// Somebody with an Ed25519 and Cv25519 key of version 4, which is what most people have.
#[derive(Clone)]
pub(crate) struct Somebody {
    pub(crate) address: String,
    /// With the secret halves.
    pub(crate) key: openpgp::Cert,
    pub(crate) cert: Arc<Cert>,
}

/// Ada of the team, who announces, and the readers.
pub(crate) struct Crowd {
    pub(crate) ada: Somebody,
    pub(crate) readers: Vec<Somebody>,
}

impl Crowd {
    /// So many readers beside Ada.
    pub(crate) fn gather(readers: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let addresses: Vec<String> = (0..readers).map(|n| format!("reader{n}@distro{n}.example")).collect();
        let share = addresses.len().div_ceil(threads).max(1);
        let readers = thread::scope(|scope| {
            let make =
                |part| scope.spawn(move || Vec::from_iter(<[String]>::iter(part).map(|a| somebody(a))));
            let made: Vec<_> = addresses.chunks(share).map(make).collect();
            made.into_iter().flat_map(|part| part.join().unwrap()).collect()
        });
        Self { ada: somebody("ada@team.example"), readers }
    }

    /// A roster where Ada is the team and the first so many readers are distributors, who have accepted the terms of
    /// their list, where it has any: nobody is asked for anything while the bench runs.
    pub(crate) fn roster(&self, readers: usize, config: Option<&Config>) -> Roster {
        let now = now();
        let org: OrgName = "example-linux".parse().unwrap();
        let mut roster = Roster::default().add_org(&org, "Example Linux".to_owned(), now).unwrap().0;
        let team = Role::Team { name: "Ada".to_owned(), role: None };
        let mut add = |list: &str, somebody: &Somebody, role: Role| {
            let list: ListName = list.parse().unwrap();
            let mut member = member(somebody, role, now);
            member.file.terms.accepted = config.and_then(|config| accepted(config, &list, now));
            roster = roster.add_member(&list, member).unwrap().0;
        };
        add(SECURITY, &self.ada, team);
        for reader in self.readers.iter().take(readers) {
            add(ANNOUNCE, reader, Role::Contact { org: org.clone() });
        }
        roster
    }

    /// Everybody on such a roster.
    pub(crate) fn people(&self, readers: usize) -> impl Iterator<Item = &Somebody> {
        [&self.ada].into_iter().chain(self.readers.iter().take(readers))
    }
}

fn somebody(address: &str) -> Somebody {
    let key = person(address);
    let public = key.clone().strip_secret_key_material().to_vec().unwrap();
    Somebody { address: address.to_owned(), key, cert: Arc::new(Cert::parse(&public).unwrap()) }
}

fn member(somebody: &Somebody, role: Role, since: Timestamp) -> Member {
    Member {
        id: vouchsafe::id::MemberId::random(&Entropy::kernel()),
        address: somebody.address.parse().unwrap(),
        fingerprint: somebody.cert.fingerprint(),
        role,
        standing: Standing::Active,
        since,
        format: None,
        file: vouchsafe::roster::membership::MemberFile::default(),
    }
}

/// The terms of a list, accepted.
fn accepted(config: &Config, list: &ListName, now: Timestamp) -> Option<Accepted> {
    let policy = config.lists.iter().find(|known| known.name == *list)?.policy.as_ref()?;
    let edition = Edition::from(policy.terms_text.as_ref()?);
    Some(Accepted { edition, at: now, how: How::AdminsWord })
}

/// What the clock says.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// An installation, not yet started, where Ada is the team and so many readers are distributors. A thousand `member add`
/// would take minutes, so the roster is put into the store as one change.
pub(crate) fn install(crowd: &Crowd, readers: usize, smarthost: &str) -> Install {
    let install = Install::new(smarthost);
    let store = open_store(&install);
    let registry = Registry::new(Arc::clone(&store));
    let (read, mut batch) = (registry.roster().unwrap(), Batch::new());
    let config = Config::load(&install.config()).unwrap();
    Registry::set_roster(&mut batch, &read, &crowd.roster(readers, Some(&config))).unwrap();
    for somebody in crowd.people(readers) {
        Registry::set_cert(&mut batch, somebody.cert.fingerprint(), somebody.cert.to_bytes());
    }
    store.commit(batch).unwrap();
    drop((store, registry));
    install.hand_over();
    install
}

/// The store of an installation that is not running.
pub(crate) fn open_store(install: &Install) -> Arc<dyn Store> {
    vouchsafe::store::open(&Config::load(&install.config()).unwrap().store).unwrap()
}

/// The certificate of a list, from a running daemon.
pub(crate) fn list_cert(install: &Install, list: &str) -> openpgp::Cert {
    cert(&install.ok(&["key", "export", list]))
}

/// The posting address of a list.
pub(crate) fn address_of(list: &str) -> String {
    format!("{list}@{DOMAIN}")
}
