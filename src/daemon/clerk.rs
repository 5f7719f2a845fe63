//! The clerk: does what is due by the clock, and writes the letters that are due. A letter, its tokens and its errand's end
//! are one commit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::daemon::posted::parcel;
use crate::failpoint::{self, Point};
use crate::id::{BodyId, ListName, Token};
use crate::ledger::affairs::unsent::unsent;
use crate::ledger::affairs::{Affairs, clock};
use crate::ledger::alert::{Alert, Incident};
use crate::ledger::certs::CertBook;
use crate::ledger::journal::{Actor, Event, Journal, Note};
use crate::ledger::outbox::{Outbox, Waiting};
use crate::ledger::queue::{Queue, discard};
use crate::ledger::registry::{Read, Registry};
use crate::ledger::restore;
use crate::ledger::token::{Issued, LIFE, Tokens};
use crate::mail::list::List;
use crate::mail::parcel::Carries;
use crate::mail::tags::Tags;
use crate::pgp::cert::{Cert, CertProblem};
use crate::pgp::keychain::Keychain;
use crate::pgp::open::{UnlockError, unlock};
use crate::pgp::seal::{Reader, SealError};
use crate::relay::letter::Letter;
use crate::relay::letters::seal;
use crate::roster::Roster;
use crate::roster::errand::Errand;
use crate::roster::membership::Standing;
use crate::secret::Plaintext;
use crate::store::contract::{self, Batch, StoreError};
use crate::time::{Clock, Timestamp};

/// When it looks again at what was left.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it asks what is due by the wall clock, which may have been moved.
const CLOCK: Duration = Duration::from_secs(4);
/// So many errands are read at once.
const PAGE: usize = 200;
/// So many letters are written before the next look at the clock.
const AT_ONCE: usize = 500;
/// After so many that fail in one look the others wait for the next.
const FAILING: usize = 20;
/// How long a letter rests that could not be written. Others go on.
const REST: Duration = Duration::from_secs(30);
/// What goes along with a letter is as small as what people type.
const MOST_ENCLOSED: usize = 1024 * 1024;
/// So many tokens of one letter have an entry each in the journal.
const FEW: usize = 3;

/// Works in the background of a daemon.
pub(super) struct Clerk {
    pub(super) affairs: Affairs,
    pub(super) keys: Arc<Keychain>,
    pub(super) certs: CertBook,
    pub(super) journal: Journal,
    pub(super) clock: Arc<dyn Clock>,
    /// Wakes the courier.
    pub(super) queued: Arc<Notify>,
    /// Wakes the clerk: an errand was put.
    pub(super) due: Arc<Notify>,
    /// The letters that could not be written, until when each rests.
    pub(super) resting: Mutex<BTreeMap<Vec<u8>, Instant>>,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// How much of what waited a look has written.
enum Done {
    All,
    Some,
}

impl Clerk {
    /// Works until `stop` says so.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let (due, mut next) = (Arc::clone(&self.due), Instant::now());
        while !*stop.borrow() {
            let (clerk, now) = (Arc::clone(&self), Instant::now());
            let by_clock = now >= next;
            if by_clock {
                next = now + CLOCK;
            }
            let again = match tokio::task::spawn_blocking(move || clerk.once(by_clock)).await {
                Ok(Ok(Done::All)) => None,
                // Somebody was quicker: the next look finds what is left.
                Ok(Ok(Done::Some) | Err(StoreError::Conflict(_))) => Some(AGAIN),
                Ok(Err(error)) => {
                    tracing::error!(%error, "the clerk could not work; it is tried again");
                    Some(AGAIN)
                }
                Err(_) => {
                    tracing::error!("the clerk broke down; it is tried again");
                    Some(AGAIN)
                }
            };
            // Whoever wakes it does not put off the next look at the clock.
            let wake = again.map_or(next, |pause| next.min(Instant::now() + pause));
            tokio::select! {
                () = due.notified() => {}
                () = tokio::time::sleep_until(wake) => {}
                _ = stop.changed() => {}
            }
        }
    }

    fn once(&self, by_clock: bool) -> Result<Done, StoreError> {
        // What a restore undid an admin looks at first.
        if restore::restored(&*self.affairs.store)?.0.is_some_and(|restored| restored.waiting) {
            return Ok(Done::Some);
        }
        if by_clock {
            clock::tick(&self.affairs, &self.journal, self.clock.now())?;
        }
        self.letters()
    }

    /// Writes what can be written. One letter that fails keeps the others from nothing, and those of a paused list wait: they
    /// ask for answers that nobody would work off.
    fn letters(&self) -> Result<Done, StoreError> {
        let outbox = Outbox::new(&self.affairs.store);
        let (mut last, mut written, mut failed, mut done) = (None::<Waiting>, 0, 0, Done::All);
        let mut paused: BTreeMap<ListName, bool> = BTreeMap::new();
        while written < AT_ONCE && failed < FAILING {
            let page = outbox.waiting(last.as_ref(), PAGE)?;
            let Some(end) = page.last() else { return Ok(done) };
            last = Some(end.clone());
            for waiting in &page {
                let list = &waiting.errand.list;
                if !paused.contains_key(list) {
                    paused.insert(list.clone(), self.affairs.registry.list_state(list)?.paused);
                }
                if paused.get(list).is_some_and(|paused| *paused) || self.rests(waiting) {
                    done = Done::Some;
                    continue;
                }
                match self.letter(waiting) {
                    Ok(()) => written += 1,
                    // Somebody was quicker: the next look finds what is left.
                    Err(Trouble::Store(StoreError::Conflict(_))) => done = Done::Some,
                    Err(error) => {
                        done = Done::Some;
                        failed += 1;
                        self.rest(waiting, &error);
                    }
                }
            }
        }
        Ok(Done::Some)
    }

    fn rests(&self, waiting: &Waiting) -> bool {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        resting.retain(|_, until| *until > now);
        resting.contains_key(waiting.key())
    }

    fn rest(&self, waiting: &Waiting, error: &Trouble) {
        let (errand, mut resting) =
            (&waiting.errand, self.resting.lock().unwrap_or_else(PoisonError::into_inner));
        let (list, member, about) = (&errand.list, &errand.to.id, errand.about.name());
        tracing::error!(%list, %member, about, %error, "a letter could not be written; it is tried again");
        resting.insert(waiting.key().to_vec(), Instant::now() + REST);
    }

    fn letter(&self, waiting: &Waiting) -> Result<(), Trouble> {
        let (errand, now) = (&waiting.errand, self.clock.now());
        let read = self.affairs.registry.roster()?;
        let found =
            self.affairs.list(&errand.list).and_then(|list| Some((list, self.keys.list(&list.name)?)));
        let Some((list, key)) = found else { return self.unwritten(waiting, None, now) };
        if !errand.about.outlives_membership() && is_gone(&read.roster, errand) {
            return self.unwritten(waiting, None, now);
        }
        let Some(cert) = self.cert(errand)? else {
            return self.unwritten(waiting, Some(CertProblem::NoEncryptionKey), now);
        };
        let aims = errand.about.aims();
        let tokens: Vec<Token> = aims.iter().map(|_| Token::random(&self.affairs.entropy)).collect();
        let tags = Tags::new(self.keys.tags().as_bytes());
        let reader = Reader { cert: &cert, format: errand.to.format };
        let enclosed = match self.enclosed(errand) {
            Ok(enclosed) => enclosed,
            Err(error) => {
                tracing::error!(list = %errand.list, %error, "what goes along with a letter cannot be opened");
                return self.unwritten(waiting, None, now);
            }
        };
        let with = (&*key, &tags, &*self.affairs.entropy);
        let letter = match seal(list, errand, &tokens, reader, with, enclosed.as_ref(), now)? {
            Ok(letter) => letter,
            Err(problem) => return self.unwritten(waiting, Some(problem), now),
        };
        let body = BodyId::new(now, &self.affairs.entropy);
        self.affairs.store.put_body(contract::BodyId(*body.as_bytes()), letter.body.as_bytes())?;
        failpoint::hit(Point::LetterStored);
        let queued = self.commit(waiting, list, &read, &tokens, (letter, body), now);
        if queued.is_err() {
            discard(&*self.affairs.store, std::iter::once(body));
        }
        queued?;
        failpoint::hit(Point::LetterCommitted);
        self.queued.notify_one();
        Ok(())
    }

    /// ONE commit: the errand out; letter, tokens and what the journal says of them in.
    fn commit(
        &self,
        waiting: &Waiting,
        list: &List,
        read: &Read,
        tokens: &[Token],
        (letter, body): (Letter, BodyId),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let errand = &waiting.errand;
        let mut batch = Batch::new();
        waiting.done(&mut batch);
        // Whoever removes that person meanwhile sees by the mark that there is more to withdraw.
        batch.expect(read.unchanged());
        Registry::mark_queued(&mut batch, &list.name);
        let life = errand.until.unwrap_or_else(|| now.after(LIFE));
        let (mut notes, mut issues) = (Vec::new(), BTreeMap::<String, usize>::new());
        let ends: Vec<Timestamp> = errand.ends().into_iter().map(|end| end.unwrap_or(life)).collect();
        let last = ends.iter().copied().max().unwrap_or(life);
        for ((token, aim), until) in tokens.iter().zip(errand.about.aims()).zip(ends) {
            let (member, name) = (errand.to.id.clone(), aim.name().to_owned());
            let issued = Issued {
                list: list.name.clone(),
                member: member.clone(),
                signer: errand.to.fingerprint,
                aim,
                until,
            };
            Tokens::issue(&mut batch, token, &issued)?;
            *issues.entry(name).or_default() += 1;
        }
        // One entry for each letter that has many: a flood of held mail must not become one of entries.
        let member = errand.to.id.clone();
        let issued = issues.into_iter().map(|(aim, n)| if n > 1 { format!("{n} {aim}") } else { aim });
        let issued: Vec<String> = issued.collect();
        let entries = if tokens.len() > FEW { vec![issued.join(", ")] } else { issued };
        for aim in entries {
            let event = Event::TokenIssued { member: member.clone(), aim, until: last.to_string() };
            notes.push(self.note(list, event));
        }
        if let Some(letter) = errand.about.replaces() {
            let whose = (&list.name, &errand.to.id, letter);
            Tokens::new(Arc::clone(&self.affairs.store)).replace(&mut batch, whose, tokens, last)?;
        }
        let about = errand.about.name().to_owned();
        notes.push(self.note(list, Event::LetterWritten { member: errand.to.id.clone(), about }));
        let to = (&errand.to.id, &errand.to.address);
        let parcel = parcel(list, to, (&letter, body, Carries::Letter), &self.affairs.entropy, now);
        Queue::enqueue(&mut batch, parcel, now)?;
        self.journal.commit(&batch, &notes, now)
    }

    /// A letter that cannot be written: whoever it was for cannot read, or the list is gone. The admins are told.
    fn unwritten(
        &self,
        waiting: &Waiting,
        problem: Option<CertProblem>,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let (errand, mut batch) = (&waiting.errand, Batch::new());
        waiting.done(&mut batch);
        unsent(&self.affairs, &mut batch, errand, now)?;
        if let Some(problem) = problem {
            let (member, recipient) = (errand.to.id.clone(), errand.to.address.clone());
            let incident = Incident::CannotReceive { member, recipient, problem };
            Alert::raise(&mut batch, Some(&errand.list), incident, now)?;
        }
        tracing::warn!(list = %errand.list, member = %errand.to.id, about = errand.about.name(), "a letter is not written");
        let event =
            Event::LetterUnwritten { member: errand.to.id.clone(), about: errand.about.name().to_owned() };
        let note = Note { list: Some(errand.list.clone()), actor: Actor::Relay, event, reason: None };
        Ok(self.journal.commit(&batch, &[note], now)?)
    }

    /// The certificate that the errand brings along, or the one that is pinned.
    fn cert(&self, errand: &Errand) -> Result<Option<Arc<Cert>>, StoreError> {
        match &errand.to.cert {
            Some(bytes) => Ok(Cert::parse(bytes).ok().map(Arc::new)),
            None => self.certs.get(errand.to.fingerprint),
        }
    }

    /// What goes along with the letter, opened: sealed at rest until now.
    fn enclosed(&self, errand: &Errand) -> Result<Option<Plaintext>, UnlockError> {
        let Some(sealed) = errand.about.enclosed() else { return Ok(None) };
        let sealed = sealed.sealed().ok_or(UnlockError::Damaged)?;
        unlock(&sealed, &self.keys.spool(), MOST_ENCLOSED).map(Some)
    }

    fn note(&self, list: &List, event: Event) -> Note {
        Note { list: Some(list.name.clone()), actor: Actor::Relay, event, reason: None }
    }
}

/// Whether the person was on the roster and has been removed. Who never was on it (an admin of the settings) is not gone.
fn is_gone(roster: &Roster, errand: &Errand) -> bool {
    let mut them = roster.everyone().filter(|(_, m)| m.id == errand.to.id).peekable();
    them.peek().is_some() && them.all(|(_, m)| m.standing == Standing::Removed)
}
