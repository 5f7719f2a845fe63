//! The alarm: what waits to be told becomes one mail per list to the admins. The first comes a few seconds after the
//! first alert, further ones at most once in the time that the settings name, with all that was raised by then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::daemon::audience::{Admins, Listener};
use crate::daemon::moderators;
use crate::daemon::posted::parcel;
use crate::failpoint::{self, Point};
use crate::id::{BodyId, Entropy, ListName};
use crate::ledger::alert::{Alerts, Told, Waiting};
use crate::ledger::certs::CertBook;
use crate::ledger::journal::{Actor, Event, Journal, Note};
use crate::ledger::outbox::Outbox;
use crate::ledger::queue::{Queue, discard};
use crate::ledger::registry::{Read, Registry};
use crate::mail::address::Address;
use crate::mail::incident::Incident;
use crate::mail::parcel::Carries;
use crate::mail::tags::Tags;
use crate::pgp::cert::CertProblem;
use crate::pgp::keychain::Keychain;
use crate::pgp::keyring::ListKey;
use crate::pgp::seal::{Reader, SealError};
use crate::relay::letter::Letter;
use crate::relay::notice::Notice;
use crate::relay::world::List;
use crate::roster::errand::Errand;
use crate::store::contract::{self, Batch, Store, StoreError};
use crate::time::{Clock, Timestamp};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);
/// How long the first alert waits for others: what goes wrong for one reader often goes wrong for many.
const GATHER: Duration = Duration::from_secs(3);
/// So many alerts are told in one mail; what is beyond is told in the next.
const AT_ONCE: usize = 2000;
/// How long alerts wait that nobody can be told.
const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// Works in the background of a daemon.
pub(super) struct Alarm {
    pub(super) store: Arc<dyn Store>,
    pub(super) lists: BTreeMap<ListName, List>,
    /// Who speaks for the relay as a whole, and for lists that are no more.
    pub(super) home: Option<ListName>,
    pub(super) admins: Admins,
    pub(super) every: Duration,
    pub(super) keys: Arc<Keychain>,
    pub(super) registry: Registry,
    pub(super) certs: CertBook,
    pub(super) journal: Journal,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<Entropy>,
    /// Wakes the courier.
    pub(super) queued: Arc<Notify>,
    /// Wakes the clerk.
    pub(super) due: Arc<Notify>,
    /// When the log last said that nobody can be told, by list.
    pub(super) complained: Mutex<BTreeMap<Option<ListName>, Timestamp>>,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A notice that is sealed, and whose body is stored.
struct Stored {
    body: BodyId,
    letter: Letter,
    to: Listener,
}

/// What is told at once.
#[derive(Clone, Copy)]
struct Telling<'a> {
    list: Option<&'a ListName>,
    speaker: &'a List,
    told: &'a Told,
    alerts: &'a [Waiting],
    stored: &'a [Stored],
    letters: &'a [Errand],
}

impl Alarm {
    /// Watches until `stop` says so.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let alarm = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || alarm.once()).await {
                Ok(Ok(())) => {}
                // Somebody was quicker, or raised one meanwhile: the next look finds what is left.
                Ok(Err(Trouble::Store(StoreError::Conflict(_)))) => {}
                Ok(Err(error)) => tracing::error!(%error, "the admins could not be told; it is tried again"),
                Err(_) => tracing::error!("the alarm broke down; it is tried again"),
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.changed() => {}
            }
        }
    }

    fn once(&self) -> Result<(), Trouble> {
        let (alerts, now) = (Alerts::new(Arc::clone(&self.store)), self.clock.now());
        for (list, oldest) in alerts.lists()? {
            let told = alerts.told(list.as_ref())?;
            if self.is_time(oldest, &told, now) {
                self.tell(&alerts, list.as_ref(), &told, now)?;
            }
        }
        Ok(())
    }

    fn is_time(&self, oldest: Timestamp, told: &Told, now: Timestamp) -> bool {
        // What lies ahead was written by a clock that was wrong.
        let ahead = |at: Timestamp| at > now;
        let gathered = ahead(oldest) || now.since(oldest) >= GATHER;
        gathered && told.at.is_none_or(|at| ahead(at) || now.since(at) >= self.every)
    }

    fn tell(
        &self,
        alerts: &Alerts,
        list: Option<&ListName>,
        told: &Told,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let waiting = alerts.waiting(list, AT_ONCE)?;
        failpoint::hit(Point::AlarmGathered);
        let speaker =
            list.and_then(|name| self.lists.get(name)).or_else(|| self.lists.get(self.home.as_ref()?));
        let key = speaker.and_then(|list| self.keys.list(&list.name));
        let (Some(speaker), Some(key)) = (speaker, key) else { return self.nobody(list, &waiting, now) };
        let read = self.registry.roster()?;
        let mut batch = Batch::new();
        let letters = match list {
            // Whoever names nobody wants nobody to be told by mail.
            Some(name) if *name == speaker.name && !self.admins.are_none() => {
                let by = (&*read.roster, &self.certs);
                moderators::letters((&self.store, &mut batch), speaker, &waiting, by, now)?
            }
            _ => None,
        };
        // Where the team decides, the notice to the team says nothing of it; named admins hear of all.
        let apart = letters.is_some() && matches!(self.admins, Admins::Team);
        let incidents: Vec<(Timestamp, Incident)> = waiting
            .iter()
            .map(|w| (w.alert.at, w.alert.incident.clone()))
            .filter(|(_, incident)| !(apart && moderators::is_theirs(incident)))
            .collect();
        let audience = self.admins.of(speaker, &read.roster, &self.certs)?;
        let mut stored = Vec::new();
        let sealed = self.store_letters(speaker, &key, &audience, &incidents, &mut stored, now);
        let told_now: Vec<Waiting> = if incidents.is_empty() || !stored.is_empty() {
            waiting.clone()
        } else if letters.is_some() {
            waiting.iter().filter(|w| moderators::is_theirs(&w.alert.incident)).cloned().collect()
        } else {
            Vec::new()
        };
        let letters = letters.unwrap_or_default();
        let telling = Telling { list, speaker, told, alerts: &told_now, stored: &stored, letters: &letters };
        match sealed.and_then(|()| self.commit(batch, &telling, &read, now)) {
            Ok(true) => {
                self.queued.notify_one();
                self.due.notify_one();
                Ok(())
            }
            Ok(false) => self.nobody(list, &waiting, now),
            Err(error) => {
                discard(&*self.store, stored.iter().map(|stored| stored.body));
                Err(error)
            }
        }
    }

    /// Seals a notice for each who can be told, and stores its body.
    fn store_letters(
        &self,
        speaker: &List,
        key: &ListKey,
        audience: &[Listener],
        incidents: &[(Timestamp, Incident)],
        stored: &mut Vec<Stored>,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        if incidents.is_empty() {
            return Ok(());
        }
        let unreached = unreached(audience, now);
        let (list, every) = (speaker, self.every);
        let notice = Notice { list, incidents, unreached: &unreached, every, at: now };
        let tags = Tags::new(self.keys.tags().as_bytes());
        for to in audience {
            let Some(cert) = &to.cert else { continue };
            let reader = Reader { cert, format: to.format };
            let Ok(letter) = notice.seal(&to.address, reader, key, &tags, &self.entropy)? else { continue };
            let body = BodyId::new(now, &self.entropy);
            self.store.put_body(contract::BodyId(*body.as_bytes()), letter.body.as_bytes())?;
            stored.push(Stored { body, letter, to: to.clone() });
            failpoint::hit(Point::AlarmStored);
        }
        Ok(())
    }

    /// ONE commit: the alerts out; the notices, the letters that are due and the journal's entry in. False when there is
    /// nobody to be told.
    fn commit(
        &self,
        mut batch: Batch,
        telling: &Telling<'_>,
        read: &Read,
        now: Timestamp,
    ) -> Result<bool, Trouble> {
        let Telling { list, speaker, told, alerts, stored, letters } = *telling;
        if alerts.is_empty() {
            return Ok(false);
        }
        // Whoever removes a reader of these meanwhile sees by the mark that there is more to withdraw.
        batch.expect(read.unchanged());
        Registry::mark_queued(&mut batch, &speaker.name);
        Alerts::tell(&mut batch, list, told, alerts, now)?;
        for stored in stored {
            let (to, letter) =
                ((&stored.to.id, &stored.to.address), (&stored.letter, stored.body, Carries::Notice));
            Queue::enqueue(&mut batch, parcel(speaker, to, letter, &self.entropy, now), now)?;
        }
        for letter in letters {
            Outbox::put(&mut batch, letter, now)?;
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (alerts, copies) = (count(alerts.len()), count(stored.len().saturating_add(letters.len())));
        let event = Event::AdminsTold { alerts, copies };
        let note = Note { list: Some(speaker.name.clone()), actor: Actor::Relay, event, reason: None };
        self.journal.commit(&batch, &[note], now)?;
        failpoint::hit(Point::AlarmCommitted);
        tracing::warn!(list = %speaker.name, alerts, copies, "the admins are told what needs them");
        Ok(true)
    }

    /// Nobody can be told: the log says so, now and then, and `status` does. The alerts wait for somebody, not for ever.
    fn nobody(&self, list: Option<&ListName>, waiting: &[Waiting], now: Timestamp) -> Result<(), Trouble> {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let last = complained.get(&list.cloned());
        if last.is_none_or(|last| now.since(*last) >= self.every) {
            complained.insert(list.cloned(), now);
            let list = list.map_or("(relay)", ListName::as_str);
            let kinds = kinds(waiting);
            tracing::error!(list, alerts = waiting.len(), %kinds, "there is nobody to be told: set [admin] notify");
        }
        let old: Vec<Waiting> = waiting.iter().filter(|w| now.since(w.alert.at) >= KEEP).cloned().collect();
        if !old.is_empty() {
            let mut batch = Batch::new();
            Alerts::forget(&mut batch, &old);
            self.store.commit(batch)?;
        }
        Ok(())
    }
}

/// Who of them has no certificate that can be used now.
fn unreached(audience: &[Listener], now: Timestamp) -> Vec<(Address, CertProblem)> {
    let problem = |to: &Listener| match &to.cert {
        Some(cert) => cert.sealable(now).err(),
        None => Some(CertProblem::NoEncryptionKey),
    };
    audience.iter().filter_map(|to| Some((to.address.clone(), problem(to)?))).collect()
}

/// The kinds of these alerts, each once.
fn kinds(waiting: &[Waiting]) -> String {
    let mut kinds: Vec<&str> = waiting.iter().map(|w| w.alert.incident.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.join(", ")
}
