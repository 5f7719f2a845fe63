//! The order that is demanded, as a function over events.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use data_encoding::{BASE32_NOPAD, HEXLOWER};

use crate::outside::copy::contains;
use crate::trace::{Call, Event};

/// What the trace shows.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Replies that said of a mail that it was taken.
    pub(crate) acknowledged: usize,
    /// Bodies that were given their names.
    pub(crate) bodies: usize,
    /// Each broken rule.
    pub(crate) wrong: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} times 250 to a mail, {} bodies, {} times in the wrong order",
            self.acknowledged,
            self.bodies,
            self.wrong.len()
        )
    }
}

/// What a mail's 250 says before the id.
const TAKEN: &str = "250 2.0.0 Taken in as ";

/// Holds every acknowledgement and every body against the rules.
pub(crate) fn judge(events: &[Event], data: &Path) -> Found {
    let trace = Trace { events, index: data.join("index.redb"), folder: data.join("bodies") };
    let mut found = Found::default();
    // When each body is durable, and the first write of the index that names it.
    let mut bodies = BTreeMap::new();
    for (draft, body, renamed) in trace.renames() {
        found.bodies += 1;
        let name = body.file_name().unwrap().to_str().unwrap();
        let id = HEXLOWER.decode(name.as_bytes()).unwrap();
        let named = trace.first_naming(&id);
        match trace.durable(&draft, &body, renamed) {
            Ok((begun, durable)) => {
                if named.is_some_and(|named| named.start < durable) {
                    found.wrong.push(format!("body {name} is named before it is durable"));
                }
                bodies.insert(body, (named, begun));
            }
            Err(why) => found.wrong.push(format!("body {name}: {why}")),
        }
    }
    for (said, socket, id) in trace.acknowledgements() {
        found.acknowledged += 1;
        if let Err(why) = trace.order(said, socket, &id, &bodies) {
            found.wrong.push(format!("mail {id}: {why}"));
        }
    }
    found
}

/// The folders that were made and whose parents were not synced afterwards: a power cut takes them with all that is in
/// them.
pub(crate) fn forgotten(events: &[Event]) -> Vec<PathBuf> {
    let synced_after = |dir: &Path, moment: usize| {
        let of_it = |event: &&Event| matches!(&event.call, Call::Synced(synced) if synced == dir);
        events.iter().filter(of_it).any(|sync| sync.start > moment)
    };
    let made = events.iter().filter_map(|event| match &event.call {
        Call::Made(dir) if !synced_after(dir.parent().unwrap(), event.end) => Some(dir.clone()),
        _ => None,
    });
    made.collect()
}

type Bodies<'t> = BTreeMap<PathBuf, (Option<&'t Event>, usize)>;

struct Trace<'t> {
    events: &'t [Event],
    index: PathBuf,
    folder: PathBuf,
}

impl<'t> Trace<'t> {
    /// Draft, body, and the rename that made one the other.
    fn renames(&self) -> impl Iterator<Item = (PathBuf, PathBuf, &'t Event)> {
        self.events.iter().filter_map(|event| match &event.call {
            Call::Renamed(from, to) if to.parent() == Some(&self.folder) => {
                Some((from.clone(), to.clone(), event))
            }
            _ => None,
        })
    }

    fn writes(&self, path: &Path) -> impl Iterator<Item = (&'t Event, &'t [u8])> {
        self.events.iter().filter_map(move |event| match &event.call {
            Call::Wrote(written, bytes) if written == path => Some((event, bytes.as_slice())),
            _ => None,
        })
    }

    /// The first sync of this file or folder that begins after that moment.
    fn sync_after(&self, path: &Path, moment: usize) -> Option<&'t Event> {
        let of_it = |event: &&Event| matches!(&event.call, Call::Synced(synced) if synced == path);
        self.events.iter().filter(of_it).find(|sync| sync.start > moment)
    }

    fn first_naming(&self, id: &[u8]) -> Option<&'t Event> {
        self.writes(&self.index).find(|(_, bytes)| contains(bytes, id)).map(|(event, _)| event)
    }

    /// Written, synced, renamed, folder synced: when the first began and the last was over.
    fn durable(&self, draft: &Path, body: &Path, renamed: &Event) -> Result<(usize, usize), String> {
        let writes: Vec<&Event> = self.writes(draft).map(|(event, _)| event).collect();
        let (Some(first), Some(last)) = (writes.first(), writes.iter().map(|write| write.end).max()) else {
            return Err("nothing was written".to_owned());
        };
        if self.writes(body).next().is_some() {
            return Err("written after it had its name".to_owned());
        }
        let synced = self.sync_after(draft, last).ok_or("not synced after its last write")?;
        if synced.end >= renamed.start {
            return Err("renamed before it was synced".to_owned());
        }
        let folder = self.sync_after(&self.folder, renamed.end).ok_or("its folder was not synced")?;
        Ok((first.start, folder.end))
    }

    /// Each 250 to a mail: when it was said, to whom, and the mail's id.
    fn acknowledgements(&self) -> impl Iterator<Item = (&'t Event, &'t str, String)> {
        self.events.iter().flat_map(|event| {
            let (socket, text) = match &event.call {
                Call::Said(socket, bytes) => (socket.as_str(), String::from_utf8_lossy(bytes).into_owned()),
                _ => ("", String::new()),
            };
            let ids: Vec<String> =
                text.lines().filter_map(|l| l.strip_prefix(TAKEN)).map(str::to_owned).collect();
            ids.into_iter().map(move |id| (event, socket, id))
        })
    }

    /// The rule itself.
    fn order(&self, said: &Event, socket: &str, id: &str, bodies: &Bodies<'t>) -> Result<(), String> {
        let heard = |event: &&Event| matches!(&event.call, Call::Heard(from) if from == socket);
        let dot = self.events.iter().filter(heard).rfind(|heard| heard.end < said.start);
        let dot = dot.ok_or("nothing was read before")?;
        let key = BASE32_NOPAD.decode(id.to_ascii_uppercase().as_bytes()).map_err(|_| "this is no id")?;
        let named = self.first_naming(&key).ok_or("no write of the index names it")?;
        // One commit names mail and body, and the index carries out one commit at a time. Mails that came together share one:
        // then it names a body for each, and this mail's own is among those that were begun after its last dot.
        let same = |other: &&Event| self.commit_of(other) == self.commit_of(named);
        let its = bodies.values().filter(|(named, _)| named.as_ref().is_some_and(same));
        let latest = its.map(|(_, begun)| *begun).max();
        if latest.ok_or("no durable body is named together with it")? < dot.start {
            return Err("its body was begun before its last dot was read".to_owned());
        }
        let pages = self.sync_after(&self.index, named.end).ok_or("the index was not synced")?;
        let header = self.writes(&self.index).find(|(write, _)| write.start > pages.end);
        let (header, _) = header.ok_or("the header of the index was not written after its pages")?;
        let durable =
            self.sync_after(&self.index, header.end).ok_or("the header of the index was not synced")?;
        if durable.end >= said.start {
            return Err("250 was said before the index was synced".to_owned());
        }
        Ok(())
    }

    /// How many syncs of the index were over before: what is written between the same two belongs together.
    fn commit_of(&self, write: &Event) -> usize {
        let over = |event: &&Event| {
            matches!(&event.call, Call::Synced(path) if *path == self.index) && event.end < write.start
        };
        self.events.iter().filter(over).count()
    }
}
