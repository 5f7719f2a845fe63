//! What a command by mail does, in one commit with the end of the mail that brought it.

use std::sync::Arc;

use super::told::note;
use super::{Stay, Worker};
use crate::ledger::journal::Event;
use crate::ledger::registry::{Read, Registry};
use crate::ledger::seen;
use crate::ledger::spool::{Spool, Spooled};
use crate::ledger::token::{Aim, Tokens};
use crate::meter;
use crate::pgp::cert::Format;
use crate::relay::command::{Command, Obeyed};
use crate::relay::gate::DropReason;
use crate::store::contract::Batch;
use crate::time::Timestamp;

impl Worker {
    /// Carries it out; says `Worthless` where the token is unknown, spent, too old or somebody else's, or its owner is no longer
    /// what he was. Then the mail is what it would be without it.
    ///
    /// A mail that says more than its command stays in the spool, and goes on as the same: the token is spent by then, also
    /// after a crash.
    pub(super) fn obeyed(
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
        let Some(found) = tokens.find(&spooled.list, &command.token, command.signer, now)? else {
            return Ok(Obeyed::Worthless);
        };
        let issued = &found.issued;
        let pinned = |member: &crate::roster::membership::Member| {
            member.id == issued.member && member.fingerprint == command.signer
        };
        if !read.roster.active(&spooled.list).any(pinned) {
            return Ok(Obeyed::Worthless);
        }
        let changed = match issued.aim {
            Aim::Probe => read.roster.set_format(&spooled.list, &issued.member, Some(Format::V2)),
        };
        let Ok((roster, change)) = changed else { return Ok(Obeyed::Worthless) };
        let mut batch = Batch::new();
        Registry::set_roster(&mut batch, read, &roster)?;
        found.spend(&mut batch);
        if command.alone {
            for digest in &command.replay {
                seen::mark(&mut batch, &spooled.list, digest, now)?;
            }
            Spool::finish(&mut batch, spooled);
        }
        let (mail, member, aim) = (spooled.id, issued.member.clone(), issued.aim.name().to_owned());
        let notes = [Event::Commanded { mail, member, aim }, Event::Roster { change }];
        self.journal.commit(&batch, &notes.map(|event| note(spooled, event)), now)?;
        meter::relay(spooled.list.as_str(), "command", issued.aim.name());
        tracing::info!(list = %spooled.list, mail = %spooled.id, aim = issued.aim.name(), "a command by mail is carried out");
        Ok(if command.alone { Obeyed::Done } else { Obeyed::AndMore })
    }
}
