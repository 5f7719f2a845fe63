//! Held mail, and whom the teams ignore.

use super::acting::Acting;
use super::mail::{cursor, page_size};
use super::refusal::{Refused, not_found};
use super::{Desk, Reply, done};
use crate::control::wire::{Answer, ErrorKind, HoldRow, IgnoredRow, Page};
use crate::id::{Fingerprint, ListName, SpoolId};
use crate::ledger::affairs::holds::{self, Decided};
use crate::ledger::hold::Held;
use crate::roster::moderation::Decision;

impl Desk {
    pub(super) fn hold_ls(&self, list: Option<&ListName>, after: Option<&str>, limit: u64) -> Reply {
        self.known(list)?;
        let after = cursor::<SpoolId>(after)?;
        let limit = page_size(limit);
        let held = self.holds.ls(after, limit)?;
        let more = (held.len() == limit).then(|| held.last().map(|h| h.id.to_string())).flatten();
        let held = held.into_iter().filter(|h| list.is_none_or(|l| h.list == *l));
        Ok(Answer::Holds(Page { rows: held.map(hold_row).collect(), more }))
    }

    fn held(&self, id: SpoolId) -> Result<Held, Refused> {
        self.holds.get(id)?.ok_or_else(|| no_hold(id))
    }

    pub(super) fn hold_show(&self, id: SpoolId) -> Reply {
        Ok(Answer::Hold(Box::new(hold_row(self.held(id)?))))
    }

    pub(super) fn hold_release(&self, id: SpoolId, actor: &Acting) -> Reply {
        let held = self.hold_decide(id, Decision::Release, actor)?;
        self.arrived.notify_one();
        Ok(done(format!("{id} goes to {} now; what still stands against it will hold it again", held.list)))
    }

    pub(super) fn hold_drop(&self, id: SpoolId, ignore: bool, actor: &Acting) -> Reply {
        let decision = if ignore { Decision::DropAndIgnore } else { Decision::Drop };
        let held = self.hold_decide(id, decision, actor)?;
        let also = held.signer.filter(|_| ignore).map_or_else(String::new, |signer| {
            format!("; what {signer} signs and would be held on {} is dropped from now on", held.list)
        });
        Ok(done(format!("{id} is gone{also}")))
    }

    fn hold_decide(&self, id: SpoolId, decision: Decision, actor: &Acting) -> Result<Held, Refused> {
        let decided = self.step(actor, |step| Ok(holds::decide(step, None, id, decision, None)?))?;
        match decided {
            Decided::Made(held) => Ok(*held),
            Decided::Before => Err(no_hold(id)),
            Decided::NotReleasable(held) => {
                let why = format!("it is held as {}, and released it could go nowhere", held.reason);
                let next = "drop it with `hold drop`, or ask its sender to write again as the list demands";
                Err(Refused::new(ErrorKind::Data, "the mail was not released", why, next))
            }
            Decided::NobodyToIgnore(_) => {
                let why = "the doubt is not about a key, or the key is somebody's of the list or its team";
                let next = "drop the mail alone with `hold drop`; see `hold show`";
                Err(Refused::new(ErrorKind::Data, "the mail was not dropped", why, next))
            }
        }
    }

    pub(super) fn hold_ignored(&self, list: Option<&ListName>) -> Reply {
        self.known(list)?;
        let all =
            holds::ignored(&self.store)?.into_iter().filter(|one| list.is_none_or(|list| one.list == *list));
        let row = |one: crate::roster::moderation::Ignored| IgnoredRow {
            list: one.list.to_string(),
            key: one.signer.to_string(),
            since: one.since.to_string(),
            by: one.by.map_or_else(|| "admin".to_owned(), |by| by.to_string()),
            dropped: one.dropped,
            last: one.last.map(|at| at.to_string()),
        };
        Ok(Answer::Ignored(all.map(row).collect()))
    }

    pub(super) fn hold_heed(&self, list: &ListName, key: Fingerprint, actor: &Acting) -> Reply {
        self.list(list)?;
        if !self.step(actor, |step| Ok(holds::heed(step, list, key)?))? {
            let why = "no team of that list ignores it";
            return Err(not_found(format!("{key} is not ignored on {list}"), why, "see `hold ignore ls`"));
        }
        Ok(done(format!("what {key} signs and no rule lets through is held again on {list}")))
    }
}

fn no_hold(id: SpoolId) -> Refused {
    not_found(
        format!("no held mail has the id {id}"),
        "it was released, dropped, or never held",
        "see `hold ls`",
    )
}

fn hold_row(held: Held) -> HoldRow {
    HoldRow {
        id: held.id.to_string(),
        list: held.list.to_string(),
        reason: held.reason,
        since: held.since.to_string(),
        signer: held.signer.map(|s| s.to_string()),
        size: held.size,
    }
}
