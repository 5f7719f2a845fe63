//! The format of a member's copies: set by hand, or asked for by a probe.

use super::refusal::{Refused, not_found};
use super::{Desk, Reply, done, journalled};
use crate::control::wire::{ErrorKind, Format as WireFormat};
use crate::id::{BodyId, Fingerprint, ListName, ParcelId, Token};
use crate::ledger::journal::{Actor, Event};
use crate::ledger::queue::{Queue, discard};
use crate::ledger::registry::Registry;
use crate::ledger::token::{Aim, Issued, LIFE, Tokens};
use crate::mail::address::Address;
use crate::mail::parcel::{Carries, Parcel};
use crate::mail::tags::Tags;
use crate::pgp::cert::{Cert, Format};
use crate::relay::letter::Letter;
use crate::relay::probe::Probe;
use crate::relay::world::List;
use crate::roster::membership::Member;
use crate::store::contract;
use crate::time::Timestamp;

impl Desk {
    pub(super) fn member_set_format(
        &self,
        list: &ListName,
        address: &Address,
        format: Option<WireFormat>,
        actor: &Actor,
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
    pub(super) fn member_probe(&self, list: &ListName, address: &Address, actor: &Actor) -> Reply {
        let rules = self.list(list)?;
        let member = self.asked(list, address)?;
        let cert = self.reads_v2(&member)?;
        let key = self.keys.list(list).ok_or_else(|| {
            let next = "make it with `vouchsafe key new`, then `vouchsafe reload`";
            no_probe("the list has no key", next)
        })?;
        let (now, token) = (self.clock.now(), Token::random(&self.entropy));
        let until = now.after(LIFE);
        let probe = Probe { list: rules, member: &member, token: &token, at: now, until };
        let letter = probe.seal(&cert, &key, &Tags::new(self.keys.tags().as_bytes()), &self.entropy);
        let letter = letter
            .map_err(|error| {
                Refused::new(ErrorKind::Internal, "nobody was asked", error.to_string(), "try again")
            })?
            .map_err(|problem| no_probe(format!("its certificate is {problem}"), "see `member show`"))?;
        let body = BodyId::new(now, &self.entropy);
        self.store.put_body(contract::BodyId(*body.as_bytes()), letter.body.as_bytes())?;
        let parcel = self.parcel(rules, &member, letter, body, now);
        let issued = Issued {
            list: list.clone(),
            member: member.id.clone(),
            signer: member.fingerprint,
            aim: Aim::Probe,
            until,
        };
        let sent = self.change(|batch, now| {
            let read = self.registry.roster()?;
            // Who was removed or got another certificate meanwhile is not asked.
            if read.roster.by_address(list, address) != Some(&member) {
                let next = "see `member show`, and try again";
                return Err(Refused::new(
                    ErrorKind::Busy,
                    "nobody was asked",
                    "the member has just changed",
                    next,
                ));
            }
            batch.expect(read.unchanged());
            // Whoever removes the member at this moment sees by the mark that there is more to withdraw.
            Registry::mark_queued(batch, list);
            Tokens::issue(batch, &token, &issued)?;
            Queue::enqueue(batch, parcel.clone(), now)?;
            let (member, aim) = (member.id.clone(), Aim::Probe.name().to_owned());
            Ok((
                (),
                vec![journalled(
                    Some(list),
                    actor,
                    Event::TokenIssued { member, aim, until: until.to_string() },
                )],
            ))
        });
        if sent.is_err() {
            discard(&*self.store, std::iter::once(body));
        }
        sent?;
        self.queued.notify_one();
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

    fn parcel(&self, list: &List, member: &Member, letter: Letter, body: BodyId, now: Timestamp) -> Parcel {
        let suffix = format!("-bounces+{}", Token::random(&self.entropy).as_str());
        Parcel {
            id: ParcelId::new(now, &self.entropy),
            list: list.name.clone(),
            member: member.id.clone(),
            recipient: member.address.clone(),
            reverse_path: list.address.with_suffix(&suffix).unwrap_or_else(|_| list.address.clone()),
            head: letter.head,
            key: letter.key,
            body,
            body_len: u64::try_from(letter.body.len()).unwrap_or(u64::MAX),
            carries: Carries::Notice,
        }
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
