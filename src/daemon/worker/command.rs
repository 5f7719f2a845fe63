//! What a mail asks of the relay itself, in one commit with the end of the mail that brought it.

mod ballot;
mod did;
mod probe;
mod vouch;

use std::sync::Arc;

use self::did::Did;
use super::{Stay, Worker};
use crate::id::Fingerprint;
use crate::ledger::affairs::{Affairs, Step, Trouble};
use crate::ledger::journal::{Actor, Event};
use crate::ledger::queue::Queue;
use crate::ledger::registry::Read;
use crate::ledger::seen;
use crate::ledger::spool::{Spool, Spooled};
use crate::ledger::token::{Aim, Issued, Tokens};
use crate::meter;
use crate::relay::command::{Command, Obeyed};
use crate::relay::gate::DropReason;
use crate::relay::request::Request;
use crate::roster::ballot::Choice;
use crate::roster::membership::{Member, Standing};
use crate::store::contract::Batch;
use crate::time::Timestamp;

impl Worker {
    /// Does what is asked for; says `Worthless` where that counts for nothing. Then the mail is what it would be without it.
    pub(super) fn asked(
        &self,
        spooled: &Spooled,
        request: &Request,
        read: &Read,
        now: Timestamp,
    ) -> Result<Obeyed, Stay> {
        match request {
            Request::Command(command) => self.obeyed(spooled, command, read, now),
        }
    }

    /// Carries it out; says `Worthless` where the token is unknown, spent, too old or somebody else's, or its owner is no longer
    /// what he was.
    ///
    /// A mail that says more than its command stays in the spool, and goes on as the same: the token is spent by then, also
    /// after a crash.
    fn obeyed(
        &self,
        spooled: &Spooled,
        command: &Command,
        read: &Read,
        now: Timestamp,
    ) -> Result<Obeyed, Stay> {
        for digest in &command.replay {
            if seen::is_known(&*self.store, &spooled.list, digest)? {
                self.drop_mail(spooled, DropReason::Replay, now)?;
                return Ok(Obeyed::Done);
            }
        }
        let tokens = Tokens::new(Arc::clone(&self.store));
        let Some(found) =
            tokens.find(&spooled.list, &command.token, &read.roster.certs_of(command.signer), now)?
        else {
            return Ok(Obeyed::Worthless);
        };
        let (issued, affairs, mut batch) = (&found.issued, self.affairs(), Batch::new());
        let Some(member) = owner(&affairs, read, issued, command.signer) else {
            return Ok(Obeyed::Worthless);
        };
        let mut step = affairs.begin_from(read.clone(), &mut batch, Actor::Relay, now);
        let (mail, by, aim) = (spooled.id, issued.member.clone(), issued.aim.name());
        step.tell(Some(&spooled.list), Event::Commanded { mail, member: by, aim: aim.to_owned() });
        match act(&mut step, issued, &member) {
            Ok(Did::Something) => {}
            // A rule is against it, or there is nothing left to do.
            Ok(Did::Nothing) | Err(Trouble::Refused(_)) => return Ok(Obeyed::Worthless),
            Err(Trouble::Store(error)) => return Err(error.into()),
        }
        let notes = step.finish()?;
        found.spend(&mut batch);
        if command.alone {
            for digest in &command.replay {
                seen::mark(&mut batch, &spooled.list, digest, now)?;
            }
            Spool::finish(&mut batch, spooled);
        }
        self.journal.commit(&batch, &notes, now)?;
        meter::relay(spooled.list.as_str(), "command", aim);
        tracing::info!(list = %spooled.list, mail = %spooled.id, aim, "a command by mail is carried out");
        Ok(if command.alone { Obeyed::Done } else { Obeyed::AndMore })
    }

    fn affairs(&self) -> Affairs {
        Affairs {
            store: Arc::clone(&self.store),
            registry: self.registry.clone(),
            queue: Queue::new(Arc::clone(&self.store), self.journal.clone()),
            entropy: Arc::clone(&self.entropy),
            lists: Arc::new(self.lists.values().cloned().collect()),
        }
    }
}

/// Whose token it is, if the certificates that it was sent to and that signed are still theirs: a member of the list, or of the team that decides
/// for it. Whether their standing suffices each aim knows.
fn owner(affairs: &Affairs, read: &Read, issued: &Issued, signer: Fingerprint) -> Option<Member> {
    let deciding = affairs.list(&issued.list).and_then(|list| list.deciding());
    let lists = [Some(&issued.list), deciding];
    let mut members = lists.into_iter().flatten().flat_map(|list| read.roster.members(list));
    let theirs = |m: &&Member| {
        m.id == issued.member
            && m.signs_with(issued.signer)
            && m.signs_with(signer)
            && m.standing != Standing::Removed
    };
    members.find(theirs).cloned()
}

/// What the token is for.
fn act(step: &mut Step<'_>, issued: &Issued, member: &Member) -> Result<Did, Trouble> {
    match &issued.aim {
        Aim::Probe => probe::answered(step, issued, member),
        Aim::Approve { ballot } => ballot::cast(step, issued, ballot, member, Choice::Approve),
        Aim::Object { ballot } => ballot::cast(step, issued, ballot, member, Choice::Object),
        Aim::Vouch { application } => vouch::vouched(step, issued, application, member),
    }
}
