//! How each mailbox is, for `status`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::time::Timestamp;

/// What is known about all mailboxes. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, State>>>);

#[derive(Debug, Default)]
struct State {
    /// Why it cannot be attended, and since when.
    trouble: Option<(String, Timestamp)>,
    /// How many mails were left in it.
    left: usize,
}

impl Board {
    /// What needs the admin's attention, a sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, state) in self.states().iter() {
            if let Some((why, since)) = &state.trouble {
                problems.push(format!("no mail comes from the mailbox {name} since {since}: {why}"));
            }
            if state.left > 0 {
                let mails =
                    if state.left == 1 { "one mail".to_owned() } else { format!("{} mails", state.left) };
                problems.push(format!(
                    "{mails} in the mailbox {name} could not be taken in: the log says why, look at it there"
                ));
            }
        }
        problems
    }

    /// It cannot be attended; since `now`, if that is news.
    pub(super) fn failed(&self, name: &str, why: String, now: Timestamp) {
        let mut states = self.states();
        let state = states.entry(name.to_owned()).or_default();
        let since = state.trouble.as_ref().map_or(now, |(_, since)| *since);
        state.trouble = Some((why, since));
    }

    /// It is attended; whether it was not before.
    pub(super) fn reached(&self, name: &str) -> bool {
        self.states().entry(name.to_owned()).or_default().trouble.take().is_some()
    }

    /// So many mails are left in it.
    pub(super) fn left(&self, name: &str, count: usize) {
        self.states().entry(name.to_owned()).or_default().left = count;
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_in_trouble_is_named_with_the_first_moment_and_the_last_reason() {
        let board = Board::default();
        assert!(!board.reached("inbox"));
        board.failed("inbox", "it sleeps".to_owned(), Timestamp::from_secs(0));
        board.failed("inbox", "it is gone".to_owned(), Timestamp::from_secs(99));
        board.left("inbox", 2);
        let problems = board.problems();
        assert!(problems[0].contains("inbox since 1970-01-01T00:00:00Z: it is gone"), "{problems:?}");
        assert!(problems[1].starts_with("2 mails in the mailbox inbox"), "{problems:?}");
        assert!(board.reached("inbox"));
        assert_eq!(board.problems().len(), 1);
    }
}
