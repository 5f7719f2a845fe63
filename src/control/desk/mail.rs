//! Held mail, queued copies and the journal.

use super::acting::Acting;
use data_encoding::HEXLOWER_PERMISSIVE;

use super::refusal::Refused;
use super::{Desk, Reply};
use crate::control::wire::{Answer, ChainRow, ErrorKind, JournalRow, MAX_PAGE, Page, Part, Request};
use crate::id::ListName;
use crate::ledger::hold::Held;
use crate::ledger::journal::{Actor, Head, Link};

/// How many links of the journal one request verifies.
const LINKS: usize = 10_000;
/// What the relay's own chain is called in rows: no list can have this name.
const OWN_CHAIN: &str = "(relay)";

impl Desk {
    pub(super) fn route_mail(&self, request: Request, actor: &Acting) -> Reply {
        use Request as R;
        match request {
            R::HoldLs { list, after, limit } => self.hold_ls(list.as_ref(), after.as_deref(), limit),
            R::HoldShow { id } => self.hold_show(id),
            R::HoldRelease { id } => self.hold_release(id, actor),
            R::HoldDrop { id, ignore } => self.hold_drop(id, ignore, actor),
            R::HoldIgnored { list } => self.hold_ignored(list.as_ref()),
            R::HoldHeed { list, key } => self.hold_heed(&list, key, actor),
            R::QueueLs { list, destination, after, limit } => {
                self.queue_ls(list.as_ref(), destination.as_deref(), after.as_deref(), limit)
            }
            R::QueueShow { id } => self.queue_show(id),
            R::QueueRetry { id } => self.queue_retry(id),
            R::QueueRetryAll { list, after } => self.queue_retry_all(list.as_ref(), after.as_deref()),
            R::QueueDrop { id } => self.queue_drop(id, actor),
            R::JournalLs { list, newest, after, limit } => {
                self.journal_ls(list.as_ref(), newest, after.as_deref(), limit)
            }
            R::JournalVerify { list, head, after } => {
                self.journal_verify(list.as_ref(), head.as_deref(), after.as_deref())
            }
            _ => Err(Refused::new(
                ErrorKind::Internal,
                "nothing was done",
                "the request has no desk",
                "report this",
            )),
        }
    }

    pub(super) fn all_holds(&self) -> Result<Vec<Held>, Refused> {
        all(|after| self.holds.ls(after, 1000), |held| held.id)
    }

    /// A page of entries, chain by chain. The cursor is `CHAIN/SEQ`: what comes behind that entry.
    fn journal_ls(
        &self,
        list: Option<&ListName>,
        newest: Option<u64>,
        after: Option<&str>,
        limit: u64,
    ) -> Reply {
        let limit = page_size(limit);
        let (mut skip_to, mut behind) = match after {
            None => (None, None),
            Some(cursor) => {
                let (chain, seq) = cursor.rsplit_once('/').ok_or_else(bad_cursor)?;
                (Some(chain.to_owned()), Some(seq.parse::<u64>().map_err(|_| bad_cursor())?))
            }
        };
        let mut rows: Vec<JournalRow> = Vec::new();
        for chain in self.chains(list)? {
            let name = chain_name(chain.as_ref());
            if skip_to.as_ref().is_some_and(|s| *s != name) {
                continue;
            }
            skip_to = None;
            let head = self.journal.head(chain.as_ref())?.seq;
            let from = behind.take().unwrap_or_else(|| newest.map_or(0, |n| head.saturating_sub(n)));
            let links = self.journal.links(chain.as_ref(), from, limit - rows.len())?;
            rows.extend(links.into_iter().map(|link| journal_row(&name, link)));
            if rows.len() >= limit {
                let more = rows.last().map(|r| format!("{}/{}", r.list, r.seq));
                return Ok(Answer::Journal(Page { rows, more }));
            }
        }
        Ok(Answer::Journal(Page { rows, more: None }))
    }

    /// Verifies a part. The cursor is `CHAIN/SEQ/HASH`: the last link that was found sound.
    fn journal_verify(&self, list: Option<&ListName>, head: Option<&str>, after: Option<&str>) -> Reply {
        let kept = head.map(hash).transpose()?;
        let (mut skip_to, mut from) = after.map(sound_until).transpose()?.unzip();
        let (mut chains, mut looked, mut total, mut seen, mut more) = (Vec::new(), 0, 0, false, None);
        // Whoever comes onto a list's roster is an entry of its chain.
        let roster = self.registry.roster()?.roster;
        for chain in self.chains(list)? {
            let (name, end) = (chain_name(chain.as_ref()), self.journal.head(chain.as_ref())?);
            total += end.seq;
            if more.is_some() || skip_to.as_ref().is_some_and(|skip| *skip != name) {
                continue;
            }
            skip_to = None;
            let from = from.take().unwrap_or(Head::EMPTY);
            let room = LINKS.saturating_sub(looked).max(1);
            let found = self.journal.verify_part(chain.as_ref(), from, kept, room)?;
            if let Ok(part) = &found {
                looked += part.links;
                // The head belongs to one chain; the others are judged without it.
                seen |= part.kept_seen;
                if !part.whole {
                    more = Some(format!("{name}/{}/{}", part.at.seq, part.at.hex()));
                    continue;
                }
            }
            let end = found.as_ref().map_or(end, |part| part.at.clone());
            let taken = end.seq == 0 && chain.as_ref().is_some_and(|list| !roster.members(list).is_empty());
            let problem = found.err().map(|broken| broken.to_string());
            let problem = problem.or_else(|| {
                taken.then(|| {
                    "it has no entry, and somebody is on the list's roster: it was taken away".to_owned()
                })
            });
            let (entries, head) = (end.seq, (end.seq > 0).then(|| end.hex()));
            chains.push(ChainRow { list: name, entries, head, sound: problem.is_none(), problem });
        }
        if skip_to.is_some() {
            return Err(bad_cursor());
        }
        let done = Part { looked: count(looked), total, more };
        Ok(Answer::Verified { chains, head_found: kept.map(|_| seen), done })
    }

    /// The chains that were asked for: one list's, or the relay's own and those of all lists, former ones too.
    fn chains(&self, list: Option<&ListName>) -> Result<Vec<Option<ListName>>, Refused> {
        if let Some(list) = list {
            self.list(list)?;
            return Ok(vec![Some(list.clone())]);
        }
        let here: Vec<ListName> = self.lists.iter().map(|l| l.name.clone()).collect();
        // A list that the settings have no more still has its past.
        let former: Vec<ListName> =
            self.journal.chains()?.into_iter().filter(|l| !here.contains(l)).collect();
        Ok(std::iter::once(None).chain(here.into_iter().chain(former).map(Some)).collect())
    }
}

/// Everything, page by page.
pub(super) fn all<T, I: Copy>(
    page: impl Fn(Option<I>) -> Result<Vec<T>, crate::store::contract::StoreError>,
    id: impl Fn(&T) -> I,
) -> Result<Vec<T>, Refused> {
    let mut rows: Vec<T> = Vec::new();
    loop {
        let next = page(rows.last().map(&id))?;
        if next.is_empty() {
            return Ok(rows);
        }
        rows.extend(next);
    }
}

pub(super) fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The chain that a cursor names, and how far it was verified.
fn sound_until(cursor: &str) -> Result<(String, Head), Refused> {
    let (rest, digest) = cursor.rsplit_once('/').ok_or_else(bad_cursor)?;
    let (chain, seq) = rest.rsplit_once('/').ok_or_else(bad_cursor)?;
    let seq = seq.parse().map_err(|_| bad_cursor())?;
    Ok((chain.to_owned(), Head { seq, hash: hash(digest)? }))
}

pub(super) fn page_size(limit: u64) -> usize {
    usize::try_from(limit.clamp(1, MAX_PAGE)).unwrap_or(1)
}

pub(super) fn cursor<I: std::str::FromStr>(text: Option<&str>) -> Result<Option<I>, Refused> {
    text.map(str::parse).transpose().map_err(|_| bad_cursor())
}

fn bad_cursor() -> Refused {
    Refused::new(
        ErrorKind::Usage,
        "there is no such page",
        "the cursor is none of ours",
        "start from the first page",
    )
}

fn hash(text: &str) -> Result<[u8; 32], Refused> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    bytes.and_then(|b| <[u8; 32]>::try_from(b).ok()).ok_or_else(|| {
        Refused::new(
            ErrorKind::Usage,
            "nothing was verified",
            "a head is 64 hexadecimal digits",
            "copy the whole head",
        )
    })
}

fn chain_name(chain: Option<&ListName>) -> String {
    chain.map_or_else(|| OWN_CHAIN.to_owned(), ToString::to_string)
}

fn journal_row(chain: &str, link: Link) -> JournalRow {
    JournalRow {
        list: chain.to_owned(),
        seq: link.seq,
        at: link.at.to_string(),
        actor: match link.actor {
            Actor::Relay => "relay".to_owned(),
            Actor::Admin(uid) => format!("admin:{uid}"),
            Actor::Member(id) => format!("member:{id}"),
        },
        event: serde_json::to_value(&link.event).unwrap_or_default(),
        reason: link.reason,
        hash: data_encoding::HEXLOWER.encode(&link.hash),
    }
}
