//! What is to be done with what lies in a mailbox. Pure: a listing in, steps out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ingress::reception::Reception;

/// The most mails of one FETCH, and the most bytes of it where it has several.
const MAX_MAILS: usize = 50;
const MAX_BYTES: u64 = 8 << 20;
/// A mail that the server could not give so often is left.
const MAX_REFUSALS: u32 = 3;
/// So much is remembered about single mails where the server does not remember it for us.
const MAX_REMEMBERED: usize = 10_000;

/// One mail as the server lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its UID.
    pub(super) uid: u32,
    /// Its size in bytes, as the server counts.
    pub(super) size: u64,
    /// Whether it was left before.
    pub(super) left: bool,
    /// Whether somebody deleted it.
    pub(super) deleted: bool,
}

/// What was learnt about single mails in this generation of UIDs; lost at a restart, at the price of another look.
#[derive(Default)]
pub(super) struct Memory {
    /// The generation.
    validity: Option<u32>,
    /// By which lists and limits mail was left.
    reception: Option<Arc<Reception>>,
    /// Grows with whatever makes the next plan fetch otherwise.
    learnt: u64,
    /// Left, where the server keeps no keyword.
    left: BTreeSet<u32>,
    /// Larger than the server says.
    sizes: BTreeMap<u32, u64>,
    /// The connection broke off at a FETCH of these: they come last, and alone.
    suspects: BTreeSet<u32>,
    /// How often the server refused to give them.
    refusals: BTreeMap<u32, u32>,
}

impl Memory {
    /// UIDs mean something within one generation only.
    pub(super) fn in_generation(&mut self, validity: u32) {
        if self.validity != Some(validity) {
            *self = Self { validity: Some(validity), ..Self::default() };
        }
    }

    /// By other lists and limits, what was left may be taken in: it is looked at again.
    pub(super) fn under(&mut self, reception: &Arc<Reception>) {
        if !self.reception.as_ref().is_some_and(|before| Arc::ptr_eq(before, reception)) {
            self.reception = Some(Arc::clone(reception));
            self.left.clear();
            self.refusals.clear();
        }
    }

    /// A number that is another one when the next plan fetches otherwise than the last one.
    pub(super) fn learnt(&self) -> u64 {
        self.learnt
    }

    /// It is not looked at again.
    pub(super) fn leave(&mut self, uid: u32) {
        if self.left.len() < MAX_REMEMBERED {
            self.left.insert(uid);
        }
    }

    /// It is larger than the server says.
    pub(super) fn is_larger(&mut self, uid: u32, size: u64) {
        if self.sizes.len() < MAX_REMEMBERED && self.sizes.insert(uid, size) != Some(size) {
            self.learnt = self.learnt.saturating_add(1);
        }
        self.suspect([uid]);
    }

    /// A FETCH of these did not come to its end.
    pub(super) fn suspect(&mut self, uids: impl IntoIterator<Item = u32>) {
        let before = self.suspects.len();
        if before < MAX_REMEMBERED {
            self.suspects.extend(uids);
        }
        self.learnt = self.learnt.saturating_add(u64::from(self.suspects.len() > before));
    }

    /// The server refused to give this one, or had nothing to give.
    pub(super) fn refused(&mut self, uid: u32) {
        self.suspect([uid]);
        if self.refusals.len() < MAX_REMEMBERED {
            let count = self.refusals.entry(uid).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// It is dealt with.
    pub(super) fn forget(&mut self, uid: u32) {
        self.suspects.remove(&uid);
        self.refusals.remove(&uid);
        self.sizes.remove(&uid);
    }
}

/// Why a mail is left without having been fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfetched {
    /// More than `max_message`.
    #[error("it has {size} bytes, more than [limits] max_message ({limit})")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The server cannot give it.
    #[error(
        "the server could not give it, or not whole, {MAX_REFUSALS} times; it is asked again after a reload or restart"
    )]
    NotGiven,
}

impl Unfetched {
    /// For how long.
    pub(super) const fn stay(self) -> Stay {
        match self {
            Self::TooLarge { .. } => Stay::Settled,
            Self::NotGiven => Stay::ForNow,
        }
    }
}

/// For how long a mail is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// Until somebody looks at it there: it is marked, or moved aside.
    Settled,
    /// It is no fault of the mail's: nothing is done to it, and it is looked at again by other settings.
    ForNow,
}

/// What is to be done with a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// To be fetched, each group in one command.
    pub(super) fetch: Vec<Vec<Listed>>,
    /// To be left, and why.
    pub(super) leave: Vec<(u32, Unfetched)>,
    /// Left before.
    pub(super) left: usize,
}

impl Plan {
    /// What is to be done with these, when no mail may have more than `limit` bytes.
    pub(super) fn of(listing: &[Listed], memory: &Memory, limit: u64) -> Self {
        let mut plan = Self::default();
        let (mut group, mut bytes, mut last) = (Vec::new(), 0_u64, Vec::new());
        for mail in listing.iter().filter(|mail| !mail.deleted) {
            let size = memory.sizes.get(&mail.uid).copied().unwrap_or(0).max(mail.size);
            let mail = Listed { size, ..*mail };
            if mail.left || memory.left.contains(&mail.uid) {
                plan.left = plan.left.saturating_add(1);
            } else if size > limit {
                plan.leave.push((mail.uid, Unfetched::TooLarge { size, limit }));
            } else if memory.refusals.get(&mail.uid).is_some_and(|count| *count >= MAX_REFUSALS) {
                plan.leave.push((mail.uid, Unfetched::NotGiven));
            } else if memory.suspects.contains(&mail.uid) {
                last.push(vec![mail]);
            } else {
                let full = group.len() >= MAX_MAILS || bytes.saturating_add(size) > MAX_BYTES;
                if full && !group.is_empty() {
                    plan.fetch.push(std::mem::take(&mut group));
                    bytes = 0;
                }
                bytes = bytes.saturating_add(size);
                group.push(mail);
            }
        }
        plan.fetch.extend(Some(group).filter(|group| !group.is_empty()));
        plan.fetch.append(&mut last);
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingress::settings::{Limits, SmtpSettings};
    use crate::mail::directory::Directory;

    fn mail(uid: u32, size: u64) -> Listed {
        Listed { uid, size, left: false, deleted: false }
    }

    fn uids(plan: &Plan) -> Vec<Vec<u32>> {
        plan.fetch.iter().map(|group| group.iter().map(|mail| mail.uid).collect()).collect()
    }

    #[test]
    fn groups_are_bounded_in_number_and_bytes() {
        let small: Vec<Listed> = (1..=120).map(|uid| mail(uid, 100)).collect();
        let sizes: Vec<usize> =
            Plan::of(&small, &Memory::default(), 1 << 20).fetch.iter().map(Vec::len).collect();
        assert_eq!(sizes, [50, 50, 20]);
        let large = [mail(1, 100), mail(2, MAX_BYTES), mail(3, 5), mail(4, MAX_BYTES + 1)];
        assert_eq!(
            uids(&Plan::of(&large, &Memory::default(), u64::MAX)),
            [vec![1], vec![2], vec![3], vec![4]]
        );
    }

    #[test]
    fn what_is_too_large_deleted_or_left_is_not_fetched() {
        let left = Listed { left: true, ..mail(2, 1) };
        let deleted = Listed { deleted: true, ..mail(3, 1) };
        let mut memory = Memory::default();
        memory.leave(5);
        let plan = Plan::of(&[mail(1, 11), left, deleted, mail(4, 10), mail(5, 1)], &memory, 10);
        assert_eq!((uids(&plan), plan.left), (vec![vec![4]], 2));
        assert_eq!(plan.leave, [(1, Unfetched::TooLarge { size: 11, limit: 10 })]);
    }

    #[test]
    fn what_was_left_is_looked_at_again_by_other_lists_and_limits() {
        let reception = || {
            let directory = Arc::new(Directory::new(Vec::new()));
            Arc::new(Reception::new(&SmtpSettings::default(), &Limits::default(), directory, None))
        };
        let (first, second, mut memory) = (reception(), reception(), Memory::default());
        memory.under(&first);
        memory.leave(1);
        (0..MAX_REFUSALS).for_each(|_| memory.refused(2));
        memory.under(&first);
        assert_eq!(Plan::of(&[mail(1, 1), mail(2, 1)], &memory, 9).fetch, Vec::<Vec<Listed>>::new());
        memory.under(&second);
        assert_eq!(uids(&Plan::of(&[mail(1, 1), mail(2, 1)], &memory, 9)), [vec![1], vec![2]]);
    }

    #[test]
    fn only_what_changes_the_next_plan_calls_for_another_look_at_once() {
        let mut memory = Memory::default();
        let learns = |memory: &mut Memory, what: &dyn Fn(&mut Memory)| {
            let before = memory.learnt();
            what(memory);
            memory.learnt() != before
        };
        assert!(learns(&mut memory, &|memory| memory.suspect([1, 2])));
        assert!(!learns(&mut memory, &|memory| memory.suspect([1, 2])));
        assert!(learns(&mut memory, &|memory| memory.refused(3)), "it is asked for alone now");
        assert!(!learns(&mut memory, &|memory| memory.refused(3)), "that is for the next look");
        assert!(learns(&mut memory, &|memory| memory.is_larger(1, 9)));
        assert!(!learns(&mut memory, &|memory| memory.is_larger(1, 9)));
        let all = u32::try_from(MAX_REMEMBERED).unwrap() + 9;
        assert!(!learns(&mut memory, &|memory| (0..all).for_each(|uid| memory.leave(uid))));
        assert!(learns(&mut memory, &|memory| memory.suspect(0..all)));
        assert!(!learns(&mut memory, &|memory| (0..all).for_each(|uid| memory.suspect([uid + all]))), "full");
    }

    #[test]
    fn a_mail_that_makes_trouble_comes_last_and_alone() {
        let mut memory = Memory::default();
        memory.suspect([1]);
        memory.is_larger(2, 99);
        let listing = [mail(1, 1), mail(2, 1), mail(3, 1), mail(4, 1)];
        let plan = Plan::of(&listing, &memory, 100);
        assert_eq!(uids(&plan), [vec![3, 4], vec![1], vec![2]]);
        assert_eq!(plan.fetch[2][0].size, 99, "what is known better than the server says");
        assert_eq!(Plan::of(&listing, &memory, 98).leave, [(2, Unfetched::TooLarge { size: 99, limit: 98 })]);
        (0..MAX_REFUSALS).for_each(|_| memory.refused(1));
        assert_eq!(Plan::of(&listing, &memory, 100).leave, [(1, Unfetched::NotGiven)]);
        memory.forget(1);
        assert_eq!(uids(&Plan::of(&listing, &memory, 100)), [vec![1, 3, 4], vec![2]]);
        memory.in_generation(7);
        assert_eq!(uids(&Plan::of(&listing, &memory, 1)), [vec![1, 2, 3, 4]], "UIDs mean others now");
    }
}
