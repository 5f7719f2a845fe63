//! The rooms of a daemon, wired and at work. Only here do the pure relay and the durable ledger meet.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::config::{Config, NoCertificate};
use crate::control::desk::Desk;
use crate::daemon::alarm::Alarm;
use crate::daemon::audience::Admins;
use crate::daemon::catch_up;
use crate::daemon::clerk::Clerk;
use crate::daemon::fatal::Fatal;
use crate::daemon::housekeeping::Housekeeping;
use crate::daemon::worker::Worker;
use crate::dkim;
use crate::egress::courier::Courier;
use crate::egress::dkim::{Signers, UnusableKey};
use crate::egress::route::RouteError;
use crate::failpoint::{self, Point};
use crate::id::{Entropy, ListName};
use crate::ingress::guard::{AskRoom, Guard};
use crate::ingress::imap::Board;
use crate::ingress::inherited::Inherited;
use crate::ingress::intake::Intake;
use crate::ingress::listener::{ListenError, TakeIn};
use crate::ingress::maildir::Stays;
use crate::ingress::reception::Reception;
use crate::ingress::{certificate_end, tls_config};
use crate::ledger::affairs::Affairs;
use crate::ledger::certs::CertBook;
use crate::ledger::hold::Holds;
use crate::ledger::journal::Journal;
use crate::ledger::queue::Queue;
use crate::ledger::registry::Registry;
use crate::ledger::rests::Rests;
use crate::ledger::spool::Spool;
use crate::mail::directory::Kind;
use crate::mail::headers::list_id;
use crate::pgp::keychain::Keychain;
use crate::pgp::keyring::{KeyDir, KeyError, Passphrase};
use crate::pgp::open::Limits;
use crate::relay::world::List;
use crate::store::contract::Store;
use crate::time::{Clock, Timestamp};
use crate::vitals::Vitals;

/// Unlocks every key that the settings ask for.
///
/// # Errors
/// As [`Keychain::open`].
pub fn unlock(config: &Config, passphrase: Passphrase) -> Result<Arc<Keychain>, KeyError> {
    Ok(Arc::new(Keychain::open(KeyDir::new(&config.keys.path), passphrase, &with_keys(config))?))
}

/// The lists that have a key.
pub(super) fn with_keys(config: &Config) -> Vec<ListName> {
    config.lists.iter().filter(|l| l.kind.takes_mail()).map(|l| l.name.clone()).collect()
}

/// What the daemon is built of, whatever the settings become while it runs.
pub struct Rooms {
    pub(super) store: Arc<dyn Store>,
    pub(super) keys: Arc<Keychain>,
    pub(super) journal: Journal,
    pub(super) since: Timestamp,
    pub(super) vitals: Vitals,
    /// Sockets that the service manager opened.
    pub(super) inherited: Inherited,
    store_name: String,
    /// One for all, so that each certificate is parsed once.
    pub(super) certs: CertBook,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<Entropy>,
    /// How the mailboxes are from which mail is fetched.
    pub(super) board: Board,
    /// A mail arrived.
    pub(super) arrived: Arc<Notify>,
    /// A copy was queued.
    pub(super) queued: Arc<Notify>,
    /// A letter is due.
    pub(super) due: Arc<Notify>,
    /// What stays in maildirs.
    pub(super) stays: Stays,
    /// How much of the disk has to be free, in percent; a reload changes it.
    pub(super) min_free: Arc<AtomicU8>,
}

impl Rooms {
    /// Rooms over this store, in which the claims of the process before are void from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn build(
        config: &Config,
        keys: Arc<Keychain>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fatal> {
        let journal = Journal::new(Arc::clone(&store));
        let now = clock.now();
        let spool = Spool::new(Arc::clone(&store));
        let spooled = spool.recover(now)?;
        // What was parked may have a reader by now, and a clock that was ahead must not keep mail waiting.
        spool.hurry(None, now)?;
        let queued = Queue::new(Arc::clone(&store), journal.clone()).recover(now)?;
        let registry = Registry::new(Arc::clone(&store));
        catch_up::journal_keys(&keys, &with_keys(config), &registry, &journal, now)?;
        failpoint::hit(Point::Recovered);
        if spooled + queued > 0 {
            tracing::info!(spooled, queued, "claims of the process before are void; their mail goes on");
        }
        Ok(Self {
            certs: CertBook::new(registry),
            store,
            keys,
            journal,
            since: now,
            vitals: Vitals::default(),
            inherited: Inherited::default(),
            store_name: config.store.kind.to_string(),
            clock,
            entropy: Arc::new(Entropy::kernel()),
            board: Board::default(),
            arrived: Arc::default(),
            queued: Arc::default(),
            due: Arc::default(),
            stays: Stays::default(),
            min_free: Arc::new(config.limits.min_free_disk.into()),
        })
    }

    pub(super) fn courier(&self, config: &Config) -> Result<Courier, RouteError> {
        Courier::new(self.queue(), &config.egress, &config.dns, Arc::clone(&self.clock))
    }

    pub(super) fn queue(&self) -> Queue {
        Queue::new(Arc::clone(&self.store), self.journal.clone())
    }

    /// `rests` is what the courier of these settings knows of destinations.
    pub(super) fn desk(&self, config: &Config, rests: Arc<Rests>) -> Desk {
        let desk = Desk::new(
            &self.store,
            self.certs.clone(),
            self.store_name.clone(),
            (lists(config), Arc::new(config.directory())),
            Arc::clone(&self.keys),
            self.journal.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
            (Arc::clone(&self.arrived), Arc::clone(&self.queued), rests),
        );
        let (stays, board) = (self.stays.clone(), self.board.clone());
        Desk {
            since: self.since,
            due: Arc::clone(&self.due),
            vitals: self.vitals.clone(),
            elsewhere: Some(Arc::new(move || [board.problems(), stays.problems()].concat())),
            min_free: config.limits.min_free_disk,
            ..desk
        }
    }

    pub(super) fn housekeeping(&self, config: &Config) -> Arc<Housekeeping> {
        Arc::new(Housekeeping {
            store: Arc::clone(&self.store),
            keys: Arc::clone(&self.keys),
            certs: self.certs.clone(),
            spool: Spool::new(Arc::clone(&self.store)),
            holds: Holds::new(Arc::clone(&self.store)),
            journal: self.journal.clone(),
            clock: Arc::clone(&self.clock),
            rotate_after: config.keys.spool_rotate,
            drained: Mutex::default(),
        })
    }

    pub(super) fn worker(&self, config: &Config) -> Arc<Worker> {
        let all = Arc::new(lists(config));
        Arc::new(Worker {
            store: Arc::clone(&self.store),
            ours: config.lists.iter().map(|list| list_id(&list.address)).collect(),
            lists: all.iter().map(|l| (l.name.clone(), l.clone())).collect(),
            all,
            keys: Arc::clone(&self.keys),
            certs: self.certs.clone(),
            registry: self.certs.registry().clone(),
            spool: Spool::new(Arc::clone(&self.store)),
            journal: self.journal.clone(),
            limits: limits(config),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            queued: Arc::clone(&self.queued),
            due: Arc::clone(&self.due),
            pulse: self.vitals.worker.clone(),
        })
    }

    pub(super) fn alarm(&self, config: &Config) -> Result<Arc<Alarm>, NoCertificate> {
        let lists = lists(config);
        let speaks = |kind: fn(Kind) -> bool| lists.iter().find(|l| kind(l.kind)).map(|l| l.name.clone());
        Ok(Arc::new(Alarm {
            store: Arc::clone(&self.store),
            home: speaks(|kind| kind == Kind::Intake).or_else(|| speaks(Kind::takes_mail)),
            lists: lists.into_iter().map(|l| (l.name.clone(), l)).collect(),
            admins: Admins::read(&config.admin)?,
            every: config.admin.alert_every,
            keys: Arc::clone(&self.keys),
            registry: self.certs.registry().clone(),
            certs: self.certs.clone(),
            journal: self.journal.clone(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            queued: Arc::clone(&self.queued),
            due: Arc::clone(&self.due),
            complained: Mutex::default(),
        }))
    }

    /// What steps of the roster's affairs are made with.
    pub(super) fn affairs(&self, config: &Config) -> Affairs {
        Affairs {
            store: Arc::clone(&self.store),
            registry: self.certs.registry().clone(),
            queue: self.queue(),
            entropy: Arc::clone(&self.entropy),
            lists: Arc::new(lists(config)),
        }
    }

    pub(super) fn clerk(&self, config: &Config) -> Arc<Clerk> {
        Arc::new(Clerk {
            affairs: self.affairs(config),
            keys: Arc::clone(&self.keys),
            certs: self.certs.clone(),
            journal: self.journal.clone(),
            clock: Arc::clone(&self.clock),
            queued: Arc::clone(&self.queued),
            due: Arc::clone(&self.due),
            resting: Mutex::default(),
        })
    }

    /// The one door to the spool.
    pub(super) fn intake(&self) -> Intake {
        Intake::new(
            Arc::clone(&self.store),
            self.keys.front_door(),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
            (Arc::clone(&self.arrived), Arc::clone(&self.vitals.arrival)),
        )
        .leaving_free(Arc::clone(&self.min_free))
    }

    pub(super) fn take_in(&self) -> TakeIn {
        let intake = self.intake();
        Arc::new(move |envelope, raw| -> Pin<Box<dyn Future<Output = _> + Send>> {
            let intake = intake.clone();
            Box::pin(async move { intake.take_in(envelope, raw).await })
        })
    }
}

impl Rooms {
    /// Asks the store's medium.
    pub(super) fn ask_room(&self) -> AskRoom {
        let store = Arc::clone(&self.store);
        Arc::new(move || store.room().ok())
    }
}

/// How clients are received by these settings.
pub(super) fn reception(config: &Config, room: AskRoom) -> Result<Reception, ListenError> {
    let tls = match (&config.smtp.tls_cert, &config.smtp.tls_key) {
        (Some(cert), Some(key)) => Some(tls_config(cert, key)?),
        _ => None,
    };
    let guard = Guard::new(&config.limits, &config.rates, Some(room));
    let end = config.smtp.tls_cert.as_deref().and_then(certificate_end);
    let reception = Reception::new(&config.smtp, &config.limits, Arc::new(config.directory()), tls);
    Ok(reception.guarded(guard).until(end))
}

/// Who signs what leaves. It reads and unlocks keys.
pub(super) fn signers<E>(config: &Config, keys: &Keychain) -> Result<Signers, E>
where
    E: From<KeyError> + From<UnusableKey>,
{
    if !config.egress.dkim {
        return Ok(Signers::default());
    }
    let mut found = Vec::new();
    let wanted = config.domains();
    for domain in &wanted {
        found.extend(keys.dkim(domain.as_str())?);
    }
    // Copies may still be queued of a list that is no more, or has moved. They hinder nobody who has none.
    for domain in keys.dkim_domains()?.iter().filter(|name| wanted.iter().all(|d| d.as_str() != *name)) {
        match keys.dkim(domain) {
            Ok(more) => found.extend(more),
            Err(why) => {
                tracing::warn!(domain, %why, "what is queued of a domain without lists leaves unsigned");
            }
        }
    }
    for dkim::Record { domain, selector, .. } in found.iter().map(|key| &key.record) {
        tracing::info!(domain, selector, "mail is signed by DKIM");
    }
    Ok(Signers::new(&found)?)
}

fn lists(config: &Config) -> Vec<List> {
    // Distributors may not post to an announce list: who answers a copy, answers to its team.
    let team = |l: &crate::config::List| {
        let team = l.team.as_ref().and_then(|team| config.lists.iter().find(|other| other.name == *team));
        team.map_or_else(|| l.address.clone(), |team| team.address.clone())
    };
    let list = |l: &crate::config::List| List {
        name: l.name.clone(),
        title: l.display.clone(),
        address: l.address.clone(),
        answer_to: team(l),
        kind: l.kind,
        team: l.team.clone(),
        individual: l.individual,
        policy: l.policy.clone(),
    };
    config.lists.iter().map(list).collect()
}

/// The limits of opening, from those of the front door.
fn limits(config: &Config) -> Limits {
    let mut limits = Limits::default();
    limits.mime.size = config.limits.max_message;
    limits.mime.header_bytes = config.limits.max_headers;
    // Decompressed at most four times the message limit.
    limits.decompressed = config.limits.max_message.saturating_mul(4);
    limits
}
