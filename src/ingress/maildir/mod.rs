//! Mail that a delivery agent puts into a maildir. Each is sealed and durable before it is removed, and marked in the same
//! commit: whenever the daemon dies, nothing is lost and nothing is relayed twice.
//!
//! Only `new` is looked at: what lies in `cur` somebody has seen. What cannot be taken stays where it is, is named once in
//! the log and counted in the status, and keeps no other mail waiting.

mod folder;
pub mod settings;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use self::folder::{Folder, Key, Unusable, shown};
use self::settings::{MaildirSettings, Then};
use super::budget::{Budget, Share};
use super::events::NotTaken;
use super::guard::Guard;
use super::intake::{Intake, Taken};
use super::pickup::{Found, NoWhom, Whom, pick_up};
use super::reception::Receptions;
use super::settings::Limits;
use crate::failpoint::{self, Point};
use crate::ledger::mark::{Item, Marks};
use crate::mail::arrival::Via;
use crate::mail::directory::Directory;
use crate::time::Clock;

/// What is wrong with each maildir at this moment, by its name: for the status. Cheap to clone.
#[derive(Clone, Default)]
pub struct Stays(Arc<Mutex<BTreeMap<String, String>>>);

impl Stays {
    /// One sentence for each maildir that needs somebody.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn tell(&self, name: &str, problem: Option<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => all.insert(name.to_owned(), problem),
            None => all.remove(name),
        };
    }
}

/// Where mail that was found goes, and what remembers it.
#[derive(Clone)]
pub struct Way {
    /// The door to the spool.
    pub intake: Intake,
    /// What was taken in.
    pub marks: Marks,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// What the status tells.
    pub stays: Stays,
    /// The memory for all mail that comes in, by whatever door.
    pub budget: Budget,
}

/// Watches one maildir.
pub struct Watcher {
    name: String,
    path: PathBuf,
    whom: Whom,
    every: Duration,
    then: Then,
    way: Way,
    /// What stays.
    named: BTreeMap<OsString, Left>,
    /// Whether marks may be there of mails that are gone.
    untidy: bool,
    /// What was said about the folder itself.
    folder_trouble: Option<String>,
    /// Why nothing could be taken in when it was tried last.
    waits: Option<NotTaken>,
}

/// A file that stays.
struct Left {
    /// As it was when it was read to no avail: it is not read again before it changes.
    key: Option<Key>,
    /// Why, as it was named in the log; nothing where the next round has to see.
    why: String,
}

/// What came of one mail.
enum Done {
    /// It is ours, and gone from here.
    Gone,
    /// It stays.
    Stays(Left),
    /// Nothing can be taken in now: the whole round is over.
    Later,
}

impl Watcher {
    /// A watcher of the maildir that is called `name` in the settings.
    ///
    /// # Errors
    /// When it is not said whom its mail is for.
    pub fn new(
        name: &str,
        settings: &MaildirSettings,
        directory: &Directory,
        way: Way,
    ) -> Result<Self, NoWhom> {
        let whom = Whom::of(settings.recipient.as_ref(), settings.recipient_from, directory)?;
        Ok(Self {
            name: name.to_owned(),
            path: settings.path.clone(),
            whom,
            every: settings.every,
            then: settings.then,
            way,
            named: BTreeMap::new(),
            untidy: true,
            folder_trouble: None,
            waits: None,
        })
    }

    /// Looks again and again, until `stop` turns true or its sender is gone.
    pub async fn run(mut self, mut receptions: Receptions, mut stop: watch::Receiver<bool>) {
        loop {
            if receptions.has_changed().unwrap_or_default() {
                // What could not be taken by other settings may be taken by these.
                self.named.clear();
            }
            let now = Arc::clone(&receptions.borrow_and_update());
            self.round(&now.directory, &now.limits, &now.guard, &stop).await;
            let stopped = async {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            if tokio::time::timeout(self.every, stopped).await.is_ok() {
                return;
            }
        }
    }

    /// Takes everything that is there.
    pub(super) async fn round(
        &mut self,
        directory: &Directory,
        limits: &Limits,
        guard: &Guard,
        stop: &watch::Receiver<bool>,
    ) {
        let path = self.path.clone();
        let opened = blocking(move || {
            let folder = Folder::open(&path)?;
            let names = folder.names()?;
            Ok((Arc::new(folder), names))
        });
        let (folder, names) = match opened.await {
            Ok(found) => found,
            Err(why) => return self.no_folder(why.kind()),
        };
        self.folder_trouble = None;
        if self.untidy {
            self.untidy = !self.tidy(&folder).await;
        }
        self.named.retain(|name, _| names.binary_search(name).is_ok());
        for name in names {
            if *stop.borrow() {
                break;
            }
            let left = self.named.get(&name).and_then(|left| left.key.clone());
            if left.is_some_and(|key| matches!(folder.key(&name), Ok(Some(now)) if now == key)) {
                continue;
            }
            let Some(_share) = self.room(&folder, &name, limits, guard) else { break };
            match self.take(&folder, &name, directory, limits).await {
                Done::Gone => drop(self.named.remove(&name)),
                Done::Stays(left) => self.note(name, left),
                Done::Later => break,
            }
        }
        self.tell();
    }

    /// Memory for one mail, twice while its line ends change; none while there is none: the next round asks again.
    fn room(&mut self, folder: &Folder, name: &OsStr, limits: &Limits, guard: &Guard) -> Option<Share> {
        // What is larger than the limit is not read.
        let size = folder.size(name).min(limits.max_message);
        if let Err(why) = guard.room(size, self.way.clock.now()) {
            self.wait(why);
            return None;
        }
        let mut share = self.way.budget.share();
        if !share.grow(size.saturating_mul(2).min(self.way.budget.limit())) {
            self.wait(NotTaken::Memory);
            return None;
        }
        Some(share)
    }

    /// Each round tries again, and only the first of them says so.
    fn wait(&mut self, why: NotTaken) {
        if self.waits.replace(why) != Some(why) {
            tracing::warn!(maildir = %self.name, why = why.name(), "mail waits in a maildir");
        }
    }

    /// One mail, from the file to the spool, and only then away.
    async fn take(
        &mut self,
        folder: &Arc<Folder>,
        name: &OsStr,
        directory: &Directory,
        limits: &Limits,
    ) -> Done {
        let (there, file, limit) = (Arc::clone(folder), name.to_owned(), limits.max_message);
        let read = tokio::task::spawn_blocking(move || there.read(&file, limit)).await;
        let (raw, key) = match read.unwrap_or(Err(Unusable::Moving)) {
            Ok(read) => read,
            // Delivery may be under way: it is named when it stays so.
            Err(Unusable::Moving | Unusable::Linked | Unusable::Empty) if !self.named.contains_key(name) => {
                return Done::Stays(Left { key: None, why: String::new() });
            }
            Err(why) => return Done::Stays(Left { key: None, why: why.to_string() }),
        };
        let found = Found {
            via: Via::Maildir,
            place: self.name.clone(),
            host: String::new(),
            tls: false,
            at: self.way.clock.now(),
        };
        let (envelope, raw) = match pick_up(raw, &found, &self.whom, directory, limits) {
            Ok(mail) => mail,
            Err(why) => return Done::Stays(Left { key: Some(key), why: why.to_string() }),
        };
        let item = self.item(&key);
        match self.way.intake.take_in_once(envelope, raw, item.clone(), None).await {
            Ok(Taken::Now(id)) => tracing::info!(maildir = %self.name, %id, "taken from a maildir"),
            Ok(Taken::Before) => tracing::info!(maildir = %self.name, "taken before, and still there"),
            Err(why) => {
                self.wait(why);
                return Done::Later;
            }
        }
        self.waits = None;
        failpoint::hit(Point::MaildirTaken);
        self.put_away(folder, name, key, item).await
    }

    /// Removes a mail that is ours, then what remembers that it is.
    async fn put_away(&mut self, folder: &Arc<Folder>, name: &OsStr, key: Key, item: Item) -> Done {
        let (there, file, then) = (Arc::clone(folder), name.to_owned(), self.then);
        let away = blocking(move || {
            let away = match then {
                Then::Remove => there.remove(&file, &key)?,
                Then::Keep => there.keep(&file, &key)?,
            };
            failpoint::hit(Point::MaildirRemoved);
            there.sync()?;
            Ok(away)
        });
        match away.await {
            Ok(true) => {}
            // Something else has its name now, and is looked at in the next round.
            Ok(false) => self.untidy = true,
            Err(why) => {
                let why = format!(
                    "it is taken in, and cannot be put away ({}): the folder has to be writable for the daemon's user",
                    why.kind()
                );
                return Done::Stays(Left { key: None, why });
            }
        }
        failpoint::hit(Point::MaildirSynced);
        let marks = self.way.marks.clone();
        let removed = tokio::task::spawn_blocking(move || marks.remove(&[item])).await;
        // A mark too many costs nothing but its place.
        self.untidy |= !matches!(removed, Ok(Ok(())));
        Done::Gone
    }

    /// Removes the marks of mails that are gone; whether that was done.
    async fn tidy(&self, folder: &Arc<Folder>) -> bool {
        let (marks, place, folder) = (self.way.marks.clone(), self.place(), Arc::clone(folder));
        let done = tokio::task::spawn_blocking(move || {
            let mut gone = marks.of(&place)?;
            gone.retain(|item| {
                let (name, key) = Key::from_bytes(&item.name);
                // Only what is known to be gone: a mark that is missing has its mail relayed twice.
                folder.key(&name).is_ok_and(|now| now != Some(key))
            });
            marks.remove(&gone)
        });
        matches!(done.await, Ok(Ok(())))
    }

    fn place(&self) -> String {
        format!("maildir/{}", self.name)
    }

    fn item(&self, key: &Key) -> Item {
        Item { place: self.place(), generation: Vec::new(), name: key.bytes().to_vec() }
    }

    /// Names what stays, once.
    fn note(&mut self, name: OsString, left: Left) {
        let known = self.named.get(&name).is_some_and(|before| before.why == left.why);
        if !known && !left.why.is_empty() {
            tracing::warn!(maildir = %self.name, file = shown(&name), why = %left.why, "a mail stays in a maildir");
        }
        self.named.insert(name, left);
    }

    fn tell(&self) {
        let stay = self.named.iter().filter(|(_, left)| !left.why.is_empty());
        let problem = stay.clone().next().map(|(name, left)| {
            let (files, first) = (files(stay.count()), shown(name));
            format!("maildir {}: {files} cannot be taken, the first is {first}: {}", self.name, left.why)
        });
        self.way.stays.tell(&self.name, problem);
    }

    fn no_folder(&mut self, kind: std::io::ErrorKind) {
        let why = format!(
            "maildir {}: {} cannot be used ({kind}): it needs the folders new and cur, readable and writable for the daemon's \
             user",
            self.name,
            self.path.display()
        );
        if self.folder_trouble.as_ref() != Some(&why) {
            tracing::warn!(%why, "a maildir cannot be looked at");
        }
        self.way.stays.tell(&self.name, Some(why.clone()));
        self.folder_trouble = Some(why);
    }
}

fn files(count: usize) -> String {
    if count == 1 { "one file".to_owned() } else { format!("{count} files") }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()))
}
