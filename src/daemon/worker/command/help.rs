//! Somebody who is known writes without a token: the help, and one's own standing.

use std::time::Duration;

use super::{finish, known, standing};
use crate::daemon::worker::beside::{Asked, Beside};
use crate::daemon::worker::{Stay, Worker, told};
use crate::id::{Fingerprint, ListName};
use crate::ledger::journal::Event;
use crate::ledger::limit::Limit;
use crate::ledger::outbox::Outbox;
use crate::ledger::registry::Read;
use crate::ledger::seen;
use crate::ledger::spool::Spooled;
use crate::ledger::token::{Aim, LIFE};
use crate::mail::list::List;
use crate::meter;
use crate::relay::gate::DropReason;
use crate::roster::duties::acceptance::binds;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::{Member, Role};
use crate::store::contract::StoreError;
use crate::time::Timestamp;

/// How often somebody gets the help.
const HELP: Limit = Limit { name: "help", most: 1, span: Duration::from_secs(3600) };

impl Worker {
    /// Answers with the help; words go to the team as ever. Who is not known here gets nothing.
    pub(super) fn helped(
        &self,
        spooled: &Spooled,
        signer: Fingerprint,
        only_help: bool,
        replay: &[[u8; 32]],
        read: &Read,
        now: Timestamp,
    ) -> Result<Asked, Stay> {
        let mut beside = Beside::default();
        let affairs = self.affairs();
        let Some(member) = known(&affairs, read, &spooled.list, signer) else {
            return Ok(Asked::GoesOn(beside));
        };
        let mut again = false;
        for digest in replay {
            again |= seen::is_known(&*self.store, &spooled.list, digest)?;
        }
        let fresh = !again && HELP.take(&*self.store, &mut beside.batch, (&spooled.list, &member.id), now)?;
        if !fresh && only_help {
            let reason = if again { DropReason::Replay } else { DropReason::HelpedLately };
            self.drop_mail(spooled, reason, now)?;
            return Ok(Asked::Done);
        }
        if !fresh {
            return Ok(Asked::GoesOn(beside));
        }
        let errand = self.help(&spooled.list, &member, read, now)?;
        Outbox::put(&mut beside.batch, &errand, now)?;
        if !only_help {
            for digest in replay {
                seen::mark(&mut beside.batch, &spooled.list, digest, now)?;
            }
            return Ok(Asked::GoesOn(beside));
        }
        let (mail, member, aim) = (spooled.id, member.id, "help".to_owned());
        let note = told::note(spooled, Event::Commanded { mail, member, aim });
        finish(&mut beside.batch, spooled, replay, now)?;
        self.made(spooled, &beside.batch, &[note], now)?;
        meter::relay(spooled.list.as_str(), "command", "help");
        Ok(Asked::Done)
    }

    fn help(
        &self,
        list: &ListName,
        member: &Member,
        read: &Read,
        now: Timestamp,
    ) -> Result<Errand, StoreError> {
        let outlooks = self.certs.outlooks(&[member.fingerprint], now)?;
        let outlook = outlooks.get(&member.fingerprint);
        let cert = match outlook.map(|outlook| (outlook.problem.as_ref(), outlook.expires)) {
            Some((Some(problem), _)) => problem.to_string(),
            Some((None, Some(end))) => format!("it can be used until {end}"),
            Some((None, None)) => "it has no end".to_owned(),
            None => "it is missing".to_owned(),
        };
        let mut facts = vec![
            ("address".to_owned(), member.address.to_string()),
            ("as".to_owned(), part(list, member, read)),
            ("standing".to_owned(), format!("{} since {}", member.standing, member.since)),
            ("certificate".to_owned(), format!("{}, {cert}", member.fingerprint)),
        ];
        facts.extend(standing::facts(&self.store, self.lists.get(list), member)?);
        // Who reads along as one of the team does these on the team's own list.
        let here = read.roster.by_id(list, &member.id).is_some();
        let mut offers = if here { vec![Aim::Certificate, Aim::Leave] } else { Vec::new() };
        offers.extend(self.lists.get(list).map(|list| duties(list, member, here)).into_iter().flatten());
        let about = About::Help { facts, offers };
        Ok(Errand { list: list.clone(), to: Reached::from(member), about, until: Some(now.after(LIFE)) })
    }
}

/// What the list's policy has everybody report, and what a contact records.
fn duties(list: &List, member: &Member, here: bool) -> Vec<Aim> {
    let mut offers = Vec::new();
    if list.policy.as_ref().is_some_and(|policy| !policy.breach.report_fields.is_empty()) {
        offers.push(Aim::Leak { breach: None });
    }
    if here && member.is_active() && list.terms().is_some() && binds(member) {
        offers.push(Aim::Staff);
    }
    offers
}

/// As what somebody belongs to a list.
fn part(list: &ListName, member: &Member, read: &Read) -> String {
    match &member.role {
        Role::Contact { org } => format!("contact of {org}"),
        Role::Team { .. } if read.roster.by_id(list, &member.id).is_none() => {
            "of the team that decides for this list; for a certificate or to leave, write to its own list"
                .to_owned()
        }
        Role::Team { role: Some(role), .. } => format!("of the team ({role})"),
        Role::Team { role: None, .. } => "of the team".to_owned(),
    }
}
