//! From a FETCH to mail that is sealed, durable and marked, by the same door as SMTP.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::limited::Overstep;
use super::plan::{Listed, Memory, Stay};
use super::settings::{Encryption, Settings};
use super::trouble::Trouble;
use super::wire::Wire;
use crate::failpoint::{self, Point};
use crate::ingress::budget::{Budget, Share};
use crate::ingress::events::NotTaken;
use crate::ingress::intake::{Digest, Intake, Taken};
use crate::ingress::pickup::{Found, NotPicked, Whom, pick_up};
use crate::ingress::reception::Reception;
use crate::ledger::mark::Item;
use crate::mail::arrival::Via;
use crate::secret::Plaintext;
use crate::time::Clock;

/// How long to wait before memory that others hold is asked for again.
const FOR_MEMORY: Duration = Duration::from_millis(200);
/// How long in all; then the session ends, and the next one sees newer limits.
const AT_MOST: Duration = Duration::from_secs(60);

/// Where the mails of a mailbox are taken in.
#[derive(Clone)]
pub(super) struct Taking {
    pub(super) place: String,
    pub(super) host: String,
    pub(super) tls: bool,
    pub(super) whom: Whom,
    pub(super) intake: Intake,
    pub(super) digest: Digest,
    pub(super) budget: Budget,
    pub(super) clock: Arc<dyn Clock>,
}

/// The place whose items are marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    name: String,
    generation: Vec<u8>,
}

impl Place {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The item that this UID names.
    pub(super) fn item(&self, uid: u32) -> Item {
        Item {
            place: self.name.clone(),
            generation: self.generation.clone(),
            name: uid.to_be_bytes().to_vec(),
        }
    }

    /// The UID of an item of this generation.
    pub(super) fn uid(&self, item: &Item) -> Option<u32> {
        let uid = <[u8; 4]>::try_from(item.name.as_slice()).ok()?;
        (item.generation == self.generation).then(|| u32::from_be_bytes(uid))
    }
}

/// What came of a group of mails.
#[derive(Default)]
pub(super) struct Came {
    /// Durable, now or before: to be removed.
    pub(super) taken: Vec<u32>,
    /// How many of these were not known before.
    pub(super) fresh: usize,
    /// To be left, and why.
    pub(super) left: Vec<(u32, NotPicked)>,
    /// Whether the session came to its end with it.
    pub(super) lost: bool,
    /// What is wrong, beyond single mails.
    pub(super) trouble: Option<Trouble>,
}

type Outcome = (u32, Result<Result<Taken, NotPicked>, Trouble>);

impl Taking {
    /// What names the items of this mailbox: a UID means something within its mailbox and UIDVALIDITY (RFC 3501 §2.3.1.1).
    pub(super) fn place(&self, settings: &Settings, validity: u32) -> Place {
        let mut generation = String::new();
        let _ = write!(
            generation,
            "{}@{}:{}/{}/{validity}",
            settings.user,
            settings.host,
            settings.port(),
            settings.mailbox
        );
        Place { name: self.place.clone(), generation: generation.into_bytes() }
    }

    /// Whether there is somebody here whom mail can be for. A reload may have taken the list away, or its address.
    pub(super) fn has_recipient(&self, reception: &Reception) -> bool {
        match &self.whom {
            Whom::Always(address) => reception.directory.resolve(address).is_some(),
            Whom::Field(_) => true,
        }
    }

    /// Fetches a group and takes in what comes.
    pub(super) async fn fetch(
        &self,
        wire: &mut Wire,
        place: &Place,
        group: &[Listed],
        reception: &Arc<Reception>,
        memory: &mut Memory,
    ) -> Came {
        let has_memory = || reception.guard.room(0, self.clock.now()) != Err(NotTaken::Memory);
        let _share = match room_for(&self.budget, has_memory, group).await {
            Ok(share) => share,
            Err(trouble) => return Came { trouble: Some(trouble), ..Came::default() },
        };
        let mut came = Came::default();
        let (mut arrived, mut empty) = (BTreeSet::new(), Vec::new());
        let mut work: JoinSet<Outcome> = JoinSet::new();
        let fetched = wire
            .fetch(group, &mut |uid, body| {
                arrived.insert(uid);
                match body {
                    Some(raw) => {
                        failpoint::hit(Point::ImapFetched);
                        let (taking, item) = (self.clone(), place.item(uid));
                        let reception = Arc::clone(reception);
                        work.spawn(async move { (uid, taking.take_in(raw, item, reception).await) });
                    }
                    None => empty.push(uid),
                }
            })
            .await;
        // What has come is taken in, whatever became of the rest.
        while let Some(done) = work.join_next().await {
            match done {
                Ok((uid, Ok(Ok(taken)))) => {
                    came.taken.push(uid);
                    came.fresh = came.fresh.saturating_add(usize::from(taken != Taken::Before));
                }
                Ok((uid, Ok(Err(why)))) => came.left.push((uid, why)),
                Ok((uid, Err(trouble))) => {
                    if matches!(trouble, Trouble::Broken) {
                        memory.refused(uid);
                    }
                    came.trouble = Some(trouble);
                }
                Err(_) => came.trouble = Some(Trouble::Broken),
            }
        }
        came.taken.sort_unstable();
        came.taken.iter().for_each(|uid| memory.forget(*uid));
        if !came.taken.is_empty() {
            failpoint::hit(Point::ImapTaken);
        }
        empty.extend(group.iter().map(|mail| mail.uid).filter(|uid| !arrived.contains(uid)));
        let limit = u64::try_from(reception.limits.max_message).unwrap_or(u64::MAX);
        learn(memory, &empty, &fetched, limit);
        match fetched {
            // That is about these mails, and the session goes on.
            Ok(()) | Err(Trouble::Refused(_)) => {}
            Err(trouble) => (came.lost, came.trouble) = (true, Some(trouble)),
        }
        came
    }

    /// Takes one mail in; or why it has to stay where it is.
    async fn take_in(
        self,
        raw: Plaintext,
        item: Item,
        reception: Arc<Reception>,
    ) -> Result<Result<Taken, NotPicked>, Trouble> {
        let found = Found {
            via: Via::Imap,
            place: self.place.clone(),
            host: self.host.clone(),
            tls: self.tls,
            at: self.clock.now(),
        };
        let whom = self.whom.clone();
        let picked = tokio::task::spawn_blocking(move || {
            pick_up(raw, &found, &whom, &reception.directory, &reception.limits)
        });
        match picked.await.map_err(|_| Trouble::Broken)? {
            Err(why) => Ok(Err(why)),
            Ok((envelope, raw)) => {
                let digest = Some(Arc::clone(&self.digest));
                Ok(Ok(self.intake.take_in_once(envelope, raw, item, digest).await?))
            }
        }
    }
}

/// For how long a mail is left for this.
pub(super) const fn stay(why: &NotPicked) -> Stay {
    match why {
        // The settings are at fault.
        NotPicked::Nobody => Stay::ForNow,
        NotPicked::TooLarge(_)
        | NotPicked::Headers(_)
        | NotPicked::Loop(_)
        | NotPicked::NoRecipient(_)
        | NotPicked::NotOurs(_) => Stay::Settled,
    }
}

/// Waits until there is memory for a group: each mail once, and the largest once more while it is copied. Mail that is
/// fetched counts with mail that comes in by SMTP.
async fn room_for(
    budget: &Budget,
    has_memory: impl Fn() -> bool,
    group: &[Listed],
) -> Result<Share, Trouble> {
    let largest = group.iter().map(|mail| mail.size).max().unwrap_or(0);
    let bytes = group.iter().map(|mail| mail.size).fold(largest, u64::saturating_add);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let (mut share, deadline) = (budget.share(), Instant::now() + AT_MOST);
    // The limit may change meanwhile: more than all there is will never come.
    while !has_memory() || !share.grow(bytes.min(budget.limit())) {
        if Instant::now() >= deadline {
            return Err(Trouble::NoMemory(AT_MOST));
        }
        sleep(FOR_MEMORY).await;
    }
    Ok(share)
}

/// What is remembered of mails that did not come.
fn learn(memory: &mut Memory, missing: &[u32], fetched: &Result<(), Trouble>, limit: u64) {
    match (fetched, missing) {
        (Err(Trouble::Overstep(Overstep::Literal { announced, .. })), [alone]) if *announced <= limit => {
            memory.is_larger(*alone, *announced);
        }
        // Whoever says so once may be lying or confused.
        (Err(Trouble::Overstep(_)), [alone]) => memory.refused(*alone),
        (Ok(()), _) | (Err(Trouble::Refused(_)), [_]) => missing.iter().for_each(|uid| memory.refused(*uid)),
        _ => memory.suspect(missing.iter().copied()),
    }
}

/// Whether a mail comes over TLS.
pub(super) fn is_encrypted(settings: &Settings) -> bool {
    settings.tls != Encryption::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingress::settings::Limits;

    const GROUP: [Listed; 2] = [
        Listed { uid: 1, size: 60, left: false, deleted: false },
        Listed { uid: 2, size: 30, left: false, deleted: false },
    ];

    #[tokio::test(start_paused = true)]
    async fn memory_is_not_waited_for_without_end() {
        let budget = Budget::new(200);
        assert!(room_for(&budget, || true, &GROUP).await.is_ok());
        let mut others = budget.share();
        assert!(others.grow(51));
        let refused = room_for(&budget, || true, &GROUP).await;
        assert!(matches!(refused, Err(Trouble::NoMemory(AT_MOST))));
        drop(others);
        assert!(room_for(&budget, || true, &GROUP).await.is_ok());
        let short = room_for(&budget, || false, &GROUP).await;
        assert!(matches!(short, Err(Trouble::NoMemory(_))), "the process is beyond its memory");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_lowered_meanwhile_lets_a_large_group_in_alone() {
        let budget = Budget::new(200);
        let mut others = budget.share();
        assert!(others.grow(100));
        let waiting = async {
            sleep(FOR_MEMORY).await;
            budget.obey(&Limits { max_in_memory: 100, ..Limits::default() });
            drop(others);
        };
        let (share, ()) = tokio::join!(room_for(&budget, || true, &GROUP), waiting);
        assert!(share.is_ok() && budget.free() == 0);
    }
}
