//! What a mail asks of the relay itself, in one commit with the end of the mail that brought it.

mod accept;
mod alias;
mod ballot;
mod certificate;
mod did;
mod form;
mod help;
mod hold;
mod leak;
mod leave;
mod probe;
mod staff;
mod standing;
mod vouch;

use std::sync::Arc;
use std::time::Duration;

use self::did::Did;
use super::beside::{Asked, Beside};
use super::{Stay, Worker};
use crate::failpoint::{self, Point};
use crate::id::{Fingerprint, ListName};
use crate::ledger::affairs::{Affairs, Step, Trouble};
use crate::ledger::journal::{Actor, Event, Note};
use crate::ledger::limit::Limit;
use crate::ledger::outbox::Outbox;
use crate::ledger::queue::Queue;
use crate::ledger::registry::Read;
use crate::ledger::seen;
use crate::ledger::spool::{Spool, Spooled};
use crate::ledger::token::{Aim, Found, Issued, Tokens};
use crate::meter;
use crate::relay::command::Command;
use crate::relay::gate::DropReason;
use crate::relay::request::Request;
use crate::roster::ballot::Choice;
use crate::roster::errand::{About, Answer, Errand, Reached};
use crate::roster::membership::{Member, Standing};
use crate::store::contract::{Batch, StoreError};
use crate::time::Timestamp;

/// How often somebody is told that a command came to nothing.
const NOTHINGS: Limit = Limit { name: "answer", most: 3, span: Duration::from_secs(24 * 3600) };

impl Worker {
    /// Does what is asked for. Where that counts for nothing, the mail is what it would be without it.
    pub(super) fn asked(
        &self,
        spooled: &Spooled,
        request: &Request,
        read: &Read,
        now: Timestamp,
    ) -> Result<Asked, Stay> {
        // Its command was carried out, and its words are left.
        if seen::is_known(&*self.store, &spooled.list, &worked(spooled))? {
            return Ok(Asked::GoesOn(Beside::default()));
        }
        match request {
            Request::Command(command) => self.obeyed(spooled, command, read, now),
            Request::Form(applying) => self.applied(spooled, applying, read, now),
            Request::Plain { signer, only_help, replay } => {
                self.helped(spooled, *signer, *only_help, replay, read, now)
            }
        }
    }

    /// Carries it out, if its token counts and its owner is still what he was.
    ///
    /// A mail that says more than its command stays in the spool, and goes on as the same: the token is spent by then, also
    /// after a crash.
    fn obeyed(
        &self,
        spooled: &Spooled,
        command: &Command,
        read: &Read,
        now: Timestamp,
    ) -> Result<Asked, Stay> {
        for digest in &command.replay {
            if seen::is_known(&*self.store, &spooled.list, digest)? {
                self.drop_mail(spooled, DropReason::Replay, now)?;
                return Ok(Asked::Done);
            }
        }
        let tokens = Tokens::new(Arc::clone(&self.store));
        // Who answered in time is in time, however long the answer waited here; a clock that went back does not hinder.
        let arrived = spooled.id.made_at().min(now);
        let signers = read.roster.certs_of(command.signer);
        let Some(found) = tokens.find(&spooled.list, &command.token, &signers, arrived)? else {
            return self.worthless(spooled, command, read, now);
        };
        let (issued, affairs, mut batch) = (&found.issued, self.affairs(), Batch::new());
        let Some(member) = owner(&affairs, read, issued, command.signer) else {
            return self.worthless(spooled, command, read, now);
        };
        let actor = Actor::Member(issued.member.clone());
        let mut step = affairs.begin_from(read.clone(), &mut batch, actor, now);
        step.judge_as_of(arrived);
        let (mail, by, aim) = (spooled.id, issued.member.clone(), issued.aim.name());
        step.tell(Some(&spooled.list), Event::Commanded { mail, member: by, aim: aim.to_owned() });
        let done = match self.act(&mut step, issued, &member, command) {
            Ok(Did::Something) => "It is in force now.".to_owned(),
            Ok(Did::This(what)) => what,
            Ok(Did::Nothing) => return self.worthless(spooled, command, read, now),
            Ok(Did::Refused(why)) => return self.refused(spooled, command, (&found, &member), why, now),
            Err(Trouble::Refused(rule)) => {
                return self.refused(spooled, command, (&found, &member), rule.to_string(), now);
            }
            Err(Trouble::Store(error)) => return Err(error.into()),
        };
        if !step.has_written_to(&member.id) {
            step.write(&answer(&spooled.list, &member, Some(aim), Answer::Done(done)))?;
        }
        let notes = step.finish()?;
        found.spend(&mut batch);
        // What stands beside it may be all that its purpose asks for.
        let alone = command.alone || (issued.aim == Aim::Staff && command.names_staff_alone);
        if alone {
            finish(&mut batch, spooled, &command.replay, now)?;
        } else {
            seen::mark(&mut batch, &spooled.list, &worked(spooled), now)?;
        }
        self.made(spooled, &batch, &notes, now)?;
        // Mail may have waited for a reader, a certificate or a list that it has now.
        if let Err(error) = self.spool.hurry(None, now) {
            tracing::warn!(%error, "mail that waited for a change goes on later");
        }
        meter::relay(spooled.list.as_str(), "command", aim);
        tracing::info!(list = %spooled.list, mail = %spooled.id, aim, "a command by mail is carried out");
        Ok(if alone { Asked::Done } else { Asked::AndMore })
    }

    /// The token counts for nothing here and now: whoever signed hears so, if he is known here, and the mail goes on.
    fn worthless(
        &self,
        spooled: &Spooled,
        command: &Command,
        read: &Read,
        now: Timestamp,
    ) -> Result<Asked, Stay> {
        let mut beside = Beside::default();
        let affairs = self.affairs();
        if let Some(member) = known(&affairs, read, &spooled.list, command.signer) {
            self.say(&mut beside.batch, spooled, &member, None, Answer::Worthless, now)?;
        }
        Ok(Asked::GoesOn(beside))
    }

    /// A rule is against it. The token counts on: what the rule wants may come true.
    fn refused(
        &self,
        spooled: &Spooled,
        command: &Command,
        (found, member): (&Found, &Member),
        why: String,
        now: Timestamp,
    ) -> Result<Asked, Stay> {
        let (aim, mail, by) = (found.issued.aim.name(), spooled.id, member.id.clone());
        let mut beside = Beside::default();
        let rule = why.clone();
        self.say(&mut beside.batch, spooled, member, Some(aim), Answer::Refused(why), now)?;
        let event = Event::CommandRefused { mail, member: by, aim: aim.to_owned(), rule };
        beside.notes.push(super::told::note(spooled, event));
        if !command.alone {
            return Ok(Asked::GoesOn(beside));
        }
        finish(&mut beside.batch, spooled, &command.replay, now)?;
        self.made(spooled, &beside.batch, &beside.notes, now)?;
        meter::relay(spooled.list.as_str(), "command-refused", aim);
        Ok(Asked::Done)
    }

    /// Tells somebody what came of a command, a few times a day.
    fn say(
        &self,
        batch: &mut Batch,
        spooled: &Spooled,
        to: &Member,
        aim: Option<&str>,
        what: Answer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if NOTHINGS.take(&*self.store, batch, (&spooled.list, &to.id), now)? {
            Outbox::put(batch, &answer(&spooled.list, to, aim, what), now)?;
        }
        Ok(())
    }

    /// ONE commit: what was asked for is decided, and its mail has its end or goes on.
    fn made(&self, spooled: &Spooled, batch: &Batch, notes: &[Note], now: Timestamp) -> Result<(), Stay> {
        failpoint::hit(Point::CommandDecided);
        self.journal.commit(batch, notes, now)?;
        failpoint::hit(Point::CommandCommitted);
        tracing::debug!(list = %spooled.list, mail = %spooled.id, "what a mail asked for is decided");
        self.due.notify_one();
        Ok(())
    }

    pub(super) fn affairs(&self) -> Affairs {
        Affairs {
            store: Arc::clone(&self.store),
            registry: self.registry.clone(),
            queue: Queue::new(Arc::clone(&self.store), self.journal.clone()),
            entropy: Arc::clone(&self.entropy),
            lists: Arc::clone(&self.all),
        }
    }

    /// What the token is for.
    fn act(
        &self,
        step: &mut Step<'_>,
        issued: &Issued,
        member: &Member,
        command: &Command,
    ) -> Result<Did, Trouble> {
        match &issued.aim {
            Aim::Probe => probe::answered(step, issued, member),
            Aim::Approve { ballot } => ballot::cast(step, issued, ballot, member, Choice::Approve),
            Aim::Object { ballot } => ballot::cast(step, issued, ballot, member, Choice::Object),
            Aim::Confirm { application } => vouch::confirmed(step, application),
            Aim::Vouch { application } => vouch::vouched(step, issued, application, member),
            Aim::Hold { mail, decision } => hold::decided(step, issued, member, *mail, *decision),
            Aim::Leave => leave::left(step, issued, member),
            Aim::Certificate => self.certificate(step, issued, member, command),
            Aim::Accept { edition } => accept::accepted(step, issued, edition, member),
            Aim::Staff => staff::named(step, issued, member, &command.answers),
            Aim::Alias { round } => alias::answered(step, issued, member, *round),
            Aim::Leak { breach } => leak::reported(step, issued, member, breach.as_ref(), &command.answers),
        }
    }
}

/// What marks that a mail's command was carried out, while its words still wait.
fn worked(spooled: &Spooled) -> [u8; 32] {
    let mut mark = [0xff; 32];
    for (to, from) in mark.iter_mut().zip(spooled.id.as_bytes()) {
        *to = *from;
    }
    mark
}

/// Adds to the batch that a mail has its end, and does nothing when it comes again.
fn finish(
    batch: &mut Batch,
    spooled: &Spooled,
    replay: &[[u8; 32]],
    now: Timestamp,
) -> Result<(), StoreError> {
    for digest in replay {
        seen::mark(batch, &spooled.list, digest, now)?;
    }
    Spool::finish(batch, spooled);
    Ok(())
}

fn answer(list: &ListName, to: &Member, aim: Option<&str>, answer: Answer) -> Errand {
    let about = About::Answered { aim: aim.map(ToOwned::to_owned), answer };
    Errand { list: list.clone(), to: Reached::from(to), about, until: None }
}

/// Whose token it is, if the certificates that it was sent to and that signed are still theirs: a member of the list, or of the team that decides
/// for it. Whether their standing suffices each aim knows.
fn owner(affairs: &Affairs, read: &Read, issued: &Issued, signer: Fingerprint) -> Option<Member> {
    let theirs = |m: &&Member| m.id == issued.member && m.signs_with(issued.signer) && m.signs_with(signer);
    people(affairs, read, &issued.list).find(theirs).cloned()
}

/// Who of a list, or of the team that decides for it, has this certificate and belongs there: an applicant does not yet.
fn known(affairs: &Affairs, read: &Read, list: &ListName, signer: Fingerprint) -> Option<Member> {
    people(affairs, read, list).find(|m| m.belongs() && m.signs_with(signer)).cloned()
}

fn people<'r>(
    affairs: &Affairs,
    read: &'r Read,
    list: &ListName,
) -> impl Iterator<Item = &'r Member> + use<'r> {
    let deciding = affairs.list(list).and_then(|list| list.deciding()).filter(|deciding| *deciding != list);
    let here = read.roster.members(list);
    let team = deciding.map_or(&[][..], |team| read.roster.members(team));
    here.iter().chain(team).filter(|m| m.standing != Standing::Removed)
}

#[cfg(test)]
mod tests;
