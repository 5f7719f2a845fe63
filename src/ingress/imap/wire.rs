//! Commands and their answers, strictly: only the tag of the command that was given ends it, only what was asked for is
//! taken, and every answer has an end, in time and in number.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use async_imap::imap_proto::{
    AttributeValue, Capability, MailboxDatum, RequestId, Response, ResponseCode, Status,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{LEFT, fitting, has_flag, is_news, listed, most, uid};
use super::connect::ImapSession;
use super::plan::Listed;
use super::trouble::Trouble;
use crate::secret::Plaintext;

/// Responses that may come with an answer and belong to none: other clients are at work in the mailbox.
const ASIDE: usize = 1_000;
/// What the server can do, beyond RFC 3501.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Can {
    /// UIDPLUS (RFC 4315).
    pub(super) uid_expunge: bool,
    /// MOVE (RFC 6851).
    pub(super) moves: bool,
    /// IDLE (RFC 2177).
    pub(super) idle: bool,
}

/// A mailbox as it was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    /// Within which its UIDs are unique.
    pub(super) validity: u32,
    /// Whether [`LEFT`] can be set there.
    pub(super) keywords: bool,
}

/// The next response. Its type is the library's own, and has no name here.
macro_rules! read {
    ($wire:expr, $doing:expr) => {
        match $wire.session.read_response().await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(Trouble::Lost(io::ErrorKind::UnexpectedEof)),
            Err(error) => Err(Trouble::of_io(&error, $doing)),
        }
    };
}

/// How waiting for new mail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// The server told of something.
    News,
    /// It is time to ask again.
    Renew,
    /// The server ended it, or does not do it after all.
    Dropped,
}

/// What a server made of IDLE.
enum Begun {
    /// It tells from now on; whether it told something before it said so.
    Idle { news: bool },
    /// Nothing.
    Not,
}

/// A session in which commands are given one after the other.
pub(super) struct Wire {
    session: ImapSession,
    within: Duration,
    /// Bytes in a second, at least.
    rate: u64,
    pub(super) can: Can,
    /// How many mails the mailbox has, as far as was told.
    pub(super) exists: u32,
    /// Whether mails came or went since this was last set back.
    pub(super) changed: bool,
    validity: Option<u32>,
}

impl Wire {
    /// A session of which it is asked what the server can do.
    pub(super) async fn new(session: ImapSession, within: Duration, rate: u64) -> Result<Self, Trouble> {
        let (can, validity) = (Can::default(), None);
        let mut wire = Self { session, within, rate: rate.max(1), can, exists: 0, changed: false, validity };
        let mut can = Can::default();
        wire.command("CAPABILITY", "CAPABILITY", 0, &mut |response| {
            if let Response::Capabilities(all) = response {
                let has = |name: &str| {
                    all.iter().any(|c| matches!(c, Capability::Atom(a) if a.eq_ignore_ascii_case(name)))
                };
                can = Can { uid_expunge: has("UIDPLUS"), moves: has("MOVE"), idle: has("IDLE") };
            }
            Ok(())
        })
        .await?;
        wire.can = can;
        Ok(wire)
    }

    /// Opens a mailbox to change it.
    pub(super) async fn select(&mut self, mailbox: &str) -> Result<Opened, Trouble> {
        let (mut validity, mut keywords, mut read_only) = (None, false, false);
        let command = format!("SELECT {}", quoted(mailbox));
        self.validity = None;
        self.command(&command, "SELECT of the mailbox", 0, &mut |response| {
            let (Response::Data { outcome, .. } | Response::Done { outcome, .. }) = response else {
                return Ok(());
            };
            match &outcome.code {
                Some(ResponseCode::UidValidity(value)) => validity = Some(*value),
                Some(ResponseCode::PermanentFlags(flags)) => {
                    keywords = flags.iter().any(|f| f == "\\*" || f.eq_ignore_ascii_case(LEFT));
                }
                Some(ResponseCode::ReadOnly) => read_only = true,
                _ => {}
            }
            Ok(())
        })
        .await?;
        if read_only {
            return Err(Trouble::ReadOnly);
        }
        let validity = validity.ok_or(Trouble::NoUids)?;
        self.validity = Some(validity);
        Ok(Opened { validity, keywords })
    }

    /// What lies at these sequence numbers, at most. Asked by number, so that the answer has a known length however many
    /// mails wait.
    pub(super) async fn list(&mut self, first: u32, last: u32) -> Result<Vec<Listed>, Trouble> {
        let mut found = Vec::new();
        let command = format!("FETCH {first}:{last} (UID FLAGS RFC822.SIZE)");
        let due = usize::try_from(last.saturating_sub(first)).unwrap_or(usize::MAX).saturating_add(1);
        self.command(&command, "FETCH of sizes", due, &mut |response| {
            if let Response::Fetch(number, attributes) = response
                && (first..=last).contains(number)
                && let Some(listed) = listed(attributes)
            {
                found.push(listed);
            }
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Fetches these mails, without any mark there that they were read; each is handed to `got` as it comes, or that the
    /// server had nothing to give, or less than the mail it listed.
    pub(super) async fn fetch(
        &mut self,
        mails: &[Listed],
        got: &mut (dyn FnMut(u32, Option<Plaintext>) + Send),
    ) -> Result<(), Trouble> {
        let mut due: BTreeMap<u32, u64> = mails.iter().map(|mail| (mail.uid, mail.size)).collect();
        let largest = mails.iter().map(|mail| mail.size).max().unwrap_or(0);
        self.session.as_mut().allow(most(largest));
        let command = format!("UID FETCH {} (UID BODY.PEEK[])", set(due.keys()));
        let bytes = mails.iter().map(|mail| mail.size).fold(0_u64, u64::saturating_add);
        let within = self.within.saturating_add(Duration::from_secs(bytes / self.rate));
        let done = self
            .command_within(&command, "FETCH of mail", (due.len(), within), &mut |response| {
                let Response::Fetch(_, attributes) = response else { return Ok(()) };
                let body = |a: &AttributeValue<'_>| match a {
                    AttributeValue::BodySection { section: None, index: None, data } => {
                        Some(data.as_ref().map(|data| Plaintext::new(data.to_vec())))
                    }
                    _ => None,
                };
                let Some(body) = attributes.iter().find_map(body) else { return Ok(()) };
                let (uid, size) =
                    uid(attributes).and_then(|uid| due.remove_entry(&uid)).ok_or(Trouble::Unasked)?;
                got(uid, fitting(body, size)?);
                Ok(())
            })
            .await;
        self.session.as_mut().allow(0);
        done
    }

    /// Which of these mails are still there, and whether they are marked as deleted.
    pub(super) async fn remaining(&mut self, uids: &[u32]) -> Result<Vec<(u32, bool)>, Trouble> {
        let mut found = Vec::new();
        let command = format!("UID FETCH {} (UID FLAGS)", set(uids.iter()));
        self.command(&command, "FETCH of flags", uids.len(), &mut |response| {
            if let Response::Fetch(_, attributes) = response
                && let Some(uid) = uid(attributes).filter(|uid| uids.contains(uid))
            {
                found.push((uid, has_flag(attributes, "\\Deleted")));
            }
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Whether this mail has a flag.
    pub(super) async fn has(&mut self, asked: u32, flag: &str) -> Result<bool, Trouble> {
        let mut has = false;
        self.command(&format!("UID FETCH {asked} (UID FLAGS)"), "FETCH of flags", 1, &mut |response| {
            if let Response::Fetch(_, attributes) = response
                && uid(attributes) == Some(asked)
            {
                has = has_flag(attributes, flag);
            }
            Ok(())
        })
        .await?;
        Ok(has)
    }

    /// Sets a flag.
    pub(super) async fn flag(&mut self, uids: &[u32], flag: &str) -> Result<(), Trouble> {
        let command = format!("UID STORE {} +FLAGS.SILENT ({flag})", set(uids.iter()));
        self.plain(&command, "UID STORE", uids.len()).await
    }

    /// Removes these mails, of those marked as deleted, and no others (RFC 4315 §2.1).
    pub(super) async fn expunge(&mut self, uids: &[u32]) -> Result<(), Trouble> {
        self.plain(&format!("UID EXPUNGE {}", set(uids.iter())), "UID EXPUNGE", uids.len()).await
    }

    /// Moves these mails (RFC 6851).
    pub(super) async fn relocate(&mut self, uids: &[u32], mailbox: &str) -> Result<(), Trouble> {
        let command = format!("UID MOVE {} {}", set(uids.iter()), quoted(mailbox));
        self.plain(&command, "UID MOVE", uids.len()).await
    }

    /// Copies these mails.
    pub(super) async fn copy(&mut self, uids: &[u32], mailbox: &str) -> Result<(), Trouble> {
        let command = format!("UID COPY {} {}", set(uids.iter()), quoted(mailbox));
        self.plain(&command, "UID COPY", uids.len()).await
    }

    /// Makes a mailbox; that it is there already is no harm.
    pub(super) async fn create(&mut self, mailbox: &str) -> Result<(), Trouble> {
        match self.plain(&format!("CREATE {}", quoted(mailbox)), "CREATE", 0).await {
            Err(Trouble::Refused(_)) => Ok(()),
            other => other,
        }
    }

    /// Lets the server tell what it has to tell.
    pub(super) async fn noop(&mut self) -> Result<(), Trouble> {
        self.plain("NOOP", "NOOP", 0).await
    }

    /// Waits until the server tells of something, for so long at most (RFC 2177).
    pub(super) async fn idle(&mut self, at_most: Duration) -> Result<Waited, Trouble> {
        let (deadline, within) = (Instant::now() + at_most, self.within);
        let id = self.session.run_command("IDLE").await.map_err(|e| Trouble::of(e, "IDLE"))?;
        let asked = timeout(within, self.idle_begins(&id)).await;
        let mut waited = match asked.map_err(|_| Trouble::Silent { doing: "IDLE", within })?? {
            // It came while nobody waited yet: the server will not say it again.
            Begun::Idle { news: true } => Waited::News,
            Begun::Idle { news: false } => Waited::Renew,
            Begun::Not => return Ok(Waited::Dropped),
        };
        for _ in 0..ASIDE {
            if waited == Waited::News {
                break;
            }
            let Ok(read) = timeout_at(deadline, async { read!(self, "IDLE") }).await else { break };
            let response = read?;
            match response.parsed() {
                Response::Done { tag, .. } if *tag == id => return Ok(Waited::Dropped),
                Response::Done { .. } => return Err(Trouble::WrongTag),
                other => {
                    self.note(other)?;
                    // "Still here", a flag that somebody set: it goes on.
                    if is_news(other) {
                        waited = Waited::News;
                    }
                }
            }
        }
        let done = async {
            self.session.run_command_untagged("DONE").await.map_err(|e| Trouble::of(e, "DONE"))?;
            self.answer(&id, "DONE", ASIDE, &mut |_| Ok(())).await
        };
        timeout(within, done).await.map_err(|_| Trouble::Silent { doing: "DONE", within })??;
        Ok(waited)
    }

    /// Whether the server agrees to tell.
    async fn idle_begins(&mut self, id: &RequestId) -> Result<Begun, Trouble> {
        let mut news = false;
        for _ in 0..ASIDE {
            let response = read!(self, "IDLE")?;
            match response.parsed() {
                Response::Continue(_) => return Ok(Begun::Idle { news }),
                Response::Done { tag, .. } if tag == id => return Ok(Begun::Not),
                Response::Done { .. } => return Err(Trouble::WrongTag),
                other => {
                    self.note(other)?;
                    news |= is_news(other);
                }
            }
        }
        Err(Trouble::Flood)
    }

    async fn plain(&mut self, command: &str, doing: &'static str, due: usize) -> Result<(), Trouble> {
        self.command(command, doing, due, &mut |_| Ok(())).await
    }

    async fn command(
        &mut self,
        command: &str,
        doing: &'static str,
        due: usize,
        each: &mut (dyn FnMut(&Response<'_>) -> Result<(), Trouble> + Send),
    ) -> Result<(), Trouble> {
        self.command_within(command, doing, (due, self.within), each).await
    }

    async fn command_within(
        &mut self,
        command: &str,
        doing: &'static str,
        (due, within): (usize, Duration),
        each: &mut (dyn FnMut(&Response<'_>) -> Result<(), Trouble> + Send),
    ) -> Result<(), Trouble> {
        let run = async {
            let id = self.session.run_command(command).await.map_err(|e| Trouble::of(e, doing))?;
            self.answer(&id, doing, due.saturating_mul(2).saturating_add(ASIDE), each).await
        };
        timeout(within, run).await.map_err(|_| Trouble::Silent { doing, within })?
    }

    /// Reads responses up to the one that ends this command.
    async fn answer(
        &mut self,
        id: &RequestId,
        doing: &'static str,
        most: usize,
        each: &mut (dyn FnMut(&Response<'_>) -> Result<(), Trouble> + Send),
    ) -> Result<(), Trouble> {
        for _ in 0..most {
            let response = read!(self, doing)?;
            match response.parsed() {
                Response::Done { tag, .. } if tag != id => return Err(Trouble::WrongTag),
                Response::Done { status: Status::Ok, .. } => return each(response.parsed()),
                Response::Done { status: Status::No | Status::Bad, .. } => {
                    return Err(Trouble::Refused(doing));
                }
                Response::Done { .. } | Response::Continue(_) => return Err(Trouble::Protocol(doing)),
                other => {
                    self.note(other)?;
                    each(other)?;
                }
            }
        }
        Err(Trouble::Flood)
    }

    /// Remembers what a server may say at any time (RFC 3501 §7).
    fn note(&mut self, response: &Response<'_>) -> Result<(), Trouble> {
        match response {
            Response::MailboxData(MailboxDatum::Exists(count)) => {
                self.changed |= self.exists != *count;
                self.exists = *count;
            }
            Response::Expunge(_) => {
                self.exists = self.exists.saturating_sub(1);
                self.changed = true;
            }
            Response::Data { status: Status::Bye, .. } => return Err(Trouble::Bye),
            Response::Data { status: Status::PreAuth, .. } => return Err(Trouble::Preauth),
            Response::Data { outcome, .. } => {
                if let (Some(ResponseCode::UidValidity(now)), Some(before)) = (&outcome.code, self.validity)
                    && *now != before
                {
                    return Err(Trouble::Renumbered);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// RFC 3501 §9: a quoted string. The settings let nothing but printable ASCII through.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn set<'a>(uids: impl Iterator<Item = &'a u32>) -> String {
    uids.map(u32::to_string).collect::<Vec<_>>().join(",")
}
