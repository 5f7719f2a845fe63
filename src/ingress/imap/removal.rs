//! What becomes of mail in the mailbox: removed or moved once it is durable here, and then its mark; left, when it is
//! not taken in.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::answer::LEFT;
use super::plan::{Memory, Stay};
use super::settings::{After, Settings};
use super::taking::Place;
use super::trouble::Trouble;
use super::wire::Wire;
use crate::failpoint::{self, Point};
use crate::ledger::mark::{Item, Marks};
use crate::store::contract::StoreError;

/// How mail leaves one mailbox.
pub(super) struct Removal<'a> {
    pub(super) name: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) keywords: bool,
    pub(super) place: Place,
}

impl Removal<'_> {
    /// The UIDs that are marked, and the marks of another generation of UIDs.
    pub(super) async fn marked(&self, marks: &Marks) -> Result<(Vec<u32>, Vec<Item>), Trouble> {
        let (marks, name) = (marks.clone(), self.place.name().to_owned());
        let items = blocking(move || marks.of(&name)).await?;
        let (mut due, mut void) = (Vec::new(), Vec::new());
        for item in items {
            match self.place.uid(&item) {
                Some(uid) => due.push(uid),
                None => void.push(item),
            }
        }
        Ok((due, void))
    }

    /// Removes marks.
    pub(super) async fn forget(&self, marks: &Marks, items: Vec<Item>) -> Result<(), Trouble> {
        let marks = marks.clone();
        blocking(move || marks.remove(&items)).await
    }

    /// Removes mails that are durable here, or moves them, as set; then, once they are known to be gone, their marks.
    /// Returns how many are gone from the mailbox.
    pub(super) async fn remove(&self, wire: &mut Wire, marks: &Marks, uids: &[u32]) -> Result<u32, Trouble> {
        let there: Vec<u32> = wire.remaining(uids).await?.into_iter().map(|(uid, _)| uid).collect();
        if !there.is_empty() {
            match (self.settings.after, &self.settings.move_to) {
                (After::Move, Some(mailbox)) => self.relocate(wire, &there, mailbox).await?,
                _ => self.delete(wire, &there).await?,
            }
        }
        let (kept, marked): (Vec<_>, Vec<_>) =
            wire.remaining(uids).await?.into_iter().partition(|(_, deleted)| !deleted);
        // Without UIDPLUS that is as far as we go: EXPUNGE would remove what others marked (RFC 3501 §6.4.3).
        let stays: BTreeSet<u32> = match wire.can.uid_expunge {
            true => kept.iter().chain(&marked).map(|(uid, _)| *uid).collect(),
            false => kept.iter().map(|(uid, _)| *uid).collect(),
        };
        failpoint::hit(Point::ImapExpunged);
        let gone = uids.iter().filter(|uid| !stays.contains(uid));
        let gone: Vec<Item> = gone.map(|uid| self.place.item(*uid)).collect();
        self.forget(marks, gone).await?;
        failpoint::hit(Point::ImapForgotten);
        if !stays.is_empty() {
            return Err(Trouble::StillThere);
        }
        let still = marked.len();
        Ok(u32::try_from(uids.len().saturating_sub(still)).unwrap_or(u32::MAX))
    }

    /// Leaves a mail that is not taken in, or moves it aside, so that it is not looked at again; says so, once. Returns how
    /// many are gone from the mailbox. What the server keeps no keyword of is remembered here, until a restart; what it
    /// does keep is not, so that whoever takes the keyword away has it looked at again.
    pub(super) async fn leave(
        &self,
        wire: &mut Wire,
        uid: u32,
        (why, stay): (&(dyn Display + Sync), Stay),
        memory: &mut Memory,
    ) -> Result<u32, Trouble> {
        let settled = stay == Stay::Settled;
        let moved = self.settings.aside.as_deref().filter(|_| settled);
        let what = if moved.is_some() { "moved aside" } else { "left where it is" };
        tracing::warn!(mailbox = self.name, uid, %why, "a mail is not taken in from a mailbox, and is {what}");
        if let Some(mailbox) = moved {
            memory.leave(uid);
            self.relocate(wire, &[uid], mailbox).await?;
            return Ok(u32::from(wire.remaining(&[uid]).await?.is_empty()));
        }
        if !(settled && self.keywords && self.keeps_keyword(wire, uid).await?) {
            memory.leave(uid);
        }
        Ok(0)
    }

    /// Sets the keyword; whether it is there then.
    async fn keeps_keyword(&self, wire: &mut Wire, uid: u32) -> Result<bool, Trouble> {
        match wire.flag(&[uid], LEFT).await {
            Ok(()) => wire.has(uid, LEFT).await,
            Err(Trouble::Refused(_)) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    async fn delete(&self, wire: &mut Wire, uids: &[u32]) -> Result<(), Trouble> {
        wire.flag(uids, "\\Deleted").await?;
        failpoint::hit(Point::ImapFlagged);
        if wire.can.uid_expunge {
            wire.expunge(uids).await?;
        }
        Ok(())
    }

    /// Moves mails to a mailbox, which is made where it is missing.
    async fn relocate(&self, wire: &mut Wire, uids: &[u32], mailbox: &str) -> Result<(), Trouble> {
        match self.relocate_once(wire, uids, mailbox).await {
            Err(Trouble::Refused(_)) => {
                wire.create(mailbox).await?;
                self.relocate_once(wire, uids, mailbox).await
            }
            other => other,
        }
    }

    async fn relocate_once(&self, wire: &mut Wire, uids: &[u32], mailbox: &str) -> Result<(), Trouble> {
        if wire.can.moves {
            return wire.relocate(uids, mailbox).await;
        }
        wire.copy(uids, mailbox).await?;
        failpoint::hit(Point::ImapCopied);
        self.delete(wire, uids).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Trouble> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| Trouble::Broken)??)
}
