//! What every run begins with: keys, people, mails, and a store that knows the people.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use sequoia_openpgp::Cert;
use tempfile::TempDir;
use vouchsafe::config::Config;
use vouchsafe::control::client;
use vouchsafe::control::wire::{Answer, Certificate, OrgFields, OrgRequest, Request, TeamRequest};
use vouchsafe::daemon::Running;
use vouchsafe::daemon::rooms::{Rooms, unlock};
use vouchsafe::id::Entropy;
use vouchsafe::init::{self, Preset};
use vouchsafe::pgp::keychain::Keychain;
use vouchsafe::pgp::keyring::Passphrase;
use vouchsafe::store::contract::Store;
use vouchsafe::store::redb::Redb;
use vouchsafe::time::{Clock, SystemClock, Timestamp};

use crate::outside::install::{ANNOUNCE, DOMAIN, SECURITY};
use crate::outside::mail::{clear, entity, pgp_mime};
use crate::outside::openpgp::{armored, cert, person, sign_encrypt};

/// The people whom the lists know from the start, and the one who joins.
pub(crate) const TEAM: [&str; 2] = ["ada@team.example", "bob@team.example"];
pub(crate) const DISTROS: [&str; 2] = ["dora@distro.example", "emil@distro.example"];
pub(crate) const NEWCOMER: &str = "erin@distro.example";

/// One mail of the story.
pub(crate) struct Mail {
    /// What is found inside its copies, and nowhere else.
    pub(crate) marker: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) raw: Vec<u8>,
    /// Whether its author signed it, so that it is known when it comes again.
    pub(crate) signed: bool,
    pub(crate) announced: bool,
    /// Whether it is held until an admin lets it through.
    pub(crate) held: bool,
}

/// Made once, since keys take their time.
pub(crate) struct Stage {
    config: Config,
    keys: Arc<Keychain>,
    pub(crate) people: Vec<(String, Cert)>,
    pub(crate) security: Cert,
    pub(crate) announce: Cert,
    pub(crate) mails: Vec<Mail>,
    since: Timestamp,
    /// The index of the store that every run begins with.
    index: Vec<u8>,
}

pub(crate) static STAGE: LazyLock<Stage> = LazyLock::new(Stage::set);

/// Where parts of the daemon panicked; nobody else hears of it.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(crate) fn no_panics() {
    assert_eq!(*PANICS.lock().unwrap(), Vec::<String>::new());
}

fn note_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(place) = panic.location().filter(|place| place.file().starts_with("src/")) {
            PANICS.lock().unwrap().push(place.to_string());
        }
        usual(panic);
    }));
}

/// A folder in memory where there is one: these runs sync thousands of times, and what survives a power cut is not
/// their question.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = tempfile::Builder::new().prefix("vs").tempdir_in(memory);
    made.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

impl Stage {
    fn set() -> Self {
        note_panics();
        let dir = folder();
        let root = dir.path().join("relay");
        let domain = DOMAIN.parse().unwrap();
        init::init(
            &init::Layout::Folder(root.clone()),
            &domain,
            Preset::KubeEdge,
            None,
            &SystemClock,
            &Entropy::kernel(),
        )
        .unwrap();
        let mut config = Config::load(&root.join("relay.toml")).unwrap();
        let passphrase = Passphrase::from_file(&root.join("passphrase")).unwrap();
        let keys = unlock(&config, passphrase).unwrap();
        config.limits.data_grace = 1_000_000; // under a paused clock nothing is slow
        let list = |name: &str| {
            let key = keys.list(&name.parse().unwrap()).unwrap();
            cert(&key.cert().armored())
        };
        let (security, announce) = (list("security"), list("distrib-announce"));
        let addresses = TEAM.iter().chain(&DISTROS).chain([&NEWCOMER]);
        let people: Vec<(String, Cert)> = addresses.map(|a| ((*a).to_owned(), person(a))).collect();
        let rita = person("rita@reporter.example");
        let mails = vec![report(), announcement(&people[0].1, &announce), unsigned(&rita, &announce)];
        // Signatures are of the past when they are looked at.
        let since = SystemClock.now().after(Duration::from_secs(60));
        let mut stage = Self { config, keys, people, security, announce, mails, since, index: Vec::new() };
        runtime().block_on(stage.enrol(&dir.path().join("data")));
        // Nothing is left of the folder: what lies in a static is never dropped.
        stage.index = std::fs::read(dir.path().join("data/index.redb")).unwrap();
        stage
    }

    /// Makes a store in this folder that knows the people.
    async fn enrol(&self, data: &Path) {
        let run = folder();
        std::fs::create_dir(data).unwrap();
        let store = Arc::new(Redb::open(data).unwrap());
        let daemon = self.start(run.path(), store, self.clock()).await.unwrap();
        for (address, key) in &self.people[..TEAM.len()] {
            let (list, address) = ("security".parse().unwrap(), address.parse().unwrap());
            let (name, cert) = ("Somebody".to_owned(), Certificate(armored(key)));
            done(
                ask(
                    run.path(),
                    Request::Team(TeamRequest::Add {
                        list,
                        address,
                        name,
                        cert,
                        role: None,
                        roles: Vec::new(),
                        org: None,
                        starts: None,
                    }),
                )
                .await,
            );
        }
        for address in DISTROS.iter().chain([&NEWCOMER]) {
            let org = address.split('@').next().unwrap().parse().unwrap();
            done(ask(run.path(), Request::Org(OrgRequest::Add { org, about: OrgFields::default() })).await);
        }
        for address in DISTROS {
            done(ask(run.path(), self.joins(address)).await);
        }
        daemon.stop().await;
    }

    /// A contact becomes a member of the announce list.
    pub(crate) fn joins(&self, address: &str) -> Request {
        let (_, key) = self.people.iter().find(|(known, _)| known == address).unwrap();
        Request::MemberAdd {
            list: "distrib-announce".parse().unwrap(),
            org: address.split('@').next().unwrap().parse().unwrap(),
            address: address.parse().unwrap(),
            cert: Certificate(armored(key)),
            format: None,
            ask: false,
        }
    }

    /// Puts the store into this folder.
    pub(crate) fn furnish(&self, run: &Path) {
        let to = data(run);
        std::fs::create_dir_all(to.join("bodies")).unwrap();
        std::fs::write(to.join("index.redb"), &self.index).unwrap();
    }

    /// The wall clock of a run, which goes with the runtime's.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(Paused { since: self.since, start: tokio::time::Instant::now() })
    }

    /// Starts a daemon in this folder over this store.
    pub(crate) async fn start(
        &self,
        run: &Path,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Running, String> {
        let mut config = self.config.clone();
        config.smtp.listen = vec![format!("unix:{}", smtp(run).display()).parse().unwrap()];
        config.egress.smarthost = Some(format!("unix:{}", run.join("sink.sock").display()).parse().unwrap());
        config.control.socket = run.join("control.sock");
        config.admin.alert_every = Duration::from_secs(1);
        let said = |error: vouchsafe::daemon::Fatal| error.to_string();
        let rooms = Rooms::build(&config, Arc::clone(&self.keys), store, clock).map_err(said)?;
        rooms.start(&config).await.map_err(said)
    }
}

pub(crate) fn data(run: &Path) -> PathBuf {
    run.join("data")
}

pub(crate) fn smtp(run: &Path) -> PathBuf {
    run.join("smtp.sock")
}

/// Asks the daemon in this folder, as the command line does.
pub(crate) async fn ask(run: &Path, request: Request) -> Answer {
    let socket = run.join("control.sock");
    let asked = tokio::task::spawn_blocking(move || client::ask(&socket, &request));
    asked.await.unwrap().expect("there is an answer")
}

pub(crate) fn done(answer: Answer) {
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
}

/// A runtime of one thread whose clock jumps ahead as soon as nobody has anything to do.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

struct Paused {
    since: Timestamp,
    start: tokio::time::Instant,
}

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        self.since.after(self.start.elapsed())
    }
}

/// In the clear, and long enough for several chunks of a body.
fn report() -> Mail {
    let marker = "marker-report.";
    let raw = clear("rita@reporter.example", SECURITY, "Report", &format!("{marker}\n").repeat(6_000));
    Mail {
        marker,
        from: "rita@reporter.example",
        to: SECURITY,
        raw,
        signed: false,
        announced: false,
        held: false,
    }
}

fn announcement(ada: &Cert, list: &Cert) -> Mail {
    let marker = "marker-announcement.";
    let armored = sign_encrypt(ada, list, &entity(TEAM[0], "Announcement", marker));
    let raw = pgp_mime(TEAM[0], ANNOUNCE, &armored);
    Mail { marker, from: TEAM[0], to: ANNOUNCE, raw, signed: true, announced: true, held: false }
}

/// By somebody whom the list does not know.
fn unsigned(rita: &Cert, list: &Cert) -> Mail {
    let marker = "marker-stranger.";
    let armored = sign_encrypt(rita, list, &entity("rita@reporter.example", "Stranger", marker));
    let raw = pgp_mime("rita@reporter.example", ANNOUNCE, &armored);
    Mail {
        marker,
        from: "rita@reporter.example",
        to: ANNOUNCE,
        raw,
        signed: false,
        announced: true,
        held: true,
    }
}
