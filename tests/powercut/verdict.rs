//! The power is back: what the disk holds, held against what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use crate::life::Life;
use crate::outside::PATIENCE;
use crate::outside::copy::{armored_part, find};
use crate::outside::daemon::Daemon;
use crate::outside::image::Shelf;
use crate::outside::install::Install;
use crate::outside::openpgp::open;
use crate::outside::sink::{Sink, Taken};
use crate::people::{Stage, send_to};
use crate::record::{Cut, Sent};

/// What was found, over all cuts. A mail counts once for each cut that it had to survive.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) acknowledged: usize,
    /// Of those, the ones that reached every reader.
    pub(crate) found: usize,
    changes: usize,
    changes_found: usize,
    /// Mails that arrived although their 250 was not heard: permitted.
    unheard: usize,
    /// Copies that came before the cut and again after it: permitted, if they are the same.
    again: usize,
    /// What a user would complain about.
    pub(crate) wrong: Vec<String>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} mails acknowledged, {} found at every reader; {} changes acknowledged, {} found; {} more mails arrived \
             whose 250 was not heard; {} copies came again",
            self.acknowledged, self.found, self.changes, self.changes_found, self.unheard, self.again
        )
    }
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.found += other.found;
        self.changes += other.changes;
        self.changes_found += other.changes_found;
        self.unheard += other.unheard;
        self.again += other.again;
        self.wrong.extend(other.wrong);
    }
}

impl Life {
    /// Starts a daemon on each disk and counts.
    pub(crate) fn judge(self, shelf: &Shelf, stage: &Stage) -> Figures {
        let before: Vec<(String, Taken)> =
            self.taken.into_iter().map(|copy| (marker(stage, &copy), copy)).collect();
        let known: BTreeSet<String> = self.sent.mails.iter().map(|mail| mail.marker.clone()).collect();
        let mut all = Figures::default();
        for cut in self.cuts {
            let had = before.iter().filter(|(_, copy)| copy.at <= cut.at).cloned().collect();
            all.add(judge_one(shelf, stage, cut, had, &known));
        }
        all
    }
}

fn judge_one(
    shelf: &Shelf,
    stage: &Stage,
    cut: Cut,
    had: Vec<(String, Taken)>,
    known: &BTreeSet<String>,
) -> Figures {
    let Cut { disk, said, .. } = cut;
    let mut figures = Figures { changes: said.orgs.len(), ..Figures::default() };
    let mut arrived = Arrived::new();
    for (marker, copy) in had {
        arrived.entry((marker, copy.recipient.clone())).or_default().push(copy);
    }
    let disk = shelf.mount_again(disk);
    let after = recover(&Install::found_in(disk.place()), stage.keeps, &said.orgs, &mut figures);
    for mut copy in after {
        copy.generation = 1;
        let marker = marker(stage, &copy);
        if !known.contains(&marker) {
            figures.wrong.push(format!("{marker} was never sent"));
        }
        arrived.entry((marker, copy.recipient.clone())).or_default().push(copy);
    }
    for mail in &said.mails {
        count(stage, mail, &arrived, &mut figures);
    }
    figures
}

type Arrived = BTreeMap<(String, String), Vec<Taken>>;

/// Works off what the disk holds; returns what reached the next hop.
fn recover(install: &Install, keeps: bool, orgs: &[String], figures: &mut Figures) -> Vec<Taken> {
    let sink = Sink::start();
    sink.forget_the_wire();
    send_to(install, &sink);
    // One more would prove nothing here, and costs its time.
    install.edit("spool_rotate = \"1s\"", "spool_rotate = \"30d\"");
    let daemon = Daemon::spawn(install, &[]);
    if !daemon.wait_for_line("vouchsafe::daemon: ready") {
        figures.wrong.push(format!("the daemon does not start after the cut: {}", daemon.log()));
        return Vec::new();
    }
    // What cannot be worked off for want of its body is never gone: of an engine that loses, no more is asked.
    let patience = if keeps { PATIENCE } else { Duration::from_secs(5) };
    let start = Instant::now();
    loop {
        let status = install.json(&["status"]);
        let left = ["arrivals", "due", "claimed", "deferred", "failed", "held"];
        let left: Vec<_> = left.iter().filter(|key| status[**key] != 0).collect();
        if left.is_empty() {
            break;
        }
        if status["held"] != 0 {
            release_what_was_cut_off(install);
        }
        if start.elapsed() > patience {
            figures.wrong.push(format!("mail stays after the cut ({left:?}): {status}"));
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let rows = install.json(&["org", "ls"]);
    let there: BTreeSet<&str> =
        rows.as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    for org in orgs {
        if there.contains(org.as_str()) {
            figures.changes_found += 1;
        } else {
            figures.wrong.push(format!("{org} was added and is not there after the cut"));
        }
    }
    let verified = install.run(&["journal", "verify"]);
    if verified.code != 0 {
        figures.wrong.push(format!("the journal after the cut: {}{}", verified.out, verified.err));
    }
    daemon.stop();
    sink.taken()
}

/// A mail whose worker three cuts ended waits for an admin, as it should; nothing else is held.
fn release_what_was_cut_off(install: &Install) {
    for row in install.json(&["hold", "ls"]).as_array().unwrap() {
        if row["reason"] == "quarantined" {
            install.ok(&["hold", "release", row["id"].as_str().unwrap(), "--yes"]);
        }
    }
}

fn count(stage: &Stage, mail: &Sent, arrived: &Arrived, figures: &mut Figures) {
    let readers = stage.readers(mail.announced);
    let copies: Vec<&[Taken]> = readers
        .iter()
        .map(|(address, _)| {
            arrived.get(&(mail.marker.clone(), address.clone())).map_or(&[][..], Vec::as_slice)
        })
        .collect();
    let reached = copies.iter().filter(|copies| !copies.is_empty()).count();
    let whole = reached == readers.len();
    if mail.acknowledged {
        figures.acknowledged += 1;
        figures.found += usize::from(whole);
        if !whole {
            let lost = format!("{} was acknowledged and reached {reached} of {}", mail.marker, readers.len());
            figures.wrong.push(lost);
        }
    } else if reached > 0 {
        figures.unheard += 1;
        if !whole {
            figures.wrong.push(format!(
                "{} reached {reached} of {}: all or none",
                mail.marker,
                readers.len()
            ));
        }
    }
    for of_one in copies {
        figures.again += of_one.len().saturating_sub(1);
        figures.wrong.extend(of_one.windows(2).filter_map(|pair| twice(&mail.marker, &pair[0], &pair[1])));
    }
}

/// Nothing, if the second copy is the first one again because the power was cut before the first was written down: the
/// same to the byte. A mail that was relayed twice is something else.
fn twice(marker: &str, one: &Taken, two: &Taken) -> Option<String> {
    let same = one.data == two.data && one.reverse_path == two.reverse_path;
    match (same, one.generation == two.generation) {
        (true, false) => None,
        (true, true) => Some(format!("{marker}: one daemon sent a copy twice")),
        (false, _) => Some(format!("{marker}: relayed twice, as another parcel")),
    }
}

/// The mark of a copy, opened with its reader's key alone.
fn marker(stage: &Stage, copy: &Taken) -> String {
    let (_, reader) = stage.people.iter().find(|(address, _)| *address == copy.recipient).unwrap();
    let list = if copy.reverse_path.starts_with("security") { &stage.security } else { &stage.announce };
    let entity = open(reader, list, &armored_part(&copy.data))
        .unwrap_or_else(|error| panic!("a copy for {} does not open: {error}", copy.recipient));
    let at = find(&entity, b"marker-").expect("a marker");
    let length = find(&entity[at..], b".").expect("its end") + 1;
    String::from_utf8(entity[at..at + length].to_vec()).unwrap()
}
