//! What was acknowledged, and the cut that comes right after an acknowledgement.

use std::fs::File;
use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::time::Instant;

use crate::outside::image::Image;

/// A mail that was sent, or at least begun.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) marker: String,
    pub(crate) announced: bool,
    /// Whether its 250 was heard.
    pub(crate) acknowledged: bool,
}

/// Everything that was said to clients and admins, up to some moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) mails: Vec<Sent>,
    /// Organisations whose `org add` succeeded.
    pub(crate) orgs: Vec<String>,
}

/// The disk after a power cut, and what had been said before.
pub(crate) struct Cut {
    pub(crate) disk: Image,
    pub(crate) said: Said,
    /// When the cut was over: what the next hop took until then, it had.
    pub(crate) at: Instant,
}

/// After whose acknowledgement the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Mail,
    Command,
}

/// A cut that waits for its moment.
struct Pending {
    after: After,
    /// How many acknowledgements it lets pass.
    passing: u64,
    power: File,
    room: Image,
    done: Sender<Cut>,
}

/// What was said so far; shared by all who hear it.
#[derive(Default)]
pub(crate) struct Record {
    said: Mutex<Said>,
    pending: Mutex<Option<Pending>>,
}

impl Record {
    /// Cuts the power of `disk` right after an acknowledgement, once `passing` others have gone by.
    pub(crate) fn cut_after(&self, after: After, passing: u64, power: File, room: Image, done: Sender<Cut>) {
        *self.pending.lock().unwrap() = Some(Pending { after, passing, power, room, done });
    }

    /// A mail is about to be sent; returns its number.
    pub(crate) fn begin(&self, marker: &str, announced: bool) -> usize {
        let mut said = self.said.lock().unwrap();
        said.mails.push(Sent { marker: marker.to_owned(), announced, acknowledged: false });
        said.mails.len() - 1
    }

    /// Its 250 was heard.
    pub(crate) fn acknowledged(&self, mail: usize) {
        self.said.lock().unwrap().mails[mail].acknowledged = true;
        self.cut_if_due(After::Mail);
    }

    /// A command that adds this organisation has succeeded.
    pub(crate) fn added(&self, org: String) {
        self.said.lock().unwrap().orgs.push(org);
        self.cut_if_due(After::Command);
    }

    /// Whoever heard the acknowledgement cuts the power itself: nobody is quicker.
    fn cut_if_due(&self, after: After) {
        let mut pending = self.pending.lock().unwrap();
        let Some(cut) = pending.take_if(|cut| cut.after == after && cut.passing == 0) else {
            if let Some(cut) = pending.as_mut().filter(|cut| cut.after == after) {
                cut.passing -= 1;
            }
            return;
        };
        drop(pending);
        // First what was said, then the cut: whatever is in the list was said before.
        let said = self.all();
        cut.room.become_copy_of(&cut.power);
        let _ = cut.done.send(Cut { disk: cut.room, said, at: Instant::now() });
    }

    /// Everything until now.
    pub(crate) fn all(&self) -> Said {
        self.said.lock().unwrap().clone()
    }
}
