//! Work that may take long: it is asked for part by part, with a sign of how far it is.

use super::{Desk, Shown, next};
use crate::cli::failure::{Failure, refused};
use crate::cli::progress::Progress;
use crate::cli::show;
use crate::control::client;
use crate::control::wire::{Answer, ErrorKind, ListName, Part, Request};

impl Desk<'_> {
    pub(super) fn retry_all(&self, list: Option<&ListName>) -> Result<Shown, Failure> {
        let mut all = 0;
        self.parts(
            "trying again",
            |after| Request::QueueRetryAll { list: list.cloned(), after },
            |answer| {
                let Answer::Retried { tried, done } = answer else { return None };
                all += tried;
                Some(done)
            },
        )?;
        Ok(format!("{all} copies are tried now\n").into())
    }

    pub(super) fn verify(
        &self,
        list: Option<&ListName>,
        head: Option<&String>,
        json: bool,
    ) -> Result<Shown, Failure> {
        let (mut chains, mut found) = (Vec::new(), None);
        self.parts(
            "verifying",
            |after| Request::JournalVerify { list: list.cloned(), head: head.cloned(), after },
            |answer| {
                let Answer::Verified { chains: finished, head_found, done } = answer else { return None };
                chains.extend(finished);
                found = found.max(head_found);
                Some(done)
            },
        )?;
        let broken: Vec<&str> = chains.iter().filter(|c| !c.sound).map(|c| c.list.as_str()).collect();
        let verdict = match (broken.as_slice(), found) {
            ([], Some(false)) => Some(head_missing()),
            ([], _) => None,
            (lists, _) => Some(chain_broken(&lists.join(", "))),
        };
        Ok(Shown { text: show::rows(&chains, &show::CHAINS, json), verdict })
    }

    /// Long work, part by part, with a sign of how far it is.
    fn parts(
        &self,
        what: &'static str,
        request: impl Fn(Option<String>) -> Request,
        mut take: impl FnMut(Answer) -> Option<Part>,
    ) -> Result<(), Failure> {
        let mut progress = Progress::of(what, self.watched);
        let (mut after, mut done) = (None, 0_u64);
        loop {
            // The bar alone is the sign of life here.
            let answer = refused(client::ask(self.socket, &request(after.clone()))?)?;
            let Part { looked, total, more } = take(answer).ok_or_else(Failure::unexpected)?;
            done = done.saturating_add(looked);
            progress.at(done, total);
            after = next(after, more)?;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

fn head_missing() -> Failure {
    Failure::new(
        ErrorKind::Data,
        "the journal does not hold that head",
        "its chain has been cut or replaced since the head was kept, or the hash belongs to another relay",
        "compare with a head that you kept, and with a backup",
    )
}

fn chain_broken(lists: &str) -> Failure {
    Failure::new(
        ErrorKind::Data,
        &format!("the journal is broken: {lists}"),
        "an entry does not fit the hash of the one before: somebody or something has changed it",
        "keep the store as it is, and compare with a backup",
    )
}
