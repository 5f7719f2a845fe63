//! Affairs of the roster, whoever moves them: an admin at the desk, a mail with a token, or the clock. Each step loads,
//! asks the pure rules, and puts everything that follows into one batch: roster, journal, letters, alerts, withdrawn copies.

pub mod acceptance;
pub mod admission;
pub mod alias;
pub mod application;
pub mod appoint;
pub mod asking;
pub mod ballot;
pub mod breach;
pub mod certs;
pub mod clock;
mod concern;
mod expulsion;
mod heads;
pub mod holds;
pub mod imported;
pub mod members;
mod parting;
pub mod removal;
mod reviews;
pub mod team;
pub mod unsent;
mod voters;
pub mod vouchers;

use std::sync::Arc;

use crate::id::{Entropy, ListName, MemberId};
use crate::ledger::alert::{Alert, Incident};
use crate::ledger::journal::{Actor, Event, Note};
use crate::ledger::outbox::Outbox;
use crate::ledger::queue::Queue;
use crate::ledger::registry::{Read, Registry};
use crate::mail::list::List;
use crate::roster::errand::Errand;
use crate::roster::membership::Member;
use crate::roster::{Change, Refusal, Roster};
use crate::store::contract::{Batch, Store, StoreError};
use crate::time::Timestamp;

/// What steps are made with.
#[derive(Clone)]
pub struct Affairs {
    /// The store of all.
    pub store: Arc<dyn Store>,
    /// The roster in it.
    pub registry: Registry,
    /// The copies in it.
    pub queue: Queue,
    /// Randomness for ids.
    pub entropy: Arc<Entropy>,
    /// The lists, with their policies.
    pub lists: Arc<Vec<List>>,
}

/// Why a step was not made.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The store failed, or somebody was quicker.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule is against it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// One step on its way into a batch.
pub struct Step<'a> {
    affairs: &'a Affairs,
    batch: &'a mut Batch,
    read: Read,
    roster: Arc<Roster>,
    notes: Vec<Note>,
    actor: Actor,
    reason: Option<String>,
    now: Timestamp,
    as_of: Timestamp,
    written: Vec<MemberId>,
}

impl Affairs {
    /// Begins a step over the roster as it stands.
    ///
    /// # Errors
    /// When the store fails.
    pub fn begin<'a>(
        &'a self,
        batch: &'a mut Batch,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Step<'a>, StoreError> {
        let read = self.registry.roster()?;
        Ok(self.begin_from(read, batch, actor, now))
    }

    /// Begins a step over the roster as somebody read it.
    #[must_use]
    pub fn begin_from<'a>(
        &'a self,
        read: Read,
        batch: &'a mut Batch,
        actor: Actor,
        now: Timestamp,
    ) -> Step<'a> {
        let roster = Arc::clone(&read.roster);
        let (notes, written) = (Vec::new(), Vec::new());
        let reason = None;
        Step { affairs: self, batch, read, roster, notes, actor, reason, now, as_of: now, written }
    }

    /// The list of this name, if the settings have it.
    #[must_use]
    pub fn list(&self, name: &ListName) -> Option<&List> {
        self.lists.iter().find(|list| list.name == *name)
    }
}

impl<'a> Step<'a> {
    /// What it is made with.
    #[must_use]
    pub const fn affairs(&self) -> &'a Affairs {
        self.affairs
    }

    /// The roster as it becomes.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The present.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// As of when deadlines are judged: what arrived in time is in time, however long it waited here.
    #[must_use]
    pub const fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// Judges deadlines as of then; never as of later than now.
    pub fn judge_as_of(&mut self, then: Timestamp) {
        self.as_of = then.min(self.now);
    }

    /// Who makes it.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Why it is made: that stands in each of its entries from now on.
    pub fn because(&mut self, reason: Option<String>) {
        self.reason = reason;
    }

    /// The batch, for records of one's own.
    pub const fn batch(&mut self) -> &mut Batch {
        self.batch
    }

    /// Takes a change over, and journals it in the list's chain (`None`: the relay's own).
    pub fn apply(&mut self, list: Option<&ListName>, (roster, change): (Roster, Change)) {
        self.roster = Arc::new(roster);
        self.tell(list, Event::Roster { change });
    }

    /// Makes changes on the working copy itself, and journals them: where a copy for each would be too many.
    ///
    /// # Errors
    /// What the changes refuse; then nothing may have changed.
    pub fn alter(
        &mut self,
        list: Option<&ListName>,
        changes: impl FnOnce(&mut Roster) -> Result<Vec<Change>, Refusal>,
    ) -> Result<(), Refusal> {
        for change in changes(Arc::make_mut(&mut self.roster))? {
            self.tell(list, Event::Roster { change });
        }
        Ok(())
    }

    /// Takes over what is no change of its own: how often somebody was reminded, when the next question is due.
    pub fn amend(&mut self, amended: impl FnOnce(&Roster) -> Roster) {
        self.roster = Arc::new(amended(&self.roster));
    }

    /// Journals an event.
    pub fn tell(&mut self, list: Option<&ListName>, event: Event) {
        let (actor, reason) = (self.actor.clone(), self.reason.clone());
        self.notes.push(Note { list: list.cloned(), actor, event, reason });
    }

    /// A letter is due.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn write(&mut self, errand: &Errand) -> Result<(), StoreError> {
        self.written.push(errand.to.id.clone());
        let bare = errand.to.cert.is_none() && !self.roster.pins(errand.to.fingerprint);
        if bare && errand.about.outlives_membership() {
            // Whoever leaves with this step takes the certificate along, and is to read it still.
            let mut errand = errand.clone();
            errand.to.cert = self.affairs.registry.cert(errand.to.fingerprint)?.map(|(bytes, _)| bytes);
            return Outbox::put(self.batch, &errand, self.now);
        }
        Outbox::put(self.batch, errand, self.now)
    }

    /// Whether a letter to this person is due by this step: then nobody need tell them again what came of it.
    #[must_use]
    pub fn has_written_to(&self, person: &MemberId) -> bool {
        self.written.contains(person)
    }

    /// The admins have to know.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn alert(&mut self, list: &ListName, incident: Incident) -> Result<(), StoreError> {
        Alert::raise(self.batch, Some(list), incident, self.now)
    }

    /// Withdraws the copies of a member of this list; returns how many. The team of an intake list also reads the lists
    /// that name it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn withdraw(&mut self, list: &ListName, member: &MemberId) -> Result<usize, StoreError> {
        let mut withdrawn = 0;
        let reading = self.affairs.lists.iter().filter(|l| l.name == *list || l.team.as_ref() == Some(list));
        for reads in reading {
            // Before the look into the queue: a copy that is queued after it makes this commit conflict.
            self.batch.expect(self.affairs.registry.nothing_queued(&reads.name)?);
            let gone = self.affairs.queue.withdraw(self.batch, &reads.name, member)?;
            withdrawn += gone.len();
            self.notes.extend(gone);
        }
        Ok(withdrawn)
    }

    /// Tries what a rule may be against: where one is, that rule, and nothing of it has happened.
    ///
    /// # Errors
    /// When the store fails.
    pub fn attempt<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<Result<T, Refusal>, StoreError> {
        let (batch, roster) = (self.batch.clone(), self.roster.clone());
        let (notes, written) = (self.notes.len(), self.written.len());
        match act(self) {
            Ok(done) => Ok(Ok(done)),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Refused(rule)) => {
                *self.batch = batch;
                self.roster = roster;
                self.notes.truncate(notes);
                self.written.truncate(written);
                Ok(Err(rule))
            }
        }
    }

    /// The active members of the team that decides for a list; none where there is no team.
    pub fn deciders(&self, list: &ListName) -> impl Iterator<Item = &Member> + Clone {
        let team = self.affairs.list(list).and_then(List::deciding);
        team.into_iter().flat_map(|team| self.roster.members(team)).filter(|member| member.is_active())
    }

    /// Ends the step: what it changed goes into the batch, and what it has to say into the journal. The roster must not
    /// have changed meanwhile, also where this step left it as it was.
    ///
    /// # Errors
    /// When the roster cannot be encoded.
    pub fn finish(self) -> Result<Vec<Note>, StoreError> {
        if Arc::ptr_eq(&self.roster, &self.read.roster) || self.roster == self.read.roster {
            self.batch.expect(self.read.unchanged());
        } else {
            Registry::set_roster(self.batch, &self.read, &self.roster)?;
        }
        Ok(self.notes)
    }
}
