//! When a contact is asked whether its address is read, and what follows.

use std::time::Duration;

use crate::id::{ListName, MemberId};
use crate::roster::alias::{Alias, Change, Open};
use crate::roster::change::Change as AnyChange;
use crate::roster::membership::{Cause, Member, Role, Standing};
use crate::roster::{Refusal, Roster};
use crate::time::Timestamp;

/// A policy's rules of such questions.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How often.
    pub every: Option<Duration>,
    /// How long there is to answer.
    pub answer: Duration,
    /// How long before the end of the time a reminder goes out.
    pub remind: &'a [Duration],
}

/// What has to be done about one member's address now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// The first question is due then.
    Schedule(Timestamp),
    /// It is asked.
    Ask,
    /// A reminder goes out: so many are out then.
    Remind(u32),
    /// The time is over.
    Miss,
    /// Nobody waits for an answer any more: the member is suspended for something else.
    Drop,
}

/// What has to be done now.
#[must_use]
pub fn due(member: &Member, rules: &Rules<'_>, now: Timestamp) -> Due {
    let alias = &member.file.alias;
    if !matches!(member.role, Role::Contact { .. }) {
        return Due::Nothing;
    }
    if !member.is_active() {
        return if alias.open.is_some() { Due::Drop } else { Due::Nothing };
    }
    if let Some(open) = &alias.open {
        if now < open.asked {
            // The clock was ahead.
            return Due::Drop;
        }
        if now >= open.due {
            return Due::Miss;
        }
        let at = |before: &&Duration| {
            let at = open.due.before(**before);
            now >= at && open.asked < at
        };
        let passed = u32::try_from(rules.remind.iter().filter(at).count()).unwrap_or(u32::MAX);
        return if passed > open.reminded { Due::Remind(passed) } else { Due::Nothing };
    }
    let Some(every) = rules.every else { return Due::Nothing };
    match alias.next {
        None => Due::Schedule(first(member, every, now)),
        Some(next) if next > now.after(every) => Due::Schedule(first(member, every, now)),
        // After a long time off not everybody is asked at once.
        Some(next) if now >= next && now.since(next) > every / 10 => {
            Due::Schedule(now.after(share(member, rules.answer)))
        }
        Some(next) if now >= next => Due::Ask,
        Some(_) => Due::Nothing,
    }
}

/// The first question comes `every` after somebody joined. Who joined longer ago, before there were questions, is asked in
/// the second half of the time from now, each at a moment of its own: a list does not answer in one second.
fn first(member: &Member, every: Duration, now: Timestamp) -> Timestamp {
    let joined = member.since.after(every);
    if joined > now {
        return joined;
    }
    now.after(every / 2).after(share(member, every / 2))
}

/// Some part of a time, another one for each member, and always the same.
fn share(member: &Member, of: Duration) -> Duration {
    // FNV-1a over the id: any spread does.
    let spread = member
        .id
        .as_str()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    of.saturating_mul(spread % 1000) / 1000
}

impl Roster {
    /// Asks a member.
    ///
    /// # Errors
    /// When nobody of that list has that id, or has been removed.
    pub fn ask_alias(
        &self,
        list: &ListName,
        id: &MemberId,
        (now, due): (Timestamp, Timestamp),
    ) -> Result<(Self, AnyChange), Refusal> {
        let round = self.with_id(list, id)?.file.alias.round.saturating_add(1);
        let new = self.with_member(list, id, |m| {
            m.file.alias.round = round;
            m.file.alias.open = Some(Open { asked: now, due, reminded: 0 });
        });
        let what = Change::Asked { member: id.clone(), round, due: due.to_string() };
        Ok((new, AnyChange::Alias { what }))
    }

    /// Somebody answered a question, the last one or one before: the address is read. The next one is due at `next`.
    ///
    /// # Errors
    /// When nobody of that list has that id, or there was no such question.
    pub fn answer_alias(
        &self,
        list: &ListName,
        id: &MemberId,
        round: u32,
        (now, next): (Timestamp, Option<Timestamp>),
    ) -> Result<(Self, AnyChange), Refusal> {
        let last = self.with_id(list, id)?.file.alias.round;
        if round == 0 || round > last {
            return Err(Refusal::NoQuestion);
        }
        let new = self.with_member(list, id, |m| {
            m.file.alias = Alias { round: last, next, open: None, answered: Some(now), missed: 0 };
        });
        Ok((new, AnyChange::Alias { what: Change::Answered { member: id.clone(), round } }))
    }

    /// Nobody answered in time. The next question is due at once, if there is a next one.
    ///
    /// # Errors
    /// When nobody of that list has that id, or has been removed.
    pub fn miss_alias(
        &self,
        list: &ListName,
        id: &MemberId,
        now: Timestamp,
    ) -> Result<(Self, AnyChange), Refusal> {
        let alias = &self.with_id(list, id)?.file.alias;
        let (round, missed) = (alias.round, alias.missed.saturating_add(1));
        let new = self.with_member(list, id, |m| {
            m.file.alias.open = None;
            m.file.alias.missed = missed;
            m.file.alias.next = Some(now);
        });
        Ok((new, AnyChange::Alias { what: Change::Missed { member: id.clone(), round, missed } }))
    }

    /// When the next question is due, or that nobody waits for the last one. No change of its own.
    #[must_use]
    pub fn schedule_alias(&self, list: &ListName, id: &MemberId, next: Option<Timestamp>) -> Self {
        self.with_member(list, id, |m| {
            m.file.alias.open = None;
            m.file.alias.next = next;
        })
    }

    /// Notes that so many reminders went out. No change of its own: the letter is journalled.
    #[must_use]
    pub fn reminded_of_alias(&self, list: &ListName, id: &MemberId, reminded: u32) -> Self {
        self.with_member(list, id, |m| {
            if let Some(open) = &mut m.file.alias.open {
                open.reminded = reminded;
            }
        })
    }
}

/// Whether somebody is suspended for not answering.
#[must_use]
pub fn is_unanswered(member: &Member) -> bool {
    member.standing == Standing::Suspended && member.file.cause == Some(Cause::Unanswered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fingerprint;
    use crate::roster::membership::MemberFile;

    const T0: Timestamp = Timestamp::from_secs(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn contact(n: u32, alias: Alias) -> Member {
        Member {
            id: format!("m-{n}").parse().unwrap(),
            address: "m1@example.org".parse().unwrap(),
            fingerprint: Fingerprint::V4([1; 20]),
            role: Role::Contact { org: "acme".parse().unwrap() },
            standing: Standing::Active,
            since: T0,
            format: None,
            file: MemberFile { alias, ..MemberFile::default() },
        }
    }

    fn at(member: &Member, day: u32) -> Due {
        let remind = [DAY * 3];
        due(member, &Rules { every: Some(DAY * 90), answer: DAY * 7, remind: &remind }, T0.after(DAY * day))
    }

    #[test]
    fn a_question_is_asked_in_time_reminded_of_and_missed() {
        assert_eq!(at(&contact(1, Alias::default()), 10), Due::Schedule(T0.after(DAY * 90)));
        let next = contact(1, Alias { next: Some(T0.after(DAY * 90)), ..Alias::default() });
        assert_eq!((at(&next, 89), at(&next, 91)), (Due::Nothing, Due::Ask));
        let open = Open { asked: T0, due: T0.after(DAY * 7), reminded: 0 };
        let mut open = contact(1, Alias { round: 1, open: Some(open), ..Alias::default() });
        assert_eq!((at(&open, 3), at(&open, 4), at(&open, 7)), (Due::Nothing, Due::Remind(1), Due::Miss));
        open.standing = Standing::Suspended;
        assert_eq!(at(&open, 8), Due::Drop, "who is suspended for something else owes no answer");
    }

    #[test]
    fn a_list_is_not_asked_in_one_second_after_an_upgrade_or_a_long_time_off() {
        let spread = |alias: &Alias| {
            let mut all: Vec<Timestamp> = (0..50)
                .map(|n| match at(&contact(n, alias.clone()), 400) {
                    Due::Schedule(at) => at,
                    other => panic!("{other:?}"),
                })
                .collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let upgraded = spread(&Alias::default());
        assert!(upgraded.len() > 40 && upgraded.iter().all(|at| *at <= T0.after(DAY * 490)));
        let overdue = spread(&Alias { next: Some(T0.after(DAY * 100)), ..Alias::default() });
        assert!(overdue.len() > 40 && overdue.iter().all(|at| *at <= T0.after(DAY * 407)));
    }
}
