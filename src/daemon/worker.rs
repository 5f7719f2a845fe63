//! The worker: claim an arrival, relay it, ONE commit. Where it dies, the lease and the counted claim remain.

mod beside;
mod bounced;
mod command;
mod dropped;
mod held;
mod room;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use self::beside::{Asked, Beside};
use self::room::Room;
use crate::failpoint::{self, Point};
use crate::id::{BodyId, Entropy, Fingerprint, ListName, ParcelId, Token};
use crate::ledger::certs::CertBook;
use crate::ledger::journal::Journal;
use crate::ledger::queue::{Queue, discard};
use crate::ledger::registry::Registry;
use crate::ledger::sent::SentBook;
use crate::ledger::spool::{MAX_CLAIMS, RETRY, Spool, Spooled};
use crate::ledger::{restore, seen};
use crate::mail::parcel::{Carries, Parcel};
use crate::meter;
use crate::pgp::cert::Cert;
use crate::pgp::keychain::Keychain;
use crate::pgp::open::Limits;
use crate::relay::gate::{DropReason, Reason};
use crate::relay::world::{List, World};
use crate::relay::{Class, Copy, Keys, Missing, Outcome, Post, is_request, relay};
use crate::store::contract::{self, Space, Store, StoreError};
use crate::time::{Clock, Timestamp};
use crate::vitals::{BEAT, Pulse};

/// How long a claim lasts. One mail of the largest size to a thousand readers takes a few seconds.
const LEASE: Duration = Duration::from_secs(300);
/// How long mail of a paused list, or of one without readers, waits before the next look. Whoever changes that hurries
/// it; to look often would let it crowd out the mail of the other lists.
const PARKED: Duration = Duration::from_secs(3600);
/// How often the spool is looked at when nothing wakes the worker.
const IDLE: Duration = Duration::from_secs(6);
/// How often a mail is judged anew because roster or journal changed under it.
const TRIES: usize = 10;
/// How many mails are worked on at once.
const AT_ONCE: usize = 2;

/// What a worker works with. Blocking calls inside.
pub(super) struct Worker {
    pub(super) store: Arc<dyn Store>,
    pub(super) lists: BTreeMap<ListName, List>,
    /// The same, as the roster's affairs have them.
    pub(super) all: Arc<Vec<List>>,
    /// Their List-Ids.
    pub(super) ours: Vec<String>,
    pub(super) keys: Arc<Keychain>,
    pub(super) registry: Registry,
    pub(super) certs: CertBook,
    pub(super) spool: Spool,
    pub(super) journal: Journal,
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<Entropy>,
    pub(super) queued: Arc<Notify>,
    /// Wakes the clerk.
    pub(super) due: Arc<Notify>,
    pub(super) pulse: Pulse,
}

/// Why a mail stays in the spool for now.
#[derive(Debug, thiserror::Error)]
enum Stay {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fault(#[from] crate::relay::Fault),
    #[error("the list {0} is not in the configuration; add it again, or drop the mail")]
    NoList(ListName),
    #[error("roster and journal changed too often while it was worked on")]
    Crowded,
}

impl Stay {
    /// Whether the mail itself is to blame, so that trying it for ever would be in vain. What an admin can mend, or
    /// what passes, is no reason to take a mail out of the way.
    const fn is_the_mails(&self) -> bool {
        use crate::relay::Fault;
        match self {
            Self::Store(error) => matches!(error, StoreError::Damaged(_) | StoreError::NoBody(_)),
            Self::Fault(Fault::Unlock(_) | Fault::Arrival(_) | Fault::NoRecipient) => true,
            Self::Fault(Fault::Seal(_)) | Self::NoList(_) | Self::Crowded => false,
        }
    }
}

/// A body that is stored and not yet named, and the copies that will name it.
struct Stored {
    id: BodyId,
    len: u64,
    copies: Vec<Copy>,
}

/// What became of a claim.
enum Worked {
    Done,
    /// Nobody reads the list today, or it is paused: the mail waits and no claim is counted.
    Parked,
}

impl Worker {
    /// Works until `stop` says so; `arrived` wakes it.
    pub(super) async fn run(self: Arc<Self>, arrived: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let room = Room::default();
        let mut working = JoinSet::new();
        while !*stop.borrow() {
            self.pulse.beat();
            while working.try_join_next().is_some() {}
            let claimed = if working.len() < AT_ONCE { self.claim().await } else { None };
            let Some(spooled) = claimed else {
                tokio::select! {
                    () = arrived.notified() => {}
                    () = self.rest() => {}
                    Some(_) = working.join_next(), if !working.is_empty() => {}
                    _ = stop.changed() => {}
                }
                continue;
            };
            let Some(permit) = room.take(spooled.size, &self.pulse).await else { break };
            let worker = Arc::clone(&self);
            let under_way = self.pulse.work(LEASE);
            working.spawn(async move {
                worker.one(Arc::new(spooled)).await;
                drop((permit, under_way));
            });
        }
        while working.join_next().await.is_some() {}
    }

    /// Until the next look at the spool, with signs of life.
    async fn rest(&self) {
        for _ in 0..IDLE.as_millis() / BEAT.as_millis() {
            tokio::time::sleep(BEAT).await;
            self.pulse.beat();
        }
    }

    async fn claim(self: &Arc<Self>) -> Option<Spooled> {
        let worker = Arc::clone(self);
        let claimed = blocking(move || worker.spool.claim(worker.clock.now(), LEASE, 1)).await;
        match claimed {
            Some(Ok(mut claimed)) => {
                if !claimed.is_empty() {
                    failpoint::hit(Point::SpoolClaimed);
                }
                claimed.pop()
            }
            Some(Err(error)) => {
                tracing::error!(%error, "the spool cannot be read");
                None
            }
            None => None,
        }
    }

    async fn one(self: &Arc<Self>, spooled: Arc<Spooled>) {
        let (worker, mail) = (Arc::clone(self), Arc::clone(&spooled));
        let begun = self.clock.now();
        let worked = blocking(move || worker.work(&mail)).await;
        let now = self.clock.now();
        meter::relay_took(now.since(begun));
        let (due, counted) = match &worked {
            Some(Ok(Worked::Done)) => return self.queued.notify_one(),
            Some(Ok(Worked::Parked)) => {
                meter::relay(spooled.list.as_str(), "parked", "");
                (now.after(PARKED), false)
            }
            Some(Err(error)) => {
                meter::relay(spooled.list.as_str(), "failed", "");
                tracing::error!(mail = %spooled.id, list = %spooled.list, %error, "a mail could not be relayed");
                (now.after(RETRY), error.is_the_mails())
            }
            None => {
                tracing::error!(mail = %spooled.id, list = %spooled.list, "the worker broke down over a mail");
                (now.after(RETRY), true)
            }
        };
        let parked = matches!(worked, Some(Ok(Worked::Parked)));
        let worker = Arc::clone(self);
        let given_back = blocking(move || {
            failpoint::hit(Point::BeforeGiveBack);
            worker.spool.give_back(&spooled, due, counted)?;
            failpoint::hit(Point::AfterGiveBack);
            // Who resumed the list or gave it a reader meanwhile found this mail claimed, and could not hurry it.
            if parked && !worker.is_parked(&spooled.list)? {
                worker.spool.hurry(Some(&spooled.list), now)?;
            }
            Ok::<(), StoreError>(())
        });
        if let Some(Err(error)) = given_back.await {
            tracing::error!(%error, "a claim could not be given back; it runs out by itself");
        }
    }

    fn work(&self, spooled: &Spooled) -> Result<Worked, Stay> {
        if spooled.claims > MAX_CLAIMS {
            self.hold(spooled, Reason::Quarantined, None, Beside::default())?;
            return Ok(Worked::Done);
        }
        let list = self.lists.get(&spooled.list).ok_or_else(|| Stay::NoList(spooled.list.clone()))?;
        for _ in 0..TRIES {
            match self.attempt(spooled, list) {
                Err(Stay::Store(StoreError::Conflict(
                    Space::Registry | Space::Seen | Space::Sent | Space::Meta | Space::Hold,
                ))) => {}
                other => return other,
            }
        }
        Err(Stay::Crowded)
    }

    /// Whether the list's mail waits: it is paused, or nobody reads it today.
    fn is_parked(&self, name: &ListName) -> Result<bool, StoreError> {
        let roster = self.registry.roster()?.roster;
        let unread = self.lists.get(name).is_none_or(|list| World::readers_of(list, &roster).is_empty());
        Ok(unread || self.registry.list_state(name)?.paused)
    }

    fn attempt(&self, spooled: &Spooled, list: &List) -> Result<Worked, Stay> {
        let now = self.clock.now();
        let read = self.registry.roster()?;
        let (restored, not_restored) = restore::restored(&*self.store)?;
        let (state, as_it_was) = self.registry.list_switches(&list.name)?;
        let certs: BTreeMap<Fingerprint, Arc<Cert>> = self.certs.of(&read.roster)?;
        let applicants = self.certs.some(read.roster.applicants(&list.name))?;
        // A store that fails here fails the commit, too; a flag is no reason to stop a mail.
        let came = |digest: &[u8; 32]| seen::came(&*self.store, &list.name, digest).ok().flatten();
        let world = World {
            list,
            roster: &read.roster,
            certs: &certs,
            applicants: &applicants,
            ours: &self.ours,
            waived: spooled.waived.as_deref(),
            restored: restored.map(|restored| restored.at),
            came: &came,
            limits: &self.limits,
        };
        let waits = restored.is_some_and(|restored| restored.waiting);
        if waits || state.paused {
            return Ok(Worked::Parked);
        }
        let unread = world.readers().is_empty();
        let Some(list_key) = self.keys.list(&list.name) else { return Err(Stay::NoList(list.name.clone())) };
        let spool_keys = self.keys.spool();
        let keys = Keys { spool: &spool_keys, list: &list_key, tags: self.keys.tags() };
        failpoint::hit(Point::BeforeRelay);
        let sealed = self.spool.read(spooled)?;
        // What is asked of the relay itself needs no reader: where all have yet to accept the list's terms there is none before.
        if unread && !is_request(&sealed, &keys, &world)? {
            return Ok(Worked::Parked);
        }
        let outcome = relay(sealed, &keys, &world, &self.entropy, now)?;
        failpoint::hit(Point::AfterRelay);
        let (outcome, mut beside) = match outcome {
            Outcome::Request { request, otherwise } => match self.asked(spooled, &request, &read, now)? {
                Asked::GoesOn(beside) => (*otherwise, beside),
                Asked::Done => {
                    failpoint::hit(Point::AfterCommit);
                    return Ok(Worked::Done);
                }
                // By the roster as it is now, and with a token that is spent.
                Asked::AndMore => return self.attempt(spooled, list),
            },
            outcome => (outcome, Beside::default()),
        };
        if unread {
            return Ok(Worked::Parked);
        }
        match outcome {
            // It was taken out of that just now, and none lies in another.
            Outcome::Request { .. } => Err(Stay::Crowded),
            Outcome::Post(post) => {
                beside.batch.expect.extend([read.unchanged(), as_it_was, not_restored]);
                self.queue(spooled, list, *post, beside, now)
            }
            Outcome::Hold { reason, signer } => self.hold(spooled, reason, signer, beside),
            Outcome::Drop(reason) => self.drop_mail(spooled, reason, now),
            Outcome::Returned { token, bounce } => {
                let book = SentBook::new(Arc::clone(&self.store));
                match bounced::bounced(&book, &self.journal, spooled, &token, bounce, now)? {
                    Some(reason) => self.drop_mail(spooled, reason, now),
                    None => Ok(()),
                }
            }
        }?;
        failpoint::hit(Point::AfterCommit);
        Ok(Worked::Done)
    }

    /// Stores the bodies, then commits; bodies that no commit named do not stay.
    fn queue(
        &self,
        spooled: &Spooled,
        list: &List,
        mut post: Post,
        beside: Beside,
        now: Timestamp,
    ) -> Result<(), Stay> {
        for digest in &post.replay {
            if seen::is_known(&*self.store, &spooled.list, digest)? {
                return self.drop_mail(spooled, DropReason::Replay, now);
            }
        }
        let mut stored = Vec::new();
        let committed = self.store_classes(&mut post, &mut stored, now).and_then(|()| {
            failpoint::hit(Point::AfterBodies);
            self.commit(spooled, list, &post, &stored, beside, now)
        });
        if committed.is_err() {
            discard(&*self.store, stored.iter().map(|body| body.id));
        }
        committed
    }

    /// Seals class by class and lets each body go once it is stored.
    fn store_classes(&self, post: &mut Post, stored: &mut Vec<Stored>, now: Timestamp) -> Result<(), Stay> {
        for class in post.classes.by_ref() {
            let Class { body, copies } = class?;
            if !stored.is_empty() {
                failpoint::hit(Point::BetweenBodies);
            }
            let id = BodyId::new(now, &self.entropy);
            self.store.put_body(contract::BodyId(*id.as_bytes()), body.as_bytes())?;
            stored.push(Stored { id, len: u64::try_from(body.len()).unwrap_or(u64::MAX), copies });
        }
        Ok(())
    }

    /// ONE commit: the spool entry out; parcels, journal and replay digest in.
    fn commit(
        &self,
        spooled: &Spooled,
        list: &List,
        post: &Post,
        stored: &[Stored],
        beside: Beside,
        now: Timestamp,
    ) -> Result<(), Stay> {
        let mut batch = beside.batch;
        Spool::finish(&mut batch, spooled);
        Registry::mark_queued(&mut batch, &list.name);
        for digest in &post.replay {
            seen::mark(&mut batch, &spooled.list, digest, now)?;
        }
        if let Some(digest) = &post.came {
            seen::note(&mut batch, &spooled.list, digest, now)?;
        }
        let mut copies: Vec<(&Stored, &Copy)> =
            stored.iter().flat_map(|body| body.copies.iter().map(move |copy| (body, copy))).collect();
        copies.sort_by_key(|(_, copy)| copy.place);
        let mut notes = told::relayed(&mut batch, spooled, post, copies.len(), now)?;
        notes.extend(beside.notes);
        for (body, copy) in copies {
            let token = Token::random(&self.entropy);
            let suffix = format!("-bounces+{}", token.as_str());
            let parcel = Parcel {
                id: ParcelId::new(now, &self.entropy),
                list: list.name.clone(),
                member: copy.member.clone(),
                recipient: copy.address.clone(),
                reverse_path: list.address.with_suffix(&suffix).unwrap_or_else(|_| list.address.clone()),
                head: post.head.clone(),
                key: copy.key.clone(),
                body: body.id,
                body_len: body.len,
                carries: Carries::Post,
            };
            Queue::enqueue(&mut batch, parcel, now)?;
        }
        self.journal.commit(&batch, &notes, now)?;
        meter::relay(spooled.list.as_str(), "post", "");
        meter::posted(spooled.list.as_str(), now.since(spooled.id.made_at()), post.missed.len());
        for Missing { member, problem, .. } in &post.missed {
            tracing::warn!(list = %spooled.list, mail = %spooled.id, %member, %problem, "a reader gets no copy");
        }
        Ok(())
    }
}

/// Runs `work` where it may block; `None` when it panicked. The panic's message is not shown: it could quote bytes.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
