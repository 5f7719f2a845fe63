//! The desk: each request is load, decide, commit. What it decides it asks the roster; what it commits it journals.

mod acting;
mod apply;
mod appoint;
mod ballots;
mod certs;
mod contacts;
mod criteria;
mod duties;
mod format;
mod holds;
mod lists;
mod mail;
mod members;
mod orgs;
mod queue;
mod refusal;
mod restore;
mod roster;
mod teams;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use self::acting::{Acting, plain};
use self::refusal::{Refused, not_found};
use crate::control::wire::{Answer, Peer, Request, StatusRow};
use crate::failpoint::{self, Point};
use crate::id::{Entropy, ListName};
use crate::ledger::affairs::{Affairs, Step};
use crate::ledger::alert::Alerts;
use crate::ledger::certs::CertBook;
use crate::ledger::hold::Holds;
use crate::ledger::journal::{Actor, Journal, Note};
use crate::ledger::queue::Queue;
use crate::ledger::registry::Registry;
use crate::ledger::rests::Rests;
use crate::ledger::spool::Spool;
use crate::mail::directory::Directory;
use crate::pgp::keychain::Keychain;
use crate::relay::gate::Reason;
use crate::relay::world::List;
use crate::roster::membership::Standing;
use crate::store::contract::{Batch, Store, StoreError};
use crate::time::{Clock, Timestamp};
use crate::vitals::Vitals;

/// How often a change is decided anew when somebody else was quicker.
const TRIES: usize = 10;

/// How many resting destinations `status` names.
const RESTING: usize = 5;

/// So many alerts are counted, and not more.
const COUNTED: usize = 10_000;
/// An alert that waits for longer than this has nobody to go to.
const TOLD_BY: Duration = Duration::from_secs(3600);

/// What a request gets: an answer, or a refusal that becomes one.
type Reply = Result<Answer, Refused>;

/// Everything a desk works with.
pub struct Desk {
    /// The lists of the configuration.
    pub lists: Arc<Vec<List>>,
    /// Which addresses are theirs.
    pub directory: Arc<Directory>,
    /// What `status` calls the store.
    pub store_name: String,
    /// The unlocked keys.
    pub keys: Arc<Keychain>,
    /// Roster and certificates.
    pub registry: Registry,
    /// The certificates, parsed.
    pub certs: CertBook,
    /// Arrived mail.
    pub spool: Spool,
    /// Held mail.
    pub holds: Holds,
    /// What the admins have to be told.
    pub alerts: Alerts,
    /// Queued copies.
    pub queue: Queue,
    /// Who did what.
    pub journal: Journal,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids.
    pub entropy: Arc<Entropy>,
    /// Wakes the worker.
    pub arrived: Arc<Notify>,
    /// Wakes the courier.
    pub queued: Arc<Notify>,
    /// Which destinations rest.
    pub rests: Arc<Rests>,
    /// Wakes the clerk: a letter may be due.
    pub due: Arc<Notify>,
    /// When the daemon started.
    pub since: Timestamp,
    /// What others have to say about `status`: the parts that reach out for mail.
    pub elsewhere: Option<Elsewhere>,
    /// The store, to ask how much room there is.
    pub store: Arc<dyn Store>,
    /// How much of the disk has to be free, in percent.
    pub min_free: u8,
    /// The daemon's signs of life.
    pub vitals: Vitals,
}

/// Names what needs the admin's attention elsewhere, a sentence each.
pub type Elsewhere = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

impl Desk {
    /// A desk over this store.
    #[must_use]
    #[allow(clippy::too_many_arguments, reason = "the daemon hands over what it has built, once")]
    pub fn new(
        store: &Arc<dyn Store>,
        certs: CertBook,
        store_name: String,
        (lists, directory): (Vec<List>, Arc<Directory>),
        keys: Arc<Keychain>,
        journal: Journal,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
        (arrived, queued, rests): (Arc<Notify>, Arc<Notify>, Arc<Rests>),
    ) -> Self {
        let registry = certs.registry().clone();
        Self {
            lists: Arc::new(lists),
            directory,
            store_name,
            keys,
            certs,
            registry,
            spool: Spool::new(Arc::clone(store)),
            holds: Holds::new(Arc::clone(store)),
            alerts: Alerts::new(Arc::clone(store)),
            queue: Queue::new(Arc::clone(store), journal.clone()),
            journal,
            since: clock.now(),
            elsewhere: None,
            store: Arc::clone(store),
            min_free: 0,
            vitals: Vitals::default(),
            clock,
            entropy,
            arrived,
            queued,
            rests,
            due: Arc::default(),
        }
    }

    /// Answers one request. Blocks.
    #[must_use]
    pub fn answer(&self, request: Request, peer: &Peer) -> Answer {
        let actor = Acting { who: Actor::Admin(peer.uid), why: None };
        self.route(request, &actor).unwrap_or_else(Refused::into_answer)
    }

    fn route(&self, request: Request, actor: &Acting) -> Reply {
        use Request as R;
        match request {
            R::Because { reason, request } => self.route(*request, &actor.because(&reason)?),
            R::Status => self.status(),
            R::ListLs => self.list_ls(),
            R::ListShow { list } => self.list_show(&list),
            R::ListPause { list } => self.list_pause(&list, true, actor),
            R::ListResume { list } => self.list_pause(&list, false, actor),
            R::StoreRestored => self.store_restored(actor),
            R::StoreResume => self.store_resume(actor),
            R::KeyLs => self.key_ls(),
            R::KeyExport { list } => self.key_export(&list),
            R::KeyImport { list, key, passphrase, confirm } => {
                self.key_import(&list, &key, passphrase.as_ref(), confirm, actor)
            }
            R::Org(request) => self.org(request, actor),
            R::MemberAdd { list, org, address, cert, format, ask } => {
                self.member_add(&list, org, address, &cert, (format, ask), actor)
            }
            R::MemberLs { list } => self.member_ls(list.as_ref(), false),
            R::MemberShow { list, address } => self.member_show(&list, &address),
            R::MemberSetCert { list, address, cert, confirm_other } => {
                self.member_set_cert(&list, &address, &cert, confirm_other, actor)
            }
            R::MemberSetFormat { list, address, format } => {
                self.member_set_format(&list, &address, format, actor)
            }
            R::MemberProbe { list, address } => self.member_probe(&list, &address, actor),
            R::MemberSuspend { list, address, reason } => {
                self.move_to(&list, &address, Standing::Suspended, plain(reason.as_deref())?, actor)
            }
            R::MemberResume { list, address, reason } => {
                self.move_to(&list, &address, Standing::Active, plain(reason.as_deref())?, actor)
            }
            R::MemberRemove { list, address, reason } => {
                self.move_to(&list, &address, Standing::Removed, plain(reason.as_deref())?, actor)
            }
            R::Contact(request) => self.contact(request, actor),
            R::Duty(request) => self.duty(request, actor),
            R::Team(request) => self.team(request, actor),
            R::Ballot(request) => self.ballot(request, actor),
            R::Roster(request) => self.roster(request, actor),
            R::Apply(request) => self.apply(request, actor),
            other => self.route_mail(other, actor),
        }
    }

    fn status(&self) -> Reply {
        let (arrivals, _) = self.spool.waiting()?;
        let holds = self.all_holds()?;
        let quarantined = Reason::Quarantined.to_string();
        let (due, claimed, deferred, failed) = self.queue.counts()?;
        let bounced = self.queue.bounced()?;
        let mut paused = Vec::new();
        for list in self.lists.iter() {
            if self.registry.list_state(&list.name)?.paused {
                paused.push(list.name.to_string());
            }
        }
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Ok(Answer::Status(Box::new(StatusRow {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: self.since.to_string(),
            pid: u64::from(std::process::id()),
            store: self.store_name.clone(),
            lists: count(self.lists.len()),
            paused,
            arrivals: count(arrivals),
            held: count(holds.len()),
            quarantined: count(holds.iter().filter(|h| h.reason == quarantined).count()),
            due: count(due),
            claimed: count(claimed),
            deferred: count(deferred),
            failed: count(failed),
            oldest: self.queue.oldest()?.map(|at| at.to_string()),
            resting: count(self.rests.all(self.clock.now()).len()),
            bounced: count(bounced),
            alerts: count(self.alerts.count(COUNTED)?),
            unreachable: count(
                self.rows(None, |m| m.file.delivery_off.is_none())?
                    .iter()
                    .filter(|row| !row.can_receive)
                    .count(),
            ),
            last_arrival: self.vitals.arrival.at().map(|at| at.to_string()),
            last_delivery: self.vitals.delivery.at().map(|at| at.to_string()),
            uptime_seconds: self.clock.now().since(self.since).as_secs(),
            problems: self.problems(deferred, failed, bounced)?,
        })))
    }

    /// What keeps somebody from getting mail, one sentence each.
    fn problems(&self, deferred: usize, failed: usize, bounced: usize) -> Result<Vec<String>, Refused> {
        let mut problems = self.elsewhere.as_ref().map_or_else(Vec::new, |ask| ask());
        problems.extend(self.restore_problem()?);
        problems.extend(self.criteria_problems()?);
        problems.extend(self.overdue_reports()?);
        problems.extend(self.team_problems()?);
        if let Some(room) = self.store.room().ok().filter(|room| room.is_short(self.min_free, 0)) {
            problems.push(format!(
                "no mail is taken: {} % of the disk is free, and {} % (min_free_disk) has to be: make room",
                room.percent(),
                self.min_free
            ));
        }
        if deferred > 0 {
            problems.push(format!("{} could not be delivered yet: see `queue ls` for why", copies(deferred)));
        }
        if failed > 0 {
            let failed = copies(failed);
            problems.push(format!(
                "{failed} failed for good: see `queue ls`, then `queue retry` or `queue drop`"
            ));
        }
        for (name, rest) in self.rests.all(self.clock.now()).into_iter().take(RESTING) {
            problems.push(format!(
                "{name} cannot be had since {}, next try at {}: {}",
                rest.since, rest.until, rest.why
            ));
        }
        if bounced > 0 {
            let copies = if bounced == 1 { "one copy".to_owned() } else { format!("{bounced} copies") };
            problems.push(format!("{copies} came back: see `queue ls`, reach its reader, then `queue drop`"));
        }
        let now = self.clock.now();
        for (list, oldest) in self.alerts.lists()? {
            if now.since(oldest) > TOLD_BY {
                let list = list.as_ref().map_or("the relay", ListName::as_str);
                problems.push(format!(
                    "nobody could be told since {oldest} what needs an admin of {list}: set [admin] notify, see the log"
                ));
            }
        }
        for row in self.rows(None, |_| true)? {
            if let (false, Some(problem)) = (row.can_receive, &row.problem) {
                problems.push(format!("{} on {} cannot receive mail: {problem}", row.address, row.list));
            }
        }
        for list in self.lists.iter().filter(|l| l.kind.takes_mail()) {
            if self.readers(list)?.is_empty() {
                problems.push(format!("{} has no active reader: its mail waits in the spool", list.name));
            }
        }
        Ok(problems)
    }

    fn list(&self, name: &ListName) -> Result<&List, Refused> {
        self.lists.iter().find(|l| l.name == *name).ok_or_else(|| {
            let known: Vec<&str> = self.lists.iter().map(|l| l.name.as_str()).collect();
            not_found(
                format!("there is no list {name}"),
                format!("the configuration has: {}", known.join(", ")),
                "use one of these, or add the list to relay.toml, make its key with `vouchsafe key new`, then `vouchsafe reload`",
            )
        })
    }

    /// Mail that waited for a change is worked on at once. The change is made: if this fails, the mail waits for the
    /// worker's next look, and nothing is refused.
    fn hurry(&self, list: Option<&ListName>) {
        if let Err(error) = self.spool.hurry(list, self.clock.now()) {
            tracing::warn!(%error, "mail that waited for a change goes on later");
        }
        self.arrived.notify_one();
    }

    /// What steps of the roster's affairs are made with.
    fn affairs(&self) -> Affairs {
        Affairs {
            store: Arc::clone(&self.store),
            registry: self.registry.clone(),
            queue: self.queue.clone(),
            entropy: Arc::clone(&self.entropy),
            lists: Arc::clone(&self.lists),
        }
    }

    /// Makes a step of the roster's affairs, again when somebody else changed the store between.
    fn step<T>(
        &self,
        actor: &Acting,
        mut decide: impl FnMut(&mut Step<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let affairs = self.affairs();
        self.change(|batch, now| {
            let mut step = affairs.begin(batch, actor.who.clone(), now)?;
            step.because(actor.why.clone());
            let decided = decide(&mut step)?;
            Ok((decided, step.finish()?))
        })
    }

    /// Decides and commits, again when somebody else changed the store between.
    fn change<T>(
        &self,
        mut decide: impl FnMut(&mut Batch, Timestamp) -> Result<(T, Vec<Note>), Refused>,
    ) -> Result<T, Refused> {
        let mut tries = 0;
        loop {
            let now = self.clock.now();
            let mut batch = Batch::new();
            let (result, notes) = decide(&mut batch, now)?;
            failpoint::hit(Point::AdminDecided);
            match self.journal.commit(&batch, &notes, now) {
                Ok(()) => {
                    failpoint::hit(Point::AdminCommitted);
                    self.due.notify_one();
                    return Ok(result);
                }
                Err(StoreError::Conflict(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn copies(count: usize) -> String {
    if count == 1 { "one queued copy".to_owned() } else { format!("{count} queued copies") }
}

fn done(what: String) -> Answer {
    Answer::Done { what, remarks: Vec::new() }
}
