//! The format of a member's copies: set by hand, or asked for by a probe.

use super::acting::{Acting, journalled};
use super::refusal::{Refused, not_found};
use super::{Desk, Reply, done};
use crate::control::wire::{ErrorKind, Format as WireFormat};
use crate::id::{Fingerprint, ListName};
use crate::ledger::journal::Event;
use crate::ledger::registry::Registry;
use crate::ledger::token::LIFE;
use crate::mail::address::Address;
use crate::pgp::cert::{Cert, Format};
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::Member;

impl Desk {
    pub(super) fn member_set_format(
        &self,
        list: &ListName,
        address: &Address,
        format: Option<WireFormat>,
        actor: &Acting,
    ) -> Reply {
        self.list(list)?;
        let format = format.map(|f| match f {
            WireFormat::V1 => Format::V1,
            WireFormat::V2 => Format::V2,
        });
        self.change(|batch, _| {
            let read = self.registry.roster()?;
            let id = read.roster.by_address(list, address).ok_or_else(|| nobody(list))?.id.clone();
            let (roster, change) = read.roster.set_format(list, &id, format)?;
            Registry::set_roster(batch, &read, &roster)?;
            Ok(((), vec![journalled(Some(list), actor, Event::Roster { change })]))
        })?;
        Ok(done(match format {
            Some(Format::V1) => {
                format!("{address} gets its copies in SEIPD version 1, if its key has version 4")
            }
            Some(Format::V2) => format!("{address} gets its copies in SEIPD version 2"),
            None => format!("{address} gets its copies by the rule: the version of its key decides"),
        }))
    }

    /// Asks a member, in SEIPD version 2, whether it reads that. The answer is what changes the roster.
    pub(super) fn member_probe(&self, list: &ListName, address: &Address, actor: &Acting) -> Reply {
        self.list(list)?;
        let member = self.asked(list, address)?;
        let cert = self.reads_v2(&member)?;
        // What cannot be sealed is told here, and not only when the letter is written.
        cert.sealable(self.clock.now())
            .map_err(|problem| no_probe(format!("its certificate is {problem}"), "see `member show`"))?;
        let to = Reached { format: Some(Format::V2), ..Reached::from(&member) };
        let until = self.step(actor, |step| {
            // Who was removed or got another certificate meanwhile is not asked.
            if step.roster().by_address(list, address) != Some(&member) {
                let next = "see `member show`, and try again";
                return Err(Refused::new(
                    ErrorKind::Busy,
                    "nobody was asked",
                    "the member has just changed",
                    next,
                ));
            }
            let until = step.now().after(LIFE);
            let (list, to) = (list.clone(), to.clone());
            step.write(&Errand { list, to, about: About::FormatAsked, until: Some(until) })?;
            Ok(until)
        })?;
        Ok(done(format!(
            "{address} is asked whether it reads SEIPD version 2; an answer counts until {until}"
        )))
    }

    /// An active member whom the question makes sense for.
    fn asked(&self, list: &ListName, address: &Address) -> Result<Member, Refused> {
        let roster = self.registry.roster()?.roster;
        let member = roster.by_address(list, address).ok_or_else(|| nobody(list))?;
        if !member.is_active() {
            return Err(no_probe(format!("it is {} on {list}", member.standing), "see `member resume`"));
        }
        let knows = matches!(member.fingerprint, Fingerprint::V6(_)) || member.format == Some(Format::V2);
        if knows {
            let why = "it gets its copies in SEIPD version 2 already";
            return Err(no_probe(why, "nothing is left to do"));
        }
        Ok(member.clone())
    }

    /// The member's certificate, if it says that SEIPD version 2 is read.
    fn reads_v2(&self, member: &Member) -> Result<std::sync::Arc<Cert>, Refused> {
        let cert = self.certs.get(member.fingerprint)?;
        let cert =
            cert.ok_or_else(|| no_probe("its certificate is missing from the store", "`member set-cert`"))?;
        if cert.advertises_v2(self.clock.now()) {
            return Ok(cert);
        }
        let why = "its certificate does not say that SEIPD version 2 is read";
        let next = "leave it as it is; if it has another certificate now, `member set-cert` first";
        Err(no_probe(why, next))
    }
}

fn no_probe(why: impl Into<String>, next: &str) -> Refused {
    Refused::new(ErrorKind::Data, "nobody was asked", why, next)
}

fn nobody(list: &ListName) -> Refused {
    not_found(
        format!("nobody on {list} has that address"),
        "addresses are compared as a whole",
        "see `member ls` and `team ls`",
    )
}
